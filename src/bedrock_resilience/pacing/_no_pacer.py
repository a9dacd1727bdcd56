"""`NoPacer`: every request may be sent at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bedrock_resilience.pacing._protocol import Reservation

if TYPE_CHECKING:
    from bedrock_resilience.pacing._protocol import Pacer
    from bedrock_resilience.quotas import Usage


class NoPacer:
    """The pacer that never makes anyone wait; holds no state."""

    __slots__ = ()

    def reserve(self, now: float, tokens: int = 0) -> Reservation:
        """Permission to send at once."""
        return Reservation(0.0, now, tokens)

    def due(self, reservation: Reservation, now: float) -> float:  # noqa: ARG002  the protocol's signature
        """Always 0: send now."""
        return 0.0

    def answered(self, reservation: Reservation, now: float, usage: Usage | None = None) -> None:
        """Nothing is learned."""

    def throttled(self, reservation: Reservation, now: float) -> None:
        """Nothing is learned."""

    def overloaded(self, reservation: Reservation, now: float) -> None:
        """Nothing is learned."""

    def abandoned(self, reservation: Reservation, now: float) -> None:
        """Nothing is given back."""

    def __repr__(self) -> str:
        return "NoPacer()"


if TYPE_CHECKING:
    _conforms: Pacer = NoPacer()
