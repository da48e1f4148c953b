"""Losses against hand values, the boundary weight map, and augmentation."""

from __future__ import annotations

import math

import pytest
import torch

from benchmark.training.augment import augment
from benchmark.training.losses import FUNCTIONS, edge_weights
from benchmark.training.recipe import LOSSES


def one_pixel() -> torch.Tensor:
    return torch.tensor([[[[1.0, 0.0], [0.0, 0.0]]]])


def squares(count: int = 6) -> torch.Tensor:
    """Masks [N, 1, 16, 16] with a square off the middle; the first is empty."""
    masks = torch.zeros(count, 1, 16, 16)
    masks[1:, :, 3:8, 6:13] = 1
    return masks


@pytest.mark.parametrize(
    "loss, value",
    [
        # p = 1/2 everywhere: cross-entropy log 2; Dice (2 * 0.5 + 1) / (2 + 1 + 1) = 1/2.
        ("bce", 0.693147),
        ("dice", 0.5),
        ("bce+dice", 1.193147),
        # Hit 0.5, missed 0.5, false 1.5: the index is 1.5 / (0.5 + 0.35 + 0.45 + 1) = 15 / 23.
        ("focal-tversky", (8 / 23) ** 0.75),
    ],
)
def test_losses_against_hand_values(loss, value):
    assert FUNCTIONS[loss](torch.zeros(1, 1, 2, 2), one_pixel()).item() == pytest.approx(
        value, abs=1e-6
    )


def test_focal_tversky_minds_missed_pixels_more_than_false_ones():
    mask = squares(2)[1:]
    loss = FUNCTIONS["focal-tversky"]
    missed, false = mask.clone(), mask.clone()
    missed[..., 3, 6:13] = 0
    false[..., 2, 6:13] = 1
    sure = (20 * (m - 0.5) for m in (mask, missed, false))
    right, too_few, too_many = (loss(logits, mask).item() for logits in sure)
    assert right < too_many < too_few


def test_weighted_dice_by_hand_and_equal_to_dice_where_all_count_alike():
    logits, mask = (
        torch.randn(2, 1, 4, 4, generator=torch.Generator().manual_seed(0)),
        torch.zeros(2, 1, 4, 4),
    )
    mask[:, :, :2] = 1
    plain = torch.cat([mask, torch.zeros_like(mask)], 1)
    assert FUNCTIONS["weighted-dice"](logits, plain).item() == pytest.approx(
        FUNCTIONS["dice"](logits, mask).item()
    )
    # The one pixel of the mask counts 3: (2 * 3 * 0.5 + 1) / (3 * 0.5 + 3 * 0.5 + 3 + 1) = 4 / 7.
    truth = torch.cat([one_pixel(), 2 * one_pixel()], 1)
    assert FUNCTIONS["weighted-dice"](torch.zeros(1, 1, 2, 2), truth).item() == pytest.approx(3 / 7)


def test_edges_weigh_most_and_empty_masks_nothing():
    extra = edge_weights(squares(2))
    assert extra.shape == (2, 1, 16, 16) and not extra[0].any()
    rows = extra[1, 0, :, 9]  # across the square: its outline is in rows 3 and 7
    assert (
        rows[3] == rows[7] == 4
        and rows[5] == pytest.approx(4 * math.exp(-4 / 18))
        and rows[0] == pytest.approx(4 * math.exp(-9 / 18))
    )
    assert edge_weights(squares(2)[:, :, None].expand(-1, -1, 5, -1, -1)).shape == (2, 1, 5, 16, 16)


def test_labels_by_hand():
    logits, truth = torch.log(torch.tensor([[0.5, 0.25, 0.25]])), torch.tensor([0])
    assert FUNCTIONS["cross-entropy"](logits, truth).item() == pytest.approx(math.log(2))
    label = [0.9 + 0.1 / 3, 0.1 / 3, 0.1 / 3]
    by_hand = sum(q * math.log(q / p) for q, p in zip(label, (0.5, 0.25, 0.25), strict=True))
    assert FUNCTIONS["kl"](logits, truth).item() == pytest.approx(by_hand, abs=1e-6)
    assert FUNCTIONS["kl"](torch.log(torch.tensor([label])), truth).item() == pytest.approx(
        0, abs=1e-6
    )


@pytest.mark.parametrize("loss", LOSSES["mask"])
def test_gradients_are_finite_where_all_is_right_already(loss):
    truth = torch.cat([squares(), edge_weights(squares())], 1)
    logits = (200 * (squares() - 0.5)).requires_grad_()
    FUNCTIONS[loss](logits, truth).backward()
    assert logits.grad.isfinite().all()


def test_every_loss_that_can_be_named_is_there():
    assert set(FUNCTIONS) == {loss for losses in LOSSES.values() for loss in losses}


def test_augmentation_moves_image_and_mask_alike():
    masks = squares(8)
    images, moved = augment(masks.clone(), masks, torch.Generator().manual_seed(0))
    assert (
        images.shape == masks.shape
        and set(moved.unique().tolist()) == {0.0, 1.0}
        and not torch.equal(moved, masks)
    )
    # The "image" is the mask itself, so after the same move it is brighter inside the moved mask
    # than outside.
    for image, mask in zip(images[1:], moved[1:], strict=True):
        assert image[mask > 0.5].mean() > image[mask < 0.5].mean() + 0.4


def test_edge_weights_move_along_and_stay_smooth():
    truth = torch.cat([squares(), edge_weights(squares())], 1)
    _, moved = augment(squares(), truth, torch.Generator().manual_seed(0))
    again = edge_weights(moved[:, :1])
    assert set(moved[:, 0].unique().tolist()) == {0.0, 1.0} and moved[:, 1].unique().numel() > 100
    assert (
        moved[1:, 1] - again[1:, 0]
    ).abs().mean() < 0.4  # of 4: sigma is zoomed and moved edges are soft


@pytest.mark.parametrize("shape", [(8, 1, 16, 16), (8, 1, 4, 16, 16)])
def test_flips_flip_image_and_mask_alike_along_every_axis(shape):
    images = torch.rand(shape, generator=torch.Generator().manual_seed(1))
    moved, masks = augment(images, images.clone(), torch.Generator().manual_seed(0), "flips")
    assert torch.equal(moved, masks)
    axes = range(1, images.ndim - 1)
    for old, new in zip(images, moved, strict=True):
        ways = [
            [axis for bit, axis in enumerate(axes) if way >> bit & 1]
            for way in range(2 ** len(axes))
        ]
        assert any(torch.equal(new, old.flip(way)) for way in ways)
    assert not torch.equal(moved, images)
    if len(shape) == 5:  # a volume is never bent
        assert torch.equal(
            augment(images, images, torch.Generator().manual_seed(0), "full")[0], moved
        )


def test_none_changes_nothing_and_labels_stay():
    images, labels = torch.rand(4, 1, 16, 16), torch.tensor([0, 1, 2, 0])
    assert all(
        a is b
        for a, b in zip(
            augment(images, labels, torch.Generator(), "none"), (images, labels), strict=True
        )
    )
    for kind in ("full", "flips"):
        moved, same = augment(images, labels, torch.Generator().manual_seed(3), kind)
        assert same is labels and not torch.equal(moved, images)


def test_augmentation_follows_from_the_generator_alone():
    images = torch.rand(6, 1, 16, 16)
    one, other, again = (
        augment(images, squares(), torch.Generator().manual_seed(s))[0] for s in (0, 1, 0)
    )
    assert torch.equal(one, again) and not torch.equal(one, other)
