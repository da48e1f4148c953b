"""Errors name fields: Python shows them as keywords, the command as options."""

import pickle

import pytest

from benchmark.cli.words import as_options, shown
from benchmark.errors import CellFailed, InputError, Words, call, field, option

SAID = [
    (field("bits", 8), "bits=8", "--bits 8"),
    (field("bits"), "bits", "--bits"),
    (field("lam", 1e-5), "lam=1e-05", "--lambda 1e-5"),
    (field("seeds", [0, 1]), "seeds=[0, 1]", "--seed 0,1"),
    (field("init_from", "lgg"), "init_from='lgg'", "--init-from lgg"),
    (field("fresh", ["a", "b"]), "fresh=['a', 'b']", "--fresh a --fresh b"),
    (field("force", True), "force=True", "--force"),
    (
        field("segmenter", "unet", sets={"size": 128, "planes": 32}, force=True),
        "segmenter='unet', sets={'size': 128, 'planes': 32}, force=True",
        "--segmenter unet --set size=128 --set planes=32 --force",
    ),
    (field("debug", True), "the traceback", "--debug"),
    (option("lgg.size", 128), "sets={'lgg.size': 128}", "--set lgg.size=128"),
    (
        call("train", segmenter="unet", force=True),
        "sb.train(segmenter='unet', force=True)",
        "python -m benchmark train --segmenter unet --force",
    ),
    (call("list", "inr"), "sb.list('inr')", "python -m benchmark list inr"),
    (
        call("data fetch", "lgg"),
        "python -m benchmark data fetch lgg",
        "python -m benchmark data fetch lgg",
    ),
    (call("list", "inr", "siren"), *2 * ("python -m benchmark list inr siren",)),
    (call("add_plugin", "mine.py"), "sb.add_plugin('mine.py')", "--plugin mine.py"),
    (
        call("import", file="FILE"),
        "python -m benchmark import --file FILE",
        "python -m benchmark import --file FILE",
    ),
    ('braces {bits} and "quotes"', 'braces {bits} and "quotes"', 'braces {bits} and "quotes"'),
]


@pytest.mark.parametrize(("text", "in_python", "in_a_shell"), SAID)
def test_a_mention_is_shown_to_whoever_asks(text, in_python, in_a_shell):
    for said in (f"a {text}, b", Words(f"a {text}, b")):
        assert Words(said) == f"a {in_python}, b"
        assert as_options(said) == f"a {in_a_shell}, b"


@pytest.mark.parametrize("kind", [InputError, CellFailed])
def test_an_error_speaks_python_and_the_command_speaks_options(kind):
    error = kind(field("bits", 3), "it is below 6", f"{field('bits', 10)}, or none")
    assert str(error) == "asked: bits=3\nfound: it is below 6\n  try: bits=10, or none"
    assert shown(error) == "asked: --bits 3\nfound: it is below 6\n  try: --bits 10, or none"
    assert error.fields == ("bits",) and error.todo == "bits=10, or none"


def test_an_error_keeps_its_mentions_on_the_way_from_a_worker_and_when_it_is_raised_again():
    error = InputError(field("bits", 3), "it is below 6", field("bits", 10))
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is InputError and shown(again) == shown(error)
    assert shown(InputError(error.asked, error.found, error.todo)) == shown(error)
    note = pickle.loads(pickle.dumps(Words(f"compare with {field('strip', 'none')}")))
    assert (note, as_options(note)) == ("compare with strip='none'", "compare with --strip none")
