"""Runs are compared with the limits of the alarms; the advice is the library's and the operations guide's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bedrock_resilience.quotas import RequestTokens, Usage
from vectora_normalize.operations.report import RunNumbers, assess
from vectora_normalize.operations.report.runs import Origin, run_stats

WORKERS = "more workers: MAX_BEDROCK_WORKERS=8"
FEWER = "fewer workers: MAX_BEDROCK_WORKERS=2"
RETRIES = "more retries, longer delays: BEDROCK_MAX_RETRIES=5, BEDROCK_BASE_DELAY=1"
PACER = "pace the requests: BEDROCK_PACING=auto"
OTHERS = (
    "inspect the errors: 6.0% of the items failed (limit 5%), some with faults that no setting prevents: validation"
)
TRANSIENT = "retry other faults: BEDROCK_RETRY_ON=transient"
NO_RESULT = "runs without a result (BedrockRefused): read the message in the log or in the run report"
UNSTARTED = "items not started: the next run starts them; `bedrock.stopped` in the run report has the reason"
TOKENS = (
    "lower max_tokens: MAX_TOKENS=500 in vectora_normalize/normalize/prompt.py; 29% of the reserved tokens were not "
    "used (10000 of 34000); max_tokens is 1000, the longest answer has 100"
)
TIME = "long runs without throttling: more workers, more memory, a longer timeout"


def run(name: str | None = "r-1", **numbers: Any) -> RunNumbers:  # noqa: ANN401 - its fields
    usual: dict[str, Any] = {
        "attempts": 100,
        "retries": 0,
        "throttles": 0,
        "submitted": 100,
        "failed": 0,
        "seconds": 60.0,
    }
    given = RunNumbers(request_id=name, origin=Origin.REPORT, **{**usual, **numbers})
    return replace(given, stats=run_stats(given))


def test_rates_are_over_all_runs_with_known_numbers() -> None:
    assessment = assess(
        [run(attempts=100, retries=10), run(attempts=300, retries=30, failed=4), run(attempts=None, retries=99)]
    )
    assert (assessment.runs, assessment.attempts, assessment.retries, assessment.retry_rate) == (3, 400, 40, 0.1)
    assert (assessment.submitted, assessment.failed, assessment.failure_rate) == (300, 4, 4 / 300)
    assert assessment.longest_seconds == 60.0


def test_without_known_totals_there_are_counts_and_no_rates() -> None:
    assessment = assess([run(attempts=None, retries=3, submitted=None, failed=1, seconds=None)] * 2)
    assert (assessment.attempts, assessment.retries, assessment.retry_rate) == (None, 6, None)
    assert (assessment.submitted, assessment.failed, assessment.failure_rate) == (None, 2, None)
    assert (assessment.longest_seconds, assessment.breaches, assessment.advice) == (None, (), ())


def test_no_runs_exceed_no_limit() -> None:
    assert assess([]).breaches == ()


def test_tokens_are_added_up_over_all_runs_that_report_them() -> None:
    one = RequestTokens(0, 1_000).settled(Usage(700, 100))
    many = sum([one] * 18, one)
    alone, both = assess([run(tokens=many), run()]), assess([run(tokens=many), run(tokens=one)])
    assert (alone.tokens, both.tokens) == (many, many + one)
    assert assess([run()]).tokens is None
    assert alone.advice == assess([run()]).advice == (WORKERS,), "19 answers are too few"
    assert both.advice == (WORKERS, TOKENS)


@pytest.mark.parametrize(
    ("numbers", "breach"),
    [
        ({"retries": 20}, None),
        ({"retries": 21}, "r-1: retry rate 21.0%, over 20%"),
        ({"failed": 5}, None),
        ({"failed": 6}, "r-1: final failure rate 6.0%, over 5%"),
        ({"seconds": 240.0}, None),
        ({"seconds": 241.0}, "r-1: took 241 s, over 240 s"),
        ({"seconds": 60.0, "timed_out": True}, "r-1: timed out after 60 s"),
        ({"attempts": 0, "submitted": 0}, None),
        ({"failed": 1, "unstarted": 99, "error_type": "BedrockRefused"}, "r-1: ended without a result: BedrockRefused"),
        (
            {"attempts": None, "submitted": None, "error_type": "InvalidEvent"},
            "r-1: ended without a result: InvalidEvent",
        ),
        ({"unstarted": 3}, "r-1: 3 items not started"),
    ],
)
def test_a_limit_is_exceeded_beyond_it_and_not_at_it(numbers: dict[str, Any], breach: str | None) -> None:
    assert assess([run(**numbers)]).breaches == (() if breach is None else (breach,))


def test_each_run_is_compared_on_its_own_as_the_alarms_do() -> None:
    assessment = assess([run("a", retries=21), *[run()] * 50, run(None, failed=6)])
    assert assessment.breaches == (
        "a: retry rate 21.0%, over 20%",
        "runs without a request id: final failure rate 6.0%, over 5%",
    )
    assert assessment.retry_rate == pytest.approx(21 / 5200)


@pytest.mark.parametrize(
    ("numbers", "advice"),
    [
        ({}, (WORKERS,)),
        ({"throttles": 4, "retries": 4}, (WORKERS,)),
        ({"throttles": 5, "retries": 5}, (PACER,)),
        ({"retries": 25}, ()),
        ({"throttles": 25, "retries": 25}, (PACER, FEWER)),
        ({"failed": 6, "throttles": 10}, (PACER, RETRIES)),
        ({"failed": 6, "faults": {"throttling": 5, "validation": 1}, "throttles": 10}, (PACER, RETRIES, OTHERS)),
        ({"failed": 6, "faults": {"validation": 6}}, (OTHERS,)),
        ({"failed": 6, "faults": {"internal_server": 6, "overloaded": 1}}, (TRANSIENT,)),
        ({"failed": 6, "faults": {"ThrottlingException": 6}}, (RETRIES,)),
        ({"seconds": 301.0}, (TIME,)),
        ({"seconds": 300.0}, (WORKERS,)),
        ({"seconds": 301.0, "throttles": 5}, (PACER,)),
        ({"seconds": 301.0, "failed": 6}, (RETRIES, TIME)),
        ({"timed_out": True, "throttles": 5}, (PACER,)),
        ({"attempts": 0, "submitted": 0}, ()),
        ({"attempts": 1, "failed": 1, "unstarted": 99, "error_type": "BedrockRefused"}, (NO_RESULT,)),
        ({"unstarted": 3}, (UNSTARTED,)),
    ],
)
def test_advice_follows_the_numbers_of_the_run(numbers: dict[str, Any], advice: tuple[str, ...]) -> None:
    assert assess([run(**numbers)]).advice == advice


def test_more_workers_are_no_advice_where_another_run_is_throttled() -> None:
    throttled = run("a", throttles=25, retries=25)
    assert assess([throttled, run("b"), throttled]).advice == (PACER, FEWER)
    assert assess([run("a"), run("b")]).advice == (WORKERS,)
