"""The common part of leases and claims: an owner, and a time at which they expire.

Other processes cannot detect whether the owner still runs, so a lease expires. It is written and read by different
machines: a reader treats it as expired only when it must have expired on its owner's clock, too.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Annotated, Final

import msgspec

if TYPE_CHECKING:
    import random

    from bedrock_resilience.clock import Clock

_CLAIM_TO_ATTEMPT: Final = 1.25  # how much longer a claim lasts than an attempt may take
_LONG_AGO: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def claim_seconds(attempt_seconds: float, clock_skew: float) -> float:
    """Return how long the claim of an item lasts unless it is renewed.

    Time for an attempt on the slowest of the clocks, and some for the pacer before it.

    Args:
        attempt_seconds: How long one attempt at Bedrock may take.
        clock_skew: Seconds by which the clocks of the machines may differ.
    """
    return _CLAIM_TO_ATTEMPT * attempt_seconds + 2 * clock_skew


def unique_name(rng: random.Random | None = None) -> str:
    """Return a name that nothing else has, in hex.

    Args:
        rng: The source of its bits, for a simulation that is the same every time; None: the system.
    """
    return uuid.uuid4().hex if rng is None else f"{rng.getrandbits(128):032x}"


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

    def expired(self) -> LeaseRecord:
        """Return the record to write if the object may not be removed: expired for every reader."""
        return LeaseRecord(self.owner, _LONG_AGO)


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
