"""``Learner``: finds the quota of requests and of tokens from what was admitted and what was refused.

A value machine: it reads no clock, draws no random number, takes no lock and waits for nothing. ``AdaptivePacer`` keeps
one in memory, a shared store keeps one for all instances: ``to_dict`` returns its whole state as small JSON.

The life of one request::

    wait = learner.wait(now, tokens)          # 0: it may be sent now
    learner.sent(at, tokens)                  # at = now + wait: sent, or booked for a later time
    learner.admitted(at, now, tokens, cost)   # or refused, overloaded, unsent: what became of it

Several requests are booked one after the other: each ``wait`` includes what was recorded by ``sent`` before.
"""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from bedrock_resilience.pacing._limit_learner import LimitConstants, LimitLearner
from bedrock_resilience.pacing._slowdown import Slowdown
from bedrock_resilience.quotas import Limit

if TYPE_CHECKING:
    from collections.abc import Mapping

_REQUESTS: Final = LimitConstants(burst_seconds=5.0)
_TOKENS: Final = LimitConstants(burst_seconds=55.0)
_COST_RATIO_WEIGHT: Final = 0.1
_EPSILON_SECONDS: Final = 1e-6
_MAX_DOUBLINGS: Final = 64.0
_VERSION: Final = 1


class LearnedRates(NamedTuple):
    """What is sent at present, in amounts a minute; None: not limited, as far as is known."""

    requests_per_minute: float | None
    tokens_per_minute: float | None


class Learner:
    """Learns the limits of one quota. Not thread-safe.

    Args:
        initial_burst: Requests that may be sent at once at the start.
        answer_gain: Requests that each answer releases, until something is refused.
        start: Requests a second that are released beside these in the first second ...
        doubling_seconds: ... and the seconds in which that rate doubles.
    """

    def __init__(
        self,
        *,
        initial_burst: float = 6.0,
        answer_gain: float = 3.0,
        start: float = 2.2,
        doubling_seconds: float = 4.0,
    ) -> None:
        self._initial_burst = initial_burst
        self._answer_gain = answer_gain
        self._start = start
        self._doubling_seconds = doubling_seconds
        self._requests = LimitLearner(_REQUESTS)
        self._tokens = LimitLearner(_TOKENS)
        self._slowdown = Slowdown()
        self._permits = initial_burst
        self._in_flight = 0
        self._cost_ratio = 1.0
        self._started_at = math.nan
        self._now = math.nan

    @property
    def starting(self) -> bool:
        """Whether nothing has been refused yet."""
        return not (self._requests.active or self._tokens.active)

    def wait(self, now: float, tokens: int = 0) -> float:
        """Return the seconds until the next request may be sent, if none is sent before it; 0: now.

        Args:
            now: The present time, in seconds.
            tokens: What it reserves, input + ``max_tokens``; 0 where tokens are not counted.
        """
        self._advance(now)
        if self.starting:
            wait = 0.0 if self._permits >= 1.0 else (1.0 - self._permits) / self._start_rate(now)
        else:
            wait = max(self._requests.due_at(now, 1.0), self._tokens.due_at(now, self.claim(tokens))) - now
        return wait if wait > _EPSILON_SECONDS else 0.0

    def claim(self, tokens: int) -> float:
        """Return the tokens that a request which reserves so many is expected to cost."""
        return tokens * self._cost_ratio

    def sent(self, at: float, tokens: int = 0) -> None:
        """Record a request as sent at a time: now, or a later one that was booked."""
        self._advance(at)
        self._permits -= 1.0
        self._in_flight += 1
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
            cost: What it cost in the end; None where that is not known.
        """
        self._advance(now)
        self._in_flight -= 1
        if self.starting:
            most = max(self._initial_burst, self._answer_gain * (self._in_flight + 1))
            self._permits = min(self._permits + self._answer_gain, most)
        self._requests.admitted(at)
        self._tokens.admitted(at)
        if tokens > 0 and cost is not None:
            self._tokens.log.add(at, cost - self.claim(tokens))
            self._cost_ratio += _COST_RATIO_WEIGHT * (cost / tokens - self._cost_ratio)

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
        if tokens > 0 and limit is not Limit.REQUESTS_PER_MINUTE:
            self._tokens.refused(at, now, self.claim(tokens))
            self._requests.unsent(at, 1.0)
        else:
            self._requests.refused(at, now, 1.0)
            self._tokens.unsent(at, self.claim(tokens))

    def overloaded(self, at: float, now: float) -> None:
        """Record a 503 or 529: no statement about the quota."""
        self._in_flight -= 1
        self._slowdown.cut(at, now)

    def rates(self, now: float) -> LearnedRates:
        """Return the present rates."""
        return LearnedRates(
            self._start_rate(now) * 60 if self.starting else _per_minute(self._requests.rate(now)),
            _per_minute(self._tokens.rate(now)),
        )

    def confidence(self) -> float:
        """Return how well the rate is known, 0 to 1; 0 until something was refused."""
        return 0.0 if self.starting else 0.5

    def reading(self) -> str | None:
        """Return the reading of "per minute" that the observations suggest; None: they do not tell."""
        return None

    def copy(self) -> Learner:
        """Return an independent copy."""
        return copy.deepcopy(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the state for JSON, less than 4 KB."""
        return {
            "version": _VERSION,
            "requests": self._requests.to_dict(),
            "tokens": self._tokens.to_dict(),
            "slowdown": self._slowdown.to_dict(),
            "permits": self._permits,
            "in_flight": self._in_flight,
            "cost_ratio": self._cost_ratio,
            "started_at": None if math.isnan(self._started_at) else self._started_at,
            "now": None if math.isnan(self._now) else self._now,
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Learner:
        """Return the learner whose ``to_dict`` gave this state.

        Raises:
            ValueError: The state is not one, or another version's.
        """
        learner = cls()
        try:
            if state["version"] != _VERSION:
                raise ValueError(f"Learner: version: got {state['version']!r}; accepted: {_VERSION}")
            learner._requests = LimitLearner.from_dict(state["requests"], _REQUESTS)
            learner._tokens = LimitLearner.from_dict(state["tokens"], _TOKENS)
            learner._slowdown = Slowdown.from_dict(state["slowdown"])
            learner._permits = float(state["permits"])
            learner._in_flight = int(state["in_flight"])
            learner._cost_ratio = float(state["cost_ratio"])
            learner._started_at = math.nan if state["started_at"] is None else float(state["started_at"])
            learner._now = math.nan if state["now"] is None else float(state["now"])
        except (KeyError, TypeError) as error:
            raise ValueError(f"Learner: state: got {error!r}; accepted: what to_dict() returned") from error
        return learner

    def _start_rate(self, now: float) -> float:
        started = now if math.isnan(self._started_at) else self._started_at
        return self._start * math.pow(2.0, min(_MAX_DOUBLINGS, max(0.0, now - started) / self._doubling_seconds))

    def _advance(self, now: float) -> None:
        if math.isnan(self._now):
            self._now = self._started_at = now
        if now > self._now:
            granted = (self._start_rate(self._now) + self._start_rate(now)) / 2 * (now - self._now)
            self._permits = max(self._permits, min(self._initial_burst, self._permits + granted))
            self._slowdown.advance(now)
            self._now = now


def _per_minute(rate: float) -> float | None:
    return None if math.isinf(rate) else rate * 60
