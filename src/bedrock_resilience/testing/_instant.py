"""instant_retries and no_retries: all retries of the process are instant, or none is made."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from bedrock_resilience._checks import refuse, whole_number
from bedrock_resilience.clock import SYSTEM_CLOCK, SystemClock
from bedrock_resilience.retrying._attempts import CallState
from bedrock_resilience.testing._fake_clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Generator

_METHODS: Final = ("monotonic", "sleep", "asleep", "timer", "wait", "worker")


@contextmanager
def instant_retries(max_retries: int | None = None) -> Generator[FakeClock]:
    """Put every ``SystemClock`` on virtual time inside ``with``; yields the ``FakeClock``, which records the sleeps.

    The virtual time starts at the real time, so that existing deadlines stay valid. Only waits through this package's
    clock are instant: ``time.sleep`` and botocore's own retries are not.

    Args:
        max_retries: Upper limit of the retries of every call in the process, under whatever policy; None: none.
    """
    with _instant() as clock, _limit_retries(max_retries):
        yield clock


@contextmanager
def no_retries() -> Generator[None]:
    """Turn retrying off inside ``with``: every call in the process makes one attempt, under whatever policy.

    Errors, notes and events are those of a policy without retries. Pacers still wait.
    """
    with _limit_retries(0):
        yield


@contextmanager
def _limit_retries(max_retries: int | None) -> Generator[None]:
    refuse("instant_retries", whole_number("max_retries", max_retries, least=0, optional=True))
    before = CallState.retry_limit
    if max_retries is not None:
        CallState.retry_limit = max_retries if before is None else min(before, max_retries)
    try:
        yield
    finally:
        CallState.retry_limit = before


@contextmanager
def _instant() -> Generator[FakeClock]:
    clock = FakeClock(SYSTEM_CLOCK.monotonic())
    before = {name: SystemClock.__dict__[name] for name in _METHODS if name in SystemClock.__dict__}
    for name in _METHODS:
        setattr(SystemClock, name, staticmethod(getattr(clock, name)))
    try:
        yield clock
    finally:
        for name in _METHODS:
            delattr(SystemClock, name)
        for name, method in before.items():
            setattr(SystemClock, name, method)
