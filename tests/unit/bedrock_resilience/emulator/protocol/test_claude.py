"""The Messages API, to and from Converse's form."""

from __future__ import annotations

from typing import Any

import pytest

from bedrock_resilience.emulator._protocol.claude import invoke_form, messages_form
from bedrock_resilience.emulator._protocol.errors import ServiceError
from bedrock_resilience.emulator._protocol.validation import check_converse

BODY: dict[str, Any] = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9}
USE: dict[str, Any] = {"toolUse": {"toolUseId": "1", "name": "t", "input": {"a": 1}}}


def converse_of(body: dict[str, Any]) -> Any:  # noqa: ANN401 - any JSON
    return invoke_form(body).request


def translated(content: Any) -> Any:  # noqa: ANN401 - any content
    request = converse_of({**BODY, "messages": [{"role": "user", "content": content}]})
    return request["messages"][0]["content"]


def test_every_setting_is_translated() -> None:
    body = {
        **BODY,
        "system": "Be.",
        "messages": [{"role": "user", "content": "Hello."}],
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 5,
        "stop_sequences": ["x"],
        "tools": [
            {"name": "t", "description": "A tool.", "input_schema": {"type": "object"}},
            {"name": "u", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}},
        ],
        "tool_choice": {"type": "tool", "name": "t"},
        "output_config": {
            "format": {"type": "json_schema", "schema": {"type": "object", "additionalProperties": False}}
        },
    }
    request = converse_of(body)
    check_converse(request)
    assert request == {
        "system": [{"text": "Be."}],
        "messages": [{"role": "user", "content": [{"text": "Hello."}]}],
        "inferenceConfig": {"maxTokens": 9, "temperature": 0.5, "topP": 0.9, "stopSequences": ["x"]},
        "additionalModelRequestFields": {"top_k": 5},
        "toolConfig": {
            "tools": [
                {"toolSpec": {"name": "t", "inputSchema": {"json": {"type": "object"}}, "description": "A tool."}},
                {"toolSpec": {"name": "u", "inputSchema": {"json": {"type": "object"}}}},
                {"cachePoint": {"type": "default", "ttl": "5m"}},
            ],
            "toolChoice": {"tool": {"name": "t"}},
        },
        "outputConfig": {
            "textFormat": {
                "type": "json_schema",
                "structure": {"jsonSchema": {"schema": '{"type": "object", "additionalProperties": false}'}},
            }
        },
    }


def test_the_version_of_current_sdks_is_accepted_too() -> None:
    assert converse_of({**BODY, "anthropic_version": "2026-10-21"}) == converse_of(BODY)


@pytest.mark.parametrize(
    ("version", "refusal"),
    [
        (None, "anthropic_version: Field required"),
        ("bedrock-2023", "Invalid API version: bedrock-2023"),
        (7, "Invalid API version: 7"),
    ],
)
def test_any_other_version_is_refused(version: object, refusal: str) -> None:
    with pytest.raises(ServiceError, match=f"ValidationException: {refusal}$"):
        converse_of({**BODY, "anthropic_version": version})


@pytest.mark.parametrize(
    ("choice", "converse"),
    [(None, {"auto": {}}), ({"type": "auto"}, {"auto": {}}), ({"type": "any"}, {"any": {}})],
)
def test_a_tool_choice_is_translated(choice: object, converse: object) -> None:
    body = {**BODY, "messages": [], "tools": [{"name": "t"}], "tool_choice": choice}
    assert converse_of(body)["toolConfig"]["toolChoice"] == converse
    assert not invoke_form(body).refuses_tools
    assert invoke_form({**body, "tool_choice": {"type": "none"}}).refuses_tools


@pytest.mark.parametrize(
    ("block", "converse"),
    [
        ({"type": "text", "text": "a"}, {"text": "a"}),
        (
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "eA=="}},
            {"image": {"format": "png", "source": {"bytes": "eA=="}}},
        ),
        (
            {"type": "document", "title": "T", "source": {"type": "text", "data": "a"}},
            {"document": {"name": "T", "source": {"text": "a"}}},
        ),
        (
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "eA=="}},
            {"document": {"name": "document", "source": {"bytes": "eA=="}}},
        ),
        ({"type": "tool_use", "id": "1", "name": "t", "input": {"a": 1}}, USE),
        (
            {"type": "tool_result", "tool_use_id": "1", "content": "done"},
            {"toolResult": {"toolUseId": "1", "content": [{"text": "done"}]}},
        ),
        ({"type": "tool_result", "tool_use_id": "1"}, {"toolResult": {"toolUseId": "1", "content": []}}),
        ({"type": "thinking", "thinking": "hm"}, {"reasoningContent": {"reasoningText": {"text": "hm"}}}),
        (
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}},
        ),
        (
            {"type": "document", "title": "A: b", "source": {"type": "content", "content": "a"}},
            {"document": {"name": "A- b", "source": {"content": [{"text": "a"}]}}},
        ),
        (
            {"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "a"}]},
            {"searchResult": {"source": "s", "title": "t", "content": [{"text": "a"}]}},
        ),
        (
            {"type": "server_tool_use", "id": "1", "name": "n", "input": {}},
            {"text": '{"type": "server_tool_use", "id": "1", "name": "n", "input": {}}'},
        ),
        ({"type": "web_search_tool_result"}, {"text": '{"type": "web_search_tool_result"}'}),
        ({"type": "redacted_thinking", "data": "eA=="}, {"reasoningContent": {"redactedContent": "eA=="}}),
    ],
)
def test_each_kind_of_block_is_translated(block: dict[str, Any], converse: dict[str, Any]) -> None:
    assert translated([block]) == [converse]


def test_cache_control_becomes_a_cache_point_behind_its_block() -> None:
    block = {"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    assert translated([block]) == [{"text": "a"}, {"cachePoint": {"type": "default", "ttl": "1h"}}]


@pytest.mark.parametrize("block", [{"type": "video"}, {}, "text"])
def test_an_unknown_block_is_refused(block: object) -> None:
    with pytest.raises(
        ServiceError, match=r"type: got .+; accepted for a content block: text, image, document, tool_use"
    ):
        translated([block])


@pytest.mark.parametrize(
    ("messages", "message"), [("x", 'messages: got "x"; accepted: a list'), (None, "messages: got null")]
)
def test_messages_that_are_none_are_left_for_the_check(messages: object, message: str) -> None:
    with pytest.raises(ServiceError, match=message):
        check_converse(converse_of({**BODY, "messages": messages}))


@pytest.mark.parametrize("kind", ["image", "document"])
def test_files_by_url_are_refused(kind: str) -> None:
    with pytest.raises(ServiceError, match=r'source\.type: got "url"; accepted: base64'):
        translated([{"type": kind, "source": {"type": "url", "url": "https://example.com"}}])


@pytest.mark.parametrize("form", [invoke_form, messages_form])
def test_an_unknown_field_is_refused(form: Any) -> None:  # noqa: ANN401 - one of two functions
    with pytest.raises(ServiceError, match="ValidationException: reasoning: Extra inputs are not permitted"):
        form({**BODY, "messages": [], "reasoning": {}})


def test_the_model_is_a_field_of_the_messages_api_alone() -> None:
    body: dict[str, Any] = {"model": "m", "stream": True, "max_tokens": 9, "messages": []}
    assert messages_form(body).request["inferenceConfig"] == {"maxTokens": 9}
    with pytest.raises(ServiceError, match="model: Extra inputs are not permitted"):
        invoke_form({**body, **BODY})


def test_tools_that_anthropic_defines_have_a_schema_of_their_own() -> None:
    tools: list[Any] = [
        {"type": "bash_20250124", "name": "bash"},
        {"type": "text_editor_20250728", "name": "editor"},
        {"type": "custom", "name": "t", "input_schema": {"type": "object"}},
    ]
    made = converse_of({**BODY, "messages": [], "tools": tools})["toolConfig"]["tools"]
    schemas = [tool["toolSpec"]["inputSchema"]["json"] for tool in made]
    assert [schema.get("required") for schema in schemas] == [["command"], ["command", "path"], None]
    with pytest.raises(ServiceError, match=r"tools\.0: Input tag 'web_search_20250305' found using 'type'"):
        converse_of({**BODY, "messages": [], "tools": [{"type": "web_search_20250305", "name": "web_search"}]})


def test_thinking_reaches_the_model() -> None:
    thinking = {"type": "enabled", "budget_tokens": 1_024}
    made = converse_of({**BODY, "messages": [], "thinking": thinking, "anthropic_beta": ["x"]})
    assert made["additionalModelRequestFields"] == {"anthropic_beta": ["x"], "thinking": thinking}


def test_the_older_name_of_a_schema_for_the_response_is_read_too() -> None:
    wanted = {"type": "json_schema", "schema": {"type": "object"}}
    assert converse_of({**BODY, "messages": [], "output_format": wanted})["outputConfig"]["textFormat"] == {
        "type": "json_schema",
        "structure": {"jsonSchema": {"schema": '{"type": "object"}'}},
    }
