"""``PacedLimit``: one limit of a quota that was given, and what its refusals change.

AWS does not say how it enforces "per minute". A limit is paced as a token bucket, which is the fastest of the usual
readings. The first refusal contradicts that, so the limit is then paced as all of them allow: without a burst, and with
no more in any 60 seconds than the quota.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from bedrock_resilience.pacing._minute_log import MinuteLog
from bedrock_resilience.pacing._virtual_clock_bucket import EPSILON_SECONDS

if TYPE_CHECKING:
    from bedrock_resilience.pacing._virtual_clock_bucket import PermitClaim, VirtualClockBucket

EVEN_TOKEN_TOLERANCE: Final = 0.03
"""Share of the tokens that is left unused without a burst: what a window contains depends on when it begins."""


class PacedLimit:
    """The bucket of one limit, and what the last minute contained. Not thread-safe.

    Args:
        bucket: At the rate of the quota.
        per_minute: What the quota allows in a minute; None for a limit of another time, whose refusals change nothing.
        even_rate: The rate without a burst, in amounts a second.
        interval: Seconds from one claim to the next without a burst, at least.

    Attributes:
        bucket: What claims wait for.
        rate: The rate of the bucket while the service has capacity, in amounts a second.
    """

    __slots__ = (
        "_burst",
        "_capacity",
        "_changed_at",
        "_even_rate",
        "_interval",
        "_largest",
        "_log",
        "_next",
        "_per_minute",
        "_sent_at",
        "bucket",
        "rate",
    )

    def __init__(
        self, bucket: VirtualClockBucket, per_minute: float | None, even_rate: float, interval: float = 0.0
    ) -> None:
        self.bucket: VirtualClockBucket = bucket
        self.rate: float = bucket.rate
        self._per_minute = per_minute
        self._even_rate = even_rate
        self._interval = interval
        self._capacity = bucket.capacity
        self._burst = bucket.capacity > 1
        self._largest = 0.0
        # It is due, and waits for the minute before it to contain less.
        self._next: PermitClaim | None = None  # pragma: no mutate - as good as ""
        self._sent_at = self._changed_at = -math.inf
        self._log = MinuteLog()

    @property
    def present_rate(self) -> float:
        """The rate at which claims become due, in amounts a second: after a refusal, at most one each interval."""
        refused = self._changed_at > -math.inf
        return min(self.bucket.rate, 1.0 / self._interval) if refused and self._interval else self.bucket.rate

    def claim(self, amount: float = 1.0) -> PermitClaim:
        """Claim the next permits, behind all claims that wait; never more than the bucket contains when it is full."""
        amount = min(self._capacity, amount)
        self._largest = max(self._largest, amount)
        if not self._burst:
            self.bucket.capacity = self._largest  # a larger claim would never become due
        return self.bucket.claim(amount)

    def claim_unsent(self, amount: float) -> PermitClaim:
        """Claim permits that stay in the bucket, and count against its capacity, until the request is sent."""
        claim = self.claim(amount)
        self.bucket.set_unused(claim, claim.amount)
        return claim

    def wait(self, claim: PermitClaim, now: float) -> float:
        """Return the seconds until a claim that is not sent yet may be; 0 if it may."""
        wait = self.bucket.wait(claim)
        if wait > 0 or self._per_minute is None or self._changed_at == -math.inf:
            return wait
        self._next = self._next or claim  # no smaller claim overtakes it
        amount = max(self._next.amount, claim.amount)
        free = self._log.free_at(now, max(0.0, self._per_minute - amount))
        # A worker that slept by a lower rate than the present one sends late, and the next one must not follow at once.
        wait = max(free, self._sent_at + self._interval) - now
        if wait <= EPSILON_SECONDS:  # pragma: no mutate - no wait is as long to the last bit
            return 0.0
        if self._next.unused == 0.0:
            # The bucket of the service is full meanwhile: those behind must not find the permits of this time.
            self.bucket.hold(self._next, wait)
        return max(wait, self.bucket.wait(claim))

    def sent(self, claim: PermitClaim, at: float, reserved: float) -> None:
        """Count a claim whose request was sent at a time, in seconds.

        The service deducts what the request reserves; the rest stays in its bucket until the call is settled.
        """
        self._leave(claim)
        self._sent_at = at
        self.bucket.use(claim, max(0.0, claim.amount - reserved) if self._burst else 0.0)
        self.correct(at, claim.amount)

    def correct(self, at: float, amount: float) -> None:
        """Add to what was sent at a time, in seconds; a negative amount takes away."""
        if self._per_minute is not None:
            self._log.add(at, amount)

    def withdraw(self, claim: PermitClaim, sent_at: float | None) -> None:
        """Return a claim that was not used after all; ``sent_at`` is given if it was counted."""
        self._leave(claim)
        if sent_at is not None:
            self.correct(sent_at, -claim.amount)
        self.bucket.withdraw(claim)

    def refused(self, sent_at: float, amount: float, now: float) -> bool:
        """Take into account that the limit refused a request.

        Args:
            sent_at: When it was sent, in seconds.
            amount: What it claimed.
            now: The present time, in seconds.

        Returns:
            Whether that explains the refusal. If not, the quota is smaller than given, or another caller uses it.
        """
        if self._per_minute is None:
            return False
        self._log.add(sent_at, -amount)
        explained = self._burst or sent_at < self._changed_at
        if sent_at >= self._changed_at:
            self._changed_at = now
        if self._burst:
            self._burst = False  # pragma: no mutate - as good as None
            self.bucket.rate *= self._even_rate / self.rate
            self.rate = self._even_rate
            self.bucket.capacity = self._largest
        # What was sent after the refused request is probably refused, too.
        admitted = self._per_minute - amount + self._log.after(sent_at)
        self.bucket.postpone(self._log.free_at(now, max(0.0, admitted)) - now if explained else 0.0)
        return explained

    def _leave(self, claim: PermitClaim) -> None:
        if self._next is claim:
            self._next = None  # pragma: no mutate - as good as ""
