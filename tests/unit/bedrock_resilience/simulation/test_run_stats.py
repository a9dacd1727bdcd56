"""A run that has happened is read from its report or from its log."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import pytest

from bedrock_resilience import BoundedExecutor, NoJitter, RetryPolicy
from bedrock_resilience.quotas import RequestTokens, TokenUsage, Usage
from bedrock_resilience.simulation._run_stats import DEFAULT_LATENCY, RunStats, read_run_stats
from bedrock_resilience.testing import FakeClock, throttling_error

LOG = """\
{"level":"WARNING","message":"ThrottlingException détectée (tentative 1/3). Retry dans 0.52s..."}
ThrottlingException (attempt 2/3). Retrying in 1.04s...
garbage \x00 line
{"level":"ERROR","message":"ThrottlingException - Échec après 3 tentatives. Abandon de l'appel Bedrock."}
INFO Normalised: 7 succeeded, 2 failed, 1 not started
"""


def some_report() -> tuple[dict[str, Any], RetryPolicy]:
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
    return report.to_dict(), policy


def test_a_batch_report_is_read() -> None:
    report, _ = some_report()
    seen = read_run_stats(json.dumps(report), workers=1)
    assert (seen.submitted, seen.failed, seen.attempts, seen.retries, seen.throttles) == (8, 1, 10, 2, 3)
    assert (seen.workers, seen.policy) == (1, RetryPolicy())
    assert seen.answered == 7
    assert seen.throttle_rate == pytest.approx(0.3)
    assert seen.failure_rate == pytest.approx(1 / 8)
    # Seven answers of 3 s, one of them after a refusal of 0.1 s.
    assert seen.latency == pytest.approx((7 * 3.0 + 0.1) / 7)


def test_a_run_report_tells_its_settings_too() -> None:
    report, policy = some_report()
    items = report.pop("outcomes")
    whole = {
        "bedrock": {**report, "output_tokens": 2_100},
        "items": items,
        "settings": {"max_workers": 6, "policy": policy.to_env()},
    }
    seen = read_run_stats(json.dumps(whole), max_tokens=1_000)
    assert (seen.workers, seen.policy, seen.output_tokens, seen.max_tokens) == (6, policy, 2_100, 1_000)
    assert seen.elapsed == pytest.approx(report["elapsed"])


def test_the_account_of_tokens_is_read_as_it_was_written() -> None:
    account = RequestTokens(0, 1_000).settled(Usage(700, 100)) + RequestTokens(0, 900).settled(None)
    assert read_run_stats(json.dumps({**BARE, "tokens": account.to_dict()})).tokens == account
    assert read_run_stats(json.dumps({"bedrock": {**BARE, "tokens": account.to_dict()}})).tokens == account
    assert read_run_stats(json.dumps({**BARE, "tokens": None})).tokens is None


@pytest.mark.parametrize(
    ("tokens", "told"),
    [
        (7, "tokens: got 7; accepted: an object, or null"),
        (
            {**TokenUsage().to_dict(), "over_reserved": "some", "answers": -1},
            "tokens: answers: got -1, unused: got 'some'; accepted: finite numbers >= 0",
        ),
    ],
)
def test_an_account_that_cannot_be_is_refused(tokens: object, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        read_run_stats(json.dumps({**BARE, "tokens": tokens}))


def test_a_report_without_answers_has_the_default_latency() -> None:
    bare = {"submitted": 2, "failed": 2, "attempts": 2, "retries": 0, "throttles": 2}
    seen = read_run_stats(json.dumps(bare))
    assert seen.latency == DEFAULT_LATENCY
    assert RunStats(submitted=0, failed=0, attempts=0, retries=0, throttles=0).throttle_rate == 0.0
    assert RunStats(submitted=0, failed=0, attempts=0, retries=0, throttles=0).failure_rate == 0.0


def test_a_log_is_counted_line_by_line() -> None:
    seen = read_run_stats(LOG)
    assert (seen.submitted, seen.failed, seen.retries) == (10, 2, 2)
    assert seen.attempts == 9 + 2  # one item was not started
    assert seen.throttles == 3
    assert seen.policy == RetryPolicy(max_retries=2)


def test_a_logger_that_escapes_letters_with_accents_is_understood() -> None:
    plain = [json.dumps({"level": "INFO", "message": line}, ensure_ascii=False) for line in LOG.splitlines()]
    escaped = [json.dumps({"level": "INFO", "message": line}) for line in LOG.splitlines()]
    assert plain != escaped
    assert read_run_stats("\n".join(escaped)) == read_run_stats("\n".join(plain)) == read_run_stats(LOG)


@pytest.mark.parametrize("nested", [False, True])
def test_the_events_of_a_log_group_are_its_lines(nested: bool) -> None:  # noqa: FBT001 - a case
    lines = [json.dumps({"message": line}) if nested else line for line in LOG.splitlines()]
    events = [{"timestamp": 1_763_000_000_000 + number, "message": line} for number, line in enumerate(lines)]
    for export in ({"events": events, "searchedLogStreams": []}, events, [*events, None, {"message": 5}]):
        assert read_run_stats(json.dumps(export)) == read_run_stats(LOG)


def test_a_log_of_one_line_is_no_report() -> None:
    seen = read_run_stats(json.dumps({"level": "INFO", "message": "3 succeeded, 0 failed, 0 not started"}))
    assert seen.submitted == 3


RETRY = "ThrottlingException (attempt 1/4). Retrying in 0.55s..."
END = "2 succeeded, 0 failed, 0 not started"


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        ([f"[WARNING] 2026-11-21T10:00:00.500Z id {RETRY}", f"[INFO] 2026-11-21T10:02:00.750Z id {END}"], 120.25),
        ([f"2026-11-21 10:00:00,500 WARNING {RETRY}", f"2026-11-21 10:00:10,000 INFO {END}"], 9.5),
        ([json.dumps({"timestamp": f"2026-11-21T10:00:0{at}Z", "message": m}) for at, m in ((1, RETRY), (5, END))], 4),
        ([RETRY, f"2026-11-21T10:00:00Z {END}"], 0),
        ([f"2026-11-21T10:00:00Z {RETRY}", "2026-11-21T11:00:00Z nothing that counts", RETRY, END], 0),
        ([f"2026-99-99T10:00:00Z {RETRY}", f"2026-11-21T10:00:00Z {END}"], 0),
        ([f"2026-11-21T10:00:00Z {END}", f"2026-11-21T11:00:00Z {END}"], 0),
    ],
    ids=["lambda", "logging", "json", "one time", "other lines", "no such day", "two runs"],
)
def test_how_long_the_run_of_a_log_took_stands_in_its_times(lines: list[str], seconds: float) -> None:
    assert read_run_stats("\n".join(lines)).elapsed == seconds


def test_what_is_known_goes_before_what_is_read() -> None:
    assert read_run_stats(LOG, latency=2.0, workers=12).workers == 12
    quiet = read_run_stats("nothing of interest\n", submitted=5)
    assert (quiet.submitted, quiet.attempts, quiet.failed, quiet.policy) == (5, 5, 0, RetryPolicy())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "log: has no line '<n> succeeded, <n> failed, <n> not started'"),
        ('{"attempts": 3}', "report: has no submitted, failed, retries, throttles; accepted: a run report"),
    ],
)
def test_what_is_neither_is_refused(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        read_run_stats(text)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"submitted": "ten"}, "submitted: got 'ten'; accepted: a whole number from 0 to 1,000,000,000"),
        ({"attempts": 10**400}, "accepted: a whole number from 0 to 1,000,000,000"),
        ({"output_tokens": True}, "output_tokens: got True; accepted: a whole number"),
        ({"failed": 11}, "failed: got 11; accepted: no more than submitted (10)"),
        ({"throttles": 13}, "throttles: got 13; accepted: no more than attempts (12)"),
        ({"retries": 13}, "retries: got 13; accepted: no more than attempts (12)"),
        ({"elapsed": -1.0}, "elapsed: got -1.0; accepted: a finite number of seconds >= 0"),
        ({"pacing_seconds": math.nan}, "pacing_seconds: got nan; accepted: a finite number of seconds >= 0"),
        ({"latency": "6.5"}, "latency: got '6.5'; accepted: a finite number of seconds >= 0"),
        ({"workers": 0}, "workers: got 0; accepted: a whole number from 1 to 1,000,000,000"),
        ({"max_tokens": 0}, "max_tokens: got 0; accepted: a whole number from 1 to 1,000,000,000, or None"),
        ({"policy": 3}, "policy: got 3; accepted: a RetryPolicy"),
        ({"attempts": -1, "elapsed": math.inf}, "; and elapsed: got inf; accepted: a finite number of seconds >= 0"),
    ],
)
def test_a_field_that_cannot_be_is_refused_by_name(fields: dict[str, Any], told: str) -> None:
    valid: dict[str, Any] = {"submitted": 10, "failed": 1, "attempts": 12, "retries": 2, "throttles": 3}
    with pytest.raises(ValueError, match=re.escape(told)):
        RunStats(**(valid | fields))


BARE: dict[str, Any] = {"submitted": 2, "failed": 0, "attempts": 2, "retries": 0, "throttles": 0}


def test_what_is_no_outcome_is_skipped() -> None:
    outcomes = [1, None, {"status": "succeeded", "elapsed": "long"}, {"status": "succeeded", "elapsed": 10**400}]
    assert read_run_stats(json.dumps({**BARE, "outcomes": outcomes})).latency == DEFAULT_LATENCY
    timed = [*outcomes, {"status": "succeeded", "elapsed": 4.0, "backoff_seconds": 1.0}]
    assert read_run_stats(json.dumps({**BARE, "outcomes": timed})).latency == 3.0
    assert read_run_stats(json.dumps({**BARE, "outcomes": 3})).latency == DEFAULT_LATENCY


def test_settings_may_be_missing_and_variables_may_be_numbers() -> None:
    for settings in (None, {}, {"policy": None}, {"max_workers": None}, {"policy": {"BEDROCK_MAX_RETRIES": None}}):
        seen = read_run_stats(json.dumps({**BARE, "settings": settings}))
        assert (seen.workers, seen.policy) == (4, RetryPolicy())
    seen = read_run_stats(json.dumps({**BARE, "settings": {"policy": {"BEDROCK_MAX_RETRIES": 7}}}))
    assert seen.policy == RetryPolicy(max_retries=7)


@pytest.mark.parametrize(
    ("report", "told"),
    [
        ({"bedrock": 3}, "bedrock: got 3; accepted: an object, or null"),
        ({**BARE, "settings": [1]}, "settings: got [1]; accepted: an object, or null"),
        ({**BARE, "settings": {"policy": "x"}}, "settings.policy: got 'x'; accepted: an object, or null"),
        ({**BARE, "settings": {"max_workers": 0}}, "workers: got 0; accepted: a whole number from 1"),
        ({**BARE, "elapsed": "a minute"}, "elapsed: got 'a minute'; accepted: a finite number of seconds >= 0"),
    ],
)
def test_a_part_of_a_report_that_cannot_be_is_refused_by_name(report: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        read_run_stats(json.dumps(report))


def test_a_text_of_nothing_but_brackets_is_no_report() -> None:
    with pytest.raises(ValueError, match="log: has no line"):
        read_run_stats("[" * 100_000)


def test_other_errors_in_a_log_are_retries_and_no_throttles() -> None:
    seen = read_run_stats(
        "ServiceUnavailableException (attempt 1/4). Retrying in 0.52s...\n"
        "ThrottlingException (attempt 2/4). Retrying in 1.04s...\n"
        "ReadTimeoutError - failed after 4 attempts. Giving up the Bedrock call.\n"
        "1 succeeded, 1 failed, 0 not started\n"
    )
    assert (seen.retries, seen.failed, seen.throttles) == (2, 1, 1)
