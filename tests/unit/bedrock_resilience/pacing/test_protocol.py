"""Reservations."""

from __future__ import annotations

from bedrock_resilience.pacing import Reservation


def test_a_reservation_shows_when_it_leads_to_a_request() -> None:
    assert repr(Reservation(1.5, 11.5, 4_000)) == "Reservation(wait=1.500, at=11.500, tokens=4000)"
