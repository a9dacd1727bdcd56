"""Dates are read in many formats and languages, and never guessed."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.stopwatch import Stopwatch
from vectora_normalize.sources.parse.dates import find_date, locate_date, writes_day_first

NOV_21 = dt.date(2026, 11, 21)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-21",
        "2026-11-21T10:00:00Z",
        "2026-11-21T10:00:00.123456789+01:00",
        "2026-11-21 10:00",
        "2026-11-21T24:00:00",
        "2026/11/21",
        "2026.11.21",
        "2026. 11. 21.",
        "20261121",
        "20261121T101010Z",
        "2026年11月21日",
        "2026년 11월 21일",
        "21 November 2026",
        "21st of November, 2026",
        "21. November 2026",
        "21-Nov-2026",
        "21/Nov/2026",
        "November 21, 2026",
        "NOVEMBER 21st 2026",
        "Nov. 21, 2026 at 5:30 PM",
        "Nov 21 2026",
        "December 9, 2025December November".replace("December 9, 2025December November", "Nov 21, 2026November"),
        "Sat, 21 Nov 2026 10:00:00 GMT",
        "Sat, 21 Nov 26 10:00:00 +0000",
        "Sat Nov 21 10:00:00 2026",
        "Sat Nov 21 10:00:00 CET 2026",
        "21/11/2026",
        "21.11.2026",
        "21-11-2026",
        "11/21/2026",
        "21 novembre 2026",
        "21 de noviembre de 2026",
        "21 de novembro de 2026",
        "21 marraskuuta 2026",
        "Stockholm, 21 november 2026 \u2013 Camurus",
        "Published: 2026-11-21 by someone",
        "not 2026-13-45 but 2026-11-21",
        "part 1-800-555 of 21 Nov 2026",
    ],
)
def test_the_twenty_first_of_november(text: str) -> None:
    assert find_date(text) == NOV_21


@pytest.mark.parametrize(
    ("text", "month"),
    [
        ("1 janvier 2026", 1), ("1er février 2026", 2), ("2 märz 2026", 3), ("3. März 2026", 3), ("1 avril 2026", 4),
        ("4 maj 2026", 5), ("5 kesäkuuta 2026", 6), ("6 luglio 2026", 7), ("7 août 2026", 8), ("8 sept. 2026", 9),
        ("9 Oktober 2026", 10), ("10 lokakuuta 2026", 10), ("11 décembre 2026", 12), ("12 Dez 2026", 12),
        ("3 mars 2026", 3), ("1 heinäkuuta 2026", 7), ("4 ago 2026", 8), ("4 set 2026", 9), ("9 okt. 2026", 10),
    ],
)  # fmt: skip
def test_names_of_months_in_many_languages(text: str, month: int) -> None:
    found = find_date(text)
    assert found is not None
    assert found.month == month


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("2026-11-21T23:30:00-05:00", dt.date(2026, 11, 22)),
        ("2026-11-21T00:30:00+0200", dt.date(2026, 11, 20)),
        ("Sat, 21 Nov 2026 22:00:00 EST", dt.date(2026, 11, 22)),
        ("Sat, 21 Nov 2026 03:00:00 KST", dt.date(2026, 11, 20)),
        ("Sat, 21 Nov 2026 23:00:00 XYZ", NOV_21),
        ("Sat, 21 Nov 2026 23:00:00 +9900", NOV_21),
        ("2026-11-21 23:59", NOV_21),
    ],
)
def test_a_time_with_an_offset_is_converted_to_utc(text: str, date: dt.date) -> None:
    assert find_date(text) == date


@pytest.mark.parametrize(
    "text",
    [
        "", "no date", "5", "2026", "November 2026", "21 November", "31 February 2026", "2026-02-30", "00/00/2026",
        "21 Nowember 2026", "1985-01-01", "2150-01-01", "1-800-555-2026", "12345678901", "99999999", "10.1000/182",
        "May 5", "3.14159", "192.168.1.1", "13/13/2026", "2026-11-211",
    ],
)  # fmt: skip
def test_other_text_has_no_date(text: str) -> None:
    assert find_date(text) is None


def test_the_first_of_several_dates_is_returned() -> None:
    assert locate_date("On 5 May 2026, not 2026-01-01") == (dt.date(2026, 5, 5), 3, 13)
    assert locate_date("On 2026-01-01, not 5 May 2026") == (dt.date(2026, 1, 1), 3, 13)


def test_day_first_matters_only_for_ambiguous_dates() -> None:
    assert find_date("05/06/2026") == dt.date(2026, 6, 5)
    assert find_date("05/06/2026", day_first=False) == dt.date(2026, 5, 6)
    assert find_date("21/06/2026", day_first=False) == dt.date(2026, 6, 21)
    assert find_date("06/21/2026", day_first=True) == dt.date(2026, 6, 21)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("05/06/2026 and 21/06/2026", True),
        ("05/06/2026 and 06/21/2026", False),
        ("05/06/2026", None),
        ("25/26/2026 then 05.13.2026", False),
        ("", None),
    ],
)
def test_one_unambiguous_date_determines_the_order(text: str, *, answer: bool | None) -> None:
    assert writes_day_first(text) is answer


def test_only_the_beginning_of_a_text_is_searched() -> None:
    assert find_date(" " * 2_000 + "2026-11-21") is None


@given(st.dates(dt.date(1990, 1, 1), dt.date(2099, 12, 31)))
def test_every_day_is_read_in_every_format(day: dt.date) -> None:
    for form in ("%Y-%m-%d", "%d %B %Y", "%B %d, %Y", "%d.%m.%Y", "%a, %d %b %Y 12:00:00 +0000", "%Y%m%d", "%c"):
        assert find_date(day.strftime(form)) == day


@given(st.text(alphabet="0123456789-/. :TZ+janovm年", max_size=80))
def test_any_text_is_accepted(text: str) -> None:
    found = locate_date(text)
    if found:
        assert 0 <= found[1] < found[2] <= len(text)


@pytest.mark.parametrize("unit", ["1", "1 ", "12 a", "1 jan ", "1/", "1.1.", "2026-1", "12:30 ", "jan 1 ", "2026. "])
def test_time_is_bounded_whatever_is_repeated(unit: str) -> None:
    watch = Stopwatch()
    find_date(unit * 100_000)
    assert watch.seconds < 0.5
