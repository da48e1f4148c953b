"""A step of the PyTorch path as two CUDA graphs: one launch each where small networks cost dozens,
which a GPU waits for.

Not measured yet: `python tests/bench/gpu.py` compares it with the plain Renderer, in values and in
time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn

from benchmark.fit.render import Renderer

# as torch.cuda.make_graphed_callables: libraries set up their handles and workspaces outside of any
# capture
WARM_UP = 3


def record(functions: Sequence[Callable[[], None]]) -> list[Callable[[], None]]:
    """Replays of functions that are called one after another, in this order: the same kernels on
    the same memory.

    https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs: a warm-up on a side stream,
    then the capture. They share a pool of memory, so what one leaves behind is valid until the one
    before it is replayed again.
    """
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UP):
            for function in functions:
                function()
    torch.cuda.current_stream().wait_stream(side)
    replays, pool = [], torch.cuda.graph_pool_handle()
    for function in functions:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=pool):
            function()
        replays.append(graph.replay)  # a bound method: it keeps its graph alive
    return replays


class GraphedRenderer:
    """Renderer for fixed shapes on CUDA: what it returns lies in fixed memory, valid until its next
    call.

    The parameters are the ones that the graphs read: the optimizer changes them in place.
    """

    def __init__(
        self, modules: Sequence[nn.Module], nulls: Sequence[bool], coords: torch.Tensor
    ) -> None:
        self._eager = Renderer(modules, nulls, coords)
        self.parameters = self._eager.parameters
        like = self._eager.render()
        # Inputs of the graphs. A number would be frozen into the capture, so the factor is a tensor
        # too.
        self._target, self._extra, self._factor = (
            torch.zeros_like(like),
            torch.zeros_like(like),
            like.new_zeros(()),
        )
        self._forward, self._backward = record([self._render, self._step])
        self._rendered = False

    def _render(self) -> None:
        self._image = self._eager.render()

    def _step(self) -> None:
        error = self._image - self._target
        self._gradients = self._eager.vjp(self._factor * error + self._extra)
        self._squares = error.square().sum((1, 2))

    def render(self) -> torch.Tensor:
        """Images [K, N, C] of the current parameters."""
        self._forward()
        self._rendered = True
        return self._image

    def vjp(self, gradient: torch.Tensor) -> dict[str, torch.Tensor]:
        """Gradients of sum(image * gradient) with respect to the parameters of the last
        `render`.
        """
        assert self._rendered, "render() comes before vjp()"
        return self.step(self._target, 0.0, gradient)[0]

    def step(
        self, target: torch.Tensor, factor: float, extra: torch.Tensor | None
    ) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        """Gradients of factor / 2 * |image - target|^2 + sum(image * extra), and the squared errors
        [K].
        """
        if target.shape != self._target.shape:  # copy_ would broadcast it
            raise ValueError(
                f"the backbone gives {tuple(self._target.shape[1:])} values where"
                f" {tuple(target.shape[1:])} are due"
            )
        if not self._rendered:
            self._forward()
        self._target.copy_(target)
        self._factor.fill_(factor)
        if extra is None:
            self._extra.zero_()
        else:
            self._extra.copy_(extra)
        self._backward()
        self._rendered = False  # the way back frees what the way forward kept, and writes there
        return self._gradients, self._squares
