"""What holds for instances that share a quota, whatever they do and in whatever order."""

from __future__ import annotations

import dataclasses
import functools
import heapq
import operator
from typing import TYPE_CHECKING, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from bedrock_resilience.pacing import MemoryTable, SharedPacer
from bedrock_resilience.pacing.shared._schedule import LONGEST, Cost, Lines, SharedPace
from bedrock_resilience.quotas import Quota, TokenBucket

if TYPE_CHECKING:
    from bedrock_resilience.pacing import Reservation

SKEW = 0.1
LONG_AGO = 1_000.0


class Job(NamedTuple):
    """A request of one instance: when, how large, how late its thread wakes up, how late it arrives, how it ends."""

    instance: int
    pause: float
    tokens: int
    oversleeps: float
    delay: float
    end: str


class MeddledTable(MemoryTable):
    """Where another instance was quicker now and then: it has changed the pace between the look and the exchange."""

    def __init__(self, meddling: list[bool]) -> None:
        super().__init__()
        self._meddling = meddling

    def exchange(self, key: str, seen: SharedPace, new: SharedPace, instance: str = "") -> SharedPace | None:
        if self._meddling and self._meddling.pop():
            quicker = dataclasses.replace(seen, revision=seen.revision + 1)
            there = super().exchange(key, seen, quicker, "another")
            return quicker if there is None else there
        return super().exchange(key, seen, new, instance)


def or_extreme(least: float, most: float) -> st.SearchStrategy[float]:
    """Numbers in this range, mostly the ends: what is just tolerated is where a tolerance shows."""
    return st.one_of(st.just(least), st.just(most), st.floats(least, most))


jobs = st.builds(
    Job,
    instance=st.integers(0, 3),
    pause=or_extreme(0.0, 10.0),
    tokens=st.integers(0, 4_000),
    oversleeps=st.sampled_from([0.0, 0.5, 2.0]) | st.floats(0.0, 5.0),
    delay=or_extreme(0.0, 0.05),
    end=st.sampled_from(["answered", "answered", "answered", "answered", "answered", "abandoned", "crashed"]),
)
quotas = st.builds(
    Quota,
    requests_per_minute=st.sampled_from([25.0, 50.0, 600.0]) | st.floats(5.0, 6_000.0),
    tokens_per_minute=st.none() | st.floats(10_000.0, 400_000.0),
    burst=st.sampled_from([None, 1.0, 2.0]) | st.floats(1.0, 20.0),
)


@settings(max_examples=300)
@given(
    quota=quotas,
    skews=st.lists(or_extreme(0.0, SKEW), min_size=4, max_size=4),
    courses=st.lists(jobs, max_size=40),
    meddling=st.lists(st.booleans(), max_size=60),
)
def test_all_instances_together_never_send_more_than_the_quota_admits(
    quota: Quota, skews: list[float], courses: list[Job], meddling: list[bool]
) -> None:
    arrived = sorted(_run(quota, skews, courses, meddling))
    assert quota.requests_per_minute is not None
    requests = TokenBucket(quota.requests_per_minute / 60, quota.request_burst)
    assert all(requests.take(at) for at, _ in arrived)
    if quota.tokens_per_minute is not None:
        tokens = TokenBucket(quota.tokens_per_minute / 60, quota.tokens_per_minute)
        assert all(tokens.take(at, amount) for at, amount in arrived)


def _run(quota: Quota, skews: list[float], courses: list[Job], meddling: list[bool]) -> list[tuple[float, int]]:
    table = MeddledTable(meddling)
    pacers = [
        SharedPacer(table, "model", quota, skew=SKEW, wall=functools.partial(operator.add, LONG_AGO + skew))
        for skew in skews
    ]
    arrived: list[tuple[float, int]] = []
    events: list[tuple[float, int, Job, Reservation | None]] = []
    now = 0.0
    for number, job in enumerate(courses):
        now += job.pause
        events.append((now, number, job, None))
    while events:
        now, number, job, reservation = heapq.heappop(events)
        pacer = pacers[job.instance]
        if reservation is None:
            reservation = pacer.reserve(now, job.tokens)
            wait = reservation.wait
        elif job.end == "crashed":
            continue  # it never asks again
        elif job.end == "abandoned":
            pacer.abandoned(reservation, now)
            continue
        else:
            wait = pacer.due(reservation, now)
        if wait > 0:
            heapq.heappush(events, (now + wait + job.oversleeps, number, job._replace(oversleeps=0.0), reservation))
        else:
            arrived.append((now + job.delay, job.tokens))
            pacer.answered(reservation, now)
    return arrived


@given(
    quota=quotas,
    changes=st.lists(
        st.tuples(
            st.floats(0.0, 60.0),
            st.sampled_from(["book", "throttled", "overloaded", "give_back", "broken clock"]),
            st.integers(0, 5),
        ),
        max_size=40,
    ),
)
def test_no_course_of_events_keeps_everybody_waiting(quota: Quota, changes: list[tuple[float, str, int]]) -> None:
    lines = Lines.of(quota, 0.65)
    pace = SharedPace()
    now = LONG_AGO
    for pause, what, count in changes:
        now += pause
        if what == "book":
            pace, slots = lines.book(pace, now, [Cost(tokens=1_000.0)] * count)
            assert slots == sorted(slots)
            assert all(now <= slot <= now + LONGEST for slot in slots)
        elif what == "throttled":
            pace = lines.throttled(pace, now, now - count)
        elif what == "overloaded":
            pace = lines.overloaded(pace, now, now - count)
        elif what == "give_back":
            pace = lines.give_back(pace, now, count * 1_000.0)
        else:
            pace, _ = lines.book(pace, now + 1e6 * count, [Cost()])
        assert 0 < pace.factor_at(now) <= 1
    # Whatever was, a quarter of an hour later the first who asks is let through within that time.
    _, slots = lines.book(pace, now + LONGEST, [Cost(tokens=1_000.0)])
    assert len(slots) == 1
