"""Command R: chats, tools, and its stream of typed events."""

from __future__ import annotations

from typing import Any

from bedrock_resilience.emulator._protocol.command_r import form_of
from bedrock_resilience.emulator._protocol.generation import CompletedGeneration, Generation
from bedrock_resilience.emulator._protocol.validation import check_converse
from bedrock_resilience.quotas import Usage

USE: dict[str, Any] = {"toolUse": {"toolUseId": "1", "name": "t", "input": {"a": 1}}}
TOOL: dict[str, Any] = {
    "name": "t",
    "description": "d",
    "parameter_definitions": {
        "a": {"type": "int", "description": "A number.", "required": True},
        "b": {"type": "List[str]"},
    },
}


def test_a_chat_with_tools_is_translated() -> None:
    body = {
        "message": "And now?",
        "chat_history": [{"role": "USER", "message": "Hello."}, {"role": "CHATBOT", "message": "Yes."}],
        "preamble": "Be brief.",
        "p": 0.9,
        "tools": [TOOL],
    }
    request: Any = form_of(body).request
    check_converse(request)
    assert [turn["role"] for turn in request["messages"]] == ["user", "assistant", "user"]
    assert (request["system"], request["inferenceConfig"]) == ([{"text": "Be brief."}], {"topP": 0.9})
    assert request["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"]["json"] == {
        "type": "object",
        "properties": {
            "a": {"type": "integer", "description": "A number."},
            "b": {"type": "string", "description": ""},
        },
        "required": ["a"],
    }


def test_results_of_tools_are_the_message_and_end_their_use() -> None:
    results: list[dict[str, Any]] = [{"call": {"name": "t", "parameters": {}}, "outputs": [{"sum": "The sum is 3."}]}]
    form = form_of({"message": "What is it?", "tools": [TOOL], "tool_results": results})
    assert form.refuses_tools
    assert form.request["messages"][-1]["content"] == [{"text": "The sum is 3."}]


def test_tool_calls_are_in_the_body_and_in_the_stream() -> None:
    completed = CompletedGeneration(Generation((USE,), "max_tokens"), Usage(1, 2), "id", "model")
    form = form_of({"message": "Hello."})
    body = form.body(completed)
    assert (body["finish_reason"], body["tool_calls"]) == ("MAX_TOKENS", [{"name": "t", "parameters": {"a": 1}}])
    payloads = form.payloads(completed)
    assert [payload["event_type"] for payload in payloads] == ["stream-start", "tool-calls-generation", "stream-end"]
    assert payloads[-1]["response"] == body
