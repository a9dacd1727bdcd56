"""What holds for a pacer under any course of requests."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from bedrock_resilience.pacing import QuotaPacer
from bedrock_resilience.pacing.meter import Meter
from bedrock_resilience.quota import Quota, QuotaLedger, Usage
from bedrock_resilience.tokens import reserved_tokens

if TYPE_CHECKING:
    from bedrock_resilience.pacing import Reservation
    from bedrock_resilience.quota import Admission

MODEL = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"


class Job(NamedTuple):
    """A request: when it is asked for, what it needs, how long it takes, how late it arrives."""

    pause: float
    input_tokens: int
    output_tokens: int
    latency: float
    late: float


jobs = st.builds(
    Job,
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


@given(quota=quotas, courses=st.lists(jobs, max_size=40), abandons=st.sets(st.integers(0, 39), max_size=5))
def test_nothing_is_throttled_under_a_quota_that_is_right(quota: Quota, courses: list[Job], abandons: set[int]) -> None:
    pacer, ledger = QuotaPacer(quota), QuotaLedger(quota)
    in_flight: list[tuple[float, int, Reservation, Admission, Job]] = []
    now = 0.0
    for number, job in enumerate(courses):
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
    in_flight: list[tuple[float, int, Reservation, Admission, Job]],
    pacer: QuotaPacer,
    ledger: QuotaLedger,
    until: float,
) -> None:
    while in_flight and in_flight[0][0] <= until:
        at, _, reservation, admission, job = heapq.heappop(in_flight)
        usage = Usage(job.input_tokens, job.output_tokens)
        ledger.settle(admission, at, usage)
        pacer.answered(reservation, at, usage)


@given(
    rate=st.floats(0.01, 1_000.0),
    capacity=st.floats(1.0, 100.0),
    steps=st.lists(st.tuples(st.floats(0.0, 100.0), st.booleans()), max_size=60),
)
def test_a_meter_never_lets_more_pass_than_its_capacity_and_its_rate_allow(
    rate: float, capacity: float, steps: list[tuple[float, bool]]
) -> None:
    meter = Meter(rate, capacity)
    now = 0.0
    due_at: list[float] = []
    for pause, give_back in steps:
        now += pause
        meter.advance(now)
        claim = meter.claim()
        if give_back:
            meter.withdraw(claim)
        else:
            due_at.append(now + meter.wait(claim))
    assert due_at == sorted(due_at)
    for first, start in enumerate(due_at):
        for last in range(first, len(due_at)):
            assert last - first + 1 <= capacity + rate * (due_at[last] - start) + 1e-6
