"""The rate, estimated from throttles."""

from __future__ import annotations

import itertools

import pytest

from bedrock_resilience.pacing._estimate import Throttles
from support.approx import approx


def test_one_throttle_gives_no_estimate() -> None:
    assert Throttles().observe(10.0, 7.0, 1.0) is None


def test_between_two_throttles_what_was_admitted_was_refilled_to_within_one() -> None:
    throttles = Throttles()
    throttles.observe(10.0, 7.0, 1.0)
    estimate = throttles.observe(20.0, 15.0, 1.0)  # eight requests in ten seconds
    assert estimate is not None
    assert (estimate.low, estimate.high, estimate.middle) == (approx(0.7), approx(0.9), approx(0.8))
    assert (estimate.sample_size, estimate.decreased) == (8, False)


def test_tokens_are_known_to_within_the_refused_requests() -> None:
    throttles = Throttles()
    throttles.observe(10.0, 7_000.0, 500.0)
    estimate = throttles.observe(20.0, 15_000.0, 2_000.0)
    assert estimate is not None
    assert (estimate.low, estimate.high) == (750.0, 1_000.0)


def test_a_throttle_since_which_more_was_refunded_than_admitted_is_no_baseline() -> None:
    # An upper bound of 0 raised a ZeroDivisionError; a negative one gave a negative rate.
    for refunded in (2_000.0, 2_500.0):
        throttles = Throttles()
        throttles.observe(10.0, 7_000.0, 500.0)
        assert throttles.observe(20.0, 7_000.0 - refunded, 2_000.0) is None
    throttles = Throttles()
    throttles.observe(10.0, 7_000.0, 500.0)
    estimate = throttles.observe(20.0, 5_010.0, 2_000.0)
    assert estimate is not None
    assert (estimate.low, estimate.high) == (0.0, 1.0)


def test_a_longer_baseline_narrows_the_bounds() -> None:
    throttles = Throttles()
    throttles.observe(10.0, 7.0, 1.0)
    throttles.observe(20.0, 15.0, 1.0)
    estimate = throttles.observe(60.0, 47.0, 1.0)  # 40 admitted in 50 s, and 32 in 40 s
    assert estimate is not None
    assert (estimate.low, estimate.high) == (approx(39 / 50), approx(41 / 50))
    assert (estimate.sample_size, estimate.decreased) == (40, False)


@pytest.mark.parametrize(("admitted", "bound"), [(13.0, 0.75), (19.0, 1.25)])
def test_bounds_that_touch_agree(admitted: float, bound: float) -> None:
    throttles = Throttles()
    throttles.observe(0.0, 0.0, 1.0)
    throttles.observe(8.0, 8.0, 1.0)
    estimate = throttles.observe(16.0, admitted, 1.0)
    assert estimate is not None
    assert (estimate.low, estimate.high) == (bound, bound)
    assert (estimate.sample_size, estimate.decreased) == (admitted, False)


def test_what_was_sent_before_a_throttle_and_refused_after_it_was_not_admitted() -> None:
    throttles = Throttles()
    throttles.observe(10.0, 9.0, 1.0)
    throttles.exclude(9.9, 2.0)
    throttles.exclude(10.0, 1.0)  # the throttle itself
    estimate = throttles.observe(20.0, 13.0, 1.0)
    assert estimate is not None
    assert estimate.sample_size == 6


def test_throttles_from_before_a_change_are_discarded() -> None:
    throttles = Throttles()
    throttles.observe(0.0, 0.0, 1.0)
    throttles.observe(100.0, 100.0, 1.0)  # 1 a second
    estimate = throttles.observe(200.0, 150.0, 1.0)  # half of it
    assert estimate is not None
    assert (estimate.low, estimate.high) == (approx(0.49), approx(0.51))
    assert (estimate.sample_size, estimate.decreased) == (50, True)
    again = throttles.observe(300.0, 200.0, 1.0)  # contradicting throttles are discarded
    assert again is not None
    assert (again.sample_size, again.decreased) == (100, False)


def test_an_increased_rate_is_not_reported_as_decreased() -> None:
    throttles = Throttles()
    throttles.observe(0.0, 0.0, 1.0)
    throttles.observe(100.0, 50.0, 1.0)  # half a second
    estimate = throttles.observe(200.0, 150.0, 1.0)  # 1 a second
    assert estimate is not None
    assert (estimate.low, estimate.high) == (approx(0.99), approx(1.01))
    assert (estimate.sample_size, estimate.decreased) == (100, False)


def test_throttles_of_the_same_instant_are_no_baseline() -> None:
    throttles = Throttles()
    throttles.observe(10.0, 7.0, 1.0)
    assert throttles.observe(10.0, 7.0, 1.0) is None
    later = throttles.observe(20.0, 15.0, 1.0)
    assert later is not None
    assert not later.decreased


def test_the_bounds_hold_for_every_bucket_that_never_overflows() -> None:
    for rate, interval in itertools.product((0.2, 0.4167, 1.7, 30.0), (0.45, 0.8, 0.97)):
        throttles = Throttles()
        level, now, admitted, estimates = 5.0, 0.0, 0.0, 0
        while estimates < 30:
            now += interval / rate
            level += interval
            if level >= 1:
                level -= 1
                admitted += 1
                continue
            estimate = throttles.observe(now, admitted, 1.0)
            if estimate is not None:
                estimates += 1
                assert estimate.low < rate < estimate.high
                assert not estimate.decreased


def test_the_record_stays_short_and_survives_json() -> None:
    throttles = Throttles()
    for number in range(1_000):
        throttles.observe(float(number), number / 2, 1.0)
    entries = throttles.entries()
    assert len(entries) == 8
    read = Throttles(entries).observe(1_000.0, 500.0, 1.0)
    kept = throttles.observe(1_000.0, 500.0, 1.0)
    assert read is not None
    assert kept is not None
    assert (read.low, read.high) == (kept.low, kept.high)
