"""The responses of the Messages API."""

from __future__ import annotations

from typing import Any

from bedrock_resilience.emulator._protocol.claude import invoke_form
from bedrock_resilience.emulator._protocol.claude_response import response_body, stream_payloads
from bedrock_resilience.emulator._protocol.generation import CompletedGeneration, Generation
from bedrock_resilience.quotas import Usage

USE: dict[str, Any] = {"toolUse": {"toolUseId": "1", "name": "t", "input": {"a": 1}}}
REASONING: dict[str, Any] = {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}}
REDACTED: dict[str, Any] = {"reasoningContent": {"redactedContent": "eA=="}}
BODY: dict[str, Any] = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "messages": []}


def completed(*content: dict[str, Any], reason: str = "tool_use", stop: str | None = None) -> CompletedGeneration:
    return CompletedGeneration(Generation(content, reason, stop), Usage(1, 2, 3, 4), "01234567-89ab", "model")


def test_an_answer_has_the_form_of_the_messages_api() -> None:
    assert response_body(completed({"text": "a"}, USE, reason="content_filtered", stop="x")) == {
        "id": "msg_bdrk_0123456789ab",
        "type": "message",
        "role": "assistant",
        "model": "model",
        "content": [{"type": "text", "text": "a"}, {"type": "tool_use", "id": "1", "name": "t", "input": {"a": 1}}],
        "stop_reason": "refusal",
        "stop_sequence": "x",
        "usage": {
            "input_tokens": 1,
            "output_tokens": 2,
            "cache_creation_input_tokens": 3,
            "cache_read_input_tokens": 4,
        },
    }


def test_reasoning_is_thinking() -> None:
    assert response_body(completed(REASONING, REDACTED))["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "redacted_thinking", "data": "eA=="},
    ]


def test_a_stream_brings_tool_uses_as_pieces_of_json() -> None:
    payloads = stream_payloads(completed(USE))
    assert payloads[1]["content_block"] == {"type": "tool_use", "id": "1", "name": "t", "input": {}}
    assert payloads[2]["delta"] == {"type": "input_json_delta", "partial_json": '{"a":1}'}
    assert payloads[-1] == {"type": "message_stop"}


def test_a_stream_brings_thinking_with_its_signature() -> None:
    payloads = stream_payloads(completed(REASONING, REDACTED))
    assert [payload.get("delta") or payload.get("content_block") for payload in payloads[1:-2]] == [
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "thinking_delta", "thinking": "hm"},
        {"type": "signature_delta", "signature": "s"},
        None,
        {"type": "redacted_thinking", "data": "eA=="},
        None,
    ]


def test_a_stream_of_invoke_model_ends_with_its_metrics() -> None:
    last = invoke_form(BODY).payloads(completed(USE))[-1]
    assert last["type"] == "message_stop"
    assert last["amazon-bedrock-invocationMetrics"]["inputTokenCount"] == 1
