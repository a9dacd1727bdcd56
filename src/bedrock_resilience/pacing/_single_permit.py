"""``SinglePermitTest``: whether the bucket holds a single permit.

Such a bucket overflows between any two requests, so the only information about its rate is the interval between two
requests: admitted, or too short. Two requests that are sent one right after the other distinguish it: a larger bucket
admits the second.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

PAIR_SECONDS: Final = 0.25
"""Seconds between the two requests of a test: longer than a refusal takes, shorter than a refill."""
_REFUSAL_SECONDS: Final = 1.0
"""Seconds after which a request that was not refused was admitted."""
_TESTS: Final = 2
_RECENT: Final = 3
_MAX_PAIR: Final = 0.5
"""Permits that are refilled between the two requests of a test, at most: where more are, it tells nothing."""
_EPSILON_SECONDS: Final = 1e-3


class SinglePermitTest:
    """Compares pairs of requests. Not thread-safe.

    Attributes:
        single: Whether the bucket holds one permit; None if that is not known.
    """

    FIELDS: ClassVar = ("single", "failed", "pair_at", "recent")
    __slots__ = FIELDS

    def __init__(self) -> None:
        self.single: bool | None = None
        self.failed = 0
        self.pair_at: float | None = None
        self.recent: list[float] = []  # when the last requests were sent that were not refused

    @property
    def previous_at(self) -> float | None:
        """When the last request was sent that was not refused."""
        return self.recent[-1] if self.recent else None

    def wanted(self, rate: float) -> bool:
        """Whether another pair may be sent, at this rate a second: the first pair, at the start, failed."""
        return self.single is None and self.pair_at is None and self.failed > 0 and PAIR_SECONDS * rate <= _MAX_PAIR

    def sent(self, at: float, cut_at: float, rate: float) -> None:
        """Record a request, where the rate is so many a second."""
        if self.pair_at is not None and at > self.pair_at + _REFUSAL_SECONDS:
            self.single, self.pair_at = False, None
        previous = self.previous_at
        if (
            self.single is None
            and previous is not None
            and previous > cut_at
            and at - previous <= PAIR_SECONDS + _EPSILON_SECONDS
            and PAIR_SECONDS * rate <= _MAX_PAIR
        ):
            self.pair_at = at
        self.recent = [*self.recent, at][-_RECENT:]

    def refused(self, at: float) -> None:
        """Record that the request that was sent at ``at`` was refused."""
        if _same(at, self.pair_at):
            self.failed += 1
            self.pair_at = None
            self.single = True if self.failed >= _TESTS else self.single
        if _same(at, self.previous_at):
            self.recent = self.recent[:-1]

    def bounds(self, at: float, rate: float) -> tuple[float, float]:
        """Return bounds on the rate of a single permit, where a request at ``at`` was refused.

        The last interval that was admitted is long enough, the one that was refused is not.
        """
        recent = [sent for sent in self.recent if sent < at]
        high = 1 / (at - recent[-1]) if recent else rate
        low = 1 / (recent[-1] - recent[-2]) if len(recent) > 1 and recent[-1] > recent[-2] else high
        return min(low, high), high

    def to_dict(self) -> dict[str, Any]:
        """Return the state for JSON."""
        return {name: getattr(self, name) for name in self.FIELDS}


def _same(at: float, other: float | None) -> bool:
    return other is not None and abs(at - other) < _EPSILON_SECONDS  # pragma: no mutate - to the last bit
