"""Weights made elsewhere: read without running them, fitted to a segmenter by name, and tried
before they are kept.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import nn

from benchmark.errors import InputError
from benchmark.files.fetch import Source
from benchmark.networks.trust import trust

# What reading JSON of other programs raises where it is not as it should be.
DAMAGE = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError)
WRAPPERS = (
    "network_weights",
    "state_dict",
    "model_state_dict",
    "model",
)  # keys that training loops keep the state dict under
PREFIXES = (
    "module.",
    "_orig_mod.",
    "model.",
)  # what DataParallel, torch.compile and Lightning put before each name
TRIAL = (64, 96)  # height and width of the images of a trial
# of a trial: a logit of 100 is a probability of 1 in float32 already, through which no gradient
# comes
MOST_LOGIT = 1e4
# Numbers of numpy that loops log beside the weights, under the names of numpy 1 and 2. Rebuilding
# one runs nothing but numpy.
_SCALAR: Any = np.float64(0).__reduce__()[0]
NUMBERS: list[Any] = [
    np.dtype,
    *((_SCALAR, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
    *{type(np.dtype(kind)) for kind in ("f4", "f8", "i4", "i8", "bool")},
]


@dataclass(frozen=True)
class Published:
    """Weights that anyone may download: the file, the channels of its images in order, its options,
    and how data sets have them.
    """

    source: Source
    channels: tuple[str, ...]
    options: dict[str, Any]
    sets: dict[str, str]


PUBLISHED = {
    # torch hub names a file by the first eight digits of its sha256.
    "unet-buda": Published(
        Source(
            "https://github.com/mateuszbuda/brain-segmentation-pytorch/releases/download/v1.0/unet-e012d006.pt",
            "unet-e012d006.pt",
            "sha256:e012d006",
        ),
        ("pre-contrast", "flair", "post-contrast"),
        {"base": 32},
        {"lgg": "lgg.channel=all"},
    ),
}


def read_state(path: Path) -> dict[str, torch.Tensor]:
    """The tensors by name of a state dict: .safetensors, or what torch.save wrote, within the usual
    wrappers.

    Raises InputError where the file cannot be read, holds anything but tensors and plain values, or
    no state dict.
    """
    asked = f"the weights {path}"
    if not path.is_file():
        raise InputError(
            asked, "no such file", "--file FILE with a state dict: .pt, .pth or .safetensors"
        )
    try:
        if path.suffix == ".safetensors":
            state: Any = safetensors.torch.load_file(path)
        else:
            # The one place where torch.load stands: weights_only builds tensors and plain values,
            # and refuses a pickle that names any other function. What comes of it is written as
            # safetensors for good.
            with torch.serialization.safe_globals(NUMBERS):
                state = torch.load(path, weights_only=True, map_location="cpu")
    except pickle.UnpicklingError as error:
        why = next(
            (line for line in str(error).splitlines() if "GLOBAL" in line or "global" in line),
            "it is no file of torch.save",
        )
        raise InputError(
            asked,
            f"it holds more than tensors, and was not run: {why.strip()}",
            "torch.save(model.state_dict(), FILE) where it was made, or a .safetensors file",
        ) from None
    except (
        Exception
    ) as error:  # torch and safetensors raise whatever their parsers meet in a damaged file
        raise InputError(
            asked,
            f"it cannot be read: {type(error).__name__}: {str(error).partition(chr(10))[0]}",
            "a state dict, copied whole: torch.save(model.state_dict(), FILE), or .safetensors",
        ) from None
    while isinstance(state, Mapping) and (
        inner := next((key for key in WRAPPERS if isinstance(state.get(key), Mapping)), None)
    ):
        state = state[inner]
    if (
        not isinstance(state, Mapping)
        or not state
        or not all(isinstance(n, str) and isinstance(w, torch.Tensor) for n, w in state.items())
    ):
        raise InputError(
            asked,
            "it holds no state dict: names with a tensor each",
            "torch.save(model.state_dict(), FILE)",
        )
    if odd := [f"{name} is {why}" for name, w in state.items() if (why := _odd(w))]:
        raise InputError(asked, odd[0], "weights as plain tensors of real numbers")
    return dict(state)


def take_over(
    plugin: Any, file: Path, what: str, trusted: bool
) -> tuple[dict[str, torch.Tensor], dict[str, Any], str]:
    """The tensors, the options and, of a program whose loading runs code, the hash that is now
    trusted, else "": of weights in any form that a segmenter takes.

    Raises InputError where a file is damaged, and for such a program unless it is `trusted`, or if
    it is and nothing would be run.
    """
    runs_code = getattr(plugin, "runs_code", False)
    if runs_code and not trusted:
        found = "to load it may run code of whoever made it"
        raise InputError(what, found, "--trust, if you know who made it")
    if trusted and not runs_code:
        raise InputError(f"--trust for {what}", "nothing in it is run", "leave it out")
    if not hasattr(plugin, "imported"):
        return read_state(file), {}, ""
    try:
        state, options = plugin.imported(file, read_state)
    except DAMAGE as error:  # files of other programs, with other content than is due
        found = f"its files are damaged: {type(error).__name__}: {str(error)[:200]}"
        raise InputError(what, found, "the files as they were written, copied whole") from error
    if not runs_code:
        return state, options, ""
    digest = hashlib.sha256(state["program"].numpy().tobytes()).hexdigest()
    trust(digest, file.name)
    return state, options, digest


def _odd(weight: torch.Tensor) -> str:
    """What keeps a tensor from being a weight: "" of one that holds plain real numbers."""
    if weight.is_meta:
        return "a shape without numbers (a meta tensor)"
    if weight.is_nested or weight.layout != torch.strided:
        return "sparse or nested"
    return (
        "of complex numbers" if weight.is_complex() else "quantized" if weight.is_quantized else ""
    )


def load_by_name(module: nn.Module, state: Mapping[str, torch.Tensor], what: str) -> None:
    """Put a state dict into a module whose names are its own, but for a prefix that all have;
    raises InputError otherwise.
    """
    found = named_alike(module.state_dict(), state, what)
    if bad := [name for name, w in found.items() if not torch.isfinite(w).all()]:
        raise InputError(
            what,
            f"{bad[0]} holds values that are not finite",
            "weights of a training that ended well",
        )
    module.load_state_dict(found)


def named_alike(
    own: Mapping[str, torch.Tensor], state: Mapping[str, torch.Tensor], what: str
) -> dict[str, torch.Tensor]:
    """A state dict under the names that a module has for it, whose own tensors may be without
    numbers; raises InputError where names or shapes differ.
    """
    counts = {
        name: w for name, w in own.items() if name.endswith("num_batches_tracked")
    }  # older files lack them; nothing reads them
    found = state
    for prefix in ("", *PREFIXES):
        if all(name.startswith(prefix) for name in state):
            for before in ("", "network."):  # where a plug-in holds someone else's network
                named = {before + name.removeprefix(prefix): w for name, w in state.items()}
                if named.keys() | counts.keys() == own.keys():
                    found = counts | named
    missing, more = own.keys() - found.keys(), found.keys() - own.keys()
    shapes = [
        f"{name} is {list(found[name].shape)}, not {list(own[name].shape)}"
        for name in own
        if name in found and name != "program" and found[name].shape != own[name].shape
    ]
    if missing or more or shapes:
        said = [
            f"{len(names)} {words}, such as {min(names)}"
            for names, words in ((missing, "names are missing"), (more, "names are unknown"))
            if names
        ]
        raise InputError(
            what,
            "they do not fit: " + "; ".join([*said, *shapes[:2]]),
            "the --set options and --channels that they "
            "were made with, or a program of that network (--segmenter torch-export)",
        )
    return dict(found)


def tensors_of(module: nn.Module) -> dict[str, torch.Tensor]:
    """What a file keeps of a module, as it is; tensors that share memory are copied, which
    safetensors asks for.
    """
    if "program" in (state := module.state_dict()):
        return {"program": state["program"]}
    return {name: w.detach().clone().contiguous() for name, w in state.items()}


def tried(
    module: nn.Module, channels: int, declared: Mapping[str, Any], what: str, classes: int = 0
) -> str:
    """Read two random images as a run would, and say what came; raises InputError where the answer
    cannot be used.

    classes: of a network of labels how many answers it is to give; 0 of a network of masks.
    """
    fixed = getattr(module, "fixed", [None] * 4)[2:]
    sides = [have or n for have, n in zip(fixed, TRIAL, strict=True)]
    depth = [max(32, declared["multiple"])] if declared["dims"] == 3 else []
    shape = f"[B, {classes}]" if classes else "[B, 1, H, W]"
    due = [2, classes] if classes else [2, 1, *depth, *sides]
    x = torch.rand(2, channels, *depth, *sides, generator=torch.Generator().manual_seed(0))
    x[1] *= 0.3  # else what is taken over the whole batch would be the same for each
    x.requires_grad_(declared["in_loss"])
    volume = torch.tensor([[0.5, 0.29, 0.1, 0.99]] * 2)
    todo = f"a network of images [B, C, H, W] in [0, 1] that gives logits {shape}, in eval mode"
    try:
        y = module(x, volume)
        alone = module(x[:1].detach(), volume[:1]).detach()
    except InputError:
        raise
    except Exception as error:  # a program of others raises whatever it was made to
        said = str(error).partition("\n")[0][:200] or type(error).__name__
        raise InputError(what, f"it cannot read images {list(x.shape)}: {said}", todo) from error
    if list(y.shape) != due or not torch.isfinite(y).all():
        raise InputError(
            what,
            f"of images {list(x.shape)} it makes {list(y.shape)}, "
            f"{'all' if torch.isfinite(y).all() else 'not all'} of it finite",
            todo,
        )
    if float((alone - y[:1].detach()).abs().max()) > 1e-3 * (1 + float(y.detach().abs().max())):
        raise InputError(
            what,
            "its answer for an image depends on the images beside it",
            "the network exported in eval mode",
        )
    if (most := float(y.detach().abs().max())) > MOST_LOGIT:
        raise InputError(
            what,
            f"its logits on random images reach {most:.3g}: no probability comes of them but 0"
            " and 1",
            todo,
        )
    if declared["in_loss"]:
        gradient = torch.autograd.grad(y[:, 0].sum(), x)[0] if y.requires_grad else torch.zeros(1)
        if not torch.isfinite(gradient).all() or not gradient.any():
            raise InputError(
                what,
                "no finite gradient reaches the image",
                "a network that can be differentiated by its input",
            )
    low, high = (float(end) for end in y.detach().aminmax())
    doubt = (
        "; all within [0, 1]: are they probabilities? logits are due"
        if 0 <= low and high <= 1
        else ""
    )
    size = " x ".join(map(str, [*depth, *sides]))
    return f"tried on random images of {size}: logits from {low:.2f} to {high:.2f}{doubt}" + (
        f"; fixed shapes: it reads {size} only" if all(fixed) else ""
    )


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
