"""instant_retries: no retry in the process waits, wherever in the code it is."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from bedrock_resilience.clock import SYSTEM_CLOCK, SystemClock
from bedrock_resilience.testing._fake_clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Generator

_METHODS: Final = ("monotonic", "sleep", "asleep", "wait", "worker")


@contextmanager
def instant_retries() -> Generator[FakeClock]:
    """Put every ``SystemClock`` on virtual time inside ``with``; yields the ``FakeClock``, which records the sleeps.

    The virtual time starts at the real time, so that existing deadlines stay valid. Only waits through this package's
    clock are instant: ``time.sleep`` and botocore's own retries are not.
    """
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
