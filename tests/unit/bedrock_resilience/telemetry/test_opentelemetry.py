"""OpenTelemetryListener: what a real SDK exports."""

from __future__ import annotations

import asyncio
import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from bedrock_resilience import (
    BedrockRuntime,
    Deadline,
    DeadlineExceededError,
    NoJitter,
    Quota,
    QuotaPacer,
    Retrier,
    RetryPolicy,
    StreamInterruptedError,
    protect,
)
from bedrock_resilience.emulator import BedrockEmulator
from bedrock_resilience.quotas import RequestTokens
from bedrock_resilience.retrying import CallFailed, CallInfo, PacingWait, StopReason
from bedrock_resilience.telemetry import OpenTelemetryListener
from bedrock_resilience.testing import (
    BrokenStream,
    FakeClock,
    ScriptedBedrock,
    ascripted,
    scripted,
    stream_cut,
    throttling_error,
    throttling_errors,
    validation_error,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

trace: Any = pytest.importorskip("opentelemetry.trace")
sdk_trace: Any = pytest.importorskip("opentelemetry.sdk.trace")
sdk_metrics: Any = importlib.import_module("opentelemetry.sdk.metrics")
export: Any = importlib.import_module("opentelemetry.sdk.trace.export")
memory: Any = importlib.import_module("opentelemetry.sdk.trace.export.in_memory_span_exporter")
metrics_export: Any = importlib.import_module("opentelemetry.sdk.metrics.export")

INFO = CallInfo(operation="Converse", model="m", region="eu-west-3")
ANSWER = {"usage": {"inputTokens": 100, "outputTokens": 20, "totalTokens": 120, "cacheReadInputTokens": 5}}
REQUEST: dict[str, Any] = {"modelId": "m", "messages": [{"role": "user", "content": [{"text": "Hello"}]}]}
CLAUDE = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
PLAIN = RetryPolicy(jitter=NoJitter())


@dataclass
class Collected:
    """A tracer and a meter of the SDK, and what was recorded with them."""

    tracers: Any
    meters: Any
    exporter: Any
    reader: Any

    def listener(self, **options: Any) -> OpenTelemetryListener:  # noqa: ANN401 - as those of the listener
        return OpenTelemetryListener(tracer_provider=self.tracers, meter_provider=self.meters, **options)

    @property
    def spans(self) -> list[Any]:
        return list(self.exporter.get_finished_spans())

    @property
    def span(self) -> Any:  # noqa: ANN401 - a ReadableSpan
        (span,) = self.spans
        return span

    @property
    def metrics(self) -> dict[str, list[tuple[dict[str, str], float]]]:
        """Name to attributes and value; of a histogram, the sum."""
        data: Any = self.reader.get_metrics_data()
        found: dict[str, list[tuple[dict[str, str], float]]] = {}
        for resource in data.resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    points: list[Any] = list(metric.data.data_points)
                    found[metric.name] = [
                        (dict(one.attributes), getattr(one, "sum", None) or one.value) for one in points
                    ]
        return found


@pytest.fixture
def collected() -> Iterator[Collected]:
    tracers, exporter = sdk_trace.TracerProvider(), memory.InMemorySpanExporter()
    tracers.add_span_processor(export.SimpleSpanProcessor(exporter))
    reader = metrics_export.InMemoryMetricReader()
    meters = sdk_metrics.MeterProvider([reader])
    yield Collected(tracers, meters, exporter, reader)
    tracers.shutdown()
    meters.shutdown()


def retrier(collected: Collected, **options: Any) -> Retrier:  # noqa: ANN401 - as those of Retrier
    given: dict[str, Any] = {"clock": FakeClock(), "listeners": [collected.listener()], "info": INFO, **options}
    return Retrier(PLAIN, **given)


def events_of(span: Any) -> list[tuple[str, dict[str, object]]]:  # noqa: ANN401 - a ReadableSpan
    return [(event.name, dict(event.attributes)) for event in span.events]


def current() -> object:
    return trace.get_current_span()


class TestSpans:
    def test_one_span_covers_the_call_with_its_retries(self, collected: Collected) -> None:
        retrier(collected).call(scripted(*throttling_errors(2), ANSWER))
        span = collected.span
        assert (span.name, span.kind) == ("chat m", trace.SpanKind.CLIENT)
        assert dict(span.attributes) == {
            "gen_ai.provider.name": "aws.bedrock",
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "m",
            "cloud.region": "eu-west-3",
            "gen_ai.usage.input_tokens": 105,
            "gen_ai.usage.output_tokens": 20,
            "bedrock_resilience.attempts": 3,
            "bedrock_resilience.backoff_seconds": 1.5,
            "bedrock_resilience.pacing_seconds": 0.0,
        }
        retry = "bedrock_resilience.retry"
        assert events_of(span) == [
            (
                retry,
                {"bedrock_resilience.attempt": 1, "bedrock_resilience.delay": 0.5, "error.type": "throttling"},
            ),
            (
                retry,
                {"bedrock_resilience.attempt": 2, "bedrock_resilience.delay": 1.0, "error.type": "throttling"},
            ),
        ]
        assert span.status.is_unset

    def test_waits_for_the_pacer_are_events(self, collected: Collected) -> None:
        pacer = QuotaPacer(Quota(requests_per_minute=60, burst=1))
        pacer.due(pacer.reserve(0.0), 0.0)
        retrier(collected, pacer=pacer).call(scripted("answer"))
        ((name, attributes),) = events_of(collected.span)
        assert (name, attributes["bedrock_resilience.attempt"]) == ("bedrock_resilience.pacing", 1)
        assert attributes["bedrock_resilience.delay"] == collected.span.attributes["bedrock_resilience.pacing_seconds"]

    def test_a_call_that_fails(self, collected: Collected) -> None:
        error = validation_error()
        with pytest.raises(type(error)):
            retrier(collected).call(scripted(error))
        span = collected.span
        assert span.attributes["error.type"] == "validation"
        assert span.status.status_code is trace.StatusCode.ERROR
        assert span.status.description == "not retryable"
        ((name, attributes),) = events_of(span)
        assert name == "exception"
        assert attributes["exception.message"] == str(error)

    def test_a_call_without_an_attempt(self, collected: Collected) -> None:
        with pytest.raises(DeadlineExceededError):
            retrier(collected, deadline=Deadline(0.0)).call(scripted())
        assert collected.span.attributes["error.type"] == "deadline"
        assert events_of(collected.span) == []

    def test_a_call_that_is_cancelled(self, collected: Collected) -> None:
        with pytest.raises(KeyboardInterrupt):
            retrier(collected).call(scripted(KeyboardInterrupt()))
        assert collected.span.attributes["error.type"] == "cancelled"
        assert collected.span.status.description == "cancelled"

    def test_a_call_of_unknown_things(self, collected: Collected) -> None:
        retrier(collected, info=None).call(scripted("answer"))
        assert collected.span.name == "chat"

    def test_it_is_the_current_one_during_the_call_only(self, collected: Collected) -> None:
        before = current()
        seen: list[object] = []
        retrier(collected).call(lambda: seen.append(current()))
        assert [span.context for span in collected.spans] == [one.get_span_context() for one in seen]  # type: ignore[attr-defined]  # spans
        assert current() is before

    async def test_awaited_calls_have_one_each(self, collected: Collected) -> None:
        seen: list[Any] = []

        async def work() -> None:
            await asyncio.sleep(0)  # noqa: TID251 - one turn of the loop
            seen.append(current())

        one = retrier(collected)
        await asyncio.gather(one.acall(work), one.acall(work))
        await one.acall(ascripted(throttling_error(), "answer"))
        assert len(collected.spans) == 3
        assert len({span.get_span_context().span_id for span in seen}) == 2

    def test_without_spans(self, collected: Collected) -> None:
        retrier(collected, listeners=[collected.listener(spans=False)]).call(scripted("answer"))
        assert collected.spans == []
        assert "bedrock_resilience.attempts" in collected.metrics

    def test_events_of_a_call_that_it_did_not_see_begin(self, collected: Collected) -> None:
        listener = collected.listener()
        listener(PacingWait(seconds=1.0))
        listener(CallFailed(attempts=1, reason=StopReason.BUDGET, error=None))
        assert collected.spans == []


class TestStreams:
    def test_the_span_ends_with_the_stream_and_is_not_current_while_it_is_read(self, collected: Collected) -> None:
        client = ScriptedBedrock(throttling_error(), "Hello")
        runtime = BedrockRuntime(client, retrier(collected, info=None))
        before, seen = current(), list[object]()
        for _ in runtime.converse_stream(**REQUEST):
            seen.append(current())
            assert collected.spans == []
        assert set(seen) == {before}
        span = collected.span
        assert (span.name, span.attributes["bedrock_resilience.attempts"]) == ("chat m", 2)
        assert span.attributes["gen_ai.usage.output_tokens"] == 1

    def test_a_stream_that_is_interrupted(self, collected: Collected) -> None:
        runtime = BedrockRuntime(ScriptedBedrock(BrokenStream("Hel", error=stream_cut())), retrier(collected))
        with pytest.raises(StreamInterruptedError):
            list(runtime.converse_stream(**REQUEST))
        assert collected.span.attributes["error.type"] == "stream_interrupted"


class TestASpanOfTheClient:
    """Where the instrumentation of a client has opened a span for the call."""

    @pytest.mark.parametrize("operation", ["chat", "text_completion", "embeddings"])
    def test_only_events_are_added_to_it(self, collected: Collected, operation: str) -> None:
        tracer = collected.tracers.get_tracer("client")
        with tracer.start_as_current_span("theirs", attributes={"gen_ai.operation.name": operation}):
            retrier(collected).call(scripted(throttling_error(), ANSWER))
        span = collected.span
        assert (span.name, dict(span.attributes)) == ("theirs", {"gen_ai.operation.name": operation})
        assert [name for name, _ in events_of(span)] == ["bedrock_resilience.retry"]

    def test_one_of_an_agent_contains_ours(self, collected: Collected) -> None:
        tracer = collected.tracers.get_tracer("agent")
        with tracer.start_as_current_span("invoke_agent", attributes={"gen_ai.operation.name": "invoke_agent"}):
            retrier(collected).call(scripted("answer"))
        ours, theirs = collected.spans
        assert ours.parent.span_id == theirs.context.span_id

    def test_one_that_has_ended_gets_no_more_events(
        self, collected: Collected, caplog: pytest.LogCaptureFixture
    ) -> None:
        span = collected.tracers.get_tracer("client").start_span("theirs", attributes={"gen_ai.operation.name": "chat"})

        def work() -> None:
            if not collected.spans:
                span.end()
                raise throttling_error()

        with trace.use_span(span):
            retrier(collected).call(work)
        assert events_of(collected.span) == []
        assert caplog.messages == []

    def test_of_the_stock_instrumentation_of_botocore(
        self, collected: Collected, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        botocore: Any = pytest.importorskip("opentelemetry.instrumentation.botocore")
        session: Any = importlib.import_module("boto3.session")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "test")
        instrumentor = botocore.BotocoreInstrumentor()
        instrumentor.instrument(tracer_provider=collected.tracers, meter_provider=collected.meters)
        try:
            with BedrockEmulator() as emulator:
                client = session.Session().client(
                    "bedrock-runtime", endpoint_url=emulator.endpoint_url, region_name="eu-west-3"
                )
                protect(client, policy=PLAIN, clock=FakeClock(), listeners=[collected.listener()])
                emulator.fail_next(2)
                client.converse(**{**REQUEST, "modelId": CLAUDE, "inferenceConfig": {"maxTokens": 100}})
                client.close()
        finally:
            instrumentor.uninstrument()
        span = collected.span
        assert span.name == f"chat {CLAUDE}"
        assert [name for name, _ in events_of(span)].count("bedrock_resilience.retry") == 2
        metrics = collected.metrics
        assert [value for _, value in metrics["bedrock_resilience.attempts"]] == [1, 1, 1]
        assert len(metrics["gen_ai.client.token.usage"]) == 2, "input and output, each counted once"


class TestMetrics:
    def test_all_of_them(self, collected: Collected) -> None:
        pacer = QuotaPacer(Quota(requests_per_minute=60, tokens_per_minute=6_000))
        retrier(collected, pacer=pacer, tokens=RequestTokens(100, 200, burndown=5)).call(
            scripted(throttling_error(), ANSWER)
        )
        metrics = collected.metrics
        assert set(metrics) == {
            "bedrock_resilience.attempts",
            "bedrock_resilience.wait.duration",
            "bedrock_resilience.quota.tokens",
            "bedrock_resilience.quota.limit",
            "bedrock_resilience.pacer.rate",
            "bedrock_resilience.pacer.confidence",
        }
        common = {"gen_ai.provider.name": "aws.bedrock", "gen_ai.request.model": "m", "cloud.region": "eu-west-3"}
        call = {**common, "gen_ai.operation.name": "chat"}
        assert metrics["bedrock_resilience.attempts"] == [
            ({**call, "bedrock_resilience.attempt.kind": "first", "error.type": "throttling"}, 1),
            ({**call, "bedrock_resilience.attempt.kind": "retry"}, 1),
        ]
        assert ({**call, "bedrock_resilience.wait.kind": "backoff"}, 0.5) in metrics["bedrock_resilience.wait.duration"]
        assert ({**common, "bedrock_resilience.quota.kind": "tokens"}, 6_000) in metrics[
            "bedrock_resilience.quota.limit"
        ]
        assert metrics["bedrock_resilience.pacer.confidence"] == [(common, 1.0)]

    def test_the_global_providers_are_the_default(self) -> None:
        listener = OpenTelemetryListener()
        assert repr(listener) == "OpenTelemetryListener(provider='aws.bedrock')"
        assert Retrier(listeners=[listener]).call(scripted("answer")) == "answer"
