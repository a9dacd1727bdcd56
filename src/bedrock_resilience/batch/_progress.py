"""``Progress``: a snapshot of a running batch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """A balanced snapshot of a running batch: ``submitted == succeeded + failed + unstarted + in_flight``.

    Attributes:
        submitted: Items read from the input so far.
        succeeded: Items that succeeded.
        failed: Items that failed for good.
        unstarted: Items that the run no longer starts.
        in_flight: Items that a worker is processing.
        attempts: Requests sent.
        retries: Retries decided.
        throttles: Responses that were a throttle.
        total: Number of items, if the input has a length, else None.
    """

    submitted: int
    succeeded: int
    failed: int
    unstarted: int
    in_flight: int
    attempts: int
    retries: int
    throttles: int
    total: int | None = None

    @property
    def done(self) -> int:
        """Items that are finished."""
        return self.succeeded + self.failed + self.unstarted
