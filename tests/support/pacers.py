"""A pacer that records its calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bedrock_resilience.pacing import Reservation

if TYPE_CHECKING:
    from bedrock_resilience.pacing import Pacer
    from bedrock_resilience.quotas import Usage


class RecordingPacer:
    """Permits every request after ``wait`` seconds.

    Attributes:
        calls: Its calls, in order: ("reserve", tokens), ("answered", usage), ("throttled", None), ...
        open: Reservations that are not closed yet.
    """

    def __init__(self, wait: float = 0.0) -> None:
        self.calls: list[tuple[str, Usage | int | None]] = []
        self.open: list[Reservation] = []
        self._wait = wait

    def reserve(self, now: float, tokens: int = 0) -> Reservation:
        reservation = Reservation(self._wait, now + self._wait, tokens)
        self.open.append(reservation)
        self.calls.append(("reserve", tokens))
        return reservation

    def due(self, reservation: Reservation, now: float) -> float:
        return max(0.0, reservation.at - now)

    def answered(self, reservation: Reservation, now: float, usage: Usage | None = None) -> None:
        self._close("answered", reservation, usage)

    def throttled(self, reservation: Reservation, now: float) -> None:
        self._close("throttled", reservation)

    def overloaded(self, reservation: Reservation, now: float) -> None:
        self._close("overloaded", reservation)

    def abandoned(self, reservation: Reservation, now: float) -> None:
        self._close("abandoned", reservation)

    def _close(self, how: str, reservation: Reservation, usage: Usage | None = None) -> None:
        self.open.remove(reservation)  # each reservation is closed exactly once
        self.calls.append((how, usage))


if TYPE_CHECKING:
    _conforms: Pacer = RecordingPacer()
