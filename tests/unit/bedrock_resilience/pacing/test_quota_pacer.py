"""Pacing under a quota that is known."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from bedrock_resilience.pacing import NoPacer, QuotaPacer
from bedrock_resilience.pacing._slowdown import HOLD_SECONDS
from bedrock_resilience.quotas import READINGS, Limit, Quota, RequestTokens, Usage
from bedrock_resilience.simulation import Scenario, Tokens, simulate
from support.approx import approx

if TYPE_CHECKING:
    from collections.abc import Callable

    from bedrock_resilience.pacing import Pacer


def waits(pacer: QuotaPacer, count: int, now: float = 0.0, tokens: int = 0) -> list[float]:
    return [round(pacer.reserve(now, tokens).wait, 2) for _ in range(count)]


class TestRequests:
    def test_the_burst_goes_at_once_and_the_rest_at_the_rate(self) -> None:
        pacer = QuotaPacer(Quota(requests_per_minute=60, burst=3))
        # The burst is reduced by what may arrive 0.3 s late.
        assert waits(pacer, 5) == [0.0, 0.0, 0.3, 1.3, 2.3]

    def test_with_a_burst_of_one_what_may_arrive_late_is_added_to_every_interval(self) -> None:
        assert waits(QuotaPacer(Quota(requests_per_minute=60, burst=1)), 3) == [0.0, 1.05, 2.1]

    def test_without_a_request_quota_there_is_no_wait(self) -> None:
        pacer = QuotaPacer(Quota())
        assert waits(pacer, 100) == [0.0] * 100
        assert pacer.requests_per_minute is None

    def test_a_share_is_a_fraction_of_rate_and_burst(self) -> None:
        pacer = QuotaPacer(Quota(requests_per_minute=60, burst=6), share=1 / 3)
        assert pacer.requests_per_minute == approx(20)
        assert waits(pacer, 4) == [0.0, 0.3, 3.3, 6.3]

    def test_a_phase_puts_the_first_request_off_by_a_fraction_of_the_interval(self) -> None:
        quota = Quota(requests_per_minute=57, burst=3)
        thirds = [QuotaPacer(quota, share=1 / 3, phase=number / 3) for number in range(3)]
        firsts, seconds = zip(*(waits(pacer, 2) for pacer in thirds), strict=True)
        interval = seconds[0] - firsts[0]
        assert firsts == (0.0, approx(interval / 3, within=0.01), approx(interval * 2 / 3, within=0.01))

    def test_a_request_that_was_never_sent_moves_the_others_up(self) -> None:
        pacer = QuotaPacer(Quota(requests_per_minute=60, burst=2))
        _, _, third, fourth = (pacer.reserve(0.0) for _ in range(4))
        pacer.abandoned(third, 0.0)
        assert pacer.due(fourth, 0.0) == approx(1.3)

    def test_a_throttle_drops_the_burst_for_good(self) -> None:
        pacer = QuotaPacer(Quota(requests_per_minute=60, burst=5))
        pacer.throttled(pacer.reserve(0.0), 0.0)
        assert waits(pacer, 2) == [1.05, 2.1]  # as with a burst of one
        assert waits(pacer, 2, now=100.0) == [0.0, 1.05]

    def test_a_throttle_lets_the_next_one_wait_for_a_whole_interval(self) -> None:
        pacer = QuotaPacer(Quota(requests_per_minute=60, burst=2))
        refused, following, last = (pacer.reserve(0.0) for _ in range(3))
        pacer.throttled(refused, 0.25)
        assert (pacer.due(following, 0.25), pacer.due(last, 0.25)) == (approx(1.05), approx(2.1))

    def test_a_throttle_without_a_burst_halves_the_rate_and_it_recovers(self) -> None:
        pacer = QuotaPacer(Quota(requests_per_minute=60, burst=1))
        rate = pacer.requests_per_minute
        assert rate is not None
        pacer.throttled(pacer.reserve(0.0), 0.2)
        assert pacer.requests_per_minute == approx(rate / 2)
        pacer.reserve(HOLD_SECONDS + 0.3)
        assert pacer.requests_per_minute == approx(rate * 0.75)

    def test_a_limit_that_was_not_given_halves_the_rate(self) -> None:
        pacer = QuotaPacer(Quota(tokens_per_minute=6_000))
        pacer.throttled(pacer.reserve(0.0, 100), 0.0, Limit.REQUESTS_PER_MINUTE)
        assert pacer.status().tokens_per_minute == approx(3_000)

    def test_the_tokens_of_a_day_change_no_rate_per_minute(self) -> None:
        pacer = QuotaPacer(Quota(requests_per_minute=60, tokens_per_minute=6_000, tokens_per_day=86_400))
        before = pacer.status()
        pacer.throttled(pacer.reserve(0.0, 100), 0.0, Limit.TOKENS_PER_DAY)
        assert pacer.status() == before


class TestTokens:
    def test_tokens_are_a_bucket_of_a_minute(self) -> None:
        pacer = QuotaPacer(Quota(tokens_per_minute=6_000), burndown=1)
        assert waits(pacer, 3, tokens=3_000) == [0.0, 0.3, 30.3]

    def test_unused_tokens_are_refunded_when_the_call_is_answered(self) -> None:
        pacer = QuotaPacer(Quota(tokens_per_minute=6_000), burndown=1)
        first, _ = pacer.reserve(0.0, 3_000), pacer.reserve(0.0, 3_000)
        waiting = pacer.reserve(0.0, 3_000)
        pacer.answered(first, 10.0, Usage(500, 500))  # 2,000 are refunded, 1,000 were refilled
        assert pacer.due(waiting, 10.0) == approx(0.3)

    def test_a_settlement_beyond_the_reservation_is_debited(self) -> None:
        pacer = QuotaPacer(Quota(tokens_per_minute=6_000))
        first = pacer.reserve(0.0, 4_000)
        pacer.answered(first, 0.0, Usage(3_000, 600))  # settles at 6,000: nothing is left
        assert pacer.reserve(0.0, 100).wait > 0

    def test_the_first_reservations_claim_what_such_calls_usually_cost(self) -> None:
        pacer = QuotaPacer(Quota(tokens_per_minute=60_000))
        assert waits(pacer, 3, tokens=20_000) == [0.0, 0.3, 30.3]  # 30,000 each

    def test_the_next_reservations_claim_what_such_calls_turned_out_to_cost(self) -> None:
        pacer = QuotaPacer(Quota(tokens_per_minute=60_000))
        pacer.answered(pacer.reserve(0.0, 4_000), 0.0, Usage(3_000, 1_000))  # twice its reservation
        assert waits(pacer, 3, now=1_000.0, tokens=15_000) == [0.0, 0.3, 30.3]  # 30,000 each

    def test_a_request_counts_with_the_burndown_of_its_model(self) -> None:
        pacer = QuotaPacer(Quota(tokens_per_minute=6_000))
        request = RequestTokens(1_000, 1_000, burndown=1)
        pacer.answered(pacer.reserve_request(0.0, request), 0.0, Usage(1_000, 1_000))
        assert [round(pacer.reserve_request(0.0, request).wait, 2) for _ in range(3)] == [0.0, 0.3, 20.3]

    def test_a_burndown_of_the_pacer_goes_before_that_of_the_model(self) -> None:
        pacer = QuotaPacer(Quota(tokens_per_minute=6_000), burndown=5)
        request = RequestTokens(1_000, 1_000, burndown=1)
        assert [round(pacer.reserve_request(0.0, request).wait, 2) for _ in range(3)] == [0.0, 0.3, 30.3]

    def test_no_claim_is_larger_than_the_bucket(self) -> None:
        pacer = QuotaPacer(Quota(tokens_per_minute=6_000))
        assert waits(pacer, 2, tokens=100_000) == [0.0, 59.7]

    def test_a_ratio_that_was_too_high_sinks_slowly(self) -> None:
        pacer = QuotaPacer(Quota(tokens_per_minute=60_000), burndown=1)
        pacer.answered(pacer.reserve(0.0, 1_000), 0.0, Usage(2_000, 0))
        for _ in range(500):
            pacer.answered(pacer.reserve(0.0, 10), 0.0, Usage(10, 0))
        now = 1_000.0
        pacer.reserve(now, 59_900)
        assert pacer.reserve(now, 1).wait < 1.0

    def test_an_answer_without_usage_leaves_the_claim_as_it_is(self) -> None:
        pacer = QuotaPacer(Quota(tokens_per_minute=6_000), burndown=1)
        pacer.answered(pacer.reserve(0.0, 3_000), 0.0)
        assert pacer.reserve(0.0, 3_000).wait == approx(0.3)

    def test_a_refused_request_costs_no_tokens(self) -> None:
        pacer = QuotaPacer(Quota(requests_per_minute=6_000, tokens_per_minute=6_000))
        pacer.throttled(pacer.reserve(0.0, 3_000), 0.0, Limit.REQUESTS_PER_MINUTE)
        assert waits(pacer, 2, now=1.0, tokens=1_900) == [0.0, 0.01]

    def test_a_request_that_was_never_sent_costs_no_tokens(self) -> None:
        pacer = QuotaPacer(Quota(requests_per_minute=600, tokens_per_minute=6_000))
        pacer.abandoned(pacer.reserve(0.0, 3_000), 0.0)
        assert waits(pacer, 2, tokens=1_900) == [0.0, 0.0]

    def test_a_request_without_tokens_does_not_change_the_cost_ratio(self) -> None:
        pacer = QuotaPacer(Quota(tokens_per_minute=6_000))
        pacer.answered(pacer.reserve(0.0), 0.0, Usage(1_000, 0))
        assert pacer.reserve(0.0, 3_300).wait == 0.0  # 4,950 with the ratio of the start

    def test_the_day_is_a_bucket_too(self) -> None:
        pacer = QuotaPacer(Quota(tokens_per_day=86_400), burndown=1)
        pacer.reserve(0.0, 86_400)
        assert pacer.reserve(0.0, 1_000).wait == approx(1_000.0)


class TestRequestsAndTokens:
    def test_requests_that_waited_for_tokens_do_not_leave_all_at_once(self) -> None:
        pacer = QuotaPacer(Quota(requests_per_minute=60, tokens_per_minute=60_000, burst=2), burndown=1)
        pacer.reserve(0.0, 59_950)
        big, *small = [pacer.reserve(0.0, 30_000), *(pacer.reserve(0.0, 10) for _ in range(3))]
        assert big.wait == approx(30.0)
        assert pacer.due(big, 30.0) == 0.0
        assert [round(pacer.due(one, 30.05), 2) for one in small] == [0.25, 1.25, 2.25]

    def test_a_request_that_waits_for_tokens_waits_at_least_for_the_requests(self) -> None:
        pacer = QuotaPacer(Quota(requests_per_minute=6, tokens_per_minute=60_000, burst=1))
        pacer.reserve(0.0, 59_950)
        assert pacer.reserve(0.0, 1_000).wait == approx(10.05)

    def test_while_a_request_waits_for_tokens_it_has_claimed_no_request(self) -> None:
        pacer = QuotaPacer(Quota(requests_per_minute=60, tokens_per_minute=60_000, burst=1))
        pacer.reserve(0.0, 59_950)
        pacer.reserve(0.0, 400)
        assert pacer.reserve(0.0, 1).wait == approx(1.05)

    def test_a_request_abandoned_while_it_waits_for_tokens_had_claimed_no_request(self) -> None:
        pacer = QuotaPacer(Quota(requests_per_minute=60, tokens_per_minute=60_000, burst=1))
        pacer.reserve(0.0, 59_950)
        pacer.abandoned(pacer.reserve(0.0, 400), 0.0)
        assert pacer.reserve(0.0, 1).wait == approx(1.05)

    def test_a_request_that_never_calls_due_is_counted_when_it_is_answered(self) -> None:
        pacer = QuotaPacer(Quota(requests_per_minute=60, tokens_per_minute=60_000, burst=1))
        pacer.reserve(0.0, 59_950)
        unchecked = pacer.reserve(0.0, 1_000)
        pacer.answered(unchecked, 5.0)
        assert pacer.reserve(5.0, 1).wait == approx(1.05)

    def test_a_request_that_is_sent_stays_counted_at_that_time(self) -> None:
        pacer = QuotaPacer(Quota(requests_per_minute=60))
        reservation = pacer.reserve(10.0)
        assert pacer.due(reservation, 30.0) == 0.0
        assert reservation.at == 10.0

    def test_a_request_that_waits_knows_when_it_may_be_sent(self) -> None:
        pacer = QuotaPacer(Quota(requests_per_minute=60, burst=1))
        pacer.reserve(10.0)
        assert pacer.reserve(10.0).at == approx(11.05)


def send_times(pacer: QuotaPacer, count: int, now: float, tokens: int = 0) -> list[float]:
    """Send one request after the other, and return when each was sent."""
    times: list[float] = []
    for _ in range(count):
        reservation = pacer.reserve(now, tokens)
        wait = reservation.wait
        while wait > 0:
            now += wait
            wait = pacer.due(reservation, now)
        times.append(round(now, 1))
    return times


class TestTheMinuteAfterAThrottle:
    def test_of_requests(self) -> None:
        pacer = QuotaPacer(Quota(requests_per_minute=10, burst=10))
        refused, unsent, *_ = (pacer.reserve(0.5) for _ in range(9))
        waiting = [pacer.reserve(0.5) for _ in range(2)]
        pacer.throttled(refused, 0.5)
        pacer.abandoned(unsent, 0.5)
        for reservation in waiting:
            pacer.abandoned(reservation, 0.5)
        # 7 are counted, and 3 more fit into the minute.
        assert [at < 60.0 for at in send_times(pacer, 4, 0.5)] == [True] * 3 + [False]

    def test_of_tokens(self) -> None:
        quota = Quota(requests_per_minute=600, tokens_per_minute=6_000)
        pacer = QuotaPacer(quota, burndown=1)
        refused, refused_request, answered, unsent, *_ = (pacer.reserve(0.1 * n, 900) for n in range(6))
        waiting = pacer.reserve(0.6, 5_000)
        pacer.throttled(refused, 0.6, Limit.TOKENS_PER_MINUTE)
        assert pacer.status().tokens_per_minute == approx(6_000 / 1.03)
        pacer.throttled(refused_request, 0.6, Limit.REQUESTS_PER_MINUTE)
        pacer.answered(answered, 0.6, Usage(100, 100))
        pacer.abandoned(unsent, 0.6)
        pacer.abandoned(waiting, 0.6)
        # 200 + 900 + 900 are counted, and 4 of 1,000 fit into the minute.
        assert [at < 60.0 for at in send_times(pacer, 5, 0.6, 1_000)] == [True] * 4 + [False]

    def test_a_quota_of_a_day_explains_no_throttle(self) -> None:
        pacer = QuotaPacer(Quota(requests_per_minute=60, burst=1, tokens_per_day=86_400))
        rate = pacer.requests_per_minute
        assert rate is not None
        pacer.throttled(pacer.reserve(0.0, 10), 0.0)
        assert pacer.requests_per_minute == approx(rate / 2)


def sent_a_minute(pacer: QuotaPacer, throttles: int) -> list[int]:
    """Requests in each of three minutes after throttles, of a caller that always has one to send."""
    times: list[float] = []
    now = 0.0
    while now < 190.0:
        reservation = pacer.reserve(now)
        while wait := pacer.due(reservation, now):
            now += wait
        times.append(now)
        if throttles and now >= 10.0:
            throttles -= 1
            pacer.throttled(reservation, now)
        else:
            pacer.answered(reservation, now)
    return [sum(10.0 + 60.0 * minute <= at < 70.0 + 60.0 * minute for at in times) for minute in range(3)]


@pytest.mark.parametrize(
    ("quota", "throttles", "sent"),
    [
        (Quota(requests_per_minute=50), 1, [45, 48, 48]),
        (Quota(requests_per_minute=50), 2, [25, 35, 47]),
        (Quota(requests_per_minute=600), 1, [524, 545, 546]),
        (Quota(requests_per_minute=600), 2, [273, 409, 545]),
        (Quota(requests_per_minute=1_200), 1, [1_047, 1_091, 1_090]),
        (Quota(requests_per_minute=1_200), 2, [546, 818, 1_091]),
        (Quota(requests_per_minute=1_200, burst=5), 1, [600, 901, 1_090]),
    ],
)
def test_what_throttles_cost_as_the_page_about_a_known_quota_says(
    quota: Quota, throttles: int, sent: list[int]
) -> None:
    pacer = QuotaPacer(quota)
    assert sent_a_minute(pacer, throttles) == sent
    assert pacer.status().requests_per_minute == approx(sent[-1], within=1.0)  # the present rate
    assert pacer.status().request_limit == quota.requests_per_minute  # as it was given


class TestOverload:
    def test_it_halves_every_rate_and_recovers(self) -> None:
        pacer = QuotaPacer(Quota(requests_per_minute=60, tokens_per_minute=6_000, burst=2))
        pacer.overloaded(pacer.reserve(0.0), 0.0)
        assert pacer.requests_per_minute == approx(30)
        pacer.reserve(0.0)
        assert pacer.reserve(0.0).wait == approx(2.6)
        pacer.reserve(HOLD_SECONDS + 1)
        assert pacer.requests_per_minute == approx(45)
        pacer.reserve(2 * HOLD_SECONDS + 1)
        assert pacer.requests_per_minute == approx(60)

    def test_a_burst_of_refusals_halves_once(self) -> None:
        pacer = QuotaPacer(Quota(requests_per_minute=60, burst=10))
        in_flight = [pacer.reserve(0.0) for _ in range(8)]
        for reservation in in_flight:
            pacer.overloaded(reservation, 1.0)
        assert pacer.requests_per_minute == approx(30)


def test_connections_that_open_late_throttle_nothing() -> None:
    scenario = Scenario(workers=12, items=60, quota=Quota(requests_per_minute=60), latency=3.0, network=0.28)
    reports = [simulate(scenario, pacer=lambda: QuotaPacer(scenario.quota), seed=seed) for seed in range(10)]
    assert [report.throttles for report in reports] == [0] * 10


@pytest.mark.parametrize("reading", [reading for reading in READINGS if reading != "other-tenants"])
@pytest.mark.parametrize(
    ("quota", "tokens"),
    [
        (Quota(requests_per_minute=50), None),
        (Quota(tokens_per_minute=100_000), Tokens(least=500, most=1_500, max_tokens=500, output=200)),
        (Quota(tokens_per_minute=40_000), Tokens(least=200, most=12_000, max_tokens=1_000, output=300)),
    ],
    ids=["requests", "tokens", "large-tokens"],
)
def test_nothing_is_lost_however_the_quota_is_enforced(reading: str, quota: Quota, tokens: Tokens | None) -> None:
    scenario = Scenario(workers=12, items=104, quota=quota, tokens=tokens, latency=3.0, reading=reading)
    report = simulate(scenario, pacer=lambda: QuotaPacer(quota))
    assert report.succeeded == 104
    assert report.throttle_rate < 0.06


@pytest.mark.parametrize("how", ["answered", "throttled", "overloaded", "abandoned"])
def test_a_reservation_is_closed_once(how: str) -> None:
    pacer = QuotaPacer(Quota(requests_per_minute=60, tokens_per_minute=6_000, burst=2), burndown=1)
    pacer.reserve(0.0)
    reservation = pacer.reserve(0.0, 3_000)
    pacer.answered(reservation, 0.0, Usage(3_000, 0))
    before = pacer.reserve(0.0).wait
    getattr(pacer, how)(reservation, 0.0)
    assert pacer.requests_per_minute == approx(60)
    assert pacer.reserve(0.0).wait == approx(before + 1.0)


@pytest.mark.parametrize("make", [NoPacer, lambda: QuotaPacer(Quota())], ids=["kind", "pacer"])
def test_another_pacers_reservation_is_refused(make: Callable[[], Pacer]) -> None:
    foreign = make().reserve(0.0)
    with pytest.raises(
        TypeError, match=r"^QuotaPacer: reservation: got .+; accepted: what this pacer's reserve\(\) returned$"
    ):
        QuotaPacer(Quota()).answered(foreign, 0.0)


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("share", 0.0),
        ("share", 1.5),
        ("phase", 1.0),
        ("phase", -0.1),
        ("burndown", 0.0),
        ("burndown", math.nan),
        ("burndown", math.inf),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(field: str, given: float) -> None:
    with pytest.raises(ValueError, match=rf"^QuotaPacer: {field}: got {given}; accepted: "):
        QuotaPacer(Quota(), **{field: given})


def test_a_phase_of_a_whole_interval_is_refused_with_what_is_accepted() -> None:
    with pytest.raises(ValueError, match=r"^QuotaPacer: phase: got 1\.0; accepted: a finite number >= 0 and < 1$"):
        QuotaPacer(Quota(), phase=1.0)


def test_its_repr_shows_its_quota() -> None:
    quota = Quota(requests_per_minute=60)
    assert QuotaPacer(quota).quota is quota
    assert repr(QuotaPacer(quota, share=0.5)) == f"QuotaPacer({quota.share(0.5)!r})"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"quota": 50}, r"quota: got 50; accepted: a Quota"),
        ({"share": "x"}, r"share: got 'x'; accepted: a finite number"),
        ({"phase": None}, r"phase: got None; accepted: a finite number"),
        ({"burndown": True}, r"burndown: got True; accepted: a finite number"),
    ],
)
def test_a_wrong_type_is_refused_by_name(arguments: dict[str, Any], text: str) -> None:
    valid: dict[str, Any] = {"quota": Quota(requests_per_minute=60)}
    with pytest.raises(TypeError, match=rf"^QuotaPacer: {text}"):
        QuotaPacer(**(valid | arguments))
