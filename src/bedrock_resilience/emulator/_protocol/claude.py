"""The requests of the Messages API of Anthropic, alone and as the bodies of InvokeModel: to Converse's form.

Only the shape is translated; the result is then validated as any Converse request is.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience.emulator._protocol.claude_response import response_body, stream_payloads
from bedrock_resilience.emulator._protocol.errors import invalid
from bedrock_resilience.emulator._protocol.generation import CompletedGeneration, Form, Rules, Writers, with_metrics
from bedrock_resilience.emulator._protocol.jsonvalues import JsonObject, as_list, as_object, objects, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# The version that AWS documents for InvokeModel ("Anthropic Claude Messages API"), and the one that SDKs of Anthropic
# send to it by default since 2.0. Which model takes which is not documented: all take both.
_VERSIONS: Final = frozenset({"bedrock-2023-05-31", "2026-10-21"})

# The fields of a request: Anthropic, "Create a Message", and AWS, "Anthropic Claude Messages API". Any other is refused
# in the words of the service, quoted for example in https://github.com/langchain-ai/langchainjs/pull/8338.
_FIELDS: Final = frozenset(
    {
        *(
            "anthropic_beta",
            "cache_control",
            "container",
            "context_management",
            "inference_geo",
            "max_tokens",
            "messages",
        ),
        *("metadata", "output_config", "output_format", "service_tier", "speed", "stop_sequences", "system"),
        *("temperature", "thinking", "tool_choice", "tools", "top_k", "top_p", "user_profile_id"),
    }
)
_INVOKE_FIELDS: Final = _FIELDS | {"anthropic_version"}  # the model and the stream are in the path
_MESSAGES_FIELDS: Final = _FIELDS | {"anthropic_version", "model", "stream"}

_CHOICES: Final[Mapping[str, JsonObject]] = {"auto": {"auto": {}}, "any": {"any": {}}, "none": {"auto": {}}}
# Anthropic's documentation: consecutive turns of one role are combined into one ("Create a Message").
_RULES: Final = Rules(merges_turns=True)

# Tools that Anthropic defines, by the beginning of their type, and what a model fills in. (Anthropic, "Tool use": bash,
# text editor, computer use, memory; the model looks for others with the tools of tool search by itself.)
_PATH: Final[JsonObject] = {"type": "string"}
_BUILT_IN: Final[Mapping[str, JsonObject]] = {
    "bash_": {"command": {"type": "string"}},
    "computer_": {"action": {"type": "string", "enum": ["screenshot", "left_click", "type", "key"]}},
    "memory_": {"command": {"type": "string", "enum": ["view", "create", "delete"]}, "path": _PATH},
    "text_editor_": {"command": {"type": "string", "enum": ["view", "create", "str_replace"]}, "path": _PATH},
    "tool_search_tool_": {"query": {"type": "string"}},
}


def invoke_form(body: JsonObject) -> Form:
    """A body of InvokeModel.

    Raises:
        ServiceError: ``ValidationException``, if a field is missing that only this form requires, or is unknown.
    """
    _check_version(body)
    _check_fields(body, _INVOKE_FIELDS)
    return Form(_converse(body), *INVOKE_WRITERS, _RULES, _refuses_tools(body))


def messages_form(body: JsonObject) -> Form:
    """A body of the Messages API, whose version is in a header.

    Raises:
        ServiceError: As for ``invoke_form``.
    """
    _check_fields(body, _MESSAGES_FIELDS)
    return Form(_converse(body), response_body, stream_payloads, _RULES, _refuses_tools(body))


def _invoke_payloads(completed: CompletedGeneration) -> list[JsonObject]:
    return with_metrics(stream_payloads(completed), completed)


INVOKE_WRITERS: Final = Writers(response_body, _invoke_payloads)


def _check_fields(body: JsonObject, accepted: frozenset[str]) -> None:
    for name in body:
        if name not in accepted:
            raise invalid(f"{name}: Extra inputs are not permitted")


def _check_version(body: JsonObject) -> None:
    version = body.get("anthropic_version")
    if version is None:
        raise invalid("anthropic_version: Field required")
    if not isinstance(version, str) or version not in _VERSIONS:
        # The words that users quote, such as https://github.com/boto/boto3/issues/4218.
        raise invalid(f"Invalid API version: {version if isinstance(version, str) else quoted(version)}")


def _converse(body: JsonObject) -> dict[str, Any]:
    if "max_tokens" not in body:
        raise invalid("max_tokens: Field required")
    inference = {
        "maxTokens": body["max_tokens"],
        "temperature": body.get("temperature"),
        "topP": body.get("top_p"),
        "stopSequences": body.get("stop_sequences"),
    }
    request: dict[str, Any] = {
        "system": _translated(body.get("system") or []),
        "messages": _messages(body.get("messages")),
        "inferenceConfig": {name: value for name, value in inference.items() if value is not None},
        "additionalModelRequestFields": {name: body[name] for name in _ADDITIONAL if body.get(name) is not None},
    }
    if body.get("tools"):
        request["toolConfig"] = _tool_config(body)
    return request | _output_config(body)


_ADDITIONAL: Final = ("anthropic_beta", "thinking", "top_k")


def _output_config(body: JsonObject) -> dict[str, Any]:
    wanted = (as_object(body.get("output_config")) or {}).get("format", body.get("output_format"))
    output_format = as_object(wanted)
    if output_format is None:
        return {}
    schema = {"schema": json.dumps(output_format.get("schema"))}
    return {"outputConfig": {"textFormat": {"type": output_format.get("type"), "structure": {"jsonSchema": schema}}}}


def _messages(messages: object) -> object:
    """The messages; the validation refuses whatever is not a list of objects."""
    if as_list(messages) is None:
        return messages
    return [{"role": turn.get("role"), "content": _translated(turn.get("content"))} for turn in objects(messages)]


def _blocks(content: object) -> list[Any]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else as_list(content) or []


def _translated(content: object) -> list[JsonObject]:
    """Content in Converse's form, in which a cache point is a block of its own after the prefix that it ends."""
    translated: list[JsonObject] = []
    for block in _blocks(content):
        translated.append(_block(block))
        translated += _cache_point(as_object(block) or {})
    return translated


def _cache_point(block: JsonObject) -> list[JsonObject]:
    control = as_object(block.get("cache_control"))
    return [] if control is None else [{"cachePoint": {"type": "default", "ttl": control.get("ttl", "5m")}}]


def _block(value: object) -> JsonObject:
    block = as_object(value) or {}
    kind = str(block.get("type"))
    translate = _as_json if kind in _JSON_BLOCKS or kind.endswith("_tool_result") else _BLOCKS.get(kind)
    if translate is None:
        raise invalid(f"type: got {quoted(block.get('type'))}; accepted for a content block: {', '.join(_BLOCKS)}")
    return translate(block)


# Blocks of tools that the service runs: a conversation may contain them, and the model reads them as they are.
_JSON_BLOCKS: Final = frozenset({"container_upload", "mcp_tool_use", "server_tool_use", "tool_reference"})


def _as_json(block: JsonObject) -> JsonObject:
    return {"text": json.dumps(block)}


def _image(block: JsonObject) -> JsonObject:
    source = _source(block, "base64")
    kind = str(source.get("media_type", "")).removeprefix("image/")
    return {"image": {"format": kind, "source": {"bytes": source.get("data")}}}


def _document(block: JsonObject) -> JsonObject:
    source = _source(block, "base64", "content", "text")
    # A title may have characters that Converse refuses in the name of a document.
    name = " ".join(_NOT_IN_NAMES.sub("-", str(block.get("title") or "document")).split())
    if source["type"] == "content":
        return {"document": {"name": name, "source": {"content": _translated(source.get("content"))}}}
    return {"document": {"name": name, "source": {_MEMBERS[str(source["type"])]: source.get("data")}}}


_MEMBERS: Final = {"base64": "bytes", "text": "text"}
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9\s()\[\]-]")


def _source(block: JsonObject, *kinds: str) -> JsonObject:
    """The source of a file; those by URL and by file id are not available on Bedrock (Anthropic, "Vision")."""
    source = as_object(block.get("source")) or {}
    if source.get("type") not in kinds:
        raise invalid(f"source.type: got {quoted(source.get('type'))}; accepted: {', '.join(kinds)}")
    return source


def _tool_result(block: JsonObject) -> JsonObject:
    content = _translated(block.get("content"))
    return {"toolResult": {"toolUseId": block.get("tool_use_id"), "content": content}}


_BLOCKS: Final[Mapping[str, Callable[[JsonObject], JsonObject]]] = {
    "text": lambda block: {"text": block.get("text")},
    "image": _image,
    "document": _document,
    "tool_use": lambda block: {
        "toolUse": {"toolUseId": block.get("id"), "name": block.get("name"), "input": block.get("input")}
    },
    "tool_result": _tool_result,
    "search_result": lambda block: {
        "searchResult": {
            "source": block.get("source"),
            "title": block.get("title"),
            "content": _translated(block.get("content")),
        }
    },
    "thinking": lambda block: {
        "reasoningContent": {
            "reasoningText": {
                "text": block.get("thinking"),
                **({"signature": block["signature"]} if "signature" in block else {}),
            }
        }
    },
    "redacted_thinking": lambda block: {"reasoningContent": {"redactedContent": block.get("data")}},
}


def _tool_config(body: JsonObject) -> dict[str, Any]:
    tools: list[JsonObject] = []
    for index, tool in enumerate(objects(body["tools"])):
        spec = {"name": tool.get("name"), "inputSchema": {"json": _input_schema(tool, index)}, **_description(tool)}
        tools += [{"toolSpec": spec}, *_cache_point(tool)]
    choice = as_object(body.get("tool_choice")) or {}
    if choice.get("type") == "tool":
        return {"tools": tools, "toolChoice": {"tool": {"name": choice.get("name")}}}
    return {"tools": tools, "toolChoice": _CHOICES.get(str(choice.get("type", "auto")), choice)}


def _input_schema(tool: JsonObject, index: int) -> object:
    kind = str(tool.get("type") or "custom")
    if kind == "custom":
        return tool.get("input_schema")
    properties = next((_BUILT_IN[prefix] for prefix in _BUILT_IN if kind.startswith(prefix)), None)
    if properties is None:
        # Tools that Anthropic's servers run, such as web search, are not available on Bedrock (Anthropic, "Claude in
        # Amazon Bedrock"). The words are those of the Messages API for an unknown type.
        raise invalid(f"tools.{index}: Input tag '{kind}' found using 'type' does not match any of the expected tags")
    return {"type": "object", "properties": properties, "required": list(properties)}


def _description(tool: JsonObject) -> dict[str, Any]:
    return {"description": tool["description"]} if tool.get("description") else {}


def _refuses_tools(body: JsonObject) -> bool:
    return (as_object(body.get("tool_choice")) or {}).get("type") == "none"
