"""K coordinate networks at once in compiled kernels: the interface of benchmark/fit/render.py, on a
CPU in float32.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from benchmark.fit.kernels import pool, prepare, remember_compiled
from benchmark.fit.render import stack
from benchmark.plugins.contracts import FusedMLP


def describe(module: nn.Module, coords: torch.Tensor) -> FusedMLP | None:
    """What a backbone tells the kernels of itself; None where it does not, or where they cannot
    serve it here.
    """
    fused = getattr(module, "fused", None)
    if fused is None or coords.device.type != "cpu" or coords.dtype != torch.float32:
        return None
    with torch.no_grad():
        described: FusedMLP | None = fused(coords)
    return described


class FusedRenderer:
    """Backbones that are multilayer perceptrons (FusedMLP): parameters and gradients are views of
    one [K, P] array each.
    """

    def __init__(
        self,
        modules: Sequence[nn.Module],
        nulls: Sequence[bool],
        coords: torch.Tensor,
        channels: int,
    ) -> None:
        prepare()
        from benchmark.fit.kernels import mlp

        self._mlp, k, n = mlp, len(modules), len(coords)
        stacked, _ = stack(modules, nulls)
        flat = torch.cat([p.flatten(1) for p in stacked.values()], 1).contiguous()
        self._offsets: dict[str, int] = {}
        self._shapes: dict[str, torch.Size] = {}
        at = 0
        for name, parameter in stacked.items():
            self._offsets[name] = at
            self._shapes[name] = parameter.shape
            at += parameter[0].numel()
        self.parameters = self._views(flat)
        whole = -(-n // mlp.T) * mlp.T
        self._chunks = -(-whole // (mlp.T * mlp.TILES))
        self._p, self._image = flat.numpy(), np.empty((k, n, channels), np.float32)
        self._g = np.empty((k, self._chunks, flat.shape[1]), np.float32)
        self._squares = np.empty((k, self._chunks))
        self._nothing = np.zeros((k, n, channels), np.float32)
        descriptions = [describe(module, coords) for module in modules]
        assert descriptions[0] is not None
        self._describe(descriptions[0], stacked, channels)
        self._inputs([d for d in descriptions if d is not None], whole)
        self._threads = max(1, min(torch.get_num_threads(), k * self._chunks))
        self._scratch = [np.zeros(self._layout.length, np.float32) for _ in range(self._threads)]

    def _views(self, flat: torch.Tensor) -> dict[str, torch.Tensor]:
        """The parameters in a [K, P] array, by name."""
        views = {}
        for name, at in self._offsets.items():
            shape = self._shapes[name]
            views[name] = flat[:, at : at + shape[1:].numel()].view(shape)
        return views

    def _describe(self, mlp: FusedMLP, stacked: dict[str, torch.Tensor], channels: int) -> None:
        """Lay out the layers; raises ValueError where they do not fit each other or the image."""
        shapes = [tuple(stacked[name].shape[1:]) for name in mlp.weights]
        widths = [shapes[0][1]]  # of the values between the layers
        fitting = True
        for rows, columns in shapes:
            fitting = fitting and columns == widths[-1]
            widths.append(rows)
        if not fitting or widths[-1] != channels:
            raise ValueError(
                f"the backbone gives {widths[-1]} values where {channels} are due, or its layers"
                f" {shapes} do not fit"
            )
        weights = [self._offsets[name] for name in mlp.weights]
        biases = [-1 if name is None else self._offsets[name] for name in mlp.biases]
        self._layout = self._mlp.lay_out(widths, weights, biases)
        self._scales = np.array([*mlp.scales, 1.0], np.float32)
        self._kind, self._ratio = self._mlp.ACTIVATIONS.index(mlp.activation), np.float32(mlp.ratio)

    def _inputs(self, descriptions: list[FusedMLP], whole: int) -> None:
        """Pixels' features [1 or K, in, N'], or where they are looked up [corners, in, N'], padded
        to whole tiles.
        """
        first = descriptions[0]
        self._x = np.zeros((1, 1, 1), np.float32)
        self._index = np.zeros((0, 0, 0), np.int32)
        self._weight = np.zeros((0, 0, 0), np.float32)
        if first.index is None:
            features = []
            for described in descriptions:
                if described.inputs is not None:
                    features.append(described.inputs)
            if all(x is features[0] or torch.equal(x, features[0]) for x in features):
                features = features[:1]
            self._x = _padded(torch.stack([x.T for x in features]), whole)
            return
        assert first.weight is not None
        sizes = [self._shapes[name][1:].numel() for name in first.tables]
        offsets = torch.tensor([self._offsets[name] for name in first.tables])
        starts = offsets - torch.tensor([0, *sizes[:-1]]).cumsum(0)
        table = torch.bucketize(first.index, torch.tensor(sizes).cumsum(0), right=True)
        self._index = _padded((first.index + starts[table]).int().mT, whole)
        self._weight = _padded(first.weight.float().mT, whole)

    def _work(
        self, back: bool, target: torch.Tensor, extra: torch.Tensor | None, factor: float
    ) -> None:
        items = len(self._p) * self._chunks
        threads = self._threads
        targets, extras = target.numpy(), self._nothing if extra is None else extra.numpy()

        def part(i: int) -> None:
            self._mlp.work(
                items * i // threads,
                items * (i + 1) // threads,
                self._chunks,
                back,
                self._kind,
                self._ratio,
                self._scales,
                self._layout.layers,
                self._layout.zero,
                self._scratch[i],
                self._p,
                self._x,
                self._index,
                self._weight,
                self._image,
                targets,
                extras,
                np.float32(factor),
                self._g,
                self._squares,
            )

        others = []
        for i in range(1, threads):
            others.append(pool(threads - 1).submit(part, i))
        part(0)
        for other in others:
            other.result()
        remember_compiled()

    def render(self) -> torch.Tensor:
        """Images [K, N, C] of the current parameters; the next `render` writes into the same
        memory.
        """
        self._work(False, torch.from_numpy(self._nothing), None, 0.0)
        return torch.from_numpy(self._image)

    def vjp(self, gradient: torch.Tensor) -> dict[str, torch.Tensor]:
        """Gradients of sum(image * gradient) with respect to the parameters: the way forward is
        computed again.
        """
        return self.step(torch.from_numpy(self._nothing), 0.0, gradient)[0]

    def step(
        self, target: torch.Tensor, factor: float, extra: torch.Tensor | None
    ) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        """Gradients of factor / 2 * |image - target|^2 + sum(image * extra), and the squared errors
        [K], in one pass.
        """
        self._work(True, target, extra, factor)
        return self._views(torch.from_numpy(self._g).sum(1)), torch.from_numpy(self._squares.sum(1))


def _padded(values: torch.Tensor, whole: int) -> np.ndarray:
    """[..., N] with zeros up to N' = whole."""
    return torch.nn.functional.pad(values, (0, whole - values.shape[-1])).contiguous().numpy()
