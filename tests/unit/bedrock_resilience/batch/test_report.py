"""BatchReport: counts, rates, JSON and the exception group."""

from __future__ import annotations

import dataclasses
import json

import pytest

from bedrock_resilience._fault import Fault
from bedrock_resilience.batch._progress import Progress
from bedrock_resilience.batch._report import BatchReport, ItemOutcome
from bedrock_resilience.errors import ItemsNotStartedError
from bedrock_resilience.quotas import RequestTokens, TokenUsage, Usage
from bedrock_resilience.testing import throttling_error

ERROR = throttling_error("Too many requests.")
DONE: ItemOutcome[str, int] = ItemOutcome(
    index=0,
    item="a",
    status="succeeded",
    value=5,
    attempts=2,
    retries=1,
    throttles=1,
    backoff_seconds=0.5,
    pacing_seconds=2.0,
    elapsed=3.1,
)
EMPTY: ItemOutcome[str, int] = ItemOutcome(index=1, item="b", status="succeeded", attempts=1, elapsed=1.0)
LOST: ItemOutcome[str, int] = ItemOutcome(
    index=2,
    item="c",
    status="failed",
    error=ERROR,
    fault=Fault.THROTTLING,
    attempts=4,
    retries=3,
    throttles=4,
    backoff_seconds=3.50046,
    pacing_seconds=1.00146,
    elapsed=9.8765,
    reason="retries exhausted",
)
LEFT: ItemOutcome[str, int] = ItemOutcome(index=3, item="d", status="unstarted", reason="deadline")
REPORT = BatchReport((DONE, EMPTY, LOST, LEFT), elapsed=12.34567, stopped="deadline")
NOTHING: BatchReport[str, int] = BatchReport(())


class TestNumbers:
    def test_outcomes_are_grouped_by_status(self) -> None:
        assert REPORT.succeeded == (DONE, EMPTY)
        assert REPORT.failed == (LOST,)
        assert REPORT.unstarted == (LEFT,)
        assert REPORT.submitted == 4

    def test_values_are_those_of_succeeded_items_including_none(self) -> None:
        assert REPORT.values == [5, None]

    def test_attempts_and_waits_are_added_up(self) -> None:
        assert (REPORT.attempts, REPORT.retries, REPORT.throttles) == (7, 4, 5)
        assert REPORT.backoff_seconds == 0.5 + 3.50046
        assert REPORT.pacing_seconds == 2.0 + 1.00146

    def test_the_rates_are_those_of_the_monitoring_guide(self) -> None:
        assert REPORT.retry_rate == 4 / 7
        assert REPORT.failure_rate == 1 / 4

    def test_nothing_submitted_is_no_division_by_zero(self) -> None:
        assert (NOTHING.submitted, NOTHING.retry_rate, NOTHING.failure_rate) == (0, 0.0, 0.0)
        assert (NOTHING.elapsed, NOTHING.stopped, NOTHING.values) == (0.0, None, [])
        assert BatchReport((LEFT,)).retry_rate == 0.0

    def test_tokens_add_up_the_outcomes_that_have_them(self) -> None:
        first = RequestTokens(700, 1_000).settled(Usage(700, 100))
        second = RequestTokens(700, 1_000).settled(None)
        outcomes = [dataclasses.replace(outcome, tokens=tokens) for outcome, tokens in ((DONE, first), (LOST, second))]
        assert BatchReport((outcomes[0], EMPTY)).tokens == first
        assert BatchReport((EMPTY, *outcomes, LEFT)).tokens == first + second
        assert REPORT.tokens is None

    def test_facts_are_frozen(self) -> None:
        for fact, field in ((REPORT, "elapsed"), (DONE, "value"), (Progress(0, 0, 0, 0, 0, 0, 0, 0), "total")):
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(fact, field, 1)

    def test_the_defaults_of_an_outcome(self) -> None:
        bare: ItemOutcome[str, int] = ItemOutcome(index=0, item="a", status="unstarted")
        assert (bare.value, bare.error, bare.fault, bare.reason) == (None, None, None, None)
        assert (bare.attempts, bare.retries, bare.throttles, bare.tokens) == (0, 0, 0, None)
        assert (bare.backoff_seconds, bare.pacing_seconds, bare.elapsed) == (0.0, 0.0, 0.0)


def test_progress_counts_what_is_done() -> None:
    progress = Progress(
        submitted=10, succeeded=3, failed=2, unstarted=1, in_flight=4, attempts=9, retries=2, throttles=2, total=20
    )
    assert progress.done == 6
    assert Progress(0, 0, 0, 0, 0, 0, 0, 0).total is None


class TestJson:
    def test_an_outcome(self) -> None:
        assert LOST.to_dict() == {
            "index": 2,
            "status": "failed",
            "attempts": 4,
            "retries": 3,
            "throttles": 4,
            "backoff_seconds": 3.5,
            "pacing_seconds": 1.001,
            "tokens_reserved": None,
            "tokens_settled": None,
            "elapsed": 9.877,
            "fault": "throttling",
            "error": f"ThrottlingException: {ERROR}",
            "reason": "retries exhausted",
        }
        assert (EMPTY.to_dict()["fault"], EMPTY.to_dict()["error"], EMPTY.to_dict()["reason"]) == (None, None, None)

    def test_a_report(self) -> None:
        second = dataclasses.replace(LOST, index=4)
        other = dataclasses.replace(LOST, index=5, fault=Fault.VALIDATION)
        unknown = dataclasses.replace(LOST, index=6, fault=None)
        report = BatchReport((*REPORT.outcomes, second, other, unknown), elapsed=12.34567, stopped="deadline")
        result = report.to_dict()
        assert json.loads(json.dumps(result)) == result
        outcomes = result.pop("outcomes")
        assert outcomes == [outcome.to_dict() for outcome in report.outcomes]
        assert result == {
            "submitted": 7,
            "succeeded": 2,
            "failed": 4,
            "unstarted": 1,
            "attempts": 19,
            "retries": 13,
            "throttles": 17,
            "retry_rate": 0.6842,
            "failure_rate": 0.5714,
            "backoff_seconds": 14.502,
            "pacing_seconds": 6.006,
            "tokens": None,
            "elapsed": 12.346,
            "stopped": "deadline",
            "faults": {"throttling": 2, "validation": 1},
        }

    def test_tokens(self) -> None:
        usage = TokenUsage(answers=1, reserved=1_700, settled=1_200.26, unused=499.74)
        outcome = dataclasses.replace(DONE, tokens=usage)
        assert (outcome.to_dict()["tokens_reserved"], outcome.to_dict()["tokens_settled"]) == (1_700, 1_200.3)
        assert BatchReport((outcome, LEFT)).to_dict()["tokens"] == usage.to_dict()

    def test_an_error_whose_str_raises_is_named_by_its_type(self) -> None:
        class UnprintableError(Exception):
            def __str__(self) -> str:
                raise RuntimeError("half initialized")

        assert dataclasses.replace(LOST, error=UnprintableError()).to_dict()["error"] == "UnprintableError: "

    def test_a_report_of_nothing(self) -> None:
        result = NOTHING.to_dict()
        assert (result["submitted"], result["stopped"], result["faults"], result["outcomes"]) == (0, None, {}, [])


class TestRaiseForFailures:
    def test_nothing_went_wrong(self) -> None:
        BatchReport((DONE, EMPTY)).raise_for_failures()
        NOTHING.raise_for_failures()

    def test_all_errors_are_in_one_group(self) -> None:
        with pytest.raises(ExceptionGroup) as raised:
            BatchReport((DONE, LOST)).raise_for_failures()
        assert raised.value.message == "1 of 2 items failed, 0 were not started"
        assert raised.value.exceptions == (ERROR,)

    def test_unstarted_items_are_summarised_once(self) -> None:
        with pytest.raises(ExceptionGroup) as raised:
            BatchReport((*REPORT.outcomes, dataclasses.replace(LEFT, index=4, reason="later"))).raise_for_failures()
        assert raised.value.message == "1 of 5 items failed, 2 were not started"
        error, stopped = raised.value.exceptions
        assert error is ERROR
        assert type(stopped) is ItemsNotStartedError
        assert str(stopped) == "2 items were not started: deadline"

    def test_only_unstarted_items(self) -> None:
        with pytest.raises(ExceptionGroup) as raised:
            BatchReport((LEFT,)).raise_for_failures()
        assert raised.value.message == "0 of 1 items failed, 1 were not started"
        assert [type(error) for error in raised.value.exceptions] == [ItemsNotStartedError]

    def test_a_base_exception_makes_it_a_base_exception_group(self) -> None:
        interrupted = dataclasses.replace(LOST, error=KeyboardInterrupt())
        with pytest.raises(BaseExceptionGroup) as raised:
            BatchReport((interrupted,)).raise_for_failures()
        assert not isinstance(raised.value, Exception)
