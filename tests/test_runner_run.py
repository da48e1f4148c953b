"""The whole arrow on a tiny data set: what is missing is done, what is stored is kept, what fails
says why.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import benchmark.fit.engine
import benchmark.runner.run
import benchmark.runner.scorer
from benchmark.bitstream import decode
from benchmark.cli import main
from benchmark.errors import InputError
from benchmark.networks.checkpoints import find_checkpoint
from benchmark.networks.network import load_network
from benchmark.score.metrics import dice, image_scores
from benchmark.store.store import Store
from tests import tiny_networks
from tests.conftest import TINY

FAST = [
    "--dataset",
    "tiny",
    "--plugin",
    str(TINY),
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


@pytest.fixture
def networks(tiny_dataset) -> None:
    tiny_networks.write()


def run(folder: Path, *words: str) -> int:
    return main(["run", "--out", str(folder), *FAST, *words])


def test_the_whole_arrow_writes_every_table_and_every_score_comes_from_the_bytes(
    networks, store_folder, capsys
):
    assert run(store_folder, "--lambda", "0,1e-2", "--seed", "0,1") == 0
    printed = capsys.readouterr().out
    assert "siren" in printed and "noise floor" in printed
    for name in ("leaderboard.md", "rows.csv", "per_image.csv", "underperformers.csv", "run.json"):
        assert (store_folder / name).stat().st_size > 0, name
    with Store(store_folder) as store:
        rows = store.rows()
        fits = fits_of(store)
        assert len(fits) == 3 * 2 * 3  # images x seeds x (plain, null, SINCO)
        assert {row.status for row in rows} == {"ok"}
        assert {row.facts["codec"] for row in rows} == {None, "jpeg2000", "jpeg2000+mask"}
        scores = {(s.key, s.metric): s.value for s in store.scores() if s.reader == ""}
        for row in fits[:4]:
            sample = store.sample(row.sample_hash)
            assert (
                scores[row.key, "psnr_db"]
                == image_scores(sample.image, decode(row.data).image, sample.brain)["psnr_db"]
            )
            assert row.facts["bpp"] == 8 * len(row.data) / 32**2
        network = load_network(find_checkpoint("unet", "tiny"))
        dices = {
            s.key: s.value for s in store.scores() if s.reader == "unet" and s.metric == "dice"
        }
        for row in fits[:4]:
            sample = store.sample(row.sample_hash)
            if sample.has_lesion:
                found = network.segment(decode(row.data).image[None], [sample.volume])[0] >= 0.5
                assert dices[row.key] == dice(found, sample.mask)
        assert len(set(dices.values())) > 2, "every file reads alike: this checks nothing"
        for row in rows:
            if row.facts["codec"]:
                assert len(row.data) <= min(len(fit.data) for fit in fits)
        for row in fits:
            if row.facts["lambda"] > 0:
                assert row.facts["penalty_share"] > 0 and row.facts["twin"]


def test_the_same_command_again_fits_nothing(networks, store_folder, monkeypatch):
    assert run(store_folder) == 0
    before = _bytes(store_folder)
    monkeypatch.setattr(
        benchmark.runner.run, "fit", lambda *a, **k: pytest.fail("a stored cell was fitted again")
    )
    monkeypatch.setattr(
        benchmark.runner.scorer.Scorer,
        "score",
        lambda *a: pytest.fail("a stored file was scored again"),
    )
    assert run(store_folder) == 0
    assert _bytes(store_folder) == before


def test_a_new_reader_rescores_and_does_not_refit(networks, store_folder, monkeypatch):
    assert run(store_folder, "--reader", "unet") == 0
    with Store(store_folder) as store:
        assert {s.reader for s in store.scores()} == {"", "unet"}
    monkeypatch.setattr(
        benchmark.runner.run, "fit", lambda *a, **k: pytest.fail("a stored cell was fitted again")
    )
    assert run(store_folder, "--reader", "dilated") == 0
    with Store(store_folder) as store:
        found = {(s.reader, s.score_as) for s in store.scores()}
        assert found == {(reader, "decoded") for reader in ("", "unet", "dilated")}
        assert {s.metric for s in store.scores() if s.reader == "dilated"} == {
            "dice",
            "dice_original",
            "fp_area_px",
        }


def test_every_file_can_be_taken_out_of_the_store_and_decoded(networks, store_folder, tmp_path):
    assert run(store_folder) == 0
    assert (
        main(
            ["report", str(store_folder), "--files", str(tmp_path / "files"), "--plugin", str(TINY)]
        )
        == 0
    )
    files = sorted((tmp_path / "files").iterdir())
    assert len(files) == 3 * 3 + 2 * 3
    for i, file in enumerate(files):
        assert main(["decode", str(file), "-o", str(tmp_path / f"{i}.npy")]) == 0
    with Store(store_folder) as store:
        decoded = [np.load(path) for path in tmp_path.glob("*.npy")]
        for row in store.rows():
            if row.facts["codec"] is None:
                assert any(np.array_equal(decode(row.data).image, image) for image in decoded)


def test_another_lambda_keeps_the_plain_fits(networks, store_folder):
    assert run(store_folder, "--lambda", "1e-3") == 0
    before = _bytes(store_folder)
    assert run(store_folder, "--lambda", "1e-2") == 0
    after = _bytes(store_folder)
    assert len(after) == len(before) + 3 and all(after[key] == data for key, data in before.items())


def test_fresh_fits_again(networks, store_folder, monkeypatch):
    assert run(store_folder, "--lambda", "0") == 0
    calls = []
    monkeypatch.setattr(
        benchmark.runner.run,
        "fit",
        lambda *a, **k: calls.append(1) or benchmark.fit.engine.fit(*a, **k),
    )
    assert run(store_folder, "--lambda", "0", "--fresh") == 0
    assert calls


def test_a_batch_that_raises_becomes_rows_and_the_others_go_on(
    networks, store_folder, monkeypatch, capsys
):
    def explode(inr, members, *args, **words):
        if members[0].lam > 0:
            raise ArithmeticError("no such thing")
        return benchmark.fit.engine.fit(inr, members, *args, **words)

    monkeypatch.setattr(benchmark.runner.run, "fit", explode)
    assert run(store_folder) == 1
    with Store(store_folder) as store:
        failed = [row for row in store.rows() if row.status == "failed"]
        assert len(failed) == 3
        for row in failed:
            assert row.facts["lambda"] > 0 and "ArithmeticError: no such thing" in row.reason
    assert "no such thing" in capsys.readouterr().out
    monkeypatch.undo()


@pytest.mark.parametrize("size", [[], ["--bpp", "3"]])
def test_a_fit_that_diverges_is_a_row_with_a_status(networks, store_folder, size):
    words = ["run", "--out", str(store_folder), *(FAST if not size else [*FAST[:6], *size])]
    assert main([*words, "--lr", "1e30", "--yes", "--optimizer", "adam", "--lambda", "0"]) == 1
    with Store(store_folder) as store:
        fits = fits_of(store)
        for row in fits:
            assert row.status == "diverged" and row.reason


def test_ctrl_c_keeps_what_is_finished_and_prints_the_line_to_go_on(
    networks, store_folder, monkeypatch, capsys
):
    done = []

    def interrupted(*args, **words):
        if done:
            raise KeyboardInterrupt
        done.append(1)
        return benchmark.fit.engine.fit(*args, **words)

    monkeypatch.setattr(benchmark.runner.run, "fit", interrupted)
    monkeypatch.setattr(sys, "argv", ["benchmark", "run", "--out", str(store_folder), *FAST])
    assert main(["run", "--out", str(store_folder), "--batch", "2", *FAST]) == 130
    assert f"python -m benchmark run --out {store_folder}" in capsys.readouterr().err
    with Store(store_folder) as store:
        assert len(store.rows()) == 2
    monkeypatch.setattr(benchmark.runner.run, "fit", benchmark.fit.engine.fit)
    assert run(store_folder) == 0


def test_after_kill_9_the_same_command_does_only_the_rest(networks, store_folder):
    words = [
        sys.executable,
        "-m",
        "benchmark",
        "run",
        "--out",
        str(store_folder),
        *FAST,
        "--steps",
        "150",
        "--batch",
        "1",
    ]
    process = subprocess.Popen(
        words,
        env=os.environ | {"PYTHONPATH": os.getcwd()},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while (
        not (before := _bytes(store_folder))
        and time.monotonic() < deadline
        and process.poll() is None
    ):
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert before, "nothing was stored within a minute"
    assert run(store_folder, "--steps", "150", "--batch", "1") == 0
    after = _bytes(store_folder)
    assert len(after) > len(before) and all(after[key] == data for key, data in before.items())


def test_json_is_json_and_nothing_else(networks, store_folder, capsys):
    assert run(store_folder, "--json") == 0
    assert json.loads(capsys.readouterr().out)["cells"] == 3 * 3 + 2 * 3


def test_the_rate_search_meets_the_rate_and_remembers_its_choice(
    networks, store_folder, monkeypatch
):
    words = [
        "run",
        "--out",
        str(store_folder),
        "--dataset",
        "tiny",
        "--plugin",
        str(TINY),
        "--steps",
        "30",
        "--lr",
        "1e-2",
        "--bpp",
        "3",
        "--lambda",
        "0",
    ]
    assert main(words) == 0
    with Store(store_folder) as store:
        fits = fits_of(store)
        assert (
            len({(row.facts["bits"], row.facts["inr_args"]["hidden_features"]) for row in fits})
            == 1
        )
        for row in fits:
            assert 2.0 < row.facts["bpp"] <= 3
    monkeypatch.setattr(
        benchmark.runner.rate,
        "_pilot_psnr",
        lambda *a: pytest.fail("the choice was measured again"),
    )
    assert main([*words, "--seed", "5"]) == 0


def test_an_unreadable_image_is_a_failed_row_and_the_rest_goes_on(
    networks, store_folder, monkeypatch, capsys
):
    from benchmark.plugins import index

    kind = index.get("dataset", "tiny").load()
    load = kind.load

    def some(self, sample_id):
        sample = load(self, sample_id)
        if sample_id.startswith("p7"):
            sample.image[0, 0] = np.nan
        return sample

    monkeypatch.setattr(kind, "load", some)
    assert run(store_folder) == 1
    with Store(store_folder) as store:
        bad = [row for row in store.rows() if row.status != "ok"]
        assert [row.facts["sample_id"] for row in bad] == ["p7-0"] and "NaN" in bad[0].reason
    assert "p7-0" in capsys.readouterr().out


def _bytes(folder: Path) -> dict[str, bytes]:
    if not (folder / "store.sqlite").is_file():
        return {}
    with Store(folder) as store:
        return {row.key: row.data for row in fits_of(store)}


def fits_of(store):
    """The rows of backbones."""
    return [row for row in store.rows() if row.facts["codec"] is None]


def test_two_ids_of_one_image_count_once_and_say_so(networks, store_folder, monkeypatch, capsys):
    from benchmark.plugins import index

    kind = index.get("dataset", "tiny").load()
    load = kind.load
    monkeypatch.setattr(
        kind,
        "load",
        lambda self, sample_id: load(self, "p6-0" if sample_id == "p7-0" else sample_id),
    )
    assert run(store_folder, "--lambda", "0") == 1
    assert "count twice" in capsys.readouterr().out


@pytest.mark.parametrize(
    "body, why",
    [
        ("raise ValueError('no')", "cannot be made: ValueError: no"),
        ("self.a = torch.nn.Parameter(torch.zeros(1))", "values where"),
    ],
)
def test_a_backbone_that_is_wrong_is_named(networks, store_folder, tmp_path, capsys, body, why):
    plugin = tmp_path / "wrong.py"
    plugin.write_text(
        "import torch\nfrom benchmark.plugins import register\n\n\n@register.inr('wrong')\nclass"
        " Wrong(torch.nn.Module):\n    '''Wrong.'''\n    def __init__(self, in_dim, out_dim):\n   "
        f"     super().__init__()\n        {body}\n    def forward(self, coords):\n        return"
        " self.a * torch.ones(len(coords), 2)\n"
    )
    assert main(
        [
            "run",
            "--out",
            str(store_folder),
            *FAST[:6],
            "--inr",
            "wrong",
            "--plugin",
            str(plugin),
            "--lambda",
            "0",
        ]
    ) in (1, 2)
    printed = capsys.readouterr()
    assert why in printed.out + printed.err


def test_a_store_that_cannot_be_written_can_be_read(networks, store_folder, monkeypatch):
    assert run(store_folder, "--lambda", "0") == 0
    monkeypatch.setattr(os, "access", lambda *a: False)
    with Store(store_folder, create=False) as store:
        assert len(store.rows()) == 12
        with pytest.raises(InputError, match="readonly"):
            store.add(store.rows())
