"""Calls to Amazon Bedrock that survive throttling.

Importing this package loads ``RetryPolicy`` and its values only. Every other name is loaded on first use, so that a
program loads only what it uses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bedrock_resilience._fault import THROTTLING, TRANSIENT, Fault
from bedrock_resilience._lazy import lazy_attributes
from bedrock_resilience._stop_reason import StopReason
from bedrock_resilience._version import __version__
from bedrock_resilience.retrying._jitter import (
    AdditiveJitter,
    DecorrelatedJitter,
    EqualJitter,
    FullJitter,
    NoJitter,
)
from bedrock_resilience.retrying._policy import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable

    from bedrock_resilience.batch import BatchReport, BoundedExecutor, ItemOutcome, Progress
    from bedrock_resilience.bedrock import AsyncBedrockRuntime, BedrockRuntime, bedrock_runtime_client
    from bedrock_resilience.clock import Clock
    from bedrock_resilience.errors import (
        BatchInterrupted,
        DeadlineExceededError,
        IncompleteResponseError,
        InputError,
        MalformedResponseError,
        RetriesExhaustedError,
        StreamInterruptedError,
    )
    from bedrock_resilience.integrations import protect, unprotect
    from bedrock_resilience.pacing import AdaptivePacer, NoPacer, Pacer, QuotaPacer, SharedPacer
    from bedrock_resilience.quotas import Quota, RequestTokens, TokenUsage
    from bedrock_resilience.retrying import Deadline, Retrier, RetryBudget, classify, retry
    from bedrock_resilience.telemetry import LoggingListener

_LAZY = {
    "AdaptivePacer": "pacing",
    "AsyncBedrockRuntime": "bedrock",
    "BatchInterrupted": "errors",
    "BatchReport": "batch",
    "BedrockRuntime": "bedrock",
    "BoundedExecutor": "batch",
    "Clock": "clock",
    "Deadline": "retrying",
    "DeadlineExceededError": "_errors",
    "IncompleteResponseError": "errors",
    "InputError": "errors",
    "ItemOutcome": "batch",
    "LoggingListener": "telemetry",
    "MalformedResponseError": "errors",
    "NoPacer": "pacing",
    "Pacer": "pacing",
    "Progress": "batch",
    "Quota": "quotas",
    "QuotaPacer": "pacing",
    "RequestTokens": "quotas",
    "Retrier": "retrying",
    "RetriesExhaustedError": "_errors",
    "RetryBudget": "retrying",
    "SharedPacer": "pacing",
    "StreamInterruptedError": "errors",
    "TokenUsage": "quotas",
    "bedrock_runtime_client": "bedrock",
    "classify": "retrying",
    "protect": "integrations",
    "retry": "retrying",
    "unprotect": "integrations",
}

__all__ = [
    "THROTTLING",
    "TRANSIENT",
    "AdaptivePacer",
    "AdditiveJitter",
    "AsyncBedrockRuntime",
    "BatchInterrupted",
    "BatchReport",
    "BedrockRuntime",
    "BoundedExecutor",
    "Clock",
    "Deadline",
    "DeadlineExceededError",
    "DecorrelatedJitter",
    "EqualJitter",
    "Fault",
    "FullJitter",
    "IncompleteResponseError",
    "InputError",
    "ItemOutcome",
    "LoggingListener",
    "MalformedResponseError",
    "NoJitter",
    "NoPacer",
    "Pacer",
    "Progress",
    "Quota",
    "QuotaPacer",
    "RequestTokens",
    "Retrier",
    "RetriesExhaustedError",
    "RetryBudget",
    "RetryPolicy",
    "SharedPacer",
    "StopReason",
    "StreamInterruptedError",
    "TokenUsage",
    "__version__",
    "bedrock_runtime_client",
    "classify",
    "protect",
    "retry",
    "unprotect",
]

__getattr__: Callable[[str], object] = lazy_attributes(__name__, _LAZY)


def __dir__() -> list[str]:
    return __all__
