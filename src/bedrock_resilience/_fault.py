"""Fault: the kind of a failure of a call, and how a caller should respond to it.

Sources: the botocore service model of bedrock-runtime (its exceptions and their statuses), "Troubleshooting Amazon
Bedrock API error codes" (AWS), and measurements of what boto3 1.43 and 1.44 raise for each row.
"""

from __future__ import annotations

from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Fault(Enum):
    """The kind of a failure. Its three properties state how to respond; its value is its name in logs and reports."""

    THROTTLING = "throttling"
    """429: the rate exceeds the quota. All callers send less, then retry."""
    TOKENS_PER_DAY = "tokens_per_day"
    """429 whose message states that the tokens of the day are used up: waiting does not help within a run."""
    MODEL_NOT_READY = "model_not_ready"
    """429 ModelNotReadyException: the model is loading. Retry after seconds, not milliseconds."""
    SERVICE_UNAVAILABLE = "service_unavailable"
    """503: Bedrock lacks capacity. All callers send less, then retry."""
    OVERLOADED = "overloaded"
    """529 overloaded_error: like 503. No retry mode of botocore retries it."""
    INTERNAL_SERVER = "internal_server"
    """500 and other 5xx: retry a few times."""
    BAD_GATEWAY = "bad_gateway"
    """502: retry a few times."""
    GATEWAY_TIMEOUT = "gateway_timeout"
    """504: retry a few times."""
    REQUEST_TIMEOUT = "request_timeout"
    """408 without a model exception: the request may have run."""
    MODEL_TIMEOUT = "model_timeout"
    """408 ModelTimeoutException: the generation took too long; it may be billed."""
    MODEL_ERROR = "model_error"
    """424 ModelErrorException: the model failed on this request; it may be billed."""
    MODEL_STREAM_ERROR = "model_stream_error"
    """424 ModelStreamErrorException, before or inside a stream."""
    READ_TIMEOUT = "read_timeout"
    """No byte arrived for the whole read timeout. The generation ran or still runs, and is billed."""
    CONNECTION_FAILED = "connection_failed"
    """The request did not reach the service: refused, DNS, TLS, proxy, connect timeout."""
    CONNECTION_LOST = "connection_lost"
    """The connection broke after the request was sent: it may have run, and may be billed."""
    STREAM_INTERRUPTED = "stream_interrupted"
    """A stream was cut, damaged, or ended without its last event."""
    MALFORMED_RESPONSE = "malformed_response"
    """A 200 whose body is not a response: truncated, the HTML page of a proxy, or without output."""
    INCOMPLETE_RESPONSE = "incomplete_response"
    """A response that states that it is not complete: max_tokens, malformed_*, context window."""
    REJECTED_RESULT = "rejected_result"
    """The function returned, and the caller's ``retry_on_result`` does not accept what it returned."""
    VALIDATION = "validation"
    """400: the request is wrong. Other items may be correct."""
    CONFLICT = "conflict"
    """409 ConflictException: the same request is in progress."""
    ACCESS_DENIED = "access_denied"
    """403: every item of the run fails."""
    NOT_FOUND = "not_found"
    """404, or a 400 about the model: wrong, retired, or not in this region. Every item of the run fails."""
    CREDENTIALS = "credentials"
    """Missing, wrong or expired credentials, or a clock that is wrong: every item of the run fails."""
    SERVICE_QUOTA = "service_quota"
    """400 ServiceQuotaExceededException, or no budget: a person must act."""
    CONFIGURATION = "configuration"
    """The client cannot be used: no region, an unusable endpoint, or a proxy that requires credentials."""
    CANCELLED = "cancelled"
    """Not a failure: the call was ended from outside (KeyboardInterrupt, CancelledError, a deadline that is past)."""
    UNKNOWN = "unknown"
    """None of the other faults, for example a programming error."""

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later. The policy's ``retry_on`` decides whether it is retried."""
        return self in _RETRYABLE

    @property
    def backpressure(self) -> bool:
        """Whether every caller, not only this one, should send less."""
        return self in _BACKPRESSURE

    @property
    def fatal(self) -> bool:
        """Whether every other item of the run fails the same way, so that a batch ends."""
        return self in _FATAL

    def __repr__(self) -> str:
        return f"Fault.{self.name}"  # so that eval(repr(policy)) == policy


THROTTLES: frozenset[Fault] = frozenset({Fault.THROTTLING, Fault.TOKENS_PER_DAY})
"""The faults that count as a throttle in reports and for pacers."""

_RETRYABLE = frozenset(
    {
        Fault.THROTTLING,
        Fault.MODEL_NOT_READY,
        Fault.SERVICE_UNAVAILABLE,
        Fault.OVERLOADED,
        Fault.INTERNAL_SERVER,
        Fault.BAD_GATEWAY,
        Fault.GATEWAY_TIMEOUT,
        Fault.REQUEST_TIMEOUT,
        Fault.MODEL_TIMEOUT,
        Fault.MODEL_ERROR,
        Fault.MODEL_STREAM_ERROR,
        Fault.READ_TIMEOUT,
        Fault.CONNECTION_FAILED,
        Fault.CONNECTION_LOST,
        Fault.STREAM_INTERRUPTED,
        Fault.MALFORMED_RESPONSE,
        Fault.REJECTED_RESULT,
    }
)
_BACKPRESSURE = frozenset({Fault.THROTTLING, Fault.SERVICE_UNAVAILABLE, Fault.OVERLOADED})
_FATAL = frozenset(
    {
        Fault.TOKENS_PER_DAY,
        Fault.ACCESS_DENIED,
        Fault.NOT_FOUND,
        Fault.CREDENTIALS,
        Fault.SERVICE_QUOTA,
        Fault.CONFIGURATION,
    }
)

THROTTLING: frozenset[Fault] = frozenset({Fault.THROTTLING})
"""The default of ``retry_on``."""

TRANSIENT: Mapping[Fault, int | None] = MappingProxyType(
    {
        Fault.THROTTLING: None,
        Fault.MODEL_NOT_READY: None,
        Fault.SERVICE_UNAVAILABLE: None,
        Fault.OVERLOADED: None,
        Fault.INTERNAL_SERVER: None,
        Fault.BAD_GATEWAY: None,
        Fault.GATEWAY_TIMEOUT: None,
        Fault.CONNECTION_FAILED: None,
        # For the following faults, the request may have run. Every retry is billed again, so the limit is one.
        Fault.REQUEST_TIMEOUT: 1,
        Fault.MODEL_TIMEOUT: 1,
        Fault.MODEL_ERROR: 1,
        Fault.MODEL_STREAM_ERROR: 1,
        Fault.READ_TIMEOUT: 1,
        Fault.CONNECTION_LOST: 1,
        Fault.STREAM_INTERRUPTED: 1,
        Fault.MALFORMED_RESPONSE: 1,
    }
)
"""Every fault that a retry may resolve, with the retries of one call that it may use; None: as many as the policy."""
