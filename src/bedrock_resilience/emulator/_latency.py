"""How long an answer takes: a number of seconds, or a distribution to draw it from."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final, TypeAlias, cast


@dataclass(frozen=True, slots=True)
class Constant:
    """Always the same number of seconds."""

    seconds: float

    def __post_init__(self) -> None:
        _check("seconds", self.seconds)

    def __call__(self, rng: Random) -> float:
        """Seconds of one answer."""
        del rng
        return self.seconds


@dataclass(frozen=True, slots=True)
class Uniform:
    """Any number of seconds between two, all equally likely."""

    low: float
    high: float

    def __post_init__(self) -> None:
        _check("low", self.low)
        _check("high", self.high)
        if self.low > self.high:
            raise ValueError(f"high: got {self.high!r}; accepted: a number >= low ({self.low!r})")

    def __call__(self, rng: Random) -> float:
        """Seconds of one answer."""
        return self.low + (self.high - self.low) * rng.random()


@dataclass(frozen=True, slots=True)
class LogNormal:
    """Half of the answers take less than `median` seconds; a few take much longer. The usual shape of generation times.

    `sigma` is the spread of the logarithm: with 0.4, nine answers in ten take between 0.5 and 1.9 medians.
    """

    median: float
    sigma: float

    def __post_init__(self) -> None:
        _check("median", self.median)
        _check("sigma", self.sigma)
        if self.median == 0:
            raise ValueError("median: got 0; accepted: a number > 0")

    def __call__(self, rng: Random) -> float:
        """Seconds of one answer."""
        return rng.lognormvariate(math.log(self.median), self.sigma)


Latency: TypeAlias = float | Callable[[Random], float]
"""Seconds, or a function that draws seconds with the random numbers handed in."""

_KINDS: Final = {"constant": (Constant, 1), "uniform": (Uniform, 2), "lognormal": (LogNormal, 2)}


def distribution(latency: Latency) -> Callable[[Random], float]:
    """The latency as a function.

    Raises:
        TypeError: neither a number nor callable.
        ValueError: a number that is negative or not finite.
    """
    if callable(latency):
        return latency
    _check("latency", latency)
    return Constant(latency)


def parse_latency(text: str) -> Callable[[Random], float]:
    """A latency as written on a command line: `6.5`, `uniform:1,3`, `lognormal:6.5,0.4`.

    Raises:
        ValueError: it is none of these.
    """
    kind, colon, rest = text.strip().partition(":")
    if not colon:
        kind, rest = "constant", kind
    try:
        numbers = [float(part) for part in rest.split(",")]
        make, count = _KINDS[kind]
    except (KeyError, ValueError):
        make, count, numbers = Constant, -1, []
    if len(numbers) != count:
        accepted = "seconds (6.5), uniform:low,high or lognormal:median,sigma"
        raise ValueError(f"latency: got {text!r}; accepted: {accepted}")
    return cast("Callable[..., Callable[[Random], float]]", make)(*numbers)


def _check(name: str, given: object) -> None:
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise TypeError(f"{name}: got {given!r}; accepted: a number of seconds >= 0")
    if not 0 <= given < math.inf:
        raise ValueError(f"{name}: got {given!r}; accepted: a number >= 0")
