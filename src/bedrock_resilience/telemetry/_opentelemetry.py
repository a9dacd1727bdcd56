"""OpenTelemetryListener: calls as spans of the GenAI conventions, and their attempts, waits and quota as metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience.quotas import usage_from
from bedrock_resilience.retrying._events import (
    CallCancelled,
    CallFailed,
    CallStarted,
    CallSucceeded,
    PacingWait,
    RetryScheduled,
    StreamOpened,
)
from bedrock_resilience.telemetry._measurements import (
    AWS_BEDROCK,
    ERROR_TYPE,
    INSTRUMENTS,
    OPERATION,
    attributes_of,
    import_extra,
    measurements,
    operation_name,
)

if TYPE_CHECKING:
    from bedrock_resilience.retrying._events import Event

_SCOPE: Final = "bedrock_resilience"
# The operations whose span covers one call of a model. A span of an agent or a tool contains such calls.
_MODEL_OPERATIONS: Final = frozenset({"chat", "text_completion", "generate_content", "embeddings"})


class OpenTelemetryListener:
    """Emits the spans and metrics of OpenTelemetry. Needs the extra ``[otel]``, and an SDK to export with.

    *Spans.* A span covers a call with all its retries and waits. If the instrumentation of the client has opened a
    span for the call already (one with ``gen_ai.operation.name``, such as ``chat``), only span events are added to it.
    Otherwise a span ``chat {model}`` is opened, and is the current one until the call ends or its stream opens.

    *Metrics.* ``bedrock_resilience.attempts``, ``.wait.duration``, ``.quota.tokens``, ``.quota.limit``,
    ``.pacer.rate`` and ``.pacer.confidence``. It emits none of ``gen_ai.*``, which are those of the instrumentation of
    the client, so that none is counted twice.

    Args:
        tracer_provider: Where the spans go; None: to the global provider.
        meter_provider: Where the metrics go; None: to the global provider.
        spans: False for metrics only.
        provider: The value of ``gen_ai.provider.name``.

    Raises:
        ModuleNotFoundError: ``opentelemetry-api`` is not installed.
    """

    def __init__(
        self,
        *,
        tracer_provider: Any = None,  # noqa: ANN401 - a TracerProvider of a package that may be missing
        meter_provider: Any = None,  # noqa: ANN401 - a MeterProvider, as above
        spans: bool = True,
        provider: str = AWS_BEDROCK,
    ) -> None:
        name = type(self).__name__
        self._trace = import_extra(name, "opentelemetry.trace", "otel")
        self._context = import_extra(name, "opentelemetry.context", "otel")
        metrics = import_extra(name, "opentelemetry.metrics", "otel")
        self._provider = provider
        self._tracer = self._trace.get_tracer(_SCOPE, tracer_provider=tracer_provider) if spans else None
        meter = metrics.get_meter(_SCOPE, meter_provider=meter_provider)
        self._record = {instrument: _recorder(meter, instrument) for instrument in INSTRUMENTS}
        self._calls: dict[str, _Call] = {}

    def __call__(self, event: Event) -> None:
        """Record an event."""
        for measurement in measurements(event, self._provider):
            self._record[measurement.instrument](measurement.value, measurement.attributes)
        if self._tracer is None:
            return
        if isinstance(event, CallStarted):
            self._calls[event.call_id] = self._open(event)
        elif isinstance(event, CallSucceeded | CallFailed | CallCancelled):
            call = self._calls.pop(event.call_id, None)
            if call is not None and call.own:
                self._leave(call)
                self._close(call.span, event)
        else:
            call = self._calls.get(event.call_id)
            if call is not None:
                self._note(call, event)

    def _open(self, event: CallStarted) -> _Call:
        current = self._trace.get_current_span()
        attributes: Any = getattr(current, "attributes", None)  # a span that records nothing has none
        if attributes is not None and attributes.get(OPERATION) in _MODEL_OPERATIONS:
            return _Call(current)
        name = operation_name(event)
        span: Any = self._tracer.start_span(  # type: ignore[union-attr]  # only called with a tracer
            name if event.model is None else f"{name} {event.model}",
            kind=self._trace.SpanKind.CLIENT,
            attributes=attributes_of(event, self._provider),
        )
        return _Call(span, self._context.attach(self._trace.set_span_in_context(span)))

    def _leave(self, call: _Call) -> None:
        """Stop being the current span, unless the call goes on in another context, whose current span is another."""
        token, call.token = call.token, None
        if token is not None and self._trace.get_current_span() is call.span:
            self._context.detach(token)

    def _note(self, call: _Call, event: RetryScheduled | PacingWait | StreamOpened) -> None:
        if isinstance(event, StreamOpened):
            # What the reader of the stream does between two events is not a part of the call.
            self._leave(call)
        elif not call.span.is_recording():
            return  # an instrumentation that ends its span before the stream ends
        elif isinstance(event, RetryScheduled):
            call.span.add_event(
                "bedrock_resilience.retry",
                {
                    "bedrock_resilience.attempt": event.attempt,
                    "bedrock_resilience.delay": event.delay,
                    ERROR_TYPE: event.fault.value,
                },
            )
        else:
            call.span.add_event(
                "bedrock_resilience.pacing",
                {"bedrock_resilience.attempt": event.attempt, "bedrock_resilience.delay": event.seconds},
            )

    def _close(self, span: Any, event: CallSucceeded | CallFailed | CallCancelled) -> None:  # noqa: ANN401 - a Span
        span.set_attributes(
            {
                "bedrock_resilience.attempts": event.attempts,
                "bedrock_resilience.backoff_seconds": event.backoff_seconds,
                "bedrock_resilience.pacing_seconds": event.pacing_seconds,
            }
        )
        if isinstance(event, CallSucceeded):
            usage = usage_from(event.answer)
            if usage is not None:
                span.set_attribute("gen_ai.usage.input_tokens", usage.total_input_tokens)
                span.set_attribute("gen_ai.usage.output_tokens", usage.output_tokens)
        else:
            reason = event.reason.value if isinstance(event, CallFailed) else "cancelled"
            span.set_attribute(ERROR_TYPE, reason if event.fault is None else event.fault.value)
            if event.error is not None:
                span.record_exception(event.error)
            span.set_status(self._trace.StatusCode.ERROR, reason)
        span.end()

    def __repr__(self) -> str:
        return f"OpenTelemetryListener(provider={self._provider!r})"


class _Call:
    """The span of a call that runs: opened for it, with the token of the context; or the client's, without one."""

    __slots__ = ("own", "span", "token")

    def __init__(self, span: Any, token: object = None) -> None:  # noqa: ANN401 - a Span
        self.span = span
        self.token = token
        self.own: bool = token is not None


def _recorder(meter: Any, instrument: Any) -> Any:  # noqa: ANN401 - a Meter, and a method of what it makes
    if instrument.kind == "counter":
        return meter.create_counter(instrument.name, unit=instrument.unit, description=instrument.description).add
    if instrument.kind == "gauge":
        return meter.create_gauge(instrument.name, unit=instrument.unit, description=instrument.description).set
    return meter.create_histogram(
        instrument.name,
        unit=instrument.unit,
        description=instrument.description,
        explicit_bucket_boundaries_advisory=instrument.buckets,
    ).record
