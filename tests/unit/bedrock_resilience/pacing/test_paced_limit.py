"""One limit of a quota that was given, before and after a refusal."""

from __future__ import annotations

from bedrock_resilience.pacing._paced_limit import PacedLimit
from bedrock_resilience.pacing._virtual_clock_bucket import PermitClaim, VirtualClockBucket
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


def due_after_a_refusal(sent: float, *amounts: float) -> tuple[PacedLimit, list[PermitClaim]]:
    """600 a minute, of which ``sent`` was sent at 0 s; claims that the bucket has permits for at 50 s."""
    limit = limit_of(per_minute=600.0, burst=600.0)
    send(limit, 0.0, sent)
    refuse(limit, 0.0)
    claims = [limit.claim_unsent(amount) for amount in amounts]
    limit.bucket.advance(50.0)
    limit.bucket.grant(1_000.0)
    return limit, claims


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
    limit, (large, small) = due_after_a_refusal(500.0, 300.0, 1.0)
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


def test_a_larger_claim_than_the_next_one_waits_for_its_own_amount() -> None:
    limit, (small, large) = due_after_a_refusal(500.0, 1.0, 300.0)
    assert limit.wait(small, 50.0) == 0.0
    assert limit.wait(large, 50.0) == approx(11.3)


def test_before_a_refusal_a_limit_without_a_burst_waits_for_no_minute() -> None:
    limit = limit_of(burst=1.0)
    limit.correct(0.0, 1_000.0)
    assert limit.wait(limit.claim(), 0.0) == 0.0
    refuse(limit, 0.0)
    limit.bucket.advance(10.0)
    assert limit.wait(limit.claim(), 10.0) > 50.0


def test_requests_behind_one_that_waits_for_the_minute_keep_their_interval() -> None:
    limit = limit_of()
    send(limit, 0.0)
    refuse(limit, 0.0)
    limit.correct(0.0, 60.0)  # the minute is used up
    limit.bucket.advance(30.0)
    first, second = limit.claim(), limit.claim()
    assert limit.wait(first, 30.0) == approx(31.3)
    limit.bucket.advance(61.3)
    assert limit.wait(first, 61.3) == 0.0
    limit.sent(first, 61.3, 1.0)
    assert limit.wait(second, 61.3) == approx(1 / 0.9)


def test_without_a_burst_the_bucket_contains_the_largest_claim() -> None:
    limit = limit_of()
    send(limit, 0.0, 0.25)
    send(limit, 0.0, 0.5)
    refuse(limit, 0.0)
    assert limit.bucket.capacity == 0.5


def test_a_claim_of_a_whole_minute_waits_until_nothing_is_left_of_the_last_one() -> None:
    limit = limit_of(per_minute=10.0, burst=10.0)
    send(limit, 0.0, 10.0)
    assert limit.refused(0.0, 10.0, 0.0)
    limit.correct(20.0, 1.0)
    whole = limit.claim_unsent(10.0)
    limit.bucket.grant(100.0)
    assert limit.wait(whole, 30.0) == approx(51.3)


def test_the_refusal_of_a_whole_minute_holds_all_until_nothing_is_left_of_the_last_one() -> None:
    limit = limit_of(per_minute=10.0, burst=10.0)
    send(limit, 0.0, 1.0)
    send(limit, 20.0, 10.0)
    assert limit.refused(20.0, 10.0, 20.0)
    assert limit.wait(limit.claim(1.0), 20.0) == approx(41.3 + 1 / 0.15)


def test_a_claim_that_was_sent_holds_no_one_up() -> None:
    limit, (large, small) = due_after_a_refusal(300.0, 300.0, 1.0)
    assert limit.wait(large, 50.0) == 0.0
    limit.sent(large, 50.0, 300.0)
    limit.bucket.grant(1_000.0)
    assert limit.wait(small, 50.0) == 0.0


def test_what_a_request_does_not_reserve_stays_in_the_bucket_only_while_there_is_a_burst() -> None:
    limit = limit_of()
    claim = limit.claim_unsent(50.0)
    limit.sent(claim, 0.0, 20.0)
    limit.bucket.grant(1_000.0)
    assert limit.bucket.level == 30.0
    limit.bucket.set_unused(claim, 0.0)
    refuse(limit, 0.0)
    limit.sent(limit.claim_unsent(50.0), 0.0, 20.0)
    limit.bucket.grant(1_000.0)
    assert limit.bucket.level == 50.0


def test_what_was_sent_at_the_moment_of_a_refusal_is_not_explained_by_it() -> None:
    limit = limit_of()
    assert refuse(limit, 0.2)
    assert not refuse(limit, 5.0, sent_at=0.2)
    assert refuse(limit, 6.0, sent_at=3.0)


def test_a_refusal_that_is_not_explained_holds_no_one() -> None:
    limit = limit_of(burst=1.0)
    send(limit, 0.0)
    limit.correct(0.0, 61.0)  # the minute is used up
    assert not refuse(limit, 0.0)
    assert limit.bucket.level == 0.0


def test_without_a_burst_one_that_is_sent_late_is_not_followed_at_once() -> None:
    limit = PacedLimit(VirtualClockBucket(1.0, 5.0), 60.0, 0.9, interval=1.0)
    limit.bucket.advance(0.0)
    send(limit, 0.0)
    refuse(limit, 0.0)
    late, following = limit.claim(), limit.claim()
    limit.bucket.advance(10.0)
    assert limit.wait(late, 10.0) == 0.0
    limit.sent(late, 10.0, 1.0)
    limit.bucket.grant(5.0)
    assert limit.wait(following, 10.25) == approx(0.75)
