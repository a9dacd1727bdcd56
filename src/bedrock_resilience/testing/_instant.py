"""instant_retries: no retry in the process waits, whoever makes it and however deep in the code it is."""

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
    """Inside of ``with``, every ``SystemClock`` runs on virtual time; gives the ``FakeClock`` with the record of it.

    The virtual time starts at the real one, so that deadlines made before stay what they were. Only waits through this
    package's clock are instant: those of ``time.sleep`` and of botocore's own retries are not.
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
