"""Quotas of Bedrock Runtime as data, and the buckets that enforce them in the emulator and in the simulator.

Nothing in here knows the time: every method that depends on it takes `now`, in seconds of any clock that never goes
back.

AWS does not document the shape of Bedrock's "per minute" (fixed window, sliding window or token bucket). This module
reads it as token buckets, which is what EC2 and API Gateway document for theirs.
"""

from __future__ import annotations

import dataclasses
import enum
import itertools
import math
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from bedrock_resilience.quotas._tokens import burndown_rate, check_burndown, model_name, settled_tokens

if TYPE_CHECKING:
    from bedrock_resilience.quotas._tokens import Usage

__all__ = ["Limit", "Quota", "QuotaAdmission", "QuotaLedger", "TokenBucket"]

SECONDS_A_MINUTE: Final = 60.0
SECONDS_A_DAY: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Quota:
    """What an account may ask of one model in one Region. None means: not limited.

    Args:
        requests_per_minute: requests admitted a minute in the long run.
        tokens_per_minute: tokens a minute, input and output together, in the accounting of `bedrock_resilience.quotas`.
            A whole minute's tokens may be taken at once, as a new account's 4,000 a minute must admit a call that
            reserves 4,000.
        tokens_per_day: the same accounting over a day.
        burst: requests that may come at once after a pause: the size of the bucket that `requests_per_minute`
            refills. None takes a tenth of a minute's requests, at least 1: the real size is not documented, and a
            pacer that assumes too small a bucket merely starts a few seconds slower, whereas one that assumes too
            large a bucket is throttled.

    Raises:
        TypeError: a value is not a number.
        ValueError: a value is not positive and finite, or `burst` stands without `requests_per_minute`, or is below 1.
    """

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    tokens_per_day: float | None = None
    burst: float | None = None

    def __post_init__(self) -> None:
        for field in ("requests_per_minute", "tokens_per_minute", "tokens_per_day"):
            if getattr(self, field) is not None:
                _check_number(f"Quota.{field}", getattr(self, field), "a finite number > 0, or None for no limit")
        if self.burst is None:
            return
        _check_number("Quota.burst", self.burst, "a finite number >= 1, or None for a tenth of requests_per_minute")
        if self.burst < 1:
            raise ValueError(
                f"Quota.burst: got {self.burst!r}; accepted: a number >= 1 (a smaller bucket admits nothing)"
            )
        if self.requests_per_minute is None:
            raise ValueError(f"Quota.burst: got {self.burst!r} without requests_per_minute; give both, or no burst")

    @property
    def unlimited(self) -> bool:
        """Whether nothing is limited."""
        return self.requests_per_minute is None and self.tokens_per_minute is None and self.tokens_per_day is None

    @property
    def request_burst(self) -> float:
        """Requests that may come at once: `burst`, or its default; infinite without a request quota."""
        if self.requests_per_minute is None:
            return math.inf
        return max(1.0, self.requests_per_minute / 10) if self.burst is None else self.burst

    def share(self, fraction: float) -> Self:
        """This quota times `fraction`, for one of several callers; the burst stays at 1 at least.

        Raises:
            TypeError: it is not a number.
            ValueError: unless 0 < fraction <= 1.

        >>> Quota(requests_per_minute=60, burst=6).share(1 / 3)
        Quota(requests_per_minute=20.0, tokens_per_minute=None, tokens_per_day=None, burst=2.0)
        """
        _check_number("fraction", fraction, "0 < fraction <= 1")
        if fraction > 1:
            raise ValueError(f"fraction: got {fraction!r}; accepted: 0 < fraction <= 1")
        return dataclasses.replace(
            self,
            requests_per_minute=_scaled(self.requests_per_minute, fraction),
            tokens_per_minute=_scaled(self.tokens_per_minute, fraction),
            tokens_per_day=_scaled(self.tokens_per_day, fraction),
            burst=None if self.burst is None else max(1.0, self.burst * fraction),
        )

    def replace(self, **changes: float | None) -> Self:
        """A copy with these fields changed, validated again."""
        return dataclasses.replace(self, **changes)


def _check_number(name: str, given: object, accepted: str) -> None:
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise TypeError(f"{name}: got {given!r}; accepted: {accepted}")
    if not 0 < given <= sys.float_info.max:  # an integer may be larger than any float
        raise ValueError(f"{name}: got {given!r}; accepted: {accepted}")


def _scaled(value: float | None, fraction: float) -> float | None:
    return None if value is None else value * fraction


class TokenBucket:
    """A bucket of `capacity` tokens, refilled evenly at `rate_per_second`, full at first. Not thread-safe.

    `now` may stand still but should not go back; if it does, the bucket keeps its level.

    Raises:
        ValueError: rate or capacity is not a finite number > 0.
    """

    __slots__ = ("_at", "_level", "capacity", "rate_per_second")

    def __init__(self, rate_per_second: float, capacity: float) -> None:
        _check_number("rate_per_second", rate_per_second, "a finite number > 0")
        _check_number("capacity", capacity, "a finite number > 0")
        self.rate_per_second: float = rate_per_second
        self.capacity: float = capacity
        self._level = float(capacity)
        self._at = -math.inf

    def __repr__(self) -> str:
        rate, capacity = self.rate_per_second, self.capacity
        return f"TokenBucket(rate_per_second={rate!r}, capacity={capacity!r}, level={self._level:.3f})"

    def level(self, now: float) -> float:
        """Tokens in the bucket; negative while a settlement beyond its reservation is being paid off."""
        if now > self._at:
            # The first call finds a full bucket: inf * rate is cut to the capacity.
            self._level = min(self.capacity, self._level + (now - self._at) * self.rate_per_second)
            self._at = now
        return self._level

    def fits(self, now: float, amount: float = 1.0) -> bool:
        """Whether `take` would succeed."""
        # A caller who has waited exactly `wait()` seconds must not miss by the rounding of the clock or the sums.
        rounding = 2 * math.ulp(now) * self.rate_per_second + 1e-9 * max(amount, self.capacity)
        return self.level(now) + rounding >= amount

    def take(self, now: float, amount: float = 1.0) -> bool:
        """Take `amount` if it is there; say whether it was."""
        if not self.fits(now, amount):
            return False
        self._level -= amount
        return True

    def debit(self, now: float, amount: float) -> None:
        """Take `amount` whether it is there or not; a negative amount gives back, up to the capacity."""
        self._level = min(self.capacity, self.level(now) - amount)

    def wait(self, now: float, amount: float = 1.0) -> float:
        """Seconds until `amount` fits; infinite if it is more than the bucket holds."""
        if self.fits(now, amount):
            return 0.0
        if amount > self.capacity:
            return math.inf
        return (amount - self._level) / self.rate_per_second


class Limit(enum.Enum):
    """Which quota refused a request; the value is the name of the field of `Quota`."""

    REQUESTS_PER_MINUTE = "requests_per_minute"
    TOKENS_PER_MINUTE = "tokens_per_minute"
    TOKENS_PER_DAY = "tokens_per_day"


@dataclass(frozen=True, slots=True)
class QuotaAdmission:
    """The answer of a ledger to one request.

    Attributes:
        model: whose quota was asked.
        reserved: tokens deducted; 0 for a refused request.
        throttled_by: the quota that refused it; None if it was admitted.
        retry_after: seconds until the request would fit if nobody else came; infinite if it never will.
        serial: tells two admissions apart.
    """

    model: str
    reserved: float
    throttled_by: Limit | None = None
    retry_after: float = 0.0
    serial: int = 0

    @property
    def admitted(self) -> bool:
        """Whether the request may run."""
        return self.throttled_by is None


class QuotaLedger:
    """Enforces quotas over all callers of all models, as the service does. Thread-safe.

    A refused request costs nothing: neither a request nor tokens. The quotas of a model id and of its ARN are one;
    those of a model and of its cross-Region profiles are apart, as in Service Quotas.

    Args:
        quota: one quota, which every model has for itself, or a mapping from model id to quota (others are not
            limited).
        burndown: family -> tokens of quota an output token costs, before those of `BURNDOWN_RATES`.

    Raises:
        TypeError: a rate of `burndown` is not a number.
        ValueError: it is not positive and finite. Both name the family.
    """

    def __init__(
        self, quota: Quota | Mapping[str, Quota] | None = None, *, burndown: Mapping[str, float] | None = None
    ) -> None:
        for family, rate in (burndown or {}).items():
            check_burndown(family, rate)
        self._quota = quota
        self._burndown = burndown
        self._buckets: dict[str, dict[Limit, TokenBucket]] = {}
        self._open: dict[int, QuotaAdmission] = {}
        self._serials = itertools.count(1)
        self._lock = threading.Lock()

    @property
    def in_flight(self) -> int:
        """Requests admitted and not settled."""
        return len(self._open)

    def quota_of(self, model: str) -> Quota:
        """The quota of this model."""
        if isinstance(self._quota, Mapping):
            return self._quota.get(model_name(model)) or self._quota.get(model) or Quota()
        return self._quota or Quota()

    def admit(self, now: float, model: str, tokens: float = 0) -> QuotaAdmission:
        """Ask for one request that reserves `tokens` (`reserved_tokens`); either all quotas are debited or none."""
        with self._lock:
            asked = [
                (limit, bucket, 1.0 if limit is Limit.REQUESTS_PER_MINUTE else float(tokens))
                for limit, bucket in self._buckets_of(model).items()
            ]
            for limit, bucket, amount in asked:
                if not bucket.fits(now, amount):
                    return QuotaAdmission(model, 0.0, limit, bucket.wait(now, amount))
            for _, bucket, amount in asked:
                bucket.debit(now, amount)
            admission = QuotaAdmission(model, float(tokens), serial=next(self._serials))
            self._open[admission.serial] = admission
            return admission

    def settle(self, admission: QuotaAdmission, now: float, usage: Usage | None) -> float:
        """End an admitted request: correct the reservation to what it has cost. Returns tokens charged.

        Args:
            admission: what `admit` returned. Settling a refused one, or one a second time, changes nothing.
            now: the time.
            usage: what the call used; None if it failed without generating anything, which gives the reservation back.
        """
        cost = 0.0 if usage is None else settled_tokens(usage, burndown_rate(admission.model, self._burndown))
        with self._lock:
            if self._open.pop(admission.serial, None) is None:
                return 0.0
            for limit, bucket in self._buckets_of(admission.model).items():
                if limit is not Limit.REQUESTS_PER_MINUTE:
                    bucket.debit(now, cost - admission.reserved)
        return cost

    def change(self, quota: Quota | Mapping[str, Quota] | None, now: float | None = None) -> None:
        """Put another quota in force.

        Args:
            quota: the new one.
            now: the time; what is in a bucket then stays there, as far as the new one holds it. None: the buckets
                start full.
        """
        with self._lock:
            old, self._buckets = self._buckets, {}
            self._quota = quota
            for model, buckets in old.items() if now is not None else ():
                for limit, bucket in self._buckets_of(model).items():
                    if now is not None and limit in buckets:
                        bucket.debit(now, bucket.capacity - buckets[limit].level(now))

    def level(self, now: float, model: str, limit: Limit) -> float:
        """What is left of a quota of this model; infinite if that is not limited."""
        with self._lock:
            bucket = self._buckets_of(model).get(limit)
            return math.inf if bucket is None else bucket.level(now)

    def _buckets_of(self, model: str) -> dict[Limit, TokenBucket]:
        name = model_name(model)
        if name not in self._buckets:
            self._buckets[name] = _buckets(self.quota_of(model))
        return self._buckets[name]


def _buckets(quota: Quota) -> dict[Limit, TokenBucket]:
    buckets: dict[Limit, TokenBucket] = {}
    if quota.requests_per_minute is not None:
        rate = quota.requests_per_minute / SECONDS_A_MINUTE
        buckets[Limit.REQUESTS_PER_MINUTE] = TokenBucket(rate, quota.request_burst)
    if quota.tokens_per_minute is not None:
        buckets[Limit.TOKENS_PER_MINUTE] = TokenBucket(
            quota.tokens_per_minute / SECONDS_A_MINUTE, quota.tokens_per_minute
        )
    if quota.tokens_per_day is not None:
        buckets[Limit.TOKENS_PER_DAY] = TokenBucket(quota.tokens_per_day / SECONDS_A_DAY, quota.tokens_per_day)
    return buckets
