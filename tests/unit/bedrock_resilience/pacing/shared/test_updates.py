"""The updates of one instance: numbered, exactly once, by one clock."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from bedrock_resilience.errors import StoreUnavailableError
from bedrock_resilience.pacing import MemoryPaceStore
from bedrock_resilience.pacing.shared._booked_limit import MAX_CLOCK_SKEW_SECONDS
from bedrock_resilience.pacing.shared._learned_schedule import LearnedSchedule
from bedrock_resilience.pacing.shared._schedule import Cost, RateLimits, RequestOutcome
from bedrock_resilience.pacing.shared._updates import PaceUpdates, Update
from bedrock_resilience.quotas import Quota
from bedrock_resilience.testing import FakeClock
from support.approx import approx

if TYPE_CHECKING:
    from bedrock_resilience.pacing.shared import SharedPace
    from bedrock_resilience.pacing.shared._schedule import PaceSchedule

LIMITS = RateLimits.of(Quota(requests_per_minute=60, burst=1), 0.0)
ONE = (Cost(),)


class Store(MemoryPaceStore):
    """Takes ``seconds``, loses the answers of the next ``lost`` writes, and sends the next ``repeats`` twice."""

    def __init__(self, times: list[float]) -> None:
        super().__init__()
        self.times = times
        self.seconds = 0.0
        self.lost = 0
        self.repeats = 0
        self.faster = 0
        self.stored: SharedPace | None = None

    def compare_and_swap(
        self, key: str, expected: SharedPace, new: SharedPace, instance: str = ""
    ) -> SharedPace | None:
        self.times[0] += self.seconds
        if self.faster:
            self.faster -= 1
            return expected
        self.stored = new
        answer = super().compare_and_swap(key, expected, new, instance)
        if self.lost and answer is None:
            self.lost -= 1
            raise StoreUnavailableError("no answer")
        if self.repeats and answer is None:
            self.repeats -= 1
            return super().compare_and_swap(key, expected, new, instance)
        return answer


@pytest.fixture
def times() -> list[float]:
    """The time that the instances share."""
    return [1_000.0]


@pytest.fixture
def store(times: list[float]) -> Store:
    return Store(times)


def updates(store: Store, *, behind: float = 0.0, schedule: PaceSchedule = LIMITS) -> PaceUpdates:
    return PaceUpdates(
        store,
        "model",
        schedule,
        instance="",
        slack=6.0,
        shared_time=lambda _now: store.times[0] - behind,
        clock=FakeClock(),
        rng=random.Random(0),
    )


def test_an_update_whose_answer_was_lost_is_not_repeated(store: Store) -> None:
    one = updates(store)
    store.lost = 1
    with pytest.raises(StoreUnavailableError):
        one.store(0.0, Update(outcomes=(RequestOutcome("sent", 1_000.0, Cost()),), costs=ONE))
    one.store(0.0, Update())
    assert store.stored is not None
    assert store.stored.granted == 2  # the request, and the slot that nobody uses
    assert store.stored.revision == 2


def test_tokens_booked_by_an_update_whose_answer_was_lost_are_refunded(store: Store) -> None:
    one = updates(store, schedule=RateLimits.of(Quota(tokens_per_minute=60_000), 0.0))
    store.lost = 1
    with pytest.raises(StoreUnavailableError):
        one.store(0.0, Update(costs=(Cost(tokens=10_000),)))
    assert store.stored is not None
    assert store.stored.tokens_next_free_at == approx(1_010)
    one.store(0.0, Update())
    assert store.stored.tokens_next_free_at == approx(1_000)


def test_of_two_updates_whose_answers_were_lost_each_is_refunded(store: Store) -> None:
    one = updates(store, schedule=RateLimits.of(Quota(tokens_per_minute=60_000), 0.0))
    store.lost = 2
    for _ in range(2):
        with pytest.raises(StoreUnavailableError):
            one.store(0.0, Update(costs=(Cost(tokens=10_000),)))
    one.store(0.0, Update())
    assert store.stored is not None
    assert store.stored.tokens_next_free_at == approx(1_000)


def test_an_update_that_was_sent_twice_finds_itself(store: Store) -> None:
    one = updates(store)
    for number in (1, 2):
        store.repeats = 1
        booking = one.store(0.0, Update(costs=ONE))
        assert booking.slots == [approx(999.0 + number)]
        assert store.stored is not None
        assert (store.stored.granted, store.stored.revision) == (number, number)
        assert [share.waits_until for share in store.stored.instances.values()] == [0.0]


def test_outcomes_whose_update_lost_its_answer_count_once(store: Store) -> None:
    one = updates(store)
    store.lost = 1
    with pytest.raises(StoreUnavailableError):
        one.store(0.0, Update(outcomes=(RequestOutcome("sent", 1_000.0, Cost()),)))
    one.store(0.0, Update())
    assert store.stored is not None
    assert store.stored.granted == 1
    assert [share.waits_until for share in store.stored.instances.values()] == [0.0]


def test_a_slot_that_an_update_without_an_answer_booked_goes_to_the_next_request(store: Store) -> None:
    one = updates(store, schedule=LearnedSchedule())
    outcomes: tuple[RequestOutcome, ...] = ()
    for second in range(30):
        store.times[0] += 1.0
        slot = one.store(0.0, Update(outcomes, ONE)).slots[0]
        outcomes = (RequestOutcome("throttled" if second == 29 else "answered", slot, Cost()),)
    one.store(0.0, Update(outcomes))
    anchors: list[float] = []
    for lost in (0, 1):
        store.times[0] += 10.0
        one.store(0.0, Update(costs=ONE))
        store.lost = lost
        if lost:
            with pytest.raises(StoreUnavailableError):
                one.store(0.0, Update(costs=ONE))
            one.store(0.0, Update())
        assert store.stored is not None
        anchors.append(store.stored.learned["learner"]["requests"]["anchor"] - store.times[0])
    assert anchors[1] == approx(anchors[0], within=0.1)


@pytest.mark.parametrize(("seconds", "lead"), [(0.05, 0.0), (0.0625, 0.0625), (2.5, 2.0)])
def test_the_time_that_a_fast_store_takes_does_not_count(store: Store, seconds: float, lead: float) -> None:
    one = updates(store)
    store.times[0], store.seconds = 0.0, seconds
    one.store(0.0, Update())
    assert one.lead == lead


def test_a_slow_store_gives_slots_that_are_not_missed_when_it_answers(store: Store) -> None:
    one = updates(store)
    store.seconds = 0.2
    one.store(0.0, Update(costs=ONE))
    assert one.lead == approx(0.2)
    store.times[0] += 10
    booking = one.store(0.0, Update(costs=ONE, waits=True))
    assert booking.slots[0] == approx(store.times[0])  # now that it has answered
    assert booking.again_at == approx(store.times[0] - 0.2)
    store.seconds = 0.0
    for _ in range(10):
        one.store(0.0, Update())
    assert one.lead == 0.0


@pytest.mark.parametrize("seconds", [0.6, 0.75])
def test_an_update_gives_up_after_a_while(store: Store, seconds: float) -> None:
    one = updates(store)
    store.seconds, store.faster = seconds, 8
    booking = one.store(0.0, Update(costs=ONE))
    assert booking.slots == []
    assert booking.again_at == approx(store.times[0] + 0.2)
    assert store.faster == 5


@pytest.mark.parametrize(("behind", "ahead"), [(30.0, 0.0), (MAX_CLOCK_SKEW_SECONDS, 0.0), (7_200.0, -7_200.0)])
def test_a_clock_that_is_behind_is_put_forward_unless_another_one_is_broken(
    store: Store, behind: float, ahead: float
) -> None:
    store.times[0] = 10_000.0
    right, wrong = updates(store), updates(store, behind=behind)
    right.store(0.0, Update())
    wrong.store(0.0, Update())
    assert wrong.shared(0.0) - right.shared(0.0) == approx(ahead)


def test_one_that_is_far_ahead_waits_for_the_one_that_is_behind(store: Store) -> None:
    first, second = updates(store), updates(store)
    second.store(0.0, Update(costs=ONE, waits=True))
    booking = first.store(0.0, Update(costs=(Cost(),) * 20, waits=True))
    assert len(booking.slots) == 6
    assert second.waiting_instances(0.0) == 1
    blocked = first.store(0.0, Update(costs=ONE, waits=True))
    assert blocked.slots == []
    assert blocked.again_at == approx(1_000.2)
    second.store(0.0, Update(costs=ONE, waits=True))
    assert second.waiting_instances(0.0) == 2


def test_one_that_is_far_ahead_asks_again_when_the_one_that_is_behind_does(store: Store) -> None:
    first, second = updates(store), updates(store)
    second.store(0.0, Update(costs=ONE, waits=True))
    first.store(0.0, Update(costs=(Cost(requests=8),), waits=True))
    assert first.store(0.0, Update(costs=ONE, waits=True)).slots == []
    behind = second.store(0.0, Update(costs=ONE, waits=True))
    assert behind.again_at > 1_001
    assert first.store(0.0, Update(costs=ONE, waits=True)) == ([], behind.again_at)


@pytest.mark.parametrize(
    ("passed", "ahead", "followed"),
    [
        (2.0, 30.0, -32.0),  # the others have changed the pace a moment ago, by a clock that is behind
        (2.0, 1.0, 0.0),  # so little may as well have passed
        (0.0, 5.0, 0.0),
        (0.0, 300.0, -300.0),
        (0.0, 301.0, 0.0),  # another run begins
        (3_600.0, 0.0, 0.0),  # an hour later
    ],
)
def test_one_that_joins_follows_the_clock_of_the_others(
    store: Store, passed: float, ahead: float, followed: float
) -> None:
    schedule = LearnedSchedule()
    first, second = updates(store, schedule=schedule), updates(store, behind=-ahead, schedule=schedule)
    first.store(0.0, Update(costs=ONE))
    store.times[0] += passed
    assert second.shared(0.0) == store.times[0] + ahead
    second.store(0.0, Update())
    assert second.shared(0.0) == approx(store.times[0] + ahead + followed)
    first.store(0.0, Update())
    second.store(0.0, Update())
    assert abs(second.shared(0.0) - first.shared(0.0)) < 1e-6


def test_a_given_quota_is_shared_by_the_clocks_as_they_are(store: Store) -> None:
    first, second = updates(store), updates(store)
    first.store(0.0, Update(costs=ONE))
    store.times[0] += 10.0  # nothing was to be sent
    second.store(0.0, Update(costs=ONE))
    assert second.shared(0.0) == store.times[0]
