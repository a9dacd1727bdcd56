"""Invariants of pacers under any sequence of requests."""

from __future__ import annotations

import heapq
import math
from typing import TYPE_CHECKING, Literal, NamedTuple

from hypothesis import example, given
from hypothesis import strategies as st

from bedrock_resilience.pacing import AdaptiveConfig, AdaptivePacer, QuotaPacer
from bedrock_resilience.pacing._estimate import Throttles
from bedrock_resilience.pacing._learner import Learner
from bedrock_resilience.pacing._limit_learner import LimitLearner
from bedrock_resilience.pacing._virtual_clock_bucket import VirtualClockBucket
from bedrock_resilience.quotas import Limit, Quota, QuotaLedger, QuotaReading, Usage, reserved_tokens

if TYPE_CHECKING:
    from bedrock_resilience.pacing import Reservation
    from bedrock_resilience.quotas import QuotaAdmission

MODEL = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"


class PacedRequest(NamedTuple):
    """A request: when it is made, its tokens, its duration, and its delay on the way to the service."""

    pause: float
    input_tokens: int
    output_tokens: int
    latency: float
    late: float


jobs = st.builds(
    PacedRequest,
    pause=st.floats(0.0, 30.0),
    input_tokens=st.integers(1, 3_000),
    output_tokens=st.integers(0, 1_000),
    latency=st.floats(0.0, 60.0),
    late=st.floats(0.0, 0.04),
)
quotas = st.builds(
    Quota,
    requests_per_minute=st.none() | st.floats(1.0, 6_000.0),
    tokens_per_minute=st.none() | st.floats(4_500.0, 400_000.0),
)


@given(quota=quotas, course=st.lists(jobs, max_size=40), abandons=st.sets(st.integers(0, 39), max_size=5))
def test_nothing_is_throttled_under_a_quota_that_is_right(
    quota: Quota, course: list[PacedRequest], abandons: set[int]
) -> None:
    pacer, ledger = QuotaPacer(quota), QuotaLedger(quota)
    in_flight: list[tuple[float, int, Reservation, QuotaAdmission, PacedRequest]] = []
    now = 0.0
    for number, job in enumerate(course):
        now += job.pause
        reserved = reserved_tokens(job.input_tokens, 1_000)
        _settle(in_flight, pacer, ledger, now)
        reservation = pacer.reserve(now, reserved)
        if number in abandons:
            pacer.abandoned(reservation, now)
            continue
        wait = reservation.wait
        while wait > 0:
            until = now + wait
            _settle(in_flight, pacer, ledger, until)
            now = until
            wait = pacer.due(reservation, now)
        admission = ledger.admit(now + job.late, MODEL, reserved)
        assert admission.admitted, admission
        heapq.heappush(in_flight, (now + 0.05 + job.latency, number, reservation, admission, job))


def _settle(
    in_flight: list[tuple[float, int, Reservation, QuotaAdmission, PacedRequest]],
    pacer: QuotaPacer,
    ledger: QuotaLedger,
    until: float,
) -> None:
    while in_flight and in_flight[0][0] <= until:
        at, _, reservation, admission, job = heapq.heappop(in_flight)
        usage = Usage(job.input_tokens, job.output_tokens)
        ledger.settle(admission, at, usage)
        pacer.answered(reservation, at, usage)


class RefusedRequest(NamedTuple):
    """A request, while others wait: when it is made, its tokens, how it ends, and how long that takes."""

    pause: float
    tokens: int
    end: str
    limit: Limit | None
    latency: float
    patience: float


refused_requests = st.builds(
    RefusedRequest,
    pause=st.sampled_from([0.0, 0.0, 0.0, 0.0, 1.0, 30.0]),
    tokens=st.sampled_from([10, 1_000, 9_000, 30_000]) | st.integers(1, 9_000),
    end=st.sampled_from([*["answered"] * 9, "corrected", "throttled", "abandoned"]),  # answers fill the minute
    limit=st.sampled_from([None, Limit.REQUESTS_PER_MINUTE, Limit.TOKENS_PER_MINUTE]),
    latency=st.sampled_from([0.2, 1.0, 20.0]),
    patience=st.sampled_from([math.inf, math.inf, math.inf, 10.0, 100.0]),
)
_tokens_per_minute = st.none() | st.integers(2_000, 100_000)
refusing_quotas = st.builds(Quota, tokens_per_minute=_tokens_per_minute) | st.builds(
    Quota,
    requests_per_minute=st.integers(1, 30) | st.integers(1, 600),
    tokens_per_minute=_tokens_per_minute,
    burst=st.none() | st.just(1),
)
_MOST_EVENTS = 20_000
_AS_SENT = 1e-6  # the sums of a minute's tokens differ by no more


@given(quota=refusing_quotas, course=st.lists(refused_requests, min_size=20, max_size=60))
def test_after_refusals_no_minute_exceeds_the_quota_and_every_request_is_sent(
    quota: Quota, course: list[RefusedRequest]
) -> None:
    pacer = QuotaPacer(quota, burndown=1)
    sent = _SentAmounts(quota)
    # (time, order, request, its reservation, whether it was sent)
    events: list[tuple[float, int, RefusedRequest, Reservation | None, bool]] = []
    made_at = 0.0
    for request in course:
        made_at += request.pause
        events.append((made_at, len(events), request, None, False))
    started: dict[Reservation, float] = {}
    order = len(events)
    while events:
        now, _, request, reservation, was_sent = heapq.heappop(events)
        order += 1
        assert order < _MOST_EVENTS, "requests wait again and again"
        if reservation is not None and was_sent:
            sent.close(pacer, request, reservation, now)
            continue
        if reservation is None:
            reservation = pacer.reserve(now, request.tokens)
            wait = reservation.wait
            started[reservation] = now
        else:
            wait = pacer.due(reservation, now)
        waited = now - started[reservation]
        if wait > 0 and waited >= request.patience:
            pacer.abandoned(reservation, now)
        elif wait > 0:
            # A driver asks again after 20 s at the latest.
            pause = min(wait, 20.0, max(request.patience - waited, 1e-3))
            heapq.heappush(events, (now + pause, order, request, reservation, False))
        else:
            sent.send(request, reservation, now)
            heapq.heappush(events, (now + request.latency, order, request, reservation, True))


class _SentAmounts:
    """What was sent, and what was refused of it."""

    def __init__(self, quota: Quota) -> None:
        self._quota = quota
        self._amounts: dict[Reservation, tuple[float, float, float]] = {}
        self._refused_at: dict[Limit, float] = dict.fromkeys(
            (Limit.REQUESTS_PER_MINUTE, Limit.TOKENS_PER_MINUTE), math.inf
        )

    def send(self, request: RefusedRequest, reservation: Reservation, now: float) -> None:
        most = self._quota.tokens_per_minute or math.inf
        self._amounts[reservation] = (now, 1.0, min(request.tokens, most * (1 - 0.3 / 60)))
        last = [amounts for amounts in self._amounts.values() if amounts[0] > now - 60.0]
        if now > self._refused_at[Limit.REQUESTS_PER_MINUTE] and self._quota.requests_per_minute is not None:
            assert math.fsum(requests for _, requests, _ in last) <= self._quota.requests_per_minute
        if now > self._refused_at[Limit.TOKENS_PER_MINUTE] and self._quota.tokens_per_minute is not None:
            assert math.fsum(tokens for _, _, tokens in last) <= self._quota.tokens_per_minute + _AS_SENT

    def close(self, pacer: QuotaPacer, request: RefusedRequest, reservation: Reservation, now: float) -> None:
        at, requests, _ = self._amounts[reservation]
        if request.end == "throttled":
            pacer.throttled(reservation, now, request.limit)
            for limit in self._refused_at if request.limit is None else [request.limit]:
                self._refused_at[limit] = min(self._refused_at[limit], now)
            refused = request.limit is not Limit.TOKENS_PER_MINUTE
            self._amounts[reservation] = (at, 0.0 if refused else requests, 0.0)
        elif request.end == "abandoned":
            pacer.abandoned(reservation, now)
            self._amounts[reservation] = (at, 0.0, 0.0)
        elif request.end == "corrected":
            pacer.answered(reservation, now, Usage(request.tokens // 2, 0))
            self._amounts[reservation] = (at, requests, float(request.tokens // 2))
        else:
            pacer.answered(reservation, now)


@given(
    rate=st.floats(0.01, 1_000.0),
    capacity=st.floats(1.0, 100.0),
    steps=st.lists(st.tuples(st.floats(0.0, 100.0), st.booleans()), max_size=60),
)
def test_a_bucket_never_lets_more_pass_than_its_capacity_and_its_rate_allow(
    rate: float, capacity: float, steps: list[tuple[float, bool]]
) -> None:
    bucket = VirtualClockBucket(rate, capacity)
    now = 0.0
    due_at: list[float] = []
    for pause, withdrawn in steps:
        now += pause
        bucket.advance(now)
        claim = bucket.claim()
        if withdrawn:
            bucket.withdraw(claim)
        else:
            due_at.append(now + bucket.wait(claim))
    assert due_at == sorted(due_at)
    for first, start in enumerate(due_at):
        for last in range(first, len(due_at)):
            assert last - first + 1 <= capacity + rate * (due_at[last] - start) + 1e-6


@given(
    rate=st.floats(0.01, 100.0),
    burst=st.floats(1.0, 50.0),
    intervals=st.lists(st.floats(0.01, 0.99), min_size=60, max_size=200),
)
def test_the_bounds_hold_for_every_bucket_and_every_timing(rate: float, burst: float, intervals: list[float]) -> None:
    throttles = Throttles()
    level, now, admitted = burst, 0.0, 0.0
    for interval in intervals:  # faster than the refill: the bucket never overflows
        now += interval / rate
        level += interval
        if level >= 1:
            level -= 1
            admitted += 1
            continue
        estimate = throttles.observe(now, admitted, 1.0)
        assert estimate is None or (not estimate.decreased and estimate.low < rate * (1 + 1e-9))
        assert estimate is None or estimate.high > rate * (1 - 1e-9)


# A request that was refused in the same second as one of the minute before was counted as admitted.
_REFUSED_IN_A_COUNTED_SECOND = [
    *[0.0] * 6,
    *[1.5] * 5,
    *[6.5, 19.5, 19.5],
    *[0.0] * 7,
    *[4.0, 20.0, 20.0, 20.0, 2.0],
    *[0.0] * 5,
    *[2.0, 18.0, 0.0, 3.0, 1.5, 1.5, 14.5, 8.5, 4.5, 1.0],
]


@example(window="sliding", per_minute=60, phase=0.0, pauses=_REFUSED_IN_A_COUNTED_SECOND)
@given(
    window=st.sampled_from(["fixed", "sliding"]),
    per_minute=st.integers(5, 120),
    phase=st.floats(0.0, 59.9),
    pauses=st.lists(st.floats(0.0, 20.0), min_size=30, max_size=150),
)
def test_the_window_that_produced_the_observations_is_never_eliminated(
    window: Literal["fixed", "sliding"], per_minute: int, phase: float, pauses: list[float]
) -> None:
    reading = QuotaReading(window=window, phase=phase if window == "fixed" else 0.0)
    ledger = QuotaLedger(Quota(requests_per_minute=per_minute), reading=reading, start=0.0)
    learner = LimitLearner(AdaptiveConfig())
    now = 0.0
    for pause in pauses:
        for _ in range(1 + per_minute // 20):
            now += pause / 10 + 0.05
            learner.sent(now, 1.0)
            if not ledger.admit(now, MODEL).admitted:
                learner.refused(now, now + 0.2, 1.0)
                now += 0.2
            readings = learner.to_dict()["windows"]
            assert readings["sliding"] if window == "sliding" else readings["ends"]


class AdaptiveRequest(NamedTuple):
    """A request to an adaptive pacer: when it is made, how it ends, and how long that takes."""

    pause: float
    end: str
    latency: float


turns = st.builds(
    AdaptiveRequest,
    pause=st.floats(0.0, 100.0),
    end=st.sampled_from(["answered", "answered", "answered", "throttled", "overloaded", "abandoned"]),
    latency=st.floats(0.0, 30.0),
)


@given(courses=st.lists(turns, max_size=80))
def test_every_request_is_sent_eventually(courses: list[AdaptiveRequest]) -> None:
    pacer = AdaptivePacer()
    now = 0.0
    for turn in courses:
        now += turn.pause
        reservation = pacer.reserve(now)
        for _ in range(20):  # a slowdown that ends while one waits makes the wait shorter, never longer
            wait = pacer.due(reservation, now)
            assert 0.0 <= wait < math.inf
            if wait == 0:
                break
            now += wait
        else:
            raise AssertionError("it has to wait again and again")
        now += turn.latency
        getattr(pacer, turn.end)(reservation, now)
        assert 1 / 64 <= pacer.requests_per_minute < math.inf


@given(courses=st.lists(turns, max_size=80))
def test_no_more_is_sent_than_the_rate_that_was_found_allows(courses: list[AdaptiveRequest]) -> None:
    learner = Learner()
    now, sent_at = 0.0, list[float]()
    for turn in courses:
        now += learner.wait(now + turn.pause) + turn.pause
        learner.sent(now)
        sent_at.append(now)
        if turn.end == "throttled":
            learner.refused(now, now + 0.2)
            sent_at.clear()
        elif turn.end == "answered":
            learner.admitted(now, now + 0.2)
        now += 0.2
        rate = learner.rates(now).requests_per_minute
        if not learner.starting and len(sent_at) > 2 and rate is not None:
            # The rate grows until the next refusal, so that its present value bounds it; a pair may test the burst.
            assert len(sent_at) - 3 <= 2 * rate / 60 * (sent_at[-1] - sent_at[0]) + 1e-6
