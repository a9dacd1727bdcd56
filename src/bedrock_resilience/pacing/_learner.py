"""``Learner``: finds the quota of requests and of tokens from what was admitted and what was refused.

A value machine: it reads no clock, draws no random number, takes no lock and waits for nothing. ``AdaptivePacer`` keeps
one in memory, a shared store keeps one for all instances: ``to_dict`` returns its whole state as small JSON.

The life of one request::

    wait = learner.wait(now, tokens)          # 0: it may be sent now
    learner.sent(at, tokens)                  # at = now + wait: sent, or booked for a later time
    learner.admitted(at, now, tokens, cost)   # or refused, overloaded, unsent: what became of it

Several requests are booked one after the other: each ``wait`` includes the earlier calls of ``sent``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from bedrock_resilience.pacing._adaptive_config import AdaptiveConfig
from bedrock_resilience.pacing._limit_learner import LimitLearner
from bedrock_resilience.pacing._single_permit import PAIR_SECONDS
from bedrock_resilience.pacing._slowdown import Slowdown
from bedrock_resilience.quotas import Limit

if TYPE_CHECKING:
    from collections.abc import Mapping

_COST_RATIO_WEIGHT: Final = 0.1
_LATENCY_WEIGHT: Final = 0.2
_MIN_LATENCY_SECONDS: Final = 1e-3
_EPSILON_SECONDS: Final = 1e-6
_MAX_DOUBLINGS: Final = 64.0
_LATE_ANSWER: Final = 2.0
_MIN_POLL_SECONDS: Final = 0.01
_POLL_SHARE: Final = 0.15
"""Until something is refused, a request that waits asks again after this share of the time since the start: it is the
answers that release requests, and nobody knows when they arrive.
"""
_EARLY_POLL: Final = 0.75
"""Share of an estimated wait after which a request that waits behind others asks again: the rate may have grown."""
_MIN_WAIT_SECONDS: Final = 2e-3
_LEVELS: Final = 6
"""Refusals that are compared in order to tell which limit they come from."""
_MIN_LEVELS: Final = 3
STATE_VERSION: Final = 3
"""Of the dictionary that ``Learner.to_dict`` returns; another one for each change of its fields."""


class LearnedRates(NamedTuple):
    """The present rates, in amounts a minute; None: not limited, as far as is known."""

    requests_per_minute: float | None
    tokens_per_minute: float | None


class Learner:
    """Learns the limits of one quota. Not thread-safe.

    Args:
        config: The constants. They are not part of the state.
    """

    def __init__(self, config: AdaptiveConfig = AdaptiveConfig()) -> None:  # noqa: B008 - a frozen value
        self._config = config
        self._requests = LimitLearner(config)
        self._tokens = LimitLearner(config, tokens=True)
        self._slowdown = Slowdown()
        self._permits = config.initial_burst
        self._in_flight = 0
        self._peak_in_flight = 0
        self._released = 0.0
        self._sent_at: float | None = None
        self._latency: float | None = None
        self._cost_ratio = 1.0
        self._levels: list[list[float]] = []
        self._started_at: float | None = None
        self._now: float | None = None

    @property
    def starting(self) -> bool:
        """Whether nothing has been refused yet."""
        return not (self._requests.active or self._tokens.active)

    @property
    def probing(self) -> bool:
        """Whether the next request shows if the quota is available again: it is more likely refused than others."""
        return self._requests.probing or self._tokens.probing

    def claim(self, tokens: float) -> float:
        """Return the tokens that a request which reserves so many is expected to cost."""
        return tokens * self._cost_ratio

    def wait(self, now: float, tokens: int = 0) -> float:
        """Return the seconds until the next request may be sent, if none is sent before it; 0: now.

        Args:
            now: The present time, in seconds.
            tokens: What it reserves, input + ``max_tokens``; 0 if tokens are not counted.
        """
        self._advance(now)
        factor = self._slowdown.factor
        if self.starting:
            wait = (1.0 - self._permits) / (self._start_rate(now) * factor)
            if self._latency is not None and self._released < 1.0 and self._sent_at is not None:
                # Until the next answer; one that is so late does not come.
                wait = max(wait, self._sent_at + _LATE_ANSWER * self._latency - now)
        else:
            requests = self._requests.due_at(now, 1.0, factor)
            wait = max(requests, self._tokens.due_at(now, self.claim(tokens), factor)) - now
        wait = min(wait, self._slowdown.seconds_left(now))
        return wait if wait > _EPSILON_SECONDS else 0.0  # pragma: no mutate - no wait is as long to the last bit

    def poll(self, now: float, first_tokens: int, requests: int, tokens: int) -> float:
        """Return the seconds after which a request that waits behind others should ask again; more than 0.

        Args:
            now: The present time, in seconds.
            first_tokens: What the first request that waits reserves.
            requests: Requests behind it, up to and including this one.
            tokens: What these reserve.
        """
        wait = self.wait(now, first_tokens)
        if self.starting:
            missing = max(0.0, requests + 1 - max(0.0, self._permits)) / self._start_rate(now)
            return max(_MIN_WAIT_SECONDS, min(max(wait, missing / 2), self._start_poll(now)))
        if requests == 1 and self._requests.pairs:
            return max(_MIN_WAIT_SECONDS, wait + PAIR_SECONDS)
        seconds = max(requests / self._requests.rate(now), self.claim(tokens) / self._tokens.rate(now))
        wait += _EARLY_POLL * seconds / self._slowdown.factor
        return max(_MIN_WAIT_SECONDS, min(wait, self._slowdown.seconds_left(now)))

    def first_poll(self, now: float, tokens: int) -> float:
        """Return ``wait``, or less where an answer may release the request before."""
        wait = self.wait(now, tokens)
        return min(wait, self._start_poll(now)) if self.starting else wait

    def sent(self, at: float, tokens: int = 0) -> None:
        """Record a request as sent at a time: now, or a later one that was booked."""
        self._advance(at)
        self._permits -= 1.0
        self._released -= 1.0
        self._in_flight += 1
        self._sent_at = at
        self._peak_in_flight = max(self._peak_in_flight, self._in_flight)
        self._requests.sent(at, 1.0)
        self._tokens.sent(at, self.claim(tokens))

    def unsent(self, at: float, tokens: int = 0) -> None:
        """Take back a request that was recorded as sent, and was not."""
        self._in_flight -= 1
        self._permits += 1.0
        self._requests.unsent(at, 1.0)
        self._tokens.unsent(at, self.claim(tokens))

    def admitted(self, at: float, now: float, tokens: int = 0, cost: float | None = None) -> None:
        """Record that the request that was sent at ``at`` was admitted.

        Args:
            at: When it was sent, in seconds.
            now: The present time, in seconds.
            tokens: What it reserved.
            cost: What it cost in the end; None if that is not known.
        """
        self._advance(now)
        self._in_flight -= 1
        if self.starting:
            if self._latency is None:
                self._released = 0.0
            self._released += self._config.answer_gain
        latency = max(_MIN_LATENCY_SECONDS, now - at)
        self._latency = (
            latency if self._latency is None else self._latency + _LATENCY_WEIGHT * (latency - self._latency)
        )
        if tokens > 0 and cost is not None:
            self._tokens.corrected(at, cost - self.claim(tokens))
            self._cost_ratio += _COST_RATIO_WEIGHT * (cost / tokens - self._cost_ratio)

    def admitted_elsewhere(self, at: float, tokens: int = 0, cost: float | None = None) -> None:
        """Record a request that was sent without ``wait`` and ``sent``, and admitted, at some time in the past."""
        self._requests.admitted_elsewhere(at, 1.0)
        self._tokens.admitted_elsewhere(at, self.claim(tokens) if cost is None else cost)

    def interrupted(self, now: float) -> None:
        """Record that more may have been admitted up to now than was recorded."""
        self._requests.interrupted(now)
        self._tokens.interrupted(now)

    def refused(self, at: float, now: float, tokens: int = 0, limit: Limit | None = None) -> None:
        """Record that the request that was sent at ``at`` was refused.

        Args:
            at: When it was sent, in seconds.
            now: The present time, in seconds.
            tokens: What it would have reserved.
            limit: The limit that refused it; None where the service did not name one.
        """
        self._advance(now)
        self._in_flight -= 1
        claim = self.claim(tokens)
        if limit is Limit.REQUESTS_PER_MINUTE or tokens <= 0 or (limit is None and not self._tokens_fit(at, claim)):
            self._requests.refused(at, now, 1.0)
            self._tokens.unsent(at, claim)
        else:
            self._tokens.refused(at, now, claim)
            self._requests.unsent(at, 1.0)

    def truncated(self, at: float, now: float, tokens: int = 0, cost: float | None = None) -> None:
        """Record that the response was cut short, because a quota of output tokens was used up.

        Responses are paced, because the output of a request is not known before it. An endpoint with such a quota has
        none of requests. Its quota was used up now, when the tokens were generated, and not when the request was sent.
        """
        self.admitted(at, now, tokens, cost)
        self._requests.refused(now, now, 1.0)

    def overloaded(self, at: float, now: float) -> None:
        """Record a 503 or 529: no statement about the quota."""
        self._in_flight -= 1
        self._slowdown.cut(at, now)

    def rates(self, now: float) -> LearnedRates:
        """Return the present rates."""
        factor = self._slowdown.factor
        if self.starting:
            return LearnedRates(self._start_rate(now) * 60 * factor, None)
        return LearnedRates(*(_per_minute(limit.mean_rate(now) * factor) for limit in (self._requests, self._tokens)))

    def pace(self, now: float) -> float:
        """Return the present rate in requests a minute; where tokens are the limit, of requests of the mean size."""
        factor = 60 * self._slowdown.factor
        if self.starting:
            return self._start_rate(now) * factor
        mean = max(1.0, self._tokens.mean)
        return min(self._requests.mean_rate(now), self._tokens.mean_rate(now) / mean) * factor

    def confidence(self) -> float:
        """Return how well the rate is known: the lower bound over the upper one; 0 until refusals bounded it."""
        return max(self._requests.confidence, self._tokens.confidence)

    def reading(self) -> str | None:
        """Return the reading of "per minute" that is left, a name of ``READINGS``; None if several are."""
        return self._tokens.reading if self._tokens.active else self._requests.reading

    def copy(self) -> Learner:
        """Return an independent copy."""
        return Learner.from_dict(self.to_dict(), self._config)

    def to_dict(self) -> dict[str, Any]:
        """Return the state for JSON, less than 4 KB."""
        return {
            "version": STATE_VERSION,
            "requests": self._requests.to_dict(),
            "tokens": self._tokens.to_dict(),
            "slowdown": self._slowdown.to_dict(),
            "permits": self._permits,
            "in_flight": self._in_flight,
            "peak_in_flight": self._peak_in_flight,
            "released": self._released,
            "sent_at": self._sent_at,
            "latency": self._latency,
            "cost_ratio": self._cost_ratio,
            "levels": [list(levels) for levels in self._levels],
            "started_at": self._started_at,
            "now": self._now,
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any], config: AdaptiveConfig = AdaptiveConfig()) -> Learner:  # noqa: B008 - a frozen value
        """Return the learner whose ``to_dict`` gave this state.

        Raises:
            ValueError: The state is not one, or another version's.
        """
        learner = cls(config)
        try:
            if state["version"] != STATE_VERSION:
                raise ValueError(f"Learner: version: got {state['version']!r}; accepted: {STATE_VERSION}")
            learner._requests = LimitLearner.from_dict(state["requests"], config)
            learner._tokens = LimitLearner.from_dict(state["tokens"], config, tokens=True)
            learner._slowdown = Slowdown.from_dict(state["slowdown"])
            learner._levels = [list(levels) for levels in state["levels"]]
            for name in (
                "permits",
                "in_flight",
                "peak_in_flight",
                "released",
                "sent_at",
                "latency",
                "cost_ratio",
                "started_at",
                "now",
            ):
                setattr(learner, f"_{name}", state[name])
        except (KeyError, TypeError) as error:
            raise ValueError(f"Learner: state: got {error!r}; accepted: what to_dict() returned") from error
        return learner

    def _tokens_fit(self, at: float, claim: float) -> bool:
        """Whether a refusal without a reason fits a limit of tokens: the last minute contained as many as before."""
        self._levels.append([self._requests.log.total(at), self._tokens.log.total(at)])
        del self._levels[:-_LEVELS]
        if len(self._levels) < _MIN_LEVELS or not claim:
            return True
        requests, tokens = (
            max(level[index] for level in self._levels) / max(1.0, min(level[index] for level in self._levels))
            for index in (0, 1)
        )
        return tokens <= requests

    def _elapsed(self, now: float) -> float:
        return 0.0 if self._started_at is None else max(0.0, now - self._started_at)

    def _start_rate(self, now: float) -> float:
        elapsed, config = self._elapsed(now), self._config
        clock = config.start * math.pow(2.0, min(_MAX_DOUBLINGS, elapsed / config.doubling_seconds))
        if self._latency is None:
            return clock
        answers = config.answer_gain * max(1, self._peak_in_flight) / self._latency
        return answers if elapsed > 2 * self._latency else max(clock, answers)

    def _start_poll(self, now: float) -> float:
        return max(_MIN_POLL_SECONDS, _POLL_SHARE * self._elapsed(now))

    def _advance(self, now: float) -> None:
        if self._now is None or self._started_at is None:
            self._now = self._started_at = now
        if now > self._now:  # pragma: no mutate - at the same time, nothing is granted
            granted = self._start_rate(now) * (now - self._now) * self._slowdown.factor
            most = self._config.initial_burst if self._latency is None else 1.0
            self._permits = max(self._permits, min(most, self._permits + granted))
            self._slowdown.advance(now)
            self._now = now


def _per_minute(rate: float) -> float | None:
    return None if math.isinf(rate) else rate * 60
