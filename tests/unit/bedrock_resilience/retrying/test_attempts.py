"""CallState: the decisions about one call, step by step."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from bedrock_resilience._fault import Fault
from bedrock_resilience._stop_reason import StopReason
from bedrock_resilience.errors import DeadlineExceededError, IncompleteResponseError, RejectedResultError
from bedrock_resilience.quotas import RequestTokens, TokenUsage, Usage
from bedrock_resilience.retrying._attempts import Attempt, CallState, Sleep, SleepKind, Stop
from bedrock_resilience.retrying._budget import RetryBudget
from bedrock_resilience.retrying._deadline import Deadline
from bedrock_resilience.retrying._jitter import DecorrelatedJitter, NoJitter
from bedrock_resilience.retrying._policy import RetryPolicy
from bedrock_resilience.testing import (
    bedrock_error,
    connection_failed,
    converse_response,
    error_of,
    incomplete_response,
    read_timeout,
    stream_cut,
    throttling_error,
    tokens_per_day_error,
    validation_error,
)
from support.approx import approx
from support.pacers import RecordingPacer, RequestPacer

if TYPE_CHECKING:
    from bedrock_resilience.pacing import Reservation

PLAIN = RetryPolicy(jitter=NoJitter())


def counts(call: CallState) -> tuple[int, int, int, float, float]:
    return call.attempts, call.retries, call.throttles, call.backoff_seconds, call.pacing_seconds


class TestSteps:
    def test_steps_are_values(self) -> None:
        assert Attempt() == Attempt()
        assert repr(Sleep(0.5, SleepKind.BACKOFF)) == "Sleep(seconds=0.5, kind=<SleepKind.BACKOFF: 'backoff'>)"

    def test_the_reasons_in_words(self) -> None:
        assert [reason.value for reason in StopReason] == [
            "not retryable",
            "a part of the stream was delivered",
            "retries exhausted",
            "this fault's own retries exhausted",
            "deadline",
            "retry budget spent",
            "run stopped",
        ]
        assert [kind.value for kind in SleepKind] == ["backoff", "pacing"]

    def test_a_new_call_has_done_nothing(self) -> None:
        call = CallState(PLAIN)
        assert counts(call) == (0, 0, 0, 0.0, 0.0)
        assert (call.error, call.fault, call.reason, call.deadline, call.tokens) == (None, None, None, None, 0)


class TestRetries:
    def test_a_success_is_one_attempt(self) -> None:
        call = CallState(PLAIN)
        assert call.begin(0.0) == Attempt()
        call.answered(1.0, "answer")
        assert counts(call) == (1, 0, 0, 0.0, 0.0)
        assert call.reason is None

    def test_a_throttled_call_sleeps_and_tries_again(self) -> None:
        call = CallState(PLAIN)
        call.begin(0.0)
        error = throttling_error()
        assert call.failed(error, 1.0, 0.5) == Sleep(0.5, SleepKind.BACKOFF)
        assert (call.error, call.fault) == (error, Fault.THROTTLING)
        assert counts(call) == (1, 1, 1, 0.0, 0.0)
        assert call.slept(1.5) == Attempt()
        assert counts(call) == (2, 1, 1, 0.5, 0.0)
        assert call.reason is None

    def test_retries_end_and_the_last_error_stays(self) -> None:
        call = CallState(PLAIN)
        step = call.begin(0.0)
        delays: list[float] = []
        last = throttling_error()
        while not isinstance(step, Stop):
            last = throttling_error()
            step = call.failed(last, 0.0, 0.5)
            if isinstance(step, Sleep):
                delays.append(step.seconds)
                assert isinstance(call.slept(0.0), Attempt)
        assert delays == [0.5, 1.0, 2.0]
        assert step == Stop(StopReason.RETRIES_EXHAUSTED)
        assert call.reason is StopReason.RETRIES_EXHAUSTED
        assert call.error is last
        assert counts(call) == (4, 3, 4, 3.5, 0.0)

    def test_forty_retries_are_counted(self) -> None:
        call = CallState(PLAIN.replace(max_retries=40))
        steps, numbers = [call.begin(0.0)], [call.attempts]
        for _ in range(40):
            call.failed(throttling_error(), 0.0, 0.5)
            steps.append(call.slept(0.0))
            numbers.append(call.attempts)
        assert steps == [Attempt()] * 41
        assert numbers == list(range(1, 42))

    def test_a_fault_that_is_not_in_the_policy_is_not_retried(self) -> None:
        call = CallState(PLAIN)
        call.begin(0.0)
        assert call.failed(validation_error(), 0.0, 0.5) == Stop(StopReason.NOT_RETRYABLE)
        assert counts(call) == (1, 0, 0, 0.0, 0.0)
        assert call.fault is Fault.VALIDATION

    def test_without_retries_a_retryable_fault_has_exhausted_them(self) -> None:
        call = CallState(PLAIN.replace(max_retries=0))
        call.begin(0.0)
        assert call.failed(throttling_error(), 0.0, 0.5) == Stop(StopReason.RETRIES_EXHAUSTED)

    @pytest.mark.parametrize(("limit", "retries"), [(0, 0), (2, 2), (9, 3)])
    def test_the_limit_of_the_process_adds_to_that_of_the_policy(
        self, monkeypatch: pytest.MonkeyPatch, limit: int, retries: int
    ) -> None:
        monkeypatch.setattr(CallState, "retry_limit", limit)
        call = CallState(PLAIN)
        step = call.begin(0.0)
        while not isinstance(step, Stop):
            step = call.failed(throttling_error(), 0.0, 0.5) if isinstance(step, Attempt) else call.slept(0.0)
        assert (call.retries, step.reason) == (retries, StopReason.RETRIES_EXHAUSTED)

    def test_a_fault_with_a_limit_of_its_own(self) -> None:
        call = CallState(PLAIN.replace(retry_on={Fault.THROTTLING: None, Fault.READ_TIMEOUT: 1}))
        call.begin(0.0)
        assert isinstance(call.failed(read_timeout(), 0.0, 0.5), Sleep)
        call.slept(0.0)
        assert isinstance(call.failed(throttling_error(), 0.0, 0.5), Sleep), "another fault has its own count"
        call.slept(0.0)
        assert call.failed(read_timeout(), 0.0, 0.5) == Stop(StopReason.FAULT_LIMIT)
        assert counts(call) == (3, 2, 1, 1.5, 0.0)

    def test_a_limit_is_the_faults_own_also_after_another_fault(self) -> None:
        call = CallState(PLAIN.replace(retry_on={Fault.THROTTLING: None, Fault.READ_TIMEOUT: 1}))
        call.begin(0.0)
        call.failed(throttling_error(), 0.0, 0.5)
        call.slept(0.0)
        assert isinstance(call.failed(read_timeout(), 0.0, 0.5), Sleep)

    def test_a_limit_of_two_is_two_retries(self) -> None:
        call = CallState(PLAIN.replace(retry_on={Fault.READ_TIMEOUT: 2}))
        call.begin(0.0)
        for _ in range(2):
            assert isinstance(call.failed(read_timeout(), 0.0, 0.5), Sleep)
            call.slept(0.0)
        assert call.failed(read_timeout(), 0.0, 0.5) == Stop(StopReason.FAULT_LIMIT)

    def test_a_limit_of_zero_is_no_retry(self) -> None:
        call = CallState(PLAIN.replace(retry_on={Fault.READ_TIMEOUT: 0}))
        call.begin(0.0)
        assert call.failed(read_timeout(), 0.0, 0.5) == Stop(StopReason.FAULT_LIMIT)

    def test_an_exhausted_daily_quota_counts_as_a_throttle_and_is_not_retried(self) -> None:
        call = CallState(PLAIN)
        call.begin(0.0)
        assert call.failed(tokens_per_day_error(), 0.0, 0.5) == Stop(StopReason.NOT_RETRYABLE)
        assert call.throttles == 1

    def test_a_custom_classifier_determines_the_fault(self) -> None:
        call = CallState(PLAIN, classify=lambda _: Fault.THROTTLING)
        call.begin(0.0)
        assert isinstance(call.failed(ValueError("busy"), 0.0, 0.5), Sleep)
        assert call.throttles == 1

    def test_jitter_receives_the_random_number_and_the_previous_delay(self) -> None:
        policy = RetryPolicy(jitter=DecorrelatedJitter())
        call = CallState(policy)
        call.begin(0.0)
        first = call.failed(throttling_error(), 0.0, 0.5)
        assert first == Sleep(policy.delay(0, 0.5), SleepKind.BACKOFF)
        call.slept(0.0)
        assert isinstance(first, Sleep)
        assert call.failed(throttling_error(), 0.0, 0.25) == Sleep(
            policy.delay(1, 0.25, first.seconds), SleepKind.BACKOFF
        )

    def test_slept_without_a_sleep_is_an_error(self) -> None:
        with pytest.raises(RuntimeError, match=r"^slept\(\) was called without a Sleep before it$"):
            CallState(PLAIN).slept(0.0)
        call = CallState(PLAIN)
        call.begin(0.0)
        call.failed(throttling_error(), 0.0, 0.5)
        call.slept(0.5)
        with pytest.raises(RuntimeError, match="without a Sleep before it"):
            call.slept(0.5)


class TestHints:
    """A server that says how long to wait."""

    def hinted(self, seconds: float, deadline: Deadline | None = None) -> tuple[CallState, Sleep | Stop]:
        call = CallState(PLAIN, deadline=deadline)
        call.begin(0.0)
        return call, call.failed(throttling_error(retry_after=seconds), 0.0, 0.5)

    def test_a_longer_hint_raises_the_delay(self) -> None:
        call, step = self.hinted(5.0)
        assert step == Sleep(5.25, SleepKind.BACKOFF)  # half of a tenth is jitter
        call.slept(5.25)
        assert call.backoff_seconds == 5.25

    def test_a_shorter_hint_does_not_lower_it(self) -> None:
        assert self.hinted(0.1)[1] == Sleep(0.5, SleepKind.BACKOFF)

    def test_a_hint_is_capped_at_the_longest_run_of_a_lambda(self) -> None:
        assert self.hinted(10_000)[1] == Sleep(945.0, SleepKind.BACKOFF)
        assert self.hinted(900)[1] == Sleep(945.0, SleepKind.BACKOFF)

    def test_a_hint_beyond_the_deadline_ends_the_call(self) -> None:
        call, step = self.hinted(5.0, Deadline(5.0))
        assert step == Stop(StopReason.DEADLINE)
        assert call.retries == 0

    def test_the_next_delay_follows_the_schedule_and_not_the_hint(self) -> None:
        policy = RetryPolicy(jitter=DecorrelatedJitter())
        call = CallState(policy)
        call.begin(0.0)
        call.failed(throttling_error(retry_after=60), 0.0, 0.5)
        call.slept(60.0)
        assert call.failed(throttling_error(), 60.0, 0.5) == Sleep(
            policy.delay(1, 0.5, policy.delay(0, 0.5)), SleepKind.BACKOFF
        )


class TestDeadline:
    def test_no_first_attempt_after_it(self) -> None:
        call = CallState(PLAIN, deadline=Deadline(10.0))
        assert call.begin(10.0) == Stop(StopReason.DEADLINE)
        assert counts(call) == (0, 0, 0, 0.0, 0.0)
        assert call.error is None

    def test_a_first_attempt_before_it(self) -> None:
        assert CallState(PLAIN, deadline=Deadline(10.0)).begin(9.9) == Attempt()

    def test_no_sleep_that_would_end_past_it(self) -> None:
        call = CallState(PLAIN, deadline=Deadline(10.0))
        call.begin(9.0)
        error = throttling_error()
        assert call.failed(error, 9.5, 0.5) == Stop(StopReason.DEADLINE)
        assert call.error is error
        assert counts(call) == (1, 0, 1, 0.0, 0.0)

    def test_a_sleep_that_ends_before_it(self) -> None:
        call = CallState(PLAIN, deadline=Deadline(10.0))
        call.begin(9.0)
        assert call.failed(throttling_error(), 9.4, 0.5) == Sleep(0.5, SleepKind.BACKOFF)

    def test_a_sleep_that_took_too_long_is_followed_by_no_attempt(self) -> None:
        call = CallState(PLAIN, deadline=Deadline(10.0))
        call.begin(9.0)
        call.failed(throttling_error(), 9.4, 0.5)
        assert call.slept(10.2) == Stop(StopReason.DEADLINE)
        assert counts(call) == (1, 1, 1, 0.5, 0.0), "the retry was decided, but not sent"

    @pytest.mark.parametrize(("now", "reason"), [(9.9, StopReason.NOT_RETRYABLE), (10.0, StopReason.DEADLINE)])
    def test_what_ends_because_the_deadline_is_past_has_that_reason(self, now: float, reason: StopReason) -> None:
        call = CallState(PLAIN.replace(retry_on="transient"), deadline=Deadline(10.0, attempt=5.0))
        call.begin(0.0)
        assert call.failed(DeadlineExceededError("of a call inside"), now, 0.5) == Stop(reason)

    def test_without_a_deadline_what_ended_from_outside_is_not_retried(self) -> None:
        call = CallState(PLAIN)
        call.begin(0.0)
        assert call.failed(DeadlineExceededError("of a call inside"), 1.0, 0.5) == Stop(StopReason.NOT_RETRYABLE)

    def test_a_fault_that_is_not_retried_has_that_reason_past_the_deadline_too(self) -> None:
        call = CallState(PLAIN, deadline=Deadline(10.0))
        call.begin(9.0)
        assert call.failed(validation_error(), 12.0, 0.5) == Stop(StopReason.NOT_RETRYABLE)


class TestBudget:
    def test_attempts_are_counted_and_retries_withdrawn(self) -> None:
        budget = RetryBudget(share=0.0, reserve=1)
        call = CallState(PLAIN, budget=budget)
        call.begin(0.0)
        assert budget.attempts == 1
        assert isinstance(call.failed(throttling_error(), 0.0, 0.5), Sleep)
        assert budget.retries == 1
        call.slept(0.5)
        assert budget.attempts == 2
        assert call.failed(throttling_error(), 0.5, 0.5) == Stop(StopReason.BUDGET)
        assert counts(call) == (2, 1, 2, 0.5, 0.0)

    def test_a_call_that_stops_for_another_reason_withdraws_nothing(self) -> None:
        budget = RetryBudget(share=0.0, reserve=1)
        call = CallState(PLAIN, budget=budget, deadline=Deadline(0.1))
        call.begin(0.0)
        assert call.failed(throttling_error(), 0.0, 0.5) == Stop(StopReason.DEADLINE)
        assert call.failed(validation_error(), 0.0, 0.5) == Stop(StopReason.NOT_RETRYABLE)
        assert budget.retries == 0


class TestPacing:
    def test_the_tokens_are_reserved_and_the_usage_is_reported(self) -> None:
        pacer = RecordingPacer()
        call = CallState(PLAIN, pacer=pacer, tokens=4_000)
        assert call.begin(3.0) == Attempt()
        call.answered(4.0, converse_response("two words"))
        reserve, answered = pacer.calls
        assert reserve == ("reserve", 3.0, 4_000)
        assert answered[:2] == ("answered", 4.0)
        usage = answered[2]
        assert (getattr(usage, "input_tokens", None), getattr(usage, "output_tokens", None)) == (10, 2)

    def test_after_a_pacing_sleep_due_is_called_again(self) -> None:
        pacer = RecordingPacer(2.0, due=(1.0, 0.0))
        call = CallState(PLAIN, pacer=pacer)
        assert call.begin(0.0) == Sleep(2.0, SleepKind.PACING)
        assert call.slept(2.0) == Sleep(1.0, SleepKind.PACING), "a throttle of another worker delayed it"
        assert call.slept(3.0) == Attempt()
        assert counts(call) == (1, 0, 0, 0.0, 3.0)
        assert pacer.calls == [("reserve", 0.0, 0), ("due", 2.0), ("due", 3.0)]

    def test_a_long_wait_is_checked_every_twenty_seconds_since_the_rate_may_rise(self) -> None:
        pacer = RecordingPacer(50.0, due=(30.0, 1.0, 0.0))
        call = CallState(PLAIN, pacer=pacer)
        assert call.begin(0.0) == Sleep(20.0, SleepKind.PACING)
        assert call.slept(20.0) == Sleep(20.0, SleepKind.PACING)
        assert call.slept(40.0) == Sleep(1.0, SleepKind.PACING), "meanwhile the rate has risen"
        assert call.slept(41.0) == Attempt()
        assert counts(call) == (1, 0, 0, 0.0, 41.0)

    def test_a_pacing_wait_beyond_the_deadline_is_not_begun(self) -> None:
        call = CallState(PLAIN, pacer=RecordingPacer(50.0), deadline=Deadline(40.0))
        assert call.begin(0.0) == Stop(StopReason.DEADLINE)

    def test_a_pacer_that_reads_requests_receives_the_whole_request(self) -> None:
        pacer = RequestPacer()
        request = RequestTokens(100, 50, burndown=1)
        assert CallState(PLAIN, pacer=pacer, tokens=request).begin(0.0) == Attempt()
        CallState(PLAIN, pacer=pacer, tokens=150).begin(0.0)
        assert (pacer.requests, pacer.tokens) == ([request], [150, 150])

    def test_a_pacer_without_due_is_obeyed_in_one_sleep(self) -> None:
        class Once:
            reserve = RecordingPacer(50.0).reserve

        pacer: Any = Once()
        call = CallState(PLAIN, pacer=pacer)
        assert call.begin(0.0) == Sleep(50.0, SleepKind.PACING)
        assert call.slept(50.0) == Attempt()

    def test_a_retry_is_paced_as_well(self) -> None:
        pacer = RecordingPacer(0.0, 3.0)
        call = CallState(PLAIN, pacer=pacer)
        call.begin(0.0)
        assert call.failed(throttling_error(), 1.0, 0.5) == Sleep(0.5, SleepKind.BACKOFF)
        assert call.slept(1.5) == Sleep(3.0, SleepKind.PACING)
        assert call.slept(4.5) == Attempt()
        assert counts(call) == (2, 1, 1, 0.5, 3.0)
        assert pacer.calls == [("reserve", 0.0, 0), ("throttled", 1.0), ("reserve", 1.5, 0), ("due", 4.5)]

    def test_a_wait_past_the_deadline_abandons_the_reservation(self) -> None:
        pacer = RecordingPacer(5.0)
        call = CallState(PLAIN, pacer=pacer, deadline=Deadline(4.0))
        assert call.begin(0.0) == Stop(StopReason.DEADLINE)
        assert pacer.calls == [("reserve", 0.0, 0), ("abandoned", 0.0)]
        call.cancelled(KeyboardInterrupt(), 1.0)
        assert len(pacer.calls) == 2, "each reservation is closed once"

    def test_past_the_deadline_nothing_is_reserved(self) -> None:
        pacer = RecordingPacer()
        call = CallState(PLAIN, pacer=pacer, deadline=Deadline(4.0))
        assert call.begin(4.0) == Stop(StopReason.DEADLINE)
        call.cancelled(KeyboardInterrupt(), 4.0)
        assert pacer.calls == []

    def test_a_wait_that_grew_past_the_deadline_abandons_the_reservation(self) -> None:
        pacer = RecordingPacer(1.0, due=(3.0,))
        call = CallState(PLAIN, pacer=pacer, deadline=Deadline(5.0))
        assert call.begin(1.0) == Sleep(1.0, SleepKind.PACING)
        assert call.slept(2.0) == Stop(StopReason.DEADLINE)
        assert pacer.calls[-1] == ("abandoned", 2.0)

    def test_a_wait_counts_from_now(self) -> None:
        pacer = RecordingPacer(5.0)
        assert CallState(PLAIN, pacer=pacer, deadline=Deadline(6.0)).begin(2.0) == Stop(StopReason.DEADLINE)

    def test_a_reservation_is_closed_once_whatever_a_driver_reports(self) -> None:
        pacer = RecordingPacer()
        call = CallState(PLAIN, pacer=pacer)
        call.begin(0.0)
        call.answered(1.0, "answer")
        call.answered(2.0, "answer")
        call.failed(validation_error(), 3.0, 0.5)
        assert len(pacer.calls) == 2

    @pytest.mark.parametrize(
        ("error", "reported"),
        [
            (throttling_error(), "throttled"),
            (tokens_per_day_error(), "throttled"),
            (throttling_error("Slow down."), "throttled"),  # names no limit
            (bedrock_error("ServiceUnavailableException"), "overloaded"),
            (bedrock_error("overloaded_error"), "overloaded"),
            (connection_failed(), "abandoned"),
            (read_timeout(), "answered"),
            (validation_error(), "answered"),
            (bedrock_error("ModelNotReadyException"), "answered"),
        ],
        ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value,
    )
    def test_how_each_failure_is_reported_to_the_pacer(self, error: Exception, reported: str) -> None:
        pacer = RecordingPacer()
        call = CallState(PLAIN, pacer=pacer)
        call.begin(0.0)
        call.failed(error, 1.0, 0.5)
        assert pacer.calls[1][:2] == (reported, 1.0)
        assert reported != "answered" or pacer.calls[1][2] is None
        call.cancelled(KeyboardInterrupt(), 2.0)
        assert len(pacer.calls) == 2, "each reservation is closed once"

    def test_a_pacer_that_does_not_ask_for_the_limit_is_not_told(self) -> None:
        class Plain(RecordingPacer):
            def throttled(self, reservation: Reservation, now: float) -> None:  # type: ignore[override]  # the limit is optional
                super().throttled(reservation, now)

        pacer: Any = Plain()
        call = CallState(PLAIN, pacer=pacer)
        call.begin(0.0)
        call.failed(throttling_error("Too many tokens, please wait before trying again."), 1.0, 0.5)
        assert pacer.calls[1] == ("throttled", 1.0)

    def test_a_stop_during_a_pacing_sleep_abandons_the_reservation(self) -> None:
        pacer, stopping = RecordingPacer(3.0), threading.Event()
        call = CallState(PLAIN, pacer=pacer, stop_event=stopping)
        assert call.begin(1.0) == Sleep(3.0, SleepKind.PACING)
        stopping.set()
        assert call.slept(4.0) == Stop(StopReason.RUN_STOPPED)
        assert pacer.calls[-1] == ("abandoned", 4.0)

    def test_an_incomplete_response_reports_its_usage(self) -> None:
        pacer = RecordingPacer()
        error = incomplete_response()
        error.body = converse_response("one two three")  # type: ignore[attr-defined]  # IncompleteResponseError's
        call = CallState(PLAIN, pacer=pacer)
        call.begin(0.0)
        call.failed(error, 1.0, 0.5)
        assert getattr(pacer.calls[1][2], "output_tokens", None) == 3

    def test_a_response_that_a_quota_of_output_cut_short_is_reported_to_pacers_that_can_tell(self) -> None:
        class Learning(RecordingPacer):
            def truncated(self, reservation: Reservation, now: float, usage: Usage | None = None) -> None:
                self.calls.append(("truncated", now, usage))
                self._close(reservation, "truncated", usage)

        short = {"stop_reason": "max_tokens", "usage": {"input_tokens": 10, "output_tokens": 40}}
        mantle, runtime = RequestTokens(10, 100, endpoint="bedrock-mantle"), RequestTokens(10, 100)
        for request, pacer, reported in (
            (mantle, Learning(), "truncated"),
            (mantle, RecordingPacer(), "answered"),
            (runtime, Learning(), "answered"),
        ):
            for error in (None, IncompleteResponseError("max_tokens", short)):
                call = CallState(PLAIN, pacer=pacer, tokens=request)
                call.begin(0.0)
                if error is None:
                    call.answered(1.0, short)
                else:
                    call.failed(error, 1.0, 0.5)
            call = CallState(PLAIN, pacer=pacer, tokens=request, retry_on_result=bool)
            call.begin(0.0)
            call.rejected(short, 1.0, 0.5)
            assert pacer.outcomes == [(reported, Usage(10, 40))] * 3

    def test_a_pacing_sleep_without_a_pacer_is_an_error(self) -> None:
        call = CallState(PLAIN, pacer=RecordingPacer(2.0))
        call.begin(0.0)
        call._pacer = None  # pyright: ignore[reportPrivateUsage] - no driver can
        with pytest.raises(RuntimeError, match=r"^a pacing sleep needs a pacer$"):
            call.slept(2.0)


class TestTokens:
    REQUEST = RequestTokens(700, 1_000)
    USED = Usage(10, 2)

    def ended(self, error: BaseException) -> TokenUsage | None:
        call = CallState(PLAIN, tokens=self.REQUEST)
        call.begin(0.0)
        call.failed(error, 1.0, 0.5)
        call.cancelled(KeyboardInterrupt(), 2.0)  # during backoff or after the end: nothing is counted twice
        return call.token_usage

    def test_the_pacer_reserves_what_the_request_reserves(self) -> None:
        pacer = RecordingPacer()
        call = CallState(PLAIN, pacer=pacer, tokens=self.REQUEST)
        call.begin(0.0)
        call.answered(1.0, converse_response("two words"))
        assert pacer.calls == [("reserve", 0.0, 1_700), ("answered", 1.0, self.USED)]
        assert call.tokens == 1_700
        assert call.token_usage == self.REQUEST.settled(self.USED)

    def test_an_answer_is_settled_without_a_pacer(self) -> None:
        call = CallState(PLAIN, tokens=self.REQUEST)
        call.begin(0.0)
        assert call.token_usage is None
        call.answered(1.0, converse_response("two words"))
        call.cancelled(KeyboardInterrupt(), 1.0)
        assert call.token_usage == self.REQUEST.settled(self.USED)

    def test_a_plain_number_of_tokens_has_no_token_usage(self) -> None:
        call = CallState(PLAIN, tokens=1_700)
        call.begin(0.0)
        call.answered(1.0, converse_response("two words"))
        assert (call.tokens, call.token_usage) == (1_700, None)

    def test_a_response_without_a_usage_is_counted_as_unknown(self) -> None:
        call = CallState(PLAIN, tokens=self.REQUEST)
        call.begin(0.0)
        call.answered(1.0, "answer")
        assert call.token_usage == TokenUsage(unknown=1)

    @pytest.mark.parametrize(
        "fault",
        [
            Fault.THROTTLING,
            Fault.TOKENS_PER_DAY,
            Fault.MODEL_NOT_READY,
            Fault.SERVICE_UNAVAILABLE,
            Fault.OVERLOADED,
            Fault.CONNECTION_FAILED,
            Fault.VALIDATION,
            Fault.CONFLICT,
            Fault.ACCESS_DENIED,
            Fault.NOT_FOUND,
            Fault.CREDENTIALS,
            Fault.SERVICE_QUOTA,
            Fault.CONFIGURATION,
        ],
    )
    def test_refused_and_unsent_requests_reserved_nothing(self, fault: Fault) -> None:
        assert self.ended(error_of(fault)) is None

    @pytest.mark.parametrize(
        "fault",
        [
            Fault.INTERNAL_SERVER,
            Fault.BAD_GATEWAY,
            Fault.GATEWAY_TIMEOUT,
            Fault.REQUEST_TIMEOUT,
            Fault.MODEL_TIMEOUT,
            Fault.MODEL_ERROR,
            Fault.MODEL_STREAM_ERROR,
            Fault.READ_TIMEOUT,
            Fault.CONNECTION_LOST,
            Fault.STREAM_INTERRUPTED,
            Fault.MALFORMED_RESPONSE,
            Fault.INCOMPLETE_RESPONSE,
            Fault.UNKNOWN,
        ],
    )
    def test_requests_that_may_have_been_processed_are_counted_as_unknown(self, fault: Fault) -> None:
        assert self.ended(error_of(fault)) == TokenUsage(unknown=1)

    def test_an_incomplete_response_is_settled(self) -> None:
        error = incomplete_response()
        error.body = converse_response("two words")  # type: ignore[attr-defined]  # IncompleteResponseError's
        assert self.ended(error) == self.REQUEST.settled(self.USED)

    def test_all_attempts_are_added_up(self) -> None:
        call = CallState(RetryPolicy(retry_on="transient", jitter=NoJitter()), tokens=self.REQUEST)
        call.begin(0.0)
        for error in (read_timeout(), throttling_error()):
            call.failed(error, 0.0, 0.5)
            call.slept(1.0)
        call.answered(2.0, converse_response("two words"))
        assert call.token_usage == TokenUsage(unknown=1) + self.REQUEST.settled(self.USED)

    def test_a_cancelled_attempt_is_counted_as_unknown(self) -> None:
        call = CallState(PLAIN, tokens=self.REQUEST)
        call.begin(0.0)
        call.cancelled(KeyboardInterrupt(), 1.0)
        assert call.token_usage == TokenUsage(unknown=1)

    def test_an_attempt_that_was_never_made_reserved_nothing(self) -> None:
        pacer = RecordingPacer(2.0)
        call = CallState(PLAIN, pacer=pacer, tokens=self.REQUEST)
        call.begin(0.0)
        call.cancelled(KeyboardInterrupt(), 1.0)
        assert call.token_usage is None
        late = CallState(PLAIN, pacer=RecordingPacer(2.0), deadline=Deadline(1.0), tokens=self.REQUEST)
        assert late.begin(0.0) == Stop(StopReason.DEADLINE)
        assert late.token_usage is None

    def test_a_call_stopped_during_backoff_reserved_nothing_more(self) -> None:
        call = CallState(PLAIN, tokens=self.REQUEST)
        call.begin(0.0)
        call.failed(throttling_error(), 1.0, 0.5)
        call.stop(2.0)
        assert call.token_usage is None


class TestRejectedResult:
    def test_its_usage_is_reported_to_the_pacer_and_settled_once(self) -> None:
        pacer, tokens, usage = RecordingPacer(), RequestTokens(700, 1_000), Usage(10, 2)
        call = CallState(PLAIN, pacer=pacer, tokens=tokens)
        call.begin(0.0)
        assert call.rejected(converse_response("two words"), 1.0, 0.5) == Sleep(0.5, SleepKind.BACKOFF)
        assert pacer.calls[1:] == [("answered", 1.0, usage)]
        call.cancelled(KeyboardInterrupt(), 1.2)
        assert call.token_usage == tokens.settled(usage)

    def test_its_retry_obeys_the_deadline(self) -> None:
        call = CallState(PLAIN, deadline=Deadline(1.2))
        call.begin(0.0)
        assert call.rejected("pending", 1.0, 0.5) == Stop(StopReason.DEADLINE)
        assert isinstance(call.error, RejectedResultError)


class TestInterrupted:
    def test_a_call_that_fails_after_a_part_of_its_result_is_not_retried(self) -> None:
        pacer, tokens, usage = RecordingPacer(), RequestTokens(700, 1_000), Usage(10, 2)
        call = CallState(PLAIN.replace(retry_on="transient"), pacer=pacer, tokens=tokens)
        call.begin(0.0)
        error = stream_cut()
        assert call.interrupted(error, 1.0, converse_response("two words")) == Stop(StopReason.PARTLY_DELIVERED)
        assert (call.error, call.fault, call.reason) == (
            error,
            Fault.STREAM_INTERRUPTED,
            StopReason.PARTLY_DELIVERED,
        )
        assert pacer.calls[1:] == [("answered", 1.0, usage)]
        assert call.token_usage == tokens.settled(usage)

    def test_a_throttle_after_the_response_has_arrived_is_counted(self) -> None:
        pacer = RecordingPacer()
        call = CallState(PLAIN, pacer=pacer)
        call.begin(0.0)
        assert call.interrupted(throttling_error(), 1.0) == Stop(StopReason.NOT_RETRYABLE)
        assert counts(call) == (1, 0, 1, 0.0, 0.0)
        assert pacer.calls[1:] == [("throttled", 1.0)]


class TestWithdrawn:
    def test_an_attempt_that_is_not_sent_is_not_counted_and_its_reservation_is_abandoned(self) -> None:
        pacer = RecordingPacer()
        call = CallState(PLAIN, pacer=pacer)
        call.begin(0.0)
        call.withdrawn(1.0)
        call.cancelled(KeyboardInterrupt(), 2.0)
        assert call.attempts == 0
        assert pacer.calls[1:] == [("abandoned", 1.0)]

    def test_a_reservation_that_is_closed_is_not_abandoned(self) -> None:
        pacer = RecordingPacer()
        call = CallState(PLAIN, pacer=pacer)
        call.begin(0.0)
        call.answered(1.0, "answer")
        call.withdrawn(2.0)
        assert pacer.ended == ["answered"]

    def test_a_call_without_a_pacer(self) -> None:
        call = CallState(PLAIN)
        call.begin(0.0)
        call.withdrawn(1.0)
        assert call.attempts == 0


class TestCancelledAndStopped:
    def test_a_cancelled_attempt_is_reported_as_answered(self) -> None:
        pacer = RecordingPacer()
        call = CallState(PLAIN, pacer=pacer)
        call.begin(0.0)
        error = KeyboardInterrupt()
        call.cancelled(error, 1.0)
        assert (call.error, call.fault, call.reason) == (None, Fault.CANCELLED, StopReason.RUN_STOPPED)
        assert pacer.calls[1:] == [("answered", 1.0, None)]

    def test_a_cancelled_pacing_sleep_abandons_the_reservation(self) -> None:
        pacer = RecordingPacer(2.0)
        call = CallState(PLAIN, pacer=pacer)
        call.begin(0.0)
        call.cancelled(KeyboardInterrupt(), 1.0)
        call.cancelled(KeyboardInterrupt(), 1.0)
        assert pacer.calls[1:] == [("abandoned", 1.0)]

    def test_a_cancelled_backoff_has_no_open_reservation(self) -> None:
        pacer = RecordingPacer()
        call = CallState(PLAIN, pacer=pacer)
        call.begin(0.0)
        call.failed(throttling_error(), 1.0, 0.5)
        call.cancelled(KeyboardInterrupt(), 1.2)
        assert pacer.calls[1:] == [("throttled", 1.0)]

    def test_a_stopped_call_keeps_its_last_error_and_abandons_the_reservation(self) -> None:
        pacer = RecordingPacer(0.0, 2.0)
        call = CallState(PLAIN, pacer=pacer)
        call.begin(0.0)
        error = throttling_error()
        call.failed(error, 1.0, 0.5)
        call.slept(1.5)
        assert call.stop(2.0) == Stop(StopReason.RUN_STOPPED)
        assert (call.error, call.fault, call.reason) == (error, Fault.THROTTLING, StopReason.RUN_STOPPED)
        assert pacer.calls[-1] == ("abandoned", 2.0)

    def test_a_call_without_a_pacer_can_be_stopped(self) -> None:
        call = CallState(PLAIN)
        call.begin(0.0)
        assert call.stop(0.0) == Stop(StopReason.RUN_STOPPED)


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.CANCELLED])
def test_only_faults_of_the_policy_are_retried(fault: Fault) -> None:
    retried = CallState(RetryPolicy(retry_on={fault}, jitter=NoJitter()))
    retried.begin(0.0)
    assert isinstance(retried.failed(error_of(fault), 0.0, 0.5), Sleep)
    other = CallState(RetryPolicy(retry_on=set(Fault) - {fault, Fault.CANCELLED}))
    other.begin(0.0)
    assert other.failed(error_of(fault), 0.0, 0.5) == Stop(StopReason.NOT_RETRYABLE)


def test_backoff_seconds_are_the_sum_of_all_delays() -> None:
    call = CallState(RetryPolicy(max_retries=3, jitter=NoJitter(), multiplier=1.1))
    call.begin(0.0)
    for _ in range(3):
        call.failed(throttling_error(), 0.0, 0.0)
        call.slept(0.0)
    assert call.backoff_seconds == approx(0.5 + 0.55 + 0.605)
