"""Placeholders become dates in the formats of real feeds, in every locale and encoding."""

from __future__ import annotations

import calendar
import datetime as dt
import email.utils
import locale

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectora_normalize.local.rendering import TemplateError, render

TODAY = dt.date(2026, 3, 14)


def rendered(placeholder: str, today: dt.date = TODAY) -> str:
    return render(placeholder.encode(), today).decode()


@pytest.mark.parametrize(
    ("placeholder", "text"),
    [
        ("{{ date -2d 14:30 rfc822 +0100 }}", "Thu, 12 Mar 2026 14:30:00 +0100"),
        ("{{ date -2d 14:30:05 rfc822 GMT }}", "Thu, 12 Mar 2026 14:30:05 GMT"),
        ("{{ date -2d 14:30 rfc822 EST }}", "Thu, 12 Mar 2026 14:30:00 EST"),
        ("{{ date -2d 14:30 rfc822 Z }}", "Thu, 12 Mar 2026 14:30:00 +0000"),
        ("{{ date -9d rfc822 -03:30 }}", "Thu, 05 Mar 2026 12:00:00 -0330"),
        ("{{ date -2d rfc822 }}", "Thu, 12 Mar 2026 12:00:00 +0000"),
        ("{{ date -2d 14:30 rfc3339 +01:00 }}", "2026-03-12T14:30:00+01:00"),
        ("{{ date -2d 14:30 rfc3339 -0800 }}", "2026-03-12T14:30:00-08:00"),
        ("{{ date -2d 14:30:25.331 rfc3339 Z }}", "2026-03-12T14:30:25.331000Z"),
        ("{{ date -2d rfc3339 PDT }}", "2026-03-12T12:00:00-07:00"),
        ("{{ date -5d iso-date }}", "2026-03-09"),
        ("{{ date -5d day-month }}", "9 March 2026"),
        ("{{ date -5d month-day }}", "March 9, 2026"),
        ("{{date +0d iso-date}}", "2026-03-14"),
        ("{{ date 1d iso-date }}", "2026-03-15"),
        ("<b>{{ date -14d iso-date }}</b> {{ date -74d iso-date }}", "<b>2026-02-28</b> 2025-12-30"),
    ],
)
def test_a_placeholder_becomes_its_date(placeholder: str, text: str) -> None:
    assert rendered(placeholder) == text


def test_months_and_days_keep_their_english_names_under_another_locale() -> None:
    before = locale.setlocale(locale.LC_TIME)
    try:
        locale.setlocale(locale.LC_TIME, "C.UTF-8")
        days = [TODAY + dt.timedelta(days=number) for number in range(366)]
        texts = [rendered("{{ date 0d rfc822 }}|{{ date 0d day-month }}", day) for day in days]
    finally:
        locale.setlocale(locale.LC_TIME, before)
    assert texts == [
        f"{calendar.day_abbr[day.weekday()]}, {day.day:02} {calendar.month_abbr[day.month]} {day.year} 12:00:00 +0000"
        f"|{day.day} {calendar.month_name[day.month]} {day.year}"
        for day in days
    ]


@given(st.dates(dt.date(1971, 1, 1), dt.date(9990, 1, 1)), st.integers(-300, 300), st.times(), st.integers(-23, 23))
def test_both_formats_with_a_zone_give_the_same_instant(day: dt.date, days: int, time: dt.time, hours: int) -> None:
    terms = f"{time:%H:%M:%S}"
    zone = f"{hours:+03d}00"
    mail = email.utils.parsedate_to_datetime(rendered(f"{{{{ date {days}d {terms} rfc822 {zone} }}}}", day))
    iso = dt.datetime.fromisoformat(rendered(f"{{{{ date {days}d {terms} rfc3339 {zone} }}}}", day))
    assert mail == iso
    assert iso.date() == day + dt.timedelta(days=days)


@pytest.mark.parametrize(
    "text",
    ["{{ title }}", "{{ dates }}", "{ date -1d iso-date }", "{{ updated }}", "{% date %}", "", "plain"],
)
def test_other_braces_are_not_changed(text: str) -> None:
    assert rendered(text) == text


def test_bytes_in_any_encoding_are_kept() -> None:
    assert render(b"\xff\xfe \xe9 {{ date -1d iso-date }} \x00\xc3", TODAY) == b"\xff\xfe \xe9 2026-03-13 \x00\xc3"


@pytest.mark.parametrize(
    ("placeholder", "message"),
    [
        ("{{ date }}", "accepted: {{ date -2d"),
        ("{{ date today }}", "got {{ date today }}"),
        ("{{ date -2d }}", "accepted: {{ date -2d"),
        ("{{ date -2 iso-date }}", "accepted: {{ date -2d"),
        ("{{ date -2d iso-date extra words }}", "accepted: {{ date -2d"),
        ("{{ date -2d kanji }}", "accepted formats: rfc822, rfc3339, iso-date, day-month, month-day"),
        ("{{ date -2d rfc822 CET }}", "zone CET is not one of Z, GMT, EST"),
        ("{{ date -2d rfc822 +99:00 }}", "got {{ date -2d rfc822 +99:00 }}"),
        ("{{ date -2d 25:00 rfc822 }}", "hour must be in"),
        ("{{ date -99999d 12:00 rfc822 }}", "got {{ date -99999d 12:00 rfc822 }}"),
    ],
)
def test_an_invalid_placeholder_is_refused_with_what_is_accepted(placeholder: str, message: str) -> None:
    with pytest.raises(TemplateError) as raised:
        rendered(placeholder, dt.date(100, 1, 1))
    assert message in str(raised.value)
