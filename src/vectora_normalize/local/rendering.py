"""Dates in a source's file that follow the day of the run.

A feed saved to a file grows old, and a window of seven days finds nothing in it any more. So a file may hold
placeholders in place of its dates:

    {{ date DAYSd [HH:MM[:SS[.fraction]]] FORMAT [ZONE] }}

`DAYS` counts from the day of the run (`-2d`: two days before it); the time is the clock of `ZONE`, noon where none is
given; `ZONE` is `Z` (the default), `GMT`, an American zone name as in RFC 822, or an offset such as `+09:00`.

| format | gives |
|---|---|
| `rfc822` | Thu, 12 Mar 2026 14:30:00 +0100 |
| `rfc3339` | 2026-03-12T14:30:00+01:00 |
| `iso-date` | 2026-03-12 |
| `day-month` | 12 March 2026 |
| `month-day` | March 12, 2026 |

Other text between double braces is left alone: saved pages hold templates of their own. The file is treated as bytes,
whatever its encoding, so that what is broken in it stays broken.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_PLACEHOLDER: Final = re.compile(rb"\{\{\s*date\b(?P<terms>[^{}]*)\}\}")
_TERMS: Final = re.compile(
    r"(?P<days>[+-]?\d{1,5})d"
    r"(?:\s+(?P<time>\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?))?"
    r"\s+(?P<format>[a-z][a-z0-9-]+)"
    r"(?:\s+(?P<zone>[A-Z]{1,3}|[+-]\d\d:?\d\d))?"
)
_ACCEPTED: Final = "{{ date -2d 14:30 rfc822 +0100 }}; time and zone may be left out"

# Not strftime: its names of days and months follow the locale of the machine.
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
# RFC 822, section 5.1, gives these zones names; real feeds still use them.
_AMERICAN: Final = {"EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7}
_ZONES: Final = {"Z": 0, "GMT": 0, **_AMERICAN}


class TemplateError(ValueError):
    """A placeholder that cannot be read: which one, and what is accepted."""


def render(template: bytes, today: dt.date) -> bytes:
    """The file with each placeholder replaced by its date.

    Args:
        template: Content of the file, in an encoding that contains ASCII.
        today: Day that the placeholders count from.

    Raises:
        TemplateError: A placeholder names no day, format or zone that is known.
    """
    return _PLACEHOLDER.sub(lambda found: _rendered(found, today), template)


def _rendered(found: re.Match[bytes], today: dt.date) -> bytes:
    shown = found[0].decode("ascii", errors="replace")
    terms = _TERMS.fullmatch(found["terms"].decode("ascii", errors="replace").strip())
    if terms is None:
        raise TemplateError(f"placeholder: got {shown}; accepted: {_ACCEPTED}")
    formatted = _FORMATS.get(terms["format"])
    if formatted is None:
        raise TemplateError(f"placeholder: got {shown}; accepted formats: {', '.join(_FORMATS)}")
    zone = terms["zone"] or "Z"
    try:
        day = today + dt.timedelta(days=int(terms["days"]))
        time = dt.time.fromisoformat(terms["time"] or "12:00")
        return formatted(dt.datetime.combine(day, time, _offset(zone)), zone).encode("ascii")
    except (ValueError, OverflowError) as error:
        raise TemplateError(f"placeholder: got {shown}: {error}; accepted: {_ACCEPTED}") from None


def _offset(zone: str) -> dt.timezone:
    if zone[0] in "+-":
        minutes = int(zone[1:3]) * 60 + int(zone[-2:])
        return dt.timezone(dt.timedelta(minutes=-minutes if zone[0] == "-" else minutes))
    if zone not in _ZONES:
        raise ValueError(f"zone {zone} is none of {', '.join(_ZONES)} and no offset such as +01:00")
    return dt.timezone(dt.timedelta(hours=_ZONES[zone]))


def _rfc822(instant: dt.datetime, zone: str) -> str:
    written = zone.replace(":", "") if zone[0] in "+-" else zone.replace("Z", "+0000")
    day, month = _DAYS[instant.weekday()], _MONTHS[instant.month - 1][:3]
    return f"{day}, {instant.day:02} {month} {instant.year:04} {instant:%H:%M:%S} {written}"


def _rfc3339(instant: dt.datetime, zone: str) -> str:
    written = instant.isoformat()
    return written.replace("+00:00", "Z") if zone in {"Z", "GMT"} else written


def _iso_date(instant: dt.datetime, _zone: str) -> str:
    return instant.date().isoformat()


def _day_month(instant: dt.datetime, _zone: str) -> str:
    return f"{instant.day} {_MONTHS[instant.month - 1]} {instant.year}"


def _month_day(instant: dt.datetime, _zone: str) -> str:
    return f"{_MONTHS[instant.month - 1]} {instant.day}, {instant.year}"


_FORMATS: Final[dict[str, Callable[[dt.datetime, str], str]]] = {
    "rfc822": _rfc822,
    "rfc3339": _rfc3339,
    "iso-date": _iso_date,
    "day-month": _day_month,
    "month-day": _month_day,
}
