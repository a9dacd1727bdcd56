"""The rate, estimated from throttles."""

from __future__ import annotations

import itertools

from bedrock_resilience.pacing._estimate import Estimate, Throttles
from support.approx import approx


def observe(throttles: Throttles, sent: float, number: int) -> Estimate | None:
    throttles.exclude(number)
    return throttles.observe(sent, number)


def test_one_throttle_gives_no_estimate() -> None:
    assert observe(Throttles(), 10.0, 8) is None


def test_between_two_throttles_what_was_admitted_was_refilled_to_within_one() -> None:
    throttles = Throttles()
    observe(throttles, 10.0, 8)
    estimate = observe(throttles, 20.0, 17)  # 9 to 16: eight requests in ten seconds
    assert estimate is not None
    assert (estimate.low, estimate.high, estimate.middle) == (approx(0.7), approx(0.9), approx(0.8))
    assert (estimate.sample_size, estimate.decreased) == (8, False)


def test_a_longer_baseline_narrows_the_bounds() -> None:
    throttles = Throttles()
    observe(throttles, 10.0, 8)
    observe(throttles, 20.0, 17)
    estimate = observe(throttles, 60.0, 50)  # 40 admitted in 50 s, and 32 in 40 s
    assert estimate is not None
    assert (estimate.low, estimate.high) == (approx(39 / 50), approx(41 / 50))
    assert (estimate.sample_size, estimate.decreased) == (40, False)


def test_what_was_refused_or_never_sent_was_not_admitted() -> None:
    throttles = Throttles()
    observe(throttles, 10.0, 8)
    for number in (11, 9):
        throttles.exclude(number)
    estimate = observe(throttles, 20.0, 17)
    assert estimate is not None
    assert estimate.sample_size == 6
    assert throttles.admitted_before(17) == 13  # 1 to 16 without 8, 9 and 11


def test_throttles_from_before_a_change_are_discarded() -> None:
    throttles = Throttles()
    observe(throttles, 0.0, 1)
    observe(throttles, 100.0, 102)  # 1 a second
    estimate = observe(throttles, 200.0, 153)  # half of it
    assert estimate is not None
    assert (estimate.low, estimate.high) == (approx(0.49), approx(0.51))
    assert (estimate.sample_size, estimate.decreased) == (50, True)
    again = observe(throttles, 300.0, 204)  # contradicting throttles are discarded
    assert again is not None
    assert (again.sample_size, again.decreased) == (100, False)


def test_an_increased_rate_is_not_reported_as_decreased() -> None:
    throttles = Throttles()
    observe(throttles, 0.0, 1)
    observe(throttles, 100.0, 52)  # half a second
    estimate = observe(throttles, 200.0, 153)  # 1 a second
    assert estimate is not None
    assert (estimate.low, estimate.high) == (approx(0.99), approx(1.01))
    assert (estimate.sample_size, estimate.decreased) == (100, False)


def test_throttles_of_the_same_instant_are_no_baseline() -> None:
    throttles = Throttles()
    observe(throttles, 10.0, 8)
    assert observe(throttles, 10.0, 9) is None
    later = observe(throttles, 20.0, 18)
    assert later is not None
    assert not later.decreased
    late_report = observe(throttles, 20.0, 17)  # refused before the one above, reported after it
    assert late_report is not None
    assert late_report.sample_size == 7


def test_the_bounds_hold_for_every_bucket_that_never_overflows() -> None:
    for rate, interval in itertools.product((0.2, 0.4167, 1.7, 30.0), (0.45, 0.8, 0.97)):
        throttles = Throttles()
        level, now, number, estimates = 5.0, 0.0, 0, 0
        while estimates < 30:
            now += interval / rate
            level += interval
            number += 1
            if level >= 1:
                level -= 1
                continue
            estimate = observe(throttles, now, number)
            if estimate is not None:
                estimates += 1
                assert estimate.low < rate < estimate.high
                assert not estimate.decreased


def test_the_record_stays_short() -> None:
    throttles = Throttles()
    for number in range(10_000):
        observe(throttles, float(number), number)
    assert len(throttles._not_admitted) <= 9  # pyright: ignore[reportPrivateUsage] - its memory has no public measure
