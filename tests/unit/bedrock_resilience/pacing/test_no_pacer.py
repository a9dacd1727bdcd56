"""The pacer that never makes anyone wait."""

from __future__ import annotations

from bedrock_resilience.pacing import NoPacer


def test_nothing_waits_whatever_the_outcomes_before() -> None:
    pacer = NoPacer()
    for close in (pacer.answered, pacer.throttled, pacer.overloaded, pacer.abandoned):
        reservation = pacer.reserve(10.0, tokens=4_000)
        assert (reservation.wait, reservation.at, reservation.tokens) == (0.0, 10.0, 4_000)
        assert pacer.due(reservation, 10.0) == 0.0
        close(reservation, 11.0)
    assert pacer.reserve(11.0).wait == 0.0


def test_its_repr() -> None:
    assert repr(NoPacer()) == "NoPacer()"
