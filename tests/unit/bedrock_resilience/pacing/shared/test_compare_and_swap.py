"""The retries of a compare-and-swap."""

from __future__ import annotations

import dataclasses
import random

import pytest

from bedrock_resilience.pacing import MemoryPaceStore
from bedrock_resilience.pacing.shared import SharedPace
from bedrock_resilience.pacing.shared._compare_and_swap import change_pace
from bedrock_resilience.testing import FakeClock


class ContendedStore(MemoryPaceStore):
    """Another instance changes the pace before each of the first ``losses`` attempts."""

    def __init__(self, losses: int) -> None:
        super().__init__()
        self.losses = losses
        self.attempts = 0

    def compare_and_swap(
        self, key: str, expected: SharedPace, new: SharedPace, instance: str = ""
    ) -> SharedPace | None:
        self.attempts += 1
        if self.attempts <= self.losses:
            super().compare_and_swap(key, expected, dataclasses.replace(expected, revision=expected.revision + 1))
        return super().compare_and_swap(key, expected, new, instance)


def grant(pace: SharedPace) -> tuple[SharedPace, float]:
    return dataclasses.replace(pace, granted=pace.granted + 1), pace.granted


def swap(store: MemoryPaceStore, clock: FakeClock, known: SharedPace) -> tuple[SharedPace, float | None]:
    return change_pace(store, "model", known, grant, instance="blue", clock=clock, rng=random.Random(0))


def test_a_change_is_stored_with_the_next_revision() -> None:
    store, clock = MemoryPaceStore(), FakeClock()
    first, result = swap(store, clock, SharedPace())
    assert (first, result) == (SharedPace(revision=1, granted=1), 0)
    assert swap(store, clock, first) == (SharedPace(revision=2, granted=2), 1)
    assert clock.sleeps == []


def test_a_stale_copy_costs_one_more_attempt_and_no_sleep() -> None:
    store, clock = MemoryPaceStore(), FakeClock()
    swap(store, clock, SharedPace())
    assert swap(store, clock, SharedPace()) == (SharedPace(revision=2, granted=2), 1)
    assert clock.sleeps == []


@pytest.mark.parametrize("losses", [2, 5, 7])
def test_a_lost_race_is_retried_after_a_random_sleep(losses: int) -> None:
    store, clock = ContendedStore(losses), FakeClock()
    stored, result = swap(store, clock, SharedPace())
    assert (stored, result) == (SharedPace(revision=losses + 1, granted=1), 0)
    assert len(clock.sleeps) == losses - 1
    assert all(0 < seconds < 0.05 for seconds in clock.sleeps)


def test_after_eight_lost_races_nothing_is_changed() -> None:
    store, clock = ContendedStore(8), FakeClock()
    assert swap(store, clock, SharedPace()) == (SharedPace(revision=8), None)
    assert store.attempts == 8
