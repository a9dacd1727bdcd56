"""The rate limiters, one by one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from bedrock_resilience.quotas import TokenBucket
from bedrock_resilience.quotas._limiters import FixedWindow, RefilledBucket, SlidingWindow, seconds_until
from support.approx import approx

if TYPE_CHECKING:
    from collections.abc import Callable

    from bedrock_resilience.quotas._limiters import RateLimiter

RATE = 10 / 60


LIMITERS: dict[str, Callable[[], RateLimiter]] = {
    "bucket": lambda: TokenBucket(RATE, 10.0),
    "refilled": lambda: RefilledBucket(RATE, 10.0),
    "fixed": lambda: FixedWindow(RATE),
    "sliding": lambda: SlidingWindow(RATE),
}


@pytest.fixture(params=LIMITERS)
def limiter(request: pytest.FixtureRequest) -> RateLimiter:
    return LIMITERS[request.param]()


class TestEach:
    def test_it_starts_unused_and_admits_a_minute(self, limiter: RateLimiter) -> None:
        assert limiter.level(0.0) == approx(10.0)
        limiter.debit(0.0, 10.0)
        assert not limiter.fits(0.0)
        assert limiter.wait(0.0, 11.0) == math.inf

    def test_all_is_free_after_a_minute(self, limiter: RateLimiter) -> None:
        limiter.debit(0.0, 10.0)
        assert limiter.level(60.0) == approx(10.0)
        assert limiter.wait(60.0, 10.0) == 0.0

    def test_a_refund_frees_what_was_reserved(self, limiter: RateLimiter) -> None:
        limiter.debit(61.0, 10.0)
        limiter.correct(62.0, 61.0, -4.0)
        assert limiter.level(62.0) == approx(4.0, within=0.2)

    def test_a_higher_cost_is_charged_when_it_is_known(self, limiter: RateLimiter) -> None:
        limiter.debit(61.0, 6.0)
        limiter.correct(63.0, 61.0, 5.0)
        assert limiter.level(63.0) == approx(-1.0, within=0.4)

    def test_refusals_cost_a_minute_at_the_most(self, limiter: RateLimiter) -> None:
        for _ in range(100):
            limiter.penalise(64.0, 3.0)
        assert limiter.level(64.0) == approx(-10.0)
        limiter.penalise(64.0, 3.0)
        assert limiter.level(64.0) == approx(-10.0)

    def test_a_refusal_leaves_a_higher_debt_as_it_is(self, limiter: RateLimiter) -> None:
        limiter.debit(64.0, 25.0)
        limiter.penalise(64.0, 3.0)
        assert limiter.level(64.0) == approx(-15.0)

    def test_a_larger_quota_counts_what_was_used(self, limiter: RateLimiter) -> None:
        limiter.debit(64.0, 20.0)
        limiter.resize(64.0, 2 * RATE, 20.0)
        assert limiter.level(64.0) < 1.0
        assert limiter.level(184.0) == approx(20.0)

    def test_a_larger_quota_refills_from_its_change_on(self, limiter: RateLimiter) -> None:
        limiter.debit(64.0, 20.0)
        limiter.resize(64.0, 2 * RATE, 20.0)
        assert limiter.level(184.0) == approx(20.0)

    def test_a_clock_that_goes_back_changes_nothing(self, limiter: RateLimiter) -> None:
        limiter.debit(185.0, 10.0)
        level = limiter.level(185.0)
        assert limiter.level(100.0) == level
        assert limiter.wait(100.0) >= 85.0


class TestFixedWindow:
    @pytest.mark.parametrize("make", [lambda: FixedWindow(RATE), lambda: RefilledBucket(RATE, 10.0)])
    def test_by_default_a_minute_begins_at_zero(self, make: Callable[[], RateLimiter]) -> None:
        limiter = make()
        limiter.debit(59.5, 10.0)
        assert limiter.wait(59.5) == 0.5

    def test_an_origin_may_be_below_zero(self) -> None:
        limiter = FixedWindow(RATE, origin=-100.0)
        limiter.debit(0.0, 10.0)
        assert limiter.wait(0.0) == 20.0

    def test_a_window_begins_at_its_origin_and_includes_it(self) -> None:
        window = FixedWindow(RATE, origin=20.0)
        window.debit(19.9, 10.0)
        assert window.wait(19.9) == approx(0.1)
        assert window.fits(20.0, 10.0)
        window.debit(20.0, 10.0)
        assert window.wait(30.0) == approx(50.0)
        assert not window.fits(79.999)

    def test_what_was_reserved_in_an_earlier_window_is_not_given_back(self) -> None:
        window = FixedWindow(RATE)
        window.debit(59.0, 8.0)
        window.debit(61.0, 8.0)
        window.correct(62.0, 59.0, -8.0)
        assert window.level(62.0) == 2.0
        window.correct(62.0, 61.0, -8.0)
        assert window.level(62.0) == 10.0

    def test_a_rounded_quotient_does_not_move_a_boundary(self) -> None:
        window = FixedWindow(1 / 90, origin=0.3)
        for number in range(2_000):
            at = 0.3 + number * window.period
            window.debit(at, 1.0)
            assert window.level(at) == 0.0
            assert window.wait(at) == approx(90.0)

    def test_a_quotient_that_was_rounded_up_or_down_is_corrected(self) -> None:
        for period in (60 / 0.7, 60 / 0.9, 61.3):
            window = FixedWindow(1 / period, origin=0.1)
            for index in range(-1_000, 1_000, 7):
                boundary = 0.1 + index * window.period
                assert window._index(boundary) == index  # pyright: ignore[reportPrivateUsage] - the arithmetic
                before = math.nextafter(boundary, -math.inf)
                assert window._index(before) == index - 1  # pyright: ignore[reportPrivateUsage] - as above


class TestRefilledBucket:
    def test_what_is_unused_is_carried_over_up_to_the_capacity(self) -> None:
        bucket = RefilledBucket(RATE, 25.0)
        bucket.debit(0.0, 25.0)
        assert bucket.level(59.9) == 0.0
        assert bucket.level(60.0) == 10.0
        assert bucket.level(600.0) == 25.0

    def test_a_debt_is_carried_over(self) -> None:
        bucket = RefilledBucket(RATE, 10.0)
        bucket.debit(0.0, 35.0)
        assert bucket.wait(0.0) == approx(180.0)
        assert bucket.level(180.0) == 5.0


class TestSlidingWindow:
    def test_each_request_leaves_the_window_after_a_minute(self) -> None:
        window = SlidingWindow(RATE)
        for number in range(10):
            window.debit(float(number), 1.0)
        assert window.wait(9.0) == 51.0
        assert window.wait(9.0, 3.0) == 53.0
        assert not window.fits(math.nextafter(60.0, 0.0))
        assert window.fits(60.0)
        assert not window.fits(60.0, 2.0)

    def test_a_refund_after_the_window_gains_nothing(self) -> None:
        window = SlidingWindow(RATE)
        window.debit(0.0, 10.0)
        window.debit(61.0, 10.0)
        window.correct(62.0, 0.0, -10.0)
        assert window.level(62.0) == 0.0

    def test_an_amount_that_equals_the_limit_but_for_rounding_waits_for_all(self) -> None:
        window = SlidingWindow(RATE)
        window.debit(0.0, 4.0)
        window.debit(5.0, 6.0)
        amount = 10.0 * (1 + 0.8e-9)
        assert window.wait(6.0, amount) == 59.0
        assert window.fits(65.0, amount)

    def test_the_rounding_of_the_sums_delays_no_request(self) -> None:
        window = SlidingWindow(100_000.0)
        window.debit(0.0, 0.1)
        window.debit(1.0, window.limit - 0.1)
        assert window.wait(2.0, 0.1) == 58.0

    def test_less_than_one_a_minute_is_one_in_a_longer_window(self) -> None:
        window = SlidingWindow(0.5 / 60)
        window.debit(0.0, 1.0)
        assert window.wait(0.0) == approx(120.0)


@pytest.mark.parametrize("now", [0.0, 0.1, -5.3, 1e9 + 0.7, 3.3e-9])
def test_a_wait_reaches_its_instant_in_spite_of_rounding(now: float) -> None:
    for seconds in (0.0, 1e-9, 0.3, 59.9, 1e7 / 3):
        instant = now + seconds
        wait = seconds_until(now, instant)
        assert now + wait >= instant
        assert wait == approx(seconds, within=1e-6)
    assert seconds_until(5.0, 3.0) == 0.0
    start, end = -23.622538102338595, 0.2550690257394217
    assert start + (end - start) < end, "the difference is rounded down"
    assert start + seconds_until(start, end) >= end


def test_requests_of_one_instant_leave_the_window_together() -> None:
    window = SlidingWindow(RATE)
    window.debit(0.0, 4.0)
    window.debit(0.0, 4.0)
    window.debit(30.0, 1.0)
    assert window.level(60.0) == 9.0


def test_no_more_is_refunded_than_was_debited() -> None:
    window = SlidingWindow(RATE)
    window.debit(0.0, 5.0)
    window.debit(1.0, 1.0)
    for left in (7.0, 9.0, 9.0):
        window.correct(2.0, 0.0, -3.0)
        assert window.level(2.0) == left


@pytest.mark.parametrize(("a_minute", "limit", "period"), [(0.5, 1.0, 120.0), (1.0, 1.0, 60.0), (1.5, 1.5, 60.0)])
def test_the_limit_and_the_period_of_a_small_rate(a_minute: float, limit: float, period: float) -> None:
    window = SlidingWindow(a_minute / 60)
    assert (window.limit, window.period) == (approx(limit), approx(period))


def test_a_bucket_gives_no_more_than_it_contains() -> None:
    bucket = TokenBucket(RATE, 10.0)
    assert not bucket.take(0.0, 11.0)
    assert bucket.take(0.0, 9.0)
    assert not bucket.take(0.0, 2.0)
    assert bucket.take(0.0)
    assert not bucket.take(0.0)
    assert seconds_until(5.0, math.inf) == math.inf
