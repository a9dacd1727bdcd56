"""``Scenario``: what is simulated, as an immutable value."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from bedrock_resilience._checks import Problem, instance, number, refuse, whole_number, wrong_type, wrong_value
from bedrock_resilience.quotas import Quota, QuotaReading, quota_reading
from bedrock_resilience.simulation._spans import spans_problem
from bedrock_resilience.simulation._stores import StoreConditions

Latency: TypeAlias = float | Callable[[random.Random], float]
"""Seconds, or a function that draws seconds with the given random numbers."""

DEFAULT_LATENCY_SECONDS = 6.5
_DEFAULT_QUOTA = Quota(requests_per_minute=50, burst=5)


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of the items.

    Args:
        least: Input tokens of the shortest item.
        most: Input tokens of the longest item; item sizes are distributed evenly between the two.
        max_tokens: ``max_tokens`` of every request.
        output: Output tokens of every answer.

    Raises:
        TypeError: A field is no whole number.
        ValueError: A field is negative, or ``least`` is greater than ``most``.
    """

    least: int = 500
    most: int = 3_000
    max_tokens: int = 1_000
    output: int = 300

    def __post_init__(self) -> None:
        names = ("least", "most", "max_tokens", "output")
        refuse("Tokens", *(whole_number(name, getattr(self, name), least=0) for name in names))
        if self.least > self.most:
            refuse("Tokens", wrong_value("most", self.most, f"a whole number >= least ({self.least})"))


@dataclass(frozen=True, slots=True)
class QuotaChange:
    """A quota that replaces the previous one during the simulation; the fill of its buckets carries over.

    Args:
        at: Seconds since the start of the first instance.
        quota: The new quota.

    Raises:
        TypeError: A field has the wrong type.
        ValueError: ``at`` is negative or not finite.
    """

    at: float
    quota: Quota

    def __post_init__(self) -> None:
        refuse("QuotaChange", _seconds("at", self.at), _quota(self.quota))


@dataclass(frozen=True, slots=True)
class Scenario:
    """Instances of the same job, started one after the other, that share a quota.

    Args:
        instances: Processes that run the job, such as Lambda invocations.
        workers: Workers of each.
        items: Items of each.
        offset: Seconds from the start of one instance to the start of the next.
        quota: The quota that all instances share.
        latency: Seconds until an admitted request is answered: a number, or a function that draws one.
        refusal: Seconds until a refused request is answered.
        network: The most seconds that a request takes to reach the service; each one draws from 0 to this.
        tokens: The tokens of the items; None if only requests are counted.
        changes: Quotas that replace ``quota`` later.
        overloads: Spans (from, to), in seconds, in which the service answers every request with 503.
        timeout: Seconds from the start of an instance to its deadline; None for no deadline.
        reading: How the quotas per minute are enforced: a ``QuotaReading``, or its name, such as ``fixed:30``. Its
            times count from the start of the first instance.
        store: How the store behaves through which the instances share a pace, for ``make_pacer``.

    Raises:
        TypeError: A field has the wrong type.
        ValueError: A field is out of range.
    """

    instances: int = 1
    workers: int = 4
    items: int = 50
    offset: float = 0.0
    quota: Quota = field(default=_DEFAULT_QUOTA)
    latency: Latency = DEFAULT_LATENCY_SECONDS
    refusal: float = 0.2
    network: float = 0.02
    tokens: Tokens | None = None
    changes: tuple[QuotaChange, ...] = ()
    overloads: tuple[tuple[float, float], ...] = ()
    timeout: float | None = None
    reading: QuotaReading | str = "bucket"
    store: StoreConditions = StoreConditions()  # noqa: RUF009 - a frozen value

    def __post_init__(self) -> None:
        refuse(
            "Scenario",
            whole_number("instances", self.instances, least=1),
            whole_number("workers", self.workers, least=1),
            whole_number("items", self.items, least=0),
            *(_seconds(name, getattr(self, name)) for name in ("offset", "refusal", "network")),
            _quota(self.quota),
            _seconds("latency", self.draw_latency(random.Random(0))),  # noqa: S311 - a simulation
            number("timeout", self.timeout, least=0, optional=True, unit="seconds"),
            instance("tokens", self.tokens, Tokens, "Tokens, or None if they are not counted", optional=True),
            *_all("changes", self.changes, _change),
            *spans_problem("overloads", self.overloads),
            instance("store", self.store, StoreConditions, "StoreConditions"),
        )
        object.__setattr__(self, "reading", quota_reading(self.reading))
        object.__setattr__(self, "changes", tuple(sorted(self.changes, key=lambda change: change.at)))
        object.__setattr__(self, "overloads", tuple(self.overloads))

    @property
    def submitted(self) -> int:
        """Items of all instances."""
        return self.instances * self.items

    @property
    def quota_reading(self) -> QuotaReading:
        """``reading`` as a ``QuotaReading``."""
        return quota_reading(self.reading)

    def replace(self, **changes: object) -> Scenario:
        """A copy with other values for some fields."""
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]  # its constructor checks them

    def draw_latency(self, rng: random.Random) -> float:
        """Seconds until one admitted request is answered."""
        return self.latency(rng) if callable(self.latency) else self.latency

    def mean_latency(self) -> float:
        """The mean of the latency, in seconds: exact for a number, of 2,000 draws for a distribution."""
        if not callable(self.latency):
            return self.latency
        rng = random.Random(0)  # noqa: S311 - a simulation
        return sum(self.latency(rng) for _ in range(_DRAWS)) / _DRAWS


_DRAWS = 2_000


def _seconds(name: str, given: object) -> Problem | None:
    return number(name, given, least=0, unit="seconds")


def _quota(given: object) -> Problem | None:
    return instance("quota", given, Quota, "a Quota, such as Quota(requests_per_minute=50)")


def _change(given: object) -> Problem | None:
    return instance("changes", given, QuotaChange, "an iterable of QuotaChange")


def _all(name: str, given: Any, check: Callable[[object], Problem | None]) -> list[Problem | None]:  # noqa: ANN401 - anything may be given
    try:
        return [check(member) for member in given]
    except TypeError:
        return [wrong_type(name, given, "an iterable")]
