"""`Meter`: permits on a time line of their own, so that a change of rate moves everyone who waits.

Permits are granted at a rate, and every claim takes the next ones: a claim is due once the permits granted reach its
ticket. Counting permits instead of instants is what makes a change of the rate cheap: no claim is stored with an
instant that would have to be corrected. The idea is the virtual clock of fair queueing (Zhang, "VirtualClock", SIGCOMM
1990); with a fixed rate it is the generic cell rate algorithm, GCRA (ITU-T I.371), the token bucket seen from the side
of the sender.
"""

from __future__ import annotations

import math
from collections import deque

_NO_TIME = 1e-6  # seconds; below the resolution of any sleep, above the rounding of a clock that shows years


class Claim:
    """A claim on `amount` permits, due when `ticket` permits have been granted.

    What is `held` of it is not used yet, though it may be due: those permits are still in the bucket, and count against
    the capacity.
    """

    __slots__ = ("amount", "held", "ticket")

    def __init__(self, ticket: float, amount: float) -> None:
        self.ticket: float = ticket
        self.amount: float = amount
        self.held: float = 0.0


class Meter:
    """Grants permits at `rate` a second; what nobody claims is kept up to `capacity`. Not thread-safe.

    Args:
        rate: Permits a second, > 0.
        capacity: Permits that may be claimed at once after a pause, > 0.
        level: Permits there at the start; None: all of `capacity`.
    """

    __slots__ = ("_at", "_held", "_waiting", "capacity", "claimed", "granted", "rate")

    def __init__(self, rate: float, capacity: float, level: float | None = None) -> None:
        self.rate: float = rate
        self.capacity: float = capacity
        self.granted: float = capacity if level is None else level
        self.claimed: float = 0.0
        self._at = -math.inf
        self._held = 0.0
        self._waiting: deque[Claim] = deque()

    @property
    def level(self) -> float:
        """Permits granted and not claimed; negative while claims wait."""
        return self.granted - self.claimed

    def advance(self, now: float) -> float:
        """Grant what is due since the last call. A clock that went back grants nothing.

        Returns:
            The permits that were lost, because nobody claimed them and the capacity was reached.
        """
        if now <= self._at:
            return 0.0
        lost = self.grant((now - self._at) * self.rate) if self._at > -math.inf else 0.0
        self._at = now
        return lost

    def grant(self, amount: float) -> float:
        """Grant permits beside the rate; a negative amount takes them away. Returns those beyond the capacity."""
        granted = self.granted + amount
        self.granted = min(granted, self.claimed - self._held + self.capacity)
        while self._waiting and self._waiting[0].ticket <= self.granted:
            self._waiting.popleft()
        return granted - self.granted

    def restart(self, permits: float) -> None:
        """Let the next claim start from here: `permits` granted since the last one that was due, unless it is fewer."""
        following = self._waiting[0].ticket if self._waiting else self.claimed + 1
        self.granted = min(self.granted, following - 1 + permits)

    def claim(self, amount: float = 1.0) -> Claim:
        """Claim the next permits, behind everyone who waits."""
        self.claimed += amount
        claim = Claim(self.claimed, amount)
        self._waiting.append(claim)
        return claim

    def hold(self, claim: Claim, amount: float) -> None:
        """Of this claim, so many permits are not used yet; all in all no more may be held than the capacity."""
        self._held += amount - claim.held
        claim.held = amount

    def withdraw(self, claim: Claim) -> None:
        """Give a claim back that was not used: those behind it move up, those before it do not."""
        self.hold(claim, 0.0)
        self.claimed -= claim.amount
        for other in self._waiting:
            if other.ticket > claim.ticket:
                other.ticket -= claim.amount
        if claim in self._waiting:
            self._waiting.remove(claim)
        self.grant(0.0)

    def next_wait(self) -> float:
        """Seconds until a claim on one permit would be due, were it made now."""
        return self._until(self.claimed + 1)

    def wait(self, claim: Claim) -> float:
        """Seconds until the claim is due; 0 if it is."""
        return self._until(claim.ticket)

    def _until(self, ticket: float) -> float:
        wait = (ticket - self.granted) / self.rate
        # Whoever slept exactly that long must not be sent to sleep again for the rounding of the sums.
        return wait if wait > _NO_TIME else 0.0
