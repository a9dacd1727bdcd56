"""The schedule that instances share: the arithmetic of a ``SharedPace``. No store, no clock, no waiting.

Every limit of the quota has a timeline. A request books the next interval of each, as long as the quota needs to refill
what the request uses, and may be sent before its interval by what the bucket contains. That is the generic cell
rate algorithm (GCRA, ITU-T I.371, "virtual scheduling"). Its only state is one instant a limit: the end of what is
booked. So the state of any number of instances fits into one small item.

Why the bucket of the service never runs dry: the intervals do not overlap, whichever instance booked them. A request is
sent no earlier than ``burst_seconds`` before its interval begins, and no later after it than the tolerated lateness.
The clock is wrong by no more than the tolerated skew, and the request reaches the service no later than the tolerated
delay. These tolerances are subtracted from the bucket, so in any window the requests sent are no more than the quota's
burst and what is refilled in that window.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Protocol, TypeAlias

from bedrock_resilience.pacing._slowdown import MIN_SECONDS_BETWEEN_CUTS
from bedrock_resilience.pacing._status import PacerStatus
from bedrock_resilience.quotas._quota_limit import SECONDS_A_DAY, SECONDS_A_MINUTE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bedrock_resilience.pacing.shared._pace import SharedPace
    from bedrock_resilience.quotas import Limit, Quota

OutcomeKind: TypeAlias = Literal["answered", "throttled", "overloaded", "sent", "unsent", "elsewhere"]
"""What became of a request, see ``RequestOutcome``."""

MAX_AHEAD_SECONDS: Final = 900.0
"""Longest time that a request may be booked ahead: no Lambda runs longer. A request that would have to wait longer is
booked later."""
MAX_CLOCK_SKEW_SECONDS: Final = 3_600.0
"""An instant further ahead cannot have been booked by a clock that was right. AWS itself refuses requests whose
signature is some minutes off."""
_MIN_FACTOR: Final = 1 / 16
_INITIAL_DECREASE_FACTOR: Final = 0.8
"""The pace after a throttle that allows no measurement, over the one before: CUBIC's 0.7, a little milder since a known
quota is seldom wrong by much."""
_MIN_DECREASE_FACTOR: Final = 0.65
_MAX_DECREASE_FACTOR: Final = 0.97
_HEADROOM: Final = 0.97
_MIN_SAMPLES: Final = 5
"""Requests between two throttles that suffice to measure the rate."""
_OVERLOAD_DECREASE_FACTOR: Final = 0.5


class RateLimit(NamedTuple):
    """A limit as time.

    Attributes:
        interval: Seconds in which the quota refills one unit (a request, a token); 0 if nothing is limited.
        burst_seconds: Seconds that may be used in advance: what the bucket contains, less the tolerances.
    """

    interval: float
    burst_seconds: float


UNLIMITED: Final = RateLimit(0.0, math.inf)


class Cost(NamedTuple):
    """What one request takes of the quota."""

    requests: float = 1.0
    tokens: float = 0.0


class RequestOutcome(NamedTuple):
    """How a request ended.

    Attributes:
        kind: ``"answered"``, ``"throttled"`` or ``"overloaded"``; ``"unsent"`` where its slot was not used, and
            ``"sent"``, before the others, where it was sent without a slot; ``"elsewhere"`` where it was admitted while
            the store was unavailable.
        sent_at: When it was sent, or should have been, in seconds of the shared clock; of the driver's clock for
            ``"elsewhere"``, until it is stored.
        cost: What it was booked with.
        used: The tokens that it cost; None if that is not known.
        limit: The limit that refused it; None if that is not known.
        cuts: What ``PaceSchedule.cuts`` was when its slot was booked.
        seconds: How long it took to be answered; None if that is not known.
    """

    kind: OutcomeKind
    sent_at: float
    cost: Cost
    used: float | None = None
    limit: Limit | None = None
    cuts: int = 0
    seconds: float | None = None


class PaceSchedule(Protocol):
    """The arithmetic of a shared pace: of a quota that was given, or of one that is learned."""

    def seconds(self, pace: SharedPace, now: float, cost: Cost) -> float:
        """Return the seconds in which the quota refills what a request uses."""
        ...

    def book(self, pace: SharedPace, now: float, costs: Sequence[Cost]) -> tuple[SharedPace, list[float]]:
        """Book requests; return the pace afterward, and when each may be sent."""
        ...

    def observe(self, pace: SharedPace, now: float, outcome: RequestOutcome) -> SharedPace:
        """Take the end of a request into account."""
        ...

    def interrupted(self, pace: SharedPace, now: float) -> SharedPace:
        """Take into account that an instance has sent without the store up to now."""
        ...

    def status(self, pace: SharedPace, now: float) -> PacerStatus:
        """Return the rate of all instances together."""
        ...

    def again_at(self, pace: SharedPace, now: float, cost: Cost) -> float:
        """Return when to ask again for a request that was not booked."""
        ...

    def cuts(self, pace: SharedPace) -> int:
        """Return a number that changes when slots that are booked must be booked anew."""
        ...

    def starting(self, pace: SharedPace) -> bool:
        """Whether each answer releases more requests, so that an instance books again after each one."""
        ...


class RateLimits(NamedTuple):
    """The limits of a quota that was given: a ``PaceSchedule``."""

    requests: RateLimit
    tokens: RateLimit
    day: RateLimit

    @classmethod
    def of(cls, quota: Quota, tolerance: float) -> RateLimits:
        """Return the limits of a quota, less a tolerance in seconds for what is late or early."""
        return cls(
            _request_limit(quota.requests_per_minute, quota.request_burst, tolerance),
            _token_limit(quota.tokens_per_minute, SECONDS_A_MINUTE, tolerance),
            _token_limit(quota.tokens_per_day, SECONDS_A_DAY, tolerance),
        )

    def book(self, pace: SharedPace, now: float, costs: Sequence[Cost]) -> tuple[SharedPace, list[float]]:
        """Book requests, in this order, behind everything that is booked already.

        Returns:
            The pace afterward, and the instants at which the requests may be sent. These are fewer than the costs
            where the rest would have to wait for longer than ``MAX_AHEAD_SECONDS``.
        """
        factor = pace.factor_at(now)
        free_at = [_plausible(at, limit, now) for at, limit in zip(_next_free_at(pace), self, strict=True)]
        slots: list[float] = []
        granted = pace.granted
        for cost in costs:
            intervals = [
                min(amount * limit.interval, limit.burst_seconds) / factor
                for amount, limit in zip((cost.requests, cost.tokens, cost.tokens), self, strict=True)
            ]
            slot = max(
                now,
                *(at + s - limit.burst_seconds for at, s, limit in zip(free_at, intervals, self, strict=True)),
            )
            if slot > now + MAX_AHEAD_SECONDS:
                break
            free_at = [max(at, slot) + s for at, s in zip(free_at, intervals, strict=True)]
            granted += cost.requests
            slots.append(slot)
        return _changed(pace, now, free_at, granted=granted), slots

    def refund(self, pace: SharedPace, now: float, tokens: float) -> SharedPace:
        """Return tokens that were booked and not used; a negative number where calls cost more than they had booked."""
        free_at = _next_free_at(pace)
        refunds = (0.0, tokens * self.tokens.interval, tokens * self.day.interval)
        # What is returned to a full bucket overflows, so nothing is freed before now.
        refunded = [max(at - refund, min(at, now)) for at, refund in zip(free_at, refunds, strict=True)]
        return _changed(pace, now, refunded)

    def seconds(self, pace: SharedPace, now: float, cost: Cost) -> float:  # noqa: ARG002 - the protocol's signature
        """Return the seconds in which the quota refills what a request uses."""
        return max(cost.requests * self.requests.interval, cost.tokens * self.tokens.interval)

    def observe(self, pace: SharedPace, now: float, outcome: RequestOutcome) -> SharedPace:
        """Return tokens that were booked and not used; lower the pace where a request was refused."""
        tokens = outcome.cost.tokens
        if outcome.kind == "answered":
            return pace if outcome.used is None else self.refund(pace, now, tokens - outcome.used)
        if outcome.kind == "throttled":
            return self.refund(self.throttled(pace, now, outcome.sent_at), now, tokens)
        if outcome.kind == "overloaded":
            return self.overloaded(pace, now, outcome.sent_at)
        if outcome.kind == "sent":
            return self.book(pace, now, [outcome.cost])[0]  # it had no slot; no request waits for this one
        return self.refund(pace, now, tokens) if outcome.kind == "unsent" else pace

    def interrupted(self, pace: SharedPace, now: float) -> SharedPace:  # noqa: ARG002 - the protocol's signature
        """Return the same pace: throttles correct it."""
        return pace

    def again_at(self, pace: SharedPace, now: float, cost: Cost) -> float:  # noqa: ARG002 - the protocol's signature
        """Return the time until which requests can be booked."""
        return now + MAX_AHEAD_SECONDS

    def cuts(self, pace: SharedPace) -> int:  # noqa: ARG002 - as above
        """Return 0: slots that are booked stay, because a quota that was given is seldom wrong by much."""
        return 0

    def starting(self, pace: SharedPace) -> bool:  # noqa: ARG002 - as above
        """Return False: the rate is known."""
        return False

    def status(self, pace: SharedPace, now: float) -> PacerStatus:
        """Return the present rates; the confidence is 1 while they are those of the quota."""
        factor = pace.factor_at(now)
        requests, tokens = (_per_minute(limit) for limit in (self.requests, self.tokens))
        return PacerStatus(
            requests_per_minute=None if requests is None else factor * requests,
            tokens_per_minute=None if tokens is None else factor * tokens,
            confidence=factor,
        )

    def throttled(self, pace: SharedPace, now: float, sent: float) -> SharedPace:
        """Lower the pace: a request that was sent at ``sent`` was refused, so the quota is smaller than given.

        When it throttles, a token bucket is empty. What was admitted between two throttles is therefore what was
        refilled between them: the rate, measured over all instances.
        """
        if sent <= pace.cut_at:
            return pace  # it was in flight when the pace was lowered, and says nothing about the lower one
        before = pace.factor_at(now)
        factor = _INITIAL_DECREASE_FACTOR * before
        granted = pace.granted - pace.granted_at_cut
        if pace.cut_at > 0 and granted >= _MIN_SAMPLES:
            measured = _HEADROOM * granted * self.requests.interval / (now - pace.cut_at)
            factor = min(_MAX_DECREASE_FACTOR * before, max(_MIN_DECREASE_FACTOR * before, measured))
        requests, tokens, day = _next_free_at(pace)
        if self.requests != UNLIMITED:
            requests = max(requests, now + self.requests.burst_seconds)  # the bucket is empty
        return _lowered(_changed(pace, now, (requests, tokens, day)), now, factor)

    def overloaded(self, pace: SharedPace, now: float, sent: float) -> SharedPace:
        """Halve the pace: a request that was sent at ``sent`` met a service without capacity.

        Return the pace unchanged where it was lowered less than ``MIN_SECONDS_BETWEEN_CUTS`` ago.
        """
        if sent <= pace.cut_at or now < pace.cut_at + MIN_SECONDS_BETWEEN_CUTS:
            return pace
        factor = _OVERLOAD_DECREASE_FACTOR * pace.factor_at(now)
        return _lowered(_changed(pace, now, _next_free_at(pace)), now, factor)


def _per_minute(limit: RateLimit) -> float | None:
    return None if limit == UNLIMITED else SECONDS_A_MINUTE / limit.interval


def _request_limit(per_minute: float | None, burst: float, tolerance: float) -> RateLimit:
    if per_minute is None:
        return UNLIMITED
    interval = SECONDS_A_MINUTE / per_minute
    spare = (burst - 1) * interval - tolerance
    if spare < 0:
        # The burst is too small for the tolerance: the requests beyond it are set further apart instead.
        interval -= spare / math.floor(burst)
        spare = 0.0
    return RateLimit(interval, spare + interval)


def _token_limit(tokens: float | None, seconds: float, tolerance: float) -> RateLimit:
    return UNLIMITED if tokens is None else RateLimit(seconds / tokens, seconds - tolerance)


def _next_free_at(pace: SharedPace) -> tuple[float, float, float]:
    return pace.requests_next_free_at, pace.tokens_next_free_at, pace.day_next_free_at


def _plausible(free_at: float, limit: RateLimit, now: float) -> float:
    # An instance whose clock was hours ahead must not stop all others for hours.
    latest = now + limit.burst_seconds
    return latest if free_at > latest + MAX_CLOCK_SKEW_SECONDS else free_at


def _changed(pace: SharedPace, now: float, free_at: Sequence[float], granted: float | None = None) -> SharedPace:
    requests, tokens, day = free_at
    return dataclasses.replace(
        pace,
        at=now,
        requests_next_free_at=requests,
        tokens_next_free_at=tokens,
        day_next_free_at=day,
        granted=pace.granted if granted is None else granted,
    )


def _lowered(pace: SharedPace, now: float, factor: float) -> SharedPace:
    return dataclasses.replace(pace, factor=max(_MIN_FACTOR, factor), cut_at=now, granted_at_cut=pace.granted)
