"""Invariants of instances that share a quota, in whatever order they act."""

from __future__ import annotations

import dataclasses
import functools
import heapq
import operator
from typing import TYPE_CHECKING, NamedTuple

from hypothesis import example, given
from hypothesis import strategies as st

from bedrock_resilience.pacing import MemoryPaceStore, SharedPacer
from bedrock_resilience.pacing.shared import SharedPace
from bedrock_resilience.pacing.shared._booked_limit import MAX_AHEAD_SECONDS
from bedrock_resilience.pacing.shared._schedule import Cost, RateLimits, RequestOutcome
from bedrock_resilience.quotas import Limit, Quota, TokenBucket
from bedrock_resilience.testing import FakeClock

if TYPE_CHECKING:
    from bedrock_resilience.pacing import Reservation

SKEW = 0.1
LONG_AGO = 1_000.0


class InstanceRequest(NamedTuple):
    """A request of one instance: when, how large, how late its thread wakes up, how late it arrives, how it ends."""

    instance: int
    pause: float
    tokens: int
    oversleeps: float
    delay: float
    end: str


class SometimesContendedStore(MemoryPaceStore):
    """A store in which another instance sometimes changes the pace first."""

    def __init__(self, losses: list[bool]) -> None:
        super().__init__()
        self._losses = losses

    def compare_and_swap(
        self, key: str, expected: SharedPace, new: SharedPace, instance: str = ""
    ) -> SharedPace | None:
        if self._losses and self._losses.pop():
            newer = dataclasses.replace(expected, revision=expected.revision + 1)
            stored = super().compare_and_swap(key, expected, newer, "another")
            return newer if stored is None else stored
        return super().compare_and_swap(key, expected, new, instance)


def or_extreme(least: float, most: float) -> st.SearchStrategy[float]:
    """Numbers in this range, mostly the ends: what is just tolerated is where a tolerance shows."""
    return st.one_of(st.just(least), st.just(most), st.floats(least, most))


jobs = st.builds(
    InstanceRequest,
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


ONCE = InstanceRequest(instance=0, pause=0.0, tokens=0, oversleeps=0.0, delay=0.0, end="answered")


# An instance that joined after ten idle seconds took its clock for one that is ahead.
@example(
    quota=Quota(requests_per_minute=25),
    skews=[0.0] * 4,
    courses=[ONCE._replace(instance=1), ONCE._replace(pause=10.0), ONCE, ONCE, ONCE._replace(instance=1)],
    losses=[],
)
@given(
    quota=quotas,
    skews=st.lists(or_extreme(0.0, SKEW), min_size=4, max_size=4),
    courses=st.lists(jobs, max_size=40),
    losses=st.lists(st.booleans(), max_size=60),
)
def test_all_instances_together_never_send_more_than_the_quota_admits(
    quota: Quota, skews: list[float], courses: list[InstanceRequest], losses: list[bool]
) -> None:
    arrived = sorted(_run(quota, skews, courses, losses))
    assert quota.requests_per_minute is not None
    requests = TokenBucket(quota.requests_per_minute / 60, quota.request_burst)
    assert all(requests.take(at) for at, _ in arrived)
    if quota.tokens_per_minute is not None:
        tokens = TokenBucket(quota.tokens_per_minute / 60, quota.tokens_per_minute)
        assert all(tokens.take(at, amount) for at, amount in arrived)


def _run(
    quota: Quota, skews: list[float], courses: list[InstanceRequest], losses: list[bool]
) -> list[tuple[float, int]]:
    store = SometimesContendedStore(losses)
    pacers = [
        SharedPacer(
            store,
            "model",
            quota,
            skew=SKEW,
            shared_time=functools.partial(operator.add, LONG_AGO + skew),
            clock=FakeClock(),
        )
        for skew in skews
    ]
    arrived: list[tuple[float, int]] = []
    events: list[tuple[float, int, InstanceRequest, Reservation | None]] = []
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
            continue  # it never calls ``due`` again
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
            st.sampled_from(["book", "throttled", "overloaded", "refund", "broken clock"]),
            st.integers(0, 5),
        ),
        max_size=40,
    ),
)
def test_no_sequence_of_events_stops_the_schedule(quota: Quota, changes: list[tuple[float, str, int]]) -> None:
    limits = RateLimits.of(quota, 0.65)
    pace = SharedPace()
    now = LONG_AGO
    for pause, what, count in changes:
        now += pause
        if what == "book":
            pace, slots = limits.book(pace, now, [Cost(tokens=1_000.0)] * count)
            assert slots == sorted(slots)
            assert all(now <= slot <= now + MAX_AHEAD_SECONDS for slot in slots)
        elif what == "throttled":
            pace = limits.throttled(pace, now, now - count)
        elif what == "overloaded":
            pace = limits.overloaded(pace, now, now - count)
        elif what == "refund":
            pace = limits.refund(pace, now, count * 1_000.0)
        else:
            pace, _ = limits.book(pace, now + 1e6 * count, [Cost()])
        assert 0 < pace.factor_at(now) <= 1
    # Whatever happened, a request a quarter of an hour later gets a slot within MAX_AHEAD_SECONDS.
    _, slots = limits.book(pace, now + MAX_AHEAD_SECONDS, [Cost(tokens=1_000.0)])
    assert len(slots) == 1


class RefusedRequest(NamedTuple):
    """A request: when it is booked, how large it is, how late it arrives, and whether it is refused."""

    pause: float
    tokens: int
    late: float
    refused: bool


@given(
    quota=st.builds(
        Quota,
        requests_per_minute=st.floats(2.0, 300.0),
        tokens_per_minute=st.floats(10_000.0, 200_000.0),
        burst=st.none() | st.floats(1.0, 2.0),
    ),
    course=st.lists(
        st.builds(
            RefusedRequest,
            pause=or_extreme(0.0, 30.0),
            tokens=st.integers(0, 9_000),
            late=or_extreme(0.0, 0.55),
            refused=st.integers(0, 9).map(lambda number: number == 0),
        ),
        min_size=20,
        max_size=60,
    ),
)
def test_after_a_refusal_no_minute_exceeds_the_quota_and_every_request_gets_a_slot(
    quota: Quota, course: list[RefusedRequest]
) -> None:
    limits, pace, now = RateLimits.of(quota, 0.65), SharedPace(), LONG_AGO
    admitted: list[tuple[float, int]] = []
    even_from: float | None = None
    for turn in course:
        now += turn.pause
        slots: list[float] = []
        for _ in range(300):
            pace, slots = limits.book(pace, now, [Cost(tokens=turn.tokens)])
            if slots:
                break
            now = limits.again_at(pace, now, Cost(tokens=turn.tokens))
        (slot,) = slots  # else it waits for ever
        cuts = limits.cuts(pace)
        now, arrives = max(now, slot), slot + turn.late
        if turn.refused:
            now = max(now, arrives)
            for limit in (Limit.REQUESTS_PER_MINUTE, Limit.TOKENS_PER_MINUTE):
                outcome = RequestOutcome("throttled", slot, Cost(tokens=turn.tokens), limit=limit, cuts=cuts)
                if limit is Limit.REQUESTS_PER_MINUTE or even_from is None:
                    pace = limits.observe(pace, now, outcome)
            even_from = even_from or now
            continue
        admitted.append((arrives, turn.tokens))
        if even_from is not None:
            minute = [(at, amount) for at, amount in admitted if arrives - 60 < at <= arrives]
            assert quota.requests_per_minute is not None
            assert quota.tokens_per_minute is not None
            assert len(minute) <= max(1.0, quota.requests_per_minute)
            assert sum(amount for _, amount in minute) <= quota.tokens_per_minute
