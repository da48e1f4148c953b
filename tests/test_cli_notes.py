"""Notes: one line each, of many the first few, and the warnings of libraries as they are."""

from __future__ import annotations

import warnings

from benchmark.cli.notes import SHOWN, Notes


def said(notes: Notes, count: int, capsys) -> list[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = notes
        for number in range(count):
            warnings.warn(f"case {number} has no FLAIR", stacklevel=1)
    notes.close()
    return capsys.readouterr().err.splitlines()


def test_a_few_are_shown_as_sentences(capsys) -> None:
    assert said(Notes(), 2, capsys) == ["note: case 0 has no FLAIR", "note: case 1 has no FLAIR"]


def test_of_many_the_first_and_how_many_more(capsys) -> None:
    lines = said(Notes(), SHOWN + 200, capsys)
    assert (
        len(lines) == SHOWN + 1 and lines[-1] == "note: and 200 more like these; --debug shows all"
    )
    assert len(said(Notes(everything=True), SHOWN + 200, capsys)) == SHOWN + 200


def test_warnings_of_libraries_keep_their_place(capsys) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = Notes()
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    assert "DeprecationWarning: old" in capsys.readouterr().err
