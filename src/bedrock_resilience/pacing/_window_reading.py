"""``WindowReading``: what observations say about windows of a minute, fixed or sliding, and when a window may end.

A bucket admits the next request as soon as one permit is refilled. A window that is used up admits nothing until it
ends: a sliding one when its oldest request is a minute old, a fixed one at an unknown time within the minute. One probe
a little after a refusal tells a bucket from windows; a few more find the end of a fixed one.

The elimination is sound for a sender that is alone: a reading that produced the observations is never eliminated.

- Sliding: what was refused as one request too many for 60 seconds cannot be admitted later on top of as much.
- Fixed: between a refusal and the next admission lies the end of a window, and all ends are a minute apart.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar, Final

WINDOW_SECONDS: Final = 60.0
_MARGIN_SECONDS: Final = 1.0
"""Over the end of a window, for the whole seconds of the log and for delays on the way."""
_CELLS: Final = 120
_CELLS_A_SECOND: Final = 2.0
_ALL_CELLS: Final = (1 << _CELLS) - 1
_MIN_LEVEL: Final = 4.0
"""Requests of a window below which its refusals say more about other senders."""
_MAX_PHASE_ERROR_SECONDS: Final = 20.0
"""Seconds from the last refusal to the first admission, beyond which they do not show when a window ended."""
_FIRST_CUTS: Final = 4
"""Refusals after which probes have shown what they can show."""
_BUCKET_REFUSALS: Final = 2
"""Refusals in a row after which a bucket would have been refilled."""
_SAME_LEVEL: Final = 0.97
_MIN_CATCH_UP: Final = 10.0


class WindowReading:
    """The window readings of one limit. Not thread-safe; times are seconds, levels are amounts of the last minute.

    Attributes:
        sliding: Whether the sliding window is not eliminated.
        ends: When a fixed window may end: one bit for each half second of the minute; 0: it is eliminated.
        fixed: Whether a fixed window was seen to begin.
    """

    FIELDS: ClassVar = (
        "sliding",
        "ends",
        "fixed",
        "level",
        "amount",
        "most",
        "bound",
        "first_refused_at",
        "first_level",
        "last_refused_at",
        "known",
        "phase",
    )
    __slots__ = FIELDS

    def __init__(self) -> None:
        self.sliding = True
        self.ends = _ALL_CELLS
        self.fixed = False
        self.level = 0.0
        self.amount = 0.0
        self.most = 0.0
        self.bound = 0.0
        self.first_refused_at = 0.0
        self.first_level = 0.0
        self.last_refused_at = 0.0
        self.known = False
        self.phase: float | None = None

    @property
    def possible(self) -> bool:
        """Whether a window is not eliminated."""
        return self.sliding or self.ends != 0

    def restart(self) -> None:
        """Take back all eliminations: the observations contradict each other, so others send, or the quota changed."""
        self.sliding, self.ends = True, _ALL_CELLS

    def refused(
        self, at: float, level: float, most: float, amount: float, oldest: float | None, *, consecutive: int
    ) -> None:
        """Record a refusal: what the last minute contained, at most, and when its oldest request was sent."""
        if consecutive == 1:
            self.first_refused_at, self.first_level = at, level
        self.last_refused_at, self.level, self.most, self.amount = at, level, most, amount
        self.bound = 0.0 if oldest is None else max(0.0, oldest + WINDOW_SECONDS + _MARGIN_SECONDS - at)

    def admitted(self, at: float, least: float) -> None:
        """Eliminate what the first admission after the last refusal contradicts.

        Args:
            at: When the request was admitted.
            least: What the last minute contained by then, at least, or later without another refusal.
        """
        if least >= self.most + self.amount:
            self.sliding = False
        self.ends &= _cells(self.last_refused_at, at)

    def recovered(self, at: float, level: float, *, consecutive: int) -> bool:
        """Record the first admission after refusals; return whether a fixed window has begun for the first time."""
        if consecutive > 1 and at - self.last_refused_at < _MAX_PHASE_ERROR_SECONDS:
            self.phase = at % WINDOW_SECONDS
        same_level = level >= _SAME_LEVEL * self.level or self.level < self.first_level - 2 * self.amount
        full = self.level >= _MIN_CATCH_UP * self.amount
        if self.fixed or consecutive <= _BUCKET_REFUSALS or not same_level or not full:
            return False
        self.fixed = True
        return True

    def pause(self, at: float, pause: float, probes: float, *, consecutive: int, cuts: int) -> float:
        """Return the seconds to wait after the second or a later refusal in a row.

        Args:
            at: When the refused request was sent.
            pause: The seconds after which a bucket would admit one.
            probes: Further refusals to spend on finding the end of a window.
            consecutive: Refusals in a row.
            cuts: Refusals so far that lowered the rate.
        """
        likely = self.level >= _MIN_LEVEL * self.amount and (self.possible or consecutive > _BUCKET_REFUSALS)
        if not likely:
            return min(WINDOW_SECONDS, pause)
        first = cuts <= _FIRST_CUTS
        end, left = self.bound, (probes if first and not self.known else 0.0) + _BUCKET_REFUSALS - consecutive
        if end <= 2 * _MARGIN_SECONDS:  # no sliding window: within a minute of the first refusal a fixed one ends
            self.known = True
            end, left = self.first_refused_at + WINDOW_SECONDS + _MARGIN_SECONDS - at, 1.0
        if self.phase is not None and (self.phase - at) % WINDOW_SECONDS < end:
            end, left = (self.phase - at) % WINDOW_SECONDS, (left if first else 0.0)
        if end <= 2 * _MARGIN_SECONDS:
            return min(WINDOW_SECONDS, pause)
        if left <= 0:
            self.known = True
            return end
        return max(min(pause, end), end / (left + 1))

    def to_dict(self) -> dict[str, Any]:
        """Return the state for JSON."""
        return {**{name: getattr(self, name) for name in self.FIELDS}, "ends": f"{self.ends:x}"}

    @classmethod
    def from_dict(cls, state: Any) -> WindowReading:  # noqa: ANN401 - from JSON
        """Return the reading whose ``to_dict`` gave this state."""
        reading = cls()
        for name in cls.FIELDS:
            setattr(reading, name, state[name])
        reading.ends = int(state["ends"], 16)
        return reading


def _cells(start: float, end: float) -> int:
    """Return the half seconds of the minute from ``start`` to ``end``, one before and one after them included."""
    first, last = math.floor(start * _CELLS_A_SECOND) - 1, math.floor(end * _CELLS_A_SECOND) + 1
    if last - first >= _CELLS:
        return _ALL_CELLS
    mask = 0
    for cell in range(first, last + 1):
        mask |= 1 << (cell % _CELLS)
    return mask
