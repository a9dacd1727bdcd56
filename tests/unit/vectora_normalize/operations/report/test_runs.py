"""What a run has cost is read off whatever it has left, and counted once."""

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
KILLED = f"2026-11-21T10:05:00.000Z {REQUEST} Task timed out after 300.03 seconds"


def of_lines(*given: str) -> list[RunNumbers]:
    return find_runs(parse_lines("\n".join(given).encode()))


def of_json(value: object) -> list[RunNumbers]:
    return find_runs(parse_lines(as_json(value)))


def test_a_report_tells_all() -> None:
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


def test_a_report_may_have_an_account_of_tokens() -> None:
    account = RequestTokens(0, 1_000).settled(Usage(700, 100))
    (known,) = of_json(run_report(tokens=account.to_dict()))
    assert known.tokens == account
    nothing: tuple[object, ...] = (None, {}, "none", {**account.to_dict(), "reserved": "all"})
    for told in nothing:
        assert [run.tokens for run in of_json(run_report(tokens=told))] == [None]


def test_a_line_of_metrics_tells_almost_all() -> None:
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
    told = (RETRY, RETRY, RETRY, ABANDONED, "Normalised: 9 succeeded, 1 failed, 2 not started")
    (run,) = of_lines(*lines(*told))
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
def test_a_console_that_writes_another_encoding_loses_no_line(encoding: str) -> None:
    told = f"{RETRY}\r\n{ABANDONED}\r\nNormalisation terminée : 9 succès, 1 échecs\r\n"
    (run,) = find_runs(parse_lines(told.encode(encoding)))
    assert (run.attempts, run.retries, run.submitted, run.failed) == (11, 1, 10, 1)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_accents_may_be_written_in_either_form(form: Literal["NFC", "NFD"]) -> None:
    told = f"{RETRY}\n{ABANDONED}\nNormalisation terminée : 9 succès, 1 échecs\n"
    (run,) = of_lines(unicodedata.normalize(form, told))
    assert (run.attempts, run.retries, run.submitted, run.failed) == (11, 1, 10, 1)


def test_what_was_decoded_wrongly_before_is_counted_as_well() -> None:
    (run,) = of_lines(RETRY.encode().decode("cp1252"), ABANDONED.encode().decode("cp1252"))
    assert (run.retries, run.failed) == (1, 1)


@pytest.mark.parametrize("how", ["refused", "came to nothing"])
def test_an_answer_that_is_no_200_is_known_by_its_line(how: str) -> None:
    (run,) = of_lines(*lines(f"{how}: BedrockRefused: Bedrock refused the run: access_denied"))
    assert (run.error_type, run.attempts, run.submitted) == ("BedrockRefused", None, None)
    (run,) = of_lines(*lines(f"{how}: BedrockRefused: x"), metrics(Attempts=1, ItemsFailed=1, ItemsUnstarted=111))
    assert (run.error_type, run.attempts, run.unstarted) == ("BedrockRefused", 1, 111)


def test_an_answer_that_is_no_200_is_known_by_its_report() -> None:
    refused = {**run_report(attempts=1, submitted=112, failed=1, unstarted=111), "error_type": "BedrockRefused"}
    (run,) = of_json(refused)
    assert (run.error_type, run.unstarted) == ("BedrockRefused", 111)


def test_items_that_workers_have_before_them_are_no_unstarted_ones() -> None:
    (run,) = of_json({**run_report(submitted=30, unstarted=20), "work": {"queued": 15}})
    assert run.unstarted == 5


@pytest.mark.parametrize(
    ("retry", "abandoned", "batch"),
    [
        (RETRY, ABANDONED, "Normalisation terminée : 3 succès, 1 échecs"),
        (
            "ThrottlingException (attempt 1/4). Retrying in 0.52s...",
            "ThrottlingException - failed after 4 attempts. Giving up the Bedrock call.",
            "Normalised: 3 succeeded, 1 failed, 0 not started",
        ),
    ],
)
def test_plain_lines_of_either_language_do(retry: str, abandoned: str, batch: str) -> None:
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


def test_without_a_line_that_sums_up_the_rates_are_not_known() -> None:
    (run,) = of_lines(*lines(RETRY, ABANDONED))
    assert (run.attempts, run.retries, run.submitted, run.failed) == (None, 1, None, 1)
    assert (run.retry_rate, run.throttle_rate, run.failure_rate) == (None, None, None)


def test_a_run_that_is_told_of_three_times_counts_once_as_its_report_has_it() -> None:
    told = [*lines(RETRY, RETRY), metrics(Attempts=10, Retries=2, ItemsNormalized=8)]
    report = as_json(run_report(attempts=11, retries=2, submitted=9)).decode()
    for order in ([*told, report], [report, *told], [*reversed(told), report, report]):
        (run,) = of_lines(*order)
        assert (run.origin, run.attempts) == (Origin.REPORT, 11)


def test_runs_come_by_name_in_the_order_in_which_they_are_told() -> None:
    told = (
        *lines(RETRY, request_id="b"),
        metrics("a", Attempts=1),
        metrics("c", Attempts=2),
        *lines(RETRY, request_id="b"),
    )
    assert [(run.request_id, run.retries) for run in of_lines(*told)] == [("b", 2), ("a", 0), ("c", 0)]


def test_a_run_that_was_killed_is_known_by_lambda_s_own_line() -> None:
    (run,) = of_lines(*lines(RETRY, request_id=REQUEST), KILLED)
    assert (run.request_id, run.timed_out, run.seconds, run.retries, run.attempts) == (REQUEST, True, 300.03, 1, None)
    (run,) = of_lines(metrics(REQUEST, Attempts=4), KILLED)
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
        {"message": "12 of 12 items normalised", "request_id": "r-1"},
        {"message": "START RequestId: x"},
    ],
)
def test_lines_of_others_are_no_runs(other: dict[str, Any]) -> None:
    assert find_runs([LogLine(str(other.get("message", "")), other)]) == []


def test_a_report_without_names_and_times_is_a_run_all_the_same() -> None:
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
