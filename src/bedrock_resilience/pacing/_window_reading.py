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
from typing import TYPE_CHECKING, Any, ClassVar, Final

if TYPE_CHECKING:
    from bedrock_resilience.pacing._minute_log import MinuteLog

WINDOW_SECONDS: Final = 60.0
_MARGIN_SECONDS: Final = 1.0
"""Over the end of a window, for the whole seconds of the log and for delays on the way."""
_MIN_END_SECONDS: Final = 2.0 * _MARGIN_SECONDS
"""Seconds to the end of a window, at least, for a pause that waits for it."""
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
_MIN_WINDOW_REQUESTS: Final = 10.0
_MIN_WINDOW_TOKEN_REQUESTS: Final = 3.0
"""Requests of a window, at least: in fewer, refusals say more about other senders."""
_SOON_REQUESTS: Final = (4.0, 2.0)
"""Requests that may contradict a bucket which refused for so many times as long as one permit takes, by so many times
more than it could have refilled."""
_SOON_TOKENS: Final = (2.5, 1.4)
"""The same of tokens: a window contains few requests."""
_SURE_REQUESTS: Final = 20.0
_SURE_FACTOR: Final = 1.3
"""The same for more requests."""
_SETTLED_WINDOWS: Final = 1.5
_SETTLED_TOKEN_WINDOWS: Final = 4.0
_LIMIT_GROWTH: Final = 0.02
"""Minutes without a refusal after which more than the amount of a window is tried, and by which share of it a minute
later; the share grows with the cube of the time."""
_MAX_WINDOWS_AHEAD: Final = 16


class WindowReading:
    """The window readings of one limit. Not thread-safe; times are seconds, levels are amounts of the last minute.

    Args:
        tokens: Whether the amounts are tokens, of which a window contains few requests.

    Attributes:
        sliding: Whether the sliding window is not eliminated.
        ends: When a fixed window may end: one bit for each half second of the minute; 0: it is eliminated.
        fixed: Whether a fixed window was seen to begin.
        limit: The amount of a window, once observations contradict a bucket of any rate and size; 0 before.
        since: Since when it was not refused.
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
        "least",
        "limit",
        "phase",
        "recovered_at",
        "recovered_total",
        "since",
        "slowest",
    )
    __slots__ = (*FIELDS, "_tokens")

    def __init__(self, *, tokens: bool = False) -> None:
        self._tokens = tokens
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
        self.least = 0.0
        self.limit = 0.0
        self.phase: float | None = None
        self.recovered_at = 0.0
        self.recovered_total = 0.0
        self.since = 0.0
        self.slowest = 0.0  # amount a second that a bucket would be refilled with at most: refusals in a row show it

    @property
    def possible(self) -> bool:
        """Whether a window is not eliminated."""
        return self.sliding or self.ends != 0

    @property
    def likely(self) -> bool:
        """Whether the last refusal may have been that of a window, which contained enough requests to tell."""
        return self.possible and self.level >= _MIN_WINDOW_REQUESTS * self.amount > 0

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
        self.bound = 0.0 if oldest is None else oldest + WINDOW_SECONDS + _MARGIN_SECONDS - at

    def exclude(self, at: float, amount: float) -> None:
        """Correct what the minute before the last refusal contained: what was sent at ``at`` was not admitted."""
        if math.floor(at) <= math.floor(self.last_refused_at) and at > self.last_refused_at - WINDOW_SECONDS:
            self.level -= amount
            self.most -= amount

    def admitted(self, at: float, least: float) -> None:
        """Eliminate what the first admission after the last refusal contradicts.

        Args:
            at: When the request was admitted.
            least: What the last minute contained by then, at least, or later without another refusal.
        """
        self.exceeded(least)
        self.ends &= _cells(self.last_refused_at, at)

    def used(self, amount: float) -> None:
        """Record what the present window contains: so much is admitted, unless a refusal shows otherwise."""
        self.least = max(self.least, amount)

    def exceeded(self, least: float) -> None:
        """Eliminate the sliding window where a minute contained more than was refused as too much for one."""
        if least >= self.most + self.amount:
            self.sliding = False

    def recovered(self, at: float, level: float, total: float, *, consecutive: int) -> bool:
        """Record the first admission after refusals; return whether a fixed window has begun for the first time.

        Args:
            at: When it was sent.
            level: What the minute before it contained.
            total: What was admitted in all by then.
            consecutive: Refusals in a row before it.
        """
        self.recovered_at, self.recovered_total = at, total
        refused_for = self.last_refused_at - self.first_refused_at
        self.slowest = self.amount / refused_for if refused_for > 0 else 0.0
        if consecutive > 1 and at - self.last_refused_at < _MAX_PHASE_ERROR_SECONDS:
            self.phase = at % WINDOW_SECONDS
        same_level = level >= _SAME_LEVEL * self.level or self.level < self.first_level - 2 * self.amount
        full = self.level >= _MIN_WINDOW_REQUESTS * self.amount
        if self.fixed or consecutive <= _BUCKET_REFUSALS or not same_level or not full:
            return False
        self.fixed = True
        return True

    def contradicts_bucket(self, at: float, total: float) -> bool:
        """Whether more was admitted since the last refusals than a bucket could have refilled, which they bound.

        Args:
            at: The present time, in seconds.
            total: What was admitted in all.
        """
        least = (_MIN_WINDOW_TOKEN_REQUESTS if self._tokens else _MIN_WINDOW_REQUESTS) * self.amount
        if not (self.slowest and self.possible) or self.limit or self.level < least:
            return False
        # At the last refusal the bucket contained less than one request; what it admitted since was refilled since.
        admitted = (total - self.recovered_total) / self.amount
        refilled = 1 + self.slowest / self.amount * (at - self.last_refused_at)
        few, factor = _SOON_TOKENS if self._tokens else _SOON_REQUESTS
        soon = self.slowest < self.level / WINDOW_SECONDS / few and admitted >= few
        if soon and admitted > factor * refilled:
            return True
        return admitted >= _SURE_REQUESTS and admitted > _SURE_FACTOR * refilled

    def limit_at(self, now: float) -> float:
        """Return the amount of a window that is tried: more, the longer nothing was refused."""
        settled = _SETTLED_TOKEN_WINDOWS if self._tokens else _SETTLED_WINDOWS
        minutes = max(0.0, (now - self.since) / WINDOW_SECONDS - settled)
        return self.limit * (1.0 + _LIMIT_GROWTH * minutes**3)

    def free_at(self, at: float, amount: float, log: MinuteLog) -> float:
        """Return the first time from ``at`` on at which a window has room for an amount."""
        most = max(self.limit_at(at), amount)
        if self.phase is None or self.sliding:
            return log.free_at(at, most - amount)
        for _ in range(_MAX_WINDOWS_AHEAD):
            seconds = self.seconds(at)
            if log.total(at, seconds) + amount <= most:
                break
            at += WINDOW_SECONDS - seconds
        return at

    def seconds(self, at: float) -> float:
        """Return since how many seconds the present window lasts: a minute, unless its end is known."""
        return WINDOW_SECONDS if self.phase is None or self.sliding else (at - self.phase) % WINDOW_SECONDS

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
        if end <= _MIN_END_SECONDS:  # no sliding window: within a minute of the first refusal a fixed one ends
            self.known = True
            end, left = self.first_refused_at + WINDOW_SECONDS + _MARGIN_SECONDS - at, 1.0
        if self.phase is not None and (self.phase - at) % WINDOW_SECONDS < end:
            end, left = (self.phase - at) % WINDOW_SECONDS, (left if first else 0.0)
        if end <= _MIN_END_SECONDS:
            return min(WINDOW_SECONDS, pause)
        if left <= 0:
            self.known = True
            return end
        return max(min(pause, end), end / (left + 1))

    def to_dict(self) -> dict[str, Any]:
        """Return the state for JSON."""
        return {**{name: getattr(self, name) for name in self.FIELDS}, "ends": f"{self.ends:x}"}

    @classmethod
    def from_dict(cls, state: Any, *, tokens: bool) -> WindowReading:  # noqa: ANN401 - from JSON
        """Return the reading whose ``to_dict`` gave this state."""
        reading = cls(tokens=tokens)
        for name in cls.FIELDS:
            setattr(reading, name, state[name])
        reading.ends = int(state["ends"], 16)
        return reading


def _cells(start: float, end: float) -> int:
    """Return the half seconds of the minute from ``start`` to ``end``, one before and one after them included."""
    first, last = math.floor(start * _CELLS_A_SECOND) - 1, math.floor(end * _CELLS_A_SECOND) + 1
    mask = 0
    for cell in range(first, min(last, first + _CELLS) + 1):
        mask |= 1 << (cell % _CELLS)
    return mask
