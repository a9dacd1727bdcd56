"""Learner: the state machine that finds a quota."""

from __future__ import annotations

import json

import pytest

from bedrock_resilience.pacing._learner import Learner
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

    @pytest.mark.parametrize("state", [{}, {"version": 0}, {"version": 1, "requests": 3}])
    def test_another_state_is_refused(self, state: dict[str, object]) -> None:
        with pytest.raises(ValueError, match=r"^Learner: "):
            Learner.from_dict(state)
