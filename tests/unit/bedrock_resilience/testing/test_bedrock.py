"""ScriptedBedrock: a client without a network."""

from __future__ import annotations

import io
import json
import sys
from typing import Any

import pytest
from botocore.exceptions import ParamValidationError

from bedrock_resilience import Fault, MalformedResponseError, RetryPolicy, classify
from bedrock_resilience.bedrock import converse, converse_stream, invoke_model, invoke_model_stream
from bedrock_resilience.bedrock._families import text_of
from bedrock_resilience.errors import ScriptExhaustedError, StreamInterruptedError
from bedrock_resilience.testing import (
    BrokenStream,
    FakeClock,
    ScriptedBedrock,
    claude_events,
    claude_response,
    converse_events,
    converse_response,
    stream_error,
    throttling_error,
    throttling_errors,
)
from bedrock_resilience.testing import _errors as errors

CHAT: dict[str, Any] = {"messages": [{"role": "user", "content": "Hello."}]}
# Model, body, and where the text is in the body of a response.
FAMILIES: list[tuple[str, dict[str, Any], tuple[str | int, ...]]] = [
    ("eu.anthropic.claude-sonnet-4-5-20250929-v1:0", {}, ("content", 0, "text")),
    ("amazon.nova-lite-v1:0", {}, ("output", "message", "content", 0, "text")),
    ("amazon.titan-text-express-v1", {}, ("results", 0, "outputText")),
    ("cohere.command-text-v14", {}, ("generations", 0, "text")),
    ("cohere.command-r-plus-v1:0", {"message": "Hello."}, ("text",)),
    ("meta.llama3-8b-instruct-v1:0", {}, ("generation",)),
    ("mistral.mistral-7b-instruct-v0:2", {"prompt": "Hello."}, ("outputs", 0, "text")),
    ("mistral.mistral-large-2407-v1:0", CHAT, ("choices", 0, "message", "content")),
    ("us.deepseek.r1-v1:0", {}, ("choices", 0, "text")),
    ("openai.gpt-oss-20b-1:0", CHAT, ("choices", 0, "message", "content")),
    ("a-profile", {"anthropic_version": "bedrock-2023-05-31"}, ("content", 0, "text")),
    ("a-profile", {"message": "Hello."}, ("text",)),
]
REQUEST: dict[str, Any] = {"modelId": "model", "messages": []}


def texts(events: Any) -> list[str]:  # noqa: ANN401 - events of either API
    """The pieces of text in a stream's events."""
    found = [event.get("contentBlockDelta", event).get("delta", {}).get("text") for event in events]
    return [text for text in found if text is not None]


class TestConverse:
    def test_a_text_becomes_a_response_that_passes_every_check(self) -> None:
        client = ScriptedBedrock("two words")
        answer = converse(client, **REQUEST)
        assert answer["output"]["message"] == {"role": "assistant", "content": [{"text": "two words"}]}
        assert answer["stopReason"] == "end_turn"
        assert answer["usage"] == {"inputTokens": 10, "outputTokens": 2, "totalTokens": 12}
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
        assert client.requests == [("converse", REQUEST)]
        assert client.calls == 1

    def test_a_mapping_is_the_response_itself(self) -> None:
        given = converse_response("half a", "max_tokens")
        answer = ScriptedBedrock(given).converse(**REQUEST)
        assert {name: answer[name] for name in given} == given

    def test_an_error_is_raised(self) -> None:
        with pytest.raises(type(throttling_error())):
            ScriptedBedrock(throttling_error()).converse(**REQUEST)

    def test_half_a_body_is_a_response_without_output(self) -> None:
        assert "output" not in ScriptedBedrock(BrokenStream("half")).converse(**REQUEST)
        with pytest.raises(MalformedResponseError):
            converse(ScriptedBedrock(BrokenStream()), **REQUEST)

    def test_a_call_after_the_script_fails_unless_it_has_a_default(self) -> None:
        with pytest.raises(ScriptExhaustedError):
            ScriptedBedrock().converse(**REQUEST)
        assert ScriptedBedrock(then="always").converse(**REQUEST)["stopReason"] == "end_turn"

    def test_calls_may_take_time(self) -> None:
        clock = FakeClock()
        ScriptedBedrock("a", clock=clock, latency=6.5).converse(**REQUEST)
        ScriptedBedrock("a", clock=clock).converse(**REQUEST)
        assert (clock.monotonic(), clock.sleeps) == (6.5, [])

    def test_under_a_policy(self, instant_retries: FakeClock) -> None:
        client = ScriptedBedrock(*throttling_errors(2), "Hello")
        assert RetryPolicy().call(client.converse, **REQUEST)["stopReason"] == "end_turn"
        assert (client.calls, len(instant_retries.sleeps)) == (3, 2)


class TestInvokeModel:
    @pytest.mark.parametrize(("model", "body", "place"), FAMILIES)
    def test_a_text_becomes_a_body_of_the_models_family(
        self, model: str, body: dict[str, Any], place: tuple[str | int, ...]
    ) -> None:
        found: Any = invoke_model(ScriptedBedrock("two words"), modelId=model, body=body)
        assert text_of(found) == "two words"
        for key in place:
            found = found[key]
        assert found == "two words"

    @pytest.mark.parametrize(("model", "body", "place"), FAMILIES)
    def test_half_a_body_of_any_family_is_no_json(self, model: str, body: dict[str, Any], place: object) -> None:
        with pytest.raises(MalformedResponseError):
            invoke_model(ScriptedBedrock(BrokenStream("half")), modelId=model, body=body)

    def test_a_text_is_no_response_of_a_model_that_generates_none(self) -> None:
        client = ScriptedBedrock("two words", {"embedding": [0.5]})
        with pytest.raises(TypeError) as refused:
            client.invoke_model(modelId="amazon.titan-embed-text-v2:0", body='{"inputText": "Hello."}')
        assert str(refused.value) == (
            "ScriptedBedrock: outcome: got 'two words'; accepted: a mapping, the body: amazon.titan-embed-text-v2:0 "
            "generates no text"
        )
        assert invoke_model(client, modelId="amazon.titan-embed-text-v2:0", body={}) == {"embedding": [0.5]}

    @pytest.mark.parametrize("body", ["{}", "no JSON", "[]", io.BytesIO(b"{}")])
    def test_a_text_becomes_a_claude_models_body_if_nothing_names_a_family(self, body: object) -> None:
        answer = json.loads(ScriptedBedrock("two words").invoke_model(modelId="model", body=body)["body"].read())
        assert answer == claude_response("two words")
        assert answer["content"] == [{"type": "text", "text": "two words"}]
        assert answer["stop_reason"] == "end_turn"
        assert answer["usage"] == {"input_tokens": 10, "output_tokens": 2}

    def test_the_body_is_read_like_boto3s(self) -> None:
        response = ScriptedBedrock({"any": "thing"}).invoke_model(modelId="model", body="{}")
        assert response["contentType"] == "application/json"
        assert json.loads(response["body"].read()) == {"any": "thing"}
        response["body"].close()

    def test_half_a_body_is_no_json(self) -> None:
        with pytest.raises(MalformedResponseError):
            invoke_model(ScriptedBedrock(BrokenStream("half")), modelId="model", body={})

    def test_another_stop_reason(self) -> None:
        assert claude_response("half a", "max_tokens")["stop_reason"] == "max_tokens"


class TestStreams:
    def test_a_text_becomes_the_events_of_converse_stream(self) -> None:
        client = ScriptedBedrock("Hello")
        events = list(converse_stream(client, **REQUEST))
        assert events == converse_events("Hello")
        assert texts(events) == ["Hello"]
        assert [next(iter(event)) for event in events] == [
            "messageStart",
            "contentBlockDelta",
            "contentBlockStop",
            "messageStop",
            "metadata",
        ]
        assert client.requests[0][0] == "converse_stream"
        assert [stream.closed for stream in client.streams] == [True]

    def test_a_text_becomes_the_events_of_invoke_model(self) -> None:
        client = ScriptedBedrock("Hello")
        events = list(invoke_model_stream(client, modelId="model", body={}))
        assert texts(events) == ["Hello"]
        assert [event["type"] for event in events] == [
            "message_start",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
        ]
        assert client.requests[0][0] == "invoke_model_with_response_stream"

    @pytest.mark.parametrize(("model", "body", "place"), FAMILIES)
    def test_a_text_becomes_the_events_of_the_models_family(
        self,
        model: str,
        body: dict[str, Any],
        place: object,
    ) -> None:
        client = ScriptedBedrock("Hello", BrokenStream("half ", "an answer"), BrokenStream())
        assert "".join(map(text_of, invoke_model_stream(client, modelId=model, body=body))) == "Hello"
        for text in ("half an answer", ""):
            with pytest.raises(StreamInterruptedError) as interrupted:
                list(invoke_model_stream(client, modelId=model, body=body))
            assert interrupted.value.text == text
            assert interrupted.value.fault is Fault.STREAM_INTERRUPTED

    def test_a_list_is_the_events_themselves(self) -> None:
        events = converse_events("in ", "two", stop_reason="stop_sequence")
        assert list(ScriptedBedrock(events).converse_stream(**REQUEST)["stream"]) == events
        assert texts(events) == ["in ", "two"]
        assert events[-2] == {"messageStop": {"stopReason": "stop_sequence"}}

    @pytest.mark.parametrize(("open_stream", "more"), [(converse_stream, {}), (invoke_model_stream, {"body": {}})])
    def test_a_stream_that_breaks_delivers_what_came_before(self, open_stream: Any, more: dict[str, Any]) -> None:  # noqa: ANN401 - one of two functions
        client = ScriptedBedrock(BrokenStream("half ", "an answer"))
        delivered: list[Any] = []
        with pytest.raises(StreamInterruptedError) as raised:
            delivered.extend(open_stream(client, modelId="model", **more))
        assert raised.value.text == "half an answer"
        assert raised.value.fault is Fault.STREAM_INTERRUPTED
        assert client.streams[0].closed

    def test_it_may_break_with_a_given_error(self) -> None:
        client = ScriptedBedrock(BrokenStream("half", error=stream_error("throttlingException")))
        with pytest.raises(StreamInterruptedError) as raised:
            list(converse_stream(client, **REQUEST))
        assert raised.value.fault is Fault.THROTTLING

    def test_it_may_end_without_an_error(self) -> None:
        client = ScriptedBedrock(BrokenStream("half", error=None))
        with pytest.raises(StreamInterruptedError, match="ended without its last event"):
            list(converse_stream(client, **REQUEST))

    def test_a_stream_that_nobody_closed_is_open(self) -> None:
        client = ScriptedBedrock("Hello")
        stream = client.converse_stream(**REQUEST)["stream"]
        assert client.streams == [stream]
        assert not stream.closed

    def test_the_events_of_a_claude_stream_are_wrapped_as_bedrock_does(self) -> None:
        first = claude_events("a", "b", stop_reason="max_tokens")[0]
        assert json.loads(first["chunk"]["bytes"])["type"] == "message_start"
        assert (
            json.loads(claude_events(stop_reason="max_tokens")[-2]["chunk"]["bytes"])["delta"]["stop_reason"]
            == "max_tokens"
        )


class TestParameters:
    @pytest.mark.parametrize(
        ("operation", "parameters", "text"),
        [
            ("converse", {}, 'Missing required parameter in input: "modelId"'),
            ("converse", {**REQUEST, "modelID": "x"}, 'Unknown parameter in input: "modelID", must be one of: modelId'),
            ("converse_stream", {**REQUEST, "body": "{}"}, 'Unknown parameter in input: "body"'),
            ("invoke_model", {"modelId": "x", "body": {}}, "Invalid type for parameter body"),
            ("invoke_model_with_response_stream", REQUEST, 'Unknown parameter in input: "messages"'),
        ],
    )
    def test_what_boto3_refuses_is_refused_and_not_counted(
        self, operation: str, parameters: dict[str, Any], text: str
    ) -> None:
        client = ScriptedBedrock("Hello")
        with pytest.raises(ParamValidationError, match=text):
            getattr(client, operation)(**parameters)
        assert (client.calls, client.requests) == (0, [])

    def test_without_botocore_nothing_is_checked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "botocore.loaders", None)
        monkeypatch.setattr(errors, "input_shapes", errors.input_shapes.__wrapped__)
        assert ScriptedBedrock("Hello").converse()["stopReason"] == "end_turn"


ACCEPTED = "an exception, a text, a mapping (the response), a list of mappings (the events), or a BrokenStream"


class TestScript:
    def test_errors_without_a_star_are_refused(self) -> None:
        with pytest.raises(TypeError) as refused:
            ScriptedBedrock(throttling_errors(2), "Hello")
        assert str(refused.value) == (
            f"ScriptedBedrock: outcomes[0]: got a list with ThrottlingException; accepted: {ACCEPTED}; for an outcome "
            "of each entry, write * before the list: *throttling_errors(2)"
        )

    @pytest.mark.parametrize("outcome", [None, TimeoutError, 5, Fault.THROTTLING, object()])
    def test_what_is_no_outcome_is_refused(self, outcome: object) -> None:
        with pytest.raises(TypeError) as refused:
            ScriptedBedrock("Hello", outcome, then=outcome)
        assert str(refused.value) == (
            f"ScriptedBedrock: outcomes[1]: got {outcome!r}; accepted: {ACCEPTED}; "
            f"then: got {outcome!r}; accepted: {ACCEPTED}"
        )

    @pytest.mark.parametrize("operation", ["converse", "invoke_model"])
    def test_events_are_no_response(self, operation: str) -> None:
        with pytest.raises(TypeError) as refused:
            getattr(ScriptedBedrock(converse_events()), operation)(modelId="model")
        assert str(refused.value) == (
            f"ScriptedBedrock: outcome of {operation}: got {converse_events()!r}; accepted: a mapping, the response"
        )

    @pytest.mark.parametrize("operation", ["converse_stream", "invoke_model_with_response_stream"])
    def test_a_response_is_no_stream(self, operation: str) -> None:
        with pytest.raises(TypeError) as refused:
            getattr(ScriptedBedrock({"text": "Hello"}), operation)(modelId="model")
        assert str(refused.value) == (
            f"ScriptedBedrock: outcome of {operation}: got {{'text': 'Hello'}}; accepted: a list, its events"
        )

    def test_a_broken_stream_has_texts_and_an_exception(self) -> None:
        texts: Any = ["Half", " an ans"]
        error: Any = "reset"
        with pytest.raises(TypeError) as refused:
            BrokenStream(texts, error=error)
        assert str(refused.value) == (
            "BrokenStream: texts[0]: got ['Half', ' an ans']; accepted: a text; error: got 'reset'; accepted: an "
            "exception, 'cut', or None"
        )


class TestExceptions:
    def test_they_are_the_classes_of_the_raised_errors(self) -> None:
        client = ScriptedBedrock(throttling_error())
        with pytest.raises(client.exceptions.ThrottlingException) as raised:
            client.converse(**REQUEST)
        assert classify(raised.value) is Fault.THROTTLING
        assert issubclass(client.exceptions.ThrottlingException, client.exceptions.ClientError)

    def test_private_names_are_none(self) -> None:
        with pytest.raises(AttributeError, match=r"^_private$"):
            ScriptedBedrock().exceptions._private  # noqa: B018 - that is the point
