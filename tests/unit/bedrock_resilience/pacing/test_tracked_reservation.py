"""The base of the reservations that the pacers return."""

from __future__ import annotations

import pytest

from bedrock_resilience.pacing import NoPacer, Reservation
from bedrock_resilience.pacing._tracked_reservation import TrackedReservation


def test_a_new_reservation_is_open_and_its_request_not_sent() -> None:
    pacer = NoPacer()
    reservation = TrackedReservation(pacer, 7.0, 300)
    assert (reservation.pacer, reservation.open, reservation.sent) == (pacer, True, False)
    assert (reservation.wait, reservation.at, reservation.tokens, reservation.retries) == (0.0, 7.0, 300, 0)
    assert repr(reservation) == "TrackedReservation(wait=0.000, at=7.000, tokens=300)"


def test_it_closes_once() -> None:
    reservation = TrackedReservation(NoPacer(), 7.0, 0)
    assert [reservation.close(), reservation.close()] == [True, False]


def test_each_pacer_accepts_its_own_reservations_only() -> None:
    pacer = NoPacer()
    own = TrackedReservation(pacer, 0.0, 0)
    assert TrackedReservation.of(pacer, own) is own
    for other in (TrackedReservation(NoPacer(), 0.0, 0), Reservation(0.0, 0.0)):
        with pytest.raises(TypeError) as error:
            TrackedReservation.of(pacer, other)
        assert str(error.value) == (
            f"NoPacer: reservation: got {other!r}; accepted: what this pacer's reserve() returned"
        )
