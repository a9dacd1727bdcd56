"""Rate limiters: the ways in which a service may enforce one quota "per minute".

All have the interface of ``RateLimiter``, and none reads a clock: ``now`` is in seconds of any clock. If it goes back,
a limiter keeps its state. None is thread-safe.

``wait`` is exact: after so many seconds the amount fits, whatever the rounding of ``now + wait``, unless another caller
uses the quota in the meantime.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Final, Protocol

from bedrock_resilience._checks import number, refuse
from bedrock_resilience.quotas._quota_limit import SECONDS_A_MINUTE

_ROUNDING: Final = 1e-9
"""As a share of a limit: sums of many fractions may differ by so much from the exact value."""


class RateLimiter(Protocol):
    """The interface of a rate limiter: amounts are requests or tokens, times are seconds."""

    def level(self, now: float) -> float:
        """Return what is left; negative after calls that cost more than they reserved."""
        ...

    def fits(self, now: float, amount: float = 1.0) -> bool:  # pragma: no mutate - a signature
        """Return whether a request of this amount would be admitted."""
        ...

    def wait(self, now: float, amount: float = 1.0) -> float:  # pragma: no mutate - as above
        """Return the seconds until ``amount`` fits; infinite if it never does."""
        ...

    def debit(self, now: float, amount: float) -> None:
        """Remove ``amount``, whatever is left."""
        ...

    def correct(self, now: float, at: float, difference: float) -> None:
        """Correct what was debited at ``at`` to what it cost: ``difference`` more, or less if it is negative."""
        ...

    def penalise(self, now: float, amount: float) -> None:
        """Count a refused request. What refusals cost together never exceeds a minute's quota."""
        ...

    def resize(self, now: float, rate_per_second: float, capacity: float) -> None:
        """Change the rate and the capacity; what was used stays used."""
        ...


class TokenBucket:
    """A bucket of ``capacity`` tokens, refilled evenly at ``rate_per_second``, full at first. Not thread-safe.

    If ``now`` goes back, the bucket keeps its level.

    Raises:
        TypeError: A rate or capacity is not a number.
        ValueError: It is not finite and > 0.
    """

    __slots__ = ("_at", "_level", "capacity", "rate_per_second")

    def __init__(self, rate_per_second: float, capacity: float) -> None:
        refuse(
            "TokenBucket",
            number("rate_per_second", rate_per_second, above=0),
            number("capacity", capacity, above=0),
        )
        self.rate_per_second: float = rate_per_second
        self.capacity: float = capacity
        self._level = float(capacity)
        self._at = -math.inf

    def __repr__(self) -> str:
        rate, capacity = self.rate_per_second, self.capacity
        return f"TokenBucket(rate_per_second={rate!r}, capacity={capacity!r}, level={self._level:.3f})"

    def level(self, now: float) -> float:
        """Return the tokens in the bucket; negative after a call that settled at more than it reserved."""
        if now > self._at:  # pragma: no mutate - at the same time, nothing is refilled
            # The first call finds a full bucket: inf * rate is cut to the capacity.
            self._level = min(self.capacity, self._level + (now - self._at) * self.rate_per_second)
            self._at = now
        return self._level

    def fits(self, now: float, amount: float = 1.0) -> bool:
        """Return whether ``take`` would succeed."""
        # A caller that waited exactly `wait()` seconds must not fail because of rounding of the clock or the sums.
        largest = max(amount, self.capacity)
        rounding = 2 * math.ulp(now) * self.rate_per_second + _ROUNDING * largest  # pragma: no mutate - roughly
        missing = amount - self.level(now)
        return missing <= rounding  # pragma: no mutate - to the last bit

    def take(self, now: float, amount: float = 1.0) -> bool:
        """Remove ``amount`` if the bucket contains it; return whether it did."""
        if not self.fits(now, amount):
            return False
        self._level -= amount
        return True

    def debit(self, now: float, amount: float) -> None:
        """Remove ``amount`` whatever the level; a negative amount is refunded, up to the capacity."""
        self._level = min(self.capacity, self.level(now) - amount)

    def wait(self, now: float, amount: float = 1.0) -> float:
        """Return the seconds until ``amount`` fits; infinite if it exceeds the capacity."""
        if self.fits(now, amount):
            return 0.0
        if amount > self.capacity:
            return math.inf
        return self._at - now + (amount - self._level) / self.rate_per_second

    def correct(self, now: float, at: float, difference: float) -> None:  # noqa: ARG002 - the protocol's signature
        """Debit the difference, or refund it, up to the capacity."""
        self.debit(now, difference)

    def penalise(self, now: float, amount: float) -> None:
        """Count a refused request: remove ``amount``, as long as the debt stays within a minute's refill."""
        self.debit(now, _refusal_cost(amount, self.level(now), self.rate_per_second * SECONDS_A_MINUTE))

    def resize(self, now: float, rate_per_second: float, capacity: float) -> None:
        """Change the rate and the capacity; the level stays, up to the new capacity."""
        self._level = min(capacity, self.level(now))
        self.rate_per_second, self.capacity = rate_per_second, capacity


class _Periods:
    """Periods of equal length that follow each other; one of them starts at ``origin``."""

    __slots__ = ("_origin", "limit", "period")

    def __init__(self, rate_per_second: float, origin: float) -> None:
        self._origin = origin
        self.limit, self.period = _limit_and_period(rate_per_second)

    def _boundary(self, index: int) -> float:
        return self._origin + index * self.period

    def _index(self, now: float) -> int:
        """The period that contains ``now``: its start is included, its end is not."""
        index = math.ceil((now - self._origin) / self.period)
        while self._boundary(index) > now:  # or the quotient was rounded
            index -= 1
        return index


class FixedWindow(_Periods):
    """At most a minute's quota in each of the windows of a minute; what a window leaves unused is lost.

    A rate below one a minute has longer windows, of one request each.

    Args:
        rate_per_second: The quota.
        origin: When a window starts, in seconds; the others follow from it in both directions.
    """

    __slots__ = ("_used", "_window")

    def __init__(self, rate_per_second: float, origin: float = 0.0) -> None:
        super().__init__(rate_per_second, origin)
        self._window: int | None = None
        self._used: float  # set with the window

    def level(self, now: float) -> float:
        """Return what this window has left; negative after calls that cost more than they reserved."""
        self._advance(now)
        return self.limit - self._used

    def fits(self, now: float, amount: float = 1.0) -> bool:
        """Return whether this window has so much left."""
        missing = amount - self.level(now)
        return missing <= _ROUNDING * self.limit  # pragma: no mutate - to the last bit

    def wait(self, now: float, amount: float = 1.0) -> float:
        """Return the seconds until the next window, if this one has not enough left."""
        if self.fits(now, amount):
            return 0.0
        if amount > self.limit * (1 + _ROUNDING):  # pragma: no mutate - to the last bit
            return math.inf
        return seconds_until(now, self._boundary(self._advance(now) + 1))

    def debit(self, now: float, amount: float) -> None:
        """Use ``amount`` of this window."""
        self._advance(now)
        self._used += amount

    def correct(self, now: float, at: float, difference: float) -> None:
        """Charge a higher cost to the present window; refund a lower one if it was debited in this window."""
        window = self._advance(now)
        higher = difference > 0  # pragma: no mutate - 0 changes nothing
        if higher or self._index(at) == window:
            self._used = max(0.0, self._used + difference)

    def penalise(self, now: float, amount: float) -> None:
        """Count a refused request, as long as the window's use stays within twice its limit."""
        self.debit(now, _refusal_cost(amount, self.level(now), self.limit))

    def resize(self, now: float, rate_per_second: float, capacity: float) -> None:  # noqa: ARG002 - the protocol's signature
        """Change the limit; what was used of this window stays used."""
        self._advance(now)
        self.limit, self.period = _limit_and_period(rate_per_second)
        self._window = self._index(now)

    def _advance(self, now: float) -> int:
        window = self._index(now)
        if self._window is None or window > self._window:
            self._window, self._used = window, 0.0
        return self._window


class RefilledBucket(_Periods):
    """A bucket to which each minute's quota is added at once, at its start; full at first.

    It differs from ``FixedWindow`` in what it carries over: a debt, and what was unused, up to the capacity.

    Args:
        rate_per_second: The quota.
        capacity: What the bucket contains at most; at least a minute's quota.
        origin: When it is refilled, in seconds; the other refills follow from it in both directions.
    """

    __slots__ = ("_capacity", "_level", "_period")

    def __init__(self, rate_per_second: float, capacity: float, origin: float = 0.0) -> None:
        super().__init__(rate_per_second, origin)
        self._capacity = max(capacity, self.limit)
        self._level = self._capacity
        self._period: int | None = None

    def level(self, now: float) -> float:
        """Return what the bucket contains; negative after calls that cost more than they reserved."""
        self._advance(now)
        return self._level

    def fits(self, now: float, amount: float = 1.0) -> bool:
        """Return whether the bucket contains so much."""
        missing = amount - self.level(now)
        return missing <= _ROUNDING * self._capacity  # pragma: no mutate - to the last bit

    def wait(self, now: float, amount: float = 1.0) -> float:
        """Return the seconds until the refill after which ``amount`` fits; infinite if it exceeds the capacity."""
        if self.fits(now, amount):
            return 0.0
        if amount > self._capacity * (1 + _ROUNDING):  # pragma: no mutate - to the last bit
            return math.inf
        refills = math.ceil((amount - self._level) / self.limit)
        return seconds_until(now, self._boundary(self._advance(now) + refills))

    def debit(self, now: float, amount: float) -> None:
        """Remove ``amount``; a negative amount is refunded, up to the capacity."""
        self._level = min(self._capacity, self.level(now) - amount)

    def correct(self, now: float, at: float, difference: float) -> None:  # noqa: ARG002 - the protocol's signature
        """Debit the difference, or refund it, up to the capacity."""
        self.debit(now, difference)

    def penalise(self, now: float, amount: float) -> None:
        """Count a refused request, as long as the debt stays within one refill."""
        self.debit(now, _refusal_cost(amount, self.level(now), self.limit))

    def resize(self, now: float, rate_per_second: float, capacity: float) -> None:
        """Change the refill and the capacity; the level stays, up to the new capacity."""
        level = self.level(now)
        self.limit, self.period = _limit_and_period(rate_per_second)
        self._capacity = max(capacity, self.limit)
        self._level = min(self._capacity, level)
        self._period = self._index(now)

    def _advance(self, now: float) -> int:
        period = self._index(now)
        if self._period is None:
            self._period = period
        elif period > self._period:  # pragma: no mutate - the same period adds nothing
            self._level = min(self._capacity, self._level + (period - self._period) * self.limit)
            self._period = period
        return self._period


class SlidingWindow:
    """At most a minute's quota in any 60 seconds: what was used at t is free again at t + 60.

    A rate below one a minute has a longer window, of one request. Every operation takes constant time on average,
    except ``wait``, which reads as many earlier requests as must leave the window first.
    """

    __slots__ = ("_at", "_entries", "_used", "limit", "period")

    def __init__(self, rate_per_second: float) -> None:
        self.limit, self.period = _limit_and_period(rate_per_second)
        self._entries: OrderedDict[float, float] = OrderedDict()  # time to amount, oldest first
        self._used: float  # set by each operation
        self._at = -math.inf

    def level(self, now: float) -> float:
        """Return what is left; negative after calls that cost more than they reserved."""
        self._advance(now)
        return self.limit - self._used

    def fits(self, now: float, amount: float = 1.0) -> bool:
        """Return whether the last 60 seconds leave so much."""
        missing = amount - self.level(now)
        return missing <= _ROUNDING * self.limit  # pragma: no mutate - to the last bit

    def wait(self, now: float, amount: float = 1.0) -> float:
        """Return the seconds until enough earlier requests have left the window."""
        if self.fits(now, amount):
            return 0.0
        if amount > self.limit * (1 + _ROUNDING):  # pragma: no mutate - to the last bit
            return math.inf
        used, free_at = self._used, now
        for at, entry in self._entries.items():
            used, free_at = used - entry, at + self.period
            missing = amount - (self.limit - used)
            if missing <= _ROUNDING * self.limit / 2:  # pragma: no mutate - to the last bit
                break
        return seconds_until(now, free_at)

    def debit(self, now: float, amount: float) -> None:
        """Use ``amount`` of the window."""
        self._advance(now)
        self._entries[self._at] = self._entries.get(self._at, 0.0) + amount
        self._used += amount

    def correct(self, now: float, at: float, difference: float) -> None:
        """Charge a higher cost now; refund a lower one at the time of its debit, if that is still in the window."""
        self._advance(now)
        if difference > 0:  # pragma: no mutate - 0 changes nothing
            self.debit(now, difference)
        elif at in self._entries:
            given_back = min(-difference, self._entries[at])
            self._entries[at] -= given_back
            self._used -= given_back

    def penalise(self, now: float, amount: float) -> None:
        """Count a refused request, as long as the window's use stays within twice its limit."""
        self.debit(now, _refusal_cost(amount, self.level(now), self.limit))

    def resize(self, now: float, rate_per_second: float, capacity: float) -> None:  # noqa: ARG002 - the protocol's signature
        """Change the limit; what was used stays used for its 60 seconds."""
        self._advance(now)
        self.limit, self.period = _limit_and_period(rate_per_second)

    def _advance(self, now: float) -> None:
        self._at = max(self._at, now)
        entries = self._entries
        while entries:
            at = next(iter(entries))
            if at + self.period > self._at:
                return
            self._used -= entries.pop(at)
        self._used = 0.0  # without the rounding of many sums


def _refusal_cost(amount: float, level: float, a_minute: float) -> float:
    """What a refused request of this amount costs: refusals make no debt of more than a minute's quota."""
    return max(0.0, min(amount, level + a_minute))


def _limit_and_period(rate_per_second: float) -> tuple[float, float]:
    """A minute's quota and a minute; for less than 1 a minute, 1 and the longer period."""
    return max(1.0, rate_per_second * SECONDS_A_MINUTE), max(SECONDS_A_MINUTE, 1 / rate_per_second)


def seconds_until(now: float, instant: float) -> float:
    """Return a wait after which ``now + wait`` is not before ``instant``, despite rounding."""
    wait = max(0.0, instant - now)
    while now + wait < instant:
        wait += math.ulp(max(abs(now), abs(instant)))
    return wait
