"""``LimitLearner``: the rate of one limit, of requests or of tokens, from what was admitted and what was refused.

Until the first refusal it only records. Then it paces: permits are granted at a rate, and a request waits until its own
amount is granted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience.pacing._minute_log import MinuteLog

if TYPE_CHECKING:
    from collections.abc import Mapping

_MINUTE_SECONDS: Final = 60.0
_MAX_CONSECUTIVE: Final = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitConstants:
    """The constants of one limit."""

    burst_seconds: float
    headroom: float = 0.97
    pause_permits: float = 1.4
    pause_growth: float = 3.0
    min_decrease_factor: float = 0.65
    initial_hold: float = 24.0
    initial_hold_seconds: float = 1.2
    hold: float = 65.0
    hold_seconds: float = 2.2
    decay: float = 0.925


class LimitLearner:
    """Learns the rate of one limit. Not thread-safe; times are seconds of any clock, amounts requests or tokens."""

    __slots__ = (
        "active",
        "anchor",
        "base",
        "best",
        "consecutive",
        "constants",
        "cut_at",
        "cuts",
        "first_at",
        "least",
        "log",
        "refused_at",
        "resume_at",
        "sends",
        "since",
    )

    def __init__(self, constants: LimitConstants) -> None:
        self.constants = constants
        self.log = MinuteLog()
        self.active = False
        self.base = 0.0
        self.best = 0.0
        self.least = 0.0
        self.sends = 0
        self.since = 0.0
        self.anchor = -math.inf
        self.cut_at = -math.inf
        self.refused_at = 0.0
        self.resume_at = -math.inf
        self.first_at: float | None = None
        self.cuts = 0
        self.consecutive = 0

    def rate(self, now: float) -> float:
        """Return the present rate, in amounts a second; infinite before the first refusal."""
        if not self.active:
            return math.inf
        first = self.cuts <= 1
        hold = self.constants.initial_hold if first else self.constants.hold
        seconds = self.constants.initial_hold_seconds if first else self.constants.hold_seconds
        evidence = max(self.sends, (now - self.since) / seconds)
        return self.base + self.best * (evidence / hold) ** 3

    def due_at(self, now: float, amount: float) -> float:
        """Return when a request of this amount may be sent, as far as is known at ``now``."""
        if not self.active:
            return -math.inf
        return max(self.resume_at, self.anchor + amount / self.rate(now))

    def sent(self, at: float, amount: float) -> None:
        """Record a request that is sent at this time."""
        if self.first_at is None:
            self.first_at = at
        self.log.add(at, amount)
        if self.active:
            self.sends += 1
            seconds = amount / self.rate(at)
            self.anchor = max(self.anchor + seconds, at - 0.5 * seconds)

    def unsent(self, at: float, amount: float) -> None:
        """Take back a request that was not sent."""
        self.log.add(at, -amount)

    def admitted(self, at: float) -> None:
        """Record that a request was admitted."""
        if at > self.cut_at:
            self.consecutive = 0

    def refused(self, at: float, now: float, amount: float) -> None:
        """Record that this limit refused a request that was sent at ``at``."""
        self.log.add(at, -amount)
        if at <= self.cut_at:
            if self.cuts == 1:  # one of those that were in flight: fewer were admitted than it seemed
                self._guess()
            return
        self.consecutive = min(_MAX_CONSECUTIVE, self.consecutive + 1)
        if not self.active:
            self.active, self.refused_at, self.least = True, at, amount / _MINUTE_SECONDS
            self._guess()
        else:
            self._measure(at)
        self.cuts += 1
        self.cut_at = self.since = now
        self.sends = 0
        self.resume_at = max(now, at + self._pause(at, amount))
        self.anchor = self.resume_at - amount / self.base

    def _guess(self) -> None:
        admitted = max(self.log.total(self.refused_at), 1e-9)
        seconds = min(_MINUTE_SECONDS, self.refused_at - (self.refused_at if self.first_at is None else self.first_at))
        self.base = self.best = max(self.least, admitted / (seconds + self.constants.burst_seconds))

    def _measure(self, at: float) -> None:
        constants = self.constants
        rate = self.rate(at)
        seconds = min(_MINUTE_SECONDS, at - (at if self.first_at is None else self.first_at))
        admitted = self.log.total(at)
        if self.consecutive == 1:
            measured = (
                admitted / _MINUTE_SECONDS
                if seconds >= _MINUTE_SECONDS
                else admitted / (seconds + constants.burst_seconds)
            )
            least = constants.min_decrease_factor * rate
            self.base = max(self.least, min(rate, max(least, constants.headroom * measured)))
            self.best = max(self.base, constants.decay * self.best)
        else:
            self.base = max(
                constants.headroom * admitted / _MINUTE_SECONDS, self.least, constants.min_decrease_factor * self.base
            )

    def _pause(self, at: float, amount: float) -> float:
        permits = amount * (1 + self.constants.pause_permits)
        pause = permits / self.base * self.constants.pause_growth ** (self.consecutive - 1)
        if self.consecutive == 1:
            return pause
        oldest = self.log.oldest(at)
        return min(pause, 60.0 if oldest is None else max(5.0, oldest + 61 - at))

    def to_dict(self) -> dict[str, Any]:
        """Return the state for JSON; None stands for minus infinity."""
        state: dict[str, Any] = {
            name: getattr(self, name) for name in self.__slots__ if name not in {"constants", "log"}
        }
        for name in ("anchor", "cut_at", "resume_at"):
            state[name] = None if state[name] == -math.inf else state[name]
        state["log"] = self.log.entries()
        return state

    @classmethod
    def from_dict(cls, state: Mapping[str, Any], constants: LimitConstants) -> LimitLearner:
        """Return the learner whose ``to_dict`` gave this state."""
        learner = cls(constants)
        for name in cls.__slots__:
            if name not in {"constants", "log"}:
                setattr(learner, name, state[name])
        for name in ("anchor", "cut_at", "resume_at"):
            if state[name] is None:
                setattr(learner, name, -math.inf)
        learner.log = MinuteLog(state["log"])
        return learner
