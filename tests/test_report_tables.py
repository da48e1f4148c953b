"""The terminal's tables, the files and the leaderboard: right numbers, losers first, nothing left
out in silence.
"""

from __future__ import annotations

import io
import json
import re
import runpy
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from benchmark.cli import main
from benchmark.report import print_tables
from benchmark.report.exports import write_exports
from benchmark.report.files import write_files
from benchmark.report.leaderboard import leaderboard
from benchmark.report.methods import ranking, sections
from benchmark.report.per_image import lines
from benchmark.report.words import group_labels, lambda_text, told_apart
from benchmark.stats.compare import compare
from benchmark.store.store import Store
from benchmark.store.view import Scored

synthetic = runpy.run_path(str(Path(__file__).with_name("synthetic.py")))
make_store, UNET = synthetic["make_store"], synthetic["UNET"]


def planted(number, inr, lam, metric):
    """Image 1 loses 3 dB, image 2 gains 3 dB, image 0 loses a hair; Dice gains 0.1 everywhere."""
    return {("psnr_db", 0): -0.1, ("psnr_db", 1): -3.0, ("psnr_db", 2): 3.0}.get(
        (metric, number), 0.1 * (metric == "dice")
    )


def printed(store, width=None):
    file = io.StringIO()
    print_tables(
        Scored(store),
        Console(
            file=file,
            width=width,
            force_terminal=width is not None,
            color_system="auto" if width is None else "standard",
        ),
    )
    return file.getvalue()


def bare(text):
    return re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()


def exported(store, folder):
    scored = Scored(store)
    write_exports(scored, [line for c in compare(scored) for line in lines(scored, c)], folder)
    return folder


def test_a_terminal_gets_what_fits_and_a_pipe_everything(store_folder):
    store = make_store(store_folder, effect=planted)
    narrow, wide, plain = bare(printed(store, 80)), bare(printed(store, 160)), printed(store)
    assert 70 < max(map(len, narrow)) <= 80 and max(map(len, wide)) <= 160
    assert len(wide[2]) > 120 and wide[2].split()[0] == "image"
    assert "\x1b" not in plain and plain.splitlines()[2] == wide[2]


def test_losers_come_first_and_marks_tell_beyond_from_within(store_folder):
    rows = [
        line
        for line in printed(make_store(store_folder, noise=0.1, effect=planted)).splitlines()
        if line[:1] == "p"
    ]
    assert rows[0].startswith("p1_1") and re.search(r"-[23]\.\d\d<<", rows[0])
    found = {row.split()[0]: row for row in rows}
    assert re.search(r"\+[23]\.\d\d>>", found["p2_2"])
    within = re.search(r"-0\.\d\d<(?!<)", found["p0_0"])
    assert within, found["p0_0"]


def test_the_summary_says_counts_interval_and_floor(store_folder):
    text = printed(make_store(store_folder, noise=0.1, effect=planted))
    (line,) = [line for line in text.splitlines() if line.startswith("  PSNR")]
    assert re.fullmatch(
        r"  PSNR +n 6: 1 win, 4 ties, 1 loss; mean [+-]\d.\d\d dB \[.+, .+\]; noise floor 0.1\d dB",
        line,
    )
    assert "6 images of 3 patients, 1 seed" in text


def test_an_unknown_band_and_failures_are_said(store_folder):
    text = printed(
        make_store(
            store_folder,
            nulls=False,
            patients=1,
            failed=lambda n, inr, lam, seed, null: "it broke" if n == 3 and lam else None,
        )
    )
    assert "no noise floor" in text and "5 unknown" in text and "one patient" in text
    assert (
        "1 SINCO cell failed" in text
        and "1 x failed: it broke" in text
        and re.search(r"p0_3 .*failed", text)
    )


def test_a_store_of_plain_fits_says_that_there_is_nothing_to_compare(store_folder, tmp_path):
    store = make_store(store_folder, lams=())
    assert "nothing to compare" in printed(store)
    assert "Nothing to compare" in leaderboard(Scored(store))
    assert len(pd.read_csv(exported(store, tmp_path) / "underperformers.csv")) == 0


def test_rows_csv_has_every_cell_and_says_why_one_failed(store_folder, tmp_path):
    store = make_store(
        store_folder,
        without_lesion=1,
        failed=lambda n, inr, lam, seed, null: "it broke" if n == 3 and lam else None,
    )
    table = pd.read_csv(exported(store, tmp_path) / "rows.csv")
    assert len(table) == len(store.rows()) == 6 * 5
    assert table[table.status == "failed"].reason.tolist() == ["it broke"]
    fits = table[(table.status == "ok") & table.codec.isna()]
    assert fits[["psnr_db", "ssim", "bpp", "fit_seconds"]].notna().all(axis=None)
    lesion = fits.sample_id != "p0_0"
    assert (
        fits[lesion].dice.notna().all()
        and fits[~lesion].dice.isna().all()
        and fits[~lesion].fp_area_px.notna().all()
    )
    assert (fits[lesion].dice == fits[lesion].dice_unet).all() and (
        fits[lesion].dice_eval == fits[lesion].dice_dilated
    ).all()


def test_per_image_csv_stands_every_method_side_by_side(store_folder, tmp_path):
    table = pd.read_csv(
        exported(make_store(store_folder, noise=0.0, effect=planted), tmp_path) / "per_image.csv"
    ).set_index("sample_id")
    first = table.loc["p1_1"]
    assert (
        first.sinco_psnr_db - first.plain_psnr_db
        == pytest.approx(first.psnr_db_difference)
        == pytest.approx(-3.0)
    )
    assert first.psnr_db_verdict == "loss" and first.psnr_db_band == 0
    assert first.jpeg2000_psnr_db == pytest.approx(
        37.01
    ) and first.jpeg2000_mask_dice == pytest.approx(1.0, abs=0.01)
    assert first.original_dice == pytest.approx(0.9)


def test_underperformers_are_the_worse_ones_losses_first(store_folder, tmp_path):
    def effect(
        number, inr, lam, metric
    ):  # a tenth of Dice is beyond its band, two tenths of a dB are not
        return {("psnr_db", 0): -0.2, ("psnr_db", 1): -3.0, ("dice", 4): -0.12}.get(
            (metric, number), 0.0
        )

    table = pd.read_csv(
        exported(make_store(store_folder, noise=0.1, effect=effect), tmp_path)
        / "underperformers.csv"
    )
    beyond = table[table.beyond_band]
    assert (table.difference < 0).all() and table.beyond_band.tolist() == sorted(
        table.beyond_band, reverse=True
    )
    assert {("p1_1", "psnr_db"), ("p1_4", "dice")} <= set(
        zip(beyond.sample_id, beyond.metric, strict=True)
    )
    assert (beyond.difference / beyond.band).is_monotonic_increasing
    assert table[~table.beyond_band].difference.min() < beyond.difference.max()


def test_peers_of_another_rate_or_backbone_stay_out(store_folder):
    store = make_store(store_folder, inrs=("siren", "fourier"), noise=0.0)
    for row in store.rows():
        if row.facts["codec"] and row.facts["inr"] == "fourier":
            row.facts["bpp_requested"] = 0.3
            store.add([row])
    scored = Scored(store)
    methods = {c.group.inr: set(lines(scored, c)[0].values) for c in compare(scored)}
    assert methods == {
        "siren": {"plain", "sinco", "jpeg2000", "jpeg2000+mask", "original"},
        "fourier": {"plain", "sinco", "original"},
    }


def test_ranking_marks_ties_by_the_paired_interval(store_folder):
    def effect(number, inr, lam, metric):
        return (1.0 if lam == 1e-5 else 1.0 + 0.2 * (-1) ** number) if metric == "psnr_db" else 0.0

    store = make_store(
        store_folder, images=12, patients=12, noise=0.0, lams=(1e-5, 1e-4), effect=effect
    )
    (section,) = sections(Scored(store))
    places = ranking(section, "psnr_db")
    assert [p.method.label for p in places][:2] == ["jpeg2000", "jpeg2000+mask"] and places[
        -1
    ].method.label == "siren"
    assert [p.tied for p in places[1:]] == [False, False, True, False]
    assert places[1].behind == pytest.approx(-1.0) and section.original["dice"] == pytest.approx(
        0.9
    )


def test_the_leaderboard_names_losses_bounds_failures_and_readers(store_folder):
    store = make_store(
        store_folder,
        noise=0.1,
        effect=planted,
        inrs=("siren", "fourier"),
        failed=lambda n, inr, lam, seed, null: (
            "it | broke" if n == 3 and lam and inr == "fourier" else None
        ),
    )
    text = leaderboard(Scored(store))
    losing = text.partition("## Where SINCO loses")[2].partition("\n## ")[0]
    assert (
        "| p1_1 | siren | unet | 1e-5 | PSNR dB |" in losing
        and "| p2_2 | siren | unet | 1e-5 | PSNR dB |" not in losing
    )
    assert "| p0_0 | siren | unet | 1e-5 | PSNR dB |" not in losing  # worse, but within the band
    assert "*original image (bound)*" in text and "| 0.900 | 0.900 |" in text
    assert "it \\| broke" in text and "1 of 60 cells failed" in text
    assert UNET in text and "Data: synthetic: none; nobody" in text
    assert all(
        line.count(" | ") == text.splitlines()[i - 1].count(" | ")
        for i, line in enumerate(text.splitlines())
        if line.startswith("| ---")
    )


def test_scores_of_changed_pictures_in_an_old_store_are_passed_by(store_folder, tmp_path):
    new = make_store(store_folder / "new", noise=0.1, effect=planted)
    kinds = ("decoded", "stretched-png")
    old = make_store(store_folder / "old", noise=0.0, effect=planted, score_as=kinds)
    assert {score.score_as for score in old.scores()} == set(kinds)
    old_psnr = pd.read_csv(exported(old, tmp_path) / "rows.csv").psnr_db
    new_psnr = pd.read_csv(exported(new, tmp_path) / "rows.csv").psnr_db
    assert old_psnr.min() > 25 and abs(old_psnr.mean() - new_psnr.mean()) < 0.5


def test_labels_tell_two_recipes_apart_by_what_differs():
    assert told_apart(
        ["a", "a", "b"],
        [{"recipe": '{"steps": 5, "lr": 1}'}, {"recipe": '{"steps": 9, "lr": 1}'}, {}],
    ) == ["a, steps 5", "a, steps 9", "b"]
    assert [lambda_text(x) for x in (0, 1e-5, 2.5e-4, 0.001, 0.5, 1)] == [
        "0",
        "1e-5",
        "2.5e-4",
        "1e-3",
        "0.5",
        "1",
    ]


def test_group_labels_are_unique(store_folder):
    groups = [
        c.group
        for c in compare(
            Scored(make_store(store_folder, inrs=("siren", "fourier"), lams=(1e-5, 1e-4)))
        )
    ]
    assert len(set(group_labels(groups).values())) == 4


def test_an_unreadable_image_is_a_failure_like_any_other(store_folder, tmp_path):
    from benchmark.store.store import Row

    store = make_store(store_folder)
    store.add(
        [
            Row(
                "unreadable:x",
                "failed",
                "NaN voxels",
                "",
                {"dataset": "synthetic", "sample_id": "x", "patient": "x", "method": "unreadable"},
            )
        ]
    )
    assert "NaN voxels" in printed(store) and "NaN voxels" in leaderboard(Scored(store))
    assert "unreadable:x" in pd.read_csv(exported(store, tmp_path) / "rows.csv").key.tolist()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "no store.sqlite there"),
        (["{store}", "--score-as", "stretched-png"], "unrecognized arguments"),
    ],
)
def test_the_command_says_what_is_missing(arguments, message, store_folder, capsys):
    make_store(store_folder, images=2)
    assert main(["report", *(argument.format(store=store_folder) for argument in arguments)]) == 2
    assert message in capsys.readouterr().err


def test_a_report_reads_the_store_once_and_no_bytes(store_folder, tmp_path, monkeypatch):
    make_store(store_folder, keep_images=False, score_as=("decoded", "stretched-png"))
    read, each_row, each_score = [], Store.each_row, Store.each_score
    monkeypatch.setattr(
        Store,
        "each_row",
        lambda self, *keys, **words: read.append(words) or each_row(self, *keys, **words),
    )
    monkeypatch.setattr(
        Store, "each_score", lambda self, *keys: read.append("scores") or each_score(self, *keys)
    )
    assert main(["report", str(store_folder), "--out", str(tmp_path / "out")]) == 0
    assert read == [{"data": False}, "scores"]


def test_an_empty_store_is_an_input_error(store_folder, capsys):
    Store(store_folder)
    assert main(["report", str(store_folder)]) == 2 and "no cells" in capsys.readouterr().err


def test_the_command_prints_json(store_folder, tmp_path, capsys):
    make_store(store_folder, noise=0.1, effect=planted, keep_images=False, readers=False)
    assert main(["report", str(store_folder), "--out", str(tmp_path / "out"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    (comparison,) = found["comparisons"]
    assert comparison["inr"] == "siren" and comparison["metrics"]["psnr_db"]["losses"] == 1
    assert [Path(path).name for path in found["files"]] == [
        "leaderboard.md",
        "rows.csv",
        "per_image.csv",
        "underperformers.csv",
        "run.json",
        "curves_synthetic.png",
    ]
    assert all(Path(path).stat().st_size for path in found["files"])


def test_files_of_a_strangers_store_stay_in_their_folder(tmp_path):
    store = make_store(tmp_path / "run", images=1, seeds=1, lams=(1e-5,))
    rows = store.rows()
    for row in rows:
        row.facts["sample_id"] = "../../escaped"
    store.add(rows)
    folder = tmp_path / "deep" / "files"
    paths = write_files(Scored(store), folder)
    assert paths and all(path.is_file() and path.parent == folder for path in paths)
    assert [path for path in tmp_path.rglob("*escaped*") if path.parent != folder] == []
