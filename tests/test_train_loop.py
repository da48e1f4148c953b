"""The training loop: hand values, one state on disk, and a resumed run that equals an unbroken one."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from benchmark.errors import InputError
from benchmark.train import loop
from benchmark.train.augment import augment
from benchmark.train.data import Slices
from benchmark.train.loop import TrainRecipe, one_cycle, read, segmentation_loss, train


class Tiny(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        first, last = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 1, 3, padding=1)
        self.layers = nn.Sequential(first, nn.BatchNorm2d(4), nn.ReLU(), last)

    def forward(self, image: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        return self.layers((image - volume[:, 0, None, None, None]) / volume[:, 1, None, None, None])


def tiny() -> nn.Module:
    torch.manual_seed(3)
    return Tiny()


def slices(count: int = 10) -> Slices:
    """Bright squares on a dark ground; the first of them is empty."""
    generator = torch.Generator().manual_seed(1)
    images, masks = 0.2 * torch.rand(count, 1, 16, 16, generator=generator), torch.zeros(count, 1, 16, 16)
    masks[1:, :, 4:10, 5:11] = 1
    volumes = torch.tensor([[0.2, 0.1, 0.1, 0.9]]).repeat(count, 1)
    return Slices(images + 0.6 * masks, masks, volumes, tuple(f"p{i // 2}" for i in range(count)), ("flair",))


RECIPE = TrainRecipe(epochs=4, batch=4, lr=1e-2)


def weights(module: nn.Module) -> list[torch.Tensor]:
    return list(module.state_dict().values())


def test_losses_against_hand_values():
    logits, masks = torch.zeros(1, 1, 2, 2), torch.tensor([[[[1.0, 0.0], [0.0, 0.0]]]])
    # p = 1/2 everywhere: cross-entropy log 2; Dice (2 * 0.5 + 1) / (2 + 1 + 1) = 1/2.
    assert segmentation_loss(logits, masks, "bce").item() == pytest.approx(0.693147, abs=1e-6)
    assert segmentation_loss(logits, masks, "dice").item() == pytest.approx(0.5)
    assert segmentation_loss(logits, masks, "bce+dice").item() == pytest.approx(1.193147, abs=1e-6)


def test_one_cycle_rises_for_a_quarter_and_falls_to_zero():
    rates = [one_cycle(step, 100, 1.0) for step in range(101)]
    assert rates[0] == pytest.approx(0.04) and rates[25] == 1.0 and max(rates) == rates[25]
    assert rates[100] == pytest.approx(0.0) and all(a > b for a, b in zip(rates[25:], rates[26:], strict=False))


def test_the_cycle_spans_all_epochs(monkeypatch):
    asked = []
    monkeypatch.setattr(loop, "one_cycle", lambda step, steps, lr: asked.append((step, steps)) or lr)
    train(tiny(), slices(8), slices(), TrainRecipe(epochs=3, batch=4))
    assert asked == [(step, 6) for step in range(6)]


def test_reading_by_patient_against_hand_values():
    class AllLeft(nn.Module):
        def forward(self, image, volume):
            logits = -torch.ones_like(image)
            logits[..., :8] = 1
            return logits

    found = read(AllLeft(), slices(4))
    # Slices 1..3 hold 36 pixels, 18 of them left of column 8, where 128 are marked: Dice 36 / 164. Slice 0 is empty.
    assert found.dice_by_patient == pytest.approx({"p0": 36 / 164, "p1": 36 / 164})
    assert found.fp_area_px == 128 and found.dice == pytest.approx(36 / 164)
    assert list(read(AllLeft(), slices(1)).dice_by_patient) == []


def test_training_learns_and_keeps_the_best_epoch():
    module = tiny()
    progress = train(module, slices(), slices(), TrainRecipe(epochs=12, batch=4, lr=2e-2))
    assert progress.best_dice > 0.8 and len(progress.history) == progress.epoch
    assert read(module, slices()).dice == pytest.approx(progress.best_dice)
    assert progress.best_dice == max(row["val_dice"] for row in progress.history)


def test_resumed_equals_unbroken(tmp_path):
    unbroken, stopped, resumed = tiny(), tiny(), tiny()
    train(unbroken, slices(), slices(), RECIPE)

    def stop(progress):
        if progress.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(stopped, slices(), slices(), RECIPE, state_path=tmp_path / "s", on_epoch=stop)
    nn.init.zeros_(resumed.layers[0].weight)  # what is in the module before must not matter
    train(resumed, slices(), slices(), RECIPE, state_path=tmp_path / "s", resume=True)
    assert all(torch.equal(a, b) for a, b in zip(weights(unbroken), weights(resumed), strict=True))


def test_a_state_of_something_else_is_refused(tmp_path):
    path = tmp_path / "s"
    with pytest.raises(InputError, match="no unfinished training"):
        train(tiny(), slices(), slices(), RECIPE, state_path=path, resume=True)
    train(tiny(), slices(), slices(), RECIPE, state_path=path)
    with pytest.raises(InputError, match="lr=0.01"):
        train(tiny(), slices(), slices(), TrainRecipe(epochs=4, batch=4, lr=2e-2), state_path=path, resume=True)
    with pytest.raises(InputError, match="another network"):
        train(nn.Sequential(nn.Linear(2, 2)), slices(), slices(), RECIPE, state_path=path, resume=True)
    path.write_bytes(b"nonsense that is no safetensors file")
    with pytest.raises(InputError, match="not a state of a training"):
        train(tiny(), slices(), slices(), RECIPE, state_path=path, resume=True)


def test_stops_when_validation_no_longer_improves():
    module = tiny()
    progress = train(module, slices(), slices(), TrainRecipe(epochs=50, batch=4, lr=1e-9, patience=2))
    assert progress.epoch == progress.best_epoch + 2 < 50


def test_patience_0_keeps_the_last_epoch():
    module = tiny()
    progress = train(module, slices(), slices(), TrainRecipe(epochs=6, batch=4, lr=1e-9, patience=0))
    assert progress.epoch == progress.best_epoch == 6
    assert read(module, slices()).dice == pytest.approx(progress.history[-1]["val_dice"])


def test_an_infinite_loss_is_an_error():
    with pytest.raises(InputError, match="smaller --lr"):
        train(tiny(), slices(), slices(), TrainRecipe(epochs=4, batch=4, lr=float("inf")))


def test_augmentation_moves_image_and_mask_alike():
    masks = slices(8).masks
    images, moved = augment(masks.clone(), masks, torch.Generator().manual_seed(0))
    assert images.shape == masks.shape and set(moved.unique().tolist()) == {0.0, 1.0} and not torch.equal(moved, masks)
    # The "image" is the mask itself, so after the same move it is brighter inside the moved mask than outside.
    for image, mask in zip(images[1:], moved[1:], strict=True):
        assert image[mask > 0.5].mean() > image[mask < 0.5].mean() + 0.4


def test_augmentation_follows_from_the_generator_alone():
    data = slices(6)
    one, other, again = (augment(data.images, data.masks, torch.Generator().manual_seed(s))[0] for s in (0, 1, 0))
    assert torch.equal(one, again) and not torch.equal(one, other)
