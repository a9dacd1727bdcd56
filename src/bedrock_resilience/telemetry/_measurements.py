"""The events of calls as metrics, for every system that has counters, histograms and gauges.

The names and attributes are those of OpenTelemetry. There are no standard names for retries, waits and quotas, so that
these metrics have the prefix ``bedrock_resilience``. The attributes with a standard name have it. No attribute differs
from call to call: the number of time series stays small.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from bedrock_resilience.retrying._events import (
    CallCancelled,
    CallFailed,
    CallSucceeded,
    PacingWait,
    RetryScheduled,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bedrock_resilience.pacing import PacerStatus
    from bedrock_resilience.retrying._events import CallEvent, Event

PROVIDER: Final = "gen_ai.provider.name"
OPERATION: Final = "gen_ai.operation.name"
MODEL: Final = "gen_ai.request.model"
REGION: Final = "cloud.region"
ERROR_TYPE: Final = "error.type"
ATTEMPT_KIND: Final = "bedrock_resilience.attempt.kind"
WAIT_KIND: Final = "bedrock_resilience.wait.kind"
TOKEN_STATE: Final = "bedrock_resilience.quota.state"  # noqa: S105 - an attribute, no credential
QUOTA_KIND: Final = "bedrock_resilience.quota.kind"

AWS_BEDROCK: Final = "aws.bedrock"
"""The provider, as the GenAI conventions of OpenTelemetry name Amazon Bedrock."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """One metric.

    Attributes:
        name: Its name in OpenTelemetry.
        kind: What it does with a value: add it up, sort it into buckets, or replace the value before.
        unit: The unit of its values, in the notation of OpenTelemetry. One in braces is an annotation, which exporters
            to Prometheus leave out; of any other they make a suffix of the name, not all of them the same.
        description: What it counts or states.
        attributes: The attributes that its measurements may have.
        buckets: The upper bounds of a histogram.
    """

    name: str
    kind: Literal["counter", "histogram", "gauge"]
    unit: str
    description: str
    attributes: tuple[str, ...]
    buckets: tuple[float, ...] = ()


_CALL: Final = (PROVIDER, OPERATION, MODEL, REGION)
_PACER: Final = (PROVIDER, MODEL, REGION)

ATTEMPTS: Final = Instrument(
    "bedrock_resilience.attempts",
    "counter",
    "{attempt}",
    "Requests sent: first ones and retries, with the fault of those that failed.",
    (*_CALL, ATTEMPT_KIND, ERROR_TYPE),
)
WAIT_DURATION: Final = Instrument(
    "bedrock_resilience.wait.duration",
    "histogram",
    "s",
    "Seconds of each wait: backoff between the attempts, and pacing before them.",
    (*_CALL, WAIT_KIND),
    # A first delay is half a second, the longest is 20; pacers are asked again after 20 seconds at the latest.
    (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0),
)
QUOTA_TOKENS: Final = Instrument(
    "bedrock_resilience.quota.tokens",
    "counter",
    "{token}",
    "Tokens of quota: reserved at the start of requests, settled at their end, and reserved but unused.",
    (*_CALL, TOKEN_STATE),
)
QUOTA_LIMIT: Final = Instrument(
    "bedrock_resilience.quota.limit",
    "gauge",
    "{per_minute}",
    "Requests or tokens a minute that the quota allows the pacer.",
    (*_PACER, QUOTA_KIND),
)
PACER_RATE: Final = Instrument(
    "bedrock_resilience.pacer.rate",
    "gauge",
    "{per_minute}",
    "Requests or tokens a minute that the pacer lets through.",
    (*_PACER, QUOTA_KIND),
)
PACER_CONFIDENCE: Final = Instrument(
    "bedrock_resilience.pacer.confidence",
    "gauge",
    "{ratio}",
    "Confidence in the rate: 1 for a quota that was given, 0 without evidence.",
    _PACER,
)
INSTRUMENTS: Final = (ATTEMPTS, WAIT_DURATION, QUOTA_TOKENS, QUOTA_LIMIT, PACER_RATE, PACER_CONFIDENCE)


@dataclass(frozen=True, slots=True)
class Measurement:
    """One value of a metric, with its attributes."""

    instrument: Instrument
    value: float
    attributes: dict[str, str]


def measurements(event: Event, provider: str) -> Iterator[Measurement]:
    """Yield what an event means as metrics."""
    if isinstance(event, RetryScheduled):
        yield _attempt(event, provider, event.attempt, failed=True)
        yield _of(WAIT_DURATION, event, provider, event.delay, {WAIT_KIND: "backoff"})
    elif isinstance(event, PacingWait):
        yield _of(WAIT_DURATION, event, provider, event.seconds, {WAIT_KIND: "pacing"})
    elif isinstance(event, CallSucceeded | CallFailed | CallCancelled):
        if event.attempts > event.retries:  # else the last attempt was counted when the retry was scheduled
            yield _attempt(event, provider, event.attempts, failed=not isinstance(event, CallSucceeded))
        yield from _tokens(event, provider)
    if event.pacer is not None:
        yield from _pacer(event, provider, event.pacer)


def operation_name(event: CallEvent) -> str:
    """Return the name that the GenAI conventions of OpenTelemetry have for an operation of Bedrock."""
    if event.operation == "CountTokens":
        return "count_tokens"
    return "embeddings" if event.model is not None and "embed" in event.model else "chat"


def attributes_of(event: CallEvent, provider: str) -> dict[str, str]:
    """Return the attributes that all metrics and spans of a call have; what is not known is left out."""
    found = {PROVIDER: provider, OPERATION: operation_name(event), MODEL: event.model, REGION: event.region}
    return {name: value for name, value in found.items() if value is not None}


def import_extra(listener: str, module: str, extra: str) -> Any:  # noqa: ANN401 - a module of a package that may be missing
    """Return a module, or say which extra is missing."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{listener} needs {module.partition('.')[0]} ({error}): pip install 'bedrock-resilience[{extra}]'",
            name=error.name,
        ) from error


def _of(
    instrument: Instrument, event: CallEvent, provider: str, value: float, more: dict[str, str] | None = None
) -> Measurement:
    common = attributes_of(event, provider)
    attributes = {name: common[name] for name in instrument.attributes if name in common}
    return Measurement(instrument, value, {**attributes, **(more or {})})


def _attempt(event: CallEvent, provider: str, number: int, *, failed: bool) -> Measurement:
    more = {ATTEMPT_KIND: "first" if number == 1 else "retry"}
    if failed and event.fault is not None:
        more[ERROR_TYPE] = event.fault.value
    return _of(ATTEMPTS, event, provider, 1, more)


def _tokens(event: CallEvent, provider: str) -> Iterator[Measurement]:
    usage = event.token_usage
    if usage is not None:
        for state in ("reserved", "settled", "unused"):
            yield _of(QUOTA_TOKENS, event, provider, getattr(usage, state), {TOKEN_STATE: state})


def _pacer(event: CallEvent, provider: str, status: PacerStatus) -> Iterator[Measurement]:
    for instrument, kind, value in (
        (PACER_RATE, "requests", status.requests_per_minute),
        (PACER_RATE, "tokens", status.tokens_per_minute),
        (QUOTA_LIMIT, "requests", status.request_limit),
        (QUOTA_LIMIT, "tokens", status.token_limit),
    ):
        if value is not None:
            yield _of(instrument, event, provider, value, {QUOTA_KIND: kind})
    yield _of(PACER_CONFIDENCE, event, provider, status.confidence)
