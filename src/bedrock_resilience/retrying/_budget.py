"""RetryBudget: a limit on the retries of a whole batch."""

from __future__ import annotations

from threading import Lock

from bedrock_resilience._checks import number, refuse


class RetryBudget:
    """Limits retries to a share of all attempts, plus a reserve. Threads may share it.

    When a service fails, all calls retry at the same time, and the load of the retries can keep the service from
    recovering. A budget bounds them: ``retries <= reserve + share * attempts`` is true at every moment. This is
    Finagle's ``RetryBudget`` without its time window: a budget covers one batch.

    Args:
        share: Retries granted for each attempt; 0.2 allows one retry for every five attempts.
        reserve: Retries granted in addition, so that small batches can retry at all.

    Raises:
        TypeError: An argument is not a number.
        ValueError: An argument is negative or not finite.
    """

    __slots__ = ("_attempts", "_lock", "_retries", "reserve", "share")

    def __init__(self, share: float = 0.2, reserve: float = 10) -> None:
        refuse("RetryBudget", number("share", share, least=0), number("reserve", reserve, least=0))
        self.share: float = share
        self.reserve: float = reserve
        self._attempts = 0
        self._retries = 0
        self._lock = Lock()

    @property
    def attempts(self) -> int:
        """Attempts counted so far, first attempts and retries alike."""
        return self._attempts

    @property
    def retries(self) -> int:
        """Retries granted so far."""
        return self._retries

    @property
    def available(self) -> int:
        """Retries that would be granted now."""
        with self._lock:
            return max(0, int(self._limit() - self._retries))

    def deposit(self) -> None:
        """Count one attempt."""
        with self._lock:
            self._attempts += 1

    def try_withdraw(self) -> bool:
        """Take one retry from the budget, and return False if none is left."""
        with self._lock:
            granted = self._retries + 1 <= self._limit()
            self._retries += granted
            return granted

    def _limit(self) -> float:
        return self.reserve + self.share * self._attempts

    def __repr__(self) -> str:
        return (
            f"RetryBudget(share={self.share!r}, reserve={self.reserve!r}, "
            f"attempts={self._attempts}, retries={self._retries})"
        )
