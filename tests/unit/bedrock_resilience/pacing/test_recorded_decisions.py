"""The pacers, their learners and the quotas decide what they decided before, at the limits of their constants.

As with the recorded runs, a failure only shows that a decision has changed. Where the change is meant, write the record
again: ``make runs``.
"""

from __future__ import annotations

import functools

import pytest

from support.recorded_decisions import RECORD, lines

LINES = dict(lines())


@functools.cache
def recorded() -> dict[str, str]:
    return dict(line.split(": ", 1) for line in RECORD.read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize("name", LINES)
def test_it_decides_as_recorded(name: str) -> None:
    assert LINES[name]() == recorded()[name]


def test_the_record_has_these_lines_and_no_others() -> None:
    assert list(recorded()) == list(LINES)
