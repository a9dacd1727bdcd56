"""Calls to Amazon Bedrock that survive throttling.

Importing this package loads the retry core only. Every other name is loaded on first use, so that a Lambda which needs
the policy alone does not pay for the rest at its cold start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bedrock_resilience._errors import DeadlineExceededError, RetriesExhaustedError
from bedrock_resilience._fault import THROTTLING, TRANSIENT, Fault
from bedrock_resilience._lazy import lazy_attributes
from bedrock_resilience._stop_reason import StopReason
from bedrock_resilience._version import __version__
from bedrock_resilience.clock import Clock
from bedrock_resilience.retrying._deadline import Deadline
from bedrock_resilience.retrying._faults import classify
from bedrock_resilience.retrying._jitter import (
    AdditiveJitter,
    DecorrelatedJitter,
    EqualJitter,
    FullJitter,
    NoJitter,
)
from bedrock_resilience.retrying._policy import RetryPolicy
from bedrock_resilience.retrying._retrier import Retrier, retry

if TYPE_CHECKING:
    from collections.abc import Callable

    from bedrock_resilience.batch import BatchReport, BoundedExecutor, ItemOutcome, Progress
    from bedrock_resilience.bedrock import BedrockRuntime, bedrock_runtime_client
    from bedrock_resilience.errors import (
        BatchInterrupted,
        IncompleteResponseError,
        InputError,
        MalformedResponseError,
        StreamInterruptedError,
    )
    from bedrock_resilience.pacing import AdaptivePacer, NoPacer, Pacer, QuotaPacer, SharedPacer
    from bedrock_resilience.quotas import Quota, RequestTokens, TokenUsage
    from bedrock_resilience.retrying import RetryBudget
    from bedrock_resilience.telemetry import LoggingListener

_LAZY = {
    "AdaptivePacer": "pacing",
    "BatchInterrupted": "errors",
    "BatchReport": "batch",
    "BedrockRuntime": "bedrock",
    "BoundedExecutor": "batch",
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
    "RetryBudget": "retrying",
    "SharedPacer": "pacing",
    "StreamInterruptedError": "errors",
    "TokenUsage": "quotas",
    "bedrock_runtime_client": "bedrock",
}

__all__ = [
    "THROTTLING",
    "TRANSIENT",
    "AdaptivePacer",
    "AdditiveJitter",
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
    "retry",
]

__getattr__: Callable[[str], object] = lazy_attributes(__name__, _LAZY)


def __dir__() -> list[str]:
    return __all__
