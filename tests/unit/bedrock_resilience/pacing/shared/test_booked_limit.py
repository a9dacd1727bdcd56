"""One limit of a given quota, as instances book it: a bucket until it refuses, then even."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from bedrock_resilience.pacing.shared._booked_limit import (
    MAX_AHEAD_SECONDS,
    UNLIMITED,
    BookedLimit,
    RateLimit,
)
from support.approx import approx

if TYPE_CHECKING:
    from collections.abc import Mapping

NOW = 1_000.0
DAY = 86_400.0
LIMIT = RateLimit(1.0, 3.0, per_minute=60, even_interval=1.05, minute_seconds=60.5)


def limit(state: Mapping[str, Any] | None = None, *, free_at: float = 0.0, now: float = NOW) -> BookedLimit:
    return BookedLimit(LIMIT, free_at, state or {}, 1.0, now)


def stored(one: BookedLimit, *, now: float = NOW, factor: float = 1.0) -> BookedLimit:
    """Return the limit as the next instance reads it."""
    return BookedLimit(LIMIT, one.free_at, json.loads(json.dumps(one.to_dict())), factor, now)


def booked(one: BookedLimit, count: int, amount: float = 1.0, *, now: float = NOW) -> list[float]:
    slots: list[float] = []
    for _ in range(count):
        slots.append(one.slot(slots[-1] if slots else now, amount))
        one.book(slots[-1], amount)
    return [round(slot - NOW, 2) for slot in slots]


def refused(one: BookedLimit, sent_at: float, now: float, *, rebooked: bool = False) -> bool:
    return one.refused(sent_at, 1.0, now, rebooked=rebooked)


def test_until_it_refuses_it_is_a_bucket() -> None:
    one = limit()
    assert booked(one, 5) == [0.0, 0.0, 0.0, 1.0, 2.0]
    assert not one.even


def test_after_a_refusal_it_has_no_burst() -> None:
    one = limit()
    booked(one, 5)
    assert refused(one, NOW, NOW + 0.2)
    assert booked(stored(one), 3, now=NOW + 0.2) == [1.25, 2.3, 3.35]


def test_what_was_booked_with_a_burst_is_booked_anew() -> None:
    one = limit()
    booked(one, 30)
    assert one.free_at == approx(NOW + 30)
    refused(one, NOW, NOW + 0.2)
    assert one.free_at == approx(NOW + 0.2 + 1.05)


def test_after_a_refusal_no_minute_contains_more_than_the_quota() -> None:
    one = limit()
    one.correct(NOW, 61.0)  # a whole minute, and the refused request
    refused(one, NOW, NOW + 0.2)
    assert booked(stored(one), 1, now=NOW + 0.2) == [approx(62.85)]


def test_it_waits_until_the_minute_contains_less_than_when_it_refused() -> None:
    one = limit()
    booked(one, 59)
    one.correct(NOW + 70.0, 1.0)
    refused(one, NOW + 70.0, NOW + 70.2)
    assert one.free_at == approx(NOW + 70.2 + 1.05)
    full = limit()
    full.correct(NOW, 60.0)
    full.correct(NOW + 5.0, 1.0)
    refused(full, NOW + 5.0, NOW + 5.2)
    assert full.free_at == approx(NOW + 60.5 + 1.3 + 1.05)


@pytest.mark.parametrize(
    ("sent_at", "rebooked", "explained"),
    [(NOW + 0.1, False, True), (NOW + 5.0, True, True), (NOW + 5.0, False, False)],
    ids=["in flight at the first refusal", "booked before it", "sent without a burst"],
)
def test_a_second_refusal_is_explained_unless_it_was_sent_without_a_burst(
    sent_at: float,
    rebooked: bool,  # noqa: FBT001 - a test case
    explained: bool,  # noqa: FBT001 - a test case
) -> None:
    one = limit()
    booked(one, 5)
    assert refused(one, NOW, NOW + 0.2)
    assert refused(one, sent_at, NOW + 5.2, rebooked=rebooked) is explained
    assert one.changed_at == (NOW + 0.2 if explained else NOW + 5.2)


def test_a_refused_request_is_not_in_the_minute() -> None:
    one = limit()
    booked(one, 5)
    refused(one, NOW, NOW + 0.2)
    assert one.used_share(NOW + 5.0, 60.0) == approx(4 * 1.05 / 60)


def test_a_lower_rate_lengthens_the_interval_and_no_more() -> None:
    one = limit()
    refused(one, NOW, NOW)
    half = stored(one, factor=0.5)
    first, second, third = booked(half, 3)
    assert second - first == approx(2.1)
    assert third - second == approx(2.1)


def test_the_largest_request_fits_without_a_burst() -> None:
    one = limit()
    refused(one, NOW, NOW)
    assert booked(one, 2, 2.5) == [approx(2.62), approx(5.25)]


def test_a_day_after_the_last_refusal_it_tries_the_burst_again() -> None:
    one = limit()
    refused(one, NOW, NOW)
    assert stored(one, now=NOW + DAY - 1).even
    again = stored(one, now=NOW + DAY)
    assert not again.even
    assert booked(again, 3, now=NOW + DAY) == [DAY, DAY, DAY]


def test_a_clock_that_was_hours_ahead_stops_nobody() -> None:
    one = limit()
    refused(one, NOW, NOW)
    one.correct(NOW + 1e6, 60.0)
    assert booked(stored(one), 1)[0] < MAX_AHEAD_SECONDS


@pytest.mark.parametrize("other", [UNLIMITED, RateLimit(1.0, 86_399.5)])
def test_what_is_no_limit_of_a_minute_remembers_nothing(other: RateLimit) -> None:
    one = BookedLimit(other, 0.0, {}, 1.0, NOW)
    one.book(one.slot(NOW, 5.0), 5.0)
    assert not one.refused(NOW, 5.0, NOW, rebooked=False)
    assert one.to_dict() == {}
    assert not one.even


def test_its_state_stays_small() -> None:
    one = limit()
    for second in range(1_000):
        one = stored(one, now=NOW + second)
        one.correct(NOW + second, 1_234.567)
    assert len(json.dumps(one.to_dict())) < 1_800


@pytest.mark.parametrize(("sent_at", "late"), [(NOW + 0.25, True), (NOW + 0.5, False), (NOW + 0.75, False)])
def test_a_request_sent_before_the_change_is_refused_late(sent_at: float, *, late: bool) -> None:
    one = limit()
    booked(one, 5)
    assert refused(one, NOW, NOW + 0.5)
    assert refused(one, sent_at, NOW + 1.0) == late
    assert one.changed_at == (NOW + 0.5 if late else NOW + 1.0)


def test_a_second_refusal_is_not_explained_by_what_the_minute_contains() -> None:
    one = limit({"changed_at": NOW, "largest": 1.0, "log": [[int(NOW), 70.0]]})
    assert not refused(one, NOW + 1.0, NOW + 2.0)
    assert one.free_at == approx(NOW + 2.0 + 1.05)


def test_what_a_clock_recorded_that_was_too_far_ahead_does_not_count() -> None:
    state = {"changed_at": NOW, "largest": 1.0, "log": [[1_960, 1.0], [1_961, 1.0]]}
    assert limit(state).to_dict()["log"] == [[1_960, 1.0]]
