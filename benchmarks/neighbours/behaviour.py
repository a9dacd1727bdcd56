"""Behaviour: one documented behaviour of another library, observed there and here."""

from __future__ import annotations

import contextlib
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from unittest import mock

from bedrock_resilience import Fault, NoJitter, Retrier, RetryPolicy, classify
from bedrock_resilience.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One documented behaviour.

    Attributes:
        neighbour: The library that documents it.
        section: The section of its documentation.
        name: What happens, in the terms of this library.
        theirs: Returns what can be observed at the neighbour.
        ours: Returns what can be observed at this library, in the same form.
        ours_is: How to get it here, or what is done instead.
        reason: Why this library is different; empty where it is not.
    """

    neighbour: str
    section: str
    name: str
    theirs: Callable[[], object]
    ours: Callable[[], object]
    ours_is: str
    reason: str = ""

    @property
    def verdict(self) -> str:
        """``"same"`` or ``"different"``."""
        return "different" if self.reason else "same"


class BusyError(Exception):
    """What both retry: a throttle to this library."""

    fault = Fault.THROTTLING


class Flaky:
    """A function that fails ``failures`` times and then returns a value.

    Attributes:
        calls: Number of calls.
    """

    def __init__(self, failures: int, error: Callable[[], BaseException] = BusyError, value: object = "value") -> None:
        self._failures = failures
        self._error = error
        self._value = value
        self.calls = 0

    def __call__(self, *_: object) -> Any:
        """Fail, or return the value."""
        self.calls += 1
        if self.calls <= self._failures:
            raise self._error()
        return self._value

    async def awaited(self, *_: object) -> Any:
        """Fail, or return the value, as a coroutine function."""
        return self()


class Scripted:
    """A function that returns the given values one after the other, then the last one again."""

    def __init__(self, *values: object) -> None:
        self._values = values
        self.calls = 0

    def __call__(self) -> Any:
        """Return the next value."""
        self.calls += 1
        return self._values[min(self.calls, len(self._values)) - 1]


# Three attempts, after one second and two.
POLICY = RetryPolicy(max_retries=2, base_delay=1.0, jitter=NoJitter())


def retrier(policy: RetryPolicy = POLICY, **options: Any) -> Retrier:
    """A retrier of this library that takes no real time."""
    return Retrier(policy, **{"clock": FakeClock(), "rng": random.Random(1), **options})


def classified(retried: Callable[[BaseException], bool]) -> Callable[[BaseException], Fault]:
    """A classifier from the retry condition of another library."""
    return lambda error: Fault.THROTTLING if retried(error) else classify(error)


def outcome(fn: Callable[[], object]) -> object:
    """The value of a call, or the name of the exception that it raises."""
    try:
        return fn()
    except BaseException as error:  # noqa: BLE001 - it is what is observed
        return type(error).__name__


@contextlib.contextmanager
def virtual_time() -> Generator[FakeClock]:
    """Let the neighbours sleep on virtual time; jitter is in the middle of its range."""
    clock = FakeClock()
    with (
        mock.patch("time.sleep", clock.sleep),
        mock.patch("time.monotonic", clock.monotonic),
        mock.patch("random.random", return_value=0.5),
        mock.patch("random.uniform", lambda low, high: low + (high - low) / 2),
    ):
        yield clock


class HalfRandom(random.Random):
    """A source of jitter that is always in the middle."""

    def random(self) -> float:
        """Return one half."""
        return 0.5
