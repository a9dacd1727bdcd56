"""The common part of leases and claims: an owner, and a time at which they expire.

Other processes cannot know whether the owner is still alive, so a lease expires. It is written and read by different
machines: a reader treats it as expired only when it must have expired on its owner's clock, too.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated

import msgspec

if TYPE_CHECKING:
    from bedrock_resilience.clock import Clock


class LeaseRecord(msgspec.Struct, frozen=True):
    """A stored lease or claim.

    Args:
        owner: A name that no other lease has, not even another one of the same run.
        expires_at: When it expires.
    """

    owner: str
    expires_at: Annotated[dt.datetime, msgspec.Meta(tz=True)]

    def is_expired(self, now: dt.datetime, skew: float) -> bool:
        """Return whether another owner may replace it.

        Args:
            now: The current time on this machine's clock.
            skew: Seconds by which the owner's clock may be behind it.
        """
        return now > self.expires_at + dt.timedelta(seconds=skew)


class RunClock:
    """The wall clock of one run: read once, then advanced by a monotonic clock.

    A system clock that is set during the run does not move any lease, and a test moves all of them.

    Args:
        now: The wall time at the start, with its time zone.
        clock: The monotonic clock.
    """

    def __init__(self, now: dt.datetime, clock: Clock) -> None:
        self.clock = clock
        self._start = now
        self._started = clock.monotonic()

    def now(self) -> dt.datetime:
        """Return the current time."""
        return self._start + dt.timedelta(seconds=self.clock.monotonic() - self._started)

    def after(self, seconds: float) -> dt.datetime:
        """Return the time that many seconds from now."""
        return self.now() + dt.timedelta(seconds=seconds)
