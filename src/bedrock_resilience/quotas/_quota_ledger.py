"""``QuotaLedger``: enforces quotas in the emulator and in the simulator.

Nothing here reads a clock: every method that depends on the time takes ``now``, in seconds of any clock that never goes
back.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bedrock_resilience.quotas._limits import ModelLimits, amounts_of
from bedrock_resilience.quotas._models import model_name
from bedrock_resilience.quotas._quota import Quota
from bedrock_resilience.quotas._readings import quota_reading
from bedrock_resilience.quotas._tokens import burndown_rate, check_burndown

if TYPE_CHECKING:
    from bedrock_resilience.quotas._quota_limit import Limit
    from bedrock_resilience.quotas._readings import QuotaReading
    from bedrock_resilience.quotas._tokens import Usage


@dataclass(frozen=True, slots=True)
class QuotaAdmission:
    """The decision of a ``QuotaLedger`` on one request.

    Attributes:
        model: The model whose quota decided.
        reserved: Tokens deducted; 0 for a refused request.
        throttled_by: The quota that refused it; None if it was admitted.
        retry_after: Seconds until the request would fit without other requests; infinite if it never fits.
        serial: Unique among the admissions of the ledger.
        at: The time for which it is booked: that of ``admit``, except on a clock that went back.
    """

    model: str
    reserved: float
    throttled_by: Limit | None = None
    retry_after: float = 0.0
    serial: int = 0
    at: float = 0.0

    @property
    def admitted(self) -> bool:
        """Whether the request may run."""
        return self.throttled_by is None


class QuotaLedger:
    """Enforces quotas over all callers of all models, as the service does. Thread-safe.

    A refused request costs nothing, neither a request nor tokens, unless the reading counts refusals. A model id and
    its ARN share one quota; a model and its cross-Region profiles have one each, as in Service Quotas. The endpoints
    ``bedrock-runtime`` and ``bedrock-mantle`` have a ledger each; a quota says by which rules it counts.

    Args:
        quota: One quota, which every model has for itself, or a mapping from model id to quota (other models are not
            limited).
        burndown: Family -> tokens of quota that an output token costs, before those of ``BURNDOWN_RATES``.
        reading: How quotas per minute are enforced: a ``QuotaReading``, or its name. The default is a token bucket.
        start: The time from which the phase and the schedule of the reading count; None: the first time it is used.
        seed: Seed of the requests of the reading's other tenants.

    Raises:
        TypeError: A rate of ``burndown`` is not a number, or ``reading`` is no reading.
        ValueError: A rate is not positive and finite, or no reading has this name.
    """

    def __init__(
        self,
        quota: Quota | Mapping[str, Quota] | None = None,
        *,
        burndown: Mapping[str, float] | None = None,
        reading: QuotaReading | str = "bucket",
        start: float | None = None,
        seed: int = 0,
    ) -> None:
        for family, rate in (burndown or {}).items():
            check_burndown(family, rate)
        self._quota = quota
        self._burndown = burndown
        self._reading = quota_reading(reading)
        self._start = start
        self._seed = seed
        self._limits: dict[str, ModelLimits] = {}
        self._open: dict[int, QuotaAdmission] = {}
        self._generated: dict[int, int] = {}
        self._serials = itertools.count(1)
        self._lock = threading.Lock()

    @property
    def reading(self) -> QuotaReading:
        """How quotas per minute are enforced."""
        return self._reading

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
        amounts = amounts_of(float(tokens))
        with self._lock:
            limits = self._limits_of(model, now)
            throttled_by, wait = limits.fitting(now, amounts)
            if throttled_by is not None:
                if self._reading.refusals_count:
                    limits.refuse(now, amounts)
                    _, wait = limits.fitting(now, amounts)
                return QuotaAdmission(model, 0.0, throttled_by, wait)
            at = limits.debit(now, amounts)
            admission = QuotaAdmission(model, float(tokens), serial=next(self._serials), at=at)
            self._open[admission.serial] = admission
            return admission

    def generate(self, admission: QuotaAdmission, now: float, tokens: int) -> int:
        """Count output tokens of an admitted request as they are generated.

        Args:
            admission: What ``admit`` returned.
            now: The present time, in seconds.
            tokens: Tokens that the model would generate next.

        Returns:
            How many it may: fewer if a quota of output is used up, so that the generation stops with a finish
            reason. All of them if output has no quota of its own.
        """
        with self._lock:
            if admission.serial not in self._open:
                return tokens
            allowed = self._limits_of(admission.model, now).generate(now, tokens)
            self._generated[admission.serial] = self._generated.get(admission.serial, 0) + allowed
            return allowed

    def settle(self, admission: QuotaAdmission, now: float, usage: Usage | None) -> float:
        """End an admitted request: correct its reservation to what it cost.

        Args:
            admission: What ``admit`` returned. Settling a refused one, or one a second time, changes nothing.
            now: The present time, in seconds.
            usage: What the call used; None if it failed without generating anything, which refunds the reservation.

        Returns:
            The tokens charged.
        """
        burndown = burndown_rate(admission.model, self._burndown)
        with self._lock:
            if self._open.pop(admission.serial, None) is None:
                return 0.0
            cost = 0.0 if usage is None else self.quota_of(admission.model).tokens_charged(usage, burndown)
            output = 0 if usage is None else usage.output_tokens
            limits = self._limits_of(admission.model, now)
            limits.correct(
                now, admission.at, cost - admission.reserved, output - self._generated.pop(admission.serial, 0)
            )
        return cost

    def change(
        self,
        quota: Quota | Mapping[str, Quota] | None,
        now: float | None = None,
        *,
        reading: QuotaReading | str | None = None,
    ) -> None:
        """Replace the quota.

        Args:
            quota: The new one.
            now: The present time, in seconds: what was used stays used, up to the new limits. None: nothing is used,
                and the time of the reading starts again.
            reading: Another reading, which also starts with nothing used; None: the present one.

        Raises:
            TypeError: ``reading`` is no reading.
            ValueError: No reading has this name.
        """
        changed = self._reading if reading is None else quota_reading(reading)
        with self._lock:
            self._quota = quota
            if now is None or changed != self._reading:
                self._limits = {}
                self._start = None if now is None else self._start
            self._reading = changed
            for model, limits in self._limits.items():
                limits.change(self.quota_of(model), now or 0.0)

    def level(self, now: float, model: str, limit: Limit) -> float:
        """Return what is left of a quota of this model; infinite if it is not limited."""
        with self._lock:
            return self._limits_of(model, now).level(now, limit)

    def _limits_of(self, model: str, now: float) -> ModelLimits:
        name = model_name(model)
        if name not in self._limits:
            self._start = now if self._start is None else self._start
            self._limits[name] = ModelLimits(self.quota_of(model), self._reading, self._start, self._seed)
        return self._limits[name]
