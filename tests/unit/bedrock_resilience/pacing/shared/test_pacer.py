"""One pace for several instances: their turns, what throttles tell, and what happens without the table."""

from __future__ import annotations

import dataclasses
import logging
import math
import random
import threading
from typing import TYPE_CHECKING, Any

import pytest

from bedrock_resilience import pacing
from bedrock_resilience.clock import wall_clock
from bedrock_resilience.errors import StoreUnavailableError
from bedrock_resilience.pacing import MemoryTable, NoPacer, SharedPacer
from bedrock_resilience.quotas import Quota, Usage
from bedrock_resilience.simulation import Scenario, Tokens, simulate
from support.approx import approx
from support.pacers import RecordingPacer

if TYPE_CHECKING:
    from collections.abc import Callable

    from bedrock_resilience.pacing import Pacer, Reservation, SharedTable
    from bedrock_resilience.pacing.shared._schedule import SharedPace

QUOTA = Quota(requests_per_minute=60, burst=3)  # 0.65 s are kept back for what is late, early or skewed
LONG_AGO = 1_000.0


def shared_time(now: float) -> float:
    return LONG_AGO + now


def pacer_on(table: SharedTable, quota: Quota = QUOTA, **settings: Any) -> SharedPacer:  # noqa: ANN401 - each setting has its own type
    settings.setdefault("wall", shared_time)
    return SharedPacer(table, "model", quota, **settings)


class FailingTable(MemoryTable):
    """Out of reach while `broken`; `quicker` others change the pace before every exchange. Counts what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.broken = False
        self.quicker = 0
        self.asked = 0
        self.last: SharedPace | None = None

    def exchange(self, key: str, seen: SharedPace, new: SharedPace, instance: str = "") -> SharedPace | None:
        self.asked += 1
        if self.broken:
            raise StoreUnavailableError("no route to the table")
        if self.quicker:
            self.quicker -= 1
            there = dataclasses.replace(seen, revision=seen.revision + 1)
            return super().exchange(key, seen, there) or there
        self.last = new
        return super().exchange(key, seen, new, instance)


def drain(pacer: SharedPacer, reservations: list[Reservation], now: float) -> list[float]:
    """When each is sent, by somebody who sleeps as long as told and asks again."""
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


class TestPlaces:
    def test_the_burst_goes_at_once_and_the_rest_at_the_rate(self) -> None:
        pacer = pacer_on(MemoryTable())
        reservations = [pacer.reserve(0.0) for _ in range(6)]
        assert drain(pacer, reservations, 0.0) == [0.0, 0.0, 0.65, 1.65, 2.65, 3.65]

    def test_two_instances_send_no_more_than_one(self) -> None:
        table = MemoryTable()
        first, second = pacer_on(table), pacer_on(table)
        waits = [pacer.reserve(0.0).wait for pacer in (first, second, first, second)]
        assert waits == [0.0, 0.0, approx(0.65), approx(1.65)]

    def test_another_model_has_another_pace(self) -> None:
        table = MemoryTable()
        other = SharedPacer(table, "other", QUOTA, wall=shared_time)
        assert [pacer.reserve(0.0).wait for pacer in (pacer_on(table), other) for _ in range(2)] == [0.0] * 4

    def test_each_instance_gets_its_turn_however_many_workers_it_has(self) -> None:
        table = MemoryTable()
        small, large = pacer_on(table, turn=2.0), pacer_on(table, turn=2.0)
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
    def test_a_place_that_was_missed_by_half_a_second_lapses(self, late: float, granted: int) -> None:
        table = FailingTable()
        pacer = pacer_on(table)
        *_, third = (pacer.reserve(0.0) for _ in range(3))
        assert third.wait == approx(0.65)
        wait = pacer.due(third, 0.65 + late)
        assert table.last is not None
        assert table.last.granted == granted
        assert wait == (0.0 if granted == 3 else approx(1.65 - 0.65 - late))

    def test_a_clock_that_was_put_back_makes_nobody_wait_for_its_old_time(self) -> None:
        offset = [1e6]

        def wall(now: float) -> float:
            return now + offset[0]

        pacer = pacer_on(MemoryTable(), wall=wall)
        *_, last = (pacer.reserve(0.0) for _ in range(3))
        offset[0] = 1_000.0
        assert pacer.due(last, 0.0) <= 2.0

    def test_whoever_sleeps_without_asking_again_is_counted_with_the_next(self) -> None:
        pacer = pacer_on(MemoryTable())
        *_, third, fourth = (pacer.reserve(0.0) for _ in range(4))
        pacer.answered(third, 5.0)  # it had a place
        pacer.answered(fourth, 5.0)  # it had none
        assert [pacer.reserve(5.0).wait for _ in range(2)] == [0.0, approx(0.65)]

    def test_what_is_abandoned_moves_up_whoever_has_no_place_yet(self) -> None:
        pacer = pacer_on(MemoryTable(), turn=1.0)
        reservations = [pacer.reserve(0.0) for _ in range(5)]
        pacer.abandoned(reservations[3], 0.0)
        pacer.abandoned(reservations[3], 0.0)  # a second time changes nothing
        del reservations[3]
        assert drain(pacer, reservations, 0.0) == [0.0, 0.0, 0.65, 1.65]
        assert pacer.due(reservations[0], 3.0) == 0.0

    def test_nothing_is_promised_for_later_than_a_lambda_lives(self) -> None:
        pacer = pacer_on(MemoryTable(), Quota(requests_per_minute=0.05, burst=1))
        assert [pacer.reserve(0.0).wait for _ in range(2)] == [0.0, 900.0]

    def test_whoever_ends_while_its_place_is_being_booked_gives_the_tokens_back(self) -> None:
        leaving: list[Reservation] = []

        class Slow(FailingTable):
            def exchange(self, key: str, seen: SharedPace, new: SharedPace, instance: str = "") -> SharedPace | None:
                while leaving:
                    pacer.abandoned(leaving.pop(), 30.0)
                return super().exchange(key, seen, new, instance)

        table = Slow()
        pacer = pacer_on(table, Quota(tokens_per_minute=60_000), burndown=1.0)
        _, third, fourth = pacer.reserve(0.0, 59_000), pacer.reserve(0.0, 20_000), pacer.reserve(0.0, 30_000)
        leaving.append(fourth)
        pacer.due(third, third.wait)
        pacer.due(fourth, 40.0)
        pacer.reserve(60.0, 1_000)
        assert table.last is not None
        assert leaving == []
        assert table.last.tokens_until == approx(LONG_AGO + 59 + 20 + 1)

    def test_another_pacers_reservation_is_refused(self) -> None:
        for other in (NoPacer(), pacer_on(MemoryTable())):
            foreign = other.reserve(0.0)
            with pytest.raises(
                TypeError, match=r"^reservation: got .+; accepted: what this pacer's reserve\(\) returned$"
            ):
                pacer_on(MemoryTable()).due(foreign, 0.0)

    def test_after_many_lost_races_it_waits_a_moment_and_loses_nothing(self) -> None:
        table = FailingTable()
        pacer = pacer_on(table)
        table.quicker = 8
        reservation = pacer.reserve(0.0)
        assert reservation.wait == approx(0.2)
        assert pacer.due(reservation, 0.2) == 0.0


class TestTokens:
    def test_tokens_are_booked_and_given_back(self) -> None:
        table = FailingTable()
        pacer = pacer_on(table, Quota(tokens_per_minute=60_000), burndown=1.0)
        first = pacer.reserve(0.0, 40_000)
        assert pacer.reserve(0.0, 40_000).wait == approx(40 + 40 - 59.35)
        pacer.answered(first, 1.0, Usage(10_000, 5_000))
        assert pacer.reserve(21.0, 1_000).wait == 0.0

    @pytest.mark.parametrize(("burndown", "seconds"), [(5.0, 3.0), (1.2, 2.4), (1.0, 2.0), (0.5, 2.0)])
    def test_before_anything_is_answered_half_as_much_again_is_booked_or_as_much_as_a_call_can_cost(
        self, burndown: float, seconds: float
    ) -> None:
        table = FailingTable()
        pacer_on(table, Quota(tokens_per_minute=60_000), burndown=burndown).reserve(0.0, 2_000)
        assert table.last is not None
        assert table.last.tokens_until == approx(LONG_AGO + seconds)

    def test_the_first_answers_that_cost_more_than_reserved_throttle_nobody(self) -> None:
        quota = Quota(tokens_per_minute=40_000)
        scenario = Scenario(workers=12, items=40, quota=quota, tokens=Tokens(500, 3_000, 1_000, 300))
        report = simulate(scenario, pacer=lambda: pacer_on(MemoryTable(), quota))
        assert report.throttles == 0

    def test_calls_that_cost_more_than_reserved_make_the_next_ones_book_more(self) -> None:
        table = FailingTable()
        pacer = pacer_on(table, Quota(tokens_per_minute=60_000))
        pacer.answered(pacer.reserve(0.0, 2_000), 5.0, Usage(1_000, 1_000))  # 6,000
        assert table.last is not None
        assert table.last.tokens_until == approx(LONG_AGO + 3)
        pacer.reserve(10.0, 1_000)
        assert table.last.tokens_until == approx(LONG_AGO + 10 + 3)

    def test_without_a_reservation_nothing_is_learned_from_the_usage(self) -> None:
        table = FailingTable()
        pacer = pacer_on(table, Quota(tokens_per_minute=60_000))
        pacer.answered(pacer.reserve(0.0), 5.0, Usage(1_000, 1_000))
        pacer.reserve(10.0, 1_000)
        assert table.last is not None
        assert table.last.tokens_until == approx(LONG_AGO + 10 + 1.5)

    def test_an_abandoned_and_a_refused_request_cost_no_tokens(self) -> None:
        table = FailingTable()
        pacer = pacer_on(table, Quota(tokens_per_minute=60_000))
        unsent, refused = pacer.reserve(0.0, 20_000), pacer.reserve(0.0, 20_000)
        pacer.abandoned(unsent, 0.0)
        pacer.throttled(refused, 0.0)
        assert table.last is not None
        assert table.last.tokens_until == LONG_AGO


class TestThrottles:
    def test_one_throttle_slows_all_instances(self) -> None:
        table = MemoryTable()
        first, second = pacer_on(table), pacer_on(table)
        assert first.shared_requests_per_minute == approx(60)
        first.throttled(first.reserve(0.0), 0.1)
        assert second.reserve(0.1).wait == approx(1.25)
        assert first.shared_requests_per_minute == approx(48)
        assert second.shared_requests_per_minute == approx(48)

    def test_an_overload_halves_the_pace_of_all(self) -> None:
        table = MemoryTable()
        first, second = pacer_on(table), pacer_on(table)
        first.overloaded(first.reserve(0.0), 0.1)
        second.reserve(0.1)
        assert second.shared_requests_per_minute == approx(30)

    def test_a_reservation_is_closed_once(self) -> None:
        pacer = pacer_on(MemoryTable())
        reservation = pacer.reserve(0.0)
        pacer.answered(reservation, 1.0)
        for close in (pacer.answered, pacer.throttled, pacer.overloaded, pacer.abandoned):
            close(reservation, 2.0)
        assert pacer.shared_requests_per_minute == approx(60)

    def test_without_a_request_quota_there_is_no_pace_to_tell(self) -> None:
        assert pacer_on(MemoryTable(), Quota(tokens_per_minute=1_000)).shared_requests_per_minute is None

    def test_a_throttle_seen_while_another_thread_asks_is_told_with_the_next_booking(self) -> None:
        table = FailingTable()
        pacer = pacer_on(table)
        refused = pacer.reserve(0.0)
        with pacer._asking:  # pyright: ignore[reportPrivateUsage]
            pacer.throttled(refused, 0.1)
        assert table.asked == 1
        assert pacer.reserve(0.2).wait == approx(1.25)


class TestOutage:
    @pytest.fixture
    def table(self) -> FailingTable:
        return FailingTable()

    def test_it_goes_on_alone_says_so_once_and_comes_back(
        self, table: FailingTable, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        alone = RecordingPacer()
        pacer = pacer_on(table, fallback=lambda: alone, instance="blue")
        table.broken = True
        for second in (0.0, 5.0, 10.0, 15.0):
            reservation = pacer.reserve(second, 7)
            assert reservation.wait == 0.0
            pacer.answered(reservation, second)
        assert table.asked == 2  # at 0 and at 10: it is left alone for 10 s
        assert [what for what, _ in alone.told] == ["reserve", "answered"] * 4
        table.broken = False
        pacer.reserve(20.0)
        assert table.asked == 3
        assert [record.getMessage() for record in caplog.records] == [
            "shared pace of model out of reach for instance 'blue', going on at its own pace: no route to the table",
            "shared pace of model is within reach of instance 'blue' again",
        ]
        assert [record.levelno for record in caplog.records] == [logging.WARNING, logging.INFO]

    def test_its_own_pace_is_told_what_becomes_of_its_requests(self, table: FailingTable) -> None:
        alone = RecordingPacer()
        pacer = pacer_on(table, fallback=lambda: alone)
        table.broken = True
        pacer.throttled(pacer.reserve(0.0), 0.1)
        pacer.overloaded(pacer.reserve(0.2), 0.3)
        pacer.abandoned(pacer.reserve(0.4), 0.5)
        assert [what for what, _ in alone.told if what != "reserve"] == ["throttled", "overloaded", "abandoned"]
        assert alone.open == []

    def test_those_that_wait_go_on_alone_as_well(self, table: FailingTable) -> None:
        pacer = pacer_on(table, turn=1.0)
        reservations = [pacer.reserve(0.0) for _ in range(6)]
        table.broken = True
        sent = drain(pacer, reservations, 0.0)
        assert all(at < 10 for at in sent)

    def test_a_throttle_during_the_outage_is_not_told_in_vain(self, table: FailingTable) -> None:
        pacer = pacer_on(table)
        refused = pacer.reserve(0.0)
        table.broken = True
        pacer.reserve(0.1)
        asked = table.asked
        pacer.throttled(refused, 0.2)
        assert table.asked == asked
        table.broken = False
        pacer.reserve(20.0)
        assert pacer.shared_requests_per_minute == approx(48)

    def test_a_throttle_that_finds_the_table_out_of_reach_starts_the_outage(self, table: FailingTable) -> None:
        pacer = pacer_on(table)
        refused = pacer.reserve(0.0)
        table.broken = True
        pacer.throttled(refused, 0.2)
        asked = table.asked
        pacer.reserve(0.3)
        assert table.asked == asked


class TestArguments:
    @pytest.mark.parametrize("name", ["skew", "turn", "retry_after", "burndown"])
    @pytest.mark.parametrize("given", [-1.0, math.inf, math.nan])
    def test_a_number_out_of_range_is_named(self, name: str, given: float) -> None:
        with pytest.raises(ValueError, match=rf"SharedPacer\.{name}: got {given!r}; accepted: a finite number >=? 0"):
            pacer_on(MemoryTable(), QUOTA, **{name: given})

    def test_clocks_may_be_told_to_agree_exactly(self) -> None:
        waits = [pacer.reserve(0.0).wait for pacer in [pacer_on(MemoryTable(), skew=0.0)] for _ in range(3)]
        assert waits == [0.0, 0.0, approx(0.55)]

    def test_a_model_is_needed(self) -> None:
        with pytest.raises(ValueError, match=r"SharedPacer\.model: got ''; accepted: the id of the model"):
            SharedPacer(MemoryTable(), "", QUOTA)

    def test_it_shows_what_it_is_made_of(self) -> None:
        pacer = pacer_on(pacing.DynamoTable("paces", client=object()), instance="blue")
        assert repr(pacer) == f"SharedPacer(DynamoTable('paces'), 'model', {QUOTA!r}, instance='blue')"

    def test_by_default_instances_agree_by_the_clock_of_the_machine(self) -> None:
        table = FailingTable()
        before = wall_clock()
        SharedPacer(table, "model", QUOTA).reserve(0.0)
        assert table.last is not None
        assert before <= table.last.at <= wall_clock()

    def test_the_package_loads_it_when_it_is_asked_for(self) -> None:
        assert pacing.SharedPacer is SharedPacer
        with pytest.raises(AttributeError, match="has no attribute 'Sharing'"):
            pacing.Sharing  # noqa: B018 - that is the point


def test_many_threads_of_several_instances_book_no_place_twice() -> None:
    table = FailingTable()
    quota = Quota(requests_per_minute=600, burst=1)
    pacers = [pacer_on(table, quota) for _ in range(3)]
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
    assert table.last is not None
    assert table.last.granted >= 120


@pytest.mark.parametrize(("per_minute", "most"), [(25, 1.05), (50, 1.06), (100, 1.01)])
def test_three_instances_are_never_throttled_and_lose_no_time(per_minute: float, most: float) -> None:
    quota = Quota(requests_per_minute=per_minute, burst=5)
    scenario = Scenario(instances=3, workers=4, items=50, offset=60, quota=quota, latency=6.5)
    for seed in range(20):
        report = simulate(scenario, pacer=_instances(quota, seed), seed=seed)
        assert report.throttle_rate == 0
        assert report.failure_rate == 0
        assert report.ratio <= most


def test_a_quota_that_is_half_of_what_was_told_is_found_out() -> None:
    scenario = Scenario(instances=3, workers=4, items=200, offset=60, latency=6.5)  # 50 a minute
    told = Quota(requests_per_minute=100, burst=10)
    reports = [simulate(scenario, pacer=_instances(told, seed), seed=seed) for seed in range(5)]
    assert all(report.failure_rate == 0 for report in reports)
    assert all(report.throttle_rate <= 0.05 for report in reports)
    assert all(report.ratio <= 1.15 for report in reports)


def _instances(quota: Quota, seed: int) -> Callable[[], Pacer]:
    table, rng = MemoryTable(), random.Random(seed)

    def new_instance() -> Pacer:
        skew = rng.uniform(0.0, 0.1)
        return SharedPacer(table, "model", quota, wall=lambda now: LONG_AGO + now + skew)

    return new_instance
