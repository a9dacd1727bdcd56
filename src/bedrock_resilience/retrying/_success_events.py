"""The events of every call that succeeds, and what all events have in common.

They have a module of their own because a dataclass with a dozen fields takes some milliseconds to make: a process whose
calls succeed does not make the others, which are in ``_events``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bedrock_resilience._fault import Fault  # noqa: TC001 - get_type_hints() reads the types of the fields
from bedrock_resilience.pacing._status import PacerStatus  # noqa: TC001 - as above
from bedrock_resilience.quotas._usage import TokenUsage  # noqa: TC001 - as above


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEvent:
    """What every event states: which call it is about, and the numbers of this call so far.

    Attributes:
        call_id: Identifies the call among all calls of all processes. Two events that differ in it only are equal.
        operation: The operation of Bedrock Runtime, such as ``Converse``; None if unknown.
        model: The ``modelId`` of the request; None if unknown.
        region: The AWS Region of the endpoint; None if unknown.
        fault: What the last failure means; None if no attempt has failed.
        backoff_seconds: Seconds slept between the attempts.
        pacing_seconds: Seconds slept for the pacer.
        tokens_reserved: Tokens of quota that each request reserves when it starts; 0 if unknown.
        token_usage: Tokens that the requests reserved and used; None if unknown.
        pacer: The status of the pacer; None without a pacer, or if the pacer has no status.
    """

    call_id: str = field(default="", compare=False)
    operation: str | None = None
    model: str | None = None
    region: str | None = None
    fault: Fault | None = None
    backoff_seconds: float = 0.0
    pacing_seconds: float = 0.0
    tokens_reserved: int = 0
    token_usage: TokenUsage | None = None
    pacer: PacerStatus | None = None


class CallStarted(CallEvent):
    """A call begins: before its first wait and its first attempt."""

    __slots__ = ()  # no fields of its own: it inherits all that a dataclass has


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSucceeded(CallEvent):
    """A call succeeded.

    Attributes:
        attempts: Requests sent.
        retries: Retries decided.
        throttles: Attempts that were throttled.
        answer: What the function returned, or the last event of a stream.
    """

    attempts: int
    retries: int = 0
    throttles: int = 0
    answer: object
