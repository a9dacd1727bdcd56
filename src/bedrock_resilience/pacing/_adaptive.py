"""``AdaptivePacer``: finds the rate by itself, and follows it.

The algorithm, in the order in which its steps take effect:

1. *Slow start.* The first requests are sent one by one, at a rate that doubles every few seconds, until something is
   refused (Jacobson, "Congestion Avoidance and Control", SIGCOMM 1988). Twelve workers that start in the same instant
   would otherwise spend the burst before anything could be learned.
2. *The first throttle.* It shows that the burst and what was refilled since the start are spent, but not how large the
   burst was. Assuming that it is worth ``burst_seconds`` of the rate: ``rate = admitted / (seconds + burst_seconds)``.
3. *Every later throttle* is a measurement, see ``bedrock_resilience.pacing._estimate``: the bucket is empty each time,
   so what was admitted between two throttles is what was refilled between them, to within one request. The new rate is
   the middle of these bounds, less a little headroom.
4. *Everyone slows down, at once.* The rate belongs to all workers of a client, and those that wait are moved back with
   it. After a throttle nothing is sent for a pause of a little more than two permits: one that the refused request
   could not have, and a reserve for the errors of the rate.
5. *Upward, slowly, then fast.* Without a throttle the rate grows with the third power of what has been sent since, as
   in CUBIC (Ha, Rhee, Xu, 2008; RFC 9438): flat around the rate that was found, then ever faster, because a rate that
   has been admitted for so long is not the limit any more. How long it stays flat depends on the sample size of the
   estimate. It grows by fractions of the best rate known, not of the present one, so that an instance that lost
   its share to others regains it as fast as they grew.
6. *Others.* Several instances share a quota without knowing of each other. Where less is admitted than the earlier
   measurements allow, another sender appeared, and the rate is cut below the measured one, to leave it a share ("fast
   convergence" of CUBIC, which yields in that direction only, too). No cut goes below ``min_decrease_factor`` times the
   rate, so that a series of unlucky throttles starves nobody.
7. *Waits allow for growth.* A wait is computed for a rate that goes on growing, not for a constant one: a rate that
   grows while all workers sleep is never tried, and permits for all of them are granted at once.

Only requests that had to wait count as evidence for a higher rate: an instance that has nothing to send must not
conclude that it could send more (RFC 7661). A 503 or 529 is handled apart, see
``bedrock_resilience.pacing._slowdown``.

What botocore's adaptive mode does differently: it starts at once, cuts to 0.7 of the rate at every throttle, also at
those of requests that were in flight already, and returns to the old rate within seconds, so it goes on being
throttled; ``benchmarks/pacing`` shows both on the same model.

The constants were chosen on the simulator, against all of: one instance and three, quotas of 25, 50 and 100 a minute,
refusals after 0.05 to 0.5 s, constant latency and a spread of up to 0.3. ``benchmarks/pacing`` prints the trade-offs.

Limits, with numbers in docs/pacing.md. A quota of a few requests a minute is found as slowly as any other, counted in
requests, so a tenth of them is refused. A bucket of one request overflows between all throttles, which makes every
measurement too low. Instances that know nothing of each other do not reach equal shares within a job of fifty requests,
so the last one to finish takes a minute or two to find that it is alone. ``QuotaPacer`` and ``SharedPacer`` have none
of these limits.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bedrock_resilience._checks import instance, number, refuse
from bedrock_resilience.pacing._estimate import Throttles
from bedrock_resilience.pacing._slowdown import Slowdown
from bedrock_resilience.pacing._status import PacerStatus
from bedrock_resilience.pacing._tracked_reservation import TrackedReservation
from bedrock_resilience.pacing._virtual_clock_bucket import VirtualClockBucket

if TYPE_CHECKING:
    from bedrock_resilience.pacing._estimate import Estimate
    from bedrock_resilience.pacing._protocol import Reservation
    from bedrock_resilience.pacing._virtual_clock_bucket import PermitClaim
    from bedrock_resilience.quotas import Usage

_MIN_REQUESTS_PER_SECOND: Final = 1 / 60
_MAX_REQUESTS_PER_SECOND: Final = 1e6
_MAX_DOUBLINGS: Final = 64.0  # of the slow start: more would overflow a float after a long pause
_BISECTIONS: Final = 30  # of a wait: exact to a millionth of a second even for a quarter of an hour


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptiveConfig:
    """The constants of ``AdaptivePacer``. The defaults suit every quota.

    Args:
        start: Requests a second in the first second. The default spreads twelve workers over one call of six seconds.
        doubling_seconds: Seconds in which the rate doubles until the first throttle. The burst gives that much warning.
        burst_seconds: Seconds of the rate that the bucket is assumed to contain, until the first measurement. The
            default is a little less than the tenth of a minute that ``Quota`` assumes, because a guess that is too high
            ends with the next throttle, and one that is too low lasts.
        headroom: The rate after a throttle, over the measured one. Below 1 the bucket slowly fills, which leaves room
            for new senders.
        pause_permits: Permits that are not used after a throttle, beside the one of the refused request. They are not
            lost: they stay in the bucket, and the next throttle comes that much later.
        min_decrease_factor: The rate after a throttle is at least this much of the rate before it.
        decrease_factor: The rate after a throttle which shows that the rate decreased, over the measured one.
        initial_hold_requests: After the first throttle, requests in which the rate grows by the best rate known: half
            of the later ones, because what it grows from is a guess.
        hold_factor: The same after later throttles, as a multiple of the sample size of the estimate ...
        min_hold_requests: ... but not fewer requests than this ...
        max_hold_requests: ... and not more. The default gives a throttle about every 65 requests in the long run; with
            more, an increased quota would be noticed too late.
        initial_hold_seconds: After the first throttle, seconds that count as much as one request, so that a client that
            can hardly send recovers, too ...
        hold_seconds: ... and after later throttles.
        decay: Every throttle multiplies the best rate known by this.

    Raises:
        TypeError: A constant is not a number.
        ValueError: A constant is out of range. Both name every such constant.
    """

    start: float = 2.2
    doubling_seconds: float = 4.0
    burst_seconds: float = 5.0
    headroom: float = 0.97
    pause_permits: float = 1.4
    min_decrease_factor: float = 0.65
    decrease_factor: float = 0.85
    initial_hold_requests: float = 24.0
    hold_factor: float = 3.0
    min_hold_requests: float = 50.0
    max_hold_requests: float = 110.0
    initial_hold_seconds: float = 1.2
    hold_seconds: float = 2.2
    decay: float = 0.925

    def __post_init__(self) -> None:
        problems = [
            number(
                name,
                getattr(self, name),
                least=0.0 if name in _MAY_BE_ZERO else None,
                above=None if name in _MAY_BE_ZERO else 0.0,
                most=1.0 if name in _FRACTIONS else None,
            )
            for name in self.__slots__
        ]
        refuse("AdaptiveConfig", *problems)


_MAY_BE_ZERO: Final = frozenset({"burst_seconds", "pause_permits"})
_FRACTIONS: Final = frozenset({"headroom", "min_decrease_factor", "decrease_factor", "decay"})


class _AdaptiveReservation(TrackedReservation):
    """A reservation with its place in the order of sending."""

    __slots__ = ("claim", "number")

    def __init__(self, pacer: AdaptivePacer, at: float, tokens: int, claim: PermitClaim, number: int) -> None:
        super().__init__(pacer, at, tokens)
        self.claim: PermitClaim = claim
        self.number: int = number


class AdaptivePacer:
    """Finds the rate of an unknown quota from throttles and responses, and follows it. Thread-safe.

    Use one pacer for all workers of a client, and for any number of runs: what it has learned stays true.

    Args:
        config: The constants. The defaults suit every quota.

    Raises:
        TypeError: ``config`` is no ``AdaptiveConfig``.
    """

    def __init__(self, config: AdaptiveConfig = AdaptiveConfig()) -> None:
        refuse("AdaptivePacer", instance("config", config, AdaptiveConfig, "an AdaptiveConfig"))
        self.config = config
        self._lock = threading.Lock()
        self._bucket = VirtualClockBucket(config.start, capacity=1.0)
        self._throttles = Throttles()
        self._slowdown = Slowdown()
        self._reserved = 0
        self._started = math.nan
        self._slow_start = True
        self._base_rate = config.start
        self._best_rate = config.start
        self._hold_requests = config.initial_hold_requests
        self._hold_seconds = config.initial_hold_seconds
        self._evidence = 0
        self._growing_since = math.nan
        self._idle = False
        self._last_cut = -math.inf
        self._last_sent = math.nan
        self._now = -math.inf
        self._confidence = 0.0

    @property
    def requests_per_minute(self) -> float:
        """The present rate."""
        return self._bucket.rate * 60

    def status(self) -> PacerStatus:
        """Return the present rate, and how well it is known.

        The confidence is 0 until two throttles have bounded the rate, and then the lower bound over the upper one.
        """
        return PacerStatus(requests_per_minute=self.requests_per_minute, confidence=self._confidence)

    def reserve(self, now: float, tokens: int = 0) -> Reservation:
        """Reserve the next place in the order of sending."""
        with self._lock:
            self._advance(now)
            self._reserved += 1
            tracked = _AdaptiveReservation(self, now, tokens, self._bucket.claim(), self._reserved)
            tracked.wait = self._wait(tracked, now)
            return tracked

    def due(self, reservation: Reservation, now: float) -> float:
        """Return the seconds still to wait; 0 means: send it now."""
        tracked = _AdaptiveReservation.of(self, reservation)
        with self._lock:
            self._advance(now)
            return self._wait(tracked, now)

    def answered(self, reservation: Reservation, now: float, usage: Usage | None = None) -> None:  # noqa: ARG002 - the protocol's signature
        """Count the request as admitted."""
        tracked = _AdaptiveReservation.of(self, reservation)
        with self._lock:
            self._advance(now)
            self._close(tracked)

    def throttled(self, reservation: Reservation, now: float) -> None:
        """Slow everyone down."""
        tracked = _AdaptiveReservation.of(self, reservation)
        with self._lock:
            self._advance(now)
            if not self._close(tracked):
                return
            self._throttles.exclude(tracked.number)
            # A request that was in flight at the last cut says nothing about the lower rate.
            if tracked.at > self._last_cut:
                self._cut(tracked, now)

    def overloaded(self, reservation: Reservation, now: float) -> None:
        """Halve the rate, hold it, raise it again; see ``bedrock_resilience.pacing._slowdown``."""
        tracked = _AdaptiveReservation.of(self, reservation)
        with self._lock:
            self._advance(now)
            if self._close(tracked):
                self._throttles.exclude(tracked.number)
                self._slowdown.cut(tracked.at, now)
                self._set_rate(now)

    def abandoned(self, reservation: Reservation, now: float) -> None:
        """Return the permit: the requests that wait behind this one move up."""
        tracked = _AdaptiveReservation.of(self, reservation)
        with self._lock:
            self._advance(now)
            if tracked.close():
                self._throttles.exclude(tracked.number)
                self._bucket.withdraw(tracked.claim)

    def __repr__(self) -> str:
        return f"AdaptivePacer({self.config!r})"

    def _advance(self, now: float) -> None:
        if math.isnan(self._started):
            self._started = self._growing_since = self._last_sent = now
        if self._bucket.advance(now) > 0:
            self._idle = True  # a permit was lost because nobody wanted to send
        if self._slowdown.factor < 1.0 and now > self._now:
            self._slowdown.advance(now)
            self._growing_since = now
            self._evidence = 0
        self._now = max(now, self._now)
        self._set_rate(self._now)  # a clock that went back must not take the rate back with it

    def _set_rate(self, now: float) -> None:
        self._bucket.rate = self._rate(self._evidence, now)

    def _rate(self, evidence: float, now: float) -> float:
        if self._slow_start:
            rate = self.config.start * 2 ** min(
                _MAX_DOUBLINGS, (now - self._growing_since) / self.config.doubling_seconds
            )
        else:
            evidence = max(evidence, (now - self._growing_since) / self._hold_seconds)
            rate = self._base_rate + self._best_rate * (evidence / self._hold_requests) ** 3
        return self._slowdown.factor * min(_MAX_REQUESTS_PER_SECOND, rate)

    def _wait(self, tracked: _AdaptiveReservation, now: float) -> float:
        if tracked.sent:
            return 0.0
        wait = self._shortened(self._bucket.wait(tracked.claim), now)
        tracked.at = now + wait
        if wait == 0:
            self._send(tracked)
        return wait

    def _shortened(self, wait: float, now: float) -> float:
        """Return what a wait at the present rate becomes if nothing is refused meanwhile; never too long."""
        if wait > 0:
            wait = self._slow_start_wait(wait) if self._slow_start else self._growing_wait(wait, now)
        return min(wait, self._slowdown.seconds_left(now))

    def _slow_start_wait(self, wait: float) -> float:
        # What is granted at an exponential rate: (2 ** (seconds / doubling) - 1) * doubling / ln 2 * rate.
        scale = self.config.doubling_seconds / math.log(2)
        return scale * math.log1p(wait / scale)

    def _growing_wait(self, wait: float, now: float) -> float:
        permits = wait * self._bucket.rate
        shortest, longest = 0.0, wait
        for _ in range(_BISECTIONS):
            seconds = (shortest + longest) / 2
            middle = self._rate(self._evidence + permits / 2, now + seconds / 2)
            end = self._rate(self._evidence + permits, now + seconds)
            # Simpson's rule is exact for a third power.
            if (self._bucket.rate + 4 * middle + end) / 6 * seconds < permits:
                shortest = seconds
            else:
                longest = seconds
        return shortest

    def _send(self, tracked: _AdaptiveReservation) -> None:
        tracked.sent = True
        if self._idle:
            # Nobody wanted to send: that time is no evidence that a higher rate would be admitted.
            self._growing_since = min(tracked.at, self._growing_since + tracked.at - self._last_sent)
            self._idle = False
        else:
            self._evidence += 1
        self._last_sent = max(self._last_sent, tracked.at)

    def _close(self, tracked: _AdaptiveReservation) -> bool:
        was_open = tracked.close()
        if was_open and not tracked.sent:
            self._send(tracked)
        return was_open

    def _cut(self, tracked: _AdaptiveReservation, now: float) -> None:
        rate = self._bucket.rate / self._slowdown.factor
        estimate = self._throttles.observe(tracked.at, tracked.number)
        if estimate is None:
            self._end_slow_start(tracked, rate)
        else:
            self._measure(estimate, rate)
        self._last_cut = self._growing_since = now
        self._evidence = 0
        self._set_rate(now)
        self._bucket.restart(max(0.0, now - tracked.at) * self._bucket.rate - self.config.pause_permits)

    def _end_slow_start(self, tracked: _AdaptiveReservation, rate: float) -> None:
        admitted = max(1, self._throttles.admitted_before(tracked.number))
        self._slow_start = False
        self._base_rate = self._best_rate = min(
            rate, admitted / (tracked.at - self._started + self.config.burst_seconds)
        )

    def _measure(self, estimate: Estimate, rate: float) -> None:
        config = self.config
        measured = config.headroom * estimate.middle * (config.decrease_factor if estimate.decreased else 1.0)
        self._base_rate = max(_MIN_REQUESTS_PER_SECOND, min(rate, max(config.min_decrease_factor * rate, measured)))
        self._best_rate = max(self._base_rate, config.decay * self._best_rate)
        self._hold_requests = min(
            config.max_hold_requests, max(config.min_hold_requests, config.hold_factor * estimate.sample_size)
        )
        self._hold_seconds = config.hold_seconds
        self._confidence = estimate.low / estimate.high
