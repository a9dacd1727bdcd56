"""Who is at work on something, and until when at the latest: what leases and claims have in common.

Nobody can be asked whether they are still alive, so a hold ends by itself. It is written and read by different
machines: whoever finds one takes it for over only when it must be over on its owner's clock, too.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated

import msgspec

if TYPE_CHECKING:
    from bedrock_resilience.clock import Clock


class Hold(msgspec.Struct, frozen=True):
    """A statement, kept in a store, that somebody is at work.

    Args:
        owner: Who; a name that nobody else has, not even the same run a second time.
        expires_at: When the hold is over, whatever has become of its owner.
    """

    owner: str
    expires_at: Annotated[dt.datetime, msgspec.Meta(tz=True)]

    def is_over(self, now: dt.datetime, skew: float) -> bool:
        """Whether it may be taken over.

        Args:
            now: The instant on this machine's clock.
            skew: Seconds by which the owner's clock may be behind it.
        """
        return now > self.expires_at + dt.timedelta(seconds=skew)


class RunClock:
    """Wall time that is read once: the instant of the run, and a monotonic clock since.

    A clock that is set in the middle of a run moves no hold, and a test moves all of them.

    Args:
        now: The instant, with its time zone.
        clock: Where time comes from.
    """

    def __init__(self, now: dt.datetime, clock: Clock) -> None:
        self._start = now
        self._clock = clock
        self._started = clock.monotonic()

    def now(self) -> dt.datetime:
        """The instant it is."""
        return self._start + dt.timedelta(seconds=self._clock.monotonic() - self._started)

    def after(self, seconds: float) -> dt.datetime:
        """The instant so many seconds from now."""
        return self.now() + dt.timedelta(seconds=seconds)
