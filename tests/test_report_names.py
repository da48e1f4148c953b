"""Names in tables and pictures: short, unlike each other, and spelled out below; what is not shown
is named.
"""

from __future__ import annotations

import json
import runpy
import shutil
from pathlib import Path

import pytest

import benchmark as sb
from benchmark.report import curves
from benchmark.report.curves import write_curves
from benchmark.report.leaderboard import leaderboard
from benchmark.report.methods import sections
from benchmark.report.numbered import LONGEST, recipe_legend, recipe_numbers
from benchmark.report.second import second_network
from benchmark.report.terminal import render
from benchmark.stats.compare import compare
from benchmark.store.view import Scored

RESULTS = Path(__file__).parents[1] / "results"
synthetic = runpy.run_path(str(Path(__file__).with_name("synthetic.py")))
make_store, RUN = synthetic["make_store"], synthetic["RUN"]


def opened(name, tmp_path):
    """A committed result, all of it; a copy, for an old store is migrated."""
    shutil.copy(RESULTS / name / "store.sqlite", tmp_path / "store.sqlite")
    return sb.open(tmp_path, everything=True)


def lines_of(scored, width):
    return [text.plain for text in render(scored, width=width)]


def test_long_recipes_have_numbers_which_a_legend_spells_out(tmp_path):
    with opened("recipes", tmp_path) as run:
        (section,) = sections(run.view)
        names = [method.label for method in section.methods]
        legend = recipe_legend(run.view)
        page, shown = leaderboard(run.view), "\n".join(lines_of(run.view, 500))
    assert len(set(names)) == len(names) == 14 and max(map(len, names)) < 60
    assert "siren, recipe 4" in names
    assert [line.partition(":")[0] for line in legend] == [f"recipe {i}" for i in (1, 2, 3, 4)]
    assert "optimizer soap" in legend[3] and "steps 600" in legend[3] and "[[" not in legend[3]
    for line in legend:
        assert f"- {line}\n" in page and line in shown


def test_short_differences_stand_in_the_name(store_folder):
    scored = Scored(make_store(store_folder, inrs=("siren", "fourier")))
    assert recipe_numbers(scored) == {} and recipe_legend(scored) == [] and LONGEST > 20


def test_curves_have_titles_that_fit_and_axes_that_end_at_one(tmp_path, monkeypatch):
    drawn = []
    made = curves.figure

    def figure(rows, columns, size):
        drawn.append(made(rows, columns, size))
        return drawn[-1]

    monkeypatch.setattr(curves, "figure", figure)
    with opened("recipes", tmp_path) as run:
        write_curves(run.view, compare(run.view), tmp_path)
    ((picture, axes),) = drawn
    renderer = picture.canvas.get_renderer()
    for axis in axes[0]:
        title = axis.title.get_window_extent(renderer)
        assert title.width < 1.05 * axis.get_window_extent(renderer).width
    for row in axes[1:]:  # SSIM and Dice
        for axis in row:
            bottom, top = axis.get_ylim()
            assert bottom >= 0 and top <= 1


def test_codec_files_stand_beside_fits_whose_optimizer_has_an_older_source(tmp_path):
    with opened("lgg", tmp_path) as run:
        table = run.per_image()
    assert table["jpeg2000_psnr_db"].notna().all() and len(table) == 108
    assert (table["jpeg2000_psnr_db"] > table["plain_psnr_db"]).all()


def test_settings_are_json_of_one_level(store_folder):
    make_store(store_folder).close()
    with sb.open(store_folder) as run:
        settings = json.loads(run.per_image()["settings"][0])
    assert settings["recipe.steps"] == 200 and settings["inr_args.hidden_features"] == 16
    assert not any(isinstance(value, dict | list) for value in settings.values())


def test_columns_that_do_not_fit_are_named(store_folder):
    scored = Scored(make_store(store_folder))
    narrow, wide = " ".join(lines_of(scored, 80)), " ".join(lines_of(scored, 500))
    assert "not shown at 80 columns: PSNR" in narrow and "SSIM (plain, SINCO" in narrow
    assert "not shown" not in wide


def test_one_network_alone_is_said_with_what_to_type(store_folder):
    store = make_store(store_folder, readers=False)
    alone = [score for score in store.scores() if score.reader != "dilated"]
    store.add(store.rows(), alone, anew=True)
    synthetic["remember"](store, RUN | {"readers": RUN["readers"][:1]})
    scored = Scored(store)
    command = "python -m benchmark train --segmenter dilated --dataset synthetic"
    shown = "\n".join(lines_of(scored, 80))
    assert "No second network read" in shown and command in shown
    assert "no other" not in shown and f"train one with `{command}`" in leaderboard(scored)


@pytest.mark.parametrize(
    "in_loss, other",
    [("unet", "dilated"), ("unet+dilated", "transunet"), ("vgg16", "mobilenet-v2")],
)
def test_the_second_network_is_another_of_the_same_kind(in_loss, other):
    assert second_network("lgg", in_loss) == (
        f"python -m benchmark train --segmenter {other} --dataset lgg"
    )
