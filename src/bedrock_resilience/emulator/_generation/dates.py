"""Dates in a text, as they are written in English and French."""

from __future__ import annotations

import datetime as dt
import re
from typing import Final

_MONTHS: Final = {
    name: number
    for number, names in enumerate(
        (
            ("january", "jan", "janvier"),
            ("february", "feb", "février"),
            ("march", "mar", "mars"),
            ("april", "apr", "avril"),
            ("may", "mai"),
            ("june", "jun", "juin"),
            ("july", "jul", "juillet"),
            ("august", "aug", "août"),
            ("september", "sep", "sept", "septembre"),
            ("october", "oct", "octobre"),
            ("november", "nov", "novembre"),
            ("december", "dec", "décembre"),
        ),
        start=1,
    )
    for name in names
}
_NAME: Final = rf"({'|'.join(sorted(_MONTHS, key=len, reverse=True))})\b\.?"
_DATE: Final = re.compile(
    r"\b(\d{4})-(\d{2})-(\d{2})(?!\d)"  # 2026-05-03
    rf"|\b(\d{{1,2}})(?:st|nd|rd|th|er)?(?: of)? {_NAME},? (\d{{4}})\b"  # 3 May 2026, 1er mai 2026
    rf"|\b{_NAME} (\d{{1,2}})(?:st|nd|rd|th)?,? (\d{{4}})\b",  # May 3, 2026
    re.IGNORECASE,
)


def first_date(text: str) -> str | None:
    """The first valid date in the text, in the form of RFC 3339; None without one."""
    for match in _DATE.finditer(text):
        parts = [part for part in match.groups() if part is not None]
        day, month, year = parts[::-1] if match[1] else parts if match[4] else (parts[1], parts[0], parts[2])
        try:
            return dt.date(int(year), _MONTHS.get(month.lower()) or int(month), int(day)).isoformat()
        except ValueError:
            continue  # the 31st of a month that has 30 days
    return None
