"""How evenly the instances of a simulation share the quota, and after how many seconds."""

from __future__ import annotations

import math

import pytest

from bedrock_resilience._fault import Fault
from bedrock_resilience.pacing import AdaptivePacer
from bedrock_resilience.quotas import Quota
from bedrock_resilience.simulation import InstanceReport, Scenario, SimulatedRequest, SimulationReport, simulate
from support.approx import approx


def instance(number: int, started: float, ended: float) -> InstanceReport:
    return InstanceReport(
        instance=number,
        started=started,
        ended=ended,
        submitted=0,
        succeeded=0,
        failed=0,
        unstarted=0,
        attempts=0,
        retries=0,
        throttles=0,
        backoff_seconds=0.0,
        pacing_seconds=0.0,
    )


def report(spans: list[tuple[float, float]], requests: list[tuple[float, int]]) -> SimulationReport:
    instances = tuple(instance(number, *span) for number, span in enumerate(spans))
    sent = tuple(SimulatedRequest(at, sender, None, None) for at, sender in sorted(requests))
    return SimulationReport(Scenario(), "policy", "pacer", 0, instances, sent)


@pytest.mark.parametrize("spans", [[], [(0.0, 100.0)], [(0.0, 100.0), (100.0, 200.0)]])
def test_who_is_alone_shares_with_nobody(spans: list[tuple[float, float]]) -> None:
    alone = report(spans, [(1.0, 0)] if spans else [])
    assert alone.share_ratio is None
    assert alone.seconds_to_share is None
    assert alone.to_dict()["share_ratio"] is None


def test_only_the_time_in_which_all_run_counts() -> None:
    early = [(float(at), 0) for at in range(50)]
    together = [(60.0 + at, number) for at in range(0, 60, 6) for number in (0, 1)]
    shared = report([(0.0, 120.0), (60.0, 300.0)], [*early, *together, (62.0, 0), (250.0, 1)])
    assert shared.share_ratio == approx(11 / 10)
    assert shared.seconds_to_share == 0.0
    assert shared.to_dict()["share_ratio"] == 1.1


def test_refused_requests_are_no_share() -> None:
    refused = tuple(SimulatedRequest(float(at), 1, Fault.THROTTLING, None) for at in range(10))
    instances = (instance(0, 0.0, 100.0), instance(1, 0.0, 100.0))
    admitted = SimulatedRequest(5.0, 0, None, None)
    starved = SimulationReport(Scenario(), "policy", "pacer", 0, instances, (*refused[:5], admitted, *refused[5:]))
    assert starved.share_ratio == math.inf
    assert starved.seconds_to_share is None
    assert starved.to_dict()["share_ratio"] is None


def test_the_seconds_count_to_the_first_even_minute() -> None:
    first = [(float(at), 0) for at in range(0, 200, 5)]
    second = [(float(at), 1) for at in range(60, 200, 5)]
    found = report([(0.0, 200.0), (0.0, 200.0)], first + second)
    # From 40 s to 100 s there are 13 of the one and 9 of the other, a minute that begins earlier has 8.
    assert found.seconds_to_share == 40.0


def test_instances_that_share_a_quota_are_reported() -> None:
    scenario = Scenario(instances=2, items=60, quota=Quota(requests_per_minute=60, burst=5))
    found = simulate(scenario, pacer=AdaptivePacer, seed=1)
    assert found.share_ratio is not None
    assert 1.0 <= found.share_ratio < 3.0
