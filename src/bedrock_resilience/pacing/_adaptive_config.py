"""``AdaptiveConfig``: the constants of the learner, with the trade-off of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bedrock_resilience._checks import number, refuse


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptiveConfig:
    """The constants of ``AdaptivePacer``. The defaults suit every quota.

    Args:
        initial_burst: Requests that are sent at once at the start. More start faster if nothing is refused, and are
            refused if several instances start together at a small quota.
        start: Requests a second that are released beside these in the first second. The default spreads twelve workers
            over one call of six seconds.
        doubling_seconds: Seconds in which that rate doubles until the first answer.
        answer_gain: Requests that each answer releases, until something is refused.
        burst_seconds: Seconds of the rate that the bucket is assumed to contain, until the first measurement. The
            default is a little less than the tenth of a minute that ``Quota`` assumes, because an estimate that is too
            high ends with the next throttle, and one that is too low lasts.
        token_burst_seconds: The same for tokens, of which a whole minute may be used at once.
        headroom: The rate after a throttle, over the measured one. Below 1 the bucket slowly fills, which leaves room
            for new senders.
        pause_permits: Permits that are not used after a throttle, beside the one of the refused request. They are not
            lost: they stay in the bucket, and the next throttle comes that much later.
        token_pause: The same for tokens, as a multiple of the refused request.
        probes: Refusals, after the first two in a row, that are used to find out whether the quota is restored before a
            minute is over. More find fixed minutes sooner, and are refused if any 60 seconds count.
        min_decrease_factor: The rate after a throttle is at least this much of the rate before it.
        decrease_factor: The rate after a throttle which shows that the rate decreased, over the measured one.
        initial_hold_requests: After the first throttle, requests in which the rate grows by the best rate known: few,
            because it grows from a first estimate.
        hold_factor: The same after later throttles, as a multiple of the sample size of the estimate ...
        min_hold_requests: ... but not fewer requests than this ...
        min_token_hold_requests: ... or this, where tokens are the limit ...
        max_hold_requests: ... and not more. The default gives a throttle about every 65 requests in the long run; with
            more, an increased quota would be noticed too late.
        initial_hold_seconds: After the first throttle, seconds that count as much as one request, so that a client that
            can hardly send recovers, too ...
        hold_seconds: ... and after later throttles ...
        max_token_hold_seconds: ... where tokens are the limit, as long as a request takes at the present rate, up to
            this.
        min_seconds_hold_requests: Counted in seconds, the rate is held for at least so many requests.
        decay: Every throttle multiplies the best rate known by this.

    Raises:
        TypeError: A constant is not a number.
        ValueError: A constant is out of range. Both name every such constant.
    """

    initial_burst: float = 2.0
    start: float = 2.2
    doubling_seconds: float = 4.0
    answer_gain: float = 2.0
    burst_seconds: float = 5.0
    token_burst_seconds: float = 55.0
    headroom: float = 0.97
    pause_permits: float = 1.4
    token_pause: float = 0.4
    probes: float = 2.0
    min_decrease_factor: float = 0.65
    decrease_factor: float = 0.85
    initial_hold_requests: float = 24.0
    hold_factor: float = 3.0
    min_hold_requests: float = 30.0
    min_token_hold_requests: float = 40.0
    max_hold_requests: float = 110.0
    initial_hold_seconds: float = 1.2
    hold_seconds: float = 2.2
    max_token_hold_seconds: float = 12.0
    min_seconds_hold_requests: float = 60.0
    decay: float = 0.925

    def __post_init__(self) -> None:
        problems = [
            number(
                name,
                getattr(self, name),
                least=_LEAST.get(name),
                above=None if name in _LEAST else 0.0,
                most=1.0 if name in _FRACTIONS else None,
            )
            for name in self.__slots__
        ]
        refuse("AdaptiveConfig", *problems)


_LEAST: Final = {
    "initial_burst": 1.0,
    "answer_gain": 1.0,
    "burst_seconds": 0.0,
    "token_burst_seconds": 0.0,
    "pause_permits": 0.0,
    "token_pause": 0.0,
    "probes": 0.0,
}
_FRACTIONS: Final = frozenset({"headroom", "min_decrease_factor", "decrease_factor", "decay"})
