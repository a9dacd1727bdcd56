"""The rate of a quota, estimated from throttles: bounds that tighten with every throttle.

At the moment of a throttle a token bucket is empty, or at least contains less than one token. So what was admitted
between two throttles is what was refilled between them, to within one request::

    (admitted - 1) / seconds  <  rate  <  (admitted + 1) / seconds

whatever the size of the bucket, as long as it did not overflow in between. Each earlier throttle gives such an
interval, and all of them hold at once, so the rate lies in their intersection; the longer the baseline, the narrower
it is. Where the intersection is empty the rate has changed (another quota, other senders, or a bucket that
overflowed), and the earlier throttles are discarded. This is estimation by set membership (Schweppe, "Recursive State
Estimation", 1968): bounds instead of averages, and no constant to choose.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import deque
from typing import Final

_MAX_BASELINES: Final = 8
"""Earlier throttles that an estimate considers. A longer baseline narrows the bounds no further in practice."""


class Estimate:
    """Bounds on the rate.

    Attributes:
        low: Permits a second, at least.
        high: Permits a second, at most.
        sample_size: Requests admitted over the longest baseline that agrees.
        decreased: Whether an earlier throttle contradicts the bounds because more was admitted before it. Where less
            was admitted before it, nothing follows: the rate may have increased, or the bucket overflowed and hid that
            the rate was higher all along.
    """

    __slots__ = ("decreased", "high", "low", "sample_size")

    def __init__(self, low: float, high: float, sample_size: int, *, decreased: bool = False) -> None:
        self.low: float = low
        self.high: float = high
        self.sample_size: int = sample_size
        self.decreased: bool = decreased

    @property
    def middle(self) -> float:
        """Permits a second, most likely."""
        return (self.low + self.high) / 2


class Throttles:
    """Records which requests were refused, and estimates the rate from them. Not thread-safe.

    Requests are numbered in the order of sending.
    """

    __slots__ = ("_not_admitted", "_throttles")

    def __init__(self) -> None:
        self._throttles: deque[tuple[float, int]] = deque(maxlen=_MAX_BASELINES)  # (when it was sent, its number)
        self._not_admitted: list[int] = []

    def exclude(self, number: int) -> None:
        """Record that this request was not admitted: it was refused, or never sent."""
        insort(self._not_admitted, number)

    def admitted_before(self, number: int) -> int:
        """Return how many requests before this one were admitted, as far as the record goes back."""
        return self._admitted(0, number)

    def observe(self, sent: float, number: int) -> Estimate | None:
        """Record a throttle, after ``exclude``.

        Args:
            sent: When the refused request was sent, in seconds.
            number: Its number.

        Returns:
            The bounds on the rate; None for the first throttle.
        """
        estimate = self._estimate(sent, number)
        self._throttles.append((sent, number))
        oldest = self._throttles[0][1]
        del self._not_admitted[: bisect_left(self._not_admitted, oldest)]
        return estimate

    def _estimate(self, sent: float, number: int) -> Estimate | None:
        estimate: Estimate | None = None
        for newer, (earlier, earlier_number) in enumerate(reversed(self._throttles)):
            seconds = sent - earlier
            if seconds <= 0:
                continue  # sent in the same instant: no baseline
            admitted = self._admitted(earlier_number, number)
            low, high = (admitted - 1) / seconds, (admitted + 1) / seconds
            if estimate is None:
                estimate = Estimate(max(0.0, low), high, admitted)
            elif low > estimate.high or high < estimate.low:
                estimate.decreased = low > estimate.high
                self._discard_oldest(len(self._throttles) - newer)
                break
            else:
                estimate.low, estimate.high = max(low, estimate.low), min(high, estimate.high)
                estimate.sample_size = admitted
        return estimate

    def _discard_oldest(self, count: int) -> None:
        # A throttle that contradicts the present rate would contradict every later estimate as well.
        for _ in range(count):
            self._throttles.popleft()

    def _admitted(self, after: int, before: int) -> int:
        refused = bisect_left(self._not_admitted, before) - bisect_right(self._not_admitted, after)
        return before - after - 1 - refused
