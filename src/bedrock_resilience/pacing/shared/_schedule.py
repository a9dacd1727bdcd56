"""The schedule that instances share: the arithmetic of a ``SharedPace``. No store, no clock, no waiting.

Every limit of the quota has a timeline. A request books the next interval of each, as long as the quota needs to refill
what the request uses, and may be sent before its interval by what the bucket contains. That is the generic cell
rate algorithm (GCRA, ITU-T I.371, "virtual scheduling"). Its state is one instant a limit, the end of what is booked,
and what the last minute contained. So the state of any number of instances fits into one small item.

Why the bucket of the service never runs dry: the intervals do not overlap, whichever instance booked them. A request is
sent no earlier than ``burst_seconds`` before its interval begins, and no later after it than the tolerated lateness.
The clock is wrong by no more than the tolerated skew, and the request reaches the service no later than the tolerated
delay. These tolerances are subtracted from the bucket, so in any window the requests sent are no more than the quota's
burst and what is refilled in that window.

AWS does not say that its quota is a bucket. A refusal shows that it is not; see ``BookedLimit``.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Protocol, TypeAlias

from bedrock_resilience.pacing._paced_limit import EVEN_TOKEN_TOLERANCE
from bedrock_resilience.pacing._slowdown import MIN_SECONDS_BETWEEN_CUTS
from bedrock_resilience.pacing._status import PacerStatus
from bedrock_resilience.pacing.shared._booked_limit import MAX_AHEAD_SECONDS, UNLIMITED, BookedLimit, RateLimit
from bedrock_resilience.quotas._quota_limit import SECONDS_A_DAY, SECONDS_A_MINUTE, Limit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bedrock_resilience.pacing.shared._pace import SharedPace
    from bedrock_resilience.quotas import Quota

OutcomeKind: TypeAlias = Literal["answered", "throttled", "overloaded", "sent", "unsent", "elsewhere"]
"""What became of a request, see ``RequestOutcome``."""

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
_MAX_EVEN_TOLERANCE: Final = 0.05
"""The most by which the rate of requests without a burst is lowered for what is late or early. A quota with a short
interval between requests would lose half of its rate."""
_MILLISECONDS: Final = 1_000
_EVEN_AHEAD_SECONDS: Final = 3.0
"""How far ahead requests without a burst are booked, for each instance that waits: what is answered meanwhile and used
less than it had booked makes earlier slots free."""


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
            where the rest would have to wait for too long, ``MAX_AHEAD_SECONDS`` at most.
        """
        limits = self._booked(pace, now)
        latest = now + _ahead(pace, now, limits)
        slots: list[float] = []
        granted = pace.granted
        for cost in costs:
            amounts = list(zip(limits, _amounts(cost), strict=True))  # pragma: no mutate - three of each
            slot = max(limit.slot(now, amount) for limit, amount in amounts)
            if slot > latest:
                break
            for limit, amount in amounts:
                limit.book(slot, amount)
            granted += cost.requests
            slots.append(slot)
        return _stored(pace, now, limits, granted=granted), slots

    def refund(self, pace: SharedPace, now: float, tokens: float) -> SharedPace:
        """Return tokens that were booked and not used; a negative number where calls cost more than they had booked."""
        return _refunded(pace, now, self._booked(pace, now), tokens)

    def seconds(self, pace: SharedPace, now: float, cost: Cost) -> float:  # noqa: ARG002 - the protocol's signature
        """Return the seconds in which the quota refills what a request uses."""
        return max(cost.requests * self.requests.interval, cost.tokens * self.tokens.interval)

    def observe(self, pace: SharedPace, now: float, outcome: RequestOutcome) -> SharedPace:
        """Return what was booked and not used; end the burst, or lower the pace, where a request was refused."""
        if outcome.kind == "throttled":
            return self._refused(pace, now, outcome)
        if outcome.kind == "overloaded":
            return self.overloaded(pace, now, outcome.sent_at)
        if outcome.kind == "sent":
            return self.book(pace, now, [outcome.cost])[0]  # it had no slot; no request waits for this one
        if outcome.kind == "unsent":
            return self._unsent(pace, now, outcome)
        if outcome.kind == "answered" and outcome.used is not None:
            limits = self._booked(pace, now)
            limits[1].correct(outcome.sent_at, outcome.used - outcome.cost.tokens)
            return _refunded(pace, now, limits, outcome.cost.tokens - outcome.used)
        return pace

    def interrupted(self, pace: SharedPace, now: float) -> SharedPace:  # noqa: ARG002 - the protocol's signature
        """Return the same pace: throttles correct it."""
        return pace

    def again_at(self, pace: SharedPace, now: float, cost: Cost) -> float:  # noqa: ARG002 - the protocol's signature
        """Return the time until which requests can be booked."""
        return now + _ahead(pace, now, self._booked(pace, now))

    def cuts(self, pace: SharedPace) -> int:
        """Return the time of the last refusal that changed the pace, in whole milliseconds."""
        return max(_number_of(at) for at in (pace.cut_at, *(limit.changed_at for limit in self._booked(pace, pace.at))))

    def starting(self, pace: SharedPace) -> bool:  # noqa: ARG002 - as above
        """Return False: the rate is known."""
        return False

    def status(self, pace: SharedPace, now: float) -> PacerStatus:
        """Return the present rates; the confidence is 1 while they are those of the quota."""
        factor = pace.factor_at(now)
        requests, tokens = (
            factor * SECONDS_A_MINUTE / limit.interval if limit.interval else None
            for limit in self._booked(pace, now)[:2]
        )
        return PacerStatus(requests_per_minute=requests, tokens_per_minute=tokens, confidence=factor)

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
        if pace.cut_at and granted >= _MIN_SAMPLES:
            seconds = now - pace.cut_at
            requests, tokens, _ = self._booked(pace, now)
            share = tokens.used_share(now, min(seconds, SECONDS_A_MINUTE))
            used = max(granted * requests.interval / seconds, share)
            factor = min(_MAX_DECREASE_FACTOR * before, max(_MIN_DECREASE_FACTOR * before, _HEADROOM * used))
        return _lowered(pace, now, factor)

    def overloaded(self, pace: SharedPace, now: float, sent: float) -> SharedPace:
        """Halve the pace: a request that was sent at ``sent`` met a service without capacity.

        Return the pace unchanged where it was lowered less than ``MIN_SECONDS_BETWEEN_CUTS`` ago.
        """
        if sent <= pace.cut_at or now < pace.cut_at + MIN_SECONDS_BETWEEN_CUTS:
            return pace
        return _lowered(pace, now, _OVERLOAD_DECREASE_FACTOR * pace.factor_at(now))

    def _refused(self, pace: SharedPace, now: float, outcome: RequestOutcome) -> SharedPace:
        """End the burst of the limit that refused a request; if it had none, lower the pace."""
        limits = self._booked(pace, now)
        sent_at, cost = outcome.sent_at, outcome.cost
        requests, *tokens = limits
        explained = [False]
        if outcome.limit in {None, Limit.REQUESTS_PER_MINUTE}:
            rebooked = _rebooked(requests, outcome)
            explained.append(requests.refused(sent_at, cost.requests, now, rebooked=rebooked))
        for limit in tokens:
            rebooked = _rebooked(limit, outcome)
            if not rebooked:
                limit.refund(cost.tokens, now)  # a refused request costs no tokens
            if outcome.limit in {Limit.REQUESTS_PER_MINUTE, Limit.TOKENS_PER_DAY}:
                limit.correct(sent_at, -cost.tokens)
            else:
                explained.append(limit.refused(sent_at, cost.tokens, now, rebooked=rebooked))
        if any(explained):
            return _stored(pace, now, limits)
        return self.throttled(_stored(pace, now, limits, granted=pace.granted - cost.requests), now, sent_at)

    def _unsent(self, pace: SharedPace, now: float, outcome: RequestOutcome) -> SharedPace:
        """Return the tokens of a request that was not sent."""
        limits = self._booked(pace, now)
        amounts = zip(limits, _amounts(outcome.cost), strict=True)  # pragma: no mutate - three of each
        for limit, amount in amounts:
            limit.correct(outcome.sent_at, -amount)
        for limit in limits[1:]:
            if not _rebooked(limit, outcome):
                limit.refund(outcome.cost.tokens, now)
        return _stored(pace, now, limits)

    def _booked(self, pace: SharedPace, now: float) -> list[BookedLimit]:
        factor = pace.factor_at(now)
        free_at = pace.requests_next_free_at, pace.tokens_next_free_at, pace.day_next_free_at
        limits = zip(self._fields, self, free_at, strict=True)  # pragma: no mutate - three of each
        return [BookedLimit(limit, at, pace.limits.get(name, {}), factor, now) for name, limit, at in limits]


def _ahead(pace: SharedPace, now: float, limits: Sequence[BookedLimit]) -> float:
    """Return how far ahead requests are booked, in seconds."""
    if not any(limit.even for limit in limits):
        return MAX_AHEAD_SECONDS
    waiting = sum(share.waits_until > now for share in pace.instances.values())
    return min(MAX_AHEAD_SECONDS, _EVEN_AHEAD_SECONDS * max(1, waiting))


def _number_of(at: float) -> int:
    return int(_MILLISECONDS * at)


def _rebooked(limit: BookedLimit, outcome: RequestOutcome) -> bool:
    """Whether the limit changed after the request was booked: its slot is not part of what is booked any more."""
    return outcome.cuts < _number_of(limit.changed_at)


def _amounts(cost: Cost) -> tuple[float, float, float]:
    return cost.requests, cost.tokens, cost.tokens


def _request_limit(per_minute: float | None, burst: float, tolerance: float) -> RateLimit:
    if per_minute is None:
        return UNLIMITED
    interval = SECONDS_A_MINUTE / per_minute
    even_interval = interval + min(tolerance, _MAX_EVEN_TOLERANCE * interval)
    spare = (burst - 1) * interval - tolerance
    # Where the burst is too small for the tolerance, the requests beyond it are set further apart instead.
    interval += max(0.0, -spare) / math.floor(burst)
    return RateLimit(
        interval, max(0.0, spare) + interval, per_minute, max(interval, even_interval), SECONDS_A_MINUTE + tolerance
    )


def _token_limit(tokens: float | None, seconds: float, tolerance: float) -> RateLimit:
    if tokens is None:
        return UNLIMITED
    interval = seconds / tokens
    if seconds != SECONDS_A_MINUTE:
        return RateLimit(interval, seconds - tolerance)
    even_interval = interval * (1.0 + EVEN_TOKEN_TOLERANCE)
    return RateLimit(interval, seconds - tolerance, tokens, even_interval, seconds + tolerance)


def _refunded(pace: SharedPace, now: float, limits: Sequence[BookedLimit], tokens: float) -> SharedPace:
    for limit in limits[1:]:
        limit.refund(tokens, now)
    return _stored(pace, now, limits)


def _stored(pace: SharedPace, now: float, limits: Sequence[BookedLimit], granted: float | None = None) -> SharedPace:
    requests, tokens, day = limits
    named = zip(RateLimits._fields, limits, strict=True)  # pragma: no mutate - three of each
    return dataclasses.replace(
        pace,
        at=now,
        requests_next_free_at=requests.free_at,
        tokens_next_free_at=tokens.free_at,
        day_next_free_at=day.free_at,
        granted=pace.granted if granted is None else granted,
        limits={name: state for name, limit in named if (state := limit.to_dict())},
    )


def _lowered(pace: SharedPace, now: float, factor: float) -> SharedPace:
    return dataclasses.replace(pace, at=now, factor=max(_MIN_FACTOR, factor), cut_at=now, granted_at_cut=pace.granted)
