"""The pacers decide what they decided before, in simulated runs under every reading of a minute.

A failure is no error by itself: it shows which runs a change touches. Where the change is meant, and these runs are as
good as before, write the record again: ``make runs``.
"""

from __future__ import annotations

import pytest

from support.recorded_runs import RECORD, line, names


@pytest.mark.parametrize(("pacer", "name", "reading"), list(names()))
def test_a_run_is_the_recorded_one(pacer: str, name: str, reading: str) -> None:
    assert line(pacer, name, reading) in RECORD.read_text(encoding="utf-8").splitlines()


def test_the_record_has_these_runs_and_no_others() -> None:
    recorded = RECORD.read_text(encoding="utf-8").splitlines()
    for of_record, (pacer, name, reading) in zip(recorded, names(), strict=True):
        assert of_record.startswith(f"{pacer}, {name}, {reading}: ")
