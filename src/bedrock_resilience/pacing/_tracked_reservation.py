"""``TrackedReservation``: the base of the reservations that the pacers of this package return."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bedrock_resilience._checks import wrong_type
from bedrock_resilience.pacing._protocol import Reservation

if TYPE_CHECKING:
    from typing import Self

    from bedrock_resilience.pacing._protocol import Pacer


class TrackedReservation(Reservation):
    """A reservation with its pacer, and the state of its request.

    Attributes:
        pacer: The pacer that returned it.
        sent: Whether its request was sent, as far as the pacer was informed.
        open: Whether it is not closed yet.
    """

    __slots__ = ("open", "pacer", "sent")

    def __init__(self, pacer: Pacer, at: float, tokens: int) -> None:
        super().__init__(0.0, at, tokens)
        self.pacer: Pacer = pacer
        self.sent: bool = False
        self.open: bool = True

    @classmethod
    def of(cls, pacer: Pacer, reservation: Reservation) -> Self:
        """Return the reservation as one of this pacer's.

        Raises:
            TypeError: Another pacer returned it.
        """
        if isinstance(reservation, cls) and reservation.pacer is pacer:
            return reservation
        problem = wrong_type("reservation", reservation, "what this pacer's reserve() returned")
        raise TypeError(f"{type(pacer).__name__}: {problem.text}")

    def close(self) -> bool:
        """Close the reservation; return False where it was closed before."""
        was_open, self.open = self.open, False
        return was_open
