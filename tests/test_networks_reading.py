"""One image read from Python: arrays and answers come back, nothing is printed or written."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from benchmark.cli.words import shown
from benchmark.errors import InputError
from benchmark.networks.checkpoints import default_path
from benchmark.networks.network import save_checkpoint
from benchmark.networks.reading import ReadRequest, read_image
from benchmark.plugins.index import add_plugin_file, get
from tests.test_cli_read import BRIGHT, OPTIONS, head


@pytest.fixture
def request_(tmp_path):
    """A picture of a head with a lesion, and a classifier and a segmenter that see it."""
    add_plugin_file(BRIGHT)
    for name, more in (("bright", {}), ("spot", {"classes": ["none", "tumor"]})):
        card = {"segmenter": name, "options": {}, "channels": ["gray"], "dataset": "mine"}
        module = get("segmenter", name).load()(1)
        save_checkpoint(
            default_path(name, "mine"), module, card | {"dataset_options": OPTIONS} | more
        )
    Image.fromarray(np.rint(255 * head()).astype(np.uint8)).save(tmp_path / "scan.png")
    scan = tmp_path / "scan.png"
    return ReadRequest(scan, classify="spot", segment="bright", dataset="mine")


def test_an_image_is_stripped_classified_and_segmented(request_, tmp_path, capsys):
    reading = read_image(request_)
    assert capsys.readouterr() == ("", "") and list(tmp_path.iterdir()) == [request_.file]
    assert (reading.classifier, reading.segmenter) == ("spot", "bright")
    assert reading.found.answered == "tumor" and reading.found.lesion.sum() == 100
    facts = reading.facts()
    assert (facts["class"], facts["area_px"], facts["size"]) == ("tumor", 100, [64, 64])
    assert any(note.endswith("compare with strip='none'") for note in reading.notes)
    assert "classifier" not in read_image(replace(request_, classify=None)).facts()


@pytest.mark.parametrize(
    ("change", "says", "option"),
    [
        ({"size": 8}, "size=8", "--size 8"),
        ({"strip": "clasical"}, "strip='classical', strip='none', or", "--strip NAME@FILE"),
        ({"segment": "spot"}, "segment='spot'", "--segment spot"),
        ({"dataset": None}, "dataset='NAME'", "--dataset NAME"),
        ({"slice": 3}, "slice=3", "--slice 3"),
        ({"channel": "red"}, "channel='red'", "leave out --channel"),
        (
            {"classify": None, "segment": None, "strip": "none"},
            "segment='NAME@FILE'",
            "--classify NAME@FILE",
        ),
    ],
)
def test_errors_name_fields(change, says, option, request_):
    with pytest.raises(InputError) as caught:
        read_image(replace(request_, **change))
    assert says in str(caught.value) and "--" not in str(caught.value)
    assert option in shown(caught.value)
