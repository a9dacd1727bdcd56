"""The limits are those of the alarms, the advice that of the operations guide."""

from __future__ import annotations

from typing import Any

import pytest

from bedrock_resilience.quotas import RequestTokens, Usage
from vectora_normalize.operations.report import RunNumbers, judge
from vectora_normalize.operations.report.runs import Origin

WORKERS = "throttling is under 5 %: where time matters, MAX_BEDROCK_WORKERS=8"
RETRIES = "final failures: BEDROCK_MAX_RETRIES=5, BEDROCK_BASE_DELAY=1.0"
PACER = "throttling: fewer workers (MAX_BEDROCK_WORKERS), or the pacer (BEDROCK_REQUESTS_PER_MINUTE)"
LASTING = "final failures that no retry helps against (validation): see the run reports"
TRANSIENT = "final failures that may pass (internal_server, overloaded): BEDROCK_RETRY_ON=transient"
REFUSED = "runs that came to nothing (BedrockRefused): their message, in the log and in the run report"
UNSTARTED = "items not started: the next run takes them up; `bedrock.stopped` in the run report says why"
TOKENS = (
    "29% of the reserved tokens in vain: MAX_TOKENS=500 in vectora_normalize/normalize/prompt.py; the longest answer "
    "has 100"
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
    return RunNumbers(request_id=name, origin=Origin.REPORT, **{**usual, **numbers})


def test_rates_are_over_all_runs_that_tell() -> None:
    verdict = judge(
        [run(attempts=100, retries=10), run(attempts=300, retries=30, failed=4), run(attempts=None, retries=99)]
    )
    assert (verdict.runs, verdict.attempts, verdict.retries, verdict.retry_rate) == (3, 400, 40, 0.1)
    assert (verdict.submitted, verdict.failed, verdict.failure_rate) == (300, 4, 4 / 300)
    assert verdict.longest == 60.0


def test_where_no_run_tells_there_is_no_rate_and_yet_a_count() -> None:
    verdict = judge([run(attempts=None, retries=3, submitted=None, failed=1, seconds=None)] * 2)
    assert (verdict.attempts, verdict.retries, verdict.retry_rate) == (None, 6, None)
    assert (verdict.submitted, verdict.failed, verdict.failure_rate) == (None, 2, None)
    assert (verdict.longest, verdict.breaches, verdict.advice) == (None, (), ())


def test_no_runs_are_no_breach() -> None:
    assert judge([]).breaches == ()


def test_tokens_are_those_of_all_runs_that_tell() -> None:
    one = RequestTokens(0, 1_000).settled(Usage(700, 100))
    many = sum([one] * 18, one)
    alone, both = judge([run(tokens=many), run()]), judge([run(tokens=many), run(tokens=one)])
    assert (alone.tokens, both.tokens) == (many, many + one)
    assert judge([run()]).tokens is None
    assert alone.advice == judge([run()]).advice == (WORKERS,), "19 answers are too few"
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
        ({"seconds": 60.0, "killed": True}, "r-1: killed at its timeout, after 60 s"),
        ({"attempts": 0, "submitted": 0}, None),
        ({"failed": 1, "unstarted": 99, "refusal": "BedrockRefused"}, "r-1: came to nothing: BedrockRefused"),
        ({"attempts": None, "submitted": None, "refusal": "InvalidEvent"}, "r-1: came to nothing: InvalidEvent"),
        ({"unstarted": 3}, "r-1: 3 items not started"),
    ],
)
def test_a_limit_is_broken_beyond_it(numbers: dict[str, Any], breach: str | None) -> None:
    assert judge([run(**numbers)]).breaches == (() if breach is None else (breach,))


def test_each_run_is_judged_for_itself_as_the_alarms_do() -> None:
    verdict = judge([run("a", retries=21), *[run()] * 50, run(None, failed=6)])
    assert verdict.breaches == (
        "a: retry rate 21.0%, over 20%",
        "runs without a name: final failure rate 6.0%, over 5%",
    )
    assert verdict.retry_rate == pytest.approx(21 / 5200)


@pytest.mark.parametrize(
    ("numbers", "advice"),
    [
        ({}, (WORKERS,)),
        ({"throttles": 4, "retries": 4}, (WORKERS,)),
        ({"throttles": 5, "retries": 5}, ()),
        ({"throttles": 25, "retries": 25}, (PACER,)),
        ({"failed": 6, "throttles": 10}, (RETRIES,)),
        ({"failed": 6, "faults": {"throttling": 5, "validation": 1}, "throttles": 10}, (RETRIES, LASTING)),
        ({"failed": 6, "faults": {"validation": 6}}, (LASTING,)),
        ({"failed": 6, "faults": {"internal_server": 6, "overloaded": 1}}, (TRANSIENT,)),
        ({"failed": 6, "faults": {"ThrottlingException": 6}}, (RETRIES,)),
        ({"seconds": 301.0}, (TIME,)),
        ({"seconds": 300.0}, (WORKERS,)),
        ({"seconds": 301.0, "throttles": 5}, (PACER,)),
        ({"killed": True, "throttles": 5}, (PACER,)),
        ({"attempts": 0, "submitted": 0}, ()),
        ({"attempts": 1, "failed": 1, "unstarted": 99, "refusal": "BedrockRefused"}, (REFUSED,)),
        ({"unstarted": 3}, (UNSTARTED,)),
    ],
)
def test_advice_is_the_scenario_of_the_guide(numbers: dict[str, Any], advice: tuple[str, ...]) -> None:
    assert judge([run(**numbers)]).advice == advice
