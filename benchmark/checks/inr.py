"""Claims about an INR: a torch module `(in_dim, out_dim, *, options)` with `forward(coords [N,
in_dim]) -> [N, out_dim]`.
"""

from __future__ import annotations

import copy
import itertools
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.func import functional_call, stack_module_state, vmap

from benchmark.bitstream import Header, encode, unpack
from benchmark.checks import Skip, Subject
from benchmark.checks.fresh import decode_inr
from benchmark.errors import InputError, call, field
from benchmark.fit.fused import FusedRenderer, describe
from benchmark.fit.render import Renderer
from benchmark.images.grid import grid

SIDE = 32


def build(
    subject: Subject, in_dim: int = 2, out_dim: int = 1, *, seed: int = 0, **options: Any
) -> nn.Module:
    """The module as the engine builds it: torch's random state and the keyword `seed` both set from
    the fit's seed.
    """
    if "seed" in subject.defaults:
        options.setdefault("seed", seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module: nn.Module = subject.make(in_dim, out_dim, **options)
    return module.to(device(subject))


def device(subject: Subject) -> str:
    return subject.declared["device"] or "cpu"


def pixels(subject: Subject, in_dim: int = 2, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """All pixel centres of a small picture (or some points of a volume) in the declared range: [N,
    in_dim].
    """
    low, high = subject.declared["coordinates"]
    coords = torch.from_numpy(grid(SIDE, SIDE, (low, high)))
    more = low + (high - low) * torch.rand(
        len(coords), in_dim - 2, generator=torch.Generator().manual_seed(1)
    )
    return torch.cat([coords, more], 1).to(device(subject), dtype)


def refuses_volumes(subject: Subject) -> str:
    """Why it takes no three inputs, in its own words (InputError); empty where it takes them."""
    try:
        build(subject, 3)
    except InputError as error:
        return error.found.marked
    return ""


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def same(a: nn.Module, b: nn.Module) -> bool:
    mine, theirs = dict(a.named_parameters()), dict(b.named_parameters())
    return mine.keys() == theirs.keys() and all(
        torch.equal(p, theirs[name]) for name, p in mine.items()
    )


def check_output_has_a_row_for_each_point(subject: Subject) -> None:
    """forward gives [N, out_dim], for pictures and volumes, one channel and three."""
    for in_dim, out_dim in itertools.product((2,) if refuses_volumes(subject) else (2, 3), (1, 3)):
        coords = pixels(subject, in_dim)
        shape = tuple(build(subject, in_dim, out_dim)(coords).shape)
        assert shape == (
            len(coords),
            out_dim,
        ), f"in_dim={in_dim}, out_dim={out_dim}: {shape}, not {(len(coords), out_dim)}"


def check_three_inputs_serve_a_volume(subject: Subject) -> None:
    """With in_dim=3 each coordinate moves the output: `--dims 3`. A backbone for images alone
    raises InputError, in words.
    """
    if why := refuses_volumes(subject):
        raise Skip(f"it takes no three inputs: {why}")
    module, coords = build(subject, 3), pixels(subject, 3)
    with torch.no_grad():
        for i, name in enumerate(("plane", "row", "column")):
            moved = coords.clone()
            moved[:, i] = coords[:, i].flip(0) + 0.01
            assert not torch.equal(module(coords), module(moved)), (
                f"the {name} (input {i} of 3) does not change the output"
            )


def check_output_is_finite(subject: Subject) -> None:
    """Before any fit, every value is finite and of the size of an image."""
    values = build(subject)(pixels(subject)).detach()
    assert bool(torch.isfinite(values).all()), "it has values that are not finite"
    assert float(values.abs().max()) < 100, (
        f"it reaches {float(values.abs().max()):.3g} where an image is in [0, 1]"
    )


def check_rows_are_independent(subject: Subject) -> None:
    """A point's value depends on its coordinates alone: a fit renders all pixels, a decoder any of
    them.
    """
    module, coords = build(subject), pixels(subject)
    some = torch.randperm(len(coords), generator=torch.Generator().manual_seed(0))[:57].to(
        coords.device
    )
    with torch.no_grad():
        whole, part = module(coords)[some], module(coords[some])
    far = float((whole - part).abs().max())
    assert far < 1e-5 * (1 + float(whole.abs().max())), (
        f"57 points alone differ by {far:.2g} from the same among all"
    )


def check_forward_is_deterministic(subject: Subject) -> None:
    """The same coordinates twice give the same bits, while training and not."""
    module, coords = build(subject), pixels(subject)
    untouched = copy.deepcopy(module)
    first = module.train()(coords)
    assert torch.equal(first, module(coords)), "a second call gives other values"
    assert torch.equal(first, module.eval()(coords)), "eval() gives other values than train()"
    other = 0.5 * coords
    assert torch.equal(module(other), untouched(other)), (
        "what it was called with before changes the values"
    )


def check_input_is_untouched(subject: Subject) -> None:
    """forward does not write into its coordinates: they serve every step and every fit."""
    coords = pixels(subject)
    before = coords.clone()
    build(subject)(coords)
    assert torch.equal(coords, before), "the coordinates have other values after forward"


def check_every_parameter_gets_a_gradient(subject: Subject) -> None:
    """Every tensor of parameters moves the output, and at least half of its entries do: the others
    would waste bytes.
    """
    module = build(subject)
    assert count(module) > 0, "it has no parameters"
    values = module(pixels(subject))
    assert values.requires_grad, "no parameter gets one"
    values.square().sum().backward()
    for name, p in module.named_parameters():
        assert p.grad is not None, f"{name} gets none"
        share = float((p.grad != 0).float().mean())
        assert share >= 0.5, f"{share:.0%} of the entries of {name} get one"


def check_same_seed_same_weights(subject: Subject) -> None:
    """Built twice from one seed, the weights are equal."""
    assert same(build(subject, seed=3), build(subject, seed=3)), (
        "two modules of one seed differ: its weights come from elsewhere"
    )


def check_other_seed_other_weights(subject: Subject) -> None:
    """Another seed gives other weights: seeds measure the spread of the fits."""
    assert not same(build(subject, seed=3), build(subject, seed=4)), (
        "two seeds give the same weights"
    )


def check_constants_come_from_the_seed(subject: Subject) -> None:
    """Buffers cost no bytes, so they must follow from the options and the keyword `seed` alone, not
    from torch's state.
    """
    one, two = build(subject, seed=5), build(subject, seed=5)
    if "seed" in subject.defaults:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(99)
            two = subject.make(2, 1, seed=5).to(device(subject))
    else:
        two = build(subject, seed=99)
    theirs = dict(two.named_buffers())
    for name, buffer in one.named_buffers():
        assert torch.equal(buffer, theirs[name]), (
            f"the buffer {name} is not made from the keyword seed"
        )
    if "seed" in subject.defaults:
        changed = dict(build(subject, seed=6).named_buffers())
        assert any(not torch.equal(b, changed[n]) for n, b in one.named_buffers()), (
            "the keyword seed changes no buffer"
        )


def check_stacked_equals_one_by_one(subject: Subject) -> None:
    """K fits under torch.func.vmap have the values and gradients that each has alone (float64)."""
    if not subject.declared["stackable"]:
        raise Skip("it declares stackable=False")
    modules, coords = (
        [build(subject, seed=k).double() for k in range(3)],
        pixels(subject, dtype=torch.float64),
    )
    parameters, buffers = stack_module_state(modules)
    values = vmap(lambda p, b: functional_call(modules[0], (p, b), (coords,)))(parameters, buffers)
    gradients = torch.autograd.grad(values.square().sum(), list(parameters.values()))
    for k, module in enumerate(modules):
        alone = module(coords)
        torch.testing.assert_close(values[k], alone, rtol=1e-9, atol=1e-12)
        for mine, theirs in zip(
            torch.autograd.grad(alone.square().sum(), list(module.parameters())),
            gradients,
            strict=True,
        ):
            torch.testing.assert_close(theirs[k], mine, rtol=1e-9, atol=1e-9)


def check_compiled_kernels_agree(subject: Subject) -> None:
    """Where it describes itself to the kernels, they give its values within 1e-6 and its gradients
    within 1e-5.
    """
    generator = torch.Generator().manual_seed(0)
    for in_dim, channels in (
        ((2, 1), (2, 3)) if refuses_volumes(subject) else ((2, 1), (2, 3), (3, 1))
    ):
        coords, what = (
            pixels(subject, in_dim),
            f"with {in_dim} inputs and {channels} channel{'s' * (channels > 1)}",
        )
        modules = [build(subject, in_dim, channels, seed=seed) for seed in (0, 1)]
        if describe(modules[0], coords) is None:
            raise Skip("it has no fused(coords): it is fitted in PyTorch")
        with torch.no_grad():
            for p in (p for module in modules for p in module.parameters()):
                p.add_(
                    0.01 * torch.randn(p.shape, generator=generator)
                )  # a bias or a table that starts at 0 would hide an error
        ours, theirs = (
            FusedRenderer(modules, [False] * 2, coords, channels),
            Renderer(modules, [False] * 2, coords, stackable=False),
        )
        image, due = ours.render(), theirs.render()
        off = float((image - due).abs().max()) / max(1.0, float(due.abs().max()))
        assert off < 1e-6, f"{what} the kernels' values differ by {off:.2g}"
        gradients = [renderer.vjp(torch.ones_like(due)) for renderer in (ours, theirs)]
        largest = max(float(g.abs().max()) for g in gradients[1].values())
        for name, g in gradients[1].items():
            off = float((gradients[0][name] - g).abs().max()) / largest
            assert off < 1e-5, (
                f"{what} the kernels' gradient of {name} differs by {off:.2g} of the largest"
            )


def check_size_sets_the_number_of_parameters(subject: Subject) -> None:
    """Each step of the declared size has more parameters than the one before, so that a rate can be
    asked for.
    """
    size, (low, high) = subject.declared["size"], subject.declared["sizes"]
    if size is None:
        raise Skip(f"it declares no size: {field('bpp')} cannot choose one")
    assert size in subject.defaults, f"size={size!r} is none of its options"
    steps = sorted(
        {
            *range(low, min(low + 12, high) + 1),
            *range(low, high + 1, max(1, (high - low) // 8)),
            high,
        }
    )
    counts = [count(build(subject, **{size: step})) for step in steps]
    for i in range(1, len(steps)):
        assert counts[i] > counts[i - 1], (
            f"{size}={steps[i - 1]} has {counts[i - 1]} parameters, {steps[i]} has {counts[i]}"
        )


def check_options_are_literals_that_matter(subject: Subject) -> None:
    """Options have plain defaults (they are written into the file), and another value makes another
    module.
    """
    plain, coords = build(subject), pixels(subject)
    for name, default in subject.defaults.items():
        assert isinstance(default, int | float | str), (
            f"the default of {name} is {default!r}: not a number, text or truth value"
        )
        if name == "seed":
            continue  # a claim of its own
        others = _others(default, subject.choices.get(name, ()))
        changed = [
            module for value in others if (module := _attempt(subject, name, value)) is not None
        ]
        if others:
            assert changed, f"{name} takes none of {', '.join(map(str, others))}"
            matters = any(
                not same(plain, module) or not torch.equal(plain(coords), module(coords))
                for module in changed
            )
            assert matters, f"{name} changes neither weights nor output"


def _others(default: Any, choices: tuple[Any, ...]) -> list[Any]:
    if choices or isinstance(default, str):
        return [choice for choice in choices if choice != default]
    if isinstance(default, bool):
        return [not default]
    return (
        [default + 1, default * 2, default // 2]
        if isinstance(default, int)
        else [default * 1.5, default + 1.0]
    )


def _attempt(subject: Subject, name: str, value: Any) -> nn.Module | None:
    try:
        return build(subject, **{name: value})
    except (InputError, ValueError):
        return None  # an option may refuse values; one that refuses all is reported


def check_amnesia(subject: Subject) -> None:
    """A fresh process makes the picture again from the bytes alone: nothing learned hides outside
    the parameters.
    """
    if subject.entry is None:
        raise Skip(
            "it is not registered, so no file can name it; put it in a file and pass"
            f" {call('add_plugin', 'FILE.py')}"
        )
    module, coords, generator = (
        build(subject, seed=7).train(),
        pixels(subject),
        torch.Generator().manual_seed(0),
    )
    for _ in range(3):  # as a fit would, so that whatever a module keeps between steps is there
        module.zero_grad()
        module(coords).square().sum().backward()
        with torch.no_grad():
            for p in module.parameters():
                p.add_(0.1 * torch.randn(p.shape, generator=generator).to(p))
    options = {name: value for name, value in subject.defaults.items() if name != "seed"}
    data = encode(
        Header(subject.entry.name, options, SIDE, SIDE, 1, bits=16, seed=7),
        {name: p.detach().cpu().numpy() for name, p in module.named_parameters()},
    )
    module.load_state_dict(
        {name: torch.from_numpy(array) for name, array in unpack(data)[1].items()}, strict=False
    )
    with torch.no_grad():
        expected = module(coords).reshape(SIDE, SIDE, 1).clamp(0, 1).cpu().numpy()
    far = float(np.abs(decode_inr(data) - expected).max())
    tolerance = 1e-5 if device(subject) == "cpu" else 1e-2
    assert far < tolerance, f"the decoded picture differs by {far:.2g} from the one that was fitted"
