"""Calls to Amazon Bedrock that survive throttling.

The retry core is loaded at once, and costs little; everything else on first use, so that a Lambda that needs the policy
alone pays for nothing more at its cold start.
"""

from __future__ import annotations

from bedrock_resilience._fault import THROTTLING, TRANSIENT, Fault
from bedrock_resilience._lazy import lazy_attributes
from bedrock_resilience._version import __version__
from bedrock_resilience.errors import DeadlineExceededError, RetriesExhaustedError
from bedrock_resilience.retrying._faults import classify
from bedrock_resilience.retrying._jitter import AdditiveJitter, DecorrelatedJitter, EqualJitter, FullJitter, NoJitter
from bedrock_resilience.retrying._policy import RetryPolicy
from bedrock_resilience.retrying._retrier import Retrier, retry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from bedrock_resilience.batch._executor import BoundedExecutor
    from bedrock_resilience.batch._report import BatchReport, ItemOutcome
    from bedrock_resilience.bedrock import BedrockRuntime, bedrock_runtime_client, call_bedrock_with_retry
    from bedrock_resilience.errors import IncompleteResponseError, MalformedResponseError, StreamInterruptedError
    from bedrock_resilience.pacing import AdaptivePacer, NoPacer, QuotaPacer
    from bedrock_resilience.quotas._quota import Quota
    from bedrock_resilience.retrying._budget import RetryBudget
    from bedrock_resilience.retrying._deadline import Deadline

_LAZY = {
    "AdaptivePacer": "pacing",
    "BatchReport": "batch._report",
    "BedrockRuntime": "bedrock",
    "BoundedExecutor": "batch._executor",
    "Deadline": "retrying._deadline",
    "IncompleteResponseError": "bedrock",
    "ItemOutcome": "batch._report",
    "MalformedResponseError": "bedrock",
    "NoPacer": "pacing",
    "Quota": "quotas._quota",
    "QuotaPacer": "pacing",
    "RetryBudget": "retrying._budget",
    "StreamInterruptedError": "bedrock",
    "bedrock_runtime_client": "bedrock",
    "call_bedrock_with_retry": "bedrock",
}

__all__ = [
    "THROTTLING",
    "TRANSIENT",
    "AdaptivePacer",
    "AdditiveJitter",
    "BatchReport",
    "BedrockRuntime",
    "BoundedExecutor",
    "Deadline",
    "DeadlineExceededError",
    "DecorrelatedJitter",
    "EqualJitter",
    "Fault",
    "FullJitter",
    "IncompleteResponseError",
    "ItemOutcome",
    "MalformedResponseError",
    "NoJitter",
    "NoPacer",
    "Quota",
    "QuotaPacer",
    "Retrier",
    "RetriesExhaustedError",
    "RetryBudget",
    "RetryPolicy",
    "StreamInterruptedError",
    "__version__",
    "bedrock_runtime_client",
    "call_bedrock_with_retry",
    "classify",
    "retry",
]

__getattr__: Callable[[str], object] = lazy_attributes(__name__, _LAZY)


def __dir__() -> list[str]:
    return __all__
