"""The rows of the table of failures are complete."""

from __future__ import annotations

from bedrock_resilience import Fault
from bedrock_resilience.emulator import FAULT_NAMES
from bedrock_resilience.emulator.conformance import FAILURE_SCENARIOS, Expectation

# Raised by this package alone, before or in place of a request, or not a failure.
NOT_RAISED_BY_BOTO3 = {Fault.REJECTED_RESULT, Fault.CONFIGURATION, Fault.CANCELLED, Fault.UNKNOWN}


def test_every_fault_of_the_emulator_has_a_row() -> None:
    injected = {scenario.error for scenario in FAILURE_SCENARIOS}
    assert set(FAULT_NAMES) - injected == {"slow-first-byte"}  # which is not a failure


def test_every_fault_that_boto3_can_raise_has_a_row() -> None:
    expected = set[Fault]().union(*(scenario.faults for scenario in FAILURE_SCENARIOS))
    assert expected == set(Fault) - NOT_RAISED_BY_BOTO3


def test_every_expectation_has_a_row() -> None:
    assert {scenario.expectation for scenario in FAILURE_SCENARIOS} == set(Expectation)


def test_no_row_is_repeated() -> None:
    names = [(scenario.name, scenario.call) for scenario in FAILURE_SCENARIOS]
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
    assert all(scenario.attempts <= 2 for scenario in FAILURE_SCENARIOS if scenario.faults & billed)
