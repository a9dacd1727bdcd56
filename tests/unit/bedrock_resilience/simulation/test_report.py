"""The report of a simulation."""

from __future__ import annotations

import json

import pytest

from bedrock_resilience._fault import Fault
from bedrock_resilience.pacing import QuotaPacer
from bedrock_resilience.quotas import Quota
from bedrock_resilience.retrying._policy import RetryPolicy
from bedrock_resilience.simulation import (
    InstanceReport,
    Scenario,
    SimulatedRequest,
    SimulationReport,
    Span,
    Tokens,
    simulate,
)
from support.approx import approx


def instance(**changes: float) -> InstanceReport:
    fields: dict[str, float] = {
        "instance": 0,
        "started": 0.0,
        "ended": 10.0,
        "submitted": 0,
        "succeeded": 0,
        "failed": 0,
        "unstarted": 0,
        "attempts": 0,
        "retries": 0,
        "throttles": 0,
        "backoff_seconds": 0.0,
        "pacing_seconds": 0.0,
    }
    return InstanceReport(**{**fields, **changes})  # type: ignore[arg-type]  # numbers, all of them


def report(*instances: InstanceReport, requests: tuple[SimulatedRequest, ...] = ()) -> SimulationReport:
    return SimulationReport(Scenario(), "policy", "pacer", 0, instances, requests)


def test_the_totals_are_those_of_all_instances() -> None:
    both = report(
        instance(
            submitted=10, succeeded=7, failed=2, unstarted=1, attempts=20, retries=9, throttles=8, backoff_seconds=1.5
        ),
        instance(submitted=10, succeeded=10, attempts=12, retries=2, throttles=2, pacing_seconds=2.5, ended=42.25),
    )
    assert (both.submitted, both.succeeded, both.failed, both.unstarted) == (20, 17, 2, 1)
    assert (both.attempts, both.retries, both.throttles) == (32, 11, 10)
    assert (both.backoff_seconds, both.pacing_seconds) == (1.5, 2.5)
    assert both.throttle_rate == approx(10 / 32)
    assert both.failure_rate == approx(2 / 20)
    assert both.makespan == 42.25
    assert both.ratio == approx(42.25 / 84.5)


def test_a_report_of_nothing_divides_by_nothing() -> None:
    empty = simulate(Scenario(items=0))
    assert (empty.throttle_rate, empty.failure_rate, empty.makespan, empty.ratio) == (0.0, 0.0, 0.0, 1.0)
    assert empty.over_time() == []
    assert empty.token_utilisation is None


def test_over_time_counts_what_arrived_at_the_service() -> None:
    simulated = report(
        requests=(
            SimulatedRequest(0.0, 0, None, 60.0),
            SimulatedRequest(4.9, 0, Fault.THROTTLING, 40.0),
            SimulatedRequest(4.9, 1, None, 10.0),
            SimulatedRequest(12.0, 1, Fault.SERVICE_UNAVAILABLE, None),
        )
    )
    assert simulated.over_time(5.0) == [Span(0.0, 2, 1, 0, 60.0), Span(5.0, 0, 0, 0, None), Span(10.0, 0, 0, 1, None)]


def test_a_span_has_a_length() -> None:
    with pytest.raises(ValueError, match=r"^seconds: got 0; accepted: a number > 0$"):
        report().over_time(0)


def test_the_utilisation_counts_the_full_bucket_at_the_start() -> None:
    quota = Quota(tokens_per_minute=10_000)
    tokens = Tokens(1_000, 1_000, 1_000, 0)
    scenario = Scenario(items=4, workers=1, quota=quota, latency=30.0, network=0.0, tokens=tokens)
    # The last request is sent after 90 s: 25,000 were granted, 4,000 used.
    assert simulate(scenario).token_utilisation == approx(4_000 / 25_000)


def test_the_dictionary_is_json_and_holds_the_numbers() -> None:
    quota = Quota(requests_per_minute=50, tokens_per_minute=100_000, burst=5)
    scenario = Scenario(workers=12, items=30, quota=quota, tokens=Tokens())
    numbers = json.loads(json.dumps(simulate(scenario, pacer=lambda: QuotaPacer(quota)).to_dict()))
    assert numbers["attempts"] == numbers["succeeded"] == 30
    assert numbers["lower_bound"] == approx(36.5)
    assert numbers["token_utilisation"] > 0
    assert numbers["instances"][0]["submitted"] == 30
    assert sum(span["admitted"] for span in numbers["over_time"]) == 30
    assert numbers["over_time"][0]["pace"] == approx(50.0)


def test_tokens_are_reported_as_the_service_counted_them() -> None:
    # 300 of 1,000 output tokens cost 1,500 at a burndown of 5: more than they reserve. 150 cost less.
    over, under = (
        simulate(Scenario(instances=2, items=15, tokens=Tokens(500, 500, 1_000, output)), RetryPolicy(9, 1.0))
        for output in (300, 150)
    )
    assert over.throttles > 0
    assert over.tokens is not None
    assert under.tokens is not None
    assert (over.tokens.answers, over.tokens.unknown) == (30, 0), "what was refused has reserved nothing"
    assert (over.tokens.reserved, over.tokens.unused) == (30 * 1_500, 0.0)
    assert over.tokens.settled == over.settled == 30 * 2_000
    assert (under.tokens.unused, under.tokens.advised_max_tokens) == (30 * 250.0, 750)
    numbers = json.loads(json.dumps(under.to_dict()))
    assert numbers["tokens"] == under.tokens.to_dict()
    assert [instance["tokens"]["answers"] for instance in numbers["instances"]] == [15, 15]


def test_where_only_requests_are_counted_no_tokens_are_reported() -> None:
    numbers = json.loads(json.dumps(simulate(Scenario(items=2)).to_dict()))
    assert numbers["tokens"] is None
    assert [instance["tokens"] for instance in numbers["instances"]] == [None]


def test_without_a_token_quota_there_is_no_utilisation() -> None:
    assert simulate(Scenario(items=2)).to_dict()["token_utilisation"] is None
