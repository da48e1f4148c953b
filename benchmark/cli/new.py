"""Write a plug-in file that works and passes the checks, to be changed into yours.

In a checkout it is written to inr/; elsewhere to the current folder, and then named with --plugin.

examples:
  python -m benchmark new inr my-network
"""

from __future__ import annotations

import argparse
import keyword
import re
from pathlib import Path

from benchmark.errors import InputError, did_you_mean
from benchmark.plugins import checkout_root, index

TEMPLATE = '''"""{title}: what it is, in a line (who, where)."""

from __future__ import annotations

import torch
from torch import nn

from benchmark.plugins import FusedMLP, register


# size: the option that --bpp may choose, and its range; coordinates: where pixel centres lie.
@register.inr("{name}", size="hidden_features", sizes=(2, 256), coordinates=(-1.0, 1.0))
class {title}(nn.Module):
    """{title}: the line that `list` shows.

    As it stands: layers of exp(-(s z)^2), Gaussian activations (Ramasinghe and Lucey, ECCV 2022, arXiv 2111.15135).
    """

    # Options are keyword-only with plain defaults: --set s=8, the help and the file's header come from here.
    def __init__(self, in_dim: int, out_dim: int, *, hidden_features: int = 16, hidden_layers: int = 3, s: float = 4.0) -> None:
        super().__init__()
        widths = [in_dim, *[hidden_features] * hidden_layers, out_dim]
        self.layers = nn.ModuleList(nn.Linear(n, m) for n, m in zip(widths, widths[1:], strict=False))
        self.s = s

    # Pixel by pixel: [N, in_dim] -> [N, out_dim]. Only parameters are written into the file.
    def forward(self, coords: torch.Tensor) -> torch.Tensor:
        x = coords
        for layer in self.layers[:-1]:
            x = torch.exp(-(self.s * layer(x)) ** 2)
        return self.layers[-1](x)

    # Layers of sine, relu, gauss or gabor may describe themselves to the compiled kernels, which are several times faster; `check`
    # holds the two against each other. Leave this out for anything else.
    def fused(self, coords: torch.Tensor) -> FusedMLP:
        names = [f"layers.{{i}}" for i in range(len(self.layers))]
        return FusedMLP(tuple(f"{{n}}.weight" for n in names), tuple(f"{{n}}.bias" for n in names), "gauss",
                        (self.s,) * (len(names) - 1), inputs=coords)
'''


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", metavar="KIND", help="inr")
    parser.add_argument("name", metavar="NAME", help="lower-case letters, digits and hyphens")


def run(args: argparse.Namespace) -> int:
    """Write the file and print what to type next; never overwrites one."""
    asked = f"python -m benchmark new {args.kind} {args.name}"
    if args.kind != "inr":
        raise InputError(
            asked, "only a backbone can be written so far", did_you_mean(args.kind, ["inr"])
        )
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", args.name) or keyword.iskeyword(args.name):
        raise InputError(
            asked,
            f"{args.name!r} does not do as a name",
            "lower-case letters and digits, hyphens between them: my-network",
        )
    if args.name in index.entries("inr"):
        raise InputError(asked, f"there is one: {index.get('inr', args.name).path}", "another name")
    root = checkout_root()
    path = (root / "inr" if root else Path()) / f"{args.name.replace('-', '_')}.py"
    title = "".join(part.capitalize() for part in args.name.split("-"))
    try:
        with path.open("x") as file:
            file.write(TEMPLATE.format(name=args.name, title=title))
    except FileExistsError:
        raise InputError(
            asked, f"{path} is there already", "another name, or move that file"
        ) from None
    hint = "" if root else f" --plugin {path}"
    print(
        f"wrote {path}\nnext:\n  python -m benchmark check inr {args.name}{hint}"
        f"\n  python -m benchmark run --inr {args.name} --lambda 1e-5{hint}"
    )
    return 0
