"""What holds for the reservations of every pacer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bedrock_resilience.pacing import AdaptivePacer, MemoryPaceStore, NoPacer, QuotaPacer, Reservation, SharedPacer
from bedrock_resilience.quotas import Quota

if TYPE_CHECKING:
    from collections.abc import Callable

    from bedrock_resilience.pacing import Pacer

QUOTA = Quota(requests_per_minute=1, tokens_per_minute=4_000, burst=1)
PACERS: dict[str, Callable[[], Pacer]] = {
    "none": NoPacer,
    "adaptive": AdaptivePacer,
    "quota": lambda: QuotaPacer(QUOTA),
    "shared": lambda: SharedPacer(MemoryPaceStore(), "model", QUOTA, shared_time=lambda now: 1_000.0 + now),
    "shared, learned": lambda: SharedPacer(MemoryPaceStore(), "model", shared_time=lambda now: 1_000.0 + now),
}


def test_a_reservation_shows_when_it_leads_to_a_request() -> None:
    assert repr(Reservation(1.5, 11.5, 4_000)) == "Reservation(wait=1.500, at=11.500, tokens=4000)"
    assert Reservation(1.5, 11.5).tokens == 0


@pytest.mark.parametrize("make", PACERS.values(), ids=PACERS)
def test_one_that_was_abandoned_has_nothing_to_wait_for(make: Callable[[], Pacer]) -> None:
    # QuotaPacer raised a ValueError: a thread may ask while another one abandons its reservation.
    pacer = make()
    first, abandoned = pacer.reserve(0.0, 100), pacer.reserve(0.0, 100)
    pacer.abandoned(abandoned, 0.5)
    assert pacer.due(abandoned, 1.0) == pacer.due(abandoned, 200.0) == 0.0
    pacer.answered(abandoned, 201.0)
    pacer.throttled(abandoned, 201.0)
    pacer.overloaded(abandoned, 201.0)
    pacer.answered(first, 202.0)
    assert pacer.reserve(300.0, 100).wait == 0.0


@pytest.mark.parametrize("make", PACERS.values(), ids=PACERS)
def test_a_request_reserves_no_tokens_unless_it_says_how_many(make: Callable[[], Pacer]) -> None:
    pacer = make()
    assert pacer.reserve(0.0).tokens == 0
    assert pacer.reserve(0.0, 3).tokens == 3
