"""The rows of the table of failures: nothing is left out."""

from __future__ import annotations

from bedrock_resilience import Fault
from bedrock_resilience.emulator import FAULT_NAMES
from bedrock_resilience.emulator.conformance import CASES, Means

# Raised by this package alone, before or instead of a request, or no failure at all.
NOT_MET_BY_BOTO3 = {Fault.CONFIGURATION, Fault.CANCELLED, Fault.UNKNOWN}


def test_everything_that_the_emulator_can_let_go_wrong_has_a_row() -> None:
    scripted = {case.error for case in CASES}
    assert set(FAULT_NAMES) - scripted == {"slow-first-byte"}  # which is no failure


def test_every_fault_that_boto3_can_meet_has_a_row() -> None:
    expected = set[Fault]().union(*(case.faults for case in CASES))
    assert expected == set(Fault) - NOT_MET_BY_BOTO3


def test_every_meaning_has_a_row() -> None:
    assert {case.means for case in CASES} == set(Means)


def test_no_row_is_there_twice() -> None:
    names = [(case.name, case.call) for case in CASES]
    assert len(names) == len(set(names))


def test_what_is_billed_again_is_sent_once_more_at_most() -> None:
    billed = {
        Fault.MODEL_TIMEOUT,
        Fault.MODEL_ERROR,
        Fault.READ_TIMEOUT,
        Fault.CONNECTION_LOST,
        Fault.STREAM_INTERRUPTED,
        Fault.MALFORMED_RESPONSE,
    }
    assert all(case.attempts <= 2 for case in CASES if case.faults & billed)
