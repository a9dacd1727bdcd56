"""The rate of a bucket, estimated from throttles: bounds that tighten with every throttle.

When it throttles, a token bucket contains less than the refused request requires. What was admitted between two
throttles is therefore what was refilled between them, to within the two refused amounts::

    (admitted - first) / seconds  <  rate  <  (admitted + second) / seconds

whatever the size of the bucket, as long as it did not overflow in between. Each earlier throttle gives such an
interval, and all of them hold at once, so the rate lies in their intersection; the longer the baseline, the narrower
it is. If the intersection is empty, the rate has changed (another quota, other senders, or a bucket that overflowed),
and the earlier throttles are discarded. This is estimation by set membership (Schweppe, "Recursive State Estimation",
1968): bounds instead of averages, and no constant to choose.

Requests count 1 each, tokens what they cost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_MAX_BASELINES: Final = 8
"""Earlier throttles that an estimate considers. A longer baseline narrows the bounds no further in practice."""


class Estimate:
    """Bounds on the rate.

    Attributes:
        low: Amount a second, at least.
        high: Amount a second, at most.
        sample_size: Amount admitted over the longest baseline that agrees.
        decreased: Whether an earlier throttle contradicts the bounds because more was admitted before it. Where less
            was admitted before it, nothing follows: the rate may have increased, or the bucket overflowed and hid that
            the rate was higher all along.
    """

    __slots__ = ("decreased", "high", "low", "sample_size")

    def __init__(self, low: float, high: float, sample_size: float, *, decreased: bool = False) -> None:
        self.low: float = low
        self.high: float = high
        self.sample_size: float = sample_size
        self.decreased: bool = decreased

    @property
    def middle(self) -> float:
        """Amount a second, most likely."""
        return (self.low + self.high) / 2


class Throttles:
    """Records throttles, and estimates the rate from them. Not thread-safe.

    Args:
        throttles: What ``entries`` returned.
    """

    __slots__ = ("_throttles",)

    def __init__(self, throttles: Sequence[Sequence[float]] = ()) -> None:
        self._throttles: list[list[float]] = [list(throttle) for throttle in throttles]

    def exclude(self, at: float, amount: float) -> None:
        """Correct the record: what was sent at ``at`` was refused, or not sent."""
        for throttle in self._throttles:
            if throttle[0] > at:
                throttle[1] -= amount

    def clear(self) -> None:
        """Drop the record: what was admitted since is not known completely."""
        self._throttles.clear()

    def observe(self, at: float, admitted: float, amount: float) -> Estimate | None:
        """Record a throttle.

        Args:
            at: When the refused request was sent, in seconds.
            admitted: What was admitted in all before it.
            amount: The amount of the refused request.

        Returns:
            The bounds on the rate; None for the first throttle.
        """
        estimate = self._estimate(at, admitted, amount)
        self._throttles.append([at, admitted, amount])
        del self._throttles[:-_MAX_BASELINES]
        return estimate

    def entries(self) -> list[list[float]]:
        """Return the record for JSON."""
        return [[round(at, 3), round(admitted, 3), round(amount, 3)] for at, admitted, amount in self._throttles]

    def _estimate(self, at: float, admitted: float, amount: float) -> Estimate | None:
        estimate: Estimate | None = None
        for index in range(len(self._throttles) - 1, -1, -1):
            earlier, before, first = self._throttles[index]
            seconds = at - earlier
            between = admitted - before
            if seconds <= 0 or between + amount <= 0:
                continue  # sent in the same instant, or more was refunded since than admitted: no baseline
            low, high = max(0.0, (between - first) / seconds), (between + amount) / seconds
            if estimate is None:
                estimate = Estimate(low, high, between)
            elif low > estimate.high or high < estimate.low:
                estimate.decreased = low > estimate.high  # pragma: no mutate - bounds that are equal agree
                del self._throttles[: index + 1]  # it would contradict every later estimate as well
                break
            else:
                estimate.low, estimate.high = max(low, estimate.low), min(high, estimate.high)
                estimate.sample_size = between
        return estimate
