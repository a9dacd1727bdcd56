"""``RunStats`` reads a finished run from its report or from its log."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import pytest

from bedrock_resilience import BatchReport, BoundedExecutor, LoggingListener, NoJitter, RetryPolicy, StopReason
from bedrock_resilience._fault import Fault
from bedrock_resilience.quotas import RequestTokens, TokenUsage, Usage
from bedrock_resilience.retrying._events import CallFailed
from bedrock_resilience.simulation import RunStats, read_run_stats
from bedrock_resilience.simulation._scenario import DEFAULT_LATENCY_SECONDS
from bedrock_resilience.testing import FakeClock, throttling_error

LOG = """\
{"level":"WARNING","message":"ThrottlingException (attempt 1/3). Retrying in 0.52s..."}
ThrottlingException (attempt 2/3). Retrying in 1.04s...
garbage \x00 line
{"level":"ERROR","message":"ThrottlingException - failed after 3 attempts. Giving up the Bedrock call."}
ERROR ValidationException: the Bedrock call failed, not_retryable: The input is too long
"""


def some_report() -> tuple[BatchReport[int, int], RetryPolicy]:
    clock = FakeClock()
    policy = RetryPolicy(max_retries=1, base_delay=4.0, jitter=NoJitter())
    throttled = {2: 1, 5: 9}

    def answer(item: int) -> int:
        clock.sleep(0.1 if throttled.get(item) else 3.0)
        if throttled.get(item):
            throttled[item] -= 1
            raise throttling_error()
        return item

    report = BoundedExecutor(1, policy=policy, clock=clock).run(answer, range(8))
    return report, policy


def test_a_batch_report_is_read() -> None:
    report, _ = some_report()
    stats = read_run_stats(json.dumps(report.to_dict()), workers=1)
    assert (stats.submitted, stats.failed, stats.attempts, stats.retries, stats.throttles) == (8, 1, 10, 2, 3)
    assert (stats.workers, stats.policy) == (1, RetryPolicy())
    assert stats.admitted == 7
    assert stats.throttle_rate == pytest.approx(0.3)
    assert stats.failure_rate == pytest.approx(1 / 8)
    # Seven answers of 3 s, one of them after a refusal of 0.1 s.
    assert stats.latency == pytest.approx((7 * 3.0 + 0.1) / 7)


def test_a_batch_report_is_read_like_its_json() -> None:
    report, policy = some_report()
    stats = RunStats.from_report(report, workers=6, policy=policy)
    assert stats == read_run_stats(json.dumps(report.to_dict()), workers=6, policy=policy)
    assert (stats.workers, stats.policy, stats.faults) == (6, policy, {"throttling": 1})
    assert stats.elapsed == pytest.approx(report.elapsed)


def test_token_usage_is_read_as_it_was_written() -> None:
    usage = RequestTokens(0, 1_000).settled(Usage(700, 100)) + RequestTokens(0, 900).settled(None)
    assert read_run_stats(json.dumps({**BARE, "tokens": usage.to_dict()})).tokens == usage
    assert read_run_stats(json.dumps({**BARE, "tokens": None})).tokens is None


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (7, "tokens: got 7; accepted: an object, or null"),
        (
            {**TokenUsage().to_dict(), "over_reserved": "some", "answers": -1},
            "tokens: answers: got -1, unused: got 'some'; accepted: finite numbers >= 0",
        ),
    ],
)
def test_an_invalid_token_usage_is_refused(tokens: object, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        read_run_stats(json.dumps({**BARE, "tokens": tokens}))


def test_a_report_without_answers_has_the_default_latency() -> None:
    bare = {"submitted": 2, "failed": 2, "attempts": 2, "retries": 0, "throttles": 2}
    stats = read_run_stats(json.dumps(bare))
    assert stats.latency == DEFAULT_LATENCY_SECONDS
    assert RunStats(submitted=0, failed=0, attempts=0, retries=0, throttles=0).throttle_rate == 0.0
    assert RunStats(submitted=0, failed=0, attempts=0, retries=0, throttles=0).failure_rate == 0.0


def test_a_log_is_counted_line_by_line() -> None:
    stats = read_run_stats(LOG, submitted=10)
    assert (stats.submitted, stats.failed, stats.retries) == (10, 2, 2)
    assert stats.attempts == 10 + 2
    assert stats.faults == {"throttling": 1, "ValidationException": 1}
    assert stats.throttles == 3
    assert stats.policy == RetryPolicy(max_retries=2)


def test_a_log_of_one_json_line_is_no_report() -> None:
    line = json.dumps({"level": "WARNING", "message": "ThrottlingException (attempt 1/4). Retrying in 0.52s..."})
    assert read_run_stats(line, submitted=3).retries == 1


RETRY = "ThrottlingException (attempt 1/4). Retrying in 0.55s..."
END = "ThrottlingException - failed after 4 attempts. Giving up the Bedrock call."


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        ([f"[WARNING] 2026-11-21T10:00:00.500Z id {RETRY}", f"[INFO] 2026-11-21T10:02:00.750Z id {END}"], 120.25),
        ([f"2026-11-21 10:00:00,500 WARNING {RETRY}", f"2026-11-21 10:00:10,000 INFO {END}"], 9.5),
        ([json.dumps({"timestamp": f"2026-11-21T10:00:0{at}Z", "message": m}) for at, m in ((1, RETRY), (5, END))], 4),
        ([RETRY, f"2026-11-21T10:00:00Z {END}"], 0),
        ([f"2026-11-21T10:00:00Z {RETRY}", "2026-11-21T11:00:00Z nothing that counts", RETRY, END], 0),
        ([f"2026-99-99T10:00:00Z {RETRY}", f"2026-11-21T10:00:00Z {END}"], 0),
    ],
    ids=["lambda", "logging", "json", "one time", "other lines", "no such day"],
)
def test_a_log_shows_its_duration_in_its_timestamps(lines: list[str], seconds: float) -> None:
    assert read_run_stats("\n".join(lines), submitted=2).elapsed == seconds


def test_known_fields_replace_those_read() -> None:
    assert read_run_stats(LOG, submitted=10, latency=2.0, workers=12).workers == 12
    no_lines = read_run_stats("nothing of interest\n", submitted=5)
    assert (no_lines.submitted, no_lines.attempts, no_lines.failed, no_lines.policy) == (5, 5, 0, RetryPolicy())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "log: the number of items is unknown; accepted: a BatchReport as JSON, or a log and its number of items"),
        ('{"attempts": 3}', "report: has no submitted, failed, retries, throttles; accepted: a BatchReport"),
    ],
)
def test_neither_report_nor_log_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        read_run_stats(text)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"submitted": "ten"}, "submitted: got 'ten'; accepted: a whole number from 0 to 1,000,000,000"),
        ({"attempts": 10**400}, "accepted: a whole number from 0 to 1,000,000,000"),
        ({"retries": True}, "retries: got True; accepted: a whole number"),
        ({"failed": 11}, "failed: got 11; accepted: no more than submitted (10)"),
        ({"throttles": 13}, "throttles: got 13; accepted: no more than attempts (12)"),
        ({"retries": 13}, "retries: got 13; accepted: no more than attempts (12)"),
        ({"elapsed": -1.0}, "elapsed: got -1.0; accepted: a finite number of seconds >= 0"),
        ({"pacing_seconds": math.nan}, "pacing_seconds: got nan; accepted: a finite number of seconds >= 0"),
        ({"latency": "6.5"}, "latency: got '6.5'; accepted: a finite number of seconds >= 0"),
        ({"workers": 0}, "workers: got 0; accepted: a whole number from 1 to 1,000,000,000"),
        ({"tokens": 3}, "tokens: got 3; accepted: a TokenUsage, or None"),
        (
            {"faults": ["throttling"]},
            "faults: got ['throttling']; accepted: a mapping from the name of a fault to a count",
        ),
        ({"policy": 3}, "policy: got 3; accepted: a RetryPolicy"),
        ({"attempts": -1, "elapsed": math.inf}, "; elapsed: got inf; accepted: a finite number of seconds >= 0"),
    ],
)
def test_an_invalid_field_is_refused_by_name(fields: dict[str, Any], message: str) -> None:
    valid: dict[str, Any] = {"submitted": 10, "failed": 1, "attempts": 12, "retries": 2, "throttles": 3}
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        RunStats(**(valid | fields))


BARE: dict[str, Any] = {"submitted": 2, "failed": 0, "attempts": 2, "retries": 0, "throttles": 0}


def test_invalid_outcomes_are_skipped() -> None:
    outcomes = [1, None, {"status": "succeeded", "elapsed": "long"}, {"status": "succeeded", "elapsed": 10**400}]
    assert read_run_stats(json.dumps({**BARE, "outcomes": outcomes})).latency == DEFAULT_LATENCY_SECONDS
    timed = [*outcomes, {"status": "succeeded", "elapsed": 4.0, "backoff_seconds": 1.0}]
    assert read_run_stats(json.dumps({**BARE, "outcomes": timed})).latency == 3.0
    assert read_run_stats(json.dumps({**BARE, "outcomes": 3})).latency == DEFAULT_LATENCY_SECONDS


@pytest.mark.parametrize(
    ("report", "message"),
    [
        ({**BARE, "faults": [1]}, "faults: got [1]; accepted: an object, or null"),
        ({**BARE, "elapsed": "a minute"}, "elapsed: got 'a minute'; accepted: a finite number of seconds >= 0"),
    ],
)
def test_an_invalid_part_of_a_report_is_refused_by_name(report: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        read_run_stats(json.dumps(report))


def test_deeply_nested_brackets_are_no_report() -> None:
    with pytest.raises(ValueError, match="log: the number of items is unknown"):
        read_run_stats("[" * 100_000)


@pytest.mark.parametrize("reason", list(StopReason))
def test_the_final_line_is_read_whatever_its_reason(reason: StopReason, caplog: pytest.LogCaptureFixture) -> None:
    facts: dict[str, Any] = {"backoff_seconds": 0.0, "pacing_seconds": 0.0, "fault": Fault.THROTTLING}
    for attempts in (1, 4):
        LoggingListener()(CallFailed(**facts, attempts=attempts, reason=reason, error=throttling_error()))
    assert read_run_stats("\n".join(caplog.messages), submitted=2).failed == 2


def test_the_final_line_of_earlier_versions_is_read() -> None:
    line = "ThrottlingException - failed after 1 attempts. Giving up the Bedrock call."
    assert read_run_stats(line, submitted=1).failed == 1


def test_other_errors_in_a_log_are_retries_and_no_throttles() -> None:
    stats = read_run_stats(
        "ServiceUnavailableException (attempt 1/4). Retrying in 0.52s...\n"
        "ThrottlingException (attempt 2/4). Retrying in 1.04s...\n"
        "ReadTimeoutError - failed after 4 attempts. Giving up the Bedrock call.\n",
        submitted=2,
    )
    assert (stats.retries, stats.failed, stats.throttles) == (2, 1, 1)
