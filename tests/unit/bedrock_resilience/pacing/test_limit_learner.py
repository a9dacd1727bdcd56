"""LimitLearner: the rate of one limit, against each reading of "per minute"."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pytest

from bedrock_resilience.pacing._adaptive_config import AdaptiveConfig
from bedrock_resilience.pacing._limit_learner import LimitLearner
from bedrock_resilience.quotas import TokenBucket
from bedrock_resilience.quotas._limiters import FixedWindow, SlidingWindow
from support.approx import approx

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bedrock_resilience.quotas._limiters import RateLimiter

CONFIG = AdaptiveConfig()
A_MINUTE = 50.0


def course(learner: LimitLearner, limiter: RateLimiter, seconds: float, now: float = 0.0) -> tuple[int, int, float]:
    """Send, one after the other, for so long; return what was admitted and refused, and the time."""
    admitted = refused = 0
    end = now + seconds
    while True:
        now = max(now + 0.6, learner.due_at(now, 1.0, 1.0))
        if now >= end:
            return admitted, refused, now
        learner.sent(now, 1.0)
        if limiter.fits(now):
            limiter.debit(now, 1.0)
            admitted += 1
        else:
            learner.refused(now, now + 0.2, 1.0)
            refused += 1


def learned(limiter: RateLimiter) -> tuple[LimitLearner, float]:
    """A learner after three minutes, and the time."""
    learner = LimitLearner(CONFIG)
    _, _, now = course(learner, limiter, 180.0)
    return learner, now


def test_it_limits_nothing_before_the_first_refusal() -> None:
    learner = LimitLearner(CONFIG)
    learner.sent(0.0, 1.0)
    assert learner.rate(1.0) == learner.mean_rate(1.0) == math.inf
    assert learner.due_at(1.0, 1.0, 1.0) == -math.inf
    assert (learner.reading, learner.confidence, learner.probing, learner.pairs) == (None, 0.0, False, False)


def test_while_nothing_was_ever_admitted_the_first_two_pauses_are_short() -> None:
    learner, now, pauses = LimitLearner(CONFIG), 0.0, list[float]()
    for _ in range(3):
        learner.sent(now, 1.0)
        learner.refused(now, now, 1.0)
        pauses.append(learner.due_at(now, 1.0, 1.0) - now)
        now += pauses[-1]
    assert 2.0 <= pauses[0] <= 2.2
    assert 4.0 <= pauses[1] <= 4.4
    assert pauses[2] >= 10.0  # no call has many more retries
    admitted = LimitLearner(CONFIG)
    admitted.sent(0.0, 1.0)
    admitted.sent(1.0, 1.0)
    admitted.refused(1.0, 1.0, 1.0)
    assert admitted.due_at(1.0, 1.0, 1.0) - 1.0 > 5.0  # the rate can be estimated


def test_a_bucket_is_found_and_kept() -> None:
    learner, now = learned(TokenBucket(A_MINUTE / 60, 5.0))
    assert 60 * learner.mean_rate(now) == approx(A_MINUTE, within=6)
    assert learner.reading == "bucket"
    assert learner.confidence > 0.8


@pytest.mark.parametrize("limiter", [SlidingWindow(A_MINUTE / 60), FixedWindow(A_MINUTE / 60, 17.0)])
def test_a_window_is_used_up_early_and_then_nothing_is_refused(limiter: RateLimiter) -> None:
    learner, now = learned(limiter)
    assert 60 * learner.mean_rate(now) == approx(A_MINUTE, within=4)
    assert learner.rate(now) > 2 * learner.mean_rate(now)
    admitted, refused, _ = course(learner, limiter, 180.0, now)
    assert admitted > 0.93 * 3 * A_MINUTE
    assert refused <= 4


def test_one_that_was_no_window_goes_back_to_a_rate() -> None:
    learner, now = learned(SlidingWindow(A_MINUTE / 60))
    bucket = TokenBucket(A_MINUTE / 60, 5.0)
    course(learner, bucket, 120.0, now)
    admitted, refused, now = course(learner, bucket, 240.0, now + 120.0)
    assert admitted > 0.9 * 4 * A_MINUTE
    assert refused < 0.06 * admitted


def test_a_window_that_shrinks_is_followed_and_one_that_grows() -> None:
    learner, now = learned(SlidingWindow(A_MINUTE / 60))
    for a_minute in (A_MINUTE / 2, 2 * A_MINUTE):
        limiter = SlidingWindow(a_minute / 60)
        _, _, now = course(learner, limiter, 300.0, now)
        admitted, _, now = course(learner, limiter, 120.0, now)
        assert admitted > 0.8 * 2 * a_minute


def test_its_state_comes_back_from_json() -> None:
    learner, now = learned(SlidingWindow(A_MINUTE / 60))
    read = LimitLearner.from_dict(json.loads(json.dumps(learner.to_dict())), CONFIG)
    assert read.to_dict() == learner.to_dict()
    assert read.due_at(now, 1.0, 1.0) == learner.due_at(now, 1.0, 1.0)


def test_what_was_admitted_elsewhere_may_explain_a_refusal() -> None:
    learner = LimitLearner(CONFIG)
    for second in range(30):
        learner.sent(float(second), 1.0)
    learner.refused(29.0, 29.2, 1.0)
    before = learner.rate(29.2)
    learner.interrupted(60.0)
    for second in (65, 70):
        learner.sent(float(second), 1.0)
    learner.refused(70.0, 70.2, 1.0)
    # In the ten seconds that are known there was little; the rate before is the better guess.
    assert learner.rate(70.2) > 0.9 * before


@pytest.mark.parametrize("refunded", [1.0, 2.0])
def test_more_refunded_than_admitted_between_two_refusals_bounds_nothing(refunded: float) -> None:
    # An upper bound of exactly 0 raised a ZeroDivisionError.
    learner = LimitLearner(CONFIG)
    for second in range(4):
        learner.sent(float(second), 1.0)
    learner.refused(3.0, 3.2, 1.0)
    learner.sent(10.0, 1.0)
    learner.corrected(1.0, -refunded - 1.0)
    learner.sent(11.0, 1.0)
    learner.refused(11.0, 11.2, 1.0)
    assert learner.confidence == 0.0
    assert learner.rate(11.2) > 0


def with_state(
    config: AdaptiveConfig = CONFIG,
    *,
    tokens: bool = False,
    windows: Mapping[str, Any] | None = None,
    **changes: object,
) -> LimitLearner:
    """A learner in the state of a new one, but for these."""
    state = LimitLearner(config, tokens=tokens).to_dict()
    state["windows"].update(windows or {})
    return LimitLearner.from_dict({**state, **changes}, config, tokens=tokens)


class TestLimitsOfItsConstants:
    @pytest.mark.parametrize(("at", "sends", "anchor"), [(1.5, 1.0, 1.0), (1.5625, 0.0, 1.5625)])
    def test_a_request_is_late_after_half_an_interval(self, at: float, sends: float, anchor: float) -> None:
        learner = with_state(active=True, base=1.0, anchor=0.0, admitted_at=0.0, cut_at=-1.0)
        learner.sent(at, 1.0)
        assert (learner.sends, learner.anchor) == (sends, anchor)

    def test_a_window_is_caught_up_with_at_its_share(self) -> None:
        learner = with_state(
            active=True, base=1.0, anchor=0.0, admitted_at=0.0, cut_at=-1.0, catch_up_until=10.0, admitted_total=8.0
        )
        learner.sent(0.5, 1.0)
        assert (learner.catch_up_until, learner.sends, learner.rate(0.5)) == (10.0, 1.0, 2.0)
        learner.sent(1.0, 1.0)
        assert (learner.catch_up_until, learner.since, learner.sends) == (None, 1.0, 0.0)

    @pytest.mark.parametrize(
        ("at", "consecutive", "level", "limit"),
        [
            (10.0, 0, 50, 50.0),
            (9.5, 0, 50, 0.0),  # one more, too soon after the last: it was no window
            (20.0, 3, 50, 50.0),
            (20.0, 4, 50, 0.0),  # five in a row
            (20.0, 0, 34, 34.0),
            (20.0, 0, 33, 0.0),  # far too early
            (20.0, 0, 47, 50.0),  # a little too early
            (20.0, 0, 46, 46.0),
            (20.0, 0, 53, 53.0),
        ],
    )
    def test_a_refusal_by_a_window(self, at: float, consecutive: int, level: int, limit: float) -> None:
        learner = with_state(
            active=True, consecutive=consecutive, windows={"limit": 50.0}, log=[[1, level]], admitted_total=float(level)
        )
        learner.log.add(at, 1.0)
        learner.refused(at, at + 0.25, 1.0)
        assert learner.to_dict()["windows"]["limit"] == limit

    @pytest.mark.parametrize(("now", "corrected"), [(18.0, True), (18.25, False)])
    def test_requests_that_were_in_flight_correct_the_first_guess_for_eight_seconds(
        self, now: float, *, corrected: bool
    ) -> None:
        learner = LimitLearner(CONFIG)
        for second in range(11):
            learner.sent(float(second), 1.0)
        learner.refused(10.0, 10.25, 1.0)
        before = learner.base
        learner.refused(9.0, now, 1.0)
        assert (learner.base < before) == corrected

    @pytest.mark.parametrize(("first_at", "confidence"), [(0.0, 0.9), (1.0, 19 / 21)])
    def test_a_minute_of_observations_shows_what_a_window_contains(self, first_at: float, confidence: float) -> None:
        learner = with_state(
            active=True,
            base=1.0,
            cuts=1,
            consecutive=1,
            first_at=first_at,
            admitted_at=40.0,
            cut_at=30.5,
            admitted_total=21.0,
            log=[[10, 9.0], [60, 1.0]],
            throttles=[[30.0, 0.0, 1.0]],
        )
        learner.refused(60.0, 60.25, 1.0)
        assert learner.confidence == approx(confidence)

    @pytest.mark.parametrize("tokens", [False, True])
    def test_refusals_of_requests_that_others_recorded(self, *, tokens: bool) -> None:
        learner = LimitLearner(CONFIG, tokens=tokens)
        learner.refused(10.0, 10.25, 1.0)
        learner.refused(11.0, 11.25, 1.0)
        learner.sent(20.0, 0.0)
        learner.sent(21.0, 0.0)
        learner.refused(22.0, 22.25, 1.0)
        assert 0 < learner.rate(22.25) < 1
        assert learner.hold == (40.0 if tokens else 30.0)

    @pytest.mark.parametrize(("tokens", "amount"), [(False, 1.0), (True, 2.0)])
    def test_a_measurement_without_a_sample_counts_as_one_request(self, *, tokens: bool, amount: float) -> None:
        learner = with_state(
            AdaptiveConfig(min_hold_requests=1.0, min_token_hold_requests=1.0),
            tokens=tokens,
            windows={"sliding": False, "ends": "0"},
            active=True,
            base=1.0,
            consecutive=1,
            admitted_at=25.0,
            cut_at=20.0,
            mean=1.0,
            complete_from=20.0,
        )
        learner.refused(30.0, 30.25, amount)
        assert learner.hold == 3.0

    @pytest.mark.parametrize(("first_at", "permits"), [(0, 2.4), (1, 2.8)])
    def test_the_first_pause_is_longer_where_a_window_may_be_used_up_within_its_minute(
        self, first_at: int, permits: float
    ) -> None:
        learner = LimitLearner(CONFIG)
        for second in range(first_at, 61):
            learner.sent(float(second), 1.0)
        learner.refused(60.0, 60.25, 1.0)
        pause = (learner.resume_at - 60.0) / (1 + 0.1 * learner.jitter)
        assert pause == approx(permits / learner.base)
