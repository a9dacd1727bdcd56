"""A Converse request, read."""

from __future__ import annotations

from typing import Any

from bedrock_resilience.emulator._protocol.cache_points import prefixes_of
from bedrock_resilience.emulator._protocol.conversation import ANY, AUTO, ChatMessage, Tool, conversation_of
from bedrock_resilience.emulator._protocol.counting import tokens

TOOL: dict[str, Any] = {
    "toolSpec": {"name": "t", "description": "A tool.", "inputSchema": {"json": {"type": "object"}}}
}
REQUEST: dict[str, Any] = {
    "system": [{"text": "Be brief."}, {"cachePoint": {"type": "default"}}],
    "messages": [
        {"role": "user", "content": [{"text": "One."}]},
        {"role": "system", "content": [{"text": "Be kind."}]},
        {"role": "assistant", "content": [{"text": "Two."}]},
        {"role": "user", "content": [{"text": "Three."}, {"text": "Four."}]},
    ],
    "toolConfig": {"tools": [TOOL, {"cachePoint": {"type": "default"}}], "toolChoice": {"tool": {"name": "t"}}},
    "inferenceConfig": {"maxTokens": 5, "temperature": 0.5, "topP": 0.9, "stopSequences": ["x"]},
}


def test_every_part_of_a_request_is_read() -> None:
    conversation = conversation_of("model", REQUEST)
    tool = Tool("t", "A tool.", {"type": "object"})
    assert conversation.system == "Be brief.\nBe kind."
    assert [turn.role for turn in conversation.messages] == ["user", "assistant", "user"]
    assert conversation.last_user_message.text == "Three.\nFour."
    assert conversation.tools == (tool,)
    assert (conversation.tool_choice, conversation.forced_tool) == (ANY, tool)
    assert (conversation.max_tokens, conversation.temperature, conversation.top_p) == (5, 0.5, 0.9)
    assert conversation.stop_sequences == ("x",)
    assert conversation.input_tokens == tokens(REQUEST)
    assert conversation.cache_prefixes == prefixes_of(REQUEST)


def test_what_is_not_said_has_a_default() -> None:
    conversation = conversation_of("model", {"messages": [{"role": "user", "content": [{"text": "One."}]}]})
    assert (conversation.system, conversation.tools, conversation.tool_choice) == ("", (), AUTO)
    assert (conversation.forced_tool, conversation.response_schema, conversation.max_tokens) == (None, None, None)


def test_any_tool_may_be_asked_for_without_a_name() -> None:
    config: dict[str, Any] = {"toolConfig": {"tools": [TOOL], "toolChoice": {"any": {}}}, "messages": []}
    conversation = conversation_of("model", config)
    assert (conversation.tool_choice, conversation.forced_tool) == (ANY, None)
    assert conversation.last_user_message.text == ""


def test_the_text_of_a_turn_is_all_that_the_model_can_read_in_it() -> None:
    blocks: tuple[dict[str, Any], ...] = (
        {"text": "plain"},
        {"image": {"format": "png", "source": {"bytes": "eA=="}}},
        {"guardContent": {"text": {"text": "guarded"}}},
        {"reasoningContent": {"reasoningText": {"text": "thought"}}},
        {"document": {"name": "n", "source": {"text": "written"}}},
        {"document": {"name": "n", "source": {"content": [{"text": "in parts"}]}}},
        {"document": {"name": "n", "source": {"bytes": "eA=="}}},
        {"searchResult": {"source": "https://x", "title": "t", "content": [{"text": "found"}]}},
        {"toolResult": {"toolUseId": "1", "content": [{"json": {"a": "é"}}, {"text": "result"}]}},
        {"toolUse": {"toolUseId": "1", "name": "t", "input": {}}},
    )
    message = ChatMessage("user", blocks)
    assert message.text.split("\n") == [
        "plain",
        "guarded",
        "thought",
        "written",
        "in parts",
        "https://x",
        "found",
        '{"a": "é"}',
        "result",
    ]
    assert message.has_tool_results
    assert not ChatMessage("user", blocks[:1]).has_tool_results
