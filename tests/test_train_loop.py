"""The training loop: hand values, one state on disk, a resumed run that equals an unbroken one."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from benchmark.errors import InputError
from benchmark.training import recipe as recipes
from benchmark.training.data import Slices
from benchmark.training.loop import optimizer_of, train
from benchmark.training.reading import read, read_masks, scores_by_patient
from benchmark.training.recipe import TrainRecipe, one_cycle


class Tiny(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        first, last = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 1, 3, padding=1)
        self.layers = nn.Sequential(first, nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.1), last)

    def forward(self, image: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        return self.layers(
            (image - volume[:, 0, None, None, None]) / volume[:, 1, None, None, None]
        )


def tiny() -> nn.Module:
    torch.manual_seed(3)
    return Tiny()


def slices(count: int = 10) -> Slices:
    """Bright squares on a dark ground; the first of them is empty."""
    generator = torch.Generator().manual_seed(1)
    images, masks = (
        0.2 * torch.rand(count, 1, 16, 16, generator=generator),
        torch.zeros(count, 1, 16, 16),
    )
    masks[1:, :, 4:10, 5:11] = 1
    volumes = torch.tensor([[0.2, 0.1, 0.1, 0.9]]).repeat(count, 1)
    return Slices(
        images + 0.6 * masks,
        masks,
        volumes,
        tuple(f"p{i // 2}" for i in range(count)),
        ("flair",),
        ((1.0, 1.0),) * count,
    )


RECIPE = TrainRecipe(epochs=4, batch=4, lr=1e-2)


def weights(module: nn.Module) -> list[torch.Tensor]:
    return list(module.state_dict().values())


def test_one_cycle_rises_for_a_quarter_and_falls_to_zero():
    rates = [one_cycle(step, 100, 1.0) for step in range(101)]
    assert rates[0] == pytest.approx(0.04) and rates[25] == 1.0 and max(rates) == rates[25]
    assert rates[100] == pytest.approx(0.0) and all(
        a > b for a, b in zip(rates[25:], rates[26:], strict=False)
    )


def test_the_cycle_spans_all_epochs(monkeypatch):
    asked = []
    monkeypatch.setattr(
        recipes, "one_cycle", lambda step, steps, lr: asked.append((step, steps)) or lr
    )
    train(tiny(), slices(8), slices(), TrainRecipe(epochs=3, batch=4))
    assert asked == [(step, 6) for step in range(6)]


def test_reading_by_patient_against_hand_values():
    class AllLeft(nn.Module):
        def forward(self, image, volume):
            logits = -torch.ones_like(image)
            logits[..., :8] = 1
            return logits

    found = read(AllLeft(), slices(4))
    # Slices 1..3 hold 36 pixels, 18 of them left of column 8, where 128 are marked: Dice 36 / 164.
    # Slice 0 is empty.
    assert found.dice_by_patient == pytest.approx({"p0": 36 / 164, "p1": 36 / 164})
    assert found.fp_area_px == 128 and found.score == pytest.approx(36 / 164)
    assert list(read(AllLeft(), slices(1)).dice_by_patient) == []


def test_training_learns_and_keeps_the_best_epoch():
    module = tiny()
    progress = train(module, slices(), slices(), TrainRecipe(epochs=12, batch=4, lr=2e-2))
    assert progress.best_score > 0.8 and len(progress.history) == progress.epoch
    assert read(module, slices()).score == pytest.approx(progress.best_score)
    assert progress.best_score == max(row["val_dice"] for row in progress.history)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_resumed_equals_unbroken(tmp_path, optimizer):
    recipe = replace(RECIPE, optimizer=optimizer)
    unbroken, stopped, resumed = tiny(), tiny(), tiny()
    train(unbroken, slices(), slices(), recipe)

    def stop(progress):
        if progress.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(stopped, slices(), slices(), recipe, state_path=tmp_path / "s", on_epoch=stop)
    nn.init.zeros_(resumed.layers[0].weight)  # what is in the module before must not matter
    train(resumed, slices(), slices(), recipe, state_path=tmp_path / "s", resume=True)
    assert all(torch.equal(a, b) for a, b in zip(weights(unbroken), weights(resumed), strict=True))


def test_a_state_of_something_else_is_refused(tmp_path):
    path = tmp_path / "s"
    with pytest.raises(InputError, match="no unfinished training"):
        train(tiny(), slices(), slices(), RECIPE, state_path=path, resume=True)
    train(tiny(), slices(), slices(), RECIPE, state_path=path)
    with pytest.raises(InputError, match="lr=0.01"):
        train(
            tiny(),
            slices(),
            slices(),
            TrainRecipe(epochs=4, batch=4, lr=2e-2),
            state_path=path,
            resume=True,
        )
    with pytest.raises(InputError, match="another network"):
        train(
            nn.Sequential(nn.Linear(2, 2)), slices(), slices(), RECIPE, state_path=path, resume=True
        )
    path.write_bytes(b"nonsense that is no safetensors file")
    with pytest.raises(InputError, match="not a state of a training"):
        train(tiny(), slices(), slices(), RECIPE, state_path=path, resume=True)


def test_stops_when_validation_no_longer_improves():
    module = tiny()
    progress = train(
        module, slices(), slices(), TrainRecipe(epochs=50, batch=4, lr=1e-9, patience=2)
    )
    assert progress.epoch == progress.best_epoch + 2 < 50


def test_patience_0_keeps_the_last_epoch():
    module = tiny()
    progress = train(
        module, slices(), slices(), TrainRecipe(epochs=6, batch=4, lr=1e-9, patience=0)
    )
    assert progress.epoch == progress.best_epoch == 6
    assert read(module, slices()).score == pytest.approx(progress.history[-1]["val_dice"])


@pytest.mark.parametrize(
    ("count", "batch", "sizes"),
    [(7, 2, {2, 3}), (10, 4, {5}), (10, 3, {3, 4}), (3, 1, {1}), (1, 2, {1})],
)
def test_no_batch_is_of_one_unless_asked_for(count, batch, sizes):
    seen = set()
    module = tiny()
    module.register_forward_pre_hook(
        lambda module, given: seen.add(len(given[0])) if module.training else None
    )
    train(module, slices(count), slices(), TrainRecipe(epochs=1, batch=batch))
    assert seen == sizes


def test_an_infinite_loss_is_an_error():
    with pytest.raises(InputError, match="a smaller lr"):
        train(tiny(), slices(), slices(), TrainRecipe(epochs=4, batch=4, lr=float("inf")))


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd"])
@pytest.mark.parametrize("loss", ["bce", "dice", "weighted-dice", "focal-tversky"])
def test_every_loss_and_optimizer_learns(optimizer, loss):
    recipe = TrainRecipe(
        loss,
        epochs=40,
        batch=4,
        lr=0.3 if optimizer == "sgd" else 2e-2,
        optimizer=optimizer,
        augment="flips",
    )
    assert train(tiny(), slices(), slices(), recipe).best_score > 0.8


def test_optimizers_are_what_they_are_called():
    made = {
        name: optimizer_of(tiny(), TrainRecipe(optimizer=name, lr=0.5)) for name in recipes.RATES
    }
    assert [type(optimizer) for optimizer in made.values()] == [
        torch.optim.AdamW,
        torch.optim.Adam,
        torch.optim.SGD,
    ]
    assert made["sgd"].defaults["momentum"] == 0.9
    assert [optimizer.defaults["weight_decay"] for optimizer in made.values()] == [1e-2, 0, 0]


def test_a_constant_schedule_is_constant():
    assert {
        recipes.rate_at(TrainRecipe(lr=0.5, schedule="constant"), step, 9) for step in range(9)
    } == {0.5}
    assert recipes.rate_at(TrainRecipe(lr=0.5), 0, 9) < 0.5


class Labels(nn.Module):
    """Bright or dark on average, and a third class that nothing is."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(1, 3)

    def forward(self, image: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        return self.head(10 * image.mean((2, 3)))


def pictures() -> Slices:
    data, truth = slices(8), torch.tensor([0, 1] * 4)
    images = 0.2 * data.images + 0.5 * truth[:, None, None, None]
    return replace(data, images=images, truth=truth, classes=("dark", "light", "other"))


@pytest.mark.parametrize("loss", ["cross-entropy", "kl"])
def test_labels_are_learned_and_read_by_class(loss):
    torch.manual_seed(0)
    module = Labels()
    progress = train(
        module,
        pictures(),
        pictures(),
        TrainRecipe(loss, epochs=20, batch=4, lr=0.2, augment="flips"),
    )
    assert progress.best_score == 1 and progress.history[-1]["val_accuracy"] == 1
    found = read(module, pictures())
    assert found.confusion == [[4, 0, 0], [0, 4, 0], [0, 0, 0]] and found.recall == {
        "dark": 1.0,
        "light": 1.0,
    }
    module.head.bias.data[2] = 1e6
    found = read(module, pictures())
    assert found.score == 0 and found.confusion == [[0, 0, 4], [0, 0, 4], [0, 0, 0]]


class Cube(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv3d(1, 1, 1)

    def forward(self, image: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        assert image.ndim == 5
        return self.layer(image - 0.4)


def test_volumes_are_learned_and_read_plane_by_plane():
    flat = slices(12)
    images, truth = (
        x.reshape(3, 4, 1, 16, 16).transpose(1, 2) for x in (flat.images, flat.truth)
    )  # [3, 1, 4, 16, 16]
    volumes = replace(
        flat,
        images=images,
        truth=truth,
        volumes=flat.volumes[:3],
        patients=("a", "b", "c"),
        spacings_mm=((1.0, 1.0),) * 3,
    )
    torch.manual_seed(0)
    module = Cube()
    progress = train(
        module, volumes, volumes, TrainRecipe("weighted-dice", epochs=20, batch=2, lr=0.5)
    )
    assert progress.best_score > 0.9 and volumes.planes == 12
    # As one network on each plane would read: the first plane of a is empty, all others hold a
    # square.
    nn.init.constant_(module.layer.weight, 0.0)
    nn.init.constant_(module.layer.bias, 1.0)
    found = read(module, volumes)
    assert found.fp_area_px == 256 and found.dice_by_patient == pytest.approx(
        dict.fromkeys("abc", 2 * 36 / (36 + 256))
    )
    scores = scores_by_patient(read_masks(module, volumes), volumes)
    assert (
        scores["a"]["dice"] == pytest.approx(found.dice_by_patient["a"])
        and scores["a"]["fp_area_px"] == 256
    )
