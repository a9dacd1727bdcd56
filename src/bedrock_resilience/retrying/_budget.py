"""RetryBudget: how many retries a whole batch may add to its calls."""

from __future__ import annotations

import math
from threading import Lock


class RetryBudget:
    """Retries limited to a share of all calls, plus a reserve; shared by threads.

    When a service is in trouble, every call wants its retries at the same time, and retries become the load that keeps
    it down. A budget bounds that: ``retries <= reserve + share * calls`` holds at every moment (the idea of Finagle's
    RetryBudget; there with a window of time, here for the life of one batch).

    Args:
        share: Retries granted for each call; 0.2 lets a batch add a fifth to its calls.
        reserve: Retries granted on top, so that small batches can retry at all.

    Raises:
        ValueError: Not finite, or negative.
    """

    __slots__ = ("_attempts", "_lock", "_spent", "reserve", "share")

    def __init__(self, share: float = 0.2, reserve: int = 10) -> None:
        for name, given in (("share", share), ("reserve", reserve)):
            if not isinstance(given, (int, float)) or isinstance(given, bool) or not 0 <= given < math.inf:
                raise ValueError(f"RetryBudget: {name}: got {given!r}; accepted: a finite number >= 0")
        self.share: float = share
        self.reserve: int = reserve
        self._attempts = 0
        self._spent = 0
        self._lock = Lock()

    @property
    def attempts(self) -> int:
        """Attempts counted so far, first ones and retries alike."""
        return self._attempts

    @property
    def spent(self) -> int:
        """Retries granted so far."""
        return self._spent

    @property
    def available(self) -> int:
        """Retries that would be granted now."""
        with self._lock:
            return max(0, int(self._limit() - self._spent))

    def called(self) -> None:
        """Count one attempt."""
        with self._lock:
            self._attempts += 1

    def withdraw(self) -> bool:
        """Take one retry; False where the budget is spent."""
        with self._lock:
            granted = self._spent + 1 <= self._limit()
            self._spent += granted
            return granted

    def _limit(self) -> float:
        return self.reserve + self.share * self._attempts

    def __repr__(self) -> str:
        return f"RetryBudget(share={self.share!r}, reserve={self.reserve!r}, attempts={self._attempts}, spent={self._spent})"
