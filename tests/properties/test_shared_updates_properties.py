"""A shared schedule is linearizable under any interleaving and any lost answer, and its shares are fair."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import heapq
import operator
import random
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from bedrock_resilience.errors import StoreUnavailableError
from bedrock_resilience.pacing import MemoryPaceStore, PacerStatus, SharedPacer
from bedrock_resilience.pacing.shared import SharedPace
from bedrock_resilience.pacing.shared._schedule import Cost, RequestOutcome
from bedrock_resilience.pacing.shared._updates import PaceUpdates, Update
from bedrock_resilience.quotas import Quota
from bedrock_resilience.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bedrock_resilience.pacing import Reservation

LONG_AGO = 1_000.0
SLACK = 6.0


class RecordingSchedule:
    """A schedule whose state is the list of everything that took effect, in order."""

    def seconds(self, pace: SharedPace, now: float, cost: Cost) -> float:
        return cost.requests

    def book(self, pace: SharedPace, now: float, costs: Sequence[Cost]) -> tuple[SharedPace, list[float]]:
        slots = [max(now, pace.requests_next_free_at) + index for index in range(len(costs))]
        free_at = slots[-1] + 1 if slots else pace.requests_next_free_at
        return dataclasses.replace(pace, requests_next_free_at=free_at), slots

    def observe(self, pace: SharedPace, now: float, outcome: RequestOutcome) -> SharedPace:
        seen = [*pace.learned.get("seen", ()), (outcome.kind, outcome.sent_at)]
        return dataclasses.replace(pace, learned={"seen": seen})

    def interrupted(self, pace: SharedPace, now: float) -> SharedPace:
        return pace

    def status(self, pace: SharedPace, now: float) -> PacerStatus:
        return PacerStatus()

    def again_at(self, pace: SharedPace, now: float, cost: Cost) -> float:
        return now

    def cuts(self, pace: SharedPace) -> int:
        return 0

    def starting(self, pace: SharedPace) -> bool:
        return False


class FaultyStore(MemoryPaceStore):
    """A store whose answers are lost, before or after the write, or whose writes arrive after a later request."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.late: list[Callable[[], object]] = []
        self.between: list[Callable[[], object]] = []

    def compare_and_swap(
        self, key: str, expected: SharedPace, new: SharedPace, instance: str = ""
    ) -> SharedPace | None:
        if self.between:
            self.between.pop()()  # another instance is faster
        fault = self.faults.pop() if self.faults else "none"
        write = functools.partial(super().compare_and_swap, key, expected, new, instance)
        if fault == "late":
            self.late.append(write)
        while self.late and fault != "late":
            self.late.pop()()
        if fault == "lost":
            write()
        if fault == "none":
            return write()
        if fault == "repeated":  # by the client of the store, which did not get the first answer
            write()
            return write()
        raise StoreUnavailableError("no answer")


faults = st.lists(st.sampled_from(["none", "none", "none", "lost", "failed", "late", "repeated"]), max_size=40)


@given(turns=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(0, 2)), max_size=30), faults=faults)
def test_each_update_takes_effect_exactly_once_and_no_slot_is_given_twice(
    turns: list[tuple[int, int, int]], faults: list[str]
) -> None:
    store = FaultyStore()
    instances = [_updates(store, number) for number in range(3)]
    store.faults = faults
    told: list[float] = []
    slots: list[float] = []
    now = 0.0

    def tell(who: int, outcomes: int, booked: int) -> None:
        nonlocal now
        now += 0.25
        names = [float(len(told) + index) for index in range(outcomes)]
        told.extend(names)
        update = Update(
            outcomes=tuple(RequestOutcome("answered", name, Cost()) for name in names),
            costs=(Cost(),) * booked,
            waits=True,
        )
        with contextlib.suppress(StoreUnavailableError):
            slots.extend(instances[who].store(now, update).slots)

    for who, outcomes, booked in turns:
        if outcomes == 3:  # in the middle of the update of another instance
            store.between.append(functools.partial(tell, (who + 1) % 3, 1, booked))
        tell(who, outcomes, booked)
    store.faults, store.between = [], []
    for who in range(3):
        tell(who, 1, 0)
    final = store.compare_and_swap("model", SharedPace(revision=-1), SharedPace())
    assert final is not None
    seen = final.learned["seen"]
    assert sorted(name for kind, name in seen if kind == "answered") == sorted(told)
    assert len(slots) == len(set(slots))
    # Slots of an update whose answer was lost were given back, once each, and nobody else was given them.
    unsent = [slot for kind, slot in seen if kind == "unsent"]
    assert len(unsent) == len(set(unsent))
    assert not set(unsent) & set(slots)


def _updates(store: MemoryPaceStore, number: int) -> PaceUpdates:
    return PaceUpdates(
        store,
        "model",
        RecordingSchedule(),
        instance=str(number),
        slack=1e9,
        shared_time=functools.partial(operator.add, LONG_AGO),
        clock=FakeClock(),
        rng=random.Random(number),
    )


class WatchedStore(MemoryPaceStore):
    """Checks after every change that no instance that waits is too far ahead of another one."""

    def __init__(self, bound: float) -> None:
        super().__init__()
        self._bound = bound
        self.changes = 0

    def compare_and_swap(
        self, key: str, expected: SharedPace, new: SharedPace, instance: str = ""
    ) -> SharedPace | None:
        used = [share.used for share in new.instances.values() if share.waits_until > new.at]
        assert not used or max(used) - min(used) <= self._bound + 1e-6
        self.changes += 1
        return super().compare_and_swap(key, expected, new, instance)


@given(
    sizes=st.lists(st.lists(st.integers(100, 12_000), min_size=12, max_size=12), min_size=2, max_size=4),
    workers=st.lists(st.integers(2, 12), min_size=4, max_size=4),
)
def test_instances_that_wait_get_tokens_that_differ_by_less_than_the_bound(
    sizes: list[list[int]], workers: list[int]
) -> None:
    quota = Quota(tokens_per_minute=60_000)  # 1,000 a second
    largest = max(map(max, sizes)) / 1_000
    store = WatchedStore(SLACK + largest)
    pacers = [
        SharedPacer(
            store,
            "model",
            quota,
            burndown=1.0,
            shared_time=functools.partial(operator.add, LONG_AGO),
            clock=FakeClock(),
        )
        for _ in sizes
    ]
    events: list[tuple[float, int, int, Reservation]] = []
    pending = [list(of_one) for of_one in sizes]
    sent = [0] * len(sizes)
    serial = 0
    for who, pacer in enumerate(pacers):
        for _ in range(workers[who]):
            if pending[who]:
                reservation = pacer.reserve(0.0, pending[who].pop())
                heapq.heappush(events, (reservation.wait, serial, who, reservation))
                serial += 1
    while events:
        at, _, who, reservation = heapq.heappop(events)
        wait = pacers[who].due(reservation, at)
        if wait > 0:
            heapq.heappush(events, (at + wait, serial, who, reservation))
        else:
            sent[who] += 1
            pacers[who].answered(reservation, at)
            if pending[who]:
                following = pacers[who].reserve(at, pending[who].pop())
                heapq.heappush(events, (at + following.wait, serial, who, following))
        serial += 1
    assert sent == [len(of_one) for of_one in sizes]  # nobody waits for ever
    assert store.changes > 0
