"""`Scenario`: what is simulated. Plain facts, checked when they are made."""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from bedrock_resilience.quotas import Quota

Latency: TypeAlias = float | Callable[[random.Random], float]
"""Seconds, or a function that draws seconds with the random numbers handed in."""

CONTRACT_QUOTA = Quota(requests_per_minute=50, burst=5)
"""The quota of the incident in the ingest-normalize contract."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the items need, in tokens.

    Args:
        least: Input tokens of the shortest item.
        most: Input tokens of the longest; all between are equally likely.
        max_tokens: `max_tokens` of every request.
        output: Output tokens of every answer.
    """

    least: int = 500
    most: int = 3_000
    max_tokens: int = 1_000
    output: int = 300

    def __post_init__(self) -> None:
        for name in ("least", "most", "max_tokens", "output"):
            _check_count(f"Tokens.{name}", getattr(self, name), 0)
        if self.least > self.most:
            raise ValueError(f"Tokens.most: got {self.most!r}; accepted: an integer >= least ({self.least!r})")


@dataclass(frozen=True, slots=True)
class QuotaChange:
    """From this second on, another quota is in force; what is in the buckets stays there."""

    at: float
    quota: Quota

    def __post_init__(self) -> None:
        _check_seconds("QuotaChange.at", self.at)
        _check_quota("QuotaChange.quota", self.quota)


@dataclass(frozen=True, slots=True)
class Scenario:
    """Instances of the same job, started one after the other, that share a quota.

    Args:
        instances: Lambda invocations.
        workers: Workers of each.
        items: Items of each.
        offset: Seconds from the start of one instance to the start of the next.
        quota: What the account may send, all instances together.
        latency: Seconds until an admitted request is answered: a number, or a function that draws one.
        refusal: Seconds until a refused request is answered.
        network: Seconds that a request is under way to the service, at the most; each one draws from 0 to this.
        tokens: What the items need in tokens; None where only requests are counted.
        changes: Quotas that come into force later.
        overloads: Spans (from, to), in seconds, in which the service answers 503 to everybody.
        timeout: Seconds an instance has from its start; None: no deadline.

    Raises:
        TypeError: A field has the wrong type.
        ValueError: A field lies outside its range. Both name the field, what was given and what is accepted.
    """

    instances: int = 1
    workers: int = 4
    items: int = 50
    offset: float = 0.0
    quota: Quota = field(default=CONTRACT_QUOTA)
    latency: Latency = 6.5
    refusal: float = 0.2
    network: float = 0.02
    tokens: Tokens | None = None
    changes: tuple[QuotaChange, ...] = ()
    overloads: tuple[tuple[float, float], ...] = ()
    timeout: float | None = None

    def __post_init__(self) -> None:
        for name in ("instances", "workers"):
            _check_count(f"Scenario.{name}", getattr(self, name), 1)
        _check_count("Scenario.items", self.items, 0)
        for name in ("offset", "refusal", "network"):
            _check_seconds(f"Scenario.{name}", getattr(self, name))
        _check_quota("Scenario.quota", self.quota)
        _check_seconds("Scenario.latency", self.draw_latency(random.Random(0)))  # noqa: S311 - a simulation
        if self.timeout is not None:
            _check_seconds("Scenario.timeout", self.timeout)
        if self.tokens is not None and not _is(self.tokens, Tokens):
            raise TypeError(f"Scenario.tokens: got {self.tokens!r}; accepted: Tokens, or None where none are counted")
        changes = _members("Scenario.changes", self.changes, "of QuotaChange")
        if not all(_is(change, QuotaChange) for change in changes):
            raise TypeError(f"Scenario.changes: got {self.changes!r}; accepted: a tuple of QuotaChange")
        object.__setattr__(self, "changes", tuple(sorted(changes, key=lambda change: change.at)))
        spans = _members("Scenario.overloads", self.overloads, "of spans (from, to)")
        for span in spans:
            _check_span(span)
        object.__setattr__(self, "overloads", spans)

    @property
    def submitted(self) -> int:
        """Items of all instances."""
        return self.instances * self.items

    def replace(self, **changes: object) -> Scenario:
        """A copy with these fields changed, checked again."""
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]  # checked when it is made

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


def _check_count(name: str, given: object, least: int) -> None:
    if isinstance(given, bool) or not isinstance(given, int):
        raise TypeError(f"{name}: got {given!r}; accepted: an integer >= {least}")
    if given < least:
        raise ValueError(f"{name}: got {given!r}; accepted: an integer >= {least}")


def _check_seconds(name: str, given: object) -> None:
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise TypeError(f"{name}: got {given!r}; accepted: a number of seconds >= 0")
    if not 0 <= given < math.inf:
        raise ValueError(f"{name}: got {given!r}; accepted: a number of seconds >= 0")


def _check_quota(name: str, given: object) -> None:
    if not isinstance(given, Quota):
        raise TypeError(f"{name}: got {given!r}; accepted: a Quota, such as Quota(requests_per_minute=50)")


def _is(given: object, kind: type) -> bool:
    return isinstance(given, kind)


def _members(name: str, given: Any, of: str) -> tuple[Any, ...]:  # noqa: ANN401 - anything may be given
    try:
        return tuple(given)
    except TypeError:
        raise TypeError(f"{name}: got {given!r}; accepted: a tuple {of}") from None


def _check_span(span: Any) -> None:  # noqa: ANN401 - anything may be given
    problem = f"Scenario.overloads: got {span!r}; accepted: spans (from, to) with from < to"
    try:
        start, end = span
    except (TypeError, ValueError):
        raise TypeError(problem) from None
    _check_seconds("Scenario.overloads", start)
    _check_seconds("Scenario.overloads", end)
    if start >= end:
        raise ValueError(problem)
