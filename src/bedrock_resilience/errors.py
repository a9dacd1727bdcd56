"""Every exception that the library raises on purpose.

All of them survive pickling. Those that mean a fault carry it as ``fault``, which ``classify`` reads.
"""

from __future__ import annotations

from bedrock_resilience._errors import (
    ClientConfigurationError,
    DeadlineExceededError,
    IncompleteResponseError,
    ItemsNotStartedError,
    MalformedResponseError,
    RetriesExhaustedError,
    ScriptExhaustedError,
    StoreUnavailableError,
    StreamEventError,
    StreamInterruptedError,
)
from bedrock_resilience.batch._errors import BatchInterrupted, InputError

__all__ = [
    "BatchInterrupted",
    "ClientConfigurationError",
    "DeadlineExceededError",
    "IncompleteResponseError",
    "InputError",
    "ItemsNotStartedError",
    "MalformedResponseError",
    "RetriesExhaustedError",
    "ScriptExhaustedError",
    "StoreUnavailableError",
    "StreamEventError",
    "StreamInterruptedError",
]
