"""The days of a run's items: those before today, or exactly those that are given."""

from __future__ import annotations

import datetime as dt

from support.ingestion import TODAY, WEEK
from vectora_normalize.sources.window import Window


def test_a_window_of_the_last_days_has_one_day_more_for_other_time_zones() -> None:
    assert Window(dt.date(2026, 11, 14), TODAY, future_days=1) == WEEK
    days = [TODAY + dt.timedelta(days=offset) for offset in (-8, -7, 0, 1, 2)]
    assert [WEEK.contains(day) for day in days] == [False, True, True, True, False]


def test_a_window_of_given_dates_is_exact() -> None:
    window = Window(TODAY, TODAY)
    assert [window.contains(TODAY + dt.timedelta(days=offset)) for offset in (-1, 0, 1)] == [False, True, False]
