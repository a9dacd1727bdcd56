"""Which bodies each operation refuses."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from bedrock_resilience.emulator._http.replies import Reply
from bedrock_resilience.emulator._http.routes import Operation, Route
from bedrock_resilience.emulator._operations.operations import GenerationRequest, VectorRequest, parse_request
from bedrock_resilience.emulator._protocol.conversation import NO_TOOL
from bedrock_resilience.emulator._protocol.errors import ServiceError

CLAUDE: dict[str, Any] = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": "Hello."}],
}


def body(value: object) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value).encode()


@pytest.mark.parametrize(
    ("operation", "sent", "code", "message"),
    [
        (Operation.CONVERSE, b"{", "SerializationException", "The body is not JSON: "),
        (Operation.CONVERSE_STREAM, b"[]", "SerializationException", "The body is not a JSON object."),
        (Operation.CONVERSE, {}, "ValidationException", "messages: got null"),
        (Operation.INVOKE_MODEL, b"\xff", "ValidationException", "Malformed input request"),
        (Operation.COUNT_TOKENS, {}, "ValidationException", "input: got {}; accepted: converse, or invokeModel"),
        (Operation.COUNT_TOKENS, {"input": {"invokeModel": {"body": "!"}}}, "ValidationException", "input: got"),
        (Operation.APPLY_GUARDRAIL, {}, "ValidationException", "source: got null; accepted: INPUT, OUTPUT"),
        (Operation.APPLY_GUARDRAIL, {"source": "INPUT"}, "ValidationException", "content: got null; accepted: a list"),
    ],
)
def test_a_malformed_body_of_an_operation_is_refused(
    operation: Operation, sent: object, code: str, message: str
) -> None:
    with pytest.raises(ServiceError) as raised:
        parse_request(Route(operation, "anthropic.claude-sonnet-4"), body(sent))
    assert raised.value.code == code
    assert raised.value.message.startswith(message)


def test_a_claude_body_may_forbid_its_tools() -> None:
    tools = [{"name": "t", "input_schema": {"type": "object"}}]
    request = parse_request(
        Route(Operation.INVOKE_MODEL, "anthropic.claude"),
        body({**CLAUDE, "tools": tools, "tool_choice": {"type": "none"}}),
    )
    assert isinstance(request, GenerationRequest)
    assert request.conversation.tool_choice == NO_TOOL


def test_a_body_with_a_version_of_anthropic_is_read_whatever_the_model_is_called() -> None:
    request = parse_request(
        Route(Operation.INVOKE_MODEL, "arn:aws:bedrock:eu-west-3:1:imported-model/abc"), body(CLAUDE)
    )
    assert isinstance(request, GenerationRequest)
    assert request.conversation.max_tokens == 9


def test_embeddings_are_neither_streamed_nor_counted() -> None:
    model, sent = "amazon.titan-embed-text-v2:0", {"inputText": "Hello."}
    assert isinstance(parse_request(Route(Operation.INVOKE_MODEL, model), body(sent)), VectorRequest)
    with pytest.raises(ServiceError, match="doesn't support response streaming"):
        parse_request(Route(Operation.INVOKE_MODEL_STREAM, model, streams=True), body(sent))
    counted = {"input": {"invokeModel": {"body": base64.b64encode(body(sent)).decode()}}}
    with pytest.raises(ServiceError, match="doesn't support counting tokens"):
        parse_request(Route(Operation.COUNT_TOKENS, model), body(counted))


def test_several_turns_of_the_user_in_a_row_are_one_turn_of_a_claude_body_and_refused_by_converse() -> None:
    turns = [{"role": "user", "content": [{"type": "text", "text": text}]} for text in ("Hello.", "Well?")]
    asked = parse_request(Route(Operation.INVOKE_MODEL, "anthropic.claude"), body({**CLAUDE, "messages": turns}))
    assert isinstance(asked, GenerationRequest)
    assert [turn.text for turn in asked.conversation.messages] == ["Hello.\nWell?"]
    messages = [{"role": "user", "content": [{"text": "Hello."}]}] * 2
    with pytest.raises(ServiceError, match="A conversation must alternate"):
        parse_request(Route(Operation.CONVERSE, "anthropic.claude"), body({"messages": messages}))


def test_converse_says_that_the_model_refuses_its_thinking() -> None:
    refused = {
        "messages": [{"role": "user", "content": [{"text": "Hello."}]}],
        "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 5}},
    }
    with pytest.raises(ServiceError, match=r"The model returned the following errors: thinking\.enabled"):
        parse_request(Route(Operation.CONVERSE, "anthropic.claude"), body(refused))


def test_tokens_of_an_invoke_model_body_are_counted() -> None:
    counted = parse_request(
        Route(Operation.COUNT_TOKENS, "anthropic.claude"),
        body({"input": {"invokeModel": {"body": base64.b64encode(body(CLAUDE)).decode()}}}),
    )
    assert isinstance(counted, Reply)
    assert counted.frames == (b'{"inputTokens":2}',)
