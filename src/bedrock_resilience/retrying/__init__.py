"""One call and its retries: which faults are retried, after which delays, how often, and when to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bedrock_resilience._fault import THROTTLES, THROTTLING, TRANSIENT, Fault
from bedrock_resilience._lazy import lazy_attributes
from bedrock_resilience._stop_reason import StopReason
from bedrock_resilience.retrying._jitter import (
    AdditiveJitter,
    Backoff,
    DecorrelatedJitter,
    EqualJitter,
    FullJitter,
    Jitter,
    NoJitter,
    format_jitter,
    parse_jitter,
)
from bedrock_resilience.retrying._policy import FaultLimits, RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable

    from bedrock_resilience.retrying._attempts import StopEvent
    from bedrock_resilience.retrying._budget import RetryBudget
    from bedrock_resilience.retrying._deadline import Deadline
    from bedrock_resilience.retrying._events import (
        AttemptStarting,
        CallCancelled,
        CallEvent,
        CallFailed,
        CallInfo,
        CallStarted,
        CallSucceeded,
        Event,
        Listener,
        PacingWait,
        RetryScheduled,
        StreamOpened,
    )
    from bedrock_resilience.retrying._faults import classify, error_code
    from bedrock_resilience.retrying._iteration import AttemptContext
    from bedrock_resilience.retrying._retrier import Retrier, retrier_of, retry, with_options
    from bedrock_resilience.retrying._retry_after import retry_after
    from bedrock_resilience.retrying._statistics import RetryStatistics, StatisticsListener

__all__ = [
    "THROTTLES",
    "THROTTLING",
    "TRANSIENT",
    "AdditiveJitter",
    "AttemptContext",
    "AttemptStarting",
    "Backoff",
    "CallCancelled",
    "CallEvent",
    "CallFailed",
    "CallInfo",
    "CallStarted",
    "CallSucceeded",
    "Deadline",
    "DecorrelatedJitter",
    "EqualJitter",
    "Event",
    "Fault",
    "FaultLimits",
    "FullJitter",
    "Jitter",
    "Listener",
    "NoJitter",
    "PacingWait",
    "Retrier",
    "RetryBudget",
    "RetryPolicy",
    "RetryScheduled",
    "RetryStatistics",
    "StatisticsListener",
    "StopEvent",
    "StopReason",
    "StreamOpened",
    "classify",
    "error_code",
    "format_jitter",
    "parse_jitter",
    "retrier_of",
    "retry",
    "retry_after",
    "with_options",
]

# Most calls need none of these.
_LAZY = {
    "AttemptContext": "_iteration",
    "AttemptStarting": "_events",
    "CallCancelled": "_events",
    "CallEvent": "_events",
    "CallFailed": "_events",
    "CallInfo": "_call_info",
    "CallStarted": "_events",
    "CallSucceeded": "_events",
    "Deadline": "_deadline",
    "Event": "_events",
    "Listener": "_events",
    "PacingWait": "_events",
    "Retrier": "_retrier",
    "RetryBudget": "_budget",
    "RetryScheduled": "_events",
    "RetryStatistics": "_statistics",
    "StatisticsListener": "_statistics",
    "StopEvent": "_attempts",
    "StreamOpened": "_events",
    "classify": "_faults",
    "error_code": "_faults",
    "retrier_of": "_retrier",
    "retry": "_retrier",
    "retry_after": "_retry_after",
    "with_options": "_retrier",
}
__getattr__: Callable[[str], object] = lazy_attributes(__name__, _LAZY)
