"""WindowReading: windows of a minute, and when they end."""

from __future__ import annotations

import json

import pytest

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
    assert not reading.recovered(33.0, 50.0, consecutive=2)
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
    assert reading.recovered(44.0, 50.0, consecutive=3)
    assert reading.fixed
    assert not reading.recovered(44.0, 50.0, consecutive=3)  # for the first time only


@pytest.mark.parametrize(("level", "row"), [(9.0, 3), (50.0, 2)])
def test_too_little_shows_no_fixed_window(level: float, row: int) -> None:
    reading = WindowReading()
    refuse(reading, 39.0, level=level, row=row)
    assert not reading.recovered(90.0, level, consecutive=row)
    assert reading.phase is None


def test_it_survives_json() -> None:
    reading = WindowReading()
    refuse(reading, 26.0)
    reading.admitted(31.0, 0.0)
    read = WindowReading.from_dict(json.loads(json.dumps(reading.to_dict())))
    assert read.to_dict() == reading.to_dict()
