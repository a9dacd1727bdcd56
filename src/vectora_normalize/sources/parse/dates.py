"""Dates in text, in the formats of many languages and standards, as days in UTC.

A date with a time and an offset is converted to UTC, so that the window begins and ends at the same instant for all
sources; any other date is used as it is. Years outside 1990 to 2100 are typing errors or part numbers, not dates.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from typing import Final

_MAX_TEXT_LENGTH: Final = 2_000  # characters of a text that are searched
_FIRST_YEAR: Final = 1990
_LAST_YEAR: Final = 2100
_MONTHS_IN_A_YEAR: Final = 12

# English, French, German, Spanish, Italian, Portuguese, Dutch, Swedish, Danish and Norwegian, Finnish; without accents.
_MONTH_NAMES: Final = (
    "january jan janvier janv januar janner enero ene gennaio gen janeiro januari tammikuu tammikuuta",
    "february feb fevrier fevr februar febrero febbraio fevereiro fev februari helmikuu helmikuuta",
    "march mar mars marz marzo marco mrt maart marts maaliskuu maaliskuuta mrz",
    "april apr avril avr abril abr aprile huhtikuu huhtikuuta",
    "may mai mayo maggio mag maio mei maj toukokuu toukokuuta",
    "june jun juin juni junio giugno giu junho kesakuu kesakuuta",
    "july jul juillet juil juli julio luglio lug julho heinakuu heinakuuta",
    "august aug aout agosto ago augustus augusti elokuu elokuuta",
    "september sep sept septembre septiembre settembre set setembro syyskuu syyskuuta",
    "october oct octobre oktober okt octubre ottobre ott outubro out lokakuu lokakuuta",
    "november nov novembre noviembre novembro marraskuu marraskuuta",
    "december dec decembre dezember dez diciembre dic dicembre dezembro desember des joulukuu joulukuuta",
)
_MONTHS: Final = {name: number for number, names in enumerate(_MONTH_NAMES, 1) for name in names.split()}
# Offset from UTC in hours: the zones of RFC 822, and those of the countries of the sources. All others count as UTC.
_ZONES: Final = {
    "est": -5,
    "edt": -4,
    "cst": -6,
    "cdt": -5,
    "mst": -7,
    "mdt": -6,
    "pst": -8,
    "pdt": -7,
    "bst": 1,
    "cet": 1,
    "cest": 2,
    "eet": 2,
    "eest": 3,
    "jst": 9,
    "kst": 9,
}

_TIME = (
    r"(?:(?:[T\s]|,?\s+(?:at\s+)?)(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::\d{2}(?:[.,]\d{1,9})?)?"
    r"\s{0,2}(?P<zone>[+-]\d{2}:?\d{2}(?!\d)|[A-Z]{1,4}\b)?)?"
)
_MONTH = r"(?P<name>[^\W\d_]{3,14})\.?"
_ORDINAL = r"(?:st|nd|rd|th|er|[.\u00ba])?"
_DAY_MONTH = rf"(?<!\d)(?P<day>\d{{1,2}}){_ORDINAL}(?:\s+|-|/)(?:de\s+|of\s+)?{_MONTH}(?:,?\s+|-|/)(?:de\s+)?"
# RFC 822 wrote two digits, before RFC 1123 made them four; a time follows them.
_FULL_OR_SHORT_YEAR = r"(?:(?P<year>\d{4})(?!\d)|(?P<short>\d{2})(?=\s\d{1,2}:\d{2}))"
_PATTERNS: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?<!\d)(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})(?!\d)" + _TIME,
        r"(?<!\d)(?P<year>\d{4})(?:/|\.\s?)(?P<month>\d{1,2})(?:/|\.\s?)(?P<day>\d{1,2})(?!\d)",
        r"(?<!\d)(?P<year>\d{4})\s?[\u5e74\ub144]\s?(?P<month>\d{1,2})\s?[\u6708\uc6d4]\s?(?P<day>\d{1,2})\s?[\u65e5\uc77c]",
        _DAY_MONTH + _FULL_OR_SHORT_YEAR + _TIME,
        rf"{_MONTH}\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<year>\d{{4}})(?!\d)" + _TIME,
        r"(?<!\d)(?P<first>\d{1,2})(?P<mark>[./-])(?P<second>\d{1,2})(?P=mark)(?P<year>\d{4})(?!\d)",
        r"\A\s*(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})(?:T\d{4,6}Z?)?\s*\Z",
        # asctime, and what some feeds print: Sat Nov 21 10:00:00 2026
        rf"{_MONTH}\s+(?P<day>\d{{1,2}})\s+\d{{1,2}}:\d{{2}}:\d{{2}}\s+(?:[A-Z]{{2,4}}\s+)?(?P<year>\d{{4}})(?!\d)",
    )
)
_NUMERIC: Final = _PATTERNS[5]


def find_date(text: str, *, day_first: bool = True) -> dt.date | None:
    """Return the first date in a text; None if there is none.

    Args:
        text: The text; its first 2,000 characters are searched.
        day_first: Whether 05/06/2026 is in June. It matters only if both numbers could be a month.
    """
    located = locate_date(text, day_first=day_first)
    return located[0] if located else None


def locate_date(text: str, *, day_first: bool = True) -> tuple[dt.date, int, int] | None:
    """Return the first date in a text with its start and end index; see ``find_date``."""
    text = text[:_MAX_TEXT_LENGTH]
    if not any(character.isdigit() for character in text):
        return None
    best: tuple[dt.date, int, int] | None = None
    for pattern in _PATTERNS:
        for match in pattern.finditer(text):
            if best is not None and match.start() >= best[1]:
                break
            if (date := _date_of(match, day_first=day_first)) is not None:
                best = date, match.start(), match.end()
                break
    return best


def writes_day_first(text: str) -> bool | None:
    """Return whether the numeric dates of a text have the day before the month; None if all of them are ambiguous.

    One 21/11/2026 on a page determines the meaning of every 05/06/2026 on it.
    """
    for match in _NUMERIC.finditer(text):
        first, second = int(match["first"]), int(match["second"])
        if (first > _MONTHS_IN_A_YEAR) != (second > _MONTHS_IN_A_YEAR):
            return first > _MONTHS_IN_A_YEAR
    return None


def _date_of(match: re.Match[str], *, day_first: bool) -> dt.date | None:
    """Return the date of a match; None if there is no such day, for example a 31st of June."""

    def part(name: str) -> str:
        return groups.get(name) or ""

    groups = match.groupdict()
    year = int(part("year") or f"20{part('short')}")
    if part("first"):
        day, month = int(part("first")), int(part("second"))
        if month > _MONTHS_IN_A_YEAR or (not day_first and day <= _MONTHS_IN_A_YEAR):
            day, month = month, day
    else:
        day = int(part("day"))
        month = int(part("month") or _MONTHS.get(_fold(part("name")), 0))
    try:
        date = dt.date(year, month, day)
    except ValueError:
        return None
    if not _FIRST_YEAR <= date.year <= _LAST_YEAR:
        return None
    return _in_utc(date, int(part("hour")), int(part("minute")), part("zone")) if part("hour") else date


def _in_utc(date: dt.date, hour: int, minute: int, zone: str) -> dt.date:
    """Return the day in UTC; the day itself if the time is invalid, for example 24:00."""
    try:
        return dt.datetime.combine(date, dt.time(hour, minute, tzinfo=_zone(zone))).astimezone(dt.UTC).date()
    except ValueError:
        return date


def _zone(text: str) -> dt.tzinfo:
    """Return the zone of an offset or a name; UTC if it is unknown or missing."""
    if text[:1] in {"+", "-"}:
        hours, minutes = int(text[1:3]), int(text[-2:])
        offset = dt.timedelta(hours=hours, minutes=minutes)
        return dt.timezone(-offset if text[0] == "-" else offset)
    return dt.timezone(dt.timedelta(hours=_ZONES.get(text.lower(), 0)))


def _fold(name: str) -> str:
    """Return the name of a month in lower case and without accents."""
    return "".join(c for c in unicodedata.normalize("NFKD", name.lower()) if not unicodedata.combining(c))
