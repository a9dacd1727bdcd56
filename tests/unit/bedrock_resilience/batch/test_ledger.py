"""Ledger: each item is claimed once and closed once."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from bedrock_resilience._fault import Fault
from bedrock_resilience._stop_reason import StopReason
from bedrock_resilience.batch._ledger import Ledger, fatal_reason, outcome_of, unusable_item
from bedrock_resilience.batch._progress import Progress
from bedrock_resilience.batch._report import BatchReport, ItemOutcome
from bedrock_resilience.errors import InputError
from bedrock_resilience.quotas import TokenUsage
from bedrock_resilience.retrying._attempts import CallState
from bedrock_resilience.retrying._deadline import Deadline
from bedrock_resilience.retrying._jitter import NoJitter
from bedrock_resilience.retrying._policy import RetryPolicy
from bedrock_resilience.testing import access_denied, throttling_error, tokens_per_day_error, validation_error

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bedrock_resilience.batch._report import Status


def done(index: int, status: Status = "succeeded", **numbers: int) -> ItemOutcome[str, int]:
    return ItemOutcome(index=index, item=f"item {index}", status=status, **numbers)  # type: ignore[arg-type]  # the numbers


def failing(after: int, error: BaseException) -> Iterator[int]:
    yield from range(after)
    raise error


class TestNextItem:
    def test_items_come_in_order_with_their_index(self) -> None:
        ledger: Ledger[str, int] = Ledger()
        items = iter("ab")
        assert ledger.next_item(items) == (0, "a")
        assert ledger.next_item(items) == (1, "b")
        assert ledger.next_item(items) is None
        assert ledger.stopped is None
        assert ledger.progress().submitted == 2

    def test_after_a_stop_nothing_is_read_from_the_input(self) -> None:
        ledger: Ledger[str, int] = Ledger()
        items = iter("ab")
        ledger.stop("enough")
        assert ledger.next_item(items) is None
        assert list(items) == ["a", "b"]

    @pytest.mark.parametrize("error", [ValueError("broken"), SystemExit(1)])
    def test_an_input_that_raises_stops_the_run(self, error: BaseException) -> None:
        ledger: Ledger[int, int] = Ledger()
        items = failing(1, error)
        assert ledger.next_item(items) == (0, 0)
        assert ledger.next_item(items) is None
        assert ledger.input_error is error
        assert ledger.stopped == f"the input raised {type(error).__name__}"
        assert ledger.progress().submitted == 1

    def test_an_item_read_elsewhere_is_entered(self) -> None:
        ledger: Ledger[str, int] = Ledger()
        assert ledger.register("a") == (0, "a")
        assert ledger.register("b") == (1, "b")

    def test_an_item_that_comes_after_the_stop_is_not_lost(self) -> None:
        ledger: Ledger[str, int] = Ledger()
        ledger.register("a")
        ledger.stop("enough")
        assert ledger.register("b") is None
        assert ledger.register("c") is None
        assert ledger.progress().submitted == 1
        assert [(late.index, late.item, late.status, late.reason) for late in ledger.close_late()] == [
            (1, "b", "unstarted", "enough"),
            (2, "c", "unstarted", "enough"),
        ]
        assert list(ledger.close_late()) == []
        assert ledger.progress().unstarted == 2

    def test_while_the_input_keeps_one_worker_waiting_others_can_close_and_stop(self) -> None:
        requested, go_on = threading.Event(), threading.Event()

        def slow() -> Iterator[str]:
            yield "a"
            requested.set()
            assert go_on.wait(10)
            yield "b"

        ledger: Ledger[str, int] = Ledger()
        items = slow()
        ledger.next_item(items)
        claimed: list[object] = []
        thread = threading.Thread(target=lambda: claimed.append(ledger.next_item(items)))
        thread.start()
        assert requested.wait(10)
        ledger.close(done(0))
        assert ledger.progress().succeeded == 1
        ledger.stop("enough")
        go_on.set()
        thread.join()
        assert claimed == [None]
        assert [late.item for late in ledger.close_late()] == ["b"]

    def test_the_input_is_read_by_one_thread_at_a_time(self) -> None:
        def counted() -> Iterator[int]:
            yield from range(2_000)

        ledger: Ledger[int, int] = Ledger()
        items = counted()  # a generator that two threads advance at once raises a ValueError
        threads = [
            threading.Thread(target=lambda: [None for _ in iter(lambda: ledger.next_item(items), None)])
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert ledger.input_error is None
        assert ledger.progress().submitted == 2_000


class TestClosing:
    def test_the_counts_balance_at_every_step(self) -> None:
        ledger: Ledger[str, int] = Ledger(total=4)
        assert ledger.progress() == Progress(0, 0, 0, 0, 0, 0, 0, 0, 4)
        for item in "abc":
            ledger.register(item)
        assert ledger.progress() == Progress(3, 0, 0, 0, 3, 0, 0, 0, 4)
        ledger.close(done(1, attempts=2, retries=1, throttles=1))
        assert ledger.progress() == Progress(3, 1, 0, 0, 2, 2, 1, 1, 4)
        ledger.close(done(0, "failed", attempts=4, retries=3, throttles=4))
        ledger.close(done(2, "unstarted"))
        assert ledger.progress() == Progress(3, 1, 1, 1, 0, 6, 4, 5, 4)

    def test_the_report_is_in_input_order(self) -> None:
        ledger: Ledger[str, int] = Ledger()
        for item in "abc":
            ledger.register(item)
        for index in (2, 0, 1):
            ledger.close(done(index))
        ledger.stop("enough")
        assert ledger.report(5.0) == BatchReport((done(0), done(1), done(2)), 5.0, "enough")

    def test_a_stream_keeps_no_outcome(self) -> None:
        ledger: Ledger[str, int] = Ledger(keep=False)
        ledger.register("a")
        ledger.close(done(0))
        assert ledger.report(0.0).outcomes == ()
        assert ledger.progress().succeeded == 1


class TestStopping:
    def test_the_first_stop_reason_is_kept(self) -> None:
        ledger: Ledger[str, int] = Ledger()
        assert ledger.stopped is None
        ledger.stop("first")
        ledger.stop("second")
        assert ledger.stopped == "first"

    def test_the_rest_of_the_input_is_unstarted_with_the_reason(self) -> None:
        ledger: Ledger[str, int] = Ledger()
        items = iter("abc")
        ledger.next_item(items)
        ledger.stop("enough")
        assert list(ledger.close_input(items)) == [
            ItemOutcome(index=1, item="b", status="unstarted", reason="enough"),
            ItemOutcome(index=2, item="c", status="unstarted", reason="enough"),
        ]
        assert ledger.progress().unstarted == 2

    def test_the_rest_is_read_one_item_at_a_time(self) -> None:
        ledger: Ledger[str, int] = Ledger()
        items = iter("abc")
        ledger.stop("enough")
        next(ledger.close_input(items))
        assert list(items) == ["b", "c"]

    def test_an_input_that_raises_while_the_rest_is_read_keeps_the_items_before(self) -> None:
        error = ValueError("broken")
        ledger: Ledger[int, int] = Ledger()
        ledger.stop("enough")
        assert len(list(ledger.close_input(failing(2, error)))) == 2
        assert ledger.input_error is error
        assert ledger.stopped == "enough"


def attempted(*errors: BaseException) -> CallState:
    call = CallState(RetryPolicy())
    call.begin(0.0)
    for error in errors:
        call.failed(error, 0.0, 0.5)
        if call.reason is None:
            call.slept(0.0)
    return call


class TestOutcomes:
    def test_of_a_success(self) -> None:
        outcome: ItemOutcome[str, int] = outcome_of(3, "item", attempted(throttling_error()), 2.5, value=7)
        assert outcome == ItemOutcome(
            index=3,
            item="item",
            status="succeeded",
            value=7,
            attempts=2,
            retries=1,
            throttles=1,
            backoff_seconds=0.55,
            elapsed=2.5,
        )

    def test_of_a_failure(self) -> None:
        error = validation_error()
        call = attempted(error)
        call.pacing_seconds = 1.5
        call.token_usage = TokenUsage(unknown=1)
        outcome: ItemOutcome[str, int] = outcome_of(3, "item", call, 2.5, error=error)
        assert outcome == ItemOutcome(
            index=3,
            item="item",
            status="failed",
            error=error,
            fault=Fault.VALIDATION,
            attempts=1,
            pacing_seconds=1.5,
            tokens=TokenUsage(unknown=1),
            elapsed=2.5,
            reason="not retryable",
        )

    @pytest.mark.parametrize("reason", [StopReason.DEADLINE, StopReason.RUN_STOPPED])
    def test_of_a_call_that_was_stopped_before_it_began(self, reason: StopReason) -> None:
        call = CallState(RetryPolicy())
        call.reason = reason
        outcome: ItemOutcome[str, int] = outcome_of(3, "item", call, 2.5, error=TimeoutError())
        assert outcome == ItemOutcome(index=3, item="item", status="unstarted", elapsed=2.5, reason=reason.value)

    def test_of_a_call_whose_pacer_failed_before_it_began(self) -> None:
        error = ValueError("a broken pacer")
        call = CallState(RetryPolicy())
        call.cancelled(error, 0.0)
        outcome: ItemOutcome[str, int] = outcome_of(3, "item", call, 2.5, error=error)
        assert (outcome.status, outcome.error, outcome.fault, outcome.reason) == (
            "failed",
            error,
            Fault.UNKNOWN,
            "not retryable",
        )

    def test_of_an_unusable_item(self) -> None:
        error = KeyError("text")
        assert unusable_item(3, "item", error, Fault.UNKNOWN) == ItemOutcome(
            index=3, item="item", status="failed", error=error, fault=Fault.UNKNOWN, reason="not a usable item"
        )


class TestEndOfTheRun:
    def test_a_fatal_fault_ends_it(self) -> None:
        assert fatal_reason(attempted(access_denied())) == "access_denied: every other item would fail the same way"
        assert (
            fatal_reason(attempted(tokens_per_day_error()))
            == "tokens_per_day: every other item would fail the same way"
        )

    def test_other_faults_do_not(self) -> None:
        assert fatal_reason(attempted(validation_error())) is None
        assert fatal_reason(attempted(throttling_error())) is None
        assert fatal_reason(attempted()) is None

    def test_a_fault_followed_by_success_does_not(self) -> None:
        call = CallState(RetryPolicy(retry_on={Fault.ACCESS_DENIED}))
        call.begin(0.0)
        call.failed(access_denied(), 0.0, 0.5)
        assert fatal_reason(call) is None

    def test_a_deadline_before_the_first_attempt_does(self) -> None:
        call = CallState(RetryPolicy())
        call.reason = StopReason.DEADLINE
        assert fatal_reason(call) == "deadline"

    @pytest.mark.parametrize("retry_after", [None, 3.0])
    def test_a_throttle_with_time_for_a_retry_does_not(self, retry_after: float | None) -> None:
        assert self.throttled(retry_after, Deadline(10.0)) is None

    @pytest.mark.parametrize("retry_after", [None, 60.0])
    def test_a_throttle_without_time_for_the_delay_of_the_policy_does(self, retry_after: float | None) -> None:
        assert self.throttled(retry_after, Deadline(0.4)) == "deadline"

    def test_a_throttle_that_only_asks_for_a_longer_wait_does_not(self) -> None:
        assert self.throttled(60.0, Deadline(10.0)) is None

    @staticmethod
    def throttled(retry_after: float | None, deadline: Deadline) -> str | None:
        call = CallState(RetryPolicy(jitter=NoJitter()), deadline=deadline)
        call.begin(0.0)
        call.failed(throttling_error(retry_after=retry_after), 0.0, 0.5)
        return fatal_reason(call)

    def test_a_deadline_after_an_attempt_does_not(self) -> None:
        call = attempted()
        call.reason = StopReason.DEADLINE
        assert fatal_reason(call) is None


def test_input_error_counts_the_items_before_it() -> None:
    report: BatchReport[str, int] = BatchReport(())
    failed = InputError(report, 7)
    assert str(failed) == "the input failed after 7 items"
    assert failed.report is report
