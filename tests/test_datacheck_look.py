"""Data sets looked at, shown, split and listed from Python."""

from __future__ import annotations

import pytest

from benchmark.datacheck.look import look_at_data, sources_of
from benchmark.errors import InputError
from benchmark.images.contact import show_split
from benchmark.images.split_files import split_of, write_split
from benchmark.plan.catalog import KINDS, catalog, entry_of
from benchmark.plugins.catalog import datasets_here
from benchmark.plugins.sets import dataset_with
from tests.test_datasets_lgg import PATIENTS, write_patient


@pytest.fixture
def lgg(tmp_path):
    for name in PATIENTS:
        write_patient(tmp_path / "kaggle_3m", name)
    return tmp_path


def test_a_copy_is_looked_at_with_all_its_channels(lgg, capsys):
    (source,) = sources_of([("lgg", lgg)])
    assert source.title == "lgg" and list(source.by_channel) == ["flair"]
    assert sources_of([("lgg", lgg)], {"channel": "flair"})[0].by_channel == {}
    one, other = sources_of([("lgg", lgg), ("lgg", None)])
    assert (one.title, other.title) == (f"lgg@{lgg}", "lgg@$SINCO_BENCH_DATA")
    found = look_at_data([("lgg", lgg)])
    assert {case.dataset for case in found.cases} == {"lgg"} and len(found.cases) == len(PATIENTS)
    assert capsys.readouterr() == ("", "")


def test_a_contact_sheet_leaves_out_what_cannot_be_read(tiny_dataset, tmp_path, monkeypatch):
    load = type(tiny_dataset).load

    def broken(self, sample_id):
        if sample_id == "p7-0":
            raise InputError("the file p7", "it is cut short", "restore it")
        return load(self, sample_id)

    monkeypatch.setattr(type(tiny_dataset), "load", broken)
    sheet = show_split("tiny", tiny_dataset, tmp_path / "contact.png")
    assert (sheet.shown, sheet.total, len(sheet.unreadable)) == (2, 3, 1)
    assert sheet.path.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(InputError, match="limit=0"):
        show_split("tiny", tiny_dataset, tmp_path / "contact.png", limit=0)
    monkeypatch.setattr(type(tiny_dataset), "ids", lambda self, split: [])
    with pytest.raises(InputError, match=r"split='train', val or test"):
        show_split("tiny", tiny_dataset, tmp_path / "contact.png")


def test_a_split_is_taken_and_written_once(lgg, tmp_path):
    dataset, options = dataset_with("lgg", lgg, {"channel": "flair"})
    split = split_of("lgg", dataset)
    assert options == {"channel": "flair"} and "TCGA_CS_4941" in split.persons
    write_split(split, "lgg", tmp_path / "deep" / "lgg.tsv")
    assert split.hash in (tmp_path / "deep" / "lgg.tsv").read_text()
    with pytest.raises(InputError, match="out="):
        write_split(split, "lgg", tmp_path / "deep" / "lgg.tsv")
    with pytest.raises(InputError, match="part of its plug-in"):
        split_of("mni-lesion", dataset_with("mni-lesion")[0])


def test_the_catalog_has_every_kind():
    assert list(catalog()) == list(KINDS) and list(catalog("preset")) == ["preset"]
    siren = entry_of("inr", "siren")
    assert siren.available and siren.todo is None and siren.module.endswith("inr.siren")
    assert "omega_0" in [option.name for option in siren.options]
    with pytest.raises(InputError, match="did you mean 'siren'"):
        entry_of("inr", "sirne")
    with pytest.raises(InputError, match="did you mean 'inr'"):
        catalog("inrr")


def test_data_sets_are_here_or_to_be_had(tiny_dataset, monkeypatch, tmp_path):
    monkeypatch.setenv("SINCO_BENCH_DATA", str(tmp_path))
    found = datasets_here()
    assert found["tiny"].here == "embedded" and found["tiny"].missing == ""
    assert found["lgg"].here == "" and found["lgg"].missing
    assert found["lgg"].get == "python -m benchmark data fetch lgg"
