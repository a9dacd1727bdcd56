"""StopReason: why a call makes no further attempt."""

from __future__ import annotations

from enum import Enum


class StopReason(Enum):
    """Why no further attempt is made. The value is the text in notes, logs and reports."""

    NOT_RETRYABLE = "not retryable"
    """The policy does not retry this fault."""
    PARTLY_DELIVERED = "a part of the stream was delivered"
    """The stream failed after its reader had received a part. A second stream would repeat that part."""
    RETRIES_EXHAUSTED = "retries exhausted"
    """The policy's ``max_retries`` are used."""
    FAULT_LIMIT = "this fault's own retries exhausted"
    """The retries that ``retry_on`` grants this fault are used."""
    DEADLINE = "deadline"
    """No attempt could finish before the deadline, or the deadline ended a stream."""
    BUDGET = "retry budget spent"
    """The retry budget grants no retry."""
    RUN_STOPPED = "run stopped"
    """The run around this call was stopped or canceled."""
