"""Every exception that the library raises on purpose.

All of them can be pickled. Those that mean a fault carry it as ``fault``, which ``classify`` reads.
"""

from __future__ import annotations

from bedrock_resilience._errors import (
    AttemptTimeoutError,
    CallStoppedError,
    ClientConfigurationError,
    DeadlineExceededError,
    IncompleteResponseError,
    ItemsNotStartedError,
    MalformedResponseError,
    QuotaUnavailableError,
    RejectedResultError,
    RetriesExhaustedError,
    ScriptExhaustedError,
    StoreUnavailableError,
    StreamEventError,
    StreamInterruptedError,
)
from bedrock_resilience.batch._errors import BatchInterrupted, InputError
from bedrock_resilience.retrying._callables import NotAwaitableError, UnusableResultError

__all__ = [
    "AttemptTimeoutError",
    "BatchInterrupted",
    "CallStoppedError",
    "ClientConfigurationError",
    "DeadlineExceededError",
    "IncompleteResponseError",
    "InputError",
    "ItemsNotStartedError",
    "MalformedResponseError",
    "NotAwaitableError",
    "QuotaUnavailableError",
    "RejectedResultError",
    "RetriesExhaustedError",
    "ScriptExhaustedError",
    "StoreUnavailableError",
    "StreamEventError",
    "StreamInterruptedError",
    "UnusableResultError",
]
