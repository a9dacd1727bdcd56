"""Pacing without knowing the quota."""

from __future__ import annotations

import statistics
import threading
from typing import TYPE_CHECKING, Any

import pytest

from bedrock_resilience import Fault, RetryPolicy
from bedrock_resilience.pacing import AdaptiveConfig, AdaptivePacer, NoPacer
from bedrock_resilience.pacing._slowdown import HOLD_SECONDS
from bedrock_resilience.quotas import Limit, Quota, TokenBucket, Usage
from bedrock_resilience.simulation import QuotaChange, Scenario, SimulationReport, Tokens, simulate
from support.approx import approx
from support.nightly import seeds

if TYPE_CHECKING:
    from bedrock_resilience.pacing import Reservation

CONFIG = AdaptiveConfig()


def send(pacer: AdaptivePacer, now: float) -> tuple[Reservation, float]:
    """Reserve, wait, and return when it was sent."""
    reservation = pacer.reserve(now)
    return reservation, until_sent(pacer, reservation, now)


def until_sent(pacer: AdaptivePacer, reservation: Reservation, now: float) -> float:
    """Wait until the request may be sent, and return when."""
    while (wait := pacer.due(reservation, now)) > 0:
        now += wait
    return now


class TestStart:
    def test_twelve_requests_at_the_same_instant_are_spread_over_seconds(self) -> None:
        pacer = AdaptivePacer()
        waiting = [pacer.reserve(0.0) for _ in range(12)]
        assert [one.wait for one in waiting[: int(CONFIG.initial_burst)]] == [0.0, 0.0]
        sent_at = [until_sent(pacer, one, 0.0) for one in waiting]
        assert sent_at == sorted(sent_at)
        assert 2.0 < sent_at[-1] < 6.0

    def test_a_request_that_waits_asks_again_soon_because_an_answer_may_release_it(self) -> None:
        pacer = AdaptivePacer()
        waiting = [pacer.reserve(0.0) for _ in range(32)]
        assert max(one.wait for one in waiting) < 0.1

    def test_answers_release_requests(self) -> None:
        pacer = AdaptivePacer()
        waiting = [pacer.reserve(0.0) for _ in range(12)]
        pacer.answered(waiting[0], 0.1)
        pacer.answered(waiting[1], 0.1)
        assert until_sent(pacer, waiting[2], 0.1) < 0.2

    def test_without_an_answer_no_more_than_the_answers_released(self) -> None:
        pacer = AdaptivePacer()
        waiting = [pacer.reserve(0.0) for _ in range(12)]
        pacer.answered(waiting[0], 1.0)
        now = 1.0
        for one in waiting[2 : 2 + int(CONFIG.answer_gain)]:
            now = until_sent(pacer, one, now)
        assert now < 2.0
        assert pacer.due(waiting[2 + int(CONFIG.answer_gain)], now) > 0

    def test_the_rate_doubles_until_something_is_answered(self) -> None:
        pacer = AdaptivePacer()
        now = 0.0
        while now < 2 * CONFIG.doubling_seconds:
            _, now = send(pacer, now)
        assert pacer.requests_per_minute == approx(4 * 60 * CONFIG.start, within=30)

    def test_the_first_throttle_gives_a_guess_that_allows_for_the_burst(self) -> None:
        pacer = AdaptivePacer()
        now = 0.0
        for _ in range(8):
            _, now = send(pacer, now)
        refused, now = send(pacer, now)
        pacer.throttled(refused, now + 0.1)
        assert pacer.requests_per_minute == approx(60 * 8 / (now + CONFIG.burst_seconds), within=1)


class TestThrottle:
    def test_it_delays_all_waiting_requests(self) -> None:
        pacer = AdaptivePacer()
        refused = pacer.reserve(0.0)
        waiting = [pacer.reserve(0.0) for _ in range(4)][1:]
        pacer.throttled(refused, 0.1)
        rate = pacer.requests_per_minute / 60
        sent_at = [until_sent(pacer, one, 0.1) for one in waiting]
        assert sent_at[0] >= (1 + CONFIG.pause_permits) / rate
        assert sent_at[2] - sent_at[1] == approx(1 / rate, within=3.0)

    def test_a_request_that_never_calls_due_is_paced_as_well(self) -> None:
        pacer = AdaptivePacer()
        pacer.throttled(pacer.reserve(0.0), 0.1)
        unasked = pacer.reserve(1.0)
        assert unasked.wait > 1.0
        pacer.answered(unasked, 30.0)
        assert pacer.reserve(30.0).wait == 0.0

    def test_requests_in_flight_at_a_cut_do_not_cut_again(self) -> None:
        pacer = AdaptivePacer(AdaptiveConfig(initial_burst=8.0))
        in_flight = [send(pacer, 0.0)[0] for _ in range(8)]
        for reservation in in_flight:
            pacer.throttled(reservation, 0.1)
        assert pacer.requests_per_minute == approx(2 * 60 / CONFIG.burst_seconds, within=0.1)

    def test_the_second_one_measures_the_rate(self) -> None:
        pacer, _ = drive(AdaptivePacer(), TokenBucket(0.5, 5.0), 300)
        assert pacer.requests_per_minute == approx(30, within=5)

    def test_an_abandoned_request_moves_up_the_others(self) -> None:
        pacer = AdaptivePacer(AdaptiveConfig(initial_burst=1.0))
        _, second, third = (pacer.reserve(0.0) for _ in range(3))
        pacer.abandoned(second, 0.0)
        pacer.abandoned(second, 0.0)
        assert until_sent(pacer, third, 0.0) < 1 / CONFIG.start + 0.1

    def test_a_request_that_was_due_and_is_not_sent_returns_its_permit(self) -> None:
        pacer = AdaptivePacer(AdaptiveConfig(initial_burst=1.0))
        first, second = pacer.reserve(0.0), pacer.reserve(0.0)
        pacer.abandoned(first, 0.0)
        assert pacer.due(second, 0.0) == 0.0

    @pytest.mark.parametrize("how", ["answered", "throttled", "overloaded", "abandoned"])
    def test_a_reservation_is_closed_once(self, how: str) -> None:
        pacer = AdaptivePacer()
        reservation, now = send(pacer, 0.0)
        pacer.answered(reservation, now)
        before = pacer.status()
        getattr(pacer, how)(reservation, now)
        assert pacer.status() == before
        assert pacer.due(reservation, now) == 0.0

    def test_a_throttle_that_names_a_limit_teaches_that_limit(self) -> None:
        pacer = AdaptivePacer()
        pacer.throttled(pacer.reserve(0.0, 5_000), 0.1, Limit.TOKENS_PER_MINUTE)
        assert pacer.status().tokens_per_minute is not None
        assert pacer.status().requests_per_minute is None
        assert pacer.requests_per_minute < 60
        pacer.throttled(pacer.reserve(100.0, 5_000), 100.1, Limit.REQUESTS_PER_MINUTE)
        assert pacer.status().requests_per_minute is not None


def drive(pacer: AdaptivePacer, bucket: TokenBucket, requests: int, now: float = 0.0) -> tuple[AdaptivePacer, float]:
    """Send so many requests, one after the other, against a bucket."""
    for _ in range(requests):
        reservation, now = send(pacer, now)
        if bucket.take(now):
            pacer.answered(reservation, now)
        else:
            pacer.throttled(reservation, now)
    return pacer, now


class TestTruncated:
    """``bedrock-mantle`` cuts responses short where a quota of output is used up."""

    def test_it_delays_all_waiting_requests(self) -> None:
        pacer = AdaptivePacer()
        first, second = pacer.reserve(0.0, 2_000), pacer.reserve(0.0, 2_000)
        pacer.answered(first, 6.0, Usage(1_000, 300))
        pacer.truncated(second, 6.0, Usage(1_000, 40))
        pacer.truncated(second, 6.0, Usage(1_000, 40))  # it is closed
        assert pacer.reserve(6.0, 2_000).wait > 3.0
        assert pacer.status().requests_per_minute == approx(2 / (6.0 + CONFIG.burst_seconds) * 60)
        assert pacer.status().tokens_per_minute is None

    def test_without_a_usage_it_delays_them_too(self) -> None:
        pacer = AdaptivePacer()
        pacer.truncated(pacer.reserve(0.0), 6.0)
        assert pacer.reserve(6.0).wait > 1.0


class TestOverload:
    def test_a_503_halves_the_rate_and_it_comes_back(self) -> None:
        pacer, now = drive(AdaptivePacer(), TokenBucket(0.5, 5.0), 100)
        reservation, now = send(pacer, now)
        before = pacer.requests_per_minute
        pacer.overloaded(reservation, now)
        assert pacer.requests_per_minute == approx(before / 2, within=1)
        pacer.reserve(now + 2 * HOLD_SECONDS)
        assert pacer.requests_per_minute >= before

    def test_waiting_requests_check_again_when_the_rate_is_raised(self) -> None:
        pacer, now = drive(AdaptivePacer(), TokenBucket(0.5, 5.0), 100)
        for _ in range(6):
            reservation, now = send(pacer, now)
            pacer.overloaded(reservation, now)
        waits = [pacer.reserve(now).wait for _ in range(60)]
        assert waits[-1] == approx(HOLD_SECONDS)

    def test_a_throttle_while_it_is_slowed_down_cuts_the_rate_behind_it(self) -> None:
        pacer, now = drive(AdaptivePacer(), TokenBucket(0.5, 5.0), 100)
        reservation, now = send(pacer, now)
        pacer.overloaded(reservation, now)
        halved = pacer.requests_per_minute
        reservation, now = send(pacer, now)
        pacer.throttled(reservation, now)
        # Half an hour at half of the rate is no evidence of a lower one: at most one step down.
        assert CONFIG.min_decrease_factor * halved * 0.7 <= pacer.requests_per_minute <= halved * 1.05


SCENARIOS = {
    "3 x 4 x 50": Scenario(instances=3, workers=4, items=50, offset=60.0),
    "1 x 12 x 104": Scenario(workers=12, items=104),
    "1 x 12 x 1,000": Scenario(workers=12, items=1_000),
}


def simulated(name: str, per_minute: float, seeds: range) -> list[SimulationReport]:
    scenario = SCENARIOS[name].replace(quota=Quota(requests_per_minute=per_minute, burst=5))
    return [simulate(scenario, pacer=AdaptivePacer, seed=seed) for seed in seeds]


MANTLE_TOKENS = Tokens(500, 3_000, max_tokens=1_000, output=300)


class TestBedrockMantle:
    """No quota given, on an endpoint that has one of input and one of output, and none of requests."""

    @pytest.mark.parametrize("reading", ["bucket", "sliding"])
    def test_where_input_binds_it_is_a_quota_of_tokens(self, reading: str) -> None:
        quota = Quota.mantle(input_tokens_per_minute=60_000, output_tokens_per_minute=1_000_000)
        scenario = Scenario(workers=12, items=150, quota=quota, tokens=MANTLE_TOKENS, reading=reading)
        reports = [simulate(scenario, pacer=AdaptivePacer, seed=seed) for seed in seeds(2, 20)]
        assert all(report.failed == 0 for report in reports)
        assert statistics.fmean(report.throttle_rate for report in reports) < 0.10
        assert statistics.fmean(report.ratio for report in reports) < (1.10 if reading == "bucket" else 1.75)

    @pytest.mark.parametrize(
        ("instances", "reading", "truncated", "ratio"),
        [
            (1, "bucket", 0.12, 1.2),
            (1, "fixed:20", 0.15, 1.3),
            (1, "sliding", 0.10, 1.2),
            (3, "bucket", 0.16, 1.25),
            (3, "sliding", 0.16, 1.45),
        ],
    )
    def test_where_output_binds_it_paces_responses(
        self, instances: int, reading: str, truncated: float, ratio: float
    ) -> None:
        quota = Quota.mantle(input_tokens_per_minute=2_000_000, output_tokens_per_minute=9_000)
        scenario = Scenario(
            instances=instances,
            workers=12 // instances,
            items=400 // instances,
            offset=60.0,
            quota=quota,
            tokens=MANTLE_TOKENS,
            reading=reading,
        )
        # What was cut short is lost, unless the policy retries it.
        policy = RetryPolicy(retry_on=(*RetryPolicy().retry_on, Fault.INCOMPLETE_RESPONSE))
        reports = [simulate(scenario, policy, AdaptivePacer, seed) for seed in seeds(2, 20)]
        assert all(report.throttles == 0 for report in reports)
        assert sum(report.failed for report in reports) <= 0.002 * sum(report.submitted for report in reports)
        assert statistics.fmean(report.retries / report.attempts for report in reports) < truncated
        assert statistics.fmean(report.ratio for report in reports) < ratio


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
            throttled = 0.13  # three that do not know of each other, with 8 requests a minute for each
        assert sum(report.failed for report in reports) == 0
        assert statistics.fmean(report.throttle_rate for report in reports) <= throttled
        assert statistics.fmean(report.ratio for report in reports) <= ratio

    @pytest.mark.parametrize(("per_minute", "throttled"), [(10, 0.10), (50, 0.05), (300, 0.08)])
    @pytest.mark.parametrize("latency", [0.5, 6.5])
    def test_more_workers_than_the_quota_can_feed_do_no_harm(
        self, latency: float, per_minute: float, throttled: float
    ) -> None:
        quota = Quota(requests_per_minute=per_minute, burst=5)
        report = simulate(Scenario(workers=32, items=104, quota=quota, latency=latency), pacer=AdaptivePacer)
        assert report.failed == 0
        assert report.throttle_rate <= throttled
        assert report.ratio <= (1.10 if per_minute < 300 else 1.50)

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
    assert pacer.status().requests_per_minute is not None
    assert pacer.reserve(100.0).wait == 0.0  # nothing waits any more


@pytest.mark.parametrize("make", [NoPacer, AdaptivePacer])
def test_another_pacers_reservation_is_refused(make: type[NoPacer | AdaptivePacer]) -> None:
    foreign = make().reserve(0.0)
    with pytest.raises(
        TypeError, match=r"^AdaptivePacer: reservation: got .+; accepted: what this pacer's reserve\(\) returned$"
    ):
        AdaptivePacer().throttled(foreign, 0.0)


def test_a_clock_that_goes_back_does_not_take_the_rate_back() -> None:
    pacer = AdaptivePacer()
    for _ in range(3):
        pacer.reserve(100.0)
    assert 0 < pacer.reserve(40.0).wait < 1
    assert pacer.requests_per_minute == approx(60 * CONFIG.start)


def test_wrong_arguments_are_refused_by_name() -> None:
    wrong: Any = "x"
    with pytest.raises(TypeError, match=r"^AdaptivePacer: config: got 'x'; accepted: an AdaptiveConfig$"):
        AdaptivePacer(wrong)
    with pytest.raises(ValueError, match=r"^AdaptivePacer: burndown: got 0; accepted: a finite number > 0$"):
        AdaptivePacer(burndown=0)


def test_its_repr_shows_its_config() -> None:
    assert repr(AdaptivePacer()) == f"AdaptivePacer({CONFIG!r})"
