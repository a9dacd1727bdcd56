"""Replaces the date placeholders in the files of a local run with dates relative to the day of the run.

After a week, the dates in a saved feed are outside a window of seven days. A file may therefore contain placeholders:

    {{ date DAYSd [HH:MM[:SS[.fraction]]] FORMAT [ZONE] }}

``DAYS`` is relative to the day of the run (``-2d``: two days before it). The time is in the zone ``ZONE``, and noon by
default. ``ZONE`` is ``Z`` (the default), ``GMT``, an American zone name as in RFC 822, or an offset such as ``+09:00``.

| format | result |
|---|---|
| ``rfc822`` | Thu, 12 Mar 2026 14:30:00 +0100 |
| ``rfc3339`` | 2026-03-12T14:30:00+01:00 |
| ``iso-date`` | 2026-03-12 |
| ``day-month`` | 12 March 2026 |
| ``month-day`` | March 12, 2026 |

Other text between double braces is not changed, because saved pages contain templates of their own. The file is
processed as bytes, so that an invalid encoding stays as it is.
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
# RFC 822, section 5.1, names these zones; real feeds still use them.
_AMERICAN: Final = {"EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7}
_ZONES: Final = {"Z": 0, "GMT": 0, **_AMERICAN}


class TemplateError(ValueError):
    """An invalid placeholder; the text says which one, and what is accepted."""


def render(template: bytes, today: dt.date) -> bytes:
    """Return the content of a file with each placeholder replaced by its date.

    Args:
        template: The content of the file, in an encoding that is a superset of ASCII.
        today: The day to which the placeholders are relative.

    Raises:
        TemplateError: A placeholder has an invalid day, time, format or zone.
    """
    return _PLACEHOLDER.sub(lambda match: _render_placeholder(match, today), template)


def _render_placeholder(match: re.Match[bytes], today: dt.date) -> bytes:
    placeholder = match[0].decode("ascii", errors="replace")
    terms = _TERMS.fullmatch(match["terms"].decode("ascii", errors="replace").strip())
    if terms is None:
        raise TemplateError(f"placeholder: got {placeholder}; accepted: {_ACCEPTED}")
    format_date = _FORMATS.get(terms["format"])
    if format_date is None:
        raise TemplateError(f"placeholder: got {placeholder}; accepted formats: {', '.join(_FORMATS)}")
    zone = terms["zone"] or "Z"
    try:
        day = today + dt.timedelta(days=int(terms["days"]))
        time = dt.time.fromisoformat(terms["time"] or "12:00")
        return format_date(dt.datetime.combine(day, time, _offset(zone)), zone).encode("ascii")
    except (ValueError, OverflowError) as error:
        raise TemplateError(f"placeholder: got {placeholder}: {error}; accepted: {_ACCEPTED}") from None


def _offset(zone: str) -> dt.timezone:
    if zone[0] in "+-":
        minutes = int(zone[1:3]) * 60 + int(zone[-2:])
        return dt.timezone(dt.timedelta(minutes=-minutes if zone[0] == "-" else minutes))
    if zone not in _ZONES:
        raise ValueError(f"zone {zone} is not one of {', '.join(_ZONES)} or an offset such as +01:00")
    return dt.timezone(dt.timedelta(hours=_ZONES[zone]))


def _rfc822(instant: dt.datetime, zone: str) -> str:
    offset = zone.replace(":", "") if zone[0] in "+-" else zone.replace("Z", "+0000")
    day, month = _DAYS[instant.weekday()], _MONTHS[instant.month - 1][:3]
    return f"{day}, {instant.day:02} {month} {instant.year:04} {instant:%H:%M:%S} {offset}"


def _rfc3339(instant: dt.datetime, zone: str) -> str:
    text = instant.isoformat()
    return text.replace("+00:00", "Z") if zone in {"Z", "GMT"} else text


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
