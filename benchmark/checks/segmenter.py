"""Claims about a segmenter: `(channels, *, options)`, `forward(image [B, C, H, W], volume [B, 4])
-> logits [B, 1, H, W]`.

One of task "label" has a keyword `classes` too, and gives logits [B, classes].
"""

from __future__ import annotations

import torch
from torch import nn

from benchmark.checks import Skip, Subject
from benchmark.errors import call
from benchmark.types import VolumeStatistics


def build(subject: Subject, channels: int = 1) -> nn.Module:
    """Frozen, as a run uses it, with running statistics that are not those of the start; skips what
    comes without a network.
    """
    if subject.entry is not None and not subject.declared["trains"]:
        raise Skip(f"it has no network of its own: `{call('import')}` tries each that it reads")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module: nn.Module = subject.make(channels)
    module.train()
    with torch.no_grad():
        module(*batch(subject, channels))
    return module.eval().requires_grad_(False)


def batch(subject: Subject, channels: int = 1, count: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """Images [B, C, H, W], or volumes [B, C, D, H, W], in [0, 1] and their volumes' statistics [B,
    4]; no side is like another.
    """
    multiple = subject.declared["multiple"]
    side = multiple * max(2, -(-16 // multiple))
    sides = (side + multiple, side, 2 * side)[3 - subject.declared["dims"] :]
    images = torch.rand(count, channels, *sides, generator=torch.Generator().manual_seed(0))
    return images, torch.tensor([VolumeStatistics.of(image.numpy()).as_row() for image in images])


def classes_of(subject: Subject) -> int:
    """How many labels a network of task "label" has by default."""
    count = subject.kwargs.get("classes", subject.defaults.get("classes"))
    assert isinstance(count, int), (
        "task is label, and there is no keyword `classes` with a number as its default"
    )
    return count


def check_logits_have_the_images_size(subject: Subject) -> None:
    """[B, C, H, W] gives [B, 1, H, W], of task "label" [B, classes]; for one channel and three,
    also where H is not W.
    """
    for channels in (1, 3):
        images, volume = batch(subject, channels)
        shape = tuple(build(subject, channels)(images, volume).shape)
        expected = (
            (len(images), 1, *images.shape[2:])
            if subject.declared["task"] == "mask"
            else (len(images), classes_of(subject))
        )
        assert shape == expected, f"{channels} channel(s): {shape}, not {expected}"


def check_logits_are_finite(subject: Subject) -> None:
    """An empty image, and one brighter than 1 (a rendering is not clipped), give finite logits."""
    module, (images, volume) = build(subject), batch(subject)
    for name, picture in (("black", torch.zeros_like(images)), ("overshooting", 3 * images - 1)):
        assert bool(torch.isfinite(module(picture, volume)).all()), f"not for a {name} image"


def check_gradient_reaches_the_image(subject: Subject) -> None:
    """The penalty's gradient arrives at every channel of the image, and it is finite."""
    images, volume = batch(subject, 3)
    images.requires_grad_()
    logits = build(subject, 3)(images, volume)
    assert logits.requires_grad, "the logits do not depend on the image"
    (gradient,) = torch.autograd.grad(torch.sigmoid(logits).sum(), images)
    assert bool(torch.isfinite(gradient).all()), "it is not finite"
    assert bool((gradient.abs().flatten(2).sum(2) > 0).all()), "it is zero in a whole channel"


def check_frozen_parameters_get_no_gradient(subject: Subject) -> None:
    """After requires_grad_(False), a backward pass to the image leaves every parameter without a
    gradient.
    """
    module, (images, volume) = build(subject), batch(subject)
    torch.sigmoid(module(images.requires_grad_(), volume)).sum().backward()
    for name, p in module.named_parameters():
        assert p.grad is None and not p.requires_grad, f"{name} got one"


def check_frozen_network_does_not_change(subject: Subject) -> None:
    """In eval mode a forward pass changes no parameter and no running statistic."""
    module, (images, volume) = build(subject), batch(subject)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    module(images, volume)
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name]), f"{name} did"


def check_batch_rows_are_independent(subject: Subject) -> None:
    """In eval mode an image's logits do not depend on the images beside it: no gradient between
    fits.
    """
    module, (images, volume) = build(subject), batch(subject)
    together = module(images, volume).detach()
    for i in range(len(images)):
        far = float(
            (together[i : i + 1] - module(images[i : i + 1], volume[i : i + 1]).detach())
            .abs()
            .max()
        )
        assert far < 1e-4 * (1 + float(together.abs().max())), (
            f"logits differ by {far:.2g} from those of the image alone"
        )


def check_wrong_channels_are_refused(subject: Subject) -> None:
    """An image of another number of channels is an error, not a guess."""
    module = build(subject, 1)
    try:
        module(*batch(subject, 3))
    except (ValueError, RuntimeError):
        return
    except Exception as error:
        raise AssertionError(
            f"three channels given to a network of one raise {type(error).__name__}"
        ) from error
    raise AssertionError("three channels given to a network of one pass")


def check_input_is_untouched(subject: Subject) -> None:
    """forward writes neither into the image nor into the statistics."""
    images, volume = batch(subject)
    before = images.clone(), volume.clone()
    build(subject)(images, volume)
    assert torch.equal(images, before[0]), "the image has other values after forward"
    assert torch.equal(volume, before[1]), "the statistics have other values after forward"
