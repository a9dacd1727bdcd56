"""The Messages API, to and from Converse's form."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from bedrock_resilience.emulator._protocol.claude import refuses_tools, response_body, stream_events, to_converse
from bedrock_resilience.emulator._protocol.errors import ServiceError
from bedrock_resilience.emulator._protocol.generation import Generation
from bedrock_resilience.emulator._protocol.validation import check_converse
from bedrock_resilience.quotas import Usage

BODY: dict[str, Any] = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9}
USE: dict[str, Any] = {"toolUse": {"toolUseId": "1", "name": "t", "input": {"a": 1}}}


def translated(content: Any) -> Any:  # noqa: ANN401 - any content
    request = to_converse({**BODY, "messages": [{"role": "user", "content": content}]})
    return request["messages"][0]["content"]


def test_every_setting_is_translated() -> None:
    body = {
        **BODY,
        "system": "Be.",
        "messages": [{"role": "user", "content": "Hello."}],
        "temperature": 0.5,
        "top_p": 0.9,
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
    request = to_converse(body)
    check_converse(request)
    assert request == {
        "system": [{"text": "Be."}],
        "messages": [{"role": "user", "content": [{"text": "Hello."}]}],
        "inferenceConfig": {"maxTokens": 9, "temperature": 0.5, "topP": 0.9, "stopSequences": ["x"]},
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
    assert to_converse({**BODY, "anthropic_version": "2026-10-21"}) == to_converse(BODY)


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
        to_converse({**BODY, "anthropic_version": version})


@pytest.mark.parametrize(
    ("choice", "converse"),
    [(None, {"auto": {}}), ({"type": "auto"}, {"auto": {}}), ({"type": "any"}, {"any": {}})],
)
def test_a_tool_choice_is_translated(choice: object, converse: object) -> None:
    body = {**BODY, "messages": [], "tools": [{"name": "t"}], "tool_choice": choice}
    assert to_converse(body)["toolConfig"]["toolChoice"] == converse
    assert not refuses_tools(body)
    assert refuses_tools({"tool_choice": {"type": "none"}})


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
        check_converse(to_converse({**BODY, "messages": messages}))


def test_an_answer_has_the_form_of_the_messages_api() -> None:
    generation = Generation(({"text": "a"}, USE), "content_filtered", "x")
    assert response_body(generation, Usage(1, 2, 3, 4), "01234567-89ab", "model") == {
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


def test_a_stream_brings_tool_uses_as_pieces_of_json() -> None:
    made = stream_events(Generation((USE,), "tool_use"), Usage(1, 2), "0", "model", 50)
    chunks = [json.loads(base64.b64decode(payload["bytes"])) for _, payload in made]
    assert {name for name, _ in made} == {"chunk"}
    assert all(set(payload["p"]) <= set("abcdefghijklmnopqrstuvwxyz") for _, payload in made)
    assert chunks[1]["content_block"] == {"type": "tool_use", "id": "1", "name": "t", "input": {}}
    assert chunks[2]["delta"] == {"type": "input_json_delta", "partial_json": '{"a":1}'}
    assert chunks[-1]["amazon-bedrock-invocationMetrics"]["invocationLatency"] == 50
