"""`evaluate` as a user types it, on tiny data and on networks that see what is bright."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.cli import main
from benchmark.networks.checkpoints import default_path, find_checkpoint
from benchmark.networks.evaluate import by_network, classical, read_masks, stacks_of
from benchmark.networks.network import load_network, save_checkpoint
from benchmark.plugins.index import add_plugin_file, get
from tests import tiny_networks

PLUGINS = tuple(map(Path(__file__).with_name, ("stacks.py", "bright_networks.py", "tiny.py")))


@pytest.fixture(autouse=True)
def plugins():
    for file in PLUGINS:
        add_plugin_file(file)
    for name, more in (
        ("bright", {"train_patients": ["b"], "parameters": 1, "epochs_run": 2, "minutes": 0.5}),
        ("loud", {"classes": ["dark", "light"]}),
    ):
        save_checkpoint(
            default_path(name, "stack"),
            get("segmenter", name).load()(1),
            {"segmenter": name, "options": {}, "channels": ["gray"], "dataset": "stack", **more},
        )


@pytest.fixture
def evaluate(tmp_path, capsys):
    def called(*words, code=0):
        assert (
            main(["evaluate", "--dataset", "stack", *words, "--out", str(tmp_path / "out")]) == code
        )
        return capsys.readouterr()

    return called


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_masks_by_patient_and_image_each_step_apart(evaluate, tmp_path):
    said = json.loads(
        evaluate(
            "--segmenter", "bright", "--post", "largest,consistent,small+largest", "--json"
        ).out
    )
    post = said["networks"][0]["post"]
    assert list(post) == ["raw", "largest", "consistent", "small+largest"]
    assert post["raw"]["mean"]["dice"]["mean"] == 1 and post["raw"]["mean"]["f1"]["mean"] < 1
    assert post["raw"]["mean"]["fp_area_px"]["mean"] == 49 / 2  # slices 0 and 4 have no tumor
    for name in ("largest", "consistent", "small+largest"):
        assert (
            post[name]["mean"]["fp_area_px"]["mean"] == 0
            and post[name]["mean"]["dice"]["mean"] == 1
        )
        assert post[name]["less_raw"]["fp_area_px"]["mean"] == -49 / 2
    brain = sum(
        int(sample.brain.sum()) for sample in get("dataset", "stack").load()().samples("test")
    )
    assert (
        sum(count for _, count, _, _ in said["networks"][0]["reliability"]) == brain
    )  # and nothing beside it
    images = rows(tmp_path / "out" / "per_image.csv")
    assert len(images) == 4 * 10 and [row["post"] for row in images].count("raw") == 10
    last = next(row for row in images if row["image"] == "a-4" and row["post"] == "raw")
    assert last["dice"] == "" and last["fp_area_px"] == "49" and last["true_px"] == "0"
    assert len(rows(tmp_path / "out" / "per_patient.csv")) == 4 * 2
    assert all(
        (tmp_path / "out" / name).stat().st_size > 5_000
        for name in ("worst.png", "calibration.png")
    )


def test_the_report_says_what_was_typed_what_to_know_and_is_the_same_again(evaluate, tmp_path):
    first = evaluate(
        "--segmenter",
        f"bright@{default_path('bright', 'stack')}",
        "--set",
        "slices=tumor",
        "--post",
        "largest",
    )
    text = (tmp_path / "out" / "evaluation.md").read_text()
    assert (
        "python -m benchmark evaluate --dataset stack --split test --segmenter"
        " bright@bright-stack.safetensors" in text
    )
    assert (
        str(default_path("bright", "stack").parent) not in text
    )  # a table travels, folders do not
    assert (
        "all 6 images have a lesion" in text
        and "3 of 6 images are of patients that bright was trained on" in first.out
    )
    files = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    evaluate(
        "--segmenter",
        f"bright@{default_path('bright', 'stack')}",
        "--set",
        "slices=tumor",
        "--post",
        "largest",
    )
    assert files == {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}


def test_several_networks_stand_beside_each_other_with_what_their_cards_say(evaluate, tmp_path):
    module = get("segmenter", "bright").load()(1)
    with torch.no_grad():
        module.at.fill_(0.85)  # patient b's tumor is darker
    save_checkpoint(
        tmp_path / "other.safetensors",
        module,
        {"segmenter": "bright", "options": {}, "channels": ["gray"], "dataset": "stack"},
    )
    said = evaluate(
        "--segmenter", "bright", "--segmenter", f"bright@{tmp_path / 'other.safetensors'}"
    ).out
    assert "Dice by patient and network" in said
    line = next(line for line in said.splitlines() if line.startswith("b "))
    assert line.split() == ["b", "1.000", "0.000"]
    assert [line.split() for line in said.splitlines() if line.startswith("parameters")] == [
        ["parameters", "1", "-"]
    ]


def test_volumes_are_read_plane_by_plane(tmp_path, capsys):
    tiny_networks.write()
    assert (
        main(
            [
                "evaluate",
                "--segmenter",
                "unet",
                "--dataset",
                "tiny",
                "--dims",
                "3",
                "--out",
                str(tmp_path),
                "--json",
            ]
        )
        == 0
    )
    said = json.loads(capsys.readouterr().out)
    assert said["images"] == 12 and set(said["networks"][0]["post"]["raw"]["patients"]) == {
        "p6",
        "p7",
        "p8",
    }
    assert [row["image"] for row in rows(tmp_path / "per_image.csv") if row["true_px"] != "0"] == [
        "p6-000",
        "p6-001",
        "p7-000",
        "p7-001",
    ]


def test_what_cannot_be_read_is_listed_and_is_exit_code_1(evaluate, tmp_path):
    said = evaluate("--segmenter", "bright", "--set", "broken=true", "--post", "largest", code=1)
    assert "not read: b-2: the file b-2.tif: it is cut short" in said.out
    assert "b-2" in (tmp_path / "out" / "evaluation.md").read_text()


def test_labels_get_accuracy_recall_and_confusion(evaluate, tmp_path):
    said = json.loads(evaluate("--segmenter", "loud", "--json").out)["networks"][0]
    answers = rows(tmp_path / "out" / "per_image.csv")
    right = [row["true"] == row["answered"] for row in answers]
    assert len(right) == 10 and 0 < sum(right) < 10
    assert said["accuracy"]["mean"] == pytest.approx(sum(right) / 10)
    assert sum(map(sum, said["confusion"])) == 10 and np.trace(said["confusion"]) == sum(right)
    dark = [row for row in answers if row["true"] == "dark"]
    assert said["recall"]["dark"] == pytest.approx(
        sum(row["answered"] == "dark" for row in dark) / len(dark)
    )
    answers = (
        evaluate("--segmenter", "loud")
        .out.partition("answers (rows: what is true)")[2]
        .splitlines()
    )
    assert answers[3].split() == [
        "light",
        *map(str, said["confusion"][1]),
        f"{said['recall']['light']:.3f}",
    ]
    assert (tmp_path / "out" / "worst.png").is_file()


@pytest.mark.parametrize(
    "words, says",
    [
        (["--segmenter", "brigth"], "did you mean 'bright'"),
        (["--segmenter", "bright+brigth"], "did you mean 'bright'"),
        (["--segmenter", "bright", "--post", "largst"], "did you mean 'largest'"),
        (["--segmenter", "bright", "--post", "largest+stripped"], "stripped+largest"),
        (["--segmenter", "bright", "--segmenter", "loud"], "two calls"),
        (["--segmenter", "loud", "--post", "small"], "leave out --post"),
        (["--segmenter", "bright", "--strip", "bright"], "not brains"),
        (
            ["--segmenter", "bright", "--strip", "none"],
            "--strip classical, or a network that marks brains",
        ),
        (["--segmenter", "bright", "--post", ""], "no step is named"),
        (["--segmenter", "bright", "--post", "largest+largest"], "--post largest\n"),
        (["--segmenter", "bright", "--set", "odd=true"], "the slices of a"),
        (["--segmenter", "bright", "--limit", "0"], "at least 1"),
        (["--segmenter", "bright", "--image", "c-1"], "no such image"),
        (["--segmenter", "bright", "--set", "slice=all"], "did you mean 'stack.slices'"),
        (["--segmenter", "bright", "--dataset", "tiny"], "no weights there"),
    ],
)
def test_what_cannot_be_done_is_said_with_exit_code_2(words, says, evaluate):
    assert says in evaluate(*words, code=2).err


@pytest.mark.parametrize(
    "out, says",
    [
        ("file.png", "file.png is a file"),
        ("file.png/more/below", "file.png is a file"),
        ("/proc/out", "nothing can be written in /proc"),
    ],
)
def test_where_nothing_can_be_written_is_said_before_images_are_read(out, says, tmp_path, capsys):
    (tmp_path / "file.png").write_text("")
    assert (
        main(
            [
                "evaluate",
                "--segmenter",
                "bright",
                "--dataset",
                "stack",
                "--set",
                "odd=true",
                "--out",
                str(tmp_path / out),
            ]
        )
        == 2
    )
    assert says in capsys.readouterr().err  # odd=true is an error once images are read


def test_a_network_of_another_data_set_reads_with_force(evaluate, tmp_path, capsys):
    words = [
        "evaluate",
        "--segmenter",
        f"bright@{default_path('bright', 'stack')}",
        "--dataset",
        "tiny",
        "--out",
        str(tmp_path / "o"),
    ]
    assert main(words) == 2 and "--force" in capsys.readouterr().err
    assert main([*words, "--force"]) == 0


def test_masks_are_not_scored_where_there_are_none(evaluate):
    for dataset in ("named", "unmarked"):
        save_checkpoint(
            default_path("bright", dataset),
            get("segmenter", "bright").load()(1),
            {"segmenter": "bright", "options": {}, "channels": ["gray"], "dataset": dataset},
        )
    assert (
        "no mask to score them by"
        in evaluate("--segmenter", "bright", "--dataset", "named", code=2).err
    )
    assert (
        "no image has a lesion in its mask"
        in evaluate("--segmenter", "bright", "--dataset", "unmarked").out
    )


def test_stripped_is_what_the_network_reads_without_the_rest():
    checkpoint = find_checkpoint("bright", "stack")
    dataset = get("dataset", "stack").load()()
    scans = stacks_of([dataset.load(name) for name in dataset.ids("test")])
    left = np.arange(32)[None, None] < 17  # holds the tumor, not what is falsely marked
    reading = read_masks(
        load_network(checkpoint),
        checkpoint,
        "bright",
        scans,
        [("stripped",)],
        strip=lambda scan: left,
    )
    assert [reading.by_patient[name]["a"]["fp_area_px"] for name in ("raw", "stripped")] == [
        24.5,
        0.0,
    ]
    assert [reading.by_patient[name]["a"]["dice"] for name in ("raw", "stripped")] == [1.0, 1.0]


def test_a_network_of_brains_strips_slice_by_slice_or_whole(evaluate, tmp_path):
    for name in ("bright", "deep"):
        module = get("segmenter", name).load()(1)
        with torch.no_grad():
            module.at.fill_(0.1)
        path = tmp_path / f"{name}.safetensors"
        save_checkpoint(
            path,
            module,
            {
                "segmenter": name,
                "options": {},
                "channels": ["gray"],
                "dataset": "other",
                "target": "brain",
            },
        )
        network, dataset = (
            load_network(find_checkpoint(f"{name}@{path}", "other")),
            get("dataset", "stack").load()(),
        )
        scan, _ = stacks_of([dataset.load(sample_id) for sample_id in dataset.ids("test")])
        assert np.array_equal(by_network(network)(scan), scan.images[..., 0] >= 0.1)
        assert evaluate(
            "--segmenter",
            "bright",
            "--post",
            "stripped",
            "--strip",
            f"{name}@{path}",
            "--limit",
            "10",
        )


def test_a_network_of_brains_is_scored_by_the_brain(evaluate, tmp_path):
    module = get("segmenter", "bright").load()(1)
    with torch.no_grad():
        module.at.fill_(0.1)
    save_checkpoint(
        tmp_path / "brain.safetensors",
        module,
        {
            "segmenter": "bright",
            "options": {},
            "channels": ["gray"],
            "dataset": "stack",
            "target": "brain",
        },
    )
    said = json.loads(
        evaluate("--segmenter", f"bright@{tmp_path / 'brain.safetensors'}", "--json").out
    )
    assert (
        sum(count for _, count, _, _ in said["networks"][0]["reliability"]) == 10 * 32 * 32
    )  # within a brain all would be true
    truth = {
        sample.id: str(int(sample.brain.sum()))
        for sample in get("dataset", "stack").load()().samples("test")
    }
    assert {
        row["image"]: row["true_px"] for row in rows(tmp_path / "out" / "per_image.csv")
    } == truth
    both = evaluate(
        "--segmenter", "bright", "--segmenter", f"bright@{tmp_path / 'brain.safetensors'}", code=2
    ).err
    assert "marks lesions" in both and "marks brains" in both


def test_scans_are_in_the_order_of_their_slices():
    dataset = get("dataset", "stack").load()()
    samples = [dataset.load(name) for name in reversed(dataset.ids("test"))]
    scans = stacks_of(samples)
    assert [scan.numbers for scan in scans] == [[0, 1, 2, 3, 4]] * 2
    assert classical(scans[0]).shape == (5, 32, 32)
