"""Chat completions in OpenAI's shape, to and from Converse's form."""

from __future__ import annotations

from typing import Any

import pytest

from bedrock_resilience.emulator._protocol.errors import ServiceError
from bedrock_resilience.emulator._protocol.generation import CompletedGeneration, Generation
from bedrock_resilience.emulator._protocol.openai import chat_form, response_body
from bedrock_resilience.emulator._protocol.validation import check_converse, merged_turns
from bedrock_resilience.quotas import Usage

USE: dict[str, Any] = {"toolUse": {"toolUseId": "1", "name": "t", "input": {"a": 1}}}
REASONING: dict[str, Any] = {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}}
FUNCTION: dict[str, Any] = {"name": "t", "description": "d", "parameters": {"type": "object"}}
HELLO: dict[str, Any] = {"role": "user", "content": "Hello."}


def completed(*content: dict[str, Any], reason: str = "end_turn") -> CompletedGeneration:
    return CompletedGeneration(Generation(content, reason), Usage(1, 2, 3, 4), "id", "model")


def test_a_conversation_is_translated() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "t", "arguments": '{"a":1}'}}
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,eA=="}}
    body = {
        "messages": [
            {"role": "system", "content": "Be."},
            {"role": "developer", "content": [{"type": "text", "text": "Brief."}]},
            {"role": "user", "content": [{"type": "text", "text": "Hello."}, picture]},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "1", "content": "3"},
            {"role": "user", "content": "Well?"},
        ],
        "tools": [{"type": "function", "function": FUNCTION}, {"type": "function", "function": {"name": "u"}}],
        "tool_choice": {"type": "function", "function": {"name": "t"}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"minimum": 1}}},
        "max_completion_tokens": 9,
        "temperature": 1.5,
        "stop": "x",
    }
    form = chat_form(body)
    request: Any = {**form.request, "messages": merged_turns(form.request["messages"])}
    check_converse(request, rules=form.rules)
    assert request["system"] == [{"text": "Be."}, {"text": "Brief."}]
    assert [turn["content"] for turn in request["messages"]] == [
        [{"text": "Hello."}, {"image": {"format": "png", "source": {"bytes": "eA=="}}}],
        [USE],
        [{"toolResult": {"toolUseId": "1", "content": [{"text": "3"}]}}, {"text": "Well?"}],
    ]
    assert request["inferenceConfig"] == {"maxTokens": 9, "temperature": 1.5, "stopSequences": ["x"]}
    assert request["toolConfig"]["toolChoice"] == {"tool": {"name": "t"}}
    assert request["toolConfig"]["tools"][1]["toolSpec"]["inputSchema"] == {"json": {"type": "object"}}
    assert request["outputConfig"]["textFormat"]["structure"]["jsonSchema"] == {"schema": '{"minimum": 1}'}


@pytest.mark.parametrize(
    ("choice", "converse"), [("auto", {"auto": {}}), ("required", {"any": {}}), ("none", {"auto": {}})]
)
def test_a_tool_choice_is_translated(choice: str, converse: object) -> None:
    form = chat_form({"messages": [HELLO], "tools": [{"function": FUNCTION}], "tool_choice": choice})
    assert form.request["toolConfig"]["toolChoice"] == converse
    assert form.refuses_tools == (choice == "none")


def test_a_format_without_a_schema_is_any_object() -> None:
    request = chat_form({"messages": [HELLO], "response_format": {"type": "json_object"}}).request
    assert request["outputConfig"]["textFormat"]["structure"]["jsonSchema"] == {"schema": '{"type": "object"}'}
    assert "outputConfig" not in chat_form({"messages": [HELLO], "response_format": {"type": "text"}}).request


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        (None, "messages: got null; accepted: a list"),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x"}}]}], "content: got"),
        ([{"role": "assistant", "tool_calls": [{"function": {"name": "t", "arguments": "{"}}]}], "tool_calls: the"),
    ],
)
def test_what_cannot_be_translated_is_refused(messages: object, message: str) -> None:
    with pytest.raises(ServiceError) as raised:
        chat_form({"messages": messages})
    assert raised.value.message.startswith(message)


def test_a_response_has_reasoning_in_tags_and_tool_calls() -> None:
    body = response_body(completed(REASONING, {"text": "a"}, USE, reason="tool_use"))
    call = {"id": "1", "type": "function", "function": {"name": "t", "arguments": '{"a":1}'}}
    message = {"role": "assistant", "content": "<reasoning>hm</reasoning>a", "tool_calls": [call]}
    assert body == {
        "id": "chatcmpl-id",
        "object": "chat.completion",
        "created": 0,
        "model": "model",
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
        "usage": {"prompt_tokens": 8, "completion_tokens": 2, "total_tokens": 10},
    }
    assert response_body(completed())["choices"][0]["message"]["content"] is None


def test_a_stream_brings_the_same_in_pieces_and_its_usage_where_it_is_asked_for() -> None:
    body = {"messages": [HELLO], "stream_options": {"include_usage": True}}
    payloads = chat_form(body).payloads(completed({"text": "a"}, USE, reason="tool_use"))
    deltas = [payload["choices"][0]["delta"] for payload in payloads[:-1]]
    assert deltas == [
        {"role": "assistant", "content": ""},
        {"content": "a"},
        {"tool_calls": [{"index": 0, "id": "1", "type": "function", "function": {"name": "t", "arguments": ""}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"a":1}'}}]},
        {},
    ]
    assert payloads[-2]["choices"][0]["finish_reason"] == "tool_calls"
    assert (payloads[-1]["choices"], payloads[-1]["usage"]["total_tokens"]) == ([], 10)
    assert "usage" not in chat_form({"messages": [HELLO]}).payloads(completed())[-1]
