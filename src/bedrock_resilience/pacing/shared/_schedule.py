"""`SharedPace`: what the instances know together, as a value, and its arithmetic. No table, no clock, no waiting.

Every limit of the quota is a line of time. A request books the next stretch of each line, as long as the quota needs to
refill what it takes, and may be sent so much before its stretch as the bucket holds. That is the generic cell rate
algorithm (GCRA, ITU-T I.371, "virtual scheduling"), and all that it needs to remember is one instant a limit: until
when the line is booked. So the state of any number of instances fits into one small item.

Why the bucket of the service never runs dry: the stretches do not overlap, whoever booked them. A request is sent
no earlier than `ahead` before its stretch begins or `_LATE` after it, by a clock that is wrong by no more than the
tolerated skew, and reaches the service no later than the tolerated delay. Those tolerances are kept back from the
bucket, so in any window the requests sent are no more than the quota's burst and what is refilled in that window.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from bedrock_resilience.pacing._slowdown import BETWEEN_CUTS
from bedrock_resilience.quotas._quota import SECONDS_A_DAY, SECONDS_A_MINUTE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bedrock_resilience.quotas import Quota

LONGEST: Final = 900.0
"""Seconds that a request may be booked ahead: no Lambda lives longer. Whoever would have to wait longer asks again."""
_INSANE: Final = 3_600.0
"""Seconds beyond which a line cannot have been booked by a clock that was right; AWS itself refuses requests that are
signed some minutes off."""
_LEAST_FACTOR: Final = 1 / 16
_RECOVERY: Final = 240.0
"""Seconds in which the pace grows from nothing to all of the quota: flat at first, then ever faster, as CUBIC does
(RFC 9438), so that a wrong quota is probed rarely and one that is right again is back soon."""
_FIRST_CUT: Final = 0.8
"""The pace after a throttle that nothing can be measured from, over the one before: CUBIC's 0.7, a little milder since
a known quota is seldom wrong by much."""
_DEEPEST_CUT: Final = 0.65
_SHALLOWEST_CUT: Final = 0.97
_HEADROOM: Final = 0.97
_ENOUGH: Final = 5
"""Requests between two throttles that are enough to measure the rate from."""
_OVERLOAD_CUT: Final = 0.5


class Line(NamedTuple):
    """A limit as time.

    Attributes:
        interval: Seconds in which the quota refills one unit (a request, a token); 0 where nothing is limited.
        ahead: Seconds of it that may be used in advance: what the bucket holds, less the tolerances.
    """

    interval: float
    ahead: float


UNLIMITED: Final = Line(0.0, math.inf)


class Cost(NamedTuple):
    """What one request takes of the quota."""

    requests: float = 1.0
    tokens: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedPace:
    """What the instances know together. Instants are seconds of the shared clock; 0 is long ago.

    Attributes:
        revision: Raised by 1 with every change, so that two changes of the same state cannot both be made. 0: nothing
            is written yet.
        at: When it was changed last.
        requests_until: Until when requests are booked.
        tokens_until: Until when the tokens of a minute are booked.
        day_until: Until when the tokens of a day are booked.
        granted: Requests booked so far.
        factor: The pace over the quota, at `cut_at`; 1 unless something was refused.
        cut_at: When it was lowered last.
        cut_granted: What `granted` was then.
    """

    revision: int = 0
    at: float = 0.0
    requests_until: float = 0.0
    tokens_until: float = 0.0
    day_until: float = 0.0
    granted: float = 0.0
    factor: float = 1.0
    cut_at: float = 0.0
    cut_granted: float = 0.0

    def factor_at(self, now: float) -> float:
        """The pace over the quota, at this instant."""
        if self.factor >= 1.0:
            return 1.0
        return min(1.0, self.factor + (max(0.0, now - self.cut_at) / _RECOVERY) ** 3)


class Lines(NamedTuple):
    """The limits of a quota."""

    requests: Line
    tokens: Line
    day: Line

    @classmethod
    def of(cls, quota: Quota, slack: float) -> Lines:
        """The lines of a quota, with so many seconds kept back for what is late or early."""
        return cls(
            _request_line(quota.requests_per_minute, quota.request_burst, slack),
            _token_line(quota.tokens_per_minute, SECONDS_A_MINUTE, slack),
            _token_line(quota.tokens_per_day, SECONDS_A_DAY, slack),
        )

    def book(self, pace: SharedPace, now: float, costs: Sequence[Cost]) -> tuple[SharedPace, list[float]]:
        """Book requests, in this order, behind everything that is booked already.

        Returns:
            The pace afterwards, and the instants at which the requests may be sent. They are fewer than the costs
            where the rest would have to wait for longer than `LONGEST`.
        """
        factor = pace.factor_at(now)
        untils = [_sane(until, line, now) for until, line in zip(_untils(pace), self, strict=True)]
        slots: list[float] = []
        granted = pace.granted
        for cost in costs:
            stretches = [
                min(amount * line.interval, line.ahead) / factor
                for amount, line in zip((cost.requests, cost.tokens, cost.tokens), self, strict=True)
            ]
            slot = max(
                now,
                *(until + s - line.ahead for until, s, line in zip(untils, stretches, self, strict=True)),
            )
            if slot > now + LONGEST:
                break
            untils = [max(until, slot) + s for until, s in zip(untils, stretches, strict=True)]
            granted += cost.requests
            slots.append(slot)
        return _changed(pace, now, untils, granted=granted), slots

    def give_back(self, pace: SharedPace, now: float, tokens: float) -> SharedPace:
        """Tokens that were booked in vain; a negative number where calls cost more than they had booked."""
        untils = _untils(pace)
        back = (0.0, tokens * self.tokens.interval, tokens * self.day.interval)
        # What is given back to a full bucket runs over, so no line is booked back to before now.
        kept = [max(until - b, min(until, now)) for until, b in zip(untils, back, strict=True)]
        return _changed(pace, now, kept)

    def throttled(self, pace: SharedPace, now: float, sent: float) -> SharedPace:
        """A request that was sent at this instant was refused: the bucket is empty, and the quota is smaller than told.

        At the moment of a throttle a token bucket is empty. So what was admitted between two throttles is what was
        refilled between them: the rate, measured over all instances.
        """
        if sent <= pace.cut_at:
            return pace  # it was under way when the pace was lowered, and says nothing about the lower one
        was = pace.factor_at(now)
        factor = _FIRST_CUT * was
        granted = pace.granted - pace.cut_granted
        if pace.cut_at > 0 and granted >= _ENOUGH:
            measured = _HEADROOM * granted * self.requests.interval / (now - pace.cut_at)
            factor = min(_SHALLOWEST_CUT * was, max(_DEEPEST_CUT * was, measured))
        empty = (max(pace.requests_until, now + self.requests.ahead), pace.tokens_until, pace.day_until)
        untils = _untils(pace) if self.requests == UNLIMITED else empty
        return _cut(_changed(pace, now, untils), now, factor)

    def overloaded(self, pace: SharedPace, now: float, sent: float) -> SharedPace:
        """A request that was sent at this instant met a service without capacity: half the pace, for everybody.

        Unless it was lowered less than `BETWEEN_CUTS` ago.
        """
        if sent <= pace.cut_at or now < pace.cut_at + BETWEEN_CUTS:
            return pace
        return _cut(_changed(pace, now, _untils(pace)), now, _OVERLOAD_CUT * pace.factor_at(now))


def _request_line(per_minute: float | None, burst: float, slack: float) -> Line:
    if per_minute is None:
        return UNLIMITED
    interval = SECONDS_A_MINUTE / per_minute
    spare = (burst - 1) * interval - slack
    if spare < 0:
        # The bucket is too small to keep anything back: the requests beyond its burst are set further apart instead.
        interval -= spare / math.floor(burst)
        spare = 0.0
    return Line(interval, spare + interval)


def _token_line(tokens: float | None, seconds: float, slack: float) -> Line:
    return UNLIMITED if tokens is None else Line(seconds / tokens, seconds - slack)


def _untils(pace: SharedPace) -> tuple[float, float, float]:
    return pace.requests_until, pace.tokens_until, pace.day_until


def _sane(until: float, line: Line, now: float) -> float:
    # An instance whose clock was hours ahead must not stop all others for hours.
    return now + line.ahead if until > now + line.ahead + _INSANE else until


def _changed(pace: SharedPace, now: float, untils: Sequence[float], granted: float | None = None) -> SharedPace:
    requests, tokens, day = untils
    return dataclasses.replace(
        pace,
        at=now,
        requests_until=requests,
        tokens_until=tokens,
        day_until=day,
        granted=pace.granted if granted is None else granted,
    )


def _cut(pace: SharedPace, now: float, factor: float) -> SharedPace:
    return dataclasses.replace(pace, factor=max(_LEAST_FACTOR, factor), cut_at=now, cut_granted=pace.granted)
