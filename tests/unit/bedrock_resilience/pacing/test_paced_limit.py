"""One limit of a quota that was given, before and after a refusal."""

from __future__ import annotations

from bedrock_resilience.pacing._paced_limit import PacedLimit
from bedrock_resilience.pacing._virtual_clock_bucket import VirtualClockBucket
from support.approx import approx


def limit_of(per_minute: float = 60.0, burst: float = 60.0) -> PacedLimit:
    rate = per_minute / 60.0
    limit = PacedLimit(VirtualClockBucket(rate, burst), per_minute, rate * 0.9)
    limit.bucket.advance(0.0)
    return limit


def send(limit: PacedLimit, now: float, amount: float = 1.0) -> None:
    limit.bucket.advance(now)
    limit.sent(limit.claim(amount), now, amount)


def refuse(limit: PacedLimit, now: float, sent_at: float | None = None) -> bool:
    limit.bucket.advance(now)
    return limit.refused(now if sent_at is None else sent_at, 1.0, now)


def test_the_first_refusal_is_explained_by_the_burst_and_ends_it() -> None:
    limit = limit_of()
    send(limit, 0.0)
    assert refuse(limit, 0.0)
    assert (limit.rate, limit.bucket.rate) == (approx(0.9), approx(0.9))
    assert limit.bucket.capacity == 1.0


def test_what_was_in_flight_at_a_refusal_is_explained_and_what_was_sent_later_is_not() -> None:
    limit = limit_of()
    for _ in range(3):
        send(limit, 0.0)
    assert refuse(limit, 0.2, sent_at=0.0)
    assert refuse(limit, 0.3, sent_at=0.1)
    send(limit, 5.0)
    assert not refuse(limit, 5.0)


def test_without_a_burst_no_refusal_is_explained() -> None:
    limit = limit_of(burst=1.0)
    send(limit, 0.0)
    assert not refuse(limit, 0.0)


def test_a_limit_of_another_time_changes_nothing() -> None:
    limit = PacedLimit(VirtualClockBucket(1.0, 86_400.0), None, 0.9)
    send(limit, 0.0, 10.0)
    assert not limit.refused(0.0, 10.0, 0.0)
    assert (limit.rate, limit.bucket.capacity) == (1.0, 86_400.0)


def test_a_minute_that_is_used_up_is_waited_for() -> None:
    limit = limit_of(burst=100.0)
    for _ in range(61):  # the last one is refused
        send(limit, 10.0)
    refuse(limit, 10.2, sent_at=10.0)
    # A minute after they were sent, to the second and a margin, and then one interval.
    assert limit.wait(limit.claim(), 10.2) == approx(61.1 + 1 / 0.9)


def test_what_was_sent_after_the_refused_one_is_taken_to_be_refused() -> None:
    alone, followed = limit_of(), limit_of()
    for limit in (alone, followed):
        for second in range(30):
            send(limit, second, 2.0)
        send(limit, 30.0)
    for _ in range(5):
        send(followed, 31.0)
    refuse(alone, 31.5, sent_at=30.0)
    refuse(followed, 31.5, sent_at=30.0)
    assert alone.bucket.level == followed.bucket.level


def test_after_a_refusal_no_minute_contains_more_than_the_quota() -> None:
    limit = limit_of(burst=6.0)
    sent: list[float] = []
    now = 0.0
    refused = False
    while now < 400.0:
        limit.bucket.advance(now)
        claim = limit.claim()
        while (wait := limit.wait(claim, now)) > 0:
            now += wait
            limit.bucket.advance(now)
        limit.sent(claim, now, 1.0)
        sent.append(now)
        if len(sent) == 40 and not refused:
            refused = True
            refuse(limit, now)
            sent.pop()
    assert max(sum(1 for at in sent if end - 60.0 < at <= end) for end in sent if end > 60.0) <= 60


def test_a_small_claim_does_not_overtake_one_that_waits_for_the_minute() -> None:
    limit = limit_of(per_minute=600.0, burst=600.0)
    send(limit, 0.0, 500.0)
    refuse(limit, 0.0)
    large, small = limit.claim(300.0), limit.claim(1.0)
    limit.bucket.advance(50.0)
    limit.bucket.grant(1_000.0)
    wait = limit.wait(large, 50.0)
    assert wait > 0
    assert limit.wait(small, 50.0) == wait
    limit.withdraw(large, None)
    assert limit.wait(small, 50.0) == 0.0


def test_a_claim_that_was_counted_and_withdrawn_is_counted_no_more() -> None:
    limit = limit_of()
    for _ in range(59):
        send(limit, 10.0)
    withdrawn = limit.claim(30.0)
    limit.sent(withdrawn, 10.0, 30.0)
    limit.withdraw(withdrawn, 10.0)
    refuse(limit, 10.2, sent_at=10.0)
    assert limit.wait(limit.claim(), 10.2) == approx(1 / 0.9)
