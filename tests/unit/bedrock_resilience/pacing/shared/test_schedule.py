"""The arithmetic of a shared schedule."""

from __future__ import annotations

import dataclasses
import math

import pytest

from bedrock_resilience.pacing._slowdown import MIN_SECONDS_BETWEEN_CUTS
from bedrock_resilience.pacing.shared import SharedPace
from bedrock_resilience.pacing.shared._booked_limit import MAX_AHEAD_SECONDS, MAX_CLOCK_SKEW_SECONDS, UNLIMITED
from bedrock_resilience.pacing.shared._schedule import Cost, OutcomeKind, RateLimits, RequestOutcome
from bedrock_resilience.quotas import Quota
from support.approx import approx

NOW = 1_000.0
TOLERANCE = 0.5


def limits(**quota: float) -> RateLimits:
    return RateLimits.of(Quota(**quota), TOLERANCE)


def booked(limits: RateLimits, pace: SharedPace, count: int, *, now: float = NOW, tokens: float = 0.0) -> list[float]:
    return [round(slot - NOW, 2) for slot in limits.book(pace, now, [Cost(tokens=tokens)] * count)[1]]


class TestRateLimits:
    def test_the_tolerance_is_subtracted_from_the_burst(self) -> None:
        assert limits(requests_per_minute=60, burst=3).requests[:2] == (1.0, 2.5)
        assert limits(requests_per_minute=60, burst=2).requests[:2] == (1.0, 1.5)

    def test_with_a_burst_too_small_for_that_the_requests_are_set_further_apart(self) -> None:
        assert limits(requests_per_minute=60, burst=1).requests[:2] == (1.5, 1.5)
        assert limits(requests_per_minute=600, burst=2.5).requests[:2] == (approx(0.275), approx(0.275))

    def test_what_the_quota_does_not_limit_is_unlimited(self) -> None:
        assert limits() == (UNLIMITED, UNLIMITED, UNLIMITED)

    def test_tokens_may_be_used_a_minute_or_a_day_ahead(self) -> None:
        tokens, day = limits(tokens_per_minute=6_000, tokens_per_day=86_400)[1:]
        assert tokens[:2] == (0.01, 59.5)
        assert day[:2] == (1.0, 86_399.5)


class TestBook:
    def test_the_burst_goes_at_once_and_the_rest_at_the_rate(self) -> None:
        assert booked(limits(requests_per_minute=60, burst=3), SharedPace(), 5) == [0.0, 0.0, 0.5, 1.5, 2.5]

    def test_the_next_ones_go_behind(self) -> None:
        once = limits(requests_per_minute=60, burst=3)
        pace, _ = once.book(SharedPace(), NOW, [Cost()] * 3)
        assert booked(once, pace, 2) == [1.5, 2.5]
        assert pace.granted == 3
        assert pace.at == NOW

    def test_a_pause_fills_the_bucket_again_but_no_further(self) -> None:
        once = limits(requests_per_minute=60, burst=3)
        pace, _ = once.book(SharedPace(), NOW, [Cost()] * 5)
        assert booked(once, pace, 4, now=NOW + 100) == [100.0, 100.0, 100.5, 101.5]

    def test_without_a_quota_there_is_no_wait(self) -> None:
        assert booked(limits(), SharedPace(), 50, tokens=1e9) == [0.0] * 50

    def test_the_tightest_limit_counts(self) -> None:
        both = limits(requests_per_minute=60, burst=10, tokens_per_minute=60_000)
        # The bucket holds 59,500; each of the others waits for 10,000 at 1,000 a second.
        assert booked(both, SharedPace(), 7, tokens=10_000) == [0, 0, 0, 0, 0, 0.5, 10.5]

    def test_more_tokens_than_the_bucket_holds_wait_for_a_full_one(self) -> None:
        once = limits(tokens_per_minute=60_000)
        pace, slots = once.book(SharedPace(), NOW, [Cost(tokens=1e6)])
        assert slots == [NOW]
        assert pace.tokens_next_free_at == NOW + 59.5

    def test_nothing_is_booked_further_ahead_than_the_longest_run_of_a_lambda(self) -> None:
        once = limits(requests_per_minute=1, burst=1)
        pace, slots = once.book(SharedPace(), NOW, [Cost()] * 30)
        assert len(slots) == 15
        assert slots[-1] <= NOW + MAX_AHEAD_SECONDS
        assert pace.granted == 15

    def test_what_is_due_then_is_booked(self) -> None:
        pace, slots = RateLimits.of(Quota(requests_per_minute=1, burst=1), 0.0).book(SharedPace(), NOW, [Cost()] * 20)
        assert slots == [NOW + 60.0 * number for number in range(16)]
        assert pace.granted == 16

    def test_what_only_a_wrong_clock_can_have_booked_is_discarded(self) -> None:
        once = limits(requests_per_minute=60, burst=3)
        pace, _ = once.book(SharedPace(), NOW + 1e6, [Cost()])
        assert booked(once, pace, 2) == [1.0, 2.0]  # on the safe side: as if the bucket were empty now

    def test_an_instant_beyond_the_largest_skew_of_a_clock_is_not_obeyed(self) -> None:
        once = limits(requests_per_minute=60, burst=3)
        latest = NOW + once.requests.burst_seconds + MAX_CLOCK_SKEW_SECONDS
        pace = dataclasses.replace(SharedPace(), requests_next_free_at=latest)
        assert booked(once, pace, 1) == []
        pace = dataclasses.replace(pace, requests_next_free_at=math.nextafter(latest, math.inf))
        assert booked(once, pace, 1) == [1.0]


class TestRefund:
    def test_unused_tokens_can_be_booked_again(self) -> None:
        once = limits(tokens_per_minute=60_000, tokens_per_day=1e6)
        pace, _ = once.book(SharedPace(), NOW, [Cost(tokens=50_000)])
        back = once.refund(pace, NOW, 20_000)
        assert back.at == NOW
        assert back.tokens_next_free_at == approx(pace.tokens_next_free_at - 20)
        assert back.day_next_free_at == approx(pace.day_next_free_at - 20_000 * 0.0864)

    def test_calls_that_cost_more_than_booked_are_debited(self) -> None:
        once = limits(tokens_per_minute=60_000)
        pace, _ = once.book(SharedPace(), NOW, [Cost(tokens=10_000)])
        assert once.refund(pace, NOW, -5_000).tokens_next_free_at == approx(NOW + 15)

    def test_a_refund_to_a_full_bucket_overflows(self) -> None:
        once = limits(tokens_per_minute=60_000)
        pace, _ = once.book(SharedPace(), NOW, [Cost(tokens=10_000)])
        assert once.refund(pace, NOW + 5, 50_000).tokens_next_free_at == NOW + 5
        assert once.refund(pace, NOW + 500, 50_000).tokens_next_free_at == pace.tokens_next_free_at

    def test_requests_are_not_touched(self) -> None:
        once = limits(requests_per_minute=60, burst=3, tokens_per_minute=60_000)
        pace, _ = once.book(SharedPace(), NOW, [Cost()] * 5)
        assert once.refund(pace, NOW, 1_000).requests_next_free_at == pace.requests_next_free_at


class TestObserve:
    @pytest.mark.parametrize(
        ("kind", "used", "seconds", "factor"),
        [
            ("answered", None, 10, 1.0),
            ("answered", 4_000.0, 4, 1.0),
            ("answered", 13_000.0, 13, 1.0),
            ("throttled", None, 10.3, 1.0),
            ("overloaded", None, 10, 0.5),
            ("sent", None, 20, 1.0),
            ("unsent", None, 0, 1.0),
            ("elsewhere", None, 10, 1.0),
        ],
    )
    def test_what_became_of_a_request_of_ten_seconds(
        self, kind: OutcomeKind, used: float | None, seconds: float, factor: float
    ) -> None:
        once, cost = limits(tokens_per_minute=60_000), Cost(tokens=10_000)
        pace, (slot,) = once.book(SharedPace(), NOW, [cost])
        after = once.observe(pace, NOW, RequestOutcome(kind, slot, cost, used))
        assert after.tokens_next_free_at == approx(NOW + seconds)
        assert after.factor_at(NOW) == factor


class TestThrottled:
    def test_the_pace_is_lower(self) -> None:
        once = limits(requests_per_minute=60, burst=3)
        pace = once.throttled(SharedPace(), NOW, NOW - 0.1)
        assert pace.factor_at(NOW) == approx(0.8)
        assert booked(once, pace, 4) == [0.0, 0.0, 1.25, 2.5]

    def test_a_request_in_flight_at_the_cut_changes_nothing(self) -> None:
        once = limits(requests_per_minute=60, burst=3)
        pace = once.throttled(SharedPace(), NOW, NOW - 0.1)
        assert once.throttled(pace, NOW + 1, NOW) is pace
        assert once.overloaded(pace, NOW + 1, NOW) is pace

    @pytest.mark.parametrize(
        ("granted", "factor"),
        [(3, 0.8 * 0.9), (70, 0.97 * 0.7), (50, 0.65 * 0.9), (99, 0.97 * 0.9)],
        ids=["too few to measure", "measured", "no deeper than this", "but lower in any case"],
    )
    def test_from_the_second_one_on_the_rate_is_measured(self, granted: int, factor: float) -> None:
        # At 60 a minute, 100 s after the first throttle, and a pace that has grown back to 0.9.
        before = SharedPace(cut_at=NOW - 100, granted_at_cut=7, granted=7 + granted, factor=0.9 - (100 / 240) ** 3)
        after = limits(requests_per_minute=60, burst=3).throttled(before, NOW, NOW - 1)
        assert after.factor == approx(factor)
        assert (after.cut_at, after.granted_at_cut) == (NOW, 7 + granted)

    def test_the_pace_recovers_within_four_minutes_slowly_at_first(self) -> None:
        pace = dataclasses.replace(SharedPace(), factor=0.5, cut_at=NOW)
        after = [round(pace.factor_at(NOW + seconds), 3) for seconds in (-5, 0, 60, 120, 180, 240)]
        assert after == [0.5, 0.5, 0.516, 0.625, 0.922, 1.0]

    def test_the_pace_never_falls_below_a_sixteenth(self) -> None:
        once, pace = limits(requests_per_minute=60, burst=3), SharedPace()
        for second in range(100):
            pace = once.throttled(pace, NOW + second, NOW + second)
        assert pace.factor == 1 / 16

    def test_where_requests_are_not_limited_no_bucket_of_them_is_emptied(self) -> None:
        pace = limits(tokens_per_minute=60_000).throttled(SharedPace(), NOW, NOW)
        assert math.isfinite(pace.requests_next_free_at)
        assert pace.factor == approx(0.8)

    def test_an_outage_of_some_seconds_halves_the_pace_once(self) -> None:
        once = limits(requests_per_minute=60, burst=3)
        pace = SharedPace()
        for second in range(6):
            pace = once.overloaded(pace, NOW + second, NOW + second)
        assert (pace.factor, pace.cut_at) == (approx(0.5), NOW)
        assert once.overloaded(pace, NOW + MIN_SECONDS_BETWEEN_CUTS, NOW + 9).factor < 0.3

    def test_an_overload_of_a_request_sent_at_the_cut_changes_nothing(self) -> None:
        schedule = limits(requests_per_minute=60)
        pace = schedule.overloaded(SharedPace(), NOW, NOW - 1)
        assert pace.factor == 0.5
        assert schedule.overloaded(pace, NOW + 20, NOW) == pace
        assert schedule.overloaded(pace, NOW + 20, NOW + 0.5).factor < 0.5

    def test_an_overload_halves_the_pace_and_empties_nothing(self) -> None:
        once = limits(requests_per_minute=60, burst=3)
        pace = once.overloaded(SharedPace(), NOW, NOW)
        assert pace.factor == approx(0.5)
        assert booked(once, pace, 1) == [0.0]
