"""``QuotaPacer``: sends at the rate of a known quota."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from bedrock_resilience._checks import instance, number, refuse, wrong_value
from bedrock_resilience.pacing._paced_limit import EVEN_TOKEN_TOLERANCE, PacedLimit
from bedrock_resilience.pacing._slowdown import Slowdown
from bedrock_resilience.pacing._status import PacerStatus
from bedrock_resilience.pacing._token_costs import TokenCosts
from bedrock_resilience.pacing._tracked_reservation import TrackedReservation
from bedrock_resilience.pacing._virtual_clock_bucket import VirtualClockBucket
from bedrock_resilience.quotas import Limit, Quota
from bedrock_resilience.quotas._quota_limit import SECONDS_A_DAY, SECONDS_A_MINUTE

if TYPE_CHECKING:
    from bedrock_resilience._checks import Problem
    from bedrock_resilience.pacing._protocol import Reservation
    from bedrock_resilience.pacing._virtual_clock_bucket import PermitClaim
    from bedrock_resilience.quotas import RequestTokens, Usage

_CONNECT_TOLERANCE_SECONDS: Final = 0.3
"""Seconds by which one request may reach the service later than another sent at the same time: the first request of
each worker opens a connection. While a late request is on its way, the bucket may overflow, and what overflows is
missing when the next request is in time. A burst is smaller by what is refilled in this time.
"""
_NETWORK_TOLERANCE_SECONDS: Final = 0.05
"""The same where there is no burst to take it from, so that it extends every interval."""

_MAX_EVEN_TOLERANCE: Final = 0.1
"""The most by which the rate of requests without a burst is lowered for that tolerance. A quota with a short interval
between requests would lose half of its rate."""


class _QuotaReservation(TrackedReservation):
    """A reservation with its claims: on tokens from the start, on a request once its tokens are due."""

    __slots__ = ("burndown", "request", "token_claims")

    def __init__(
        self, pacer: QuotaPacer, tokens: int, burndown: float | None, token_claims: list[tuple[PacedLimit, PermitClaim]]
    ) -> None:
        super().__init__(pacer, 0.0, tokens)  # pragma: no mutate - ``_wait`` sets ``at`` before anyone reads it
        self.burndown: float | None = burndown
        self.token_claims: list[tuple[PacedLimit, PermitClaim]] = token_claims
        self.request: PermitClaim | None = None


class QuotaPacer:
    """Paces under a known quota: as a token bucket, and without a burst after a throttle. Thread-safe.

    If the quota is right, is enforced as a bucket and has no other caller, and no request arrives more than 0.3 s later
    than another, nothing is throttled. AWS does not say how it enforces a quota. A throttle shows that it is not such a
    bucket. From then on, the limit that refused is paced evenly, with no more in any 60 seconds than the quota, as all
    usual readings of "per minute" allow. A later throttle shows that the quota is smaller or has other callers: the
    rate is halved, held for a minute, and raised again. So does the first one where the burst is at most one request
    more than the quota refills in 0.3 s, because the pacer then had no burst to drop.

    Requests and tokens are paced as ``bedrock_resilience.quotas`` counts Bedrock's. A request claims its
    reservation (input + ``max_tokens``), or the actual cost of similar calls if that is more. With a burndown of 5, a
    call can settle at more than it reserved, and would overdraw the bucket. When the call is answered, its ``usage``
    corrects the claim. Under a quota of ``bedrock-mantle``, which counts output separately, a request claims of both
    parts, so that no response is truncated.

    Args:
        quota: What the account may send.
        share: The fraction of it that is this pacer's, 0 < share <= 1: ``1 / n`` for each of n instances.
        phase: Of several pacers that start together with a share each, the delay of this one's first request as a
            fraction of its own interval between requests, 0 <= phase < 1: ``i / n`` for instance i of n.
        burndown: Tokens of quota that an output token costs, see ``bedrock_resilience.quotas.burndown_rate``. None: as
            the ``RequestTokens`` of each request say, for which ``BedrockRuntime`` and ``protect`` read the model id;
            for a request whose ``tokens`` are a number 5, as for Claude 3.7 to 4.7. ``bedrock-mantle`` counts each
            once.

    Raises:
        TypeError: ``quota`` is no ``Quota``, or another argument is not a number.
        ValueError: ``share``, ``phase`` or ``burndown`` is out of range. Both name every such argument.
    """

    def __init__(self, quota: Quota, share: float = 1.0, phase: float = 0.0, *, burndown: float | None = None) -> None:
        refuse(
            "QuotaPacer",
            instance("quota", quota, Quota, "a Quota, such as Quota(requests_per_minute=50)"),
            number("share", share, above=0, most=1),
            _phase_problem(phase),
            number("burndown", burndown, above=0, optional=True),
        )
        self.quota: Quota = quota if share == 1.0 else quota.share(share)
        self._costs = TokenCosts(self.quota, burndown)
        self._slowdown = Slowdown()
        self._lock = threading.Lock()
        self._requests = _request_limit(self.quota, phase)
        self._tokens = _token_limits(self._costs.quota)
        self._limits = [*([self._requests] if self._requests else []), *self._tokens]

    @property
    def requests_per_minute(self) -> float | None:
        """The present rate, of the quota or less after throttles; None if requests are not limited."""
        return None if self._requests is None else self._requests.present_rate * SECONDS_A_MINUTE

    def status(self) -> PacerStatus:
        """Return the rates as of the last request, and the quota. The confidence is 1: the quota was given."""
        token_limit = self._costs.quota.tokens_per_minute
        return PacerStatus(
            requests_per_minute=self.requests_per_minute,
            tokens_per_minute=None if token_limit is None else self._tokens[0].present_rate * SECONDS_A_MINUTE,
            request_limit=self.quota.requests_per_minute,
            token_limit=token_limit,
            confidence=1.0,
        )

    def reserve(self, now: float, tokens: int = 0) -> Reservation:
        """Reserve one request and its tokens, behind all that wait."""
        return self._reserve(now, tokens, None)

    def reserve_request(self, now: float, request: RequestTokens) -> Reservation:
        """Reserve as ``reserve`` does, and count the tokens with the burndown of the request."""
        return self._reserve(now, request.reserved, request.burndown)

    def _reserve(self, now: float, tokens: int, burndown: float | None) -> Reservation:
        with self._lock:
            self._advance(now)
            expected = self._costs.expected(tokens, burndown)
            claims = [(limit, limit.claim_unsent(expected)) for limit in self._tokens]
            tracked = _QuotaReservation(self, tokens, burndown, claims)
            tracked.wait = self._wait(tracked, now)
            return tracked

    def due(self, reservation: Reservation, now: float) -> float:
        """Return the seconds still to wait; 0 means: send it now."""
        tracked = _QuotaReservation.of(self, reservation)
        with self._lock:
            self._advance(now)
            return self._wait(tracked, now)

    def answered(self, reservation: Reservation, now: float, usage: Usage | None = None) -> None:
        """Correct the claim to what the call cost. Without a usage, the claim stays."""
        tracked = _QuotaReservation.of(self, reservation)
        with self._lock:
            self._advance(now)
            if self._close(tracked) and usage is not None:
                cost = self._costs.of(usage, tracked.burndown)
                self._costs.learn(cost, tracked.tokens)
                for paced, claim in tracked.token_claims:
                    paced.bucket.grant(claim.amount - cost)
                    paced.correct(tracked.at, cost - claim.amount)

    def throttled(self, reservation: Reservation, now: float, limit: Limit | None = None) -> None:
        """Drop the burst of the limit that refused; if there was none, halve the rate as after ``overloaded``."""
        tracked = _QuotaReservation.of(self, reservation)
        with self._lock:
            self._advance(now)
            if not self._close(tracked):
                return
            explained = [False]
            if self._requests is not None and limit in {None, Limit.REQUESTS_PER_MINUTE}:
                explained.append(self._requests.refused(tracked.at, 1.0, now))
            for paced, claim in tracked.token_claims:
                paced.bucket.grant(claim.amount)  # a refused request costs no tokens
                if limit not in {Limit.REQUESTS_PER_MINUTE, Limit.TOKENS_PER_DAY}:
                    explained.append(paced.refused(tracked.at, claim.amount, now))
                else:
                    paced.correct(tracked.at, -claim.amount)
            if not any(explained) and limit is not Limit.TOKENS_PER_DAY:
                self._slowdown.cut(tracked.at, now)
                self._set_rates()

    def overloaded(self, reservation: Reservation, now: float) -> None:
        """Halve the rate, hold it, raise it again; see ``bedrock_resilience.pacing._slowdown``."""
        tracked = _QuotaReservation.of(self, reservation)
        with self._lock:
            self._advance(now)
            if self._close(tracked):
                self._slowdown.cut(tracked.at, now)
                self._set_rates()

    def abandoned(self, reservation: Reservation, now: float) -> None:
        """Return the request and its tokens: the requests that wait behind this one move up."""
        tracked = _QuotaReservation.of(self, reservation)
        with self._lock:
            self._advance(now)
            if not tracked.close():
                return
            sent_at = tracked.at if tracked.sent else None
            if self._requests is not None and tracked.request is not None:
                self._requests.withdraw(tracked.request, sent_at)
            for limit, claim in tracked.token_claims:
                limit.withdraw(claim, sent_at)

    def __repr__(self) -> str:
        return f"QuotaPacer({self.quota!r})"

    def _advance(self, now: float) -> None:
        for limit in self._limits:
            limit.bucket.advance(now)
        self._slowdown.advance(now)
        self._set_rates()

    def _set_rates(self) -> None:
        for limit in self._limits:
            limit.bucket.rate = limit.rate * self._slowdown.factor

    def _wait(self, tracked: _QuotaReservation, now: float) -> float:
        if tracked.sent or not tracked.open:
            return 0.0
        wait = self._seconds_left(tracked, now)
        tracked.at = now + wait
        if wait == 0:
            self._send(tracked)
        return wait

    def _send(self, tracked: _QuotaReservation) -> None:
        tracked.sent = True
        if self._requests is not None:
            tracked.request = tracked.request or self._requests.claim()
            self._requests.sent(tracked.request, tracked.at, tracked.request.amount)
        for limit, claim in tracked.token_claims:
            limit.sent(claim, tracked.at, tracked.tokens)

    def _seconds_left(self, tracked: _QuotaReservation, now: float) -> float:
        wait = max((limit.wait(claim, now) for limit, claim in tracked.token_claims), default=0.0)
        if self._requests is None:
            return wait
        if wait > 0 and tracked.request is None:
            return max(wait, self._requests.bucket.next_wait())
        # Not before the tokens are due: requests that are due and wait for tokens would all be sent at once.
        if tracked.request is None:
            tracked.request = self._requests.claim()
        return max(wait, self._requests.wait(tracked.request, now))

    def _close(self, tracked: _QuotaReservation) -> bool:
        was_open = tracked.close()
        if was_open and not tracked.sent:  # without a call of due()
            self._send(tracked)
        for limit, claim in tracked.token_claims:
            limit.bucket.set_unused(claim, 0.0)
        return was_open


def _request_limit(quota: Quota, phase: float) -> PacedLimit | None:
    if quota.requests_per_minute is None:
        return None
    rate = quota.requests_per_minute / SECONDS_A_MINUTE
    tolerance = rate * _NETWORK_TOLERANCE_SECONDS
    even_rate = rate / (1.0 + min(tolerance, _MAX_EVEN_TOLERANCE))
    capacity = quota.request_burst - tolerance
    if capacity < 1.0:  # pragma: no mutate - at 1.0 this changes nothing
        # The burst is too small for the tolerance: the tolerance extends the interval between requests instead.
        rate /= 2.0 - capacity
    capacity = max(1.0, quota.request_burst - rate * _CONNECT_TOLERANCE_SECONDS)
    bucket = VirtualClockBucket(rate, capacity, level=capacity - phase)
    even_rate = min(rate, even_rate)
    return PacedLimit(bucket, quota.requests_per_minute, even_rate, interval=1.0 / even_rate)


def _token_limits(quota: Quota) -> list[PacedLimit]:
    limits: list[PacedLimit] = []
    for tokens, seconds in ((quota.tokens_per_minute, SECONDS_A_MINUTE), (quota.tokens_per_day, SECONDS_A_DAY)):
        if tokens is not None:
            rate = tokens / seconds
            bucket = VirtualClockBucket(rate, tokens - rate * _CONNECT_TOLERANCE_SECONDS)
            per_minute = tokens if seconds == SECONDS_A_MINUTE else None
            limits.append(PacedLimit(bucket, per_minute, rate / (1.0 + EVEN_TOKEN_TOLERANCE)))
    return limits


def _phase_problem(phase: float) -> Problem | None:
    problem = number("phase", phase, least=0)
    return wrong_value("phase", phase, "a finite number >= 0 and < 1") if problem is None and phase >= 1 else problem
