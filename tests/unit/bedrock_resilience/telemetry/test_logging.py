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
from bedrock_resilience.telemetry._logging import LoggingListener
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
def everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [f"{record.levelname} {record.getMessage()}" for record in caplog.records]


def call(listener: LoggingListener, *outcomes: object, policy: RetryPolicy = PLAIN) -> None:
    with suppress(Exception):  # what is raised is not what this is about
        Retrier(policy, clock=FakeClock(), listeners=[listener]).call(scripted(*outcomes))


class TestFrench:
    def test_throttled_then_answered(self, caplog: pytest.LogCaptureFixture) -> None:
        call(LoggingListener(language="fr"), *throttling_errors(3), "answer")
        assert lines(caplog) == [
            "WARNING ThrottlingException détectée (tentative 1/4). Retry dans 0.50s...",
            "WARNING ThrottlingException détectée (tentative 2/4). Retry dans 1.00s...",
            "WARNING ThrottlingException détectée (tentative 3/4). Retry dans 2.00s...",
        ]

    def test_throttled_for_ever(self, caplog: pytest.LogCaptureFixture) -> None:
        call(LoggingListener(language="fr"), *throttling_errors(2), policy=PLAIN.replace(max_retries=1))
        assert lines(caplog) == [
            "WARNING ThrottlingException détectée (tentative 1/2). Retry dans 0.50s...",
            "ERROR ThrottlingException - Échec après 2 tentatives. Abandon de l'appel Bedrock.",
        ]

    def test_without_a_retry_throttling_is_still_counted_as_given_up(self, caplog: pytest.LogCaptureFixture) -> None:
        call(LoggingListener(language="fr"), throttling_error(), policy=PLAIN.replace(max_retries=0))
        assert lines(caplog) == ["ERROR ThrottlingException - Échec après 1 tentatives. Abandon de l'appel Bedrock."]

    def test_throttling_in_another_spelling_is_counted_the_same(self, caplog: pytest.LogCaptureFixture) -> None:
        call(LoggingListener(language="fr"), stream_error("throttlingException"), "answer")
        assert lines(caplog) == ["WARNING ThrottlingException détectée (tentative 1/4). Retry dans 0.50s..."]

    def test_another_fault_has_its_own_name(self, caplog: pytest.LogCaptureFixture) -> None:
        call(LoggingListener(language="fr"), read_timeout(), read_timeout())
        assert lines(caplog) == [
            "WARNING ReadTimeoutError détectée (tentative 1/4). Retry dans 0.50s...",
            "ERROR ReadTimeoutError - Échec après 2 tentatives. Abandon de l'appel Bedrock.",
        ]

    def test_a_failure_without_a_retry_is_no_abandoned_call(self, caplog: pytest.LogCaptureFixture) -> None:
        error = validation_error("Malformed input.")
        call(LoggingListener(language="fr"), error)
        assert lines(caplog) == [f"ERROR ValidationException: the Bedrock call failed, not retryable: {error}"]


class TestEnglish:
    def test_it_is_the_default(self, caplog: pytest.LogCaptureFixture) -> None:
        call(LoggingListener(), *throttling_errors(2), policy=PLAIN.replace(max_retries=1))
        assert lines(caplog) == [
            "WARNING ThrottlingException (attempt 1/2). Retrying in 0.50s...",
            "ERROR ThrottlingException - failed after 2 attempts. Giving up the Bedrock call.",
        ]

    def test_any_other_language_is_refused(self) -> None:
        with pytest.raises(ValueError) as refused:  # noqa: PT011 - the whole text is compared
            LoggingListener(language="de")  # type: ignore[arg-type]  # that is the point
        assert str(refused.value) == "LoggingListener: language: got 'de'; accepted: 'en', 'fr'"


def test_the_packages_own_logger_is_the_default(caplog: pytest.LogCaptureFixture) -> None:
    call(LoggingListener(), throttling_error(), "answer")
    assert [record.name for record in caplog.records] == ["bedrock_resilience"]


def test_another_logger_may_be_given(caplog: pytest.LogCaptureFixture) -> None:
    call(LoggingListener(logging.getLogger("my-lambda")), throttling_error(), "answer")
    assert [record.name for record in caplog.records] == ["my-lambda"]


def test_other_events_have_no_line(caplog: pytest.LogCaptureFixture) -> None:
    listener = LoggingListener()
    listener(PacingWait(seconds=1.0))
    listener(CallSucceeded(attempts=1, backoff_seconds=0.0, pacing_seconds=0.0, answer="answer"))
    listener(
        CallFailed(
            attempts=0, backoff_seconds=0.0, pacing_seconds=0.0, reason=StopReason.DEADLINE, fault=None, error=None
        )
    )
    with pytest.raises(DeadlineExceededError):
        Retrier(PLAIN, clock=FakeClock(), deadline=Deadline(0.0), listeners=[listener]).call(scripted())
    assert lines(caplog) == []


def test_delays_are_told_to_the_hundredth(caplog: pytest.LogCaptureFixture) -> None:
    LoggingListener(language="fr")(
        RetryScheduled(attempt=1, max_attempts=4, delay=0.5249, fault=Fault.THROTTLING, error=throttling_error())
    )
    assert lines(caplog) == ["WARNING ThrottlingException détectée (tentative 1/4). Retry dans 0.52s..."]


def test_a_message_that_no_stream_can_write_is_escaped(caplog: pytest.LogCaptureFixture) -> None:
    error = bedrock_error("ValidationException", 400, "half \ud800 a pair")
    LoggingListener(language="fr")(
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
