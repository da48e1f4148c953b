"""A run whose network reads labels: the KL divergence in the loss, label scores from the bytes,
tables without empty columns.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import benchmark.runner.run
import benchmark.runner.scorer
from benchmark.bitstream import decode
from benchmark.cli import main
from benchmark.networks.checkpoints import default_path, find_checkpoint
from benchmark.networks.network import load_network
from benchmark.runner.rows import went_wrong
from benchmark.store.store import Store
from tests import label_networks, tiny_networks

PLUGIN = Path(__file__).with_name("tiny_labels.py")
FAST = [
    "--dataset",
    "tiny-labels",
    "--plugin",
    str(PLUGIN),
    "--steps",
    "30",
    "--lr",
    "1e-2",
    "--set",
    "hidden_features=12",
    "--bits",
    "10",
    "--device",
    "cpu",
]
LABEL_SCORES = {"label_kept", "kl", "label_right", "label_right_original"}


@pytest.fixture(autouse=True)
def plugins() -> None:
    benchmark.runner.run.index.add_plugin_file(PLUGIN)


def run(folder: Path, *words: str) -> int:
    return main(["run", "--out", str(folder), *FAST, *words])


def codecs_of(store: Store) -> set[str | None]:
    """Codecs of the files in a store, None of a backbone's."""
    return {row.facts["codec"] for row in store.rows()}


def metrics_by_reader(store: Store) -> dict[str, set[str]]:
    """What each network gives."""
    found: dict[str, set[str]] = {}
    for score in store.scores():
        if score.reader:
            found.setdefault(score.reader, set()).add(score.metric)
    return found


def values_of(store: Store) -> dict[tuple[Any, ...], float | None]:
    """All scores, by all that names them."""
    return {score[:2] + score[3:]: score.value for score in store.scores()}


def check_scores(store: Store, rows, scores, name: str) -> None:
    """Scores of the files of backbones are what a network's answers give."""
    network = load_network(find_checkpoint(name, "tiny-labels"))
    for row in rows:
        if row.facts["codec"] is not None:
            continue
        sample = store.sample(row.sample_hash)
        assert sample.label in ("left", "none", "right")
        images = np.stack([sample.image, decode(row.data).image])
        p, q = network.answer(images, [sample.volume] * 2)
        right = network.classes[q.argmax()] == sample.label
        right_on_original = network.classes[p.argmax()] == sample.label
        divergence = (p * np.log(p / q)).sum()
        assert scores[row.key, name, "kl"] == pytest.approx(divergence, abs=1e-5)
        assert scores[row.key, name, "label_kept"] == (p.argmax() == q.argmax())
        assert scores[row.key, name, "label_right"] == right
        assert scores[row.key, name, "label_right_original"] == right_on_original


def test_a_classifier_in_the_loss_and_another_that_reads(
    store_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("mobilenet-v2", "tiny-label"):
        label_networks.write(name)
    assert (
        run(store_folder, "--segmenter", "mobilenet-v2", "--lambda", "1e-5", "--seed", "0,1") == 0
    )
    printed = capsys.readouterr().out
    assert (
        "KL (loss)" in printed
        and "kept (eval)" in printed
        and "by tiny-label" in printed
        and "Dice" not in printed
    )
    with Store(store_folder) as store:
        rows = store.rows()
        assert codecs_of(store) == {None, "jpeg2000"}  # who sends the mask is no rival here
        for row in rows:
            if row.facts["lambda"] > 0:
                assert row.facts["regularizer"] == "kl" and row.facts["penalty_share"] > 0
        assert metrics_by_reader(store) == {
            "mobilenet-v2": LABEL_SCORES,
            "tiny-label": LABEL_SCORES,
        }
        scores = {(s.key, s.reader, s.metric): s.value for s in store.scores()}
        for name in ("mobilenet-v2", "tiny-label"):
            check_scores(store, rows, scores, name)
        assert (
            len({round(value, 6) for (_, _, metric), value in scores.items() if metric == "kl"})
            > 20
        ), "all files read alike"
    for name in ("rows.csv", "per_image.csv"):
        columns = set(pd.read_csv(store_folder / name).columns)
        assert not [column for column in columns if "dice" in column or "fp_area" in column]
    assert {"kl", "kl_eval", "label_kept", "label_right", "kl_tiny-label"} <= set(
        pd.read_csv(store_folder / "rows.csv").columns
    )
    assert {
        "kl_difference",
        "kl_verdict",
        "label_kept_difference",
        "sinco_kl_eval",
        "original_label_right",
    } <= columns
    page = (store_folder / "leaderboard.md").read_text()
    assert (
        "### By KL (loss)" in page
        and "### By kept (eval)" in page
        and "right (loss)" in page
        and "Dice" not in page
    )
    assert (store_folder / "worst_images.png").stat().st_size > 10_000
    assert main(["report", str(store_folder), "--plugin", str(PLUGIN)]) == 0
    assert "no contours" not in capsys.readouterr().err


def test_a_classifier_reads_what_was_fitted_with_a_mask_network(
    store_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_networks.write("tiny-labels")
    label_networks.write("tiny-label")
    words = ("--set", "masks=true", "--segmenter", "unet")
    assert run(store_folder, *words, "--reader", "dilated") == 0
    without = pd.read_csv(store_folder / "per_image.csv")
    monkeypatch.setattr(
        benchmark.runner.run, "fit", lambda *a, **k: pytest.fail("a stored cell was fitted again")
    )
    assert (
        run(store_folder, *words) == 0
    )  # every network with weights there reads: the classifier too
    with Store(store_folder) as store:
        assert codecs_of(store) == {None, "jpeg2000", "jpeg2000+mask"}
        found = metrics_by_reader(store)
        assert found["tiny-label"] == LABEL_SCORES
        assert found["dilated"] == {"dice", "dice_original", "fp_area_px"}
        sent = [row.key for row in store.rows() if row.facts["codec"] == "jpeg2000+mask"]
        assert any(s.value > 0 for s in store.scores() if s.key in sent and s.metric == "kl"), (
            "its image is read, not its mask"
        )
    found = pd.read_csv(store_folder / "per_image.csv")
    # A reader of labels is in no mean of Dice; the worst image comes first, and labels count there.
    by_image = found[list(without.columns)].sort_values("sample_id", ignore_index=True)
    pd.testing.assert_frame_equal(by_image, without.sort_values("sample_id", ignore_index=True))
    assert {"kl_eval_difference", "label_kept_eval_difference", "sinco_kl_eval"} <= set(
        found.columns
    )
    assert not {"kl_difference", "sinco_kl"} & set(found.columns)  # none is in the loss
    page = (store_folder / "leaderboard.md").read_text()
    assert "Dice (eval): mean of dilated. Kept, KL and right (eval): mean of tiny-label." in page


def test_two_classifiers_in_the_loss_of_one_run(store_folder: Path) -> None:
    for name in ("mobilenet-v2", "tiny-label"):
        label_networks.write(name)
    assert run(store_folder, "--segmenter", "mobilenet-v2,tiny-label", "--lambda", "1e-5") == 0
    table = pd.read_csv(store_folder / "per_image.csv")
    assert (
        set(table["segmenter"]) == {"mobilenet-v2", "tiny-label"}
        and table["kl_difference"].notna().all()
    )


def test_a_classifier_and_a_mask_network_in_the_loss_of_one_run(store_folder: Path) -> None:
    tiny_networks.write("tiny-labels")
    label_networks.write("tiny-label")
    assert (
        run(
            store_folder,
            "--set",
            "masks=true",
            "--segmenter",
            "unet,tiny-label",
            "--lambda",
            "1e-2",
        )
        == 0
    )
    with Store(store_folder) as store:
        assert {
            (row.facts["segmenter"], row.facts["regularizer"])
            for row in store.rows()
            if row.facts["lambda"] > 0
        } == {("unet", "dice"), ("tiny-label", "kl")}


def test_a_sample_whose_class_the_network_does_not_know_has_no_right_or_wrong(
    store_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    label_networks.write("tiny-label", classes=["a", "b", "c"])
    assert run(store_folder, "--segmenter", "tiny-label", "--lambda", "0", "--limit", "1") == 0
    with Store(store_folder) as store:
        assert metrics_by_reader(store) == {"tiny-label": {"label_kept", "kl"}}
    assert "right (loss)" not in (store_folder / "leaderboard.md").read_text()
    monkeypatch.setattr(
        benchmark.runner.scorer.Scorer,
        "score",
        lambda *a: pytest.fail("a stored file was scored again"),
    )
    assert run(store_folder, "--segmenter", "tiny-label", "--lambda", "0", "--limit", "1") == 0


def test_a_corrected_label_is_scored_anew(
    store_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("tiny-label", "mobilenet-v2"):
        label_networks.write(name)
    words = ("--segmenter", "tiny-label", "--lambda", "0", "--reader", "mobilenet-v2")
    assert run(store_folder, *words) == 0
    with Store(store_folder) as store:
        before = values_of(store)
    dataset = benchmark.runner.run.index.get("dataset", "tiny-labels").load()
    load = dataset.load
    monkeypatch.setattr(
        dataset,
        "load",
        lambda self, i: replace(load(self, i), label="none") if i == "p7-0" else load(self, i),
    )
    monkeypatch.setattr(
        benchmark.runner.run, "fit", lambda *a, **k: pytest.fail("a stored cell was fitted again")
    )
    assert run(store_folder, *words) == 0
    with Store(store_folder) as store:
        after = values_of(store)
        assert after.keys() == before.keys()
        changed = set()
        for row in store.rows():
            if row.facts["sample_id"] == "p7-0":
                changed.add(row.key)
                assert store.sample(row.sample_hash).label == "none"
    moved = [mark for mark in after if after[mark] != before[mark]]
    assert moved
    for mark in moved:
        assert mark[0] in changed and mark[1] in ("label_right", "label_right_original")
    monkeypatch.setattr(
        benchmark.runner.scorer.Scorer,
        "score",
        lambda *a: pytest.fail("a stored file was scored again"),
    )
    assert run(store_folder, *words) == 0


def test_a_report_reads_with_ensembles_again(
    store_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_networks.write("tiny-labels")
    for name in ("mobilenet-v2", "tiny-label"):
        label_networks.write(name)
    apart = store_folder.with_name("apart.safetensors")
    default_path("dilated", "tiny-labels").rename(apart)
    words = (
        "--set",
        "masks=true",
        "--segmenter",
        f"unet+dilated@{apart}",
        "--reader",
        "mobilenet-v2+tiny-label",
        "--lambda",
        "0",
    )
    assert run(store_folder, *words, "--limit", "1") == 0
    capsys.readouterr()
    given: dict[str, Any] = {}
    monkeypatch.setattr(
        "benchmark.report.opened.write_report",
        lambda scored, out, **by_hash: given.update(by_hash) or [],
    )
    assert main(["report", str(store_folder), "--plugin", str(PLUGIN)]) == 0
    assert "no contours" not in capsys.readouterr().err
    with Store(store_folder) as store:
        first, second = (reader["hash"] for reader in store.experiments.last().record["readers"])
        sample = next(store.sample(row.sample_hash) for row in store.rows())
    assert set(given["segment"]) == {first} and set(given["describe"]) == {second}
    expected = load_network(find_checkpoint(f"unet+dilated@{apart}", "tiny-labels")).segment(
        sample.image[None], [sample.volume]
    )
    assert np.array_equal(given["segment"][first](sample.image[None], [sample.volume], 1), expected)
    apart.unlink()
    assert main(["report", str(store_folder), "--plugin", str(PLUGIN)]) == 0
    assert "no contours or captions of the reader unet+dilated" in capsys.readouterr().err


def test_volumes_have_no_label(store_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny_networks.write("tiny-labels")
    label_networks.write("tiny-label")
    words = ("--dims", "3", "--set", "masks=true", "--limit", "1")
    assert run(store_folder, *words, "--segmenter", "tiny-label") == 2
    assert "reads the label of an image" in capsys.readouterr().err
    assert run(store_folder, *words, "--segmenter", "unet") == 0  # found beside it, it is left out
    assert "tiny-label is left out" in capsys.readouterr().err


def test_a_classifier_that_cannot_read_images_of_this_size_is_left_out(
    store_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_networks.write("tiny-labels")
    label_networks.write("mobilenet-v2")
    words = (
        "--set",
        "tiny-labels.masks=true",
        "--set",
        "size=16",
        "--segmenter",
        "unet",
        "--lambda",
        "0",
        "--limit",
        "1",
    )
    assert run(store_folder, *words) == 0
    assert (
        "mobilenet-v2 is left out: it reads heights and widths that are multiples of 32"
        in capsys.readouterr().err
    )
    assert run(store_folder, *words, "--reader", "mobilenet-v2") == 2


def test_plan_and_profile(capsys: pytest.CaptureFixture[str]) -> None:
    label_networks.write("tiny-label")
    words = [*FAST, "--segmenter", "tiny-label", "--lambda", "1e-2", "--limit", "1"]
    assert main(["plan", *words]) == 0
    assert main(["profile", *words, "--kernel", "torch", "--steps", "3"]) == 0
    assert "fit: network" in capsys.readouterr().out


def test_a_divergence_above_1_is_not_held_against_a_fit(tiny_samples):
    class Cell:
        lam, fidelity = 1e-2, "mean"

    assert went_wrong(Cell, tiny_samples[0], 1e-3, 5.0, 1e-3) == ""  # type: ignore[arg-type]
    assert went_wrong(Cell, tiny_samples[0], 1.0, 5.0, 1e-3) != ""  # type: ignore[arg-type]
