"""Learner: the state machine that finds a quota."""

from __future__ import annotations

import json

import pytest

from bedrock_resilience.pacing import AdaptiveConfig
from bedrock_resilience.pacing._learner import STATE_VERSION, LearnedRates, Learner
from bedrock_resilience.pacing._slowdown import HOLD_SECONDS
from bedrock_resilience.quotas import Limit, Quota, QuotaLedger, QuotaReading, TokenBucket
from support.approx import approx

TOKENS = 5_000
EPOCH = 1_764_000_000.0


def course(learner: Learner, requests: int, now: float = EPOCH, every: int = 17) -> float:
    """Send so many requests, of which every so many is refused; return the time."""
    for number in range(1, requests + 1):
        now += learner.wait(now, TOKENS)
        learner.sent(now, TOKENS)
        if number % every:
            learner.admitted(now, now + 0.3, TOKENS, 4_000.0)
        else:
            learner.refused(now, now + 0.2, TOKENS)
        now += 0.3
    return now


class TestState:
    def test_it_is_small_json_and_comes_back_the_same(self) -> None:
        learner = Learner()
        now = course(learner, 400)
        written = json.dumps(learner.to_dict())
        assert len(written) < 4_000
        read = Learner.from_dict(json.loads(written))
        assert read.to_dict() == json.loads(written)
        assert read.wait(now, TOKENS) == approx(learner.wait(now, TOKENS), within=1e-3)

    def test_a_new_one_comes_back(self) -> None:
        assert Learner.from_dict(Learner().to_dict()).wait(5.0) == 0.0

    def test_a_copy_is_independent(self) -> None:
        learner = Learner()
        now = course(learner, 40)
        before = learner.to_dict()
        course(learner.copy(), 40, now)
        assert learner.to_dict() == before

    def test_without_tokens_none_are_counted(self) -> None:
        learner, counted = Learner(), Learner()
        assert learner.wait(EPOCH) == counted.wait(EPOCH, 0)
        for at in (EPOCH, EPOCH + 1, EPOCH + 2, EPOCH + 3, EPOCH + 4):
            learner.sent(at)
            counted.sent(at, 0)
        learner.admitted(EPOCH, EPOCH + 5, cost=50.0)
        counted.admitted(EPOCH, EPOCH + 5, 0, 50.0)
        learner.admitted_elsewhere(EPOCH)
        counted.admitted_elsewhere(EPOCH, 0)
        learner.unsent(EPOCH + 1)
        counted.unsent(EPOCH + 1, 0)
        learner.truncated(EPOCH + 2, EPOCH + 5, cost=50.0)
        counted.truncated(EPOCH + 2, EPOCH + 5, 0, 50.0)
        learner.refused(EPOCH + 3, EPOCH + 5)
        counted.refused(EPOCH + 3, EPOCH + 5, 0)
        assert learner.to_dict() == counted.to_dict()
        assert learner.to_dict()["tokens"]["admitted_total"] == 0.0

    def test_a_request_without_tokens_waits_for_no_more_than_is_due(self) -> None:
        learner = Learner()
        learner.sent(EPOCH, TOKENS)
        learner.refused(EPOCH, EPOCH + 1, TOKENS, Limit.TOKENS_PER_MINUTE)
        assert 0 < learner.wait(EPOCH + 2) == learner.wait(EPOCH + 2, 0)
        later = EPOCH + 2 + learner.wait(EPOCH + 2)
        assert learner.wait(later) == 0.0
        learner.sent(later, 0)
        assert learner.wait(later + 0.001) != learner.wait(later + 0.001, 1)

    def test_a_copy_keeps_its_constants(self) -> None:
        learner = Learner(AdaptiveConfig(start=1.0))
        assert learner.copy().rates(0.0) == learner.rates(0.0) == LearnedRates(60.0, None)

    @pytest.mark.parametrize(
        ("state", "text"),
        [
            ({}, "state: got KeyError('version'); accepted: what to_dict() returned"),
            ({"version": 0}, f"version: got 0; accepted: {STATE_VERSION}"),
            (
                {"version": STATE_VERSION, "requests": 3},
                """state: got TypeError("'int' object is not subscriptable"); accepted: what to_dict() returned""",
            ),
        ],
    )
    def test_another_state_is_refused(self, state: dict[str, object], text: str) -> None:
        with pytest.raises(ValueError) as error:  # noqa: PT011 - the whole text is compared
            Learner.from_dict(state)
        assert str(error.value) == f"Learner: {text}"

    def test_a_state_without_a_start_starts_with_the_next_request(self) -> None:
        learner = Learner.from_dict({**Learner().to_dict(), "now": 5.0})
        learner.wait(10.0)
        assert learner.to_dict()["started_at"] == 10.0


class TestStart:
    def test_once_an_answer_took_a_known_time_a_pause_releases_one_request(self) -> None:
        learner = Learner()
        learner.sent(0.0)
        learner.admitted(0.0, 1.0)
        for _ in range(4):  # what the answer and the first burst released
            learner.sent(1.0)
        for _ in range(4):
            learner.admitted(1.0, 2.0)
        assert learner.wait(600.0) == 0.0
        learner.sent(600.0)
        assert learner.wait(600.0) > 0.0

    def test_the_rate_that_answers_release_counts_once_two_answers_were_due(self) -> None:
        learner = Learner()
        learner.sent(0.0)
        learner.admitted(0.0, 3.0)
        assert learner.rates(4.0).requests_per_minute == approx(60 * 2.2 * 2)
        assert learner.rates(8.0).requests_per_minute == approx(60 * 2 / 3)


class TestLateReports:
    def test_a_refusal_that_is_reported_late_does_not_change_the_first_guess(self) -> None:
        learner = Learner()
        for second in range(20):
            learner.sent(float(second))
        learner.sent(20.0)
        learner.refused(20.0, 20.2)
        for second in range(30, 100):
            learner.sent(float(second))
        before = learner.rates(100.0)
        learner.refused(15.0, 100.0)
        assert learner.rates(100.0) == before

    def test_what_was_admitted_elsewhere_counts_before_the_throttles_that_followed(self) -> None:
        learner = Learner()
        for second in range(61):
            learner.sent(float(second))
        learner.refused(60.0, 60.2)
        learner.admitted_elsewhere(55.0)
        learner.admitted_elsewhere(65.0)
        assert learner.to_dict()["requests"]["throttles"] == [[60.0, 61.0, 1.0]]


class TestLimits:
    def test_a_named_limit_is_the_one_that_learns(self) -> None:
        learner = Learner()
        learner.sent(0.0, TOKENS)
        learner.refused(0.0, 0.2, TOKENS, Limit.TOKENS_PER_MINUTE)
        assert learner.rates(1.0).requests_per_minute is None
        assert learner.rates(1.0).tokens_per_minute is not None
        assert [learner.to_dict()[limit]["admitted_total"] for limit in ("requests", "tokens")] == [0, 0]
        learner.sent(100.0, TOKENS)
        learner.refused(100.0, 100.2, TOKENS, Limit.REQUESTS_PER_MINUTE)
        assert learner.rates(101.0).requests_per_minute is not None

    def test_a_response_that_was_cut_short_paces_responses_and_counts_as_admitted_for_tokens(self) -> None:
        learner = Learner()
        for at in range(4):
            learner.sent(at, TOKENS)
        for at in range(3):
            learner.admitted(at, at + 6.0, TOKENS, float(TOKENS))
        assert learner.starting
        learner.truncated(3.0, 9.0, TOKENS, float(TOKENS))
        rates = learner.rates(9.0)
        assert rates.requests_per_minute == approx(3 / (9.0 + AdaptiveConfig().burst_seconds) * 60)
        assert rates.tokens_per_minute is None
        assert learner.wait(9.0, TOKENS) > 6.0  # counted from the end of the response
        assert learner.to_dict()["tokens"]["admitted_total"] == 4 * TOKENS

    def test_a_refusal_without_tokens_is_one_of_requests(self) -> None:
        learner = Learner()
        learner.sent(0.0)
        learner.refused(0.0, 0.2)
        assert learner.rates(1.0).tokens_per_minute is None

    def test_a_refusal_without_a_reason_is_attributed_to_what_fits(self) -> None:
        learner, bucket, now = Learner(), TokenBucket(0.5, 5.0), 0.0
        for number in range(200):
            tokens = 500 + 4_000 * (number % 7)
            now += learner.wait(now, tokens)
            learner.sent(now, tokens)
            if bucket.take(now):
                learner.admitted(now, now + 0.2, tokens, float(tokens))
            else:
                learner.refused(now, now + 0.2, tokens)
            now += 0.2
        assert learner.rates(now).requests_per_minute is not None

    def test_a_claim_is_corrected_to_what_requests_cost(self) -> None:
        learner, now = Learner(), 0.0
        for _ in range(60):
            learner.sent(now, TOKENS)
            learner.admitted(now, now + 0.5, TOKENS, 2.0 * TOKENS)
            now += 1.0
        assert learner.claim(TOKENS) == approx(2.0 * TOKENS, within=50)

    def test_a_quota_of_tokens_is_found(self) -> None:
        ledger, learner, now, throttles = QuotaLedger(Quota(tokens_per_minute=60_000)), Learner(), 0.0, 0
        for number in range(150):
            tokens = 1_000 + 1_000 * (number % 5)
            now += learner.wait(now, tokens)
            learner.sent(now, tokens)
            admission = ledger.admit(now, "model", tokens)
            if admission.admitted:
                learner.admitted(now, now + 0.2, tokens, float(tokens))
            else:
                throttles += 1
                learner.refused(now, now + 0.2, tokens, admission.throttled_by)
            now += 0.2
        assert throttles <= 12
        assert learner.rates(now).tokens_per_minute == approx(60_000, within=20_000)
        assert 0 < learner.confidence() <= 1


def drive(reading: QuotaReading, requests: int, seconds: float = 0.2) -> Learner:
    """One sender against 50 requests a minute, one request after the other, with refusals after 0.2 s."""
    ledger = QuotaLedger(Quota(requests_per_minute=50, burst=None), reading=reading, start=0.0)
    learner, now = Learner(), 0.0
    for _ in range(requests):
        now += learner.wait(now)
        learner.sent(now)
        if ledger.admit(now, "model").admitted:
            learner.admitted(now, now + seconds)
        else:
            learner.refused(now, now + 0.2)
        now += 0.2
    return learner


class TestReading:
    def test_nothing_is_known_before_a_refusal(self) -> None:
        assert Learner().reading() is None
        assert Learner().confidence() == 0.0

    @pytest.mark.parametrize(
        ("reading", "found"),
        [
            (QuotaReading(), "bucket"),
            (QuotaReading(burst=1.0), "bucket-of-1"),
            (QuotaReading(window="fixed", phase=40.0), "fixed"),
        ],
    )
    def test_it_is_what_the_observations_leave(self, reading: QuotaReading, found: str | None) -> None:
        learner = drive(reading, 150)
        assert learner.reading() in {found, None}
        assert drive(reading, 400).rates(1e4).requests_per_minute is not None


class TestOverload:
    def test_it_slows_down_and_comes_back(self) -> None:
        learner = Learner()
        now = course(learner, 60)
        before = learner.rates(now)
        learner.sent(now, TOKENS)
        learner.overloaded(now, now + 1.0)
        halved = learner.rates(now)
        assert halved.tokens_per_minute is not None
        assert before.tokens_per_minute is not None
        assert halved.tokens_per_minute <= 0.6 * before.tokens_per_minute
        learner.wait(now + 3 * HOLD_SECONDS, TOKENS)
        later = learner.rates(now + 3 * HOLD_SECONDS).tokens_per_minute
        assert later is not None
        assert later > halved.tokens_per_minute


class TestPoll:
    def test_those_behind_ask_again_before_their_turn(self) -> None:
        learner = Learner()
        now = course(learner, 60)
        first = learner.wait(now, TOKENS)
        polls = [learner.poll(now, TOKENS, behind, behind * TOKENS) for behind in (1, 2, 8)]
        assert first < polls[0] < polls[1] < polls[2]

    def test_unsent_returns_the_permit(self) -> None:
        learner = Learner()
        while learner.wait(0.0) == 0:
            learner.sent(0.0)
        learner.unsent(0.0)
        assert learner.wait(0.0) == 0
