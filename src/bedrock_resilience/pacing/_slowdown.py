"""`Slowdown`: what a pacer does about a service without capacity (503, 529).

That answer says nothing about the quota: another of the account's requests may be admitted at the same time (AWS,
"Scaling and throughput best practices": "503 and 429 are not evidence of each other"). So it is kept apart from the
rate: a factor that is halved, held, and raised by half until it is 1 again.
"""

from __future__ import annotations

import math

HALVE = 0.5
RAISE = 1.5
HOLD = 60.0
"""Seconds between two steps upward. AWS advises 15 minutes for a long-running service; a Lambda does not live longer
than that, and would spend the rest of its life at half its rate for one answer.
"""
BETWEEN_CUTS = 10.0
"""Seconds from a change to the next cut. Failures come at once where answers take seconds: without it an outage of five
seconds is answered by half a dozen cuts, one after the other, before the first has shown what it does.
"""
LEAST = 1 / 64


class Slowdown:
    """The factor, in (0, 1], by which a pacer's rate is lowered at the moment."""

    __slots__ = ("_changed_at", "factor")

    def __init__(self) -> None:
        self.factor: float = 1.0
        self._changed_at = -math.inf

    def cut(self, sent: float, now: float) -> None:
        """Halve, unless the request was sent before the last change, or that was less than `BETWEEN_CUTS` ago."""
        if sent >= self._changed_at and now >= self._changed_at + BETWEEN_CUTS:
            self.factor = max(LEAST, self.factor * HALVE)
            self._changed_at = now

    def advance(self, now: float) -> None:
        """Raise by half for every `HOLD` seconds since the last change."""
        while self.factor < 1.0 and now - self._changed_at >= HOLD:
            self.factor = min(1.0, self.factor * RAISE)
            self._changed_at += HOLD

    def seconds_left(self, now: float) -> float:
        """Seconds until the factor is raised next; infinite where there is nothing to raise."""
        return self._changed_at + HOLD - now if self.factor < 1.0 else math.inf
