"""``BookedLimit``: one limit of a quota that was given, as all instances book it.

It is to ``SharedPacer`` what ``PacedLimit`` is to ``QuotaPacer``: a token bucket until the service refuses a request,
and then without a burst, and with no more in any minute than the quota. Its state is small enough to be shared: when
all of it that is booked is refilled, what the last minute contained second by second, and when it refused.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from bedrock_resilience.pacing._minute_log import MinuteLog
from bedrock_resilience.quotas._quota_limit import SECONDS_A_DAY

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_AHEAD_SECONDS: Final = 900.0
"""Longest time that a request may be booked ahead: no Lambda runs longer. A request that would have to wait longer is
booked later."""
MAX_CLOCK_SKEW_SECONDS: Final = 3_600.0
"""An instant further ahead cannot have been booked by a clock that was right. AWS itself refuses requests whose
signature is some minutes off."""
_MAX_LOG_AHEAD_SECONDS: Final = MAX_AHEAD_SECONDS + 60.0
"""Nor can a request that lies further ahead: instances follow the clock that is ahead."""
_EVEN_SECONDS: Final = SECONDS_A_DAY
"""Seconds after a refusal without a burst. Later it is tried again: another caller may have caused the refusal."""


class RateLimit(NamedTuple):
    """A limit as time.

    Attributes:
        interval: Seconds in which the quota refills one unit (a request, a token); 0 if nothing is limited.
        burst_seconds: Seconds that may be used in advance: what the bucket contains, less the tolerances.
        per_minute: What the quota allows in a minute; None for a limit of another time, whose refusals change nothing.
        even_interval: ``interval`` without a burst.
        minute_seconds: A minute and the tolerances: what is sent within a minute was booked within this time.
    """

    interval: float
    burst_seconds: float
    per_minute: float | None = None
    even_interval: float = 0.0
    minute_seconds: float = 0.0


UNLIMITED: Final = RateLimit(0.0, math.inf)


class BookedLimit:
    """One limit, read from a shared state, changed, and stored again. Instants are seconds of the shared clock.

    Args:
        limit: The limit of the quota.
        free_at: The end of what is booked.
        state: What ``to_dict`` returned; empty if nothing is stored.
        factor: The present rate over that of the quota.
        now: The present time.

    Attributes:
        free_at: The end of what is booked.
        interval: Seconds in which one unit is refilled at the rate of the quota.
        burst_seconds: Seconds that may be used in advance.
        changed_at: When a refusal was found last that the readings of a minute explain, or that lowered the rate; 0 if
            there was none, so that the limit has its burst.
    """

    __slots__ = ("_factor", "_largest", "_limit", "_log", "burst_seconds", "changed_at", "free_at", "interval")

    def __init__(self, limit: RateLimit, free_at: float, state: Mapping[str, Any], factor: float, now: float) -> None:
        self._limit = limit
        self._factor = factor
        self._largest = float(state.get("largest", 0.0))
        changed_at = float(state.get("changed_at", 0.0))
        self.changed_at: float = changed_at if abs(now - changed_at) < _EVEN_SECONDS else 0.0
        # An instance whose clock was hours ahead must not stop all others for hours.
        self._log = MinuteLog([entry for entry in state.get("log", ()) if entry[0] <= now + _MAX_LOG_AHEAD_SECONDS])
        self.interval: float = limit.interval
        self.burst_seconds: float = limit.burst_seconds
        self._limit_burst(0.0)
        latest = now + self.burst_seconds
        self.free_at: float = latest if free_at > latest + MAX_CLOCK_SKEW_SECONDS else free_at

    @property
    def even(self) -> bool:
        """Whether it has no burst."""
        return self.changed_at > 0

    def slot(self, at: float, amount: float) -> float:
        """Return the first time from ``at`` on at which an amount may be sent, behind everything that is booked."""
        amount = self._claimed(amount)
        burst_seconds = self.burst_seconds
        self._limit_burst(amount)
        if self.even:
            self.free_at += self.burst_seconds - burst_seconds  # a larger bucket contains no more for that
        at = max(at, self.free_at + self._seconds(amount) - self.burst_seconds)
        if self.even and self._limit.per_minute is not None:
            at = self._log.free_at(at, max(0.0, self._limit.per_minute - amount), self._limit.minute_seconds)
        return at

    def book(self, slot: float, amount: float) -> None:
        """Book an amount at a slot that no limit excludes."""
        amount = self._claimed(amount)
        self.free_at = max(self.free_at, slot) + self._seconds(amount)
        self.correct(slot, amount)

    def correct(self, at: float, amount: float) -> None:
        """Add to what was sent at a time; a negative amount takes away."""
        if self._limit.per_minute is not None:
            self._log.add(at, amount)

    def refund(self, amount: float, now: float) -> None:
        """Return an amount that was booked and not used; a negative one where a call cost more than it had booked."""
        # What is returned to a full bucket overflows, so nothing is freed before now.
        self.free_at = max(self.free_at - self._seconds(amount), min(self.free_at, now))

    def refused(self, sent_at: float, amount: float, now: float, *, rebooked: bool) -> bool:
        """Take into account that the limit refused a request.

        Args:
            sent_at: When it was sent.
            amount: What it had booked.
            now: The present time.
            rebooked: Whether what was booked at the same time is booked anew since.

        Returns:
            Whether that explains the refusal. If not, the quota is smaller than given, or another caller uses it.
        """
        if self._limit.per_minute is None:
            return False
        amount = self._claimed(amount)
        self._log.add(sent_at, -amount)
        had_burst = not self.even
        late = not had_burst and (rebooked or sent_at < self.changed_at)
        if not late:
            self.changed_at = now
            self._limit_burst(amount)
        # What was sent after the refused request is probably refused, too.
        admitted = max(0.0, self._limit.per_minute - amount + self._log.after(sent_at))
        explained = had_burst or late
        empty_at = self._log.free_at(now, admitted, self._limit.minute_seconds) if explained else now
        free_at = empty_at + self.burst_seconds
        # What was booked with a burst is booked anew.
        self.free_at = free_at if had_burst else max(self.free_at, free_at)
        return explained

    def used_share(self, now: float, seconds: float) -> float:
        """Return what was sent in so many seconds before now, over what is refilled in this time."""
        return self._log.total(now, seconds) * self.interval / seconds

    def to_dict(self) -> dict[str, Any]:
        """Return the state for JSON, but for the end of what is booked; empty for a limit of no minute."""
        if self._limit.per_minute is None:
            return {}
        return {"changed_at": self.changed_at, "largest": self._largest, "log": self._log.entries()}

    def _claimed(self, amount: float) -> float:
        # Never more than the bucket contains when it is full: a larger amount would never be due.
        return min(amount, self._limit.burst_seconds / self._limit.interval) if self._limit.interval else amount

    def _seconds(self, amount: float) -> float:
        return amount * self.interval / self._factor

    def _limit_burst(self, amount: float) -> None:
        """Without a burst, the bucket contains no more than the largest request needs."""
        self._largest = max(self._largest, amount)
        if self.even:
            self.interval = self._limit.even_interval
            self.burst_seconds = self._seconds(self._largest)
