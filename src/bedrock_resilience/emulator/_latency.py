"""The seconds that a response takes: a fixed number, or a distribution."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final, TypeAlias, cast

from bedrock_resilience._checks import Problem, number, refuse, wrong_value


@dataclass(frozen=True, slots=True)
class Constant:
    """Always the same number of seconds."""

    seconds: float

    def __post_init__(self) -> None:
        refuse("Constant", _seconds("seconds", self.seconds))

    def __call__(self, rng: Random) -> float:
        """Seconds of one response."""
        del rng
        return self.seconds


@dataclass(frozen=True, slots=True)
class Uniform:
    """Any number of seconds between two bounds, all equally likely."""

    low: float
    high: float

    def __post_init__(self) -> None:
        refuse("Uniform", _seconds("low", self.low), _seconds("high", self.high))
        refuse("Uniform", number("high", self.high, least=self.low, unit="seconds"))

    def __call__(self, rng: Random) -> float:
        """Seconds of one response."""
        return self.low + (self.high - self.low) * rng.random()


@dataclass(frozen=True, slots=True)
class LogNormal:
    """Half of the responses take less than ``median`` seconds, a few take much longer: usual for generation times.

    ``sigma`` is the standard deviation of the logarithm: with 0.4, nine responses in ten take 0.5 to 1.9 medians.
    """

    median: float
    sigma: float

    def __post_init__(self) -> None:
        refuse(
            "LogNormal",
            number("median", self.median, above=0.0, unit="seconds"),
            number("sigma", self.sigma, least=0.0),
        )

    def __call__(self, rng: Random) -> float:
        """Seconds of one response."""
        return rng.lognormvariate(math.log(self.median), self.sigma)


Latency: TypeAlias = float | Callable[[Random], float]
"""Seconds, or a function that draws seconds with the ``random.Random`` that it is given."""

_KINDS: Final = {"constant": (Constant, 1), "uniform": (Uniform, 2), "lognormal": (LogNormal, 2)}


def distribution(latency: Latency) -> Callable[[Random], float]:
    """The latency as a function.

    Raises:
        TypeError: It is neither a number nor callable.
        ValueError: The number is negative or not finite.
    """
    if callable(latency):
        return latency
    refuse("BedrockEmulator", _seconds("latency", latency))
    return Constant(latency)


def parse_latency(text: str) -> Callable[[Random], float]:
    """A latency as written on a command line: ``6.5``, ``uniform:1,3``, ``lognormal:6.5,0.4``.

    Raises:
        ValueError: The text has none of these forms, or a number is out of range.
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
        refuse("parse_latency", wrong_value("latency", text, accepted))
    return cast("Callable[..., Callable[[Random], float]]", make)(*numbers)


def _seconds(name: str, given: object) -> Problem | None:
    return number(name, given, least=0.0, unit="seconds")
