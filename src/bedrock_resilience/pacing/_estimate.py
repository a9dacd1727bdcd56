"""What throttles tell about the rate: bounds on it that tighten with every one.

At the moment of a throttle a token bucket is empty, or at least holds less than one token. So what was admitted between
two throttles is what was refilled between them, to within one request::

    (admitted - 1) / seconds  <  rate  <  (admitted + 1) / seconds

whatever the size of the bucket, as long as it did not run over in between. Each earlier throttle gives such an
interval, and all of them hold at once, so the rate lies in their intersection; the longer the baseline, the narrower
it is. Where the intersection is empty the rate has changed (another quota, other senders, or a bucket that ran over),
and the earlier throttles are forgotten. This is estimation by set membership (Schweppe, "Recursive State Estimation",
1968): bounds instead of averages, and no constant to choose.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import deque

_BASELINES = 8
"""Throttles looked back at. Beyond that a baseline is long enough for any purpose."""


class Estimate:
    """The rate as the throttles so far bound it.

    Attributes:
        low: Permits a second, at least.
        high: Permits a second, at most.
        rests_on: Requests admitted over the longest baseline that agrees.
        fell: Whether an earlier throttle contradicts it, because more was admitted before. Where less was admitted
            before, nothing follows: the rate may have risen, or the bucket ran over, and hid that it was higher all
            along.
    """

    __slots__ = ("fell", "high", "low", "rests_on")

    def __init__(self, low: float, high: float, rests_on: int, *, fell: bool = False) -> None:
        self.low: float = low
        self.high: float = high
        self.rests_on: int = rests_on
        self.fell: bool = fell

    @property
    def middle(self) -> float:
        """Permits a second, most likely."""
        return (self.low + self.high) / 2


class Throttles:
    """Writes down which requests were refused, and estimates the rate from them. Not thread-safe.

    Requests are numbered in the order of sending.
    """

    __slots__ = ("_not_admitted", "_seen")

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque(maxlen=_BASELINES)  # (when it was sent, its number)
        self._not_admitted: list[int] = []

    def leave_out(self, number: int) -> None:
        """This request was not admitted: refused, or never sent."""
        insort(self._not_admitted, number)

    def admitted_before(self, number: int) -> int:
        """How many requests before this one were admitted, as far as the record goes back."""
        return self._admitted(0, number)

    def observe(self, sent: float, number: int) -> Estimate | None:
        """A throttle, after `leave_out`: the bounds on the rate; None for the first one."""
        estimate = self._estimate(sent, number)
        self._seen.append((sent, number))
        oldest = self._seen[0][1]
        del self._not_admitted[: bisect_left(self._not_admitted, oldest)]
        return estimate

    def _estimate(self, sent: float, number: int) -> Estimate | None:
        estimate: Estimate | None = None
        for back, (earlier, its_number) in enumerate(reversed(self._seen)):
            seconds = sent - earlier
            if seconds <= 0:
                continue  # sent in the same instant: no baseline
            admitted = self._admitted(its_number, number)
            low, high = (admitted - 1) / seconds, (admitted + 1) / seconds
            if estimate is None:
                estimate = Estimate(max(0.0, low), high, admitted)
            elif low > estimate.high or high < estimate.low:
                estimate.fell = low > estimate.high
                self._forget(len(self._seen) - back)
                break
            else:
                estimate.low, estimate.high = max(low, estimate.low), min(high, estimate.high)
                estimate.rests_on = admitted
        return estimate

    def _forget(self, throttles: int) -> None:
        # What contradicts the present would go on contradicting it, as long as it is remembered.
        for _ in range(throttles):
            self._seen.popleft()

    def _admitted(self, after: int, before: int) -> int:
        refused = bisect_left(self._not_admitted, before) - bisect_right(self._not_admitted, after)
        return before - after - 1 - refused
