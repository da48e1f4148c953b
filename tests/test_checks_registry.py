"""Every plug-in that is here keeps its contract."""

from __future__ import annotations

import pytest

from benchmark.checks import Subject, run_checks
from benchmark.errors import InputError
from benchmark.plugins import index

EVERY = [(kind, name) for kind in index.PACKAGES for name in index.entries(kind)]


@pytest.mark.parametrize(("kind", "name"), EVERY, ids=["-".join(pair) for pair in EVERY])
def test_contract(kind: str, name: str) -> None:
    try:
        subject = Subject.registered(index.get(kind, name))
    except InputError as error:
        pytest.skip(error.found)
    results = list(run_checks(kind, subject))
    failed = [str(result) for result in results if result.status == "failed"]
    assert not failed, "\n".join(failed)
    if skipped := [result.why for result in results if result.status == "skipped"]:
        # What is here can be checked, but for data that are not, and for networks that are a file
        # of somebody.
        assert kind == "dataset" or not index.get(kind, name).declared["trains"], skipped
        pytest.skip(skipped[0])
