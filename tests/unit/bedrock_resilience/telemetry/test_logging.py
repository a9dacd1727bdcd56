"""LoggingListener: the lines, to the letter."""

from __future__ import annotations

import logging
from contextlib import suppress

import pytest

from bedrock_resilience import DeadlineExceededError, NoJitter, Retrier, RetryPolicy
from bedrock_resilience._fault import Fault
from bedrock_resilience._stop_reason import StopReason
from bedrock_resilience.retrying._deadline import Deadline
from bedrock_resilience.retrying._events import CallFailed, CallSucceeded, PacingWait, RetryScheduled
from bedrock_resilience.telemetry import LoggingListener
from bedrock_resilience.testing import (
    FakeClock,
    bedrock_error,
    read_timeout,
    scripted,
    stream_error,
    throttling_error,
    throttling_errors,
    validation_error,
)

PLAIN = RetryPolicy(jitter=NoJitter(), retry_on="transient")


@pytest.fixture(autouse=True)
def all_levels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [f"{record.levelname} {record.getMessage()}" for record in caplog.records]


def call(listener: LoggingListener, *outcomes: object, policy: RetryPolicy = PLAIN) -> None:
    with suppress(Exception):  # these tests read the log
        Retrier(policy, clock=FakeClock(), listeners=[listener]).call(scripted(*outcomes))


def test_a_throttled_call_that_succeeds(caplog: pytest.LogCaptureFixture) -> None:
    call(LoggingListener(), *throttling_errors(3), "done")
    assert lines(caplog) == [
        "WARNING ThrottlingException (attempt 1/4). Retrying in 0.50s...",
        "WARNING ThrottlingException (attempt 2/4). Retrying in 1.00s...",
        "WARNING ThrottlingException (attempt 3/4). Retrying in 2.00s...",
    ]


def test_a_call_that_is_always_throttled(caplog: pytest.LogCaptureFixture) -> None:
    call(LoggingListener(), *throttling_errors(2), policy=PLAIN.replace(max_retries=1))
    assert lines(caplog) == [
        "WARNING ThrottlingException (attempt 1/2). Retrying in 0.50s...",
        "ERROR ThrottlingException - failed after 2 attempts (retries exhausted). Giving up the Bedrock call.",
    ]


def test_a_throttled_call_without_retries_is_abandoned(caplog: pytest.LogCaptureFixture) -> None:
    call(LoggingListener(), throttling_error(), policy=PLAIN.replace(max_retries=0))
    assert lines(caplog) == [
        "ERROR ThrottlingException - failed after 1 attempt (retries exhausted). Giving up the Bedrock call."
    ]


def test_a_call_that_its_deadline_ended_says_so(caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    retrier = Retrier(PLAIN, clock=clock, listeners=[LoggingListener()], timeout=0.2)
    with suppress(Exception):
        retrier.call(scripted(throttling_error()))
    expected = "ERROR ThrottlingException - failed after 1 attempt (deadline). Giving up the Bedrock call."
    assert lines(caplog) == [expected]


def test_throttling_in_another_spelling_has_the_same_line(caplog: pytest.LogCaptureFixture) -> None:
    call(LoggingListener(), stream_error("throttlingException"), "done")
    assert lines(caplog) == ["WARNING ThrottlingException (attempt 1/4). Retrying in 0.50s..."]


def test_another_fault_has_its_own_name(caplog: pytest.LogCaptureFixture) -> None:
    call(LoggingListener(), read_timeout(), read_timeout())
    reason = StopReason.FAULT_LIMIT.value
    assert lines(caplog) == [
        "WARNING ReadTimeoutError (attempt 1/4). Retrying in 0.50s...",
        f"ERROR ReadTimeoutError - failed after 2 attempts ({reason}). Giving up the Bedrock call.",
    ]


def test_a_failure_without_a_retry_is_no_abandoned_call(caplog: pytest.LogCaptureFixture) -> None:
    error = validation_error("Malformed input.")
    call(LoggingListener(), error)
    assert lines(caplog) == [f"ERROR ValidationException: the Bedrock call failed, not retryable: {error}"]


def test_a_subclass_sets_other_texts(caplog: pytest.LogCaptureFixture) -> None:
    class Terse(LoggingListener):
        retry_format = "retry %s %d/%d %.1f"
        abandoned_format = "abandoned %s %d"

    call(Terse(), *throttling_errors(2), policy=PLAIN.replace(max_retries=1))
    assert lines(caplog) == [
        "WARNING retry ThrottlingException 1/2 0.5",
        "ERROR abandoned ThrottlingException 2",
    ]


def test_a_text_may_have_all_three_facts_and_a_percent_sign(caplog: pytest.LogCaptureFixture) -> None:
    class Percent(LoggingListener):
        abandoned_format = "100%% of %s: %d times, %s"

    call(Percent(), throttling_error(), policy=PLAIN.replace(max_retries=0))
    assert lines(caplog) == ["ERROR 100% of ThrottlingException: 1 times, retries exhausted"]


def test_the_default_is_the_packages_logger(caplog: pytest.LogCaptureFixture) -> None:
    call(LoggingListener(), throttling_error(), "done")
    assert [record.name for record in caplog.records] == ["bedrock_resilience"]


def test_another_logger_may_be_given(caplog: pytest.LogCaptureFixture) -> None:
    call(LoggingListener(logging.getLogger("my-lambda")), throttling_error(), "done")
    assert [record.name for record in caplog.records] == ["my-lambda"]


def test_other_events_have_no_line(caplog: pytest.LogCaptureFixture) -> None:
    listener = LoggingListener()
    listener(CallSucceeded(attempts=1, backoff_seconds=0.0, pacing_seconds=0.0, answer="done"))
    listener(
        CallFailed(
            attempts=0, backoff_seconds=0.0, pacing_seconds=0.0, reason=StopReason.DEADLINE, fault=None, error=None
        )
    )
    with pytest.raises(DeadlineExceededError):
        Retrier(PLAIN, clock=FakeClock(), deadline=Deadline(0.0), listeners=[listener]).call(scripted())
    assert lines(caplog) == []


def test_a_wait_for_a_pacer_is_a_debug_line(caplog: pytest.LogCaptureFixture) -> None:
    LoggingListener()(PacingWait(attempt=2, seconds=1.0049))
    assert lines(caplog) == ["DEBUG Waiting 1.00s for the pacer before attempt 2."]


def test_delays_have_two_decimals(caplog: pytest.LogCaptureFixture) -> None:
    LoggingListener()(
        RetryScheduled(attempt=1, max_attempts=4, delay=0.5249, fault=Fault.THROTTLING, error=throttling_error())
    )
    assert lines(caplog) == ["WARNING ThrottlingException (attempt 1/4). Retrying in 0.52s..."]


def test_a_message_that_no_stream_can_write_is_escaped(caplog: pytest.LogCaptureFixture) -> None:
    error = bedrock_error("ValidationException", 400, "half \ud800 a pair")
    LoggingListener()(
        CallFailed(
            attempts=1,
            backoff_seconds=0.0,
            pacing_seconds=0.0,
            reason=StopReason.NOT_RETRYABLE,
            fault=Fault.VALIDATION,
            error=error,
        )
    )
    assert "half \\ud800 a pair" in caplog.messages[-1]
    assert caplog.messages[-1].encode()


def test_the_name_of_a_logger_is_refused_where_the_listener_is_made() -> None:
    with pytest.raises(TypeError) as refused:
        LoggingListener("my-lambda")  # type: ignore[arg-type]
    assert str(refused.value) == (
        "LoggingListener: logger: got 'my-lambda'; accepted: a logger, such as logging.getLogger('my-lambda')"
    )
    adapter: logging.LoggerAdapter[logging.Logger] = logging.LoggerAdapter(logging.getLogger("my-lambda"), {})
    LoggingListener(adapter)  # type: ignore[arg-type]  # it has the methods of a logger
