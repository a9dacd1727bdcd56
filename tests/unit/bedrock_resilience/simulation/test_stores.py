"""The store of a shared pace in virtual time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from bedrock_resilience.errors import StoreUnavailableError
from bedrock_resilience.pacing import MemoryPaceStore, SharedPacer
from bedrock_resilience.pacing.shared import SharedPace
from bedrock_resilience.quotas import Quota
from bedrock_resilience.simulation import Scenario, StoreConditions, make_pacer, simulate
from bedrock_resilience.simulation._stores import SimulatedStore, StoreBoundPacer
from support.approx import approx

if TYPE_CHECKING:
    from collections.abc import Callable

    from bedrock_resilience.pacing import Reservation

THREE = Scenario(instances=3, items=30, offset=10.0)


class TestConditions:
    def test_all_problems_at_once(self) -> None:
        with pytest.raises(ValueError, match=r"latency: got -1.*skew: got -2.*outages: got \(5.0, 5.0\)"):
            StoreConditions(latency=-1, skew=-2, outages=((5.0, 5.0),))

    @pytest.mark.parametrize("outages", [5, [5], [(1.0, 2.0, 3.0)]])
    def test_outages_are_spans(self, outages: object) -> None:
        with pytest.raises(TypeError, match="outages: got "):
            StoreConditions(outages=cast("Any", outages))


class TestStore:
    def test_it_counts_its_requests_and_their_seconds(self) -> None:
        view = SimulatedStore(MemoryPaceStore(), StoreConditions(latency=0.2, outages=((10.0, 20.0),), timeout=3.0))
        assert view.compare_and_swap("model", SharedPace(), SharedPace(revision=1), "a") is None
        view.now = 19.9
        with pytest.raises(StoreUnavailableError):
            view.compare_and_swap("model", SharedPace(), SharedPace(revision=1), "a")
        view.now = 20.0
        assert view.compare_and_swap("model", SharedPace(), SharedPace(revision=1), "a") == SharedPace(revision=1)
        assert (view.requests, view.failures) == (3, 1)
        assert view.seconds == approx(3.4)


class TestPacer:
    def test_nothing_is_sent_before_the_store_has_answered(self) -> None:
        view = SimulatedStore(MemoryPaceStore(), StoreConditions(latency=0.5))
        pacer = StoreBoundPacer(
            SharedPacer(view, "model", Quota(requests_per_minute=60), shared_time=lambda now: 1_000.0 + now), view
        )
        reservation = pacer.reserve(0.0)
        assert reservation.wait == 0.5
        assert pacer.due(reservation, 0.5) == 0.0
        assert pacer.requests_per_minute == approx(60.0)

    def test_each_way_to_end_a_request_is_passed_on(self) -> None:
        view = SimulatedStore(MemoryPaceStore(), StoreConditions())
        pacer = StoreBoundPacer(
            SharedPacer(view, "model", Quota(requests_per_minute=6_000), shared_time=lambda now: 1_000.0 + now), view
        )
        ends: list[Callable[[Reservation, float], None]] = [
            pacer.answered,
            pacer.throttled,
            pacer.overloaded,
            pacer.abandoned,
        ]
        for number, end in enumerate(ends):
            end(pacer.reserve(float(number)), number + 0.5)
            assert view.now == number + 0.5
        assert view.requests >= 3


class TestSimulation:
    def test_a_slow_store_costs_pace_and_no_items(self) -> None:
        slow = THREE.replace(store=StoreConditions(latency=0.2))
        for name in ("shared", "auto"):
            report = simulate(slow, pacer=make_pacer(name, slow))
            assert report.succeeded == report.submitted
            assert all(each.store_requests > 0 and each.store_failures == 0 for each in report.instances)
            assert report.instances[0].store_seconds == approx(0.2 * report.instances[0].store_requests)

    def test_an_outage_and_clocks_that_differ_lose_no_items(self) -> None:
        scenario = THREE.replace(store=StoreConditions(outages=((15.0, 45.0),), skew=30.0))
        report = simulate(scenario, pacer=make_pacer("shared", scenario))
        assert report.succeeded == report.submitted
        assert sum(each.store_failures for each in report.instances) > 0

    def test_a_learned_pace_survives_an_outage_a_slow_store_and_clocks_that_differ(self) -> None:
        conditions = StoreConditions(latency=0.2, outages=((90.0, 150.0),), timeout=0.2, skew=30.0)
        scenario = Scenario(instances=3, offset=60.0, store=conditions)
        report = simulate(scenario, pacer=make_pacer("auto", scenario))
        assert report.succeeded == report.submitted
        assert report.throttle_rate < 0.05
        assert report.ratio < 1.15

    def test_without_a_store_nothing_is_counted(self) -> None:
        report = simulate(THREE, pacer=make_pacer("adaptive", THREE))
        assert {each.store_requests for each in report.instances} == {0}

    def test_auto_learns_together_where_several_share_a_store(self) -> None:
        alone = THREE.replace(instances=1)
        assert simulate(alone, pacer=make_pacer("auto", alone)).pacer == "auto"
        together = simulate(THREE, pacer=make_pacer("auto", THREE))
        assert together.pacer == "auto"
        assert all(each.store_requests > 0 for each in together.instances)
