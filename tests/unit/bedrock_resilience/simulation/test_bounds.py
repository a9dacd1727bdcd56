"""The time that no way of sending can undercut."""

from __future__ import annotations

from bedrock_resilience.quota import Quota
from bedrock_resilience.simulation import QuotaChange, Scenario, Tokens
from bedrock_resilience.simulation.bounds import lower_bound
from support.approx import approx


def test_without_items_there_is_nothing_to_wait_for() -> None:
    assert lower_bound(Scenario(items=0)) == 0.0


def test_concurrency_bounds_in_rounds() -> None:
    assert lower_bound(Scenario(workers=4, items=50, quota=Quota())) == 13 * 6.5


def test_with_a_random_latency_the_rounds_are_shared() -> None:
    scenario = Scenario(workers=4, items=50, quota=Quota(), latency=lambda _: 2.0)
    assert lower_bound(scenario) == approx(50 / 4 * 2.0)
    assert lower_bound(scenario.replace(items=1)) == approx(2.0)


def test_the_quota_bounds_what_is_admitted_beyond_the_burst() -> None:
    scenario = Scenario(workers=12, items=104, quota=Quota(requests_per_minute=50, burst=5))
    assert lower_bound(scenario) == approx((104 - 5) / 50 * 60 + 6.5)


def test_a_few_items_fit_into_the_burst() -> None:
    assert lower_bound(Scenario(workers=12, items=5)) == 6.5


def test_all_instances_together_and_the_last_alone() -> None:
    together = Scenario(instances=3, offset=60.0, quota=Quota(requests_per_minute=25, burst=5))
    assert lower_bound(together) == approx((150 - 5) / 25 * 60 + 6.5)
    alone = Scenario(instances=3, offset=60.0, quota=Quota(requests_per_minute=50, burst=5))
    assert lower_bound(alone) == 120 + 13 * 6.5
    late = Scenario(instances=2, workers=50, offset=1_000.0, quota=Quota(requests_per_minute=25, burst=5))
    assert lower_bound(late) == approx(1_000 + (50 - 5) / 25 * 60 + 6.5)


def test_tokens_bound_as_requests_do() -> None:
    scenario = Scenario(
        workers=100, items=100, quota=Quota(tokens_per_minute=40_000), tokens=Tokens(1_000, 1_000, 1_000, 300)
    )
    assert lower_bound(scenario) == approx((100 * 2_500 - 40_000) / 40_000 * 60 + 6.5)
    assert lower_bound(scenario.replace(quota=Quota())) == 6.5


def test_a_change_of_the_quota_counts_from_its_time() -> None:
    scenario = Scenario(
        workers=100,
        items=65,
        quota=Quota(requests_per_minute=60, burst=5),
        changes=(QuotaChange(30.0, Quota(requests_per_minute=30)), QuotaChange(50.0, Quota(requests_per_minute=60))),
    )
    # 5 at once, 30 in the first 30 s, 10 in the next 20 s, and the last 20 in 20 s.
    assert lower_bound(scenario) == approx(30 + 20 + 20 + 6.5)
    assert lower_bound(scenario.replace(items=25)) == approx(20 + 6.5)


def test_for_a_later_instance_only_what_is_in_force_then_counts() -> None:
    scenario = Scenario(
        instances=2,
        workers=100,
        items=65,
        offset=100.0,
        quota=Quota(requests_per_minute=1, burst=1),
        changes=(QuotaChange(50.0, Quota(requests_per_minute=600, burst=5)),),
    )
    assert lower_bound(scenario) == approx(100 + 60 / 10 + 6.5)


def test_a_limit_that_is_lifted_lets_everything_through_from_then_on() -> None:
    scenario = Scenario(
        workers=100, items=65, quota=Quota(requests_per_minute=6, burst=5), changes=(QuotaChange(100.0, Quota()),)
    )
    assert lower_bound(scenario) == approx(106.5)
