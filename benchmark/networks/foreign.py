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

from benchmark.errors import InputError, field
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
LOGITS = "a network of images [B, C, H, W] in [0, 1] that gives logits, in eval mode"
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
            "https://github.com/mateuszbuda/brain-segmentation-pytorch/releases/download/v1.0/"
            "unet-e012d006.pt",
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
            asked,
            "no such file",
            f"{field('file', 'FILE')} with a state dict: .pt, .pth or .safetensors",
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
        why = "it is no file of torch.save"
        for line in reversed(str(error).splitlines()):
            if "global" in line.lower():
                why = line
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
    tensors = _unwrapped(state)
    for name, weight in tensors.items():
        if not isinstance(name, str) or not isinstance(weight, torch.Tensor):
            tensors = {}
            break
    if not tensors:
        found = "it holds no state dict: names with a tensor each"
        raise InputError(asked, found, "torch.save(model.state_dict(), FILE)")
    for name, weight in tensors.items():
        if why := _odd(weight):
            found = f"{name} is {why}"
            raise InputError(asked, found, "weights as plain tensors of real numbers")
    return tensors


def _unwrapped(state: Any) -> dict[Any, Any]:
    """What lies within the wrappers of training loops; empty where that is nothing by names."""
    for key in WRAPPERS * 3:  # one in another; a pickle may hold itself
        if isinstance(state, Mapping) and isinstance(state.get(key), Mapping):
            state = state[key]
    return dict(state) if isinstance(state, Mapping) else {}


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
        raise InputError(what, found, f"{field('trust', True)}, if you know who made it")
    if trusted and not runs_code:
        raise InputError(
            f"{field('trust', True)} for {what}", "nothing in it is run", "leave it out"
        )
    if not hasattr(plugin, "imported"):
        return read_state(file), {}, ""
    try:
        state, options = plugin.imported(file, read_state)
        program = state["program"].numpy().tobytes() if runs_code else b""
    except DAMAGE as error:  # files of other programs, with other content than is due
        found = f"its files are damaged: {type(error).__name__}: {str(error)[:200]}"
        raise InputError(what, found, "the files as they were written, copied whole") from error
    if not runs_code:
        return state, options, ""
    digest = hashlib.sha256(program).hexdigest()
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
    counts = {}  # older files lack them; nothing reads them
    for name, w in own.items():
        if name.endswith("num_batches_tracked"):
            counts[name] = w
    found = dict(state)
    for prefix in ("", *PREFIXES):
        for before in ("", "network."):  # where a plug-in holds someone else's network
            named = {}
            for name, w in state.items():
                if name.startswith(prefix):
                    named[before + name.removeprefix(prefix)] = w
            if len(named) == len(state) and named.keys() | counts.keys() == own.keys():
                found = counts | named
    if wrong := _misfits(own, found):
        raise InputError(
            what,
            f"they do not fit: {'; '.join(wrong[:4])}",
            f"the {field('sets')} options and {field('channels')} that they were made with, or a"
            f" program of that network ({field('segmenter', 'torch-export')})",
        )
    return found


def _misfits(own: Mapping[str, torch.Tensor], found: Mapping[str, torch.Tensor]) -> list[str]:
    """How the names and shapes of a state dict differ from a module's own."""
    wrong = []
    if missing := own.keys() - found.keys():
        wrong.append(f"{len(missing)} names are missing, such as {min(missing)}")
    if more := found.keys() - own.keys():
        wrong.append(f"{len(more)} names are unknown, such as {min(more)}")
    for name, w in found.items():
        if name in own and name != "program" and w.shape != own[name].shape:
            wrong.append(f"{name} is {list(w.shape)}, not {list(own[name].shape)}")
    return wrong


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
    sides = [fixed[0] or TRIAL[0], fixed[1] or TRIAL[1]]
    if declared["dims"] == 3:
        sides.insert(0, max(32, declared["multiple"]))
    x = torch.rand(2, channels, *sides, generator=torch.Generator().manual_seed(0))
    x[1] *= 0.3  # else what is taken over the whole batch would be the same for each
    x.requires_grad_(declared["in_loss"])
    volume = torch.tensor([[0.5, 0.29, 0.1, 0.99]] * 2)
    y = _answer(module, x, volume, what)
    alone = _answer(module, x[:1].detach(), volume[:1], what).detach()
    _check_answer(y.detach(), alone, [2, classes] if classes else [2, 1, *sides], what)
    if declared["in_loss"]:
        _check_gradient(y, x, what)
    low, high = y.detach().aminmax()
    size = " x ".join(map(str, sides))
    said = f"tried on random images of {size}: logits from {low:.2f} to {high:.2f}"
    if 0 <= low and high <= 1:
        said += "; all within [0, 1]: are they probabilities? logits are due"
    return f"{said}; fixed shapes: it reads {size} only" if all(fixed) else said


def _answer(module: nn.Module, x: torch.Tensor, volume: torch.Tensor, what: str) -> torch.Tensor:
    try:
        answer: torch.Tensor = module(x, volume)
        return answer
    except InputError:
        raise
    except Exception as error:  # a program of others raises whatever it was made to
        said = str(error).partition("\n")[0][:200] or type(error).__name__
        raise InputError(what, f"it cannot read images {list(x.shape)}: {said}", LOGITS) from error


def _check_answer(y: torch.Tensor, alone: torch.Tensor, due: list[int], what: str) -> None:
    """y: of two images; alone: of the first by itself."""
    finite = bool(torch.isfinite(y).all())
    if list(y.shape) != due or not finite:
        found = (
            f"of two images it makes {list(y.shape)}, {'all' if finite else 'not all'} of it finite"
        )
        raise InputError(what, f"{found}; {due} is due", LOGITS)
    most = float(y.abs().max())
    if float((alone - y[:1]).abs().max()) > 1e-3 * (1 + most):
        found = "its answer for an image depends on the images beside it"
        raise InputError(what, found, "the network exported in eval mode")
    if most > MOST_LOGIT:
        found = f"its logits on random images reach {most:.3g}: no probability comes of them but"
        raise InputError(what, f"{found} 0 and 1", LOGITS)


def _check_gradient(y: torch.Tensor, x: torch.Tensor, what: str) -> None:
    found, todo = "no finite gradient reaches the image", "a network that can be differentiated"
    try:
        gradient = torch.autograd.grad(y[:, 0].sum(), x)[0] if y.requires_grad else torch.zeros(1)
    except Exception as error:  # as above
        raise InputError(what, f"{found}: {str(error)[:200]}", todo) from error
    if not torch.isfinite(gradient).all() or not gradient.any():
        raise InputError(what, found, f"{todo} by its input")


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
