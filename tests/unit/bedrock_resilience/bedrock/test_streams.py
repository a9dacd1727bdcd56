"""Streams: complete ones are delivered; all others raise a typed error that carries what was delivered."""

from __future__ import annotations

import json
import pickle
from typing import TYPE_CHECKING, Any

import pytest

from bedrock_resilience import Deadline, Fault, classify
from bedrock_resilience.bedrock import converse_stream, invoke_model_stream
from bedrock_resilience.bedrock._families import text_of
from bedrock_resilience.bedrock._streams import CheckedStream
from bedrock_resilience.errors import IncompleteResponseError, StreamInterruptedError
from bedrock_resilience.quotas import Usage
from bedrock_resilience.testing import (
    BrokenStream,
    FakeClock,
    ScriptedBedrock,
    claude_events,
    converse_events,
    read_timeout,
    stream_error,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


LAST_EVENTS_AT_THE_TOKEN_LIMIT: list[dict[str, Any]] = [
    {"generation": "", "stop_reason": "length"},
    {"outputText": "", "completionReason": "LENGTH"},
    {"outputs": [{"text": "", "stop_reason": "length"}]},
    {"is_finished": True, "finish_reason": "MAX_TOKENS"},
    {"choices": [{"delta": {}, "finish_reason": "length"}]},
]


def chunk(event: object) -> dict[str, Any]:
    return {"chunk": {"bytes": json.dumps(event).encode()}}


def decoded(events: list[dict[str, Any]]) -> CheckedStream:
    return invoke_model_stream(ScriptedBedrock([chunk(event) for event in events]), modelId="m", body="{}")


def text(events: list[dict[str, Any]]) -> str:
    return "".join(map(text_of, events))


def test_a_complete_converse_stream_is_delivered_and_closed() -> None:
    client = ScriptedBedrock("Hello")
    events = list(converse_stream(client, modelId="m"))
    assert events == converse_events("Hello")
    assert text(events) == "Hello"
    assert [stream.closed for stream in client.streams] == [True]


def test_a_complete_claude_stream_is_delivered_decoded() -> None:
    client = ScriptedBedrock("Hello")
    events = list(invoke_model_stream(client, modelId="m", body={"max_tokens": 5}))
    assert [chunk(event) for event in events] == claude_events("Hello")
    assert text(events) == "Hello"
    [(operation, request)] = client.requests
    assert operation == "invoke_model_with_response_stream"
    assert json.loads(request["body"]) == {"max_tokens": 5}


def test_the_stream_of_another_model_is_complete_with_bedrocks_metrics() -> None:
    events = [{"generation": "Hello"}, {"generation": "", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 1}}]
    client = ScriptedBedrock([chunk(event) for event in events])
    assert list(invoke_model_stream(client, modelId="m", body="{}")) == events


@pytest.mark.parametrize("last", LAST_EVENTS_AT_THE_TOKEN_LIMIT)
def test_the_stream_of_another_model_may_end_incomplete(last: dict[str, Any]) -> None:
    events = [{"generation": "Hello"}, {**last, "amazon-bedrock-invocationMetrics": {"inputTokenCount": 1}}]
    with pytest.raises(IncompleteResponseError):
        list(decoded(events))


def test_nova_streams_the_events_of_converse() -> None:
    events = converse_events("Hello", stop_reason="max_tokens")
    stream = invoke_model_stream(ScriptedBedrock([chunk(event) for event in events]), modelId="m", body="{}")
    with pytest.raises(IncompleteResponseError) as raised:
        list(stream)
    assert raised.value.body == events


@pytest.mark.parametrize("operation", [converse_stream, invoke_model_stream])
def test_a_stream_that_breaks_carries_what_was_delivered(operation: Any) -> None:  # noqa: ANN401 - either of two
    client = ScriptedBedrock(BrokenStream("Hel", "lo"))
    stream = operation(client, modelId="m")
    delivered: list[dict[str, Any]] = []
    with pytest.raises(StreamInterruptedError, match=r"the stream failed: .*events delivered before: 3") as raised:
        delivered.extend(stream)
    assert raised.value.text == "Hello"
    assert raised.value.delivered == delivered
    assert raised.value.fault is classify(raised.value) is Fault.STREAM_INTERRUPTED
    assert client.streams[0].closed
    assert list(stream) == []  # and that was all


@pytest.mark.parametrize("operation", [converse_stream, invoke_model_stream])
def test_a_stream_that_ends_without_its_last_event_is_a_failure(operation: Any) -> None:  # noqa: ANN401 - either of two
    client = ScriptedBedrock(BrokenStream("Hello", error=None))
    with pytest.raises(StreamInterruptedError, match="ended without its last event") as raised:
        list(operation(client, modelId="m"))
    assert raised.value.text == "Hello"
    assert raised.value.__cause__ is None


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (stream_error("throttlingException"), Fault.THROTTLING),
        (stream_error("modelStreamErrorException"), Fault.MODEL_STREAM_ERROR),
        (stream_error("validationException"), Fault.VALIDATION),
        (stream_error("serviceUnavailableException"), Fault.SERVICE_UNAVAILABLE),
        (stream_error(""), Fault.STREAM_INTERRUPTED),  # modelTimeoutException in ConverseStream, which lacks its model
        (read_timeout(), Fault.READ_TIMEOUT),
        (KeyError("what a parser may trip over"), Fault.STREAM_INTERRUPTED),
        (ConnectionRefusedError(), Fault.STREAM_INTERRUPTED),  # never "not reached": this stream has begun
    ],
)
def test_the_error_carries_the_fault(error: Exception, fault: Fault) -> None:
    with pytest.raises(StreamInterruptedError) as raised:
        list(converse_stream(ScriptedBedrock(BrokenStream("Hel", error=error)), modelId="m"))
    assert raised.value.fault is fault
    assert raised.value.__cause__ is error


@pytest.mark.parametrize("reason", ["max_tokens", "malformed_tool_use", "model_context_window_exceeded"])
@pytest.mark.parametrize(
    ("operation", "events"), [(converse_stream, converse_events), (invoke_model_stream, claude_events)]
)
def test_a_stop_reason_makes_a_stream_incomplete_after_all_events(
    reason: str,
    operation: Any,  # noqa: ANN401 - either of two
    events: Any,  # noqa: ANN401 - either of two
) -> None:
    client = ScriptedBedrock(events("Hel", stop_reason=reason))
    delivered: list[dict[str, Any]] = []
    with pytest.raises(IncompleteResponseError) as raised:
        delivered.extend(operation(client, modelId="m"))
    assert raised.value.stop_reason == reason
    assert raised.value.body == delivered
    assert text(delivered) == "Hel"


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        ("overloaded_error", Fault.OVERLOADED),
        ("rate_limit_error", Fault.THROTTLING),
        ("api_error", Fault.INTERNAL_SERVER),
        ("something_new", Fault.STREAM_INTERRUPTED),
        (None, Fault.STREAM_INTERRUPTED),
    ],
)
def test_an_error_event_of_claude_is_a_failure(kind: str | None, fault: Fault) -> None:
    error = chunk({"type": "error", "error": {"type": kind, "message": "Overloaded"}})
    client = ScriptedBedrock([*claude_events("Hel")[:2], error])
    with pytest.raises(StreamInterruptedError, match=f"{kind}: Overloaded") as raised:
        list(invoke_model_stream(client, modelId="m", body="{}"))
    assert raised.value.fault is fault
    assert raised.value.text == "Hel"


@pytest.mark.parametrize("event", [{"chunk": {"bytes": b"<html>"}}, {"chunk": {"bytes": b"[]"}}, {"chunk": {}}, {}])
def test_an_event_that_is_no_json_object_is_a_malformed_response(event: dict[str, Any]) -> None:
    client = ScriptedBedrock([*claude_events("Hel")[:2], event])
    with pytest.raises(StreamInterruptedError, match="has an unexpected event") as raised:
        list(invoke_model_stream(client, modelId="m", body="{}"))
    assert raised.value.fault is Fault.MALFORMED_RESPONSE


def test_closing_early_closes_the_connection() -> None:
    client = ScriptedBedrock("Hello")
    with converse_stream(client, modelId="m") as stream:
        assert next(stream) == converse_events("Hello")[0]
    assert client.streams[0].closed
    assert list(stream) == []


def test_closing_a_stream_of_which_nothing_was_read_closes_the_connection() -> None:
    client = ScriptedBedrock("Hello")
    converse_stream(client, modelId="m").close()
    assert client.streams[0].closed


def test_ctrl_c_is_no_failure_of_the_stream() -> None:
    closed: list[bool] = []

    class Interrupted:
        def __iter__(self) -> Iterator[dict[str, Any]]:
            yield from converse_events("Hello")[:2]
            raise KeyboardInterrupt

        def close(self) -> None:
            closed.append(True)

    with pytest.raises(KeyboardInterrupt):
        list(CheckedStream(Interrupted()))
    assert closed == [True]


def test_a_stream_that_cannot_be_closed_is_read_all_the_same() -> None:
    events = converse_events("Hello")
    assert list(CheckedStream(events)) == events


@pytest.mark.parametrize(
    ("event", "is_preamble"),
    [
        ({"messageStart": {"role": "assistant"}}, True),
        ({"contentBlockStart": {"start": {}}}, True),
        ({"contentBlockDelta": {"delta": {"text": ""}}}, True),
        ({"messageStop": {"stopReason": "end_turn"}}, True),
        ({"metadata": {"usage": {"inputTokens": 1}}}, True),
        ({"type": "message_start", "message": {"id": "msg_1", "content": []}}, True),
        ({"type": "content_block_start", "content_block": {"type": "text", "text": ""}}, True),
        ({"type": "ping"}, True),
        ({"type": "content_block_delta", "delta": {"type": "text_delta", "text": ""}}, True),
        ({"generation": "", "stop_reason": None}, True),
        ({"amazon-bedrock-invocationMetrics": {"inputTokenCount": 1}}, True),
        ({"choices": [], "usage": {"prompt_tokens": 1}}, True),
        ({"choices": [{"delta": {"role": "assistant", "content": ""}}]}, True),
        ({"contentBlockDelta": {"delta": {"text": "Hello"}}}, False),
        ({"contentBlockDelta": {"delta": {"reasoningContent": {"text": "Hm"}}}}, False),
        ({"contentBlockStart": {"start": {"toolUse": {"name": "extract", "toolUseId": "t"}}}}, False),
        ({"type": "content_block_delta", "delta": {"type": "text_delta", "text": "Hello"}}, False),
        ({"generation": "Hello"}, False),
        ({"a_new_field": "Hello"}, False),
    ],
)
def test_which_events_are_preamble(event: dict[str, Any], is_preamble: bool) -> None:  # noqa: FBT001 - the expectation
    assert CheckedStream([]).is_preamble(event) is is_preamble


START: dict[str, Any] = {"messageStart": {}}
STOP: dict[str, Any] = {"messageStop": {}}
TEXT_BLOCK: dict[str, Any] = {"contentBlockStart": {"start": {}}}


def test_a_stop_without_a_reason_ends_a_complete_stream() -> None:
    text_event: dict[str, Any] = {"contentBlockDelta": {"delta": {"text": "Hello"}}}
    events = [START, text_event, STOP]
    assert list(CheckedStream(events)) == events


EMPTY = {"type": "message_start"}, {"type": "content_block_start", "content_block": {"type": "text", "text": ""}}
METRICS = {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 1}}


@pytest.mark.parametrize(
    "stream",
    [
        CheckedStream(converse_events()),
        CheckedStream(converse_events("")),
        CheckedStream([START, TEXT_BLOCK, STOP]),
        decoded([*EMPTY, {"type": "message_stop"}]),
        decoded(converse_events()),
        decoded([METRICS]),
        decoded([{"generation": "", **METRICS}]),
        decoded([{"completion": "", "type": "completion", "stop_reason": None, **METRICS}]),
        decoded([{"choices": [{"delta": {"reasoning": "Hm"}}]}, {"choices": [], **METRICS}]),
    ],
)
def test_a_stream_without_output_is_a_failure(stream: CheckedStream) -> None:
    with pytest.raises(StreamInterruptedError, match="the stream has no output") as raised:
        list(stream)
    assert classify(raised.value) is Fault.MALFORMED_RESPONSE
    assert len(raised.value.delivered) == len(stream.delivered)


@pytest.mark.parametrize(
    "event",
    [
        {"contentBlockStart": {"start": {"toolUse": {"name": "extract", "toolUseId": "t"}}}},
        {"type": "content_block_start", "content_block": {"type": "tool_use", "id": "t", "name": "extract"}},
        {"contentBlockDelta": {"delta": {"text": "Hello"}}},
        {"outputText": "Hello"},
        {"a_new_field": "Hello"},
    ],
)
def test_a_tool_without_input_and_events_of_other_models_are_output(event: dict[str, Any]) -> None:
    end: dict[str, Any] = {"messageStop": {"stopReason": "end_turn"}}
    assert list(decoded([event, end])) == [event, end]


@pytest.mark.parametrize("reason", ["stop_sequence", "guardrail_intervened", "Content_Filtered", "refusal"])
def test_some_stop_reasons_allow_an_empty_stream(reason: str) -> None:
    events = converse_events(stop_reason=reason)
    assert list(CheckedStream(events)) == events


def test_a_guardrail_allows_an_empty_stream() -> None:
    events = [{"amazon-bedrock-guardrailAction": "INTERVENED", "completion": "", **METRICS}]
    assert list(decoded(events)) == events


def test_a_stop_reason_may_be_a_failure() -> None:
    events = [{"text": "Hel", "is_finished": False}, {"is_finished": True, "finish_reason": "ERROR", **METRICS}]
    with pytest.raises(StreamInterruptedError, match="stop reason 'ERROR'") as raised:
        list(decoded(events))
    assert (raised.value.fault, raised.value.text) == (Fault.MODEL_ERROR, "Hel")


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        ({"error": {"type": "overloaded_error", "message": "Busy"}}, Fault.OVERLOADED),
        ({"error": {"message": "Busy", "code": "rate_limit_exceeded", "type": "requests"}}, Fault.THROTTLING),
        ({"error": {"message": "Busy", "code": 503}, "choices": []}, Fault.SERVICE_UNAVAILABLE),
        ({"message": "Too many tokens per day", "__type": "ThrottlingException"}, Fault.TOKENS_PER_DAY),
        ({"error": "something went wrong"}, Fault.STREAM_INTERRUPTED),
    ],
)
def test_an_error_in_place_of_an_event_keeps_its_fault(error: dict[str, Any], fault: Fault) -> None:
    with pytest.raises(StreamInterruptedError, match="the stream failed") as raised:
        list(decoded([{"generation": "Hel"}, error, {"generation": "", **METRICS}]))
    assert (raised.value.fault, raised.value.text) == (fault, "Hel")


def test_the_usage_is_that_of_a_complete_stream() -> None:
    first = {"generation": "Hel", "prompt_token_count": 7, "generation_token_count": 1}
    last = {"generation": "lo", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 7, "outputTokenCount": 3}}
    stream = decoded([first, last, {"trailer": "an event without usage"}])
    next(stream)
    assert stream.usage is None  # of an unfinished response, the count so far says too little
    list(stream)
    assert stream.usage == Usage(7, 3)


def test_a_failure_survives_pickling() -> None:
    error = StreamInterruptedError("the stream failed", converse_events("Hel")[:2], Fault.THROTTLING, "Hel")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (str(copy), copy.text, copy.fault) == (str(error), "Hel", Fault.THROTTLING)


class TestUntil:
    @pytest.mark.parametrize(("now", "count"), [(9.9, 6), (10.0, 2)])
    def test_a_stream_ends_between_two_events_when_its_deadline_is_past(self, now: float, count: int) -> None:
        client, clock = ScriptedBedrock(converse_events("Hel", "lo")), FakeClock()
        stream = converse_stream(client, modelId="m").until(Deadline(10.0), clock)
        events = [next(stream), next(stream)]
        clock.advance(now)
        if count == len(converse_events("Hel", "lo")):
            assert [*events, *stream] == converse_events("Hel", "lo")
            return
        with pytest.raises(StreamInterruptedError) as raised:
            next(stream)
        assert str(raised.value) == "the deadline is past, and the stream is not complete (events delivered before: 2)"
        assert (raised.value.delivered, raised.value.text) == (events, "Hel")
        assert (raised.value.fault, classify(raised.value)) == (Fault.CANCELLED, Fault.CANCELLED)
        assert client.streams[0].closed
        assert list(stream) == []

    @pytest.mark.parametrize(("stream", "more"), [(converse_stream, {}), (invoke_model_stream, {"body": "{}"})])
    def test_a_stream_that_is_complete_is_delivered_to_its_end(
        self, stream: Callable[..., CheckedStream], more: dict[str, str]
    ) -> None:
        client, clock = ScriptedBedrock("Hello"), FakeClock()
        events = list(stream(client, modelId="m", **more))
        client = ScriptedBedrock("Hello")
        delivered: list[dict[str, Any]] = []
        for event in stream(client, modelId="m", **more).until(Deadline(10.0), clock):
            delivered.append(event)
            if "messageStop" in event or event.get("type") == "message_stop":
                clock.advance(11.0)
        assert delivered == events

    def test_without_a_deadline_it_is_not_limited(self) -> None:
        assert len(list(converse_stream(ScriptedBedrock("Hello"), modelId="m").until(Deadline.current()))) == 5

    def test_the_machines_clock_is_the_default(self) -> None:
        with pytest.raises(StreamInterruptedError):
            next(converse_stream(ScriptedBedrock("Hello"), modelId="m").until(Deadline.after(-1)))
