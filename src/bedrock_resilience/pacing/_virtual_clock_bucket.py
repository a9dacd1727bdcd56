"""``VirtualClockBucket``: a token bucket whose claims wait for permits, not for instants.

Permits are granted at a rate, and every claim takes the next ones: a claim is due once the permits granted reach its
ticket. Because claims count permits, a change of the rate moves everyone who waits, and no stored instant has to be
corrected. The idea is the virtual clock of fair queueing (Zhang, "VirtualClock", SIGCOMM 1990). With a fixed rate, it
is the generic cell rate algorithm, GCRA (ITU-T I.371): the token bucket from the side of the sender.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final

EPSILON_SECONDS: Final = 1e-6
"""Below the resolution of any sleep, above the rounding of a clock that counts from 1970."""


class PermitClaim:
    """A claim on permits.

    Attributes:
        ticket: The claim is due when so many permits have been granted.
        amount: Permits claimed.
        unused: Permits of these that are not used yet, though the claim may be due: they are still in the bucket, and
            count against its capacity.
    """

    __slots__ = ("amount", "ticket", "unused")

    def __init__(self, ticket: float, amount: float) -> None:
        self.ticket: float = ticket
        self.amount: float = amount
        self.unused: float = 0.0


class VirtualClockBucket:
    """Grants permits at ``rate`` a second, and keeps unclaimed ones up to ``capacity``. Not thread-safe.

    Args:
        rate: Permits a second, > 0.
        capacity: Permits that may be claimed at once after a pause, > 0.
        level: Permits in the bucket at the start; None: ``capacity``.
    """

    __slots__ = ("_at", "_unused", "_waiting", "capacity", "claimed", "granted", "rate")

    def __init__(self, rate: float, capacity: float, level: float | None = None) -> None:
        self.rate: float = rate
        self.capacity: float = capacity
        self.granted: float = capacity if level is None else level
        self.claimed: float = 0.0
        self._at = -math.inf
        self._unused = 0.0
        self._waiting: deque[PermitClaim] = deque()  # those that are due, too, until they are used

    @property
    def level(self) -> float:
        """Permits granted and not claimed; negative while claims wait."""
        return self.granted - self.claimed

    def advance(self, now: float) -> None:
        """Grant what is due since the last call. A clock that went back grants nothing."""
        if self._at > -math.inf:
            self.grant(max(0.0, now - self._at) * self.rate)
        self._at = max(self._at, now)

    def grant(self, amount: float) -> None:
        """Grant permits beside the rate; a negative amount takes them away. Those beyond the capacity are lost."""
        self.granted = min(self.granted + amount, self.claimed - self._unused + self.capacity)

    def postpone(self, seconds: float) -> None:
        """Empty the bucket: the claim that is due next is granted nothing for so many seconds, and then all of it."""
        starts = (claim.ticket - claim.amount for claim in self._waiting if claim.ticket > self.granted)
        self.granted = min(self.granted, next(starts, self.claimed) - seconds * self.rate)

    def hold(self, claim: PermitClaim, seconds: float) -> None:
        """Let a claim wait for at least so long, and those behind it for their permits after that."""
        self.granted = min(self.granted, claim.ticket - seconds * self.rate)

    def claim(self, amount: float = 1.0) -> PermitClaim:
        """Claim the next permits, behind all claims that wait."""
        self.claimed += amount
        claim = PermitClaim(self.claimed, amount)
        self._waiting.append(claim)
        return claim

    def use(self, claim: PermitClaim, unused: float = 0.0) -> None:
        """Use the permits of a claim, except for so many."""
        self._waiting.remove(claim)
        self.set_unused(claim, unused)

    def set_unused(self, claim: PermitClaim, amount: float) -> None:
        """Set how many permits of a claim are not used yet. All claims together have at most ``capacity`` of them."""
        self._unused += amount - claim.unused
        claim.unused = amount

    def withdraw(self, claim: PermitClaim) -> None:
        """Return a claim that was not used: those behind it move up, those before it do not."""
        self.set_unused(claim, 0.0)
        self.claimed -= claim.amount
        for other in self._waiting:
            if other.ticket >= claim.ticket:  # equal: one of no permits behind it
                other.ticket -= claim.amount
        if claim in self._waiting:
            self._waiting.remove(claim)
        self.grant(0.0)

    def next_wait(self) -> float:
        """Return the seconds until a claim on one permit would be due, if it were made now."""
        return self._seconds_until(self.claimed + 1)

    def wait(self, claim: PermitClaim) -> float:
        """Return the seconds until the claim is due; 0 if it is."""
        return self._seconds_until(claim.ticket)

    def _seconds_until(self, ticket: float) -> float:
        wait = (ticket - self.granted) / self.rate
        # A caller that slept exactly that long must not have to sleep again because of rounding.
        return wait if wait > EPSILON_SECONDS else 0.0  # pragma: no mutate - no wait is as long to the last bit
