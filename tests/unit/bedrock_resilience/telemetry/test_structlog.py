"""StructlogListener: the lines that structlog writes."""

from __future__ import annotations

import importlib
import json
from typing import Any, NoReturn

import pytest

from bedrock_resilience import BedrockRuntime, NoJitter, Quota, QuotaPacer, Retrier, RetryPolicy
from bedrock_resilience.quotas import RequestTokens
from bedrock_resilience.retrying import CallInfo
from bedrock_resilience.telemetry import StructlogListener
from bedrock_resilience.testing import FakeClock, ScriptedBedrock, scripted, throttling_error, validation_error

structlog: Any = pytest.importorskip("structlog")
capture_logs: Any = importlib.import_module("structlog.testing").capture_logs

INFO = CallInfo(operation="Converse", model="m", region="eu-west-3")
ANSWER = {"usage": {"inputTokens": 100, "outputTokens": 20, "totalTokens": 120}}


def logged(*outcomes: object, **options: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - as those of Retrier
    policy = RetryPolicy(max_retries=1, jitter=NoJitter())
    with capture_logs() as lines:
        retrier = Retrier(policy, clock=FakeClock(), listeners=[StructlogListener()], info=INFO, **options)
        try:
            retrier.call(scripted(*outcomes))
        except BaseException as error:  # noqa: BLE001 - these tests read the log
            del error
    found: list[dict[str, Any]] = lines
    (call_id,) = {line.pop("call_id") for line in found}
    assert call_id
    return found


CALL = {"operation": "Converse", "model": "m", "region": "eu-west-3"}


def test_a_call_that_is_throttled_once() -> None:
    error = throttling_error()
    started, retry, succeeded = logged(error, "answer")
    assert started == {
        "event": "bedrock_call_started",
        "log_level": "debug",
        **CALL,
        "backoff_seconds": 0.0,
        "pacing_seconds": 0.0,
    }
    assert retry == {
        "event": "bedrock_retry_scheduled",
        "log_level": "warning",
        **CALL,
        "attempt": 1,
        "max_attempts": 2,
        "delay": 0.5,
        "backoff_seconds": 0.0,
        "pacing_seconds": 0.0,
        "fault": "throttling",
        "error": "ThrottlingException",
        "message": str(error),
    }
    assert succeeded == {
        "event": "bedrock_call_succeeded",
        "log_level": "info",
        **CALL,
        "attempts": 2,
        "retries": 1,
        "throttles": 1,
        "backoff_seconds": 0.5,
        "pacing_seconds": 0.0,
        "fault": "throttling",
    }


def test_a_call_that_fails() -> None:
    _, failed = logged(validation_error())
    assert (failed["event"], failed["log_level"]) == ("bedrock_call_failed", "error")
    assert (failed["reason"], failed["fault"], failed["error"]) == (
        "not retryable",
        "validation",
        "ValidationException",
    )


def test_a_call_that_is_cancelled() -> None:
    _, cancelled = logged(KeyboardInterrupt())
    assert (cancelled["event"], cancelled["log_level"]) == ("bedrock_call_cancelled", "warning")
    assert cancelled["error"] == "KeyboardInterrupt"


def test_tokens_and_the_pacer() -> None:
    pacer = QuotaPacer(Quota(requests_per_minute=30, burst=1))
    pacer.due(pacer.reserve(0.0), 0.0)
    _, wait, succeeded = logged(ANSWER, pacer=pacer, tokens=RequestTokens(100, 200, burndown=5))
    assert (wait["event"], wait["log_level"], wait["attempt"]) == ("bedrock_pacing_wait", "debug", 1)
    assert wait["seconds"] == succeeded["pacing_seconds"]
    assert (succeeded["tokens_reserved"], succeeded["tokens_settled"], succeeded["tokens_unused"]) == (300, 200, 100)
    assert succeeded["pacer_confidence"] == 1.0
    assert succeeded["pacer_requests_per_minute"] == pacer.requests_per_minute


def test_a_stream() -> None:
    with capture_logs() as lines:
        runtime = BedrockRuntime(ScriptedBedrock("Hello"), Retrier(listeners=[StructlogListener()]))
        list(runtime.converse_stream(modelId="m", messages=[]))
    assert [line["event"] for line in lines] == [
        "bedrock_call_started",
        "bedrock_stream_opened",
        "bedrock_call_succeeded",
    ]


def test_another_logger_and_its_format() -> None:
    written: list[dict[str, Any]] = []

    def write(_: object, __: str, line: str) -> NoReturn:
        written.append(json.loads(line))
        raise structlog.DropEvent

    logger = structlog.wrap_logger(
        structlog.PrintLogger(),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.JSONRenderer(),
            write,
        ],
    )
    Retrier(listeners=[StructlogListener(logger)], info=INFO).call(scripted("answer"))
    assert [line["event"] for line in written] == ["bedrock_call_started", "bedrock_call_succeeded"]
