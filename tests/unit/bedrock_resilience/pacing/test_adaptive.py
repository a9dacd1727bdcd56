"""Pacing without knowing the quota."""

from __future__ import annotations

import math
import statistics
import threading
from typing import TYPE_CHECKING, Any

import pytest

from bedrock_resilience.pacing import AdaptiveConfig, AdaptivePacer, NoPacer
from bedrock_resilience.pacing._slowdown import HOLD_SECONDS
from bedrock_resilience.quotas import Quota, TokenBucket
from bedrock_resilience.simulation import QuotaChange, Scenario, SimulationReport, simulate
from support.approx import approx
from support.nightly import seeds

if TYPE_CHECKING:
    from bedrock_resilience.pacing import Reservation

CONFIG = AdaptiveConfig()
SCALE = CONFIG.doubling_seconds / math.log(2)
"""Seconds: what is granted in the slow start is `SCALE * start * (2 ** (seconds / doubling) - 1)`."""


def send(pacer: AdaptivePacer, now: float) -> tuple[Reservation, float]:
    """Reserve, wait, and return when it was sent."""
    reservation = pacer.reserve(now)
    while (wait := pacer.due(reservation, now)) > 0:
        now += wait
    return reservation, now


class TestStart:
    def test_twelve_requests_at_the_same_instant_are_spread_over_seconds(self) -> None:
        pacer = AdaptivePacer()
        waits = [pacer.reserve(0.0).wait for _ in range(12)]
        assert waits[0] == 0.0
        assert waits == sorted(waits)
        assert waits[-1] == approx(SCALE * math.log1p(11 / CONFIG.start / SCALE))

    def test_a_wait_allows_for_the_rate_that_grows_in_the_meantime(self) -> None:
        pacer = AdaptivePacer()
        waiting = [pacer.reserve(0.0) for _ in range(32)]
        announced = waiting[-1].wait
        assert announced < 31 / CONFIG.start / 1.5
        now = 0.0
        for one in waiting:
            while (wait := pacer.due(one, now)) > 0:
                now += wait
        assert announced <= now < 1.1 * announced

    def test_the_rate_doubles_until_something_is_refused(self) -> None:
        pacer = AdaptivePacer()
        now = 0.0
        while now < 2 * CONFIG.doubling_seconds:
            reservation, now = send(pacer, now)
            pacer.answered(reservation, now)
        assert pacer.requests_per_minute == approx(4 * 60 * CONFIG.start, within=30)

    def test_the_rate_does_not_grow_without_demand(self) -> None:
        pacer = AdaptivePacer()
        now = 0.0
        for _ in range(20):
            reservation, now = send(pacer, now + 10.0)
            pacer.answered(reservation, now)
        assert pacer.requests_per_minute == approx(60 * CONFIG.start, within=1)

    def test_a_refusal_of_the_first_request_cuts_the_rate_to_almost_nothing(self) -> None:
        pacer = AdaptivePacer()
        reservation, now = send(pacer, 0.0)
        pacer.throttled(reservation, now + 0.1)
        assert pacer.requests_per_minute == approx(60 / CONFIG.burst_seconds)

    def test_the_first_throttle_gives_a_guess_that_allows_for_the_burst(self) -> None:
        pacer = AdaptivePacer()
        now = 0.0
        for _ in range(8):
            _, now = send(pacer, now)
        refused, now = send(pacer, now)
        pacer.throttled(refused, now + 0.1)
        assert pacer.requests_per_minute == approx(60 * 8 / (now + CONFIG.burst_seconds))


class TestThrottle:
    def test_it_delays_all_waiting_requests(self) -> None:
        pacer = AdaptivePacer()
        refused = pacer.reserve(0.0)
        waiting = [pacer.reserve(0.0) for _ in range(3)]
        before = [one.wait for one in waiting]
        pacer.throttled(refused, 0.1)
        rate = pacer.requests_per_minute / 60
        after = [pacer.due(one, 0.1) for one in waiting]
        assert all(later > 10 * sooner for later, sooner in zip(after, before, strict=True))
        assert after[0] == approx((1 + CONFIG.pause_permits) / rate - 0.1, within=0.3)
        assert after[2] - after[1] == approx(1 / rate, within=1.5)
        assert after[2] < (3 + CONFIG.pause_permits) / rate - 0.1  # the rate will have grown by then

    def test_a_request_that_sleeps_its_wait_is_due_then(self) -> None:
        pacer, now = drive(AdaptivePacer(), TokenBucket(0.5, 5.0), 30)
        waiting = [pacer.reserve(now) for _ in range(32)]
        last = waiting[-1]
        announced = now + last.wait
        for one in waiting[:-1]:
            while (wait := pacer.due(one, now)) > 0:
                now += wait
        assert announced <= now + (last_wait := pacer.due(last, now)) + 1e-6
        assert now + last_wait <= announced * 1.05

    def test_a_request_that_never_calls_due_is_paced_as_well(self) -> None:
        pacer = AdaptivePacer()
        pacer.throttled(pacer.reserve(0.0), 0.1)
        unasked = pacer.reserve(1.0)
        assert unasked.wait > 1.0
        pacer.answered(unasked, 30.0)
        assert pacer.reserve(30.0).wait == 0.0

    def test_requests_in_flight_at_a_cut_do_not_cut_again(self) -> None:
        pacer = AdaptivePacer(AdaptiveConfig(start=1_000.0))
        in_flight = [send(pacer, number / 1_000)[0] for number in range(8)]
        for reservation in in_flight:
            pacer.throttled(reservation, 0.1)
        assert pacer.requests_per_minute == approx(60 / CONFIG.burst_seconds, within=0.01)

    def test_the_second_one_measures_the_rate(self) -> None:
        pacer, _ = drive(AdaptivePacer(), TokenBucket(0.5, 5.0), 300)
        assert pacer.requests_per_minute == approx(30, within=5)

    def test_no_cut_goes_below_the_minimum_factor(self) -> None:
        pacer = AdaptivePacer()
        pacer.throttled(send(pacer, 0.0)[0], 0.1)
        rates: list[float] = []
        now = 0.1
        for _ in range(10):
            reservation, now = send(pacer, now)
            rates.append(pacer.requests_per_minute)
            pacer.throttled(reservation, now)
            assert (
                pacer.requests_per_minute >= CONFIG.min_decrease_factor * rates[-1] - 1e-9
                or pacer.requests_per_minute == 1.0
            )
        assert pacer.requests_per_minute >= 1.0

    def test_an_abandoned_request_moves_up_the_others(self) -> None:
        pacer = AdaptivePacer()
        _, second, third = (pacer.reserve(0.0) for _ in range(3))
        pacer.abandoned(second, 0.0)
        pacer.abandoned(second, 0.0)
        assert pacer.due(third, 0.0) == approx(SCALE * math.log1p(1 / CONFIG.start / SCALE))

    @pytest.mark.parametrize("how", ["answered", "throttled", "overloaded", "abandoned"])
    def test_a_reservation_is_closed_once(self, how: str) -> None:
        pacer = AdaptivePacer()
        reservation, now = send(pacer, 0.0)
        pacer.answered(reservation, now)
        getattr(pacer, how)(reservation, now)
        assert pacer.requests_per_minute == approx(60 * CONFIG.start)


def drive(pacer: AdaptivePacer, bucket: TokenBucket, requests: int, now: float = 0.0) -> tuple[AdaptivePacer, float]:
    """Send so many requests, one after the other, against a bucket."""
    for _ in range(requests):
        reservation, now = send(pacer, now)
        if bucket.take(now):
            pacer.answered(reservation, now)
        else:
            pacer.throttled(reservation, now)
    return pacer, now


class TestOverload:
    def test_a_503_halves_the_rate_and_it_comes_back(self) -> None:
        pacer, now = drive(AdaptivePacer(), TokenBucket(0.5, 5.0), 100)
        reservation, now = send(pacer, now)
        before = pacer.requests_per_minute
        pacer.overloaded(reservation, now)
        assert pacer.requests_per_minute == approx(before / 2, within=1)
        pacer.reserve(now + HOLD_SECONDS - 1)
        halved = pacer.requests_per_minute  # the growth is lost, too
        assert halved <= before / 2
        pacer.reserve(now + HOLD_SECONDS)
        assert pacer.requests_per_minute == approx(halved * 1.5)
        pacer.reserve(now + 2 * HOLD_SECONDS)
        assert pacer.requests_per_minute == approx(halved * 2)

    def test_waiting_requests_check_again_when_the_rate_is_raised(self) -> None:
        pacer, now = drive(AdaptivePacer(), TokenBucket(0.5, 5.0), 100)
        for _ in range(6):
            reservation, now = send(pacer, now)
            pacer.overloaded(reservation, now)
        waits = [pacer.reserve(now).wait for _ in range(12)]
        assert waits[-1] == approx(HOLD_SECONDS)

    def test_a_throttle_while_it_is_slowed_down_cuts_the_rate_behind_it(self) -> None:
        pacer, now = drive(AdaptivePacer(), TokenBucket(0.5, 5.0), 100)
        reservation, now = send(pacer, now)
        pacer.overloaded(reservation, now)
        halved = pacer.requests_per_minute
        reservation, now = send(pacer, now)
        pacer.throttled(reservation, now)
        assert pacer.requests_per_minute == approx(halved, within=halved * (1 - CONFIG.min_decrease_factor))


SCENARIOS = {
    "3 x 4 x 50": Scenario(instances=3, workers=4, items=50, offset=60.0),
    "1 x 12 x 104": Scenario(workers=12, items=104),
    "1 x 12 x 1,000": Scenario(workers=12, items=1_000),
}


def simulated(name: str, per_minute: float, seeds: range) -> list[SimulationReport]:
    scenario = SCENARIOS[name].replace(quota=Quota(requests_per_minute=per_minute, burst=5))
    return [simulate(scenario, pacer=AdaptivePacer, seed=seed) for seed in seeds]


class TestInTheSimulator:
    @pytest.mark.parametrize("per_minute", [25, 50, 100])
    @pytest.mark.parametrize(
        ("name", "throttled", "ratio", "few", "many"),
        [("3 x 4 x 50", 0.05, 1.15, 5, 20), ("1 x 12 x 104", 0.05, 1.10, 5, 20), ("1 x 12 x 1,000", 0.02, 1.10, 1, 5)],
    )
    def test_it_finds_the_rate_and_loses_nothing(
        self, name: str, throttled: float, ratio: float, few: int, many: int, per_minute: float
    ) -> None:
        reports = simulated(name, per_minute, seeds(few, many))
        if (name, per_minute) == ("3 x 4 x 50", 25):
            throttled = 0.10  # three that do not know of each other, with 8 requests a minute for each
        assert sum(report.failed for report in reports) == 0
        assert statistics.fmean(report.throttle_rate for report in reports) <= throttled
        assert statistics.fmean(report.ratio for report in reports) <= ratio

    @pytest.mark.parametrize(("per_minute", "throttled"), [(10, 0.10), (50, 0.05), (300, 0.07)])
    @pytest.mark.parametrize("latency", [0.5, 6.5])
    def test_more_workers_than_the_quota_can_feed_do_no_harm(
        self, latency: float, per_minute: float, throttled: float
    ) -> None:
        quota = Quota(requests_per_minute=per_minute, burst=5)
        report = simulate(Scenario(workers=32, items=104, quota=quota, latency=latency), pacer=AdaptivePacer)
        assert report.failed == 0
        assert report.throttle_rate <= throttled
        assert report.ratio <= (1.10 if per_minute < 300 else 1.30)

    def test_it_does_not_settle_below_a_quota_that_its_workers_hardly_use_up(self) -> None:
        quota = Quota(requests_per_minute=100, burst=5)
        report = simulate(Scenario(workers=12, items=500, quota=quota), pacer=AdaptivePacer)
        assert report.ratio <= 1.04  # 1.10 where its own throttles drive it down

    @pytest.mark.parametrize("seed", seeds(2, 4))
    def test_it_follows_a_quota_that_is_halved_and_restored(self, seed: int) -> None:
        full, half = Quota(requests_per_minute=50, burst=5), Quota(requests_per_minute=25, burst=5)
        changes = (QuotaChange(200.0, half), QuotaChange(440.0, full))
        scenario = Scenario(workers=12, items=500, quota=full, changes=changes)
        report = simulate(scenario, pacer=AdaptivePacer, seed=seed)
        assert report.failed == 0
        assert report.throttle_rate <= 0.08
        admitted = [request.at for request in report.requests if request.refused is None]
        for end, per_minute in ((440.0, 25), (440.0 + 240.0, 50)):
            reached = max(
                60 * sum(start <= at < start + 60 for at in admitted) / 60 for start in (end - 90, end - 60, end - 30)
            )
            assert reached >= 0.9 * per_minute


def test_it_takes_any_number_of_threads() -> None:
    pacer = AdaptivePacer()

    def work() -> None:
        for number in range(200):
            reservation = pacer.reserve(0.0)
            pacer.due(reservation, 0.0)
            (pacer.abandoned if number % 7 == 0 else pacer.answered)(reservation, 0.0)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sent = 8 * sum(number % 7 != 0 for number in range(200))
    assert pacer.reserve(0.0).wait == approx(SCALE * math.log1p(sent / CONFIG.start / SCALE))


@pytest.mark.parametrize("make", [NoPacer, AdaptivePacer])
def test_another_pacers_reservation_is_refused(make: type[NoPacer | AdaptivePacer]) -> None:
    foreign = make().reserve(0.0)
    with pytest.raises(
        TypeError, match=r"^AdaptivePacer: reservation: got .+; accepted: what this pacer's reserve\(\) returned$"
    ):
        AdaptivePacer().throttled(foreign, 0.0)


def test_a_clock_that_goes_back_does_not_take_the_rate_back() -> None:
    pacer = AdaptivePacer()
    pacer.reserve(100.0)
    now = pacer.reserve(100.0).wait
    assert 0 < now < pacer.reserve(40.0).wait < 3 * now


@pytest.mark.parametrize(
    ("field", "given"),
    [("start", 0.0), ("pause_permits", -1.0), ("doubling_seconds", float("inf")), ("headroom", 1.5), ("decay", 2.0)],
)
def test_a_constant_outside_its_range_is_refused_by_name(field: str, given: float) -> None:
    with pytest.raises(ValueError, match=rf"^AdaptiveConfig: {field}: got {given}; accepted: a finite number "):
        AdaptiveConfig(**{field: given})


@pytest.mark.parametrize("given", ["x", None, True])
def test_a_constant_that_is_no_number_is_refused_by_name(given: object) -> None:
    wrong: Any = given
    with pytest.raises(TypeError, match=rf"^AdaptiveConfig: start: got {given!r}; accepted: a finite number > 0$"):
        AdaptiveConfig(start=wrong)
    with pytest.raises(TypeError, match=rf"^AdaptivePacer: config: got {given!r}; accepted: an AdaptiveConfig$"):
        AdaptivePacer(wrong)


def test_a_pause_may_be_zero() -> None:
    assert AdaptiveConfig(pause_permits=0.0).pause_permits == 0.0


def test_its_repr_shows_its_config() -> None:
    assert repr(AdaptivePacer()) == f"AdaptivePacer({CONFIG!r})"
