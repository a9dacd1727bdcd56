"""The default responder: which tool it uses, and what it says without one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bedrock_resilience.emulator._generation.extractor import DISCLAIMER, extract
from bedrock_resilience.emulator._protocol.conversation import ANY, AUTO, NO_TOOL, ChatMessage, Conversation, Tool

WEATHER = Tool("get_weather", "The weather of a city.", {"type": "object"})
NEWS = Tool("search_news", "Finds news.", {"type": "object"})
RESULT: dict[str, Any] = {"toolResult": {"toolUseId": "1", "content": [{"text": "weather: rain"}]}}


def asked(text: str = "How is the weather?", **fields: Any) -> Conversation:  # noqa: ANN401 - any field
    return Conversation("model", "", (ChatMessage("user", ({"text": text},)),), **fields)


def used(conversation: Conversation) -> str | None:
    (block,) = extract(conversation).content
    return block["toolUse"]["name"] if "toolUse" in block else None


def test_without_a_tool_it_says_what_it_is() -> None:
    generation = extract(asked("First. Second."))
    assert generation.content == ({"text": f"{DISCLAIMER}\nFirst. Second."},)
    assert generation.stop_reason == "end_turn"
    assert "not a language model" in DISCLAIMER


def test_without_a_text_it_says_only_that() -> None:
    image: dict[str, Any] = {"image": {"format": "png", "source": {"bytes": "eA=="}}}
    assert extract(Conversation("model", "", (ChatMessage("user", (image,)),))).content == ({"text": DISCLAIMER},)


@pytest.mark.parametrize(
    ("choice", "forced", "text", "name"),
    [
        (AUTO, None, "How is the weather?", "get_weather"),
        (AUTO, None, "What is in the news?", "search_news"),
        (AUTO, None, "Hello.", None),
        (ANY, None, "Hello.", "get_weather"),
        (ANY, NEWS, "How is the weather?", "search_news"),
        (NO_TOOL, None, "How is the weather?", None),
    ],
)
def test_a_tool_is_used_if_forced_or_if_it_fits(choice: str, forced: Tool | None, text: str, name: str | None) -> None:
    assert used(asked(text, tools=(WEATHER, NEWS), tool_choice=choice, forced_tool=forced)) == name


def test_a_tool_result_gets_a_text_response() -> None:
    turns = (
        ChatMessage("user", ({"text": "How is the weather?"},)),
        ChatMessage("assistant", ()),
        ChatMessage("user", (RESULT,)),
    )
    assert used(Conversation("model", "", turns, tools=(WEATHER,))) is None


def test_a_schema_for_the_answer_makes_the_text_json() -> None:
    schema = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
    (block,) = extract(asked("Rain. More.", response_schema=schema)).content
    assert json.loads(block["text"]) == {"title": "Rain."}


def test_the_id_of_a_tool_use_follows_from_the_request_alone() -> None:
    def identity(text: str) -> str:
        (block,) = extract(asked(text, tools=(WEATHER,), tool_choice=ANY)).content
        return str(block["toolUse"]["toolUseId"])

    assert identity("One.") == identity("One.") != identity("Two.")
    assert identity("\ud800")
