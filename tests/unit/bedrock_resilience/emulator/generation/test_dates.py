"""Dates are read as people write them."""

from __future__ import annotations

import pytest

from bedrock_resilience.emulator._generation.dates import first_date


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("On 2026-05-03 or 2027-01-01.", "2026-05-03"),
        ("At 2026-05-03T10:00:00Z.", "2026-05-03"),
        ("Approved on 3 May 2026 in Europe.", "2026-05-03"),
        ("Approved on 3rd of May, 2026.", "2026-05-03"),
        ("PARIS, May 3, 2026 - Results", "2026-05-03"),
        ("Sept. 12th 2026", "2026-09-12"),
        ("Le 1er août 2026", "2026-08-01"),
        ("31 June 2026, then 1 July 2026", "2026-07-01"),
        ("2026-13-40", None),
        ("In May 2026, 3 companies", None),
        ("", None),
    ],
)
def test_the_first_date_of_the_calendar_is_found(text: str, date: str | None) -> None:
    assert first_date(text) == date
