"""What leases and claims have in common: an owner, and an instant at which they expire.

Nobody can be asked whether they are still alive, so a lease expires. It is written and read by different machines:
whoever reads one treats it as expired only when it must have expired on its owner's clock, too.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated

import msgspec

if TYPE_CHECKING:
    from bedrock_resilience.clock import Clock


class LeaseRecord(msgspec.Struct, frozen=True):
    """A stored statement that somebody is at work.

    Args:
        owner: A name that nobody else has, not even the same run a second time.
        expires_at: When the lease expires, whatever has become of its owner.
    """

    owner: str
    expires_at: Annotated[dt.datetime, msgspec.Meta(tz=True)]

    def is_expired(self, now: dt.datetime, skew: float) -> bool:
        """Return whether somebody else may take it over.

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
