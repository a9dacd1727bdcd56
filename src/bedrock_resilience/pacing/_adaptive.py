"""`AdaptivePacer`: finds the rate by itself, and follows it.

The law, in the order in which it comes to bear:

1. *Slow start.* The first requests go one by one, at a rate that doubles every few seconds, until something is refused
   (Jacobson, "Congestion Avoidance and Control", SIGCOMM 1988). Twelve workers that start in the same instant would
   have spent the burst before anything could be learned.
2. *The first throttle.* It says that the burst and what was refilled since the start are spent, but not how large the
   burst was. Assuming that it is worth `burst` seconds of the rate: `rate = admitted / (seconds + burst)`.
3. *Every later throttle* is a measurement, see `bedrock_resilience.pacing._estimate`: the bucket is empty each time, so
   what was admitted between two throttles is what was refilled between them, to within one request. The new rate
   is the middle of these bounds, less a little headroom.
4. *Everyone slows down, at once.* The rate belongs to all workers of a client, and those that wait are moved back
   with it. After a throttle nothing is sent for a pause of a little more than two permits: one that the refused request
   could not have, and a stock for the errors of the rate.
5. *Upward, slowly, then fast.* Without a throttle the rate grows with the third power of what has been sent since, as
   in CUBIC (Ha, Rhee, Xu, 2008; RFC 9438): flat around the rate that was found, then ever faster, because a rate that
   has been admitted for so long is not the limit any more. How long it stays flat depends on how much the estimate
   rests on. It grows by fractions of the best rate known, not of the present one, so that an instance whose share was
   taken by others gets it back as fast as they grew.
6. *Others.* Several instances share a quota without knowing of each other. Where less is admitted than the earlier
   measurements allow, somebody came, and the rate is cut below the measured one, to make room ("fast convergence" of
   CUBIC, which yields in that direction only, too); no cut goes deeper than `least_cut` of the rate, so that nobody is
   starved by a run of bad luck.
7. *Nobody oversleeps.* Those that wait are told when it will be their turn if the rate grows as it does now, not as if
   it stayed: a rate that grows while everyone sleeps is never tried, and permits for all of them lie ready at once.

Only requests that had to wait count as evidence for more: an instance that has nothing to send must not conclude that
it could send more (RFC 7661). A 503 or 529 is kept apart, see `bedrock_resilience.pacing._slowdown`.

What botocore's adaptive mode does differently: it starts at once, cuts to 0.7 of the rate at every throttle, also at
those of requests that were under way already, and returns to the old rate within seconds, so it goes on being
throttled; `benchmarks/pacing` shows both on the same model.

The constants were chosen on the simulator, against all of: one instance and three, quotas of 25, 50 and 100 a minute,
refusals after 0.05 to 0.5 s, constant latency and a spread of up to 0.3. `benchmarks/pacing` prints what is traded
for what.

Limits, with numbers in docs/pacing.md. A quota of a few requests a minute is found as slowly as any other, in requests,
so a tenth of them is refused. A bucket of one request runs over between all throttles, which makes every measurement
too low. Instances that know nothing of each other do not come to equal shares within a job of fifty requests, so one of
them is left over in the end, and takes a minute or two to find that it is alone. `QuotaPacer` and `SharedPacer` have
none of these limits.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bedrock_resilience.pacing._estimate import Throttles
from bedrock_resilience.pacing._protocol import Reservation
from bedrock_resilience.pacing._slowdown import Slowdown
from bedrock_resilience.pacing._virtual_clock_bucket import Meter

if TYPE_CHECKING:
    from bedrock_resilience.pacing._estimate import Estimate
    from bedrock_resilience.pacing._virtual_clock_bucket import Claim
    from bedrock_resilience.quotas import Usage

_SLOWEST = 1 / 60  # requests a second
_FASTEST = 1e6
_HALVINGS = 30  # of a wait, to find how long it will be: to a millionth of a second even in a quarter of an hour


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptiveConfig:
    """The constants of the law; the defaults are meant for everybody.

    Args:
        start: Requests a second in the first second. Spreads twelve workers over one call of six seconds.
        doubling: Seconds in which the rate doubles until the first throttle: the burst gives that much warning.
        burst: Seconds of the rate that the bucket is assumed to hold, until the first measurement: a little less than
            the tenth of a minute that `Quota` assumes, because a guess that is too high ends with the next throttle,
            and one that is too low lasts.
        headroom: The rate after a throttle, over the measured one. Below 1 the bucket slowly fills, which is what
            newcomers live on.
        pause: Permits that are let go after a throttle, beside the one of the refused request. They are not lost:
            they are in the bucket, and the next throttle comes that much later.
        least_cut: The rate after a throttle is at least this much of the rate before it.
        yielding: The rate after a throttle that shows that the rate fell, over the measured one.
        first_patience: Requests in which the rate grows by the best rate known, after the first throttle: half of the
            later ones, since what it grows from is a guess.
        patience: The same after the later ones: so many times the number of requests that the estimate rests on ...
        least_patience: ... but not fewer than this ...
        most_patience: ... and not more. That is a throttle about every 65 requests in the long run; with more, a quota
            that is raised would be noticed too late.
        first_pace: Seconds that count as much as one request after the first throttle, for whoever may hardly send ...
        pace: ... and after the later ones.
        memory: By this much the best rate known sinks with every throttle.

    Raises:
        ValueError: A constant lies outside its range; the message names it.
    """

    start: float = 2.2
    doubling: float = 4.0
    burst: float = 5.0
    headroom: float = 0.97
    pause: float = 1.4
    least_cut: float = 0.65
    yielding: float = 0.85
    first_patience: float = 24.0
    patience: float = 3.0
    least_patience: float = 50.0
    most_patience: float = 110.0
    first_pace: float = 1.2
    pace: float = 2.2
    memory: float = 0.925

    def __post_init__(self) -> None:
        for name in self.__slots__:
            given = getattr(self, name)
            least = ">= 0" if name in {"pause", "burst"} else "> 0"
            if not (given > 0 or (given == 0 and least == ">= 0")) or given == math.inf:
                raise ValueError(f"AdaptiveConfig.{name}: got {given!r}; accepted: a finite number {least}")
        for name in ("headroom", "least_cut", "yielding", "memory"):
            if getattr(self, name) > 1:
                raise ValueError(f"AdaptiveConfig.{name}: got {getattr(self, name)!r}; accepted: 0 < {name} <= 1")


class _Booking(Reservation):
    """A reservation with its place in the order of sending."""

    __slots__ = ("claim", "number", "open", "pacer", "sent")

    def __init__(self, pacer: AdaptivePacer, at: float, tokens: int, claim: Claim, number: int) -> None:
        super().__init__(0.0, at, tokens)
        self.pacer = pacer
        self.claim = claim
        self.number = number
        self.sent = False
        self.open = True


class AdaptivePacer:
    """Knows nothing at first; finds the rate from throttles and answers, and follows it. Thread-safe.

    One pacer for all workers of a client, and for as many runs as there are: what it has learned stays true.

    Args:
        law: The constants; the defaults are meant for everybody.
    """

    def __init__(self, law: AdaptiveConfig = AdaptiveConfig()) -> None:
        self.law = law
        self._lock = threading.Lock()
        self._meter = Meter(law.start, capacity=1.0)
        self._throttles = Throttles()
        self._slowdown = Slowdown()
        self._numbers = 0
        self._started = math.nan
        self._ramping = True
        self._base = law.start
        self._peak = law.start
        self._patience = law.first_patience
        self._pace = law.first_pace
        self._evidence = 0
        self._since = math.nan
        self._idle = False
        self._last_cut = -math.inf
        self._last_sent = math.nan
        self._now = -math.inf

    @property
    def requests_per_minute(self) -> float:
        """The rate at the moment."""
        return self._meter.rate * 60

    def reserve(self, now: float, tokens: int = 0) -> Reservation:
        """Take the next place in the order of sending."""
        with self._lock:
            self._advance(now)
            self._numbers += 1
            booking = _Booking(self, now, tokens, self._meter.claim(), self._numbers)
            booking.wait = self._wait(booking, now)
            return booking

    def due(self, reservation: Reservation, now: float) -> float:
        """Seconds still to wait; 0 means: send it now."""
        booking = self._own(reservation)
        with self._lock:
            self._advance(now)
            return self._wait(booking, now)

    def answered(self, reservation: Reservation, now: float, usage: Usage | None = None) -> None:  # noqa: ARG002 - the protocol's
        """It was admitted."""
        booking = self._own(reservation)
        with self._lock:
            self._advance(now)
            self._close(booking)

    def throttled(self, reservation: Reservation, now: float) -> None:
        """Slow everyone down."""
        booking = self._own(reservation)
        with self._lock:
            self._advance(now)
            if not self._close(booking):
                return
            self._throttles.leave_out(booking.number)
            # Whoever was under way when the rate was cut says nothing about the rate that it was cut to.
            if booking.at > self._last_cut:
                self._cut(booking, now)

    def overloaded(self, reservation: Reservation, now: float) -> None:
        """Halve the rate, hold it, raise it again; see `bedrock_resilience.pacing._slowdown`."""
        booking = self._own(reservation)
        with self._lock:
            self._advance(now)
            if self._close(booking):
                self._throttles.leave_out(booking.number)
                self._slowdown.cut(booking.at, now)
                self._set_rate(now)

    def abandoned(self, reservation: Reservation, now: float) -> None:
        """It was never sent: whoever waits behind it moves up."""
        booking = self._own(reservation)
        with self._lock:
            self._advance(now)
            if booking.open:
                booking.open = False
                self._throttles.leave_out(booking.number)
                self._meter.withdraw(booking.claim)

    def _own(self, reservation: Reservation) -> _Booking:
        if not isinstance(reservation, _Booking) or reservation.pacer is not self:
            raise TypeError(f"reservation: got {reservation!r}; accepted: what this pacer's reserve() returned")
        return reservation

    def __repr__(self) -> str:
        return f"AdaptivePacer({self.law!r})"

    def _advance(self, now: float) -> None:
        if math.isnan(self._started):
            self._started = self._since = self._last_sent = now
        if self._meter.advance(now) > 0:
            self._idle = True  # a permit was lost, because nobody wanted to send
        if self._slowdown.factor < 1.0 and now > self._now:
            self._slowdown.advance(now)
            self._since = now
            self._evidence = 0
        self._now = max(now, self._now)
        self._set_rate(self._now)  # a clock that went back must not take the rate back with it

    def _set_rate(self, now: float) -> None:
        self._meter.rate = self._rate(self._evidence, now)

    def _rate(self, evidence: float, now: float) -> float:
        if self._ramping:
            rate = self.law.start * 2 ** min(64.0, (now - self._since) / self.law.doubling)
        else:
            evidence = max(evidence, (now - self._since) / self._pace)
            rate = self._base + self._peak * (evidence / self._patience) ** 3
        return self._slowdown.factor * min(_FASTEST, rate)

    def _wait(self, booking: _Booking, now: float) -> float:
        if booking.sent:
            return 0.0
        wait = self._soonest(self._meter.wait(booking.claim), now)
        booking.at = now + wait
        if wait == 0:
            self._send(booking)
        return wait

    def _soonest(self, wait: float, now: float) -> float:
        """What takes `wait` seconds at the present rate, if nothing is refused meanwhile; never too long."""
        if wait > 0:
            wait = self._ramped(wait) if self._ramping else self._grown(wait, now)
        return min(wait, self._slowdown.seconds_left(now))

    def _ramped(self, wait: float) -> float:
        # What is granted at an exponential rate: (2 ** (seconds / doubling) - 1) * doubling / ln 2 * rate.
        scale = self.law.doubling / math.log(2)
        return scale * math.log1p(wait / scale)

    def _grown(self, wait: float, now: float) -> float:
        permits = wait * self._meter.rate
        shortest, longest = 0.0, wait
        for _ in range(_HALVINGS):
            seconds = (shortest + longest) / 2
            middle = self._rate(self._evidence + permits / 2, now + seconds / 2)
            end = self._rate(self._evidence + permits, now + seconds)
            # Simpson's rule, which is exact for a third power.
            if (self._meter.rate + 4 * middle + end) / 6 * seconds < permits:
                shortest = seconds
            else:
                longest = seconds
        return shortest

    def _send(self, booking: _Booking) -> None:
        booking.sent = True
        if self._idle:
            # Nobody wanted to send: that time is no evidence that a higher rate would be admitted.
            self._since = min(booking.at, self._since + booking.at - self._last_sent)
            self._idle = False
        else:
            self._evidence += 1
        self._last_sent = max(self._last_sent, booking.at)

    def _close(self, booking: _Booking) -> bool:
        was_open, booking.open = booking.open, False
        if was_open and not booking.sent:
            self._send(booking)
        return was_open

    def _cut(self, booking: _Booking, now: float) -> None:
        was = self._meter.rate / self._slowdown.factor
        estimate = self._throttles.observe(booking.at, booking.number)
        if estimate is None:
            self._end_ramp(booking, was)
        else:
            self._measure(estimate, was)
        self._last_cut = self._since = now
        self._evidence = 0
        self._set_rate(now)
        self._meter.restart(max(0.0, now - booking.at) * self._meter.rate - self.law.pause)

    def _end_ramp(self, booking: _Booking, was: float) -> None:
        admitted = max(1, self._throttles.admitted_before(booking.number))
        self._ramping = False
        self._base = self._peak = min(was, admitted / (booking.at - self._started + self.law.burst))

    def _measure(self, estimate: Estimate, was: float) -> None:
        law = self.law
        measured = law.headroom * estimate.middle * (law.yielding if estimate.fell else 1.0)
        self._base = max(_SLOWEST, min(was, max(law.least_cut * was, measured)))
        self._peak = max(self._base, law.memory * self._peak)
        self._patience = min(law.most_patience, max(law.least_patience, law.patience * estimate.rests_on))
        self._pace = law.pace
