"""``NoPacer``: every request may be sent at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bedrock_resilience.pacing._protocol import Reservation

if TYPE_CHECKING:
    from bedrock_resilience.pacing._protocol import Pacer
    from bedrock_resilience.quotas import Limit, Usage


class NoPacer:
    """A pacer that makes no request wait. It has no state."""

    __slots__ = ()

    def reserve(self, now: float, tokens: int = 0) -> Reservation:
        """Permit a request at once."""
        return Reservation(0.0, now, tokens)

    def due(self, reservation: Reservation, now: float) -> float:  # noqa: ARG002 - the protocol's signature
        """Return 0: send now."""
        return 0.0

    def answered(self, reservation: Reservation, now: float, usage: Usage | None = None) -> None:
        """Do nothing."""

    def throttled(self, reservation: Reservation, now: float, limit: Limit | None = None) -> None:
        """Do nothing."""

    def overloaded(self, reservation: Reservation, now: float) -> None:
        """Do nothing."""

    def abandoned(self, reservation: Reservation, now: float) -> None:
        """Do nothing."""

    def __repr__(self) -> str:
        return "NoPacer()"


if TYPE_CHECKING:
    _conforms: Pacer = NoPacer()
