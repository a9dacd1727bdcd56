"""WindowReading: windows of a minute, and when they end."""

from __future__ import annotations

import json

import pytest

from bedrock_resilience.pacing._minute_log import MinuteLog
from bedrock_resilience.pacing._window_reading import WINDOW_SECONDS, WindowReading
from support.approx import approx


def refuse(reading: WindowReading, at: float, level: float = 50.0, oldest: float | None = 0.0, row: int = 1) -> None:
    reading.refused(at, level, level, 1.0, oldest, consecutive=row)


def test_a_sliding_window_that_was_full_admits_no_more_on_top() -> None:
    reading = WindowReading()
    refuse(reading, 26.0)
    reading.admitted(28.0, 50.0)
    assert reading.sliding
    refuse(reading, 36.0)
    reading.admitted(38.0, 51.0)
    assert not reading.sliding


def test_ends_of_a_fixed_window_are_a_minute_apart() -> None:
    reading = WindowReading()
    refuse(reading, 26.0)
    reading.admitted(31.0, 0.0)
    refuse(reading, 85.0)
    reading.admitted(90.0, 0.0)
    assert reading.ends
    refuse(reading, 160.0)
    reading.admitted(162.0, 0.0)
    assert not reading.ends
    assert reading.to_dict()["sliding"] is True
    reading.restart()
    assert reading.ends


def test_both_may_be_eliminated() -> None:
    reading = WindowReading()
    reading.sliding, reading.ends = False, 0
    assert not reading.possible


def test_a_minute_without_an_admission_says_nothing_about_the_end() -> None:
    reading = WindowReading()
    refuse(reading, 26.0)
    before = reading.ends
    reading.admitted(100.0, 0.0)
    assert reading.ends == before


def pause(reading: WindowReading, at: float, row: int, cuts: int = 2, seconds: float = 3.0) -> float:
    refuse(reading, at, row=row)
    return reading.pause(at, seconds, 2.0, consecutive=row, cuts=cuts)


def test_two_probes_then_the_end_of_the_sliding_window() -> None:
    reading = WindowReading()
    refuse(reading, 26.0)
    waits: list[float] = []
    at = 28.0
    for row in (2, 3, 4):
        waits.append(pause(reading, at, row))
        at += waits[-1]
    assert waits[:2] == [approx(11.0), approx(11.0)]
    assert at == approx(61.0)
    assert reading.known


def test_after_the_first_cuts_it_goes_straight_to_the_end() -> None:
    reading = WindowReading()
    refuse(reading, 26.0)
    assert 28.0 + pause(reading, 28.0, 2, cuts=9) == approx(61.0)


def test_after_the_end_of_the_sliding_window_half_of_the_minute_since_the_first_refusal() -> None:
    reading = WindowReading()
    refuse(reading, 26.0)
    assert pause(reading, 61.0, 5) == approx(13.0)
    assert pause(reading, 86.5, 6) == approx(3.0)  # that minute is over: as a bucket would


def test_a_known_phase_is_the_next_probe() -> None:
    reading = WindowReading()
    refuse(reading, 26.0)
    refuse(reading, 28.0, row=2)
    assert not reading.recovered(33.0, 50.0, 50.0, consecutive=2)
    assert reading.phase == 33.0
    refuse(reading, 80.0, oldest=50.0)
    refuse(reading, 82.0, oldest=50.0, row=2)
    assert 82.0 + reading.pause(82.0, 2.0, 2.0, consecutive=2, cuts=9) == approx(93.0)


def test_few_requests_in_the_last_minute_are_no_window() -> None:
    reading = WindowReading()
    refuse(reading, 26.0, level=2.0)
    refuse(reading, 28.0, level=2.0, row=2)
    assert reading.pause(28.0, 3.0, 2.0, consecutive=2, cuts=2) == 3.0
    assert reading.pause(28.0, 300.0, 2.0, consecutive=2, cuts=2) == WINDOW_SECONDS


def test_what_neither_a_bucket_nor_a_sliding_window_does_is_a_fixed_one() -> None:
    reading = WindowReading()
    refuse(reading, 26.0)
    refuse(reading, 28.0, row=2)
    refuse(reading, 39.0, row=3)
    assert reading.recovered(44.0, 50.0, 50.0, consecutive=3)
    assert reading.fixed
    assert not reading.recovered(44.0, 50.0, 50.0, consecutive=3)  # for the first time only


@pytest.mark.parametrize(("level", "row"), [(9.0, 3), (50.0, 2)])
def test_too_little_shows_no_fixed_window(level: float, row: int) -> None:
    reading = WindowReading()
    refuse(reading, 39.0, level=level, row=row)
    assert not reading.recovered(90.0, level, 50.0, consecutive=row)
    assert reading.phase is None


def test_it_survives_json() -> None:
    reading = WindowReading()
    refuse(reading, 26.0)
    reading.admitted(31.0, 0.0)
    read = WindowReading.from_dict(json.loads(json.dumps(reading.to_dict())), tokens=False)
    assert read.to_dict() == reading.to_dict()


def refused_for_long(*, tokens: bool = False) -> WindowReading:
    """After fifty requests in a minute, three refusals in a row for twenty seconds, and one that was admitted."""
    reading = WindowReading(tokens=tokens)
    refuse(reading, 26.0)
    refuse(reading, 28.0, row=2)
    refuse(reading, 46.0, row=3)
    reading.recovered(61.0, 50.0, 50.0, consecutive=3)
    return reading


def test_a_bucket_that_refused_for_long_cannot_admit_many_soon() -> None:
    reading = refused_for_long()
    assert reading.slowest == approx(1 / 20)
    assert not reading.contradicts_bucket(64.0, 53.0)  # a permit every twenty seconds, and three may not be answered
    assert reading.contradicts_bucket(64.0, 54.0)
    assert not reading.contradicts_bucket(130.0, 54.0)
    assert reading.contradicts_bucket(200.0, 72.0)  # a third more, over many requests


def test_where_windows_are_eliminated_nothing_contradicts_a_bucket() -> None:
    reading = refused_for_long()
    reading.sliding, reading.ends = False, 0
    assert not reading.contradicts_bucket(64.0, 54.0)


def test_fewer_requests_of_tokens_contradict_a_bucket() -> None:
    assert refused_for_long(tokens=True).contradicts_bucket(64.0, 53.0)


def test_more_than_the_window_is_tried_the_longer_nothing_was_refused() -> None:
    reading, tokens = WindowReading(), WindowReading(tokens=True)
    reading.limit = tokens.limit = 50.0
    assert [reading.limit_at(minutes * 60.0) for minutes in (0, 1.5, 2.5)] == [50.0, 50.0, approx(51.0)]
    assert tokens.limit_at(240.0) == 50.0
    assert reading.limit_at(600.0) > 100


def test_a_sliding_window_is_free_when_its_oldest_requests_leave_it() -> None:
    reading, log = WindowReading(), MinuteLog()
    reading.limit = 10.0
    for second in range(10):
        log.add(second + 0.5, 1.0)
    assert reading.free_at(20.0, 1.0, log) == approx(61.3)
    assert reading.free_at(20.0, 3.0, log) == approx(63.3)
    assert reading.free_at(80.0, 3.0, log) == 80.0
    assert reading.free_at(20.0, 99.0, log) == approx(70.3)  # more than a window: alone


def test_a_fixed_window_is_free_at_its_end() -> None:
    reading, log = WindowReading(), MinuteLog()
    reading.limit, reading.phase, reading.sliding = 10.0, 33.0, False
    for second in range(10):
        log.add(second + 0.5, 1.0)
    assert reading.free_at(20.0, 1.0, log) == 33.0
    assert reading.seconds(40.0) == 7.0
    for second in range(34, 44):
        log.add(second + 0.5, 1.0)
    assert reading.free_at(50.0, 1.0, log) == 93.0


def test_few_requests_or_an_eliminated_reading_make_no_window_likely() -> None:
    likely: list[bool] = []
    for level, sliding in ((50.0, True), (9.0, True), (50.0, False)):
        reading = WindowReading()
        assert not reading.likely
        refuse(reading, 26.0, level=level)
        if not sliding:
            reading.sliding, reading.ends = False, 0
        likely.append(reading.likely)
    assert likely == [True, False, False]


@pytest.mark.parametrize(("first", "last", "full"), [(50.0, 46.0, False), (50.0, 45.0, True)])
def test_a_level_that_fell_by_more_than_two_requests_hides_no_window(first: float, last: float, *, full: bool) -> None:
    reading = WindowReading()
    reading.refused(26.0, first, first, 2.0, None, consecutive=1)
    reading.refused(39.0, last, last, 2.0, None, consecutive=3)
    assert reading.recovered(44.0, 10.0, 50.0, consecutive=3) == full


def test_a_bucket_of_exactly_a_quarter_of_the_rate_is_not_contradicted_soon() -> None:
    reading = WindowReading()
    reading.refused(0.0, 60.0, 60.0, 1.0, None, consecutive=1)
    reading.refused(4.0, 60.0, 60.0, 1.0, None, consecutive=2)
    reading.recovered(5.0, 60.0, 0.0, consecutive=2)
    assert reading.slowest == 0.25
    assert not reading.contradicts_bucket(5.0, 8.0)
    assert not reading.contradicts_bucket(80.0, 26.0)  # 1.3 times what it can have refilled
    assert reading.contradicts_bucket(80.0, 27.0)
    reading.slowest = 0.2421875
    assert reading.contradicts_bucket(5.0, 8.0)
