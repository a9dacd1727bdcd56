"""``ModelLimits``: the quotas of one model under one reading, over time."""

from __future__ import annotations

import copy
import math
import random
from typing import TYPE_CHECKING, Final

from bedrock_resilience.quotas._limiters import (
    FixedWindow,
    RefilledBucket,
    SlidingWindow,
    TokenBucket,
    seconds_until,
)
from bedrock_resilience.quotas._quota_limit import SECONDS_A_DAY, SECONDS_A_MINUTE, Limit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bedrock_resilience.quotas._limiters import RateLimiter
    from bedrock_resilience.quotas._quota import Quota
    from bedrock_resilience.quotas._readings import OtherTenants, QuotaReading

_ROUNDING_TOKENS: Final = 1e-6
"""A level that is short of a whole token by so little has been rounded."""
_REMEMBERED_SECONDS: Final = 2 * SECONDS_A_MINUTE
"""What other tenants sent before that is not simulated: it has left every window, and almost every bucket."""


class ModelLimits:
    """The rate limiters of one model, with the schedule and the other tenants of the reading. Not thread-safe.

    Args:
        quota: What is limited.
        reading: How it is enforced.
        start: The time from which the phase, the schedule and the tenants' share count.
        seed: Seed of the tenants' requests.
        tenants_first: Book the tenants' requests even if nothing is left, as if they were served before all others.
    """

    __slots__ = (
        "_factor",
        "_limiters",
        "_now",
        "_origin",
        "_quota",
        "_reading",
        "_steps",
        "_tenants",
        "_tenants_first",
    )

    def __init__(
        self, quota: Quota, reading: QuotaReading, start: float, seed: object, *, tenants_first: bool = False
    ) -> None:
        self._quota = quota
        self._reading = reading
        self._origin = start + reading.phase
        self._now = -math.inf
        self._factor = 1.0
        self._steps = [(start + at, factor) for at, factor in reading.schedule]
        self._limiters: dict[Limit, RateLimiter] = {
            limit: self._limiter(limit, *rate) for limit, rate in self._rates(1.0).items()
        }
        tenants = reading.tenants
        self._tenants_first = tenants_first
        self._tenants = None if tenants is None else _Tenants(quota, tenants, start, seed)

    def fitting(self, now: float, amounts: Mapping[Limit, float]) -> tuple[Limit | None, float]:
        """Return the first limit under which the amounts do not fit, and the seconds until they fit under all."""
        at = self.advance(now)
        refusing = [
            limit
            for limit, limiter in self._limiters.items()
            # A quota of output refuses no request: it ends the generation.
            if limit is not Limit.OUTPUT_TOKENS_PER_MINUTE and not limiter.fits(at, amounts[limit])
        ]
        if not refusing:
            return None, 0.0
        return refusing[0], max(self._wait(limit, now, amounts[limit]) for limit in refusing)

    def debit(self, now: float, amounts: Mapping[Limit, float]) -> float:
        """Debit the amounts; return the time for which they are booked, which ``correct`` takes."""
        at = self.advance(now)
        for limit, limiter in self._limiters.items():
            limiter.debit(at, amounts[limit])
        return at

    def refuse(self, now: float, amounts: Mapping[Limit, float]) -> None:
        """Count a refused request, if the reading counts refusals."""
        at = self.advance(now)
        for limit, limiter in self._limiters.items():
            if limit is not Limit.TOKENS_PER_DAY:
                limiter.penalise(at, amounts[limit])

    def correct(self, now: float, booked_at: float, tokens: float, output: float) -> None:
        """Correct the tokens of a request to what it cost: ``tokens`` more, or less if negative.

        ``output`` is the same of a quota of output tokens.
        """
        at = self.advance(now)
        for limit, limiter in self._limiters.items():
            if limit is not Limit.REQUESTS_PER_MINUTE:
                limiter.correct(at, booked_at, output if limit is Limit.OUTPUT_TOKENS_PER_MINUTE else tokens)

    def generate(self, now: float, tokens: int) -> int:
        """Count output tokens as they are generated, up to what the quota of output allows; return how many."""
        at = self.advance(now)
        limiter = self._limiters.get(Limit.OUTPUT_TOKENS_PER_MINUTE)
        if limiter is None:
            return tokens
        allowed = min(tokens, max(0, math.floor(limiter.level(at) + _ROUNDING_TOKENS)))
        limiter.debit(at, allowed)
        return allowed

    def level(self, now: float, limit: Limit) -> float:
        """Return what is left of a quota; infinite if it is not limited."""
        at = self.advance(now)
        limiter = self._limiters.get(limit)
        return math.inf if limiter is None else limiter.level(at)

    def change(self, quota: Quota, now: float) -> None:
        """Replace the quota; what was used stays used."""
        at = self.advance(now)
        self._quota = quota
        rates = self._rates(self._factor)
        for limit in self._limiters.keys() - rates.keys():
            del self._limiters[limit]
        for limit, rate in rates.items():
            if limit in self._limiters:
                self._limiters[limit].resize(at, *rate)
            else:
                self._limiters[limit] = self._limiter(limit, *rate)
        if self._tenants is not None:
            self._tenants.quota = quota

    def advance(self, now: float) -> float:
        """Apply what happened until ``now``; return the latest time seen, which is later on a clock that went back."""
        if now <= self._now:  # pragma: no mutate - at the same time, nothing more happened
            return self._now
        if self._tenants is not None:
            for at, amounts in self._tenants.requests(now):
                self._step(at)
                if self._tenants_first or all(
                    limiter.fits(at, amounts[limit]) for limit, limiter in self._limiters.items()
                ):
                    for limit, limiter in self._limiters.items():
                        limiter.debit(at, amounts[limit])
        self._step(now)
        return now

    def _step(self, now: float) -> None:
        while self._steps and self._steps[0][0] <= now:
            at, self._factor = self._steps.pop(0)
            for limit, rate in self._rates(self._factor).items():
                self._limiters[limit].resize(at, *rate)
        self._now = max(now, self._now)

    def _wait(self, limit: Limit, now: float, amount: float) -> float:
        limiter, at = self._limiters[limit], self._now
        wait = limiter.wait(at, amount)
        for changes, factor in self._steps:
            if at + wait < changes:  # pragma: no mutate - then it waits as long under the changed one
                break
            # The quota changes before: what follows is computed under the changed one.
            limiter, at = copy.deepcopy(limiter), changes
            limiter.resize(at, *self._rates(factor)[limit])
            wait = limiter.wait(at, amount)
        return seconds_until(now, at + wait)

    def _rates(self, factor: float) -> dict[Limit, tuple[float, float]]:
        """Each limit's rate a second, and the size of its bucket."""
        quota, reading = self._quota, self._reading
        rates: dict[Limit, tuple[float, float]] = {}
        if quota.requests_per_minute is not None:
            burst = quota.request_burst if reading.burst is None else reading.burst
            rates[Limit.REQUESTS_PER_MINUTE] = (factor * quota.requests_per_minute / SECONDS_A_MINUTE, burst)
        for limit, tokens in _tokens_a_minute(quota):
            a_minute = factor * tokens
            burst = a_minute if reading.token_burst is None else reading.token_burst
            rates[limit] = (a_minute / SECONDS_A_MINUTE, burst)
        if quota.tokens_per_day is not None:
            rates[Limit.TOKENS_PER_DAY] = (quota.tokens_per_day / SECONDS_A_DAY, quota.tokens_per_day)
        return rates

    def _limiter(self, limit: Limit, rate: float, capacity: float) -> RateLimiter:
        window = self._reading.window
        if limit is Limit.TOKENS_PER_DAY or window == "bucket":
            return TokenBucket(rate, capacity)
        if window == "refill":
            return RefilledBucket(rate, capacity, self._origin)
        return FixedWindow(rate, self._origin) if window == "fixed" else SlidingWindow(rate)


class _Tenants:
    """The requests of the other tenants: as large as the quota's tokens over its requests, at random times."""

    def __init__(self, quota: Quota, tenants: OtherTenants, start: float, seed: object) -> None:
        self.quota = quota
        self._tenants = tenants
        self._start = start
        self._rng = random.Random(f"tenants {seed}")  # noqa: S311 - a simulation
        self._next = self._after(start)

    def requests(self, until: float) -> list[tuple[float, dict[Limit, float]]]:
        """The requests that arrive up to a time, with their amounts."""
        found: list[tuple[float, dict[Limit, float]]] = []
        oldest = until - _REMEMBERED_SECONDS
        if self._next < oldest:  # pragma: no mutate - no time is that to the last bit
            self._next = self._after(oldest)
        amounts = amounts_of((self.quota.tokens_per_minute or 0.0) / self._per_minute)
        while self._next <= until:  # pragma: no mutate - no time is that to the last bit
            found.append((self._next, amounts))
            self._next = self._after(self._next)
        return found

    @property
    def _per_minute(self) -> float:
        return self.quota.requests_per_minute or SECONDS_A_MINUTE

    def _after(self, at: float) -> float:
        """When the next request arrives: candidates come at the rate of the peak, and are dropped beside it."""
        peak = self._tenants.share + self._tenants.swing
        if peak == 0:
            return math.inf
        while True:
            at += self._rng.expovariate(peak * self._per_minute / SECONDS_A_MINUTE)
            share = self._tenants.share_at(at - self._start)
            if self._rng.random() * peak < share:  # pragma: no mutate - no number is that to the last bit
                return at


def amounts_of(tokens: float, output: float = 0.0) -> dict[Limit, float]:
    """What a request of so many tokens takes of each limit; output is counted as it is generated."""
    return {
        Limit.REQUESTS_PER_MINUTE: 1.0,
        Limit.TOKENS_PER_MINUTE: tokens,
        Limit.TOKENS_PER_DAY: tokens,
        Limit.INPUT_TOKENS_PER_MINUTE: tokens,
        Limit.OUTPUT_TOKENS_PER_MINUTE: output,
    }


def _tokens_a_minute(quota: Quota) -> list[tuple[Limit, float]]:
    given = (
        (Limit.TOKENS_PER_MINUTE, quota.tokens_per_minute),
        (Limit.INPUT_TOKENS_PER_MINUTE, quota.input_tokens_per_minute),
        (Limit.OUTPUT_TOKENS_PER_MINUTE, quota.output_tokens_per_minute),
    )
    return [(limit, tokens) for limit, tokens in given if tokens is not None]
