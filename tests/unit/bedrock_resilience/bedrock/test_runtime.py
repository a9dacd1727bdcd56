"""BedrockRuntime: every call is retried, paced and checked, and its usage improves the estimate."""

from __future__ import annotations

import json
import threading
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ParamValidationError

from bedrock_resilience import (
    BedrockRuntime,
    BoundedExecutor,
    Deadline,
    DeadlineExceededError,
    Fault,
    IncompleteResponseError,
    MalformedResponseError,
    NoJitter,
    Quota,
    QuotaPacer,
    Retrier,
    RetryPolicy,
    StopReason,
    StreamInterruptedError,
    classify,
)
from bedrock_resilience.bedrock import bedrock_runtime_client
from bedrock_resilience.bedrock._families import text_of
from bedrock_resilience.errors import ClientConfigurationError
from bedrock_resilience.quotas import TokenUsage, Usage
from bedrock_resilience.retrying._events import (
    CallCancelled,
    CallFailed,
    CallInfo,
    CallStarted,
    CallSucceeded,
    Event,
    RetryScheduled,
    StreamOpened,
)
from bedrock_resilience.testing import (
    BrokenStream,
    FakeClock,
    ScriptedBedrock,
    ascripted,
    claude_events,
    claude_response,
    connection_failed,
    converse_events,
    converse_response,
    read_timeout,
    scripted,
    stream_cut,
    stream_error,
    throttling_error,
    throttling_errors,
    validation_error,
)
from support.families import FAMILIES
from support.families import USAGE as FAMILY_USAGE
from support.pacers import RecordingPacer, RequestPacer

POLICY = RetryPolicy(max_retries=3, base_delay=1.0, jitter=NoJitter(), retry_on="transient")
MESSAGES = [{"role": "user", "content": [{"text": "x" * 350}]}]
SESSION: Any = boto3.Session()
REQUEST: dict[str, Any] = {"modelId": "m", "messages": MESSAGES, "inferenceConfig": {"maxTokens": 1_000}}
USAGE = Usage(10, 1)


METRICS: dict[str, Any] = {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 10, "outputTokenCount": 1}}
EMPTY: dict[str, Any] = {"generation": ""}
WITHOUT_CONTENT: list[list[dict[str, Any]]] = [
    [EMPTY, {**EMPTY, **METRICS}],
    [EMPTY, METRICS],
    [EMPTY, {"error": {"type": "overloaded_error", "message": "Busy"}}],
    [EMPTY],
]


def chunks(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"chunk": {"bytes": json.dumps(event)}} for event in events]


class RuntimeUnderTest:
    """A runtime over a scripted client, with its pacer and events recorded."""

    def __init__(self, *outcomes: object, then: object = None, **retrier: Any) -> None:  # noqa: ANN401 - as Retrier's
        self.client = ScriptedBedrock(*outcomes) if then is None else ScriptedBedrock(*outcomes, then=then)
        self.clock = FakeClock()
        self.pacer = RecordingPacer()
        self.events: list[Event] = []
        given: dict[str, Any] = {"clock": self.clock, "pacer": self.pacer, "listeners": [self.events.append], **retrier}
        self.runtime = BedrockRuntime(self.client, Retrier(POLICY, **given))

    @property
    def kinds(self) -> list[type[Event]]:
        return [type(event) for event in self.events]


def text(events: list[dict[str, Any]]) -> str:
    return "".join(map(text_of, events))


class TestResponses:
    def test_converse_is_retried_until_it_succeeds(self) -> None:
        under_test = RuntimeUnderTest(*throttling_errors(2), "Hello")
        answer = under_test.runtime.converse(**REQUEST)
        assert answer["output"]["message"]["content"] == [{"text": "Hello"}]
        assert under_test.client.requests == [("converse", REQUEST)] * 3
        assert under_test.clock.sleeps == [1.0, 2.0]
        assert under_test.kinds == [CallStarted, RetryScheduled, RetryScheduled, CallSucceeded]

    @pytest.mark.parametrize(
        ("method", "operation"),
        [
            ("converse", "Converse"),
            ("invoke_model", "InvokeModel"),
            ("converse_stream", "ConverseStream"),
            ("invoke_model_stream", "InvokeModelWithResponseStream"),
        ],
    )
    def test_events_state_the_operation_the_model_and_the_region(self, method: str, operation: str) -> None:
        events: list[Event] = []
        client: Any = ScriptedBedrock("Hello")
        client.meta = SimpleNamespace(region_name="eu-west-3")
        runtime = BedrockRuntime(client, Retrier(POLICY, clock=FakeClock(), listeners=[events.append]))
        request = REQUEST if method.startswith("converse") else {"modelId": "m", "body": {"max_tokens": 5}}
        list(getattr(runtime, method)(**request))
        assert {(event.operation, event.model, event.region) for event in events} == {
            (operation, REQUEST["modelId"], "eu-west-3")
        }

    def test_an_info_of_the_retrier_takes_its_place(self) -> None:
        under_test = RuntimeUnderTest("Hello", info=CallInfo(operation="my job"))
        under_test.runtime.converse(**REQUEST)
        assert {event.operation for event in under_test.events} == {"my job"}

    def test_a_model_id_that_is_no_text_is_left_out(self) -> None:
        under_test = RuntimeUnderTest("Hello")
        with pytest.raises(ParamValidationError, match="Invalid type for parameter modelId"):
            under_test.runtime.converse(**{**REQUEST, "modelId": 5})
        assert {(event.model, event.region) for event in under_test.events} == {(None, None)}

    def test_invoke_model_is_retried_until_it_succeeds(self) -> None:
        under_test = RuntimeUnderTest(read_timeout(), "Hello")
        answer = under_test.runtime.invoke_model(modelId="m", body={"max_tokens": 5})
        assert answer["content"] == [{"type": "text", "text": "Hello"}]
        assert under_test.client.calls == 2

    def test_a_malformed_response_is_retried_once(self) -> None:
        under_test = RuntimeUnderTest(then=BrokenStream("Hel"))  # a 200 with half a body
        with pytest.raises(MalformedResponseError):
            under_test.runtime.converse(**REQUEST)
        assert under_test.client.calls == 2

    def test_an_error_with_a_success_status_is_retried_as_what_it_is(self) -> None:
        error = {"error": {"type": "overloaded_error", "message": "Overloaded"}}
        under_test = RuntimeUnderTest(error, error, "Hello")
        under_test.runtime.invoke_model(modelId="m", body="{}")
        assert under_test.pacer.methods == ["reserve", "overloaded", "reserve", "overloaded", "reserve", "answered"]

    def test_a_malformed_body_is_retried_once(self) -> None:
        under_test = RuntimeUnderTest(BrokenStream("Hel"), "Hello")
        assert under_test.runtime.invoke_model(modelId="m", body="{}")["content"][0]["text"] == "Hello"

    def test_an_incomplete_response_is_not_retried(self) -> None:
        under_test = RuntimeUnderTest(converse_response("Hel", "max_tokens"))
        with pytest.raises(IncompleteResponseError):
            under_test.runtime.converse(**REQUEST)
        assert under_test.client.calls == 1

    def test_the_default_policy_retries_throttling_only(self) -> None:
        client = ScriptedBedrock(read_timeout())
        with pytest.raises(Exception, match="Read timeout"):
            BedrockRuntime(client).converse(**REQUEST)
        assert client.calls == 1


class TestPacing:
    def test_a_call_reserves_its_input_and_max_tokens(self) -> None:
        under_test = RuntimeUnderTest("Hello")
        tokens = under_test.runtime.reserved_tokens(REQUEST)
        under_test.runtime.converse(**REQUEST)
        assert under_test.pacer.methods == ["reserve", "answered"]
        assert (under_test.pacer.tokens, under_test.pacer.outcomes) == ([tokens], [("answered", USAGE)])
        assert 1_100 <= tokens <= 1_150  # 350 letters at 3.5 letters a token, and max_tokens

    @pytest.mark.parametrize(
        ("request_", "max_tokens"),
        [
            ({"inferenceConfig": {"maxTokens": 7}}, 7),
            ({"body": {"max_tokens": 7}}, 7),
            ({"body": '{"max_tokens": 7}'}, 7),
            ({"body": b'{"max_tokens": 7}'}, 7),
            ({"body": bytearray(b'{"max_tokens": 7}')}, 7),
            ({"body": {"max_gen_len": 7}}, 7),
            ({"body": {"max_output_tokens": 7}}, 7),
            ({"body": {"inferenceConfig": {"maxTokens": 7}}}, 7),
            ({"body": {"textGenerationConfig": {"maxTokenCount": 7}}}, 7),
            ({"inferenceConfig": None}, 64_000),
            ({"inferenceConfig": {"maxTokens": True}}, 64_000),
            ({"body": "no JSON"}, 64_000),
            ({"body": 5}, 64_000),
            ({}, 64_000),  # Bedrock reserves the model's maximum
        ],
    )
    def test_where_a_request_names_its_max_tokens(self, request_: dict[str, Any], max_tokens: int) -> None:
        runtime = BedrockRuntime(ScriptedBedrock())
        given = runtime.estimator.estimate(request_)
        assert runtime.reserved_tokens(request_) - given == max_tokens

    def test_an_executor_around_it_reports_what_was_reserved(self) -> None:
        under_test = RuntimeUnderTest(throttling_error(), "Hello, world", "Hello")
        requests = [{**REQUEST, "modelId": model} for model in ("eu.anthropic.claude-sonnet-4-5", "amazon.nova-lite")]
        executor = BoundedExecutor(1, policy=RetryPolicy(max_retries=0), tokens=under_test.runtime.request_tokens)
        report = executor.run(lambda request: under_test.runtime.converse(**request), requests)
        assert report.tokens == TokenUsage(  # the throttled attempt has reserved nothing
            answers=2,
            input_tokens=20,
            output_tokens=3,
            reserved=2 * 1_010,
            settled=20 + 5 * 2 + 1,
            unused=(1_000 - 5 * 2) + (1_000 - 1),
            max_tokens=1_000,
            largest_output=2,
        )

    def test_the_estimate_learns_from_every_response(self) -> None:
        usage = {"inputTokens": 700, "outputTokens": 1, "totalTokens": 701}
        under_test = RuntimeUnderTest(then={**converse_response("Hello"), "usage": usage})
        before = under_test.runtime.reserved_tokens(REQUEST)
        for _ in range(30):
            under_test.runtime.converse(**REQUEST)
        after = under_test.runtime.reserved_tokens(REQUEST)
        assert before < 1_200
        assert after == pytest.approx(1_700, rel=0.01)  # pyright: ignore[reportUnknownMemberType] - untyped
        assert under_test.pacer.tokens[-1] == pytest.approx(after, rel=0.01)  # pyright: ignore[reportUnknownMemberType] - as above

    def test_a_stream_works_with_a_pacer_of_four_methods(self) -> None:
        pacer = RecordingPacer(1.0)
        four = SimpleNamespace(
            reserve=pacer.reserve, answered=pacer.answered, throttled=pacer.throttled, abandoned=pacer.abandoned
        )
        under_test = RuntimeUnderTest(throttling_error(), "Hello", pacer=four)
        assert text(list(under_test.runtime.converse_stream(**REQUEST))) == "Hello"
        assert pacer.methods == ["reserve", "throttled", "reserve", "answered"]
        assert pacer.open == []

    def test_the_usage_of_an_incomplete_response_counts(self) -> None:
        under_test = RuntimeUnderTest(converse_response("Hel", "max_tokens"))
        before = under_test.runtime.estimator.estimate(REQUEST)
        with pytest.raises(IncompleteResponseError):
            under_test.runtime.converse(**REQUEST)
        assert under_test.pacer.outcomes[-1] == ("answered", USAGE)
        assert under_test.runtime.estimator.estimate(REQUEST) < before  # 10 tokens for 350 letters

    def test_every_family_settles_the_pacer(self) -> None:
        for family in FAMILIES.values():
            under_test = RuntimeUnderTest(family.body)
            under_test.runtime.invoke_model(modelId="m", body=family.request)
            assert under_test.pacer.outcomes[-1] == ("answered", family.usage)
            under_test = RuntimeUnderTest(chunks(family.events))
            list(under_test.runtime.invoke_model_stream(modelId="m", body=family.request))
            assert under_test.pacer.outcomes[-1] == ("answered", FAMILY_USAGE)

    def test_a_response_without_usage_changes_no_estimate(self) -> None:
        under_test = RuntimeUnderTest({"generation": "Hello"})
        before = under_test.runtime.estimator.estimate({"body": "{}"})
        under_test.runtime.invoke_model(modelId="m", body="{}")
        assert under_test.pacer.outcomes[-1] == ("answered", None)
        assert under_test.runtime.estimator.estimate({"body": "{}"}) == before

    def test_tokens_given_by_the_caller_go_before_the_estimate(self) -> None:
        under_test = RuntimeUnderTest("Hello", tokens=5_000)
        under_test.runtime.converse(**REQUEST)
        assert under_test.pacer.tokens == [5_000]

    @pytest.mark.parametrize("operation", ["converse", "converse_stream"])
    def test_a_function_for_the_tokens_gets_the_request(self, operation: str) -> None:
        def length(modelId: str, **_: object) -> int:  # noqa: N803 - Bedrock's name
            return len(modelId)

        under_test = RuntimeUnderTest("Hello", tokens=length)
        list(getattr(under_test.runtime, operation)(**{**REQUEST, "modelId": "12345"}))
        assert under_test.pacer.tokens == [5]

    def test_each_attempt_is_paced_and_its_end_reported(self) -> None:
        under_test = RuntimeUnderTest(throttling_error(), connection_failed(), "Hello")
        under_test.runtime.converse(**REQUEST)
        assert under_test.pacer.methods == ["reserve", "throttled", "reserve", "abandoned", "reserve", "answered"]
        assert under_test.pacer.open == []


class TestStreams:
    @pytest.mark.parametrize(
        ("operation", "events", "more"),
        [
            ("converse_stream", converse_events, {}),
            ("invoke_model_stream", claude_events, {"body": {"max_tokens": 5}}),
        ],
    )
    def test_a_complete_stream_is_delivered(self, operation: str, events: Any, more: dict[str, Any]) -> None:  # noqa: ANN401 - either of two
        under_test = RuntimeUnderTest(events("Hel", "lo"))
        delivered = list(getattr(under_test.runtime, operation)(modelId="m", **more))
        assert text(delivered) == "Hello"
        assert len(delivered) == len(events("Hel", "lo"))
        assert under_test.client.streams[0].closed
        assert under_test.kinds == [CallStarted, StreamOpened, CallSucceeded]

    def test_the_request_is_sent_with_the_first_event(self) -> None:
        under_test = RuntimeUnderTest("Hello")
        stream = under_test.runtime.converse_stream(**REQUEST)
        assert under_test.client.calls == 0
        stream.close()
        assert (under_test.client.calls, under_test.pacer.calls) == (0, [])

    @pytest.mark.parametrize(
        "broken",
        [
            throttling_error(),
            BrokenStream(error=stream_cut()),
            BrokenStream(error=stream_error("throttlingException")),
            BrokenStream(error=read_timeout()),
            BrokenStream(error=None),
        ],
    )
    def test_it_is_retried_while_nothing_was_delivered(self, broken: object) -> None:
        under_test = RuntimeUnderTest(broken, "Hello")
        assert text(list(under_test.runtime.converse_stream(**REQUEST))) == "Hello"
        assert under_test.client.calls == 2
        assert all(stream.closed for stream in under_test.client.streams)
        assert under_test.kinds == [CallStarted, RetryScheduled, StreamOpened, CallSucceeded]

    def test_a_stream_that_never_opens_is_retried_as_the_policy_says(self) -> None:
        under_test = RuntimeUnderTest(then=BrokenStream(error=stream_cut()))
        with pytest.raises(StreamInterruptedError) as raised:
            list(under_test.runtime.converse_stream(**REQUEST))
        assert raised.value.delivered == []
        assert under_test.client.calls == 2  # what is billed again is tried once more
        assert under_test.kinds == [CallStarted, RetryScheduled, CallFailed]
        assert under_test.pacer.open == []

    @pytest.mark.parametrize(
        ("error", "fault", "reported"),
        [
            (stream_cut(), Fault.STREAM_INTERRUPTED, "answered"),
            (stream_error("throttlingException"), Fault.THROTTLING, "throttled"),
            (stream_error("serviceUnavailableException"), Fault.SERVICE_UNAVAILABLE, "overloaded"),
            (None, Fault.STREAM_INTERRUPTED, "answered"),
        ],
    )
    def test_it_is_not_retried_after_something_was_delivered(
        self, error: Exception | None, fault: Fault, reported: str
    ) -> None:
        under_test = RuntimeUnderTest(BrokenStream("Hel", error=error), then="not requested")
        delivered: list[dict[str, Any]] = []
        with pytest.raises(StreamInterruptedError) as raised:
            delivered.extend(under_test.runtime.converse_stream(**REQUEST))
        assert (raised.value.text, raised.value.fault) == ("Hel", fault)
        assert raised.value.delivered == delivered
        assert raised.value.__notes__ == [
            "bedrock_resilience: gave up after 1 attempt and 0.00 s of waiting: a part of the stream was delivered"
        ]
        assert under_test.client.calls == 1
        assert under_test.pacer.methods == ["reserve", reported]
        *_, failed = under_test.events
        assert isinstance(failed, CallFailed)
        assert (failed.attempts, failed.fault, failed.error) == (1, fault, raised.value)
        assert failed.reason is StopReason.PARTLY_DELIVERED

    def test_the_note_of_an_interrupted_stream_counts_the_attempts_before(self) -> None:
        client = ScriptedBedrock(throttling_error(), BrokenStream("Hel", error=stream_cut()))
        runtime = BedrockRuntime(client, Retrier(POLICY, clock=FakeClock()))  # no listener counts them
        with pytest.raises(StreamInterruptedError) as raised:
            list(runtime.converse_stream(**REQUEST))
        assert raised.value.__notes__ == [
            "bedrock_resilience: gave up after 2 attempts and 1.00 s of waiting: a part of the stream was delivered"
        ]

    def test_a_stream_of_nothing_but_its_preamble_is_retried(self) -> None:
        event = {"type": "message_start", "amazon-bedrock-invocationMetrics": {"outputTokenCount": 0}}
        under_test = RuntimeUnderTest([{"chunk": {"bytes": json.dumps(event).encode()}}], "Hello")
        events = list(under_test.runtime.invoke_model_stream(modelId="m", body="{}"))
        assert "".join(map(text_of, events)) == "Hello"
        assert under_test.kinds == [CallStarted, RetryScheduled, StreamOpened, CallSucceeded]

    @pytest.mark.parametrize("failed", WITHOUT_CONTENT)
    def test_a_stream_is_retried_until_its_first_event_with_content(self, failed: list[dict[str, Any]]) -> None:
        complete = [EMPTY, {"generation": "Hello"}, {**EMPTY, "stop_reason": "stop", **METRICS}]
        under_test = RuntimeUnderTest(chunks(failed), chunks(complete))
        assert list(under_test.runtime.invoke_model_stream(modelId="m", body="{}")) == complete
        assert under_test.kinds == [CallStarted, RetryScheduled, StreamOpened, CallSucceeded]
        assert under_test.pacer.outcomes[-1] == ("answered", USAGE)

    def test_a_response_that_is_cut_before_its_first_text_settles_its_usage(self) -> None:
        under_test = RuntimeUnderTest(converse_events(stop_reason="max_tokens"))
        with pytest.raises(IncompleteResponseError):
            list(under_test.runtime.converse_stream(**REQUEST))
        assert under_test.pacer.outcomes[-1] == ("answered", Usage(10, 0))
        assert under_test.kinds == [CallStarted, CallFailed]

    def test_a_refusal_in_the_preamble_is_delivered(self) -> None:
        event = {"messageStart": {"role": "assistant"}, "messageStop": {"stopReason": "refusal"}}
        under_test = RuntimeUnderTest([event])
        assert list(under_test.runtime.converse_stream(modelId="m", messages=[])) == [event]
        assert under_test.kinds == [CallStarted, StreamOpened, CallSucceeded]

    def test_the_usage_is_reported_at_the_end(self) -> None:
        under_test = RuntimeUnderTest("Hello")
        before = under_test.runtime.estimator.estimate(REQUEST)
        stream = under_test.runtime.converse_stream(**REQUEST)
        next(stream)
        assert under_test.pacer.methods == ["reserve"]  # it has only begun
        assert under_test.kinds == [CallStarted, StreamOpened]
        last = list(stream)[-1]
        assert under_test.pacer.outcomes[-1] == ("answered", USAGE)
        assert under_test.runtime.estimator.estimate(REQUEST) < before
        succeeded = under_test.events[-1]
        assert isinstance(succeeded, CallSucceeded)
        assert (succeeded.attempts, succeeded.answer) == (1, last)

    def test_the_usage_of_an_incomplete_stream_counts(self) -> None:
        under_test = RuntimeUnderTest(converse_events("Hel", stop_reason="max_tokens"))
        before = under_test.runtime.estimator.estimate(REQUEST)
        with pytest.raises(IncompleteResponseError):
            list(under_test.runtime.converse_stream(**REQUEST))
        assert under_test.pacer.outcomes[-1] == ("answered", USAGE)
        assert under_test.runtime.estimator.estimate(REQUEST) < before
        assert under_test.kinds == [CallStarted, StreamOpened, CallFailed]

    def test_closing_it_early_closes_the_connection_and_is_no_failure(self) -> None:
        under_test = RuntimeUnderTest("Hello")
        stream = under_test.runtime.converse_stream(**REQUEST)
        next(stream)
        stream.close()
        assert under_test.client.streams[0].closed
        assert under_test.pacer.outcomes[-1] == ("answered", None)
        assert under_test.kinds == [CallStarted, StreamOpened, CallSucceeded]

    def test_an_exception_thrown_into_it_ends_it(self) -> None:
        under_test = RuntimeUnderTest("Hello")
        stream = under_test.runtime.converse_stream(**REQUEST)
        next(stream)
        with pytest.raises(KeyboardInterrupt):
            stream.throw(KeyboardInterrupt())
        assert under_test.client.streams[0].closed
        assert under_test.pacer.open == []
        assert under_test.kinds == [CallStarted, StreamOpened, CallCancelled]

    def test_an_error_that_is_not_retried_passes_through(self) -> None:
        error = validation_error(operation="ConverseStream")
        under_test = RuntimeUnderTest(error)
        with pytest.raises(type(error)) as raised:
            list(under_test.runtime.converse_stream(**REQUEST))
        assert raised.value is error
        assert under_test.pacer.methods == ["reserve", "answered"]
        assert under_test.kinds == [CallStarted, CallFailed]

    def test_the_final_event_has_the_tokens_of_the_stream(self) -> None:
        under_test = RuntimeUnderTest(throttling_error(), "Hello")
        list(under_test.runtime.converse_stream(**REQUEST))
        *_, opened, succeeded = under_test.events
        assert opened.token_usage is not None
        assert (opened.token_usage.answers, opened.token_usage.unknown) == (0, 1)
        assert succeeded.token_usage is not None
        assert (succeeded.token_usage.answers, succeeded.token_usage.unknown) == (1, 0)
        assert succeeded.token_usage.output_tokens == USAGE.output_tokens

    def test_tokens_given_as_a_number_have_no_usage(self) -> None:
        under_test = RuntimeUnderTest("Hello", tokens=100)
        list(under_test.runtime.converse_stream(**REQUEST))
        assert [event.token_usage for event in under_test.events] == [None, None, None]
        assert {event.tokens_reserved for event in under_test.events} == {100}

    def test_a_throttle_in_the_stream_is_counted(self) -> None:
        under_test = RuntimeUnderTest(BrokenStream("Hel", error=stream_error("throttlingException")))
        with pytest.raises(StreamInterruptedError):
            list(under_test.runtime.converse_stream(**REQUEST))
        *_, failed = under_test.events
        assert isinstance(failed, CallFailed)
        assert (failed.throttles, failed.fault) == (1, Fault.THROTTLING)

    def test_events_state_what_the_pacer_knows(self) -> None:
        under_test = RuntimeUnderTest("Hello", pacer=QuotaPacer(Quota(requests_per_minute=60)))
        list(under_test.runtime.converse_stream(**REQUEST))
        assert all(event.pacer is not None and event.pacer.request_limit == 60 for event in under_test.events)

    def test_a_pacer_that_reads_requests_receives_the_burndown_of_the_model(self) -> None:
        pacer = RequestPacer()
        under_test = RuntimeUnderTest("Hello", "Hello", pacer=pacer)
        request = {**REQUEST, "modelId": "amazon.nova-lite-v1:0"}
        list(under_test.runtime.converse_stream(**request))
        under_test.runtime.converse(**request)
        assert [one.burndown for one in pacer.requests] == [1.0, 1.0]
        assert pacer.ended == ["answered", "answered"]

    def test_without_pacer_and_listeners(self) -> None:
        client = ScriptedBedrock("Hello", BrokenStream("Hel"), "Hello")
        runtime = BedrockRuntime(client)
        assert text(list(runtime.converse_stream(**REQUEST))) == "Hello"
        with pytest.raises(StreamInterruptedError):
            list(runtime.converse_stream(**REQUEST))
        stream = runtime.converse_stream(**REQUEST)
        next(stream)
        stream.close()
        assert all(stream.closed for stream in client.streams)

    @pytest.mark.parametrize("limit", ["deadline", "timeout", "enclosing"])
    @pytest.mark.parametrize("operation", ["converse_stream", "invoke_model_stream"])
    def test_a_stream_ends_when_its_deadline_is_past(self, operation: str, limit: str) -> None:
        given: dict[str, Any] = {} if limit == "enclosing" else {limit: 3.0 if limit == "timeout" else Deadline(3.0)}
        text = claude_events("a", "b", "c") if operation == "invoke_model_stream" else converse_events("a", "b", "c")
        under_test = RuntimeUnderTest(text, then="not requested", **given)
        delivered: list[dict[str, Any]] = []
        with pytest.raises(StreamInterruptedError, match="the deadline is past") as raised:  # noqa: PT012 - a loop
            with Deadline(3.0 if limit == "enclosing" else 90.0).apply():
                stream = getattr(under_test.runtime, operation)(modelId="m")
                delivered.append(next(stream))
            for event in stream:  # outside of the block: the deadline of a call is that of its start
                delivered.append(event)
                if text_of(event) == "b":
                    under_test.clock.advance(3.0)
        assert raised.value.text == "ab"
        assert raised.value.delivered == delivered
        assert raised.value.__notes__ == ["bedrock_resilience: gave up after 1 attempt and 0.00 s of waiting: deadline"]
        assert under_test.client.streams[0].closed
        assert under_test.client.calls == 1
        assert under_test.pacer.methods == ["reserve", "answered"]
        assert under_test.kinds == [CallStarted, StreamOpened, CallFailed]
        failed = under_test.events[-1]
        assert isinstance(failed, CallFailed)
        assert (failed.reason, failed.fault) == (StopReason.DEADLINE, Fault.CANCELLED)

    @pytest.mark.parametrize("retry_on", ["throttling", "transient"])
    def test_a_stream_whose_deadline_is_past_before_its_content_is_not_retried(self, retry_on: str) -> None:
        under_test = RuntimeUnderTest("Hello", timeout=3.0)
        open_stream = under_test.client.converse_stream

        def slowly(**request: Any) -> Any:  # noqa: ANN401 - as the client's
            under_test.clock.advance(3.0)
            return open_stream(**request)

        vars(under_test.client)["converse_stream"] = slowly
        runtime = BedrockRuntime(
            under_test.client, under_test.runtime.retrier.replace(policy=POLICY.replace(retry_on=retry_on))
        )
        with pytest.raises(StreamInterruptedError, match="the deadline is past") as raised:
            list(runtime.converse_stream(**REQUEST))
        assert (raised.value.delivered, raised.value.text) == ([], "")
        assert raised.value.__notes__ == ["bedrock_resilience: gave up after 1 attempt and 0.00 s of waiting: deadline"]
        assert under_test.client.calls == 1
        assert under_test.client.streams[0].closed
        assert under_test.kinds == [CallStarted, CallFailed]

    def test_a_deadline_that_is_over_starts_nothing(self) -> None:
        under_test = RuntimeUnderTest("Hello", deadline=Deadline(0.0))
        with pytest.raises(DeadlineExceededError):
            list(under_test.runtime.converse_stream(**REQUEST))
        assert (under_test.client.calls, under_test.pacer.calls) == (0, [])


class TestConstruction:
    def test_without_a_client_one_is_created(self) -> None:
        runtime = BedrockRuntime(workers=20)
        assert runtime.client.meta.service_model.service_name == "bedrock-runtime"
        assert runtime.client.meta.config.max_pool_connections == 20

    def test_a_client_passed_in_is_checked(self) -> None:
        client = bedrock_runtime_client(max_pool_connections=4, read_timeout=60)
        clock = FakeClock()
        retrier = Retrier(POLICY, clock=clock, deadline=Deadline.after(100, clock=clock))
        with pytest.raises(ClientConfigurationError) as raised:
            BedrockRuntime(client, retrier, workers=5)
        assert "a pool of 4 connections for 5 workers" in str(raised.value)
        assert "2 x 60 s of read timeout make 120 s" in str(raised.value)
        assert BedrockRuntime(client, retrier, workers=5, allow={"pool", "timeouts"}).client is client


def test_threads_share_one_runtime() -> None:
    bodies = [{"max_tokens": 5, "prompt": str(number)} for number in range(40)]
    client = ScriptedBedrock(*throttling_errors(20), then=claude_response("Hello"))
    pacer = RecordingPacer()
    runtime = BedrockRuntime(client, Retrier(RetryPolicy(20, 0.0, jitter=NoJitter()), pacer=pacer))
    answers: list[dict[str, Any]] = []

    def work(some: list[dict[str, Any]]) -> None:
        answers.extend(runtime.invoke_model(modelId="m", body=body) for body in some)

    threads = [threading.Thread(target=work, args=(bodies[number::8],)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 40
    assert client.calls == 60
    assert {json.loads(request["body"])["prompt"] for _, request in client.requests} == set(map(str, range(40)))
    assert pacer.open == []


def test_a_policy_in_place_of_a_retrier_is_refused() -> None:
    policy: Any = RetryPolicy()
    with pytest.raises(TypeError) as refused:
        BedrockRuntime(ScriptedBedrock(), policy)
    assert str(refused.value) == (
        f"BedrockRuntime: retrier: got {policy!r}; accepted: a Retrier, such as Retrier(policy)"
    )


@pytest.mark.parametrize(
    "client",
    [
        "eu-west-3",
        SESSION,
        SESSION.client("s3", region_name="eu-west-3"),
        ScriptedBedrock,
        SimpleNamespace(converse=ascripted("never")),
        type("BedrockRuntime", (), {"__module__": "aiobotocore.client", "converse": lambda: None})(),
    ],
)
def test_what_is_no_synchronous_client_of_bedrock_is_refused(client: object) -> None:
    with pytest.raises(TypeError) as refused:
        BedrockRuntime(client)
    assert str(refused.value) == (
        f"BedrockRuntime: client: got {client!r}; accepted: a bedrock-runtime client, such as bedrock_runtime_client() "
        "or session.client('bedrock-runtime'); a client of aiobotocore goes into AsyncBedrockRuntime"
    )


def test_a_stand_in_needs_the_operations_that_a_test_calls_only() -> None:
    client = SimpleNamespace(converse=scripted(converse_response("Hello")))
    assert BedrockRuntime(client).converse(**REQUEST)["stopReason"] == "end_turn"


def test_an_interrupted_stream_carries_its_fault() -> None:
    error = StreamInterruptedError("the stream failed", [], Fault.THROTTLING)
    assert classify(error) is Fault.THROTTLING
