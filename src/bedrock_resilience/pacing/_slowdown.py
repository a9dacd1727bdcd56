"""``Slowdown``: how a pacer reacts to a service without capacity (503, 529).

Such a response says nothing about the quota: another of the account's requests may be admitted at the same time (AWS,
"Scaling and throughput best practices": "503 and 429 are not evidence of each other"). The reaction is therefore
separate from the rate: a factor that is halved, held, and raised by half until it is 1 again.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

CUT_FACTOR: Final = 0.5
RAISE_FACTOR: Final = 1.5
HOLD_SECONDS: Final = 60.0
"""Seconds between two steps upward. AWS advises 15 minutes for a long-running service. A Lambda runs no longer than
that, and one failure would halve its rate for the rest of its life.
"""
MIN_SECONDS_BETWEEN_CUTS: Final = 10.0
"""Seconds from a change to the next cut. Failures arrive at once, responses after seconds: without this pause an outage
of five seconds causes half a dozen cuts in a row, before the first has shown its effect.
"""
MIN_FACTOR: Final = 1 / 64


class Slowdown:
    """The factor, in (0, 1], by which the rate of a pacer is lowered. Not thread-safe."""

    __slots__ = ("_changed_at", "factor")

    def __init__(self) -> None:
        self.factor: float = 1.0
        self._changed_at = -math.inf

    def cut(self, sent: float, now: float) -> None:
        """Halve the factor.

        Do nothing where the request was sent before the last change, or where that change is less than
        ``MIN_SECONDS_BETWEEN_CUTS`` ago.

        Args:
            sent: When the failed request was sent, in seconds.
            now: The present time, in seconds.
        """
        if sent >= self._changed_at and now >= self._changed_at + MIN_SECONDS_BETWEEN_CUTS:
            self.factor = max(MIN_FACTOR, self.factor * CUT_FACTOR)
            self._changed_at = now

    def advance(self, now: float) -> None:
        """Raise the factor by half for every ``HOLD_SECONDS`` since the last change."""
        while self.factor < 1.0 and now - self._changed_at >= HOLD_SECONDS:
            self.factor = min(1.0, self.factor * RAISE_FACTOR)
            self._changed_at += HOLD_SECONDS

    def seconds_left(self, now: float) -> float:
        """Return the seconds until the factor is raised next; infinite if it is 1."""
        return self._changed_at + HOLD_SECONDS - now if self.factor < 1.0 else math.inf

    def to_dict(self) -> dict[str, Any]:
        """Return the state for JSON; None means that there was no such time."""
        return {"factor": self.factor, "changed_at": None if math.isinf(self._changed_at) else self._changed_at}

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Slowdown:
        """Return the slowdown whose ``to_dict`` gave this state."""
        slowdown = cls()
        slowdown.factor = float(state["factor"])
        slowdown._changed_at = -math.inf if state["changed_at"] is None else float(state["changed_at"])
        return slowdown
