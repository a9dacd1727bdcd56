"""The numbers of a run come from its report, its metrics or its log lines, and count once."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bedrock_resilience import RetryPolicy
from bedrock_resilience.quotas import RequestTokens, Usage
from bedrock_resilience.simulation import RunStats
from support.logfiles import ABANDONED, RETRY, as_json, lines, metrics, run_report
from vectora_normalize.operations.report import LogLine, RunNumbers, find_runs, parse_lines
from vectora_normalize.operations.report.runs import Origin

REQUEST = "0c5dcf9c-2f4a-4a54-8d5a-9d1d1f6a7a11"
TIMED_OUT = f"2026-11-21T10:05:00.000Z {REQUEST} Task timed out after 300.03 seconds"


def of_lines(*given: str) -> list[RunNumbers]:
    return find_runs(parse_lines("\n".join(given).encode()))


def of_json(value: object) -> list[RunNumbers]:
    return find_runs(parse_lines(as_json(value)))


def test_a_report_has_all_numbers() -> None:
    report = run_report(
        seconds=180.5, attempts=120, retries=16, throttles=18, submitted=104, failed=2, faults={"throttling": 2}
    )
    (run,) = of_json(report)
    assert replace(run, stats=None) == RunNumbers(
        request_id="r-1",
        origin=Origin.REPORT,
        attempts=120,
        retries=16,
        throttles=18,
        submitted=104,
        failed=2,
        seconds=180.5,
        faults={"throttling": 2},
    )
    assert (run.retry_rate, run.throttle_rate) == (16 / 120, 18 / 120)
    assert run.failure_rate == 2 / 104


def test_a_report_may_have_token_usage() -> None:
    usage = RequestTokens(0, 1_000).settled(Usage(700, 100))
    (known,) = of_json(run_report(tokens=usage.to_dict()))
    assert known.tokens == usage
    nothing: tuple[object, ...] = (None, {}, "none", {**usage.to_dict(), "reserved": "all"})
    for tokens in nothing:
        assert [run.tokens for run in of_json(run_report(tokens=tokens))] == [None]


def test_a_dry_run_is_no_run() -> None:
    report = run_report(unstarted=104, submitted=104) | {"request": {"dry_run": True}}
    assert of_json(report) == []
    line: dict[str, Any] = {
        "_aws": {},
        "request_id": "r-1",
        "DryRuns": [1.0],
        "message": "run failed: AllSourcesFailed: all",
    }
    failed = {"request_id": "r-1", "message": "run failed: AllSourcesFailed: all 2 of them failed"}
    assert of_lines(as_json(failed).decode(), as_json(line).decode()) == []
    assert len(of_json(run_report() | {"request": {"dry_run": False}})) == 1


def test_a_line_of_metrics_has_almost_all_numbers() -> None:
    (run,) = of_lines(
        metrics(
            Attempts=120,
            Retries=16,
            Throttles=18,
            ItemsNormalized=100,
            ItemsFailed=2,
            ItemsUnstarted=1,
            DurationSeconds=9.5,
        )
    )
    assert run.origin is Origin.METRICS
    assert (run.attempts, run.retries, run.throttles) == (120, 16, 18)
    assert (run.submitted, run.failed, run.seconds) == (103, 2, 9.5)


def test_items_that_were_queued_were_submitted() -> None:
    (run,) = of_lines(metrics(ItemsNormalized=1, ItemsQueued=5))
    assert run.submitted == 6


def test_lines_add_up_to_a_run() -> None:
    given_lines = (RETRY, RETRY, RETRY, ABANDONED, "Normalized: 9 succeeded, 1 failed, 2 not started")
    (run,) = of_lines(*lines(*given_lines))
    assert replace(run, stats=None) == RunNumbers(
        request_id="r-1",
        origin=Origin.LINES,
        attempts=13,
        retries=3,
        throttles=4,
        submitted=12,
        failed=1,
        seconds=None,
        unstarted=2,
        faults={"ThrottlingException": 1},
    )


@pytest.mark.parametrize("encoding", ["cp1252", "cp850", "utf-16", "mac-roman"])
def test_lines_count_in_any_encoding_of_a_console(encoding: str) -> None:
    given_lines = f"{RETRY}\r\n{ABANDONED}\r\nNormalisation terminée : 9 succès, 1 échecs\r\n"
    (run,) = find_runs(parse_lines(given_lines.encode(encoding)))
    assert (run.attempts, run.retries, run.submitted, run.failed) == (11, 1, 10, 1)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_accents_may_be_written_in_either_form(form: Literal["NFC", "NFD"]) -> None:
    given_lines = f"{RETRY}\n{ABANDONED}\nNormalisation terminée : 9 succès, 1 échecs\n"
    (run,) = of_lines(unicodedata.normalize(form, given_lines))
    assert (run.attempts, run.retries, run.submitted, run.failed) == (11, 1, 10, 1)


def test_wrongly_decoded_lines_count() -> None:
    (run,) = of_lines(RETRY.encode().decode("cp1252"), ABANDONED.encode().decode("cp1252"))
    assert (run.retries, run.failed) == (1, 1)


@pytest.mark.parametrize("how", ["refused", "came to nothing"])
def test_a_log_line_gives_the_error_type_of_a_response(how: str) -> None:
    (run,) = of_lines(*lines(f"{how}: BedrockRefused: Bedrock refused the run: access_denied"))
    assert (run.error_type, run.attempts, run.submitted) == ("BedrockRefused", None, None)
    (run,) = of_lines(*lines(f"{how}: BedrockRefused: x"), metrics(Attempts=1, ItemsFailed=1, ItemsUnstarted=111))
    assert (run.error_type, run.attempts, run.unstarted) == ("BedrockRefused", 1, 111)


def test_a_report_gives_the_error_type_of_a_response() -> None:
    refused = {**run_report(attempts=1, submitted=112, failed=1, unstarted=111), "error_type": "BedrockRefused"}
    (run,) = of_json(refused)
    assert (run.error_type, run.unstarted) == ("BedrockRefused", 111)


def test_items_queued_for_workers_do_not_count_as_unstarted() -> None:
    (run,) = of_json({**run_report(submitted=30, unstarted=20), "work": {"queued": 15}})
    assert run.unstarted == 5


@pytest.mark.parametrize(
    ("retry", "abandoned", "batch"),
    [
        (RETRY, ABANDONED, "Normalisation terminée : 3 succès, 1 échecs"),
        (
            "ThrottlingException (attempt 1/4). Retrying in 0.52s...",
            "ThrottlingException - failed after 4 attempts. Giving up the Bedrock call.",
            "Normalized: 3 succeeded, 1 failed, 0 not started",
        ),
        (
            "ThrottlingException (attempt 1/4). Retrying in 0.52s...",
            "ThrottlingException - failed after 1 attempt (this fault's own retries exhausted). Giving up the call.",
            "Normalized: 3 succeeded, 1 failed, 0 not started",
        ),
    ],
)
def test_plain_lines_of_either_language_count(retry: str, abandoned: str, batch: str) -> None:
    (run,) = of_lines(f"WARNING {retry}", f"ERROR {abandoned}", f"INFO {batch}")
    assert (run.request_id, run.attempts, run.retries, run.throttles, run.submitted, run.failed) == (
        None,
        5,
        1,
        2,
        4,
        1,
    )


def test_a_retry_of_another_fault_is_no_throttle() -> None:
    (run,) = of_lines(*lines(RETRY.replace("Throttling", "ServiceUnavailable"), ABANDONED.replace("Throttling", "X")))
    assert (run.retries, run.throttles, run.failed) == (1, 0, 1)
    assert run.faults == {"XException": 1}


def test_without_a_line_of_totals_the_rates_are_not_known() -> None:
    (run,) = of_lines(*lines(RETRY, ABANDONED))
    assert (run.attempts, run.retries, run.submitted, run.failed) == (None, 1, None, 1)
    assert (run.retry_rate, run.throttle_rate, run.failure_rate) == (None, None, None)


def test_a_run_described_three_times_counts_once_as_in_its_report() -> None:
    given_lines = [*lines(RETRY, RETRY), metrics(Attempts=10, Retries=2, ItemsNormalized=8)]
    report = as_json(run_report(attempts=11, retries=2, submitted=9)).decode()
    for order in ([*given_lines, report], [report, *given_lines], [*reversed(given_lines), report, report]):
        (run,) = of_lines(*order)
        assert (run.origin, run.attempts) == (Origin.REPORT, 11)


def test_runs_are_in_the_order_of_their_first_lines() -> None:
    given_lines = (
        *lines(RETRY, request_id="b"),
        metrics("a", Attempts=1),
        metrics("c", Attempts=2),
        *lines(RETRY, request_id="b"),
    )
    assert [(run.request_id, run.retries) for run in of_lines(*given_lines)] == [("b", 2), ("a", 0), ("c", 0)]


def test_a_timeout_is_read_from_lambda_s_own_line() -> None:
    (run,) = of_lines(*lines(RETRY, request_id=REQUEST), TIMED_OUT)
    assert (run.request_id, run.timed_out, run.seconds, run.retries, run.attempts) == (REQUEST, True, 300.03, 1, None)
    (run,) = of_lines(metrics(REQUEST, Attempts=4), TIMED_OUT)
    assert (run.timed_out, run.attempts) == (True, 4)


@pytest.mark.parametrize(
    "other",
    [
        {"_aws": {}, "RunsRefused": [1.0]},
        {"Attempts": 1, "Retries": 1, "Throttles": 1, "ItemsFailed": 0},
        {"_aws": {}, "Attempts": [], "Retries": 1, "Throttles": 1, "ItemsFailed": 0},
        {"_aws": {}, "Attempts": "1", "Retries": True, "Throttles": [1, 2], "ItemsFailed": float("inf")},
        {"bedrock": {"attempts": 1}, "seconds": {}},
        {"bedrock": [1], "seconds": 2},
        {"message": "12 of 12 items normalized", "request_id": "r-1"},
        {"message": "START RequestId: x"},
    ],
)
def test_lines_of_other_programs_are_no_runs(other: dict[str, Any]) -> None:
    assert find_runs([LogLine(str(other.get("message", "")), other)]) == []


def test_a_report_without_an_id_and_a_duration_is_a_run() -> None:
    bedrock = {"attempts": 1, "retries": 0, "throttles": 0, "submitted": 1, "failed": 0, "faults": {"x": "y"}}
    (run,) = of_json({"bedrock": bedrock, "request_id": 7})
    assert (run.request_id, run.seconds, run.faults) == (None, None, {})


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers())
NAMES = st.sampled_from(["_aws", "Attempts", "Retries", "Throttles", "ItemsFailed", "request_id", "bedrock", "seconds"])


@given(st.dictionaries(NAMES, VALUES | st.dictionaries(st.sampled_from(["attempts", "total", "faults"]), VALUES)))
def test_no_object_is_refused(fields: dict[str, Any]) -> None:
    for run in find_runs([LogLine(RETRY, fields)]):
        assert run.retries >= 0 or run.origin is not Origin.LINES


def test_a_report_is_handed_to_the_library_with_its_settings() -> None:
    policy = RetryPolicy(max_retries=5, base_delay=1.0)
    report = {
        **run_report(attempts=12, retries=2, throttles=2, submitted=10, faults={}, elapsed=60.0, pacing_seconds=3.5),
        "items": [{"status": "succeeded", "elapsed": 4.0, "backoff_seconds": 1.0}],
        "settings": {"max_workers": 6, "policy": policy.to_env()},
    }
    (run,) = of_json(report)
    assert run.stats == RunStats(
        submitted=10, failed=0, attempts=12, retries=2, throttles=2, elapsed=60.0, latency=3.0, workers=6,
        policy=policy, pacing_seconds=3.5,
    )  # fmt: skip


@pytest.mark.parametrize("settings", [None, {}, {"policy": None}, {"policy": {"BEDROCK_MAX_RETRIES": None}}])
def test_a_report_without_settings_has_the_default_ones(settings: object) -> None:
    (run,) = of_json({**run_report(attempts=1, submitted=1), "settings": settings})
    assert run.stats == RunStats(submitted=1, failed=0, attempts=1, retries=0, throttles=0)


def test_variables_in_a_report_may_be_numbers() -> None:
    (run,) = of_json({**run_report(), "settings": {"policy": {"BEDROCK_MAX_RETRIES": 7}}})
    assert run.stats is not None
    assert run.stats.policy == RetryPolicy(max_retries=7)


def test_damaged_settings_cost_their_own_part_only() -> None:
    (run,) = of_json({**run_report(attempts=1, submitted=1), "settings": {"max_workers": 0}})
    assert (run.attempts, run.stats) == (
        1,
        RunStats(submitted=1, failed=0, attempts=1, retries=0, throttles=0, elapsed=100.0),
    )
    (impossible,) = of_json(run_report(attempts=1, retries=2, submitted=1))
    assert (impossible.retries, impossible.stats) == (2, None)


def test_lines_and_metrics_are_handed_to_the_library() -> None:
    (run,) = of_lines(*lines(RETRY, ABANDONED, "Normalised: 9 succeeded, 1 failed, 2 not started"))
    assert run.stats == RunStats(submitted=12, failed=1, attempts=11, retries=1, throttles=2, faults={"throttling": 1})
    (run,) = of_lines(metrics(Attempts=10, ItemsNormalized=10, DurationSeconds=9.5))
    assert run.stats == RunStats(submitted=10, failed=0, attempts=10, retries=0, throttles=0, elapsed=9.5)
    (run,) = of_lines(*lines(RETRY))
    assert run.stats is None
