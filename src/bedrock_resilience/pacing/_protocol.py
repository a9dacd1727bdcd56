"""The interface of a pacer.

A pacer answers one question: when may the next request be sent? It is sans-IO: it never waits and never reads a clock.
The driver passes ``now``, any monotonic number of seconds, waits as long as the pacer says, and reports how the request
ended.

The life of one request, first attempt or retry alike::

    reservation = pacer.reserve(now, tokens=4_000)
    wait = reservation.wait
    while wait > 0:                              # sleep, then ask again: a throttle
        sleep(wait)                              # of another worker may have moved
        wait = pacer.due(reservation, now)       # this one back meanwhile
    ...send...
    pacer.answered(reservation, now, usage)      # or throttled, overloaded, abandoned

Each reservation is closed exactly once, at the pacer that returned it. Calling ``due`` is optional, but a driver that
only sleeps ``reservation.wait`` relies on what was known when it reserved. ``QuotaPacer`` loses nothing by that.
``AdaptivePacer`` is throttled more often and takes longer, because a change of its rate does not reach the requests
that wait already. ``SharedPacer`` requires ``due``: its first answer is when the next batch of its instance is booked.
The drivers of this package call ``due`` after 20 seconds at the latest.

A pacer may have three methods beside these. ``status() -> PacerStatus`` is what the events of a call report.
``reserve_request(now, request)`` takes the place of ``reserve`` for a call whose ``tokens`` are a ``RequestTokens``,
which states the burndown of its model.
``truncated(reservation, now, usage)`` takes the place of ``answered`` for a response of ``bedrock-mantle`` that was cut
short, because a quota of output tokens was used up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from bedrock_resilience.quotas import Limit, Usage


class Reservation:
    """Permission to send one request, ``wait`` seconds after it was reserved.

    Attributes:
        wait: Seconds to wait before sending, 0 or more.
        at: The instant of sending that ``wait`` leads to, on the caller's own time line (seconds).
        tokens: Tokens that the request may use at most, as given to ``reserve``.
        retries: How often the call was retried before; the driver sets it after ``reserve``. A pacer may send those
            first that have retries left.
    """

    __slots__ = ("at", "retries", "tokens", "wait")

    def __init__(self, wait: float, at: float, tokens: int = 0) -> None:
        self.wait: float = wait
        self.at: float = at
        self.tokens: int = tokens
        self.retries: int = 0

    def __repr__(self) -> str:
        return f"{type(self).__name__}(wait={self.wait:.3f}, at={self.at:.3f}, tokens={self.tokens})"


class Pacer(Protocol):
    """Decides when the next request may be sent. All methods return at once and may be called from any thread."""

    def reserve(self, now: float, tokens: int = 0) -> Reservation:  # pragma: no mutate - a signature
        """Reserve one request.

        Args:
            now: The caller's monotonic time in seconds.
            tokens: What the request may use at most, input + ``max_tokens``; 0 if only requests are counted.
        """
        ...

    def due(self, reservation: Reservation, now: float) -> float:
        """Return the seconds still to wait before this request may be sent; 0 means: send it now."""
        ...

    def answered(self, reservation: Reservation, now: float, usage: Usage | None = None) -> None:
        """The request was admitted: it was answered, or failed in a way that says nothing about the rate."""
        ...

    def throttled(self, reservation: Reservation, now: float, limit: Limit | None = None) -> None:
        """The request was refused for its rate (429).

        A pacer may do without ``limit``: the limit that the message of the service names, None where it names none.
        """
        ...

    def overloaded(self, reservation: Reservation, now: float) -> None:
        """The service had no capacity (503, 529): no statement about the quota, but a reason to slow down."""
        ...

    def abandoned(self, reservation: Reservation, now: float) -> None:
        """The request was never sent: another may use its permission."""
        ...
