"""`QuotaPacer`: sends at the quota it was told."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING

from bedrock_resilience.pacing._protocol import Reservation
from bedrock_resilience.pacing._slowdown import Slowdown
from bedrock_resilience.pacing._virtual_clock_bucket import Meter
from bedrock_resilience.quotas import Quota, settled_tokens
from bedrock_resilience.quotas._quota import SECONDS_A_DAY, SECONDS_A_MINUTE

if TYPE_CHECKING:
    from bedrock_resilience.pacing._virtual_clock_bucket import Claim
    from bedrock_resilience.quotas import Usage

_MARGIN = 0.05
"""Seconds by which one request may reach the service later than another sent at the same time. A request that is late
lets the bucket run full for a moment, and what runs over is missing when the next one is in time.
"""
_FIRST_RATIO = 1.5
"""What a call is expected to cost, over its reservation, before any was answered: 3,000 tokens in and 600 of 1,000
out at a burndown of 5 reserve 4,000 and cost 6,000.
"""
_FORGET = 0.01
"""Share by which that ratio sinks with each call that needed less."""


class _Booking(Reservation):
    """A reservation with its claims: on tokens from the start, on a request once its tokens are due."""

    __slots__ = ("claims", "open", "pacer", "request", "sent")

    def __init__(self, pacer: QuotaPacer, at: float, tokens: int, claims: list[Claim]) -> None:
        super().__init__(0.0, at, tokens)
        self.pacer = pacer
        self.claims = claims
        self.request: Claim | None = None
        self.sent = False
        self.open = True


class QuotaPacer:
    """Paces under a known quota: as long as it is right and nobody else uses it, nothing is throttled. Thread-safe.

    Requests and tokens are token buckets, as `bedrock_resilience.quotas` reads Bedrock's. A request claims the larger of
    its reservation (input + max_tokens) and what calls like it turned out to cost: with a burndown of 5, a call can
    settle at more than it reserved, and the bucket would be overdrawn when nobody expects it. Once it is answered,
    its `usage` corrects the claim.

    Args:
        quota: What the account may send.
        share: The fraction of it that is this pacer's, 0 < share <= 1: `1 / n` for each of n instances.
        phase: Of several pacers that start together with a share each, how far this one's first request is put off:
            a fraction of its own interval between requests, 0 <= phase < 1; `i / n` for instance i of n.
        burndown: Tokens of quota that an output token costs, see `bedrock_resilience.quotas.burndown_rate`. The default
            is that of Claude 3.7 to 4.7.

    Raises:
        TypeError: quota is no `Quota`, or another argument no number; the message names it.
        ValueError: share, phase or burndown lies outside its range; the message names it.
    """

    def __init__(self, quota: Quota, share: float = 1.0, phase: float = 0.0, *, burndown: float = 5.0) -> None:
        _check_types(quota, share=share, phase=phase, burndown=burndown)
        if not 0 < share <= 1:
            raise ValueError(f"QuotaPacer.share: got {share!r}; accepted: 0 < share <= 1")
        if not 0 <= phase < 1:
            raise ValueError(f"QuotaPacer.phase: got {phase!r}; accepted: 0 <= phase < 1")
        if not 0 < burndown < math.inf:
            raise ValueError(f"QuotaPacer.burndown: got {burndown!r}; accepted: a finite number > 0")
        self.quota: Quota = quota if share == 1.0 else quota.share(share)
        self._burndown = burndown
        self._ratio = max(1.0, min(_FIRST_RATIO, burndown))
        self._slowdown = Slowdown()
        self._lock = threading.Lock()
        self._requests = _request_meter(self.quota, phase)
        self._tokens = _token_meters(self.quota)
        self._meters = [*([self._requests] if self._requests else []), *self._tokens]
        self._rates = [meter.rate for meter in self._meters]

    @property
    def requests_per_minute(self) -> float | None:
        """The rate at the moment; None where requests are not limited."""
        return None if self._requests is None else self._requests.rate * SECONDS_A_MINUTE

    def reserve(self, now: float, tokens: int = 0) -> Reservation:
        """Claim one request and its tokens, behind everyone who waits."""
        with self._lock:
            self._advance(now)
            booking = _Booking(self, now, tokens, [self._claim(meter, tokens) for meter in self._tokens])
            booking.wait = self._wait(booking)
            booking.at = now + booking.wait
            return booking

    def due(self, reservation: Reservation, now: float) -> float:
        """Seconds still to wait; 0 means: send it now."""
        booking = self._own(reservation)
        with self._lock:
            self._advance(now)
            wait = self._wait(booking)
            booking.at = now + wait
            return wait

    def answered(self, reservation: Reservation, now: float, usage: Usage | None = None) -> None:
        """Correct the claim to what the call cost; without a usage it stands, to be on the safe side."""
        booking = self._own(reservation)
        with self._lock:
            self._advance(now)
            if self._close(booking) and usage is not None:
                cost = settled_tokens(usage, self._burndown)
                self._learn(cost, booking.tokens)
                for meter, claim in zip(self._tokens, booking.claims, strict=True):
                    meter.grant(claim.amount - cost)

    def throttled(self, reservation: Reservation, now: float) -> None:
        """The quota is smaller than told, or somebody else uses it: what was saved up is not there either."""
        booking = self._own(reservation)
        with self._lock:
            self._advance(now)
            if not self._close(booking):
                return
            if self._requests is not None and self._requests.level > 0:
                self._requests.grant(-self._requests.level)
            for meter, claim in zip(self._tokens, booking.claims, strict=True):
                meter.grant(claim.amount)  # a refused request costs no tokens

    def overloaded(self, reservation: Reservation, now: float) -> None:
        """Halve the rate, hold it, raise it again; see `bedrock_resilience.pacing._slowdown`."""
        booking = self._own(reservation)
        with self._lock:
            self._advance(now)
            if self._close(booking):
                self._slowdown.cut(booking.at, now)
                self._set_rates()

    def abandoned(self, reservation: Reservation, now: float) -> None:
        """Give everything back: whoever waits behind it moves up."""
        booking = self._own(reservation)
        with self._lock:
            self._advance(now)
            if not booking.open:
                return
            booking.open = False
            if self._requests is not None and booking.request is not None:
                self._requests.withdraw(booking.request)
            for meter, claim in zip(self._tokens, booking.claims, strict=True):
                meter.withdraw(claim)

    def _own(self, reservation: Reservation) -> _Booking:
        if not isinstance(reservation, _Booking) or reservation.pacer is not self:
            raise TypeError(f"reservation: got {reservation!r}; accepted: what this pacer's reserve() returned")
        return reservation

    def __repr__(self) -> str:
        return f"QuotaPacer({self.quota!r})"

    def _advance(self, now: float) -> None:
        for meter in self._meters:
            meter.advance(now)
        if self._slowdown.factor < 1.0:
            self._slowdown.advance(now)
            self._set_rates()

    def _set_rates(self) -> None:
        for meter, rate in zip(self._meters, self._rates, strict=True):
            meter.rate = rate * self._slowdown.factor

    def _wait(self, booking: _Booking) -> float:
        wait = self._missing(booking)
        if wait == 0 and not booking.sent:
            self._send(booking)
        return wait

    def _claim(self, meter: Meter, tokens: int) -> Claim:
        # Never more than the bucket holds: whoever waits for more believes in the end that there is more.
        claim = meter.claim(min(meter.capacity, tokens * self._ratio))
        meter.hold(claim, claim.amount)
        return claim

    def _send(self, booking: _Booking) -> None:
        booking.sent = True
        if self._requests is not None and booking.request is None:
            booking.request = self._requests.claim()
        for meter, claim in zip(self._tokens, booking.claims, strict=True):
            # The service takes what is reserved; the rest stays in its bucket until the call is settled.
            meter.hold(claim, max(0.0, claim.amount - booking.tokens))

    def _missing(self, booking: _Booking) -> float:
        wait = max((meter.wait(claim) for meter, claim in zip(self._tokens, booking.claims, strict=True)), default=0.0)
        if self._requests is None:
            return wait
        if wait > 0 and booking.request is None:
            return max(wait, self._requests.next_wait())
        # Not before the tokens are due: claims that are due and wait for tokens would leave all at once.
        if booking.request is None:
            booking.request = self._requests.claim()
        return max(wait, self._requests.wait(booking.request))

    def _close(self, booking: _Booking) -> bool:
        was_open, booking.open = booking.open, False
        if was_open and not booking.sent:  # without asking whether it was due
            self._send(booking)
        for meter, claim in zip(self._tokens, booking.claims, strict=True):
            meter.hold(claim, 0.0)
        return was_open

    def _learn(self, cost: float, tokens: int) -> None:
        if tokens > 0:
            needed = max(1.0, cost / tokens)
            self._ratio = max(needed, self._ratio + _FORGET * (needed - self._ratio))


def _check_types(quota: object, **numbers: object) -> None:
    if not isinstance(quota, Quota):
        raise TypeError(f"QuotaPacer.quota: got {quota!r}; accepted: a Quota, such as Quota(requests_per_minute=50)")
    for name, given in numbers.items():
        if isinstance(given, bool) or not isinstance(given, int | float):
            raise TypeError(f"QuotaPacer.{name}: got {given!r}; accepted: a number")


def _request_meter(quota: Quota, phase: float) -> Meter | None:
    if quota.requests_per_minute is None:
        return None
    rate = quota.requests_per_minute / SECONDS_A_MINUTE
    kept_back = rate * _MARGIN
    capacity = quota.request_burst - kept_back
    if capacity < 1.0:
        # Nothing to keep back: what may be lost between two requests is added to the time between them instead.
        rate /= 2.0 - capacity
        capacity = 1.0
    return Meter(rate, capacity, level=capacity - phase)


def _token_meters(quota: Quota) -> list[Meter]:
    meters: list[Meter] = []
    for tokens, seconds in ((quota.tokens_per_minute, SECONDS_A_MINUTE), (quota.tokens_per_day, SECONDS_A_DAY)):
        if tokens is not None:
            rate = tokens / seconds
            meters.append(Meter(rate, tokens - rate * _MARGIN))
    return meters
