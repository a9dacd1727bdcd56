"""Fault: what went wrong with a call, and what a caller should do about it.

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
    """What went wrong. The three properties say what to do about it; the value is the name used in logs and reports."""

    THROTTLING = "throttling"
    """429: the rate is over the quota. Slow everyone down, then retry."""
    TOKENS_PER_DAY = "tokens_per_day"
    """429 whose message says that the day's tokens are spent: no wait within this run helps."""
    MODEL_NOT_READY = "model_not_ready"
    """429 ModelNotReadyException: the model is being loaded; retry after seconds, not milliseconds."""
    SERVICE_UNAVAILABLE = "service_unavailable"
    """503: Bedrock lacks capacity. Slow everyone down, then retry."""
    OVERLOADED = "overloaded"
    """529 overloaded_error: as 503; no retry mode of botocore retries it."""
    INTERNAL_SERVER = "internal_server"
    """500 and other 5xx: a few retries."""
    BAD_GATEWAY = "bad_gateway"
    """502: a few retries."""
    GATEWAY_TIMEOUT = "gateway_timeout"
    """504: a few retries."""
    REQUEST_TIMEOUT = "request_timeout"
    """408 without a model exception."""
    MODEL_TIMEOUT = "model_timeout"
    """408 ModelTimeoutException: the generation took too long; it may be billed."""
    MODEL_ERROR = "model_error"
    """424 ModelErrorException: the model failed on this request; it may be billed."""
    MODEL_STREAM_ERROR = "model_stream_error"
    """424 ModelStreamErrorException, before or inside a stream."""
    READ_TIMEOUT = "read_timeout"
    """No byte for the whole read timeout. The generation ran, or still runs, and is billed."""
    CONNECTION_FAILED = "connection_failed"
    """The request never reached the service: refused, DNS, TLS, proxy, connect timeout."""
    CONNECTION_LOST = "connection_lost"
    """The connection broke after sending: the request may have run and be billed."""
    STREAM_INTERRUPTED = "stream_interrupted"
    """A stream was cut, damaged, or ended without its last event."""
    MALFORMED_RESPONSE = "malformed_response"
    """A 200 whose body is no answer: truncated, HTML of a proxy, without output."""
    INCOMPLETE_RESPONSE = "incomplete_response"
    """An answer that says itself that it is not whole: max_tokens, malformed_*, context window."""
    VALIDATION = "validation"
    """400: this request is wrong and stays wrong; other items may be fine."""
    CONFLICT = "conflict"
    """409 ConflictException: the same request is already being worked on."""
    ACCESS_DENIED = "access_denied"
    """403: every item of the run will fail."""
    NOT_FOUND = "not_found"
    """404, or a 400 about the model id: wrong or retired model; every item of the run will fail."""
    CREDENTIALS = "credentials"
    """Missing, wrong or expired credentials: every item of the run will fail."""
    SERVICE_QUOTA = "service_quota"
    """400 ServiceQuotaExceededException: needs a human."""
    CONFIGURATION = "configuration"
    """The client cannot even be used: no region, unusable endpoint."""
    CANCELLED = "cancelled"
    """Not a failure: somebody wants this to end (KeyboardInterrupt, SystemExit, CancelledError)."""
    UNKNOWN = "unknown"
    """None of the above, a programming error among others."""

    @property
    def retryable(self) -> bool:
        """May the same request succeed a little later? Whether it *is* retried, the policy's ``retry_on`` says."""
        return self in _RETRYABLE

    @property
    def backpressure(self) -> bool:
        """Does it mean that every caller, not only this one, should send less?"""
        return self in _BACKPRESSURE

    @property
    def fatal(self) -> bool:
        """Will every other item of the run fail the same way?"""
        return self in _FATAL

    def __repr__(self) -> str:
        return f"Fault.{self.name}"  # so that eval(repr(policy)) == policy


THROTTLES: frozenset[Fault] = frozenset({Fault.THROTTLING, Fault.TOKENS_PER_DAY})
"""What counts as a throttle in reports, and for a pacer."""

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
"""The default of ``retry_on``, and all that the ingest-normalize contract retries."""

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
        # From here on the request may have run, and its tokens are billed again with every retry: one is enough.
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
"""Everything worth a retry, with the retries of one call that the fault may use up; None: as many as the policy."""
