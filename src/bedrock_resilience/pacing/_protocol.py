"""What every pacer can be asked and told.

A pacer answers one question: when may the next request be sent? It is sans-IO: it never waits and never reads a
clock. The driver hands in `now`, any monotonic number of seconds, waits as long as it is told, and reports how the
request ended.

The life of one request, first attempt or retry alike::

    reservation = pacer.reserve(now, tokens=4_000)
    wait = reservation.wait
    while wait > 0:                              # sleep, then ask again: a throttle
        sleep(wait)                              # of another worker may have moved
        wait = pacer.due(reservation, now)       # this one back meanwhile
    ...send...
    pacer.answered(reservation, now, usage)      # or throttled, overloaded, abandoned

Each reservation is closed exactly once, at the pacer that gave it. Asking `due` is optional, but whoever only sleeps
`reservation.wait` goes by what was known when it asked. `QuotaPacer` loses nothing by that. `AdaptivePacer` is
throttled more often and takes longer, since the rate that it finds does not reach those who wait already. `SharedPacer`
cannot do without: what it says first is when the next turn of its instance begins. The drivers of this package ask
after 20 seconds at the latest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from bedrock_resilience.quotas import Usage


class Reservation:
    """Permission to send one request, `wait` seconds after it was asked for.

    Attributes:
        wait: Seconds to wait before sending, 0 or more.
        at: The instant of sending that `wait` leads to, on the caller's own time line (seconds).
        tokens: Tokens the request may use at most, as given to `reserve`.
    """

    __slots__ = ("at", "tokens", "wait")

    def __init__(self, wait: float, at: float, tokens: int = 0) -> None:
        self.wait: float = wait
        self.at: float = at
        self.tokens: int = tokens

    def __repr__(self) -> str:
        return f"{type(self).__name__}(wait={self.wait:.3f}, at={self.at:.3f}, tokens={self.tokens})"


class Pacer(Protocol):
    """When may the next request be sent? All methods return at once and may be called from any thread."""

    def reserve(self, now: float, tokens: int = 0) -> Reservation:
        """Ask for permission to send one request.

        Args:
            now: The caller's monotonic time in seconds.
            tokens: What the request may use at most, input + max_tokens; 0 where only requests are counted.
        """
        ...

    def due(self, reservation: Reservation, now: float) -> float:
        """Seconds still to wait before this reservation may be sent; 0 means: send it now."""
        ...

    def answered(self, reservation: Reservation, now: float, usage: Usage | None = None) -> None:
        """The request was admitted: it was answered, or failed in a way that says nothing about the rate."""
        ...

    def throttled(self, reservation: Reservation, now: float) -> None:
        """The request was refused for its rate (429)."""
        ...

    def overloaded(self, reservation: Reservation, now: float) -> None:
        """The service had no capacity (503, 529): no statement about the quota, but a reason to slow down."""
        ...

    def abandoned(self, reservation: Reservation, now: float) -> None:
        """The request was never sent: its permission may be used by another."""
        ...
