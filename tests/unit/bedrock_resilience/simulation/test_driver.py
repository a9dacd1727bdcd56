"""Production code in virtual time against a quota."""

from __future__ import annotations

import itertools
import statistics
from typing import TYPE_CHECKING

import pytest

from bedrock_resilience._fault import Fault
from bedrock_resilience.pacing import AdaptivePacer, NoPacer, QuotaPacer
from bedrock_resilience.quotas import Quota
from bedrock_resilience.retrying._policy import RetryPolicy
from bedrock_resilience.simulation import QuotaChange, Scenario, SimulationReport, Tokens, simulate
from support.approx import approx
from support.nightly import NIGHTLY, seeds

if TYPE_CHECKING:
    import random
    from typing import Any

QUOTA = Quota(requests_per_minute=50, burst=5)
INCIDENT = Scenario(instances=3, workers=4, items=50, offset=60.0, quota=QUOTA, latency=6.5)


def mean(reports: list[SimulationReport], field: str) -> float:
    return statistics.fmean(getattr(report, field) for report in reports)


def five_to_eight(rng: random.Random) -> float:
    return rng.uniform(5.0, 8.0)


class TestIncident:
    def test_three_instances_with_the_contracts_retry_alone_are_throttled_and_lose_items(self) -> None:
        reports = [simulate(INCIDENT, seed=seed) for seed in seeds(8, 20)]
        assert 0.30 <= mean(reports, "throttle_rate") <= 0.40
        assert 0.04 <= mean(reports, "failure_rate") <= 0.10

    def test_one_instance_is_not(self) -> None:
        reports = [simulate(INCIDENT.replace(instances=1), seed=seed) for seed in seeds(8, 20)]
        assert mean(reports, "throttle_rate") < 0.10
        assert mean(reports, "failure_rate") < 0.02

    def test_twelve_workers_lose_half_of_the_items(self) -> None:
        reports = [simulate(Scenario(workers=12, items=104, quota=QUOTA), seed=seed) for seed in seeds(8, 20)]
        assert mean(reports, "throttle_rate") == approx(0.86, within=0.02)
        assert mean(reports, "failure_rate") == approx(0.53, within=0.03)


class TestKnownQuota:
    @pytest.mark.parametrize("per_minute", [25, 50, 100])
    @pytest.mark.parametrize("items", [104, 1_000])
    def test_nothing_is_throttled_and_no_time_is_wasted(self, per_minute: float, items: int) -> None:
        quota = Quota(requests_per_minute=per_minute, burst=5)
        report = simulate(Scenario(workers=12, items=items, quota=quota), pacer=lambda: QuotaPacer(quota))
        assert report.throttles == 0
        assert report.succeeded == items
        assert report.ratio <= 1.04

    @pytest.mark.parametrize(
        ("per_minute", "workers", "items"),
        [(4_000_000, 160, 10_000) if NIGHTLY else (1_000_000, 40, 2_500), (40_000, 12, 400)],
        ids=["millions", "40,000"],
    )
    def test_a_token_quota_is_used_and_not_exceeded(self, per_minute: float, workers: int, items: int) -> None:
        quota = Quota(tokens_per_minute=per_minute)
        scenario = Scenario(workers=workers, items=items, quota=quota, tokens=Tokens(max_tokens=1_000, output=300))
        report = simulate(scenario, pacer=lambda: QuotaPacer(quota))
        assert report.throttles == 0
        assert report.succeeded == items
        assert report.token_utilisation is not None
        assert report.token_utilisation >= 0.90


def test_long_waiting_workers_are_not_released_at_once_when_the_rate_rises() -> None:
    report = simulate(Scenario(workers=50, items=300), pacer=AdaptivePacer)
    assert report.throttle_rate < 0.04
    assert report.ratio < 1.05
    assert report.failed == 0


def test_after_an_overload_waiting_requests_do_not_exceed_a_known_quota() -> None:
    quota = Quota(requests_per_minute=50, burst=5)
    scenario = Scenario(workers=50, items=300, quota=quota, overloads=((60.0, 62.0),))
    report = simulate(scenario, policy=RetryPolicy(retry_on="transient"), pacer=lambda: QuotaPacer(quota))
    refused = [request.refused for request in report.requests if request.refused is not None]
    assert set(refused) == {Fault.SERVICE_UNAVAILABLE}
    assert report.failed == 0


def test_the_same_seed_gives_the_same_report_and_another_seed_another() -> None:
    scenario = INCIDENT.replace(latency=five_to_eight)
    first, again, other = (simulate(scenario, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first.to_dict() == again.to_dict()
    assert first.requests != other.requests


def test_every_item_of_every_instance_is_accounted_for() -> None:
    report = simulate(INCIDENT)
    assert report.submitted == 150
    for instance in report.instances:
        assert instance.submitted == instance.succeeded + instance.failed + instance.unstarted
        assert instance.attempts == instance.submitted + instance.retries
    assert report.attempts == len(report.requests)
    assert report.throttles == sum(request.refused is Fault.THROTTLING for request in report.requests)


def test_instances_start_one_offset_after_the_other_with_a_pacer_of_their_own() -> None:
    made = itertools.count()

    def pacer() -> NoPacer:
        next(made)
        return NoPacer()

    report = simulate(INCIDENT, pacer=pacer)
    assert [instance.started for instance in report.instances] == [0.0, 60.0, 120.0]
    assert next(made) == 3


def test_pacing_and_backoff_are_reported_apart() -> None:
    paced = simulate(Scenario(workers=12, quota=QUOTA), pacer=lambda: QuotaPacer(QUOTA))
    assert paced.pacing_seconds > 0
    assert paced.backoff_seconds == 0
    unpaced = simulate(Scenario(workers=12, quota=QUOTA))
    assert unpaced.pacing_seconds == 0
    assert unpaced.backoff_seconds > 0


def test_items_past_the_deadline_are_unstarted_and_not_failed() -> None:
    scenario = Scenario(workers=12, items=104, quota=QUOTA, timeout=60.0)
    report = simulate(scenario, pacer=lambda: QuotaPacer(QUOTA))
    assert report.failed == 0
    assert report.unstarted > 0
    assert report.succeeded + report.unstarted == 104
    assert report.makespan <= 60.0 + 6.5


def test_a_quota_that_changes_takes_effect_at_its_time() -> None:
    scenario = Scenario(
        workers=12, items=100, quota=QUOTA, changes=(QuotaChange(30.0, Quota(requests_per_minute=600, burst=60)),)
    )
    admitted = [request.at for request in simulate(scenario).requests if request.refused is None]
    assert 28 <= sum(at < 30 for at in admitted) <= 30  # 5 and one every 1.2 s, if one is requested just then
    assert sum(30 <= at < 36 for at in admitted) > 10


def test_an_overload_is_a_503_for_every_request() -> None:
    policy = RetryPolicy(max_retries=8, base_delay=2.0, retry_on="transient")
    scenario = Scenario(quota=Quota(), overloads=((10.0, 20.0),))
    report = simulate(scenario, policy)
    assert report.failed == 0
    refused = [request for request in report.requests if request.refused is not None]
    assert {request.refused for request in refused} == {Fault.SERVICE_UNAVAILABLE}
    assert all(10.0 <= request.at < 20.0 for request in refused)
    assert report.throttles == 0


def test_the_report_names_policy_and_pacer() -> None:
    assert simulate(Scenario(items=1)).pacer == "none"
    assert simulate(Scenario(items=1), pacer=NoPacer).pacer == "NoPacer"

    class Factory:
        def __call__(self) -> NoPacer:
            return NoPacer()

    report = simulate(Scenario(items=1), RetryPolicy(max_retries=7), pacer=Factory())
    assert report.pacer == "Factory"
    assert "max_retries=7" in report.policy


@pytest.mark.parametrize("given", [AdaptivePacer(), QuotaPacer(QUOTA), "adaptive"])
def test_a_pacer_in_place_of_a_factory_is_refused(given: Any) -> None:  # noqa: ANN401 - anything may be given
    with pytest.raises(TypeError) as refused:
        simulate(INCIDENT, pacer=given)
    assert (
        str(refused.value)
        == f"simulate: pacer: got {given!r}; accepted: a factory, such as the class AdaptivePacer, or None"
    )


@pytest.mark.parametrize("given", [None, {"workers": 4}, Scenario])
def test_anything_but_a_scenario_is_refused(given: Any) -> None:  # noqa: ANN401 - anything may be given
    with pytest.raises(TypeError, match=r"^simulate: scenario: got .+; accepted: a Scenario$"):
        simulate(given)


def test_a_quota_of_output_cuts_responses_short() -> None:
    mantle = Quota.mantle(input_tokens_per_minute=1_000_000, output_tokens_per_minute=1_500)
    scenario = Scenario(
        instances=1, workers=4, items=8, quota=mantle, latency=1.0, tokens=Tokens(100, 100, max_tokens=400, output=300)
    )
    report = simulate(scenario)
    assert (report.throttles, report.failed) == (0, 3)  # five responses have room in the first seconds
    assert report.settled == approx(8 * 100 + 1_500, within=50)  # and what was refilled meanwhile
