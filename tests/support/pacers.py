"""A pacer that records its calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bedrock_resilience.pacing import Reservation

if TYPE_CHECKING:
    from bedrock_resilience.pacing import Pacer
    from bedrock_resilience.quotas import Limit, RequestTokens, Usage


class RecordingPacer:
    """Returns scripted waits, records its calls, and fails where a reservation is closed twice.

    Args:
        waits: Seconds that ``reserve`` returns, one after the other; the last one also for all later reservations.
        due: Seconds that ``due`` returns, one after the other; afterwards the time left of the reservation's wait.

    Attributes:
        calls: All calls, in order: ("reserve", now, tokens), ("due", now), ("answered", now, usage),
            ("throttled", now), ...
        tokens: What each request was reserved with.
        outcomes: How each request ended, and its usage: ("answered", usage), ("throttled", None), ...
        limits: The limit of each throttle, as far as it was named.
        open: Reservations that are not closed yet.
    """

    def __init__(self, *waits: float, due: tuple[float, ...] = ()) -> None:
        self.calls: list[tuple[object, ...]] = []
        self.tokens: list[int] = []
        self.outcomes: list[tuple[str, Usage | None]] = []
        self.limits: list[Limit | None] = []
        self.open: list[Reservation] = []
        self._waits = list(waits or (0.0,))
        self._due = list(due)

    @property
    def ended(self) -> list[str]:
        """How each request ended, without its usage."""
        return [method for method, _ in self.outcomes]

    @property
    def methods(self) -> list[object]:
        """The names of the methods called, but for ``due``."""
        return [method for method, *_ in self.calls if method != "due"]

    def reserve(self, now: float, tokens: int = 0) -> Reservation:
        wait = self._waits.pop(0) if len(self._waits) > 1 else self._waits[0]
        reservation = Reservation(wait, now + wait, tokens)
        self.open.append(reservation)
        self.tokens.append(tokens)
        self.calls.append(("reserve", now, tokens))
        return reservation

    def due(self, reservation: Reservation, now: float) -> float:
        assert reservation in self.open
        self.calls.append(("due", now))
        return self._due.pop(0) if self._due else max(0.0, reservation.at - now)

    def answered(self, reservation: Reservation, now: float, usage: Usage | None = None) -> None:
        self.calls.append(("answered", now, usage))
        self._close(reservation, "answered", usage)

    def throttled(self, reservation: Reservation, now: float, limit: Limit | None = None) -> None:
        self.limits.append(limit)
        self.calls.append(("throttled", now))
        self._close(reservation, "throttled")

    def overloaded(self, reservation: Reservation, now: float) -> None:
        self.calls.append(("overloaded", now))
        self._close(reservation, "overloaded")

    def abandoned(self, reservation: Reservation, now: float) -> None:
        self.calls.append(("abandoned", now))
        self._close(reservation, "abandoned")

    def _close(self, reservation: Reservation, method: str, usage: Usage | None = None) -> None:
        self.open.remove(reservation)  # each reservation is closed exactly once
        self.outcomes.append((method, usage))


class RequestPacer(RecordingPacer):
    """A pacer with the optional method ``reserve_request``; ``requests`` are those that it received."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[RequestTokens] = []

    def reserve_request(self, now: float, request: RequestTokens) -> Reservation:
        self.requests.append(request)
        return self.reserve(now, request.reserved)


if TYPE_CHECKING:
    _conforms: Pacer = RecordingPacer()
