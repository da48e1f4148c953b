"""Claims about an optimizer: `(parameters: dict of [K, ...], *, options)`, `step(gradients, lr
[K])`, `alive [K]`.
"""

from __future__ import annotations

from typing import Any

import torch

from benchmark.checks import Subject

K, STEPS, RATE = 3, 30, 0.02
SHAPES = {
    "layers.0.weight": (6, 5),
    "layers.0.bias": (6,),
    "layers.1.weight": (6, 6),
    "layers.1.bias": (6,),
    "table": (11,),
}
Tensors = dict[str, torch.Tensor]


def start(members: list[int]) -> tuple[Tensors, Tensors]:
    """Parameters and the targets that they are drawn to, float64; each member's own, whoever is
    beside it.
    """

    def draw(salt: int, shape: tuple[int, ...]) -> torch.Tensor:
        return torch.stack(
            [
                torch.randn(
                    shape,
                    generator=torch.Generator().manual_seed(97 * k + salt),
                    dtype=torch.float64,
                )
                for k in members
            ]
        )

    return (
        {name: draw(i, shape) for i, (name, shape) in enumerate(SHAPES.items())},
        {name: draw(50 + i, shape) for i, (name, shape) in enumerate(SHAPES.items())},
    )


def gradients_at(parameters: Tensors, targets: Tensors) -> Tensors:
    """Of a badly scaled quartic bowl around the targets."""
    out = {}
    for name, p in parameters.items():
        scale = torch.linspace(0.2, 2.0, p[0].numel(), dtype=p.dtype).view(p[0].shape)
        error = p - targets[name]
        out[name] = scale * error + 0.1 * error**3
    return out


def run(
    subject: Subject,
    members: list[int],
    rates: list[float] | None = None,
    poison: int | None = None,
) -> tuple[Tensors, Any]:
    """Take the steps; member `poison` gets one NaN in one gradient at the fifth."""
    parameters, targets = start(members)
    optimizer = subject.make(parameters)
    lr = torch.tensor(rates or [RATE] * len(members), dtype=torch.float64)
    for step in range(STEPS):
        gradients = gradients_at(parameters, targets)
        if poison is not None and step == 5:
            gradients["layers.0.weight"][poison, 0, 0] = torch.nan
        optimizer.step(gradients, lr)
    return parameters, optimizer


def far(a: Tensors, b: Tensors, k: int, j: int) -> float:
    return max(float((a[name][k] - b[name][j]).abs().max()) for name in a)


def check_steps_go_downhill(subject: Subject) -> None:
    """Thirty steps bring every member nearer to its minimum, in the tensors that were given
    (updates are in place).
    """
    parameters, targets = start(list(range(K)))
    before = {name: p.clone() for name, p in parameters.items()}
    after, _ = run(subject, list(range(K)))
    optimizer = subject.make(parameters)
    for _ in range(STEPS):
        optimizer.step(
            gradients_at(parameters, targets), torch.full((K,), RATE, dtype=torch.float64)
        )
    assert far(parameters, after, 0, 0) < 1e-6, "the same steps from the same start end elsewhere"
    for k in range(K):
        near, was = (
            sum(float((p[name][k] - targets[name][k]).square().sum()) for name in p)
            for p in (parameters, before)
        )
        assert near < 0.9 * was, (
            f"the squared distance of member {k} goes from {was:.3g} to {near:.3g}"
        )


def check_each_fit_is_on_its_own(subject: Subject) -> None:
    """K members at once end where each ends alone (float64): no global norm, nothing shared."""
    together, _ = run(subject, list(range(K)))
    for k in range(K):
        alone, _ = run(subject, [k])
        assert far(together, alone, k, 0) < 1e-6, (
            f"member {k} ends {far(together, alone, k, 0):.2g} from where it ends alone"
        )


def check_each_fit_has_its_own_rate(subject: Subject) -> None:
    """lr is [K]: a member of rate 0 stays where it is and the others go on."""
    parameters, _ = run(subject, [0, 1, 2], rates=[RATE, 0.0, RATE])
    plain, _ = run(subject, [0, 1, 2])
    assert far(parameters, start([0, 1, 2])[0], 1, 1) == 0, "a member of rate 0 moves"
    assert max(far(parameters, plain, k, k) for k in (0, 2)) < 1e-6, (
        "a member of rate 0 changes the others"
    )


def check_a_nan_harms_no_other(subject: Subject) -> None:
    """A member whose gradient is not finite is frozen and no longer alive; the others end where
    they would have.
    """
    plain, healthy = run(subject, [0, 1, 2])
    assert healthy.alive.tolist() == [True] * 3, (
        f"alive is {healthy.alive.tolist()} where all is well"
    )
    parameters, optimizer = run(subject, [0, 1, 2], poison=1)
    assert optimizer.alive.tolist() == [
        True,
        False,
        True,
    ], f"alive is {optimizer.alive.tolist()}, the second had a NaN"
    assert max(far(parameters, plain, k, k) for k in (0, 2)) < 1e-6, "the others end elsewhere"
    assert all(bool(torch.isfinite(p).all()) for p in parameters.values()), (
        "the NaN went into the parameters"
    )


def check_gradients_are_untouched(subject: Subject) -> None:
    """step does not write into the gradients that it is given."""
    parameters, targets = start([0, 1])
    gradients = gradients_at(parameters, targets)
    before = {name: g.clone() for name, g in gradients.items()}
    optimizer = subject.make(parameters)
    for _ in range(3):
        optimizer.step(gradients, torch.full((2,), RATE, dtype=torch.float64))
    assert all(torch.equal(g, before[name]) for name, g in gradients.items()), (
        "they have other values after step"
    )
