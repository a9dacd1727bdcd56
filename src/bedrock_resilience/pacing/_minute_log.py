"""``MinuteLog``: what was admitted in the last minute, second by second."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_KEPT_SECONDS: Final = 70
"""A minute, and a margin for requests whose refusal is reported late."""
_MARGIN_SECONDS: Final = 0.3
"""A request may arrive by so much later than it was recorded."""


class MinuteLog:
    """Amounts by the second in which they were sent, over the last minute. Not thread-safe.

    An amount counts from the moment it is sent; one that is refused or not sent is subtracted again.
    """

    __slots__ = ("_amounts", "_seconds")

    def __init__(self, entries: Sequence[Sequence[float]] = ()) -> None:
        self._seconds: list[int] = [int(second) for second, _ in entries]
        self._amounts: list[float] = [float(amount) for _, amount in entries]

    def add(self, at: float, amount: float) -> None:
        """Add an amount that was sent at a time, in seconds; a negative amount corrects an earlier one."""
        second = math.floor(at)
        index = bisect_left(self._seconds, second)
        if index < len(self._seconds) and self._seconds[index] == second:
            self._amounts[index] += amount
        elif not self._seconds or second >= self._seconds[-1] - _KEPT_SECONDS:
            self._seconds.insert(index, second)
            self._amounts.insert(index, amount)
        oldest = bisect_left(self._seconds, self._seconds[-1] - _KEPT_SECONDS)
        if oldest:
            del self._seconds[:oldest], self._amounts[:oldest]

    def total(self, until: float, seconds: float = 60.0) -> float:
        """Return what was sent in the ``seconds`` before ``until`` and not refused."""
        first = bisect_left(self._seconds, math.floor(until - seconds) + 1)
        last = bisect_left(self._seconds, math.floor(until) + 1)
        return max(0.0, math.fsum(self._amounts[first:last]))

    def after(self, at: float) -> float:
        """Return what was sent, or is booked, in the seconds after that of ``at``."""
        return math.fsum(self._amounts[bisect_left(self._seconds, math.floor(at) + 1) :])

    def oldest(self, until: float, seconds: float = 60.0) -> float | None:
        """Return the second in which the oldest of these was sent; None if there is none."""
        first = bisect_left(self._seconds, math.floor(until - seconds) + 1)
        last = bisect_left(self._seconds, math.floor(until) + 1)
        return next((float(second) for second, amount in self._pairs(first, last) if amount > 0), None)

    def free_at(self, at: float, most: float, seconds: float = 60.0) -> float:
        """Return the first time from ``at`` on at which the ``seconds`` before it contain no more than ``most``."""
        seconds += 1 + _MARGIN_SECONDS  # at which of its second's moments an amount was sent is not known
        first = bisect_right(self._seconds, at - seconds)
        left = math.fsum(self._amounts[first:])
        for second, amount in self._pairs(first):
            if left <= most:
                break
            left -= amount
            at = second + seconds
        return at

    def entries(self) -> list[list[float]]:
        """Return the log for JSON: pairs of a second and an amount."""
        return [[second, round(amount, 3)] for second, amount in self._pairs() if amount]

    def _pairs(self, first: int = 0, last: int | None = None) -> Iterator[tuple[int, float]]:
        seconds, amounts = self._seconds[first:last], self._amounts[first:last]
        return zip(seconds, amounts, strict=True)  # pragma: no mutate - there are as many
