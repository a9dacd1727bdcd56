"""One pace for several instances: batches, throttles, and an unavailable store."""

from __future__ import annotations

import dataclasses
import logging
import math
import random
import threading
from typing import TYPE_CHECKING, Any

import pytest

from bedrock_resilience import pacing
from bedrock_resilience.clock import SYSTEM_CLOCK, wall_clock
from bedrock_resilience.errors import StoreUnavailableError
from bedrock_resilience.pacing import MemoryPaceStore, NoPacer, SharedPacer
from bedrock_resilience.quotas import Limit, Quota, Usage
from bedrock_resilience.simulation import Scenario, Tokens, simulate
from bedrock_resilience.testing import FakeClock
from support.approx import approx
from support.nightly import seeds
from support.pacers import RecordingPacer

if TYPE_CHECKING:
    from collections.abc import Callable

    from bedrock_resilience.pacing import Pacer, PaceStore, Reservation
    from bedrock_resilience.pacing.shared import SharedPace

QUOTA = Quota(requests_per_minute=60, burst=3)  # 0.65 s are reserved for requests that are late, early or skewed
LONG_AGO = 1_000.0
UNAVAILABLE = (
    "the store of the shared pace of model is unavailable, instance 'blue' continues at its own pace: "
    "no route to the store"
)


def shared_time(now: float) -> float:
    return LONG_AGO + now


def pacer_on(store: PaceStore, quota: Quota = QUOTA, **settings: Any) -> SharedPacer:  # noqa: ANN401 - each setting has its own type
    settings.setdefault("shared_time", shared_time)
    settings.setdefault("clock", FakeClock())
    return SharedPacer(store, "model", quota, **settings)


class FailingStore(MemoryPaceStore):
    """Unavailable while ``broken``. ``faster_others`` instances change the pace first. Counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.broken = False
        self.faster_others = 0
        self.calls = 0
        self.last: SharedPace | None = None
        self.last_key = ""
        self.last_instance = ""

    def compare_and_swap(
        self, key: str, expected: SharedPace, new: SharedPace, instance: str = ""
    ) -> SharedPace | None:
        self.calls += 1
        if self.broken:
            raise StoreUnavailableError("no route to the store")
        if self.faster_others:
            self.faster_others -= 1
            stored = dataclasses.replace(expected, revision=expected.revision + 1)
            return super().compare_and_swap(key, expected, stored) or stored
        self.last, self.last_key, self.last_instance = new, key, instance
        return super().compare_and_swap(key, expected, new, instance)


def drain(pacer: SharedPacer, reservations: list[Reservation], now: float) -> list[float]:
    """Return the time at which each is sent by a driver that sleeps each wait and calls ``due`` again."""
    sent: dict[int, float] = {}
    waiting = {index: now + reservation.wait for index, reservation in enumerate(reservations)}
    while waiting:
        index = min(waiting, key=lambda index: (waiting[index], index))
        at = waiting[index]
        wait = pacer.due(reservations[index], at)
        if wait == 0:
            sent[index] = round(waiting.pop(index), 2)
        else:
            waiting[index] = at + wait
    return [sent[index] for index in range(len(reservations))]


class TestSlots:
    def test_the_burst_goes_at_once_and_the_rest_at_the_rate(self) -> None:
        pacer = pacer_on(MemoryPaceStore())
        reservations = [pacer.reserve(0.0) for _ in range(6)]
        assert drain(pacer, reservations, 0.0) == [0.0, 0.0, 0.65, 1.65, 2.65, 3.65]

    def test_two_instances_send_no_more_than_one(self) -> None:
        store = MemoryPaceStore()
        first, second = pacer_on(store), pacer_on(store)
        waits = [pacer.reserve(0.0).wait for pacer in (first, second, first, second)]
        assert waits == [0.0, 0.0, approx(0.65), approx(1.65)]

    def test_another_model_has_another_pace(self) -> None:
        store = MemoryPaceStore()
        other = SharedPacer(store, "other", QUOTA, shared_time=shared_time)
        assert [pacer.reserve(0.0).wait for pacer in (pacer_on(store), other) for _ in range(2)] == [0.0] * 4

    def test_each_instance_gets_an_equal_share_however_many_workers_it_has(self) -> None:
        store = MemoryPaceStore()
        small, large = pacer_on(store, batch_seconds=2.0), pacer_on(store, batch_seconds=2.0)
        many = [large.reserve(0.0) for _ in range(20)]
        few = [small.reserve(0.0) for _ in range(4)]
        # The large one has booked 3, the last of them at 0.65; then two each.
        booked = [reservation.wait for reservation in few]
        assert booked[0] == approx(1.65)
        events = sorted(
            [(reservation.wait, 0, index) for index, reservation in enumerate(few)]
            + [(reservation.wait, 1, index) for index, reservation in enumerate(many)]
        )
        sent: list[int] = []
        while len(sent) < 12:
            at, whose, index = events.pop(0)
            wait = (small, large)[whose].due((few, many)[whose][index], at)
            if wait == 0:
                sent.append(whose)
            else:
                events.append((at + wait, whose, index))
                events.sort()
        assert sent.count(0) == 4  # all of the small one's are among the first twelve

    @pytest.mark.parametrize(("late", "granted"), [(0.5, 3), (0.51, 4)])
    def test_a_slot_that_was_missed_by_half_a_second_lapses(self, late: float, granted: int) -> None:
        store = FailingStore()
        pacer = pacer_on(store)
        *_, third = (pacer.reserve(0.0) for _ in range(3))
        assert third.wait == approx(0.65)
        wait = pacer.due(third, 0.65 + late)
        assert store.last is not None
        assert store.last.granted == granted
        assert wait == (0.0 if granted == 3 else approx(1.65 - 0.65 - late))

    def test_a_clock_that_was_set_back_makes_no_request_wait_for_its_old_time(self) -> None:
        offset = [1e6]

        def wall(now: float) -> float:
            return now + offset[0]

        pacer = pacer_on(MemoryPaceStore(), shared_time=wall)
        *_, last = (pacer.reserve(0.0) for _ in range(3))
        offset[0] = 1_000.0
        assert pacer.due(last, 0.0) <= 2.0

    def test_a_request_sent_without_a_slot_is_counted_with_the_next_batch(self) -> None:
        pacer = pacer_on(MemoryPaceStore())
        *_, third, fourth = (pacer.reserve(0.0) for _ in range(4))
        pacer.answered(third, 5.0)  # it had a slot
        pacer.answered(fourth, 5.0)  # it had none
        assert [pacer.reserve(5.0).wait for _ in range(2)] == [0.0, approx(0.65)]

    @pytest.mark.parametrize("end", ["throttled", "overloaded"])
    def test_a_request_sent_without_a_slot_and_refused_slows_all(self, end: str) -> None:
        pacer = pacer_on(MemoryPaceStore())
        *_, fourth = (pacer.reserve(0.0) for _ in range(4))
        getattr(pacer, end)(fourth, 5.0)
        assert pacer.shared_requests_per_minute == approx(60 / 1.05 if end == "throttled" else 30)

    def test_an_abandoned_request_moves_up_those_without_a_slot(self) -> None:
        pacer = pacer_on(MemoryPaceStore(), batch_seconds=1.0)
        reservations = [pacer.reserve(0.0) for _ in range(5)]
        pacer.abandoned(reservations[3], 0.0)
        pacer.abandoned(reservations[3], 0.0)  # a second time changes nothing
        del reservations[3]
        assert drain(pacer, reservations, 0.0) == [0.0, 0.0, 0.65, 1.65]
        assert pacer.due(reservations[0], 3.0) == 0.0

    def test_no_wait_is_longer_than_the_longest_run_of_a_lambda(self) -> None:
        pacer = pacer_on(MemoryPaceStore(), Quota(requests_per_minute=0.05, burst=1))
        assert [pacer.reserve(0.0).wait for _ in range(2)] == [0.0, 900.0]

    def test_a_request_abandoned_while_it_is_booked_refunds_its_tokens(self) -> None:
        leaving: list[Reservation] = []

        class SlowStore(FailingStore):
            def compare_and_swap(
                self, key: str, expected: SharedPace, new: SharedPace, instance: str = ""
            ) -> SharedPace | None:
                while leaving:
                    pacer.abandoned(leaving.pop(), 30.0)
                return super().compare_and_swap(key, expected, new, instance)

        store = SlowStore()
        pacer = pacer_on(store, Quota(tokens_per_minute=60_000), burndown=1.0)
        _, third, fourth = pacer.reserve(0.0, 59_000), pacer.reserve(0.0, 20_000), pacer.reserve(0.0, 30_000)
        leaving.append(fourth)
        pacer.due(third, third.wait)
        pacer.due(fourth, 40.0)
        pacer.reserve(60.0, 1_000)
        assert store.last is not None
        assert leaving == []
        assert store.last.tokens_next_free_at == approx(LONG_AGO + 59 + 20 + 1)

    def test_another_pacers_reservation_is_refused(self) -> None:
        for other in (NoPacer(), pacer_on(MemoryPaceStore())):
            foreign = other.reserve(0.0)
            with pytest.raises(
                TypeError, match=r"^SharedPacer: reservation: got .+; accepted: what this pacer's reserve\(\) returned$"
            ):
                pacer_on(MemoryPaceStore()).due(foreign, 0.0)

    def test_after_eight_lost_races_requests_wait_and_none_is_lost(self) -> None:
        store, clock = FailingStore(), FakeClock()
        pacer = pacer_on(store, clock=clock, rng=random.Random(1))
        store.faster_others = 8
        reservation = pacer.reserve(0.0)
        assert reservation.wait == approx(0.2)
        assert pacer.due(reservation, 0.2) == 0.0
        caps, rng = (0.005, 0.01, 0.02, 0.04, 0.05, 0.05), random.Random(1)
        assert clock.sleeps == [rng.uniform(0.0, cap) for cap in caps]

    def test_the_sleeps_between_lost_races_need_no_generator(self) -> None:
        store, clock = FailingStore(), FakeClock()
        store.faster_others = 3
        assert pacer_on(store, clock=clock).reserve(0.0).wait == 0.0
        assert 0.0 < clock.slept < 0.015


class TestTokens:
    def test_tokens_are_booked_and_refunded(self) -> None:
        store = FailingStore()
        pacer = pacer_on(store, Quota(tokens_per_minute=60_000), burndown=1.0)
        first = pacer.reserve(0.0, 40_000)
        assert pacer.reserve(0.0, 40_000).wait == approx(40 + 40 - 59.35)
        pacer.answered(first, 1.0, Usage(10_000, 5_000))
        assert pacer.reserve(21.0, 1_000).wait == 0.0

    def test_a_slot_that_was_missed_refunds_its_tokens(self) -> None:
        store = FailingStore()
        pacer = pacer_on(store, Quota(tokens_per_minute=60_000), burndown=1.0)
        _, late = pacer.reserve(0.0, 59_000), pacer.reserve(0.0, 20_000)
        assert pacer.due(late, late.wait + 10) == 0.0
        assert store.last is not None
        assert store.last.tokens_next_free_at == approx(LONG_AGO + 59 + 20)

    @pytest.mark.parametrize(("burndown", "seconds"), [(5.0, 3.0), (1.2, 2.4), (1.0, 2.0), (0.5, 2.0)])
    def test_at_first_1_5_times_the_reservation_is_booked_but_no_more_than_a_call_can_cost(
        self, burndown: float, seconds: float
    ) -> None:
        store = FailingStore()
        pacer_on(store, Quota(tokens_per_minute=60_000), burndown=burndown).reserve(0.0, 2_000)
        assert store.last is not None
        assert store.last.tokens_next_free_at == approx(LONG_AGO + seconds)

    def test_the_first_calls_that_cost_more_than_reserved_cause_no_throttle(self) -> None:
        quota = Quota(tokens_per_minute=40_000)
        scenario = Scenario(workers=12, items=40, quota=quota, tokens=Tokens(500, 3_000, 1_000, 300))
        report = simulate(scenario, pacer=lambda: pacer_on(MemoryPaceStore(), quota))
        assert report.throttles == 0

    def test_calls_that_cost_more_than_reserved_make_the_next_ones_book_more(self) -> None:
        store = FailingStore()
        pacer = pacer_on(store, Quota(tokens_per_minute=60_000))
        pacer.answered(pacer.reserve(0.0, 2_000), 5.0, Usage(1_000, 1_000))  # 6,000
        assert store.last is not None
        assert store.last.tokens_next_free_at == approx(LONG_AGO + 3)
        pacer.reserve(10.0, 1_000)
        assert store.last.tokens_next_free_at == approx(LONG_AGO + 10 + 3)

    def test_output_counts_by_the_quota_of_the_endpoint(self) -> None:
        store = FailingStore()
        quota = Quota(input_tokens_per_minute=60_000, output_tokens_per_minute=6_000)
        pacer = pacer_on(store, quota)
        pacer.answered(pacer.reserve(0.0, 1_000), 0.0, Usage(1_000, 500))
        pacer.reserve(0.0, 1_000)
        assert store.last is not None
        # 500 tokens of output are five seconds; after that, a request is expected to cost a little less than before.
        assert store.last.tokens_next_free_at == approx(LONG_AGO + 5 + 9.95)

    def test_without_a_reservation_nothing_is_learned_from_the_usage(self) -> None:
        store = FailingStore()
        pacer = pacer_on(store, Quota(tokens_per_minute=60_000))
        pacer.answered(pacer.reserve(0.0), 5.0, Usage(1_000, 1_000))
        pacer.reserve(10.0, 1_000)
        assert store.last is not None
        assert store.last.tokens_next_free_at == approx(LONG_AGO + 10 + 1.5)

    def test_an_abandoned_and_a_refused_request_cost_no_tokens(self) -> None:
        store = FailingStore()
        pacer = pacer_on(store, Quota(tokens_per_minute=60_000))
        unsent, refused = pacer.reserve(0.0, 20_000), pacer.reserve(0.0, 20_000)
        pacer.abandoned(unsent, 0.0)
        pacer.throttled(refused, 0.0, Limit.REQUESTS_PER_MINUTE)
        assert store.last is not None
        assert store.last.tokens_next_free_at == LONG_AGO


class TestThrottles:
    def test_one_throttle_slows_all_instances(self) -> None:
        store = MemoryPaceStore()
        first, second = pacer_on(store), pacer_on(store)
        assert first.shared_requests_per_minute == approx(60)
        first.throttled(first.reserve(0.0), 0.1)
        assert second.reserve(0.1).wait == approx(1.05)
        assert first.shared_requests_per_minute == approx(60 / 1.05)
        assert second.shared_requests_per_minute == approx(60 / 1.05)

    def test_an_overload_halves_the_pace_of_all(self) -> None:
        store = MemoryPaceStore()
        first, second = pacer_on(store), pacer_on(store)
        first.overloaded(first.reserve(0.0), 0.1)
        second.reserve(0.1)
        assert second.shared_requests_per_minute == approx(30)

    def test_a_request_that_was_in_flight_at_a_throttle_lowers_the_pace_no_further(self) -> None:
        pacer = pacer_on(MemoryPaceStore())
        one, other = pacer.reserve(0.0), pacer.reserve(0.0)
        pacer.throttled(one, 0.1)
        pacer.throttled(other, 0.2)
        assert pacer.shared_requests_per_minute == approx(60 / 1.05)

    def test_a_reservation_is_closed_once(self) -> None:
        pacer = pacer_on(MemoryPaceStore())
        reservation = pacer.reserve(0.0)
        pacer.answered(reservation, 1.0)
        for close in (pacer.answered, pacer.throttled, pacer.overloaded, pacer.abandoned):
            close(reservation, 2.0)
        assert pacer.shared_requests_per_minute == approx(60)

    def test_without_a_request_quota_there_is_no_shared_rate(self) -> None:
        assert pacer_on(MemoryPaceStore(), Quota(tokens_per_minute=1_000)).shared_requests_per_minute is None

    def test_a_throttle_while_another_thread_calls_the_store_is_stored_with_the_next_batch(self) -> None:
        store = FailingStore()
        pacer = pacer_on(store)
        refused = pacer.reserve(0.0)
        with pacer._store_lock:  # pyright: ignore[reportPrivateUsage]
            pacer.throttled(refused, 0.1)
        assert store.calls == 1
        assert pacer.reserve(0.2).wait == approx(1.05)

    def test_a_slot_that_is_booked_is_due_while_another_thread_calls_the_store(self) -> None:
        pacer = pacer_on(FailingStore())
        booked = [pacer.reserve(0.0) for _ in range(4)][-1]
        with pacer._store_lock:  # pyright: ignore[reportPrivateUsage]
            thread = threading.Thread(target=pacer.due, args=(booked, 0.5), daemon=True)
            thread.start()
            thread.join(10.0)
            assert not thread.is_alive()

    def test_a_thread_that_waited_for_the_store_uses_what_was_booked_meanwhile(self) -> None:
        asked, main = threading.Event(), threading.current_thread()

        def shared_time_of(now: float) -> float:
            if threading.current_thread() is not main:
                asked.set()
            return shared_time(now)

        store = FailingStore()
        pacer = pacer_on(store, shared_time=shared_time_of)
        waiting = [pacer.reserve(0.0) for _ in range(30)][-2:]
        calls = store.calls
        thread = threading.Thread(target=pacer.due, args=(waiting[1], 20.0), daemon=True)
        with pacer._store_lock:  # pyright: ignore[reportPrivateUsage]
            thread.start()
            assert asked.wait(10.0)
            thread.join(0.02)  # it now waits for the lock
            pacer._update_store(20.0, pacer._next_batch(20.0))  # pyright: ignore[reportPrivateUsage]
        thread.join(10.0)
        assert store.calls == calls + 1


class TestOutage:
    @pytest.fixture
    def store(self) -> FailingStore:
        return FailingStore()

    def test_it_uses_the_fallback_logs_that_once_and_returns_to_the_store(
        self, store: FailingStore, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        own = RecordingPacer()
        pacer = pacer_on(store, fallback=lambda: own, instance="blue")
        store.broken = True
        for second in (0.0, 5.0, 10.0, 15.0):
            reservation = pacer.reserve(second, 7)
            assert reservation.wait == 0.0
            pacer.answered(reservation, second)
        assert store.calls == 2  # at 0 and at 10: it is not called for 10 s
        assert own.methods == ["reserve", "answered"] * 4
        store.broken = False
        pacer.reserve(20.0)
        assert store.calls == 3
        assert [record.getMessage() for record in caplog.records] == [
            UNAVAILABLE,
            "the store of the shared pace of model is available again, instance 'blue' shares the pace",
        ]
        assert [record.levelno for record in caplog.records] == [logging.WARNING, logging.INFO]

    def test_an_instance_without_a_name_has_none_in_the_log(
        self, store: FailingStore, caplog: pytest.LogCaptureFixture
    ) -> None:
        store.broken = True
        pacer_on(store).reserve(0.0)
        assert caplog.messages == [UNAVAILABLE.replace("instance 'blue'", "this instance")]

    def test_the_fallback_receives_the_outcome_of_its_requests(self, store: FailingStore) -> None:
        own = RecordingPacer()
        pacer = pacer_on(store, fallback=lambda: own)
        store.broken = True
        pacer.throttled(pacer.reserve(0.0), 0.1)
        pacer.overloaded(pacer.reserve(0.2), 0.3)
        pacer.abandoned(pacer.reserve(0.4), 0.5)
        assert own.ended == ["throttled", "overloaded", "abandoned"]
        assert own.open == []

    def test_waiting_requests_use_the_fallback_as_well(self, store: FailingStore) -> None:
        pacer = pacer_on(store, batch_seconds=1.0)
        reservations = [pacer.reserve(0.0) for _ in range(6)]
        store.broken = True
        sent = drain(pacer, reservations, 0.0)
        assert all(at < 10 for at in sent)

    def test_requests_that_wait_return_to_the_store(self, store: FailingStore) -> None:
        own = RecordingPacer(30.0)
        pacer = pacer_on(store, fallback=lambda: own)
        store.broken = True
        waiting = pacer.reserve(0.0)
        assert waiting.wait == 30.0
        store.broken = False
        assert pacer.due(waiting, 9.0) == 21.0
        assert pacer.due(waiting, 10.0) == 0.0
        assert own.ended == ["abandoned"]

    def test_a_throttle_during_the_outage_is_stored_afterwards(self, store: FailingStore) -> None:
        pacer = pacer_on(store)
        refused = pacer.reserve(0.0)
        store.broken = True
        pacer.reserve(0.1)
        calls = store.calls
        pacer.throttled(refused, 0.2)
        assert store.calls == calls
        store.broken = False
        pacer.reserve(20.0)
        assert pacer.shared_requests_per_minute == approx(60 / 1.05)

    def test_a_throttle_is_stored_at_the_time_at_which_the_store_is_tried_again(self, store: FailingStore) -> None:
        for at, calls in ((10.75, 0), (11.0, 1)):
            pacer = pacer_on(store)
            refused = pacer.reserve(0.0)
            store.broken = True
            pacer.reserve(1.0)
            store.broken, store.calls = False, 0
            pacer.throttled(refused, at)
            assert store.calls == calls

    def test_a_throttle_while_the_store_is_unavailable_starts_the_outage(self, store: FailingStore) -> None:
        pacer = pacer_on(store)
        refused = pacer.reserve(0.0)
        store.broken = True
        pacer.throttled(refused, 0.2)
        calls = store.calls
        pacer.reserve(0.3)
        assert store.calls == calls


class TestWithoutAQuota:
    def pacer(self, store: PaceStore, **settings: Any) -> SharedPacer:  # noqa: ANN401 - each setting has its own type
        return SharedPacer(store, "model", shared_time=shared_time, clock=FakeClock(), **settings)

    def throttled(self, pacer: SharedPacer) -> None:
        """Send thirty requests in thirty seconds, of which the last one is refused."""
        for second in range(30):
            reservation = pacer.reserve(float(second))
            if second == 29:
                pacer.throttled(reservation, second + 0.2, Limit.REQUESTS_PER_MINUTE)
            else:
                pacer.answered(reservation, second + 0.2, Usage(10, 10))

    def test_all_instances_learn_one_rate(self) -> None:
        store = MemoryPaceStore()
        first, second = self.pacer(store), self.pacer(store)
        assert first.status().confidence == 0
        self.throttled(first)
        assert second.reserve(29.5).wait > 0
        learned = second.shared_requests_per_minute
        assert learned is not None
        assert 40 < learned < 60
        assert (second.status().request_limit, second.status().token_limit) == (None, None)

    def test_slots_that_were_booked_before_a_refusal_are_booked_anew(self) -> None:
        pacer = self.pacer(MemoryPaceStore())
        self.throttled(pacer)
        waiting = [pacer.reserve(40.0) for _ in range(4)]
        sent = [reservation for reservation in waiting if reservation.wait == 0]
        booked = [reservation for reservation in waiting if reservation.wait > 0]
        before = [pacer.due(reservation, 40.0) for reservation in booked]
        pacer.throttled(sent[0], 40.2)
        assert pacer.due(booked[0], 40.2) > before[0] - 0.2

    def test_without_the_store_an_instance_goes_on_with_its_share_and_tells_the_others_later(self) -> None:
        store = FailingStore()
        first, second = self.pacer(store), self.pacer(store)
        self.throttled(first)
        second.reserve(29.5)
        first.abandoned(first.reserve(29.6), 29.6)
        store.broken = True
        alone = first.reserve(45.0)
        rate = first.status().requests_per_minute
        assert rate is not None
        assert 20 < rate < 32
        wait = first.due(alone, 45.0)
        assert first.due(alone, 45.0 + wait) == 0
        first.answered(alone, 45.1 + wait)
        other = first.reserve(47.0)
        first.throttled(other, 50.0)
        store.broken = False
        first.reserve(60.0)
        assert store.last is not None
        seconds = {second for second, _ in store.last.learned["learner"]["requests"]["log"]}
        assert LONG_AGO + 45 in seconds
        assert store.last.learned["cuts"] == 1  # at a pace of its own, a refusal says nothing about that of all

    def test_the_time_of_an_answer_is_learned_not_that_of_its_report(self) -> None:
        store = FailingStore()
        pacer = self.pacer(store)
        for seconds, latency in ((0.25, 0.25), (6.0, approx(1.4))):  # a fifth of the last one
            reservation = pacer.reserve(100.0 * seconds)
            pacer.answered(reservation, 100.0 * seconds + seconds)
            pacer.reserve(100.0 * seconds + 50.0)
            assert store.last is not None
            assert store.last.learned["learner"]["latency"] == latency

    def test_tokens_count_by_its_burndown(self) -> None:
        store = FailingStore()
        pacer = SharedPacer(store, "model", burndown=2.0, shared_time=shared_time, clock=FakeClock())
        pacer.answered(pacer.reserve(0.0, 1_000), 5.0, Usage(100, 50))
        pacer.abandoned(pacer.reserve(10.0), 10.0)
        assert store.last is not None
        assert store.last.learned["learner"]["tokens"]["admitted_total"] == 200.0

    def test_what_was_used_without_the_store_is_reported_later(self) -> None:
        store = FailingStore()
        pacer = self.pacer(store)
        store.broken = True
        pacer.answered(pacer.reserve(0.0, 1_000), 5.0, Usage(100, 50))
        store.broken = False
        pacer.abandoned(pacer.reserve(20.0), 20.0)
        assert store.last is not None
        assert store.last.learned["learner"]["tokens"]["admitted_total"] == 350.0

    def test_a_request_that_was_sent_without_asking_again_was_sent_when_it_was_due(self) -> None:
        store = FailingStore()
        pacer = self.pacer(store)
        store.broken = True
        third = [pacer.reserve(0.0) for _ in range(3)][-1]
        assert 0 < third.wait < 1
        pacer.answered(third, 5.0)
        store.broken = False
        pacer.abandoned(pacer.reserve(20.0), 20.0)
        assert store.last is not None
        assert store.last.learned["learner"]["requests"]["log"][0] == [LONG_AGO, 1.0]

    def test_alone_it_counts_tokens_by_the_same_burndown(self) -> None:
        store = FailingStore()
        pacer = SharedPacer(store, "model", burndown=2.0, shared_time=shared_time, clock=FakeClock())
        self.throttled(pacer)
        store.broken = True
        pacer.reserve(45.0)
        fallback = pacer._fallback  # pyright: ignore[reportPrivateUsage]
        assert isinstance(fallback, SharedPacer)
        assert fallback._burndown == 2.0  # pyright: ignore[reportPrivateUsage]

    def test_a_request_sent_without_a_slot_counts_from_then_on(self) -> None:
        store = FailingStore()
        pacer = self.pacer(store)
        self.throttled(pacer)
        waiting = [pacer.reserve(32.0) for _ in range(40)][-1]
        pacer.overloaded(waiting, 35.0)
        assert store.last is not None
        assert [LONG_AGO + 35, 1.0] in store.last.learned["learner"]["requests"]["log"]

    def test_the_slot_of_a_request_that_was_abandoned_while_it_was_booked_goes_to_the_next(self) -> None:
        class AbandoningStore(MemoryPaceStore):
            def compare_and_swap(
                self, key: str, expected: SharedPace, new: SharedPace, instance: str = ""
            ) -> SharedPace | None:
                if abandons:
                    pacer.abandoned(abandons.pop(), 40.0)
                return super().compare_and_swap(key, expected, new, instance)

        waits = list[float]()
        for abandoned in (False, True):
            abandons: list[Reservation] = []
            pacer = self.pacer(AbandoningStore())
            self.throttled(pacer)
            first = [pacer.reserve(31.0) for _ in range(2)][-1]
            abandons += [first] if abandoned else []
            pacer.due(first, 40.0)
            pacer.abandoned(first, 40.0)
            waits.append(pacer.reserve(40.0).wait)
        assert waits[0] == approx(waits[1])

    def test_two_instances_that_wait_book_half_as_far_ahead_each(self) -> None:
        store = FailingStore()
        first, second = self.pacer(store), self.pacer(store)
        now = 0.0
        for _ in range(6):  # after a few refusals, requests are booked ahead
            for _ in range(40):
                reservation = first.reserve(now)
                now += reservation.wait
                while wait := first.due(reservation, now):
                    now += wait
                first.answered(reservation, now)
            first.throttled(first.reserve(now), now + 0.2)
            now += 0.2
        last: list[tuple[SharedPacer, Reservation]] = []
        batches: list[int] = []
        for pacer in (first, second):
            last.append((pacer, [pacer.reserve(now) for _ in range(150)][-1]))
            for at in (now + 1.0, now + 2.0):
                for each, reservation in last:
                    each.due(reservation, at)
            batches.append(len(pacer._next_batch(now + 2.0)))  # pyright: ignore[reportPrivateUsage]
        assert batches[0] == approx(2 * batches[1], within=5)
        assert batches[1] > 3

    def test_where_nothing_was_learned_it_finds_a_pace_by_itself(self) -> None:
        store = FailingStore()
        store.broken = True
        pacer = self.pacer(store)
        assert pacer.reserve(0.0).wait == 0
        assert pacer.status().confidence == 0

    def test_each_answer_releases_more_until_something_is_refused(self) -> None:
        pacer = self.pacer(MemoryPaceStore())
        open_requests = [pacer.reserve(0.0) for _ in range(30)]
        sent = [reservation for reservation in open_requests if reservation.wait == 0]
        assert 0 < len(sent) < 15
        for reservation in sent:
            pacer.answered(reservation, 0.1)
        released = {id(each) for at in (0.1, 0.5, 0.8, 1.0) for each in open_requests if pacer.due(each, at) == 0}
        assert len(released) >= 2 * len(sent)

    def test_where_nothing_is_refused_no_worker_misses_the_answer_that_releases_it(self) -> None:
        scenario = Scenario(workers=32, items=320, quota=Quota(), latency=2.0)
        report = simulate(scenario, pacer=lambda: self.pacer(MemoryPaceStore()))
        assert report.makespan < 30

    def test_a_request_that_is_due_in_hours_asks_again_in_a_quarter_of_an_hour(self) -> None:
        # Where the time to ask again was hours ahead, due() did not return.
        pacer = SharedPacer(MemoryPaceStore(), "model", shared_time=shared_time, clock=FakeClock())
        small = pacer.reserve(0.0, 10)
        assert small.wait == 0.0
        pacer.throttled(small, 0.2, Limit.TOKENS_PER_MINUTE)
        large = pacer.reserve(1.0, 1_000_000)
        assert large.wait == 900.0
        assert pacer.due(large, 2.0) == 899.0


class TestArguments:
    @pytest.mark.parametrize("name", ["skew", "batch_seconds", "retry_after", "burndown"])
    @pytest.mark.parametrize("given", [-1.0, math.inf, math.nan])
    def test_a_number_out_of_range_is_named(self, name: str, given: float) -> None:
        with pytest.raises(
            ValueError, match=rf"SharedPacer: {name}: got {given!r}; accepted: a finite number( of seconds)? >=? 0"
        ):
            pacer_on(MemoryPaceStore(), QUOTA, **{name: given})

    def test_the_skew_may_be_zero(self) -> None:
        waits = [pacer.reserve(0.0).wait for pacer in [pacer_on(MemoryPaceStore(), skew=0.0)] for _ in range(3)]
        assert waits == [0.0, 0.0, approx(0.55)]

    def test_every_wrong_type_is_named(self) -> None:
        wrong: dict[str, Any] = {
            "store": 1,
            "model": 2,
            "quota": 3,
            "instance": 4,
            "fallback": 5,
            "skew": "6",
            "batch_seconds": "7",
            "retry_after": "8",
            "burndown": "9",
            "shared_time": 10,
            "clock": 11,
            "rng": 12,
        }
        with pytest.raises(TypeError) as error:
            SharedPacer(**wrong)
        assert str(error.value) == (
            "SharedPacer: store: got 1; accepted: a PaceStore, such as DynamoPaceStore('table'); "
            "model: got 2; accepted: the id of the model; "
            "quota: got 3; accepted: a Quota, such as Quota(requests_per_minute=50), or None; "
            "instance: got 4; accepted: a str; "
            "fallback: got 5; accepted: a function without arguments that returns a pacer, or None; "
            "skew: got '6'; accepted: a finite number of seconds >= 0; "
            "batch_seconds: got '7'; accepted: a finite number of seconds > 0; "
            "retry_after: got '8'; accepted: a finite number of seconds > 0; "
            "burndown: got '9'; accepted: a finite number > 0; "
            "shared_time: got 10; accepted: a function of the driver's time that returns seconds; "
            "clock: got 11; accepted: a Clock; rng: got 12; accepted: a random.Random"
        )

    def test_a_model_is_needed(self) -> None:
        with pytest.raises(ValueError, match=r"SharedPacer: model: got ''; accepted: the id of the model"):
            SharedPacer(MemoryPaceStore(), "", QUOTA)

    @pytest.mark.parametrize(
        ("quota", "key"),
        [
            (None, "model"),
            (QUOTA, "model"),
            (Quota.mantle(input_tokens_per_minute=9_000), "model@bedrock-mantle"),
        ],
    )
    def test_the_store_is_given_the_key_of_the_quota_and_the_name_of_the_instance(
        self, quota: Quota | None, key: str
    ) -> None:
        store = FailingStore()
        SharedPacer(store, "model", quota, instance="blue", shared_time=shared_time).reserve(0.0, 10)
        assert (store.last_key, store.last_instance) == (key, "blue")

    def test_its_repr(self) -> None:
        pacer = pacer_on(pacing.DynamoPaceStore("paces", client=object()), instance="blue")
        assert repr(pacer) == f"SharedPacer(DynamoPaceStore('paces'), 'model', {QUOTA!r}, instance='blue')"

    def test_by_default_instances_agree_by_the_clock_of_the_machine(self) -> None:
        store = FailingStore()
        before = wall_clock()
        SharedPacer(store, "model", QUOTA).reserve(0.0)
        assert store.last is not None
        assert before <= store.last.at <= wall_clock()

    def test_the_package_loads_it_on_first_use(self) -> None:
        assert pacing.SharedPacer is SharedPacer
        with pytest.raises(AttributeError, match="has no attribute 'Sharing'"):
            pacing.Sharing  # noqa: B018 - that is the point


def test_threads_of_several_instances_book_no_slot_twice() -> None:
    store = FailingStore()
    quota = Quota(requests_per_minute=600, burst=1)
    pacers = [pacer_on(store, quota, clock=SYSTEM_CLOCK) for _ in range(3)]
    places: list[float] = []

    def work(pacer: SharedPacer) -> None:
        now = 0.0
        for _ in range(10):
            reservation = pacer.reserve(now)
            while (wait := pacer.due(reservation, now)) > 0:
                now += wait
            places.append(now)
            pacer.answered(reservation, now)

    threads = [threading.Thread(target=work, args=(pacer,)) for pacer in pacers for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(places) == 120
    assert store.last is not None
    assert store.last.granted >= 120


@pytest.mark.parametrize(("per_minute", "most"), [(25, 1.05), (50, 1.06), (100, 1.01)])
def test_three_instances_are_never_throttled_and_use_the_quota(per_minute: float, most: float) -> None:
    quota = Quota(requests_per_minute=per_minute, burst=5)
    scenario = Scenario(instances=3, workers=4, items=50, offset=60, quota=quota, latency=6.5)
    for seed in seeds(5, 20):
        report = simulate(scenario, pacer=_instances(quota, seed), seed=seed)
        assert report.throttle_rate == 0
        assert report.failure_rate == 0
        assert report.ratio <= most


def test_a_quota_that_is_half_of_the_given_one_is_found() -> None:
    scenario = Scenario(instances=3, workers=4, items=200, offset=60, latency=6.5)  # 50 a minute
    given_quota = Quota(requests_per_minute=100, burst=10)
    reports = [simulate(scenario, pacer=_instances(given_quota, seed), seed=seed) for seed in seeds(2, 5)]
    assert all(report.failure_rate == 0 for report in reports)
    assert all(report.throttle_rate <= 0.05 for report in reports)
    assert all(report.ratio <= 1.15 for report in reports)


@pytest.mark.parametrize("reading", ["fixed:7", "sliding"])
@pytest.mark.parametrize(("instances", "items"), [(1, 200), (3, 67)])
def test_windows_of_a_minute_cost_no_more_than_in_one_process(reading: str, instances: int, items: int) -> None:
    quota = Quota(tokens_per_minute=100_000)
    workers = 12 // instances
    shared = Scenario(instances=instances, workers=workers, items=items, quota=quota, tokens=Tokens(), reading=reading)
    alone = shared.replace(instances=1, workers=12, items=200)
    known = simulate(alone, pacer=lambda: pacing.QuotaPacer(quota))
    report = simulate(shared, pacer=_instances(quota, 0))
    assert report.failure_rate == 0
    assert report.throttle_rate <= known.throttle_rate + 0.005
    assert report.makespan <= 1.1 * known.makespan


def _instances(quota: Quota, seed: int) -> Callable[[], Pacer]:
    store, rng = MemoryPaceStore(), random.Random(seed)

    def new_instance() -> Pacer:
        skew = rng.uniform(0.0, 0.1)
        return SharedPacer(store, "model", quota, shared_time=lambda now: LONG_AGO + now + skew)

    return new_instance


def test_the_two_endpoints_share_no_limit_of_one_model() -> None:
    store = MemoryPaceStore()
    runtime = pacer_on(store, Quota(tokens_per_minute=6_000))
    mantle = pacer_on(store, Quota.mantle(input_tokens_per_minute=6_000))
    # A whole minute of one endpoint leaves the other untouched.
    first = [pacer.reserve(0.0, 4_000) for pacer in (runtime, mantle)]
    assert [reservation.wait for reservation in first] == [0.0, 0.0]
    assert [pacer.reserve(0.0, 4_000).wait > 1.0 for pacer in (runtime, mantle)] == [True, True]
    runtime.throttled(first[0], 0.5, Limit.TOKENS_PER_MINUTE)
    assert [pacer.status().tokens_per_minute for pacer in (runtime, mantle)] == [approx(6_000 / 1.03), approx(6_000)]
    again = pacer_on(store, Quota.mantle(input_tokens_per_minute=6_000))
    assert again.reserve(0.0, 4_000).wait > 1.0
