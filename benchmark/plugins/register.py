"""The decorators that mark a plug-in: `@register.inr("siren", size="hidden_features")`.

They record nothing. Plug-ins are found by reading files as text (index.py), so the name and all
that is declared beside it must be literals; the decorator exists for the reader, and to say at
import what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T", bound=Callable[..., Any])

# What each kind may declare beside its name, with the default.
DECLARABLE: dict[str, dict[str, Any]] = {
    # size: the argument that sets the number of parameters; sizes: its (smallest, largest) value;
    # coordinates: range of pixel centres; stackable: whether K copies may be evaluated by
    # torch.func.vmap; optimizer, lr: what the presets `quick` and `standard` take for it;
    # lr_layers: the argument that counts hidden layers, where the rate is to fall with depth
    # (benchmark/plan/recipes.py).
    "inr": {
        "size": None,
        "sizes": (1, 256),
        "coordinates": (-1.0, 1.0),
        "stackable": True,
        "optimizer": "soap",
        "lr": 3e-3,
        "lr_layers": None,
    },
    # multiple: height and width (dims=3: depth too) must be a multiple of this; task: "mask"
    # (logits [B, 1, H, W]) or "label" (logits [B, classes]); dims: 2, or 3 where it reads volumes
    # whole; in_loss: whether a gradient reaches the image; trains: whether `train` can train it, or
    # it comes ready from `import`.
    "segmenter": {"multiple": 16, "task": "mask", "dims": 2, "in_loss": True, "trains": True},
    # truth: what its images come with, and networks learn there: masks of a "lesion" or of the
    # "brain", or a "label" without masks.
    "dataset": {"truth": "lesion"},
    # label: its short name in tables (None: its name); suffix: of its files; magic: how they begin
    # (benchmark/plugins/magic.py); sends_mask: whether a file holds the true mask beside the image.
    "codec": {"label": None, "suffix": ".bin", "magic": (), "sends_mask": False},
    # task: what the network in the loss must read: "mask" or "label".
    "regularizer": {"task": "mask"},
    "optimizer": {},
}
# requires: modules that must be installed; device: "cuda" where the plug-in cannot do without;
# install: what to type.
COMMON: dict[str, Any] = {"requires": (), "device": None, "install": ""}


class _Register:
    def __getattr__(self, kind: str) -> Callable[..., Callable[[T], T]]:
        if kind not in DECLARABLE:
            raise AttributeError(f"no plug-in kind {kind!r}; kinds: {', '.join(DECLARABLE)}")

        def named(name: str, **declared: Any) -> Callable[[T], T]:
            unknown = set(declared) - set(DECLARABLE[kind]) - set(COMMON)
            if unknown:
                raise TypeError(
                    f"register.{kind}({name!r}) does not know {', '.join(sorted(unknown))}"
                )
            return lambda plugin: plugin

        return named


register = _Register()
