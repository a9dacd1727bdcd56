"""Quotas of Bedrock Runtime as data, and the buckets that enforce them in the emulator and in the simulator.

Nothing here reads a clock: every method that depends on the time takes ``now``, in seconds of any clock that never goes
back.

AWS does not document the shape of Bedrock's "per minute" (fixed window, sliding window or token bucket). This module
implements it as token buckets, which is what EC2 and API Gateway document for theirs.
"""

from __future__ import annotations

import dataclasses
import enum
import itertools
import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from bedrock_resilience._checks import number, refuse, wrong_value
from bedrock_resilience.quotas._models import model_name
from bedrock_resilience.quotas._tokens import burndown_rate, check_burndown, settled_tokens

if TYPE_CHECKING:
    from bedrock_resilience.quotas._tokens import Usage

__all__ = ["Limit", "Quota", "QuotaAdmission", "QuotaLedger", "TokenBucket"]

SECONDS_A_MINUTE: Final = 60.0
SECONDS_A_DAY: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Quota:
    """What an account may send to one model in one Region. None means: not limited.

    Args:
        requests_per_minute: Requests admitted a minute in the long run.
        tokens_per_minute: Tokens a minute, input and output together, as ``reserved_tokens`` and ``settled_tokens``
            count them. All tokens of a minute may be used at once, because a new account's 4,000 a minute must admit a
            call that reserves 4,000.
        tokens_per_day: The same over a day.
        burst: Requests that may be sent at once after a pause: the size of the bucket that ``requests_per_minute``
            refills. None: a tenth of a minute's requests, at least 1. The real size is not documented; a pacer that
            assumes too small a bucket merely starts a few seconds slower, and one that assumes too large a bucket is
            throttled.

    Raises:
        TypeError: A value is not a number.
        ValueError: A value is not positive and finite, or ``burst`` is given without ``requests_per_minute``, or is
            below 1. Both name every such field.
    """

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    tokens_per_day: float | None = None
    burst: float | None = None

    def __post_init__(self) -> None:
        burst = number("burst", self.burst, least=1, optional=True)  # a smaller bucket admits nothing
        if burst is None and self.burst is not None and self.requests_per_minute is None:
            burst = wrong_value("burst", self.burst, "None without requests_per_minute")
        refuse(
            "Quota",
            number("requests_per_minute", self.requests_per_minute, above=0, optional=True),
            number("tokens_per_minute", self.tokens_per_minute, above=0, optional=True),
            number("tokens_per_day", self.tokens_per_day, above=0, optional=True),
            burst,
        )

    @property
    def unlimited(self) -> bool:
        """Whether nothing is limited."""
        return self.requests_per_minute is None and self.tokens_per_minute is None and self.tokens_per_day is None

    @property
    def request_burst(self) -> float:
        """Requests that may be sent at once: ``burst``, or its default; infinite without a request quota."""
        if self.requests_per_minute is None:
            return math.inf
        return max(1.0, self.requests_per_minute / 10) if self.burst is None else self.burst

    def share(self, fraction: float) -> Self:
        """Return this quota times ``fraction``, for one of several callers. The burst stays at 1 at least.

        Raises:
            TypeError: ``fraction`` is not a number.
            ValueError: Not 0 < fraction <= 1.

        >>> Quota(requests_per_minute=60, burst=6).share(1 / 3)
        Quota(requests_per_minute=20.0, tokens_per_minute=None, tokens_per_day=None, burst=2.0)
        """
        refuse("Quota.share", number("fraction", fraction, above=0, most=1))
        return dataclasses.replace(
            self,
            requests_per_minute=_scaled(self.requests_per_minute, fraction),
            tokens_per_minute=_scaled(self.tokens_per_minute, fraction),
            tokens_per_day=_scaled(self.tokens_per_day, fraction),
            burst=None if self.burst is None else max(1.0, self.burst * fraction),
        )

    def replace(self, **changes: float | None) -> Self:
        """Return a copy with these fields changed, validated again."""
        return dataclasses.replace(self, **changes)


def _scaled(value: float | None, fraction: float) -> float | None:
    return None if value is None else value * fraction


class TokenBucket:
    """A bucket of ``capacity`` tokens, refilled evenly at ``rate_per_second``, full at first. Not thread-safe.

    Where ``now`` goes back, the bucket keeps its level.

    Raises:
        TypeError: A rate or capacity is not a number.
        ValueError: It is not finite and > 0.
    """

    __slots__ = ("_at", "_level", "capacity", "rate_per_second")

    def __init__(self, rate_per_second: float, capacity: float) -> None:
        refuse(
            "TokenBucket",
            number("rate_per_second", rate_per_second, above=0),
            number("capacity", capacity, above=0),
        )
        self.rate_per_second: float = rate_per_second
        self.capacity: float = capacity
        self._level = float(capacity)
        self._at = -math.inf

    def __repr__(self) -> str:
        rate, capacity = self.rate_per_second, self.capacity
        return f"TokenBucket(rate_per_second={rate!r}, capacity={capacity!r}, level={self._level:.3f})"

    def level(self, now: float) -> float:
        """Return the tokens in the bucket; negative after a call that settled at more than it reserved."""
        if now > self._at:
            # The first call finds a full bucket: inf * rate is cut to the capacity.
            self._level = min(self.capacity, self._level + (now - self._at) * self.rate_per_second)
            self._at = now
        return self._level

    def fits(self, now: float, amount: float = 1.0) -> bool:
        """Return whether ``take`` would succeed."""
        # A caller that waited exactly `wait()` seconds must not fail because of rounding of the clock or the sums.
        rounding = 2 * math.ulp(now) * self.rate_per_second + 1e-9 * max(amount, self.capacity)
        return self.level(now) + rounding >= amount

    def take(self, now: float, amount: float = 1.0) -> bool:
        """Remove ``amount`` if the bucket contains it; return whether it did."""
        if not self.fits(now, amount):
            return False
        self._level -= amount
        return True

    def debit(self, now: float, amount: float) -> None:
        """Remove ``amount`` whatever the level; a negative amount is refunded, up to the capacity."""
        self._level = min(self.capacity, self.level(now) - amount)

    def wait(self, now: float, amount: float = 1.0) -> float:
        """Return the seconds until ``amount`` fits; infinite if it exceeds the capacity."""
        if self.fits(now, amount):
            return 0.0
        if amount > self.capacity:
            return math.inf
        return (amount - self._level) / self.rate_per_second


class Limit(enum.Enum):
    """Which quota refused a request; the value is the name of the field of ``Quota``."""

    REQUESTS_PER_MINUTE = "requests_per_minute"
    TOKENS_PER_MINUTE = "tokens_per_minute"
    TOKENS_PER_DAY = "tokens_per_day"


@dataclass(frozen=True, slots=True)
class QuotaAdmission:
    """The decision of a ``QuotaLedger`` on one request.

    Attributes:
        model: The model whose quota decided.
        reserved: Tokens deducted; 0 for a refused request.
        throttled_by: The quota that refused it; None if it was admitted.
        retry_after: Seconds until the request would fit without other requests; infinite if it never will.
        serial: Unique among the admissions of the ledger.
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

    A refused request costs nothing: neither a request nor tokens. A model id and its ARN share one quota; a model and
    its cross-Region profiles have one each, as in Service Quotas.

    Args:
        quota: One quota, which every model has for itself, or a mapping from model id to quota (other models are not
            limited).
        burndown: Family -> tokens of quota that an output token costs, before those of ``BURNDOWN_RATES``.

    Raises:
        TypeError: A rate of ``burndown`` is not a number.
        ValueError: It is not positive and finite. Both name the family.
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
        """Return the quota of this model."""
        if isinstance(self._quota, Mapping):
            return self._quota.get(model_name(model)) or self._quota.get(model) or Quota()
        return self._quota or Quota()

    def admit(self, now: float, model: str, tokens: float = 0) -> QuotaAdmission:
        """Admit or refuse one request that reserves ``tokens``, see ``reserved_tokens``. Debit all quotas, or none."""
        with self._lock:
            debits = [
                (limit, bucket, 1.0 if limit is Limit.REQUESTS_PER_MINUTE else float(tokens))
                for limit, bucket in self._buckets_of(model).items()
            ]
            for limit, bucket, amount in debits:
                if not bucket.fits(now, amount):
                    return QuotaAdmission(model, 0.0, limit, bucket.wait(now, amount))
            for _, bucket, amount in debits:
                bucket.debit(now, amount)
            admission = QuotaAdmission(model, float(tokens), serial=next(self._serials))
            self._open[admission.serial] = admission
            return admission

    def settle(self, admission: QuotaAdmission, now: float, usage: Usage | None) -> float:
        """End an admitted request: correct its reservation to what it cost.

        Args:
            admission: What ``admit`` returned. Settling a refused one, or one a second time, changes nothing.
            now: The present time, in seconds.
            usage: What the call used; None if it failed without generating anything, which refunds the reservation.

        Returns:
            The tokens charged.
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
        """Replace the quota.

        Args:
            quota: The new one.
            now: The present time, in seconds: each bucket keeps its level, up to its new capacity. None: the buckets
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
        """Return what is left of a quota of this model; infinite where it is not limited."""
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
