"""A clock that a test moves by hand: sleeping moves it on, and nothing else does."""

from __future__ import annotations


class Ticking:
    """Time that stands still between sleeps.

    Attributes:
        now: What ``monotonic`` says.
        slept: The seconds of each sleep, in order.
    """

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now
        self.slept: list[float] = []

    def monotonic(self) -> float:
        """Seconds since some instant."""
        return self.now

    def sleep(self, seconds: float, /) -> None:
        """Move on at once."""
        self.slept.append(seconds)
        self.now += seconds

    async def asleep(self, seconds: float, /) -> None:
        """Move on at once."""
        self.sleep(seconds)
