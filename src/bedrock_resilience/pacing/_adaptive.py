"""``AdaptivePacer``: finds the quota by itself, and follows it.

It is a lock and a queue around a ``Learner``, which decides when each request is sent. The requests that wait are sent
in the order in which they were reserved. The rules, in the order in which they take effect:

1. *Start.* Until something is refused, the first requests are sent at a rate that doubles every few seconds (Jacobson,
   "Congestion Avoidance and Control", SIGCOMM 1988). From the first answer on, the rate is a multiple of that of the
   answers.
2. *The first throttle* gives a first estimate: ``rate = admitted / (seconds + burst_seconds)``. After it, one probe
   tells a bucket from windows of a minute: a bucket admits it.
3. *Every later throttle* is a measurement. For a bucket, what was admitted between two throttles is what was refilled
   between them, see ``bedrock_resilience.pacing._estimate``. For windows, it is what was admitted in the last minute.
   For a bucket of a single permit, it is the interval between two requests. Observations eliminate two of the three.
   If they contradict every bucket, the requests of a whole window are sent at its start.
4. *Everyone slows down, at once.* The rate belongs to all workers of a client. After a throttle nothing is sent for a
   pause of a little more than two permits; after several in a row, until a window of a minute may have ended.
5. *Upward, slowly, then fast.* Without a throttle, the rate grows with the third power of what has been sent since, as
   in CUBIC (Ha, Rhee, Xu, 2008; RFC 9438), and steadily beyond twice the rate. The steps are fractions of the best rate
   known, so that an instance that lost its share to others regains it as fast as they grew.
6. *Others.* If less is admitted than the earlier measurements allow, another sender appeared, and the rate is cut below
   the measured one, to leave it a share. No cut goes below ``min_decrease_factor`` times the rate.

The same rules learn the tokens, with the actual cost of each request. Only requests that had to wait count as evidence
for a higher rate (RFC 7661). A 503 or 529 is handled separately, see ``bedrock_resilience.pacing._slowdown``.

The constants were chosen on the simulator, against all readings of ``bedrock_resilience.quotas`` and one to ten
instances; docs/explanation/learner.md has the numbers and the limits.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from bedrock_resilience._checks import instance, number, refuse
from bedrock_resilience.pacing._adaptive_config import AdaptiveConfig
from bedrock_resilience.pacing._learner import Learner
from bedrock_resilience.pacing._status import PacerStatus
from bedrock_resilience.pacing._tracked_reservation import TrackedReservation
from bedrock_resilience.quotas import settled_tokens

if TYPE_CHECKING:
    from bedrock_resilience.pacing._protocol import Reservation
    from bedrock_resilience.quotas import Limit, Usage


class AdaptivePacer:
    """Finds the rate of an unknown quota from throttles and responses, and follows it. Thread-safe.

    Use one pacer for all workers of a client, and for any number of runs: what it has learned stays true.

    Args:
        config: The constants. The defaults suit every quota.
        burndown: Tokens of quota that an output token costs, see ``bedrock_resilience.quotas.burndown_rate``; 1 on
            ``bedrock-mantle``.

    Raises:
        TypeError: ``config`` is no ``AdaptiveConfig``, or ``burndown`` is no number.
        ValueError: ``burndown`` is not positive.
    """

    def __init__(self, config: AdaptiveConfig = AdaptiveConfig(), *, burndown: float = 5.0) -> None:  # noqa: B008 - a frozen value
        refuse(
            "AdaptivePacer",
            instance("config", config, AdaptiveConfig, "an AdaptiveConfig"),
            number("burndown", burndown, above=0),
        )
        self.config = config
        self._burndown = burndown
        self._lock = threading.Lock()
        self._learner = Learner(config)
        self._waiting: list[TrackedReservation] = []
        self._now = 0.0

    @property
    def requests_per_minute(self) -> float:
        """The present rate of requests; if tokens are the limit, of requests of the mean size."""
        with self._lock:
            return self._learner.pace(self._now)

    def status(self) -> PacerStatus:
        """Return the present rates, the reading of the quota that is left, and how well the rate is known.

        The confidence is 0 until two throttles have bounded the rate, and then the lower bound over the upper one.
        """
        with self._lock:
            rates = self._learner.rates(self._now)
            return PacerStatus(
                requests_per_minute=rates.requests_per_minute,
                tokens_per_minute=rates.tokens_per_minute,
                confidence=self._learner.confidence(),
                reading=self._learner.reading(),
            )

    def reserve(self, now: float, tokens: int = 0) -> Reservation:
        """Reserve the next place in the order of sending."""
        tracked = TrackedReservation(self, now, tokens)
        with self._lock:
            self._waiting.append(tracked)
            tracked.wait = self._wait(tracked, now)
            return tracked

    def due(self, reservation: Reservation, now: float) -> float:
        """Return the seconds still to wait; 0 means: send it now."""
        tracked = TrackedReservation.of(self, reservation)
        with self._lock:
            return self._wait(tracked, now)

    def answered(self, reservation: Reservation, now: float, usage: Usage | None = None) -> None:
        """Count the request as admitted, and correct its claim to what it cost."""
        tracked = TrackedReservation.of(self, reservation)
        cost = None if usage is None else float(settled_tokens(usage, self._burndown))
        with self._lock:
            if self._close(tracked, now):
                self._learner.admitted(tracked.at, now, tracked.tokens, cost)

    def truncated(self, reservation: Reservation, now: float, usage: Usage | None = None) -> None:
        """Count the request as admitted, and lower the rate of all requests: a quota of output was used up."""
        tracked = TrackedReservation.of(self, reservation)
        cost = None if usage is None else float(settled_tokens(usage, self._burndown))
        with self._lock:
            if self._close(tracked, now):
                self._learner.truncated(tracked.at, now, tracked.tokens, cost)

    def throttled(self, reservation: Reservation, now: float, limit: Limit | None = None) -> None:
        """Lower the rate of all requests, for the limit that refused this one if the service named it."""
        tracked = TrackedReservation.of(self, reservation)
        with self._lock:
            if self._close(tracked, now):
                self._learner.refused(tracked.at, now, tracked.tokens, limit)

    def overloaded(self, reservation: Reservation, now: float) -> None:
        """Halve the rate, hold it, raise it again; see ``bedrock_resilience.pacing._slowdown``."""
        tracked = TrackedReservation.of(self, reservation)
        with self._lock:
            if self._close(tracked, now):
                self._learner.overloaded(tracked.at, now)

    def abandoned(self, reservation: Reservation, now: float) -> None:
        """Return the permit: the requests that wait behind this one move up."""
        tracked = TrackedReservation.of(self, reservation)
        with self._lock:
            self._now = max(now, self._now)
            if tracked.close():
                if tracked.sent:
                    self._learner.unsent(tracked.at, tracked.tokens)
                else:
                    self._waiting.remove(tracked)

    def __repr__(self) -> str:
        return f"AdaptivePacer({self.config!r})"

    def _wait(self, tracked: TrackedReservation, now: float) -> float:
        now = self._now = max(now, self._now)  # a clock that went back must not take the rate back with it
        if tracked.sent or not tracked.open:
            return 0.0
        first = self._first()
        if tracked is not first:
            ahead = [other for other in self._waiting[: self._waiting.index(tracked)] if other is not first]
            tokens = sum(other.tokens for other in ahead) + tracked.tokens
            return self._learner.poll(now, first.tokens, len(ahead) + 1, tokens)
        wait = self._learner.first_poll(now, tracked.tokens)
        tracked.at = now + wait
        if wait <= 0:
            self._send(tracked, now)
        return wait

    def _first(self) -> TrackedReservation:
        # A request that has few retries left is not sent when it is likely to be refused.
        if self._learner.probing:
            return min(self._waiting, key=lambda waiting: waiting.retries)
        return self._waiting[0]

    def _send(self, tracked: TrackedReservation, now: float) -> None:
        self._waiting.remove(tracked)
        tracked.sent, tracked.at = True, now
        self._learner.sent(now, tracked.tokens)

    def _close(self, tracked: TrackedReservation, now: float) -> bool:
        self._now = max(now, self._now)
        was_open = tracked.close()
        if was_open and not tracked.sent:  # without a call of due()
            self._send(tracked, min(self._now, tracked.at))
        return was_open
