"""How many images a batch holds: K from the free memory of a GPU, from the pixels on a CPU."""

from __future__ import annotations

from collections.abc import Callable

import torch

from benchmark.fit.render import build
from benchmark.images.grid import dims
from benchmark.networks.network import Network
from benchmark.plugins import index
from benchmark.plugins.choice import Choice

PIXELS_AT_ONCE = 131_072  # on a CPU, whose cores are busy with one image: 8 images of 128 x 128
MOST = 128  # results are stored batch by batch: a longer one would be felt before it pays
SHARE = 0.8  # of the free memory: the rest is for handles, workspaces and fragments
# what autograd keeps, and as much again for gradients on their way back. An estimate: gpu.py prints
# the peak beside it
BACKWARD = 2.0
IMAGES = 8  # targets, errors, gradients and the like, that the step loop itself holds of each image
SIDE = 64  # of the small image that is measured
PLANES = 8  # of the small volume, for networks that read one whole


def images_at_once(
    shape: tuple[int, ...], inr: Choice, device: str, network: Network | None = None, depth: int = 1
) -> int:
    """K for images [H, W, C], or volumes of `depth` planes; `network`: the one in the loss, None
    where every lambda is 0.

    On CUDA as many as SHARE of the free memory holds, at least 1 and at most MOST. On a CPU neither
    backbone nor network is looked at.
    """
    if device == "cpu":
        return max(1, PIXELS_AT_ONCE // (shape[0] * shape[1]))
    unused = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()  # PyTorch holds it
    free = torch.cuda.mem_get_info()[0] + unused
    fitting = int(SHARE * free / bytes_of_an_image(shape, inr, device, network, depth))
    return max(1, min(MOST, fitting))


def bytes_of_an_image(
    shape: tuple[int, ...], inr: Choice, device: str, network: Network | None = None, depth: int = 1
) -> float:
    """The most memory that one more image takes in a fit: the graphs of its rendering and of the
    network, and its images.

    What tiny-cuda-nn keeps inside is not seen; it is half precision, and of small networks.
    """
    height, width, channels = shape
    # Plain PyTorch keeps the same wherever it runs; what cannot be stacked may run on the GPU only.
    where = "cpu" if index.get("inr", inr.name).declared["stackable"] else device
    backbone = build(inr, channels, 0, dims(depth)).to(where)

    def rendering(points: int) -> int:
        return kept(lambda: backbone(torch.rand(points, dims(depth), device=where)))

    a_pixel = _slope(rendering, SIDE * SIDE)
    if network is not None:
        a_pixel += _read_by(network, channels)
    return height * width * (BACKWARD * a_pixel + IMAGES * 4 * channels)


def _read_by(network: Network, channels: int) -> float:
    """Bytes a pixel that autograd keeps of a network."""
    side = -(-SIDE // network.multiple) * network.multiple
    if network.dims == 3:
        planes = -(-PLANES // network.multiple) * network.multiple

        def volume(count: int) -> int:
            reader = network.planes(count)
            return kept(lambda: _logits(reader, (count * side, side, channels)))

        return _slope(volume, planes) / side**2

    def picture(rows: int) -> int:
        return kept(lambda: _logits(network, (rows, side, channels)))

    return _slope(picture, side) / side


def _logits(network: Network, shape: tuple[int, ...]) -> torch.Tensor:
    """Of one noisy image, with statistics that fit it."""
    return network.logits(
        torch.rand(1, *shape).requires_grad_(), torch.tensor([[0.5, 0.3, 0.1, 0.9]])
    )


def _slope(measure: Callable[[int], int], n: int) -> float:
    """Bytes per unit of n: of two sizes, so that weights and other constants, which all images
    share, drop out.
    """
    return (measure(2 * n) - measure(n)) / n


def kept(compute: Callable[[], torch.Tensor]) -> int:
    """Bytes that autograd keeps of a computation for its way back, each piece of memory counted
    once.
    """
    pieces: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        pieces[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = compute()  # alive until all is counted, so that no address stands for two pieces
    total = sum(pieces.values())
    del result
    return total
