"""The days of a run's items."""

from __future__ import annotations

import datetime as dt
from typing import Final

import msgspec

FUTURE_DAYS: Final = 1
"""Days after the day of the run on which an item may be dated: in other time zones it may already be tomorrow."""


class Window(msgspec.Struct, frozen=True):
    """The days of a run's items.

    Args:
        from_date: First day.
        to_date: Last day, included.
        future_days: Days after the last one that are accepted as well.
    """

    from_date: dt.date
    to_date: dt.date
    future_days: int = 0

    @classmethod
    def last_days(cls, today: dt.date, period_days: int) -> Window:
        """Return the window from ``period_days`` before today to today, and a day more for other time zones."""
        return cls(today - dt.timedelta(days=period_days), today, future_days=FUTURE_DAYS)

    def contains(self, day: dt.date) -> bool:
        """Return whether a day is in the window."""
        return self.from_date <= day <= self.to_date + dt.timedelta(days=self.future_days)
