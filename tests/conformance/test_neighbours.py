"""The behaviour that tenacity and stamina document is the same here, or different for the reason in the table."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from benchmarks.neighbours.__main__ import BEHAVIOURS, is_right, main, markdown

from support.pages import ROOT

if TYPE_CHECKING:
    from benchmarks.neighbours.behaviour import Behaviour


@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda one: f"{one.neighbour}: {one.name}")
def test_each_documented_behaviour_is_as_the_table_says(behaviour: Behaviour) -> None:
    assert is_right(behaviour), (behaviour.verdict, behaviour.theirs(), behaviour.ours())


def test_the_table_is_long_enough_and_has_no_duplicates() -> None:
    assert len(BEHAVIOURS) >= 40
    names = Counter((one.neighbour, one.section, one.name) for one in BEHAVIOURS)
    assert [name for name, count in names.items() if count > 1] == []
    assert all(one.ours_is for one in BEHAVIOURS)


def test_the_table_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    printed = capsys.readouterr().out
    assert "WRONG" not in printed
    for one in BEHAVIOURS:
        assert one.name in printed
        assert one.reason in printed


@pytest.mark.parametrize("neighbour", ["tenacity", "stamina"])
def test_the_documentation_has_the_table(neighbour: str) -> None:
    page = (ROOT / "docs" / "reference" / "behaviors.md").read_text("utf-8")
    assert markdown(neighbour) in page, "run `python -m benchmarks.neighbours --markdown`"
