"""`check` as a notebook calls it: a registered name or a class, options, and what comes back."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch import nn

from benchmark.checks import Checked, Claim, Subject, check, claims
from benchmark.errors import InputError
from benchmark.plugins import index, register
from tests.wrong_plugins import Images


@register.inr("mine", size="width", sizes=(2, 40))
class Mine(nn.Module):
    """In no file that --plugin names, as in a notebook."""

    def __init__(
        self, in_dim: int, out_dim: int, *, width: int = 8, gate: Literal["tanh", "sin"] = "tanh"
    ) -> None:
        super().__init__()
        if width > 1000:
            raise SystemExit(7)
        self.first, self.last = nn.Linear(in_dim, width), nn.Linear(width, out_dim)
        self.gate = torch.tanh if gate == "tanh" else torch.sin

    def forward(self, coords: torch.Tensor) -> torch.Tensor:
        return self.last(self.gate(self.first(coords)))


class Child(Mine):
    pass


def test_a_class_is_checked_with_what_its_decorator_and_its_signature_say() -> None:
    found = check("inr", Mine)
    statuses = {claim.name: claim.status for claim in found.claims}
    assert list(statuses) == list(claims("inr"))
    assert statuses["size sets the number of parameters"] == "passed"
    assert [claim.name for claim in found.skipped] == ["compiled kernels agree", "amnesia"]
    assert found.ok and found.name == "Mine"
    subject = Subject.of(Mine)
    assert subject.defaults == {"width": 8, "gate": "tanh"}
    assert subject.choices == {"gate": ("tanh", "sin")}
    assert subject.declared["size"] == "width" and subject.declared["coordinates"] == (-1.0, 1.0)
    assert Subject.of(Child).declared["size"] is None, "a child is another plug-in"


def test_a_registered_class_is_its_entry_and_a_name_is_its_class() -> None:
    adam = index.get("optimizer", "adam").load()
    by_class, by_name = check("optimizer", adam), check("optimizer", "adam")
    assert by_class.ok and by_name.ok and not by_name.skipped
    assert [claim.name for claim in by_class.claims] == list(claims("optimizer"))
    assert all(claim.seconds > 0 for claim in by_name.claims)


def test_options_reach_the_plug_in() -> None:
    assert check("dataset", Images, size=16).ok
    found = check("dataset", Images, size=0)
    assert not found.ok and found.failed
    with pytest.raises(InputError, match="it has no such option") as error:
        check("dataset", Images, sise=16)
    assert "did you mean 'size'" in error.value.todo


def test_what_leaves_the_program_fails_its_claim_and_the_others_go_on() -> None:
    found = check("inr", Mine, width=2000)
    assert len(found.claims) == len(claims("inr"))
    assert {claim.why for claim in found.failed} >= {"SystemExit: 7"}


@pytest.mark.parametrize(
    ("kind", "plugin", "said"),
    [
        ("inrs", "siren", "did you mean 'inr'"),
        ("inr", "sirne", "did you mean 'siren'"),
        ("inr", 3, "neither a name nor a class"),
    ],
)
def test_what_cannot_be_checked_is_an_input_error(kind: str, plugin: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        check(kind, plugin)


def test_an_option_without_a_default_is_named_as_in_a_file() -> None:
    class Bare(nn.Module):
        def __init__(self, in_dim: int, out_dim: int, *, width: int) -> None:
            super().__init__()

    with pytest.raises(InputError, match="the option width has no default"):
        check("inr", Bare)


def test_options_of_a_data_set_of_volumes_come_from_its_preparation() -> None:
    lgg = index.get("dataset", "lgg")
    subject = Subject.of(lgg.load(), kind="dataset")
    assert subject.defaults == lgg.defaults
    assert subject.choices["fit"] == ("resize", "pad")


def test_it_prints_itself() -> None:
    found = Checked(
        "inr",
        "mine",
        (
            Claim("a", "passed"),
            Claim("b", "failed", "it is wrong"),
            Claim("c", "skipped", "no data"),
            Claim("d", "skipped", "no data"),
        ),
    )
    assert str(found).splitlines() == [
        "passed  a",
        "FAILED  b: it is wrong",
        "skipped c: no data",
        "skipped d: no data",
        "inr mine: 2 of 4 claims ran, 1 failed, 2 skipped (no data)",
    ]
    assert repr(found) == str(found), "what a notebook shows"
    assert not found.ok
    with pytest.raises(AttributeError):
        found.name = "other"  # type: ignore[misc]
