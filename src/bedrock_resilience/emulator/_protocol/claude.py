"""The bodies of InvokeModel for Anthropic's models (the Messages API): to and from Converse's form.

Only the shape is translated; the result is then validated as any Converse request is.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience.emulator._protocol.converse import Events, pieces
from bedrock_resilience.emulator._protocol.errors import invalid
from bedrock_resilience.emulator._protocol.jsonvalues import JsonObject, as_list, as_object, encode, objects, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bedrock_resilience.emulator._protocol.generation import Generation
    from bedrock_resilience.quotas import Usage

# The version that AWS documents for InvokeModel ("Anthropic Claude Messages API"), and the one that SDKs of Anthropic
# send to it by default since 2.0. Which model takes which is not documented: all take both.
_VERSIONS: Final = frozenset({"bedrock-2023-05-31", "2026-10-21"})

_STOP_REASONS: Final = {"content_filtered": "refusal", "guardrail_intervened": "refusal"}
_CHOICES: Final[Mapping[str, JsonObject]] = {"auto": {"auto": {}}, "any": {"any": {}}, "none": {"auto": {}}}


def to_converse(body: JsonObject) -> dict[str, Any]:
    """A Messages request in Converse's form.

    Raises:
        ServiceError: ``ValidationException``, where a field is missing that only this form requires.
    """
    _check_version(body)
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
    }
    if body.get("tools"):
        request["toolConfig"] = _tool_config(body)
    output_format = as_object((as_object(body.get("output_config")) or {}).get("format"))
    if output_format is not None:
        schema = {"schema": json.dumps(output_format.get("schema"))}
        request["outputConfig"] = {
            "textFormat": {"type": output_format.get("type"), "structure": {"jsonSchema": schema}}
        }
    return request


def _check_version(body: JsonObject) -> None:
    version = body.get("anthropic_version")
    if version is None:
        raise invalid("anthropic_version: Field required")
    if not isinstance(version, str) or version not in _VERSIONS:
        # The words that users quote, such as https://github.com/boto/boto3/issues/4218.
        raise invalid(f"Invalid API version: {version if isinstance(version, str) else quoted(version)}")


def _messages(messages: object) -> object:
    """The messages; the validation refuses whatever is not a list of objects."""
    if as_list(messages) is None:
        return messages
    return [{"role": turn.get("role"), "content": _translated(turn.get("content"))} for turn in objects(messages)]


def _blocks(content: object) -> list[Any]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else as_list(content) or []


def _translated(content: object) -> list[JsonObject]:
    """Content in Converse's form, where a cache point is a block of its own after the prefix that it ends."""
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
    translate = _BLOCKS.get(str(block.get("type")))
    if translate is None:
        raise invalid(f"type: got {quoted(block.get('type'))}; accepted for a content block: {', '.join(_BLOCKS)}")
    return translate(block)


def _image(block: JsonObject) -> JsonObject:
    source = as_object(block.get("source")) or {}
    kind = str(source.get("media_type", "")).removeprefix("image/")
    return {"image": {"format": kind, "source": {"bytes": source.get("data")}}}


def _document(block: JsonObject) -> JsonObject:
    source = as_object(block.get("source")) or {}
    data = {"text" if source.get("type") == "text" else "bytes": source.get("data")}
    return {"document": {"name": str(block.get("title") or "document"), "source": data}}


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
    "thinking": lambda block: {"reasoningContent": {"reasoningText": {"text": block.get("thinking")}}},
    "redacted_thinking": lambda block: {"reasoningContent": {"redactedContent": block.get("data")}},
}


def _tool_config(body: JsonObject) -> dict[str, Any]:
    tools: list[JsonObject] = []
    for tool in objects(body["tools"]):
        schema = {"json": tool.get("input_schema")}
        tools.append({"toolSpec": {"name": tool.get("name"), "inputSchema": schema, **_description(tool)}})
        tools += _cache_point(tool)
    choice = as_object(body.get("tool_choice")) or {}
    if choice.get("type") == "tool":
        return {"tools": tools, "toolChoice": {"tool": {"name": choice.get("name")}}}
    return {"tools": tools, "toolChoice": _CHOICES.get(str(choice.get("type", "auto")), choice)}


def _description(tool: JsonObject) -> dict[str, Any]:
    return {"description": tool["description"]} if tool.get("description") else {}


def refuses_tools(body: JsonObject) -> bool:
    """Whether the request forbids the use of its tools, which Converse cannot express."""
    return (as_object(body.get("tool_choice")) or {}).get("type") == "none"


def response_body(generation: Generation, usage: Usage, request_id: str, model: str) -> dict[str, Any]:
    """The body of an InvokeModel response."""
    return {
        **_envelope(request_id, model),
        "content": [_messages_block(block) for block in generation.content],
        "stop_reason": _stop_reason(generation),
        "stop_sequence": generation.stop_sequence,
        "usage": _counts(usage),
    }


def stream_events(generation: Generation, usage: Usage, request_id: str, model: str, latency_ms: int) -> Events:
    """The chunks of an InvokeModelWithResponseStream response."""
    opening = {**_counts(usage), "output_tokens": 1}
    message: dict[str, Any] = {
        **_envelope(request_id, model),
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": opening,
    }
    payloads: list[JsonObject] = [{"type": "message_start", "message": message}]
    for index, block in enumerate(generation.content):
        empty: JsonObject = {"text": ""} if "text" in block else {"input": {}}
        payloads.append(
            {"type": "content_block_start", "index": index, "content_block": {**_messages_block(block), **empty}}
        )
        for piece in pieces(block):
            delta = {"type": "text_delta", "text": piece}
            if "toolUse" in block:
                delta = {"type": "input_json_delta", "partial_json": piece}
            payloads.append({"type": "content_block_delta", "index": index, "delta": delta})
        payloads.append({"type": "content_block_stop", "index": index})
    stop: JsonObject = {"stop_reason": _stop_reason(generation), "stop_sequence": generation.stop_sequence}
    payloads.append({"type": "message_delta", "delta": stop, "usage": {"output_tokens": usage.output_tokens}})
    payloads.append({"type": "message_stop", "amazon-bedrock-invocationMetrics": metrics(usage, latency_ms)})
    return chunks(payloads)


def chunks(payloads: list[JsonObject]) -> Events:
    """Each payload as a ``chunk`` event: base64, and padding ``p`` that clients ignore."""
    return [
        ("chunk", {"bytes": base64.b64encode(encode(payload)).decode("ascii"), "p": "abcdefghijklmnop"[: number % 17]})
        for number, payload in enumerate(payloads)
    ]


def metrics(usage: Usage, latency_ms: int) -> dict[str, int]:
    """The metrics in the last chunk of a stream."""
    return {
        "inputTokenCount": usage.input_tokens,
        "outputTokenCount": usage.output_tokens,
        "invocationLatency": latency_ms,
        "firstByteLatency": latency_ms // 5,
        "cacheReadInputTokenCount": usage.cache_read_input_tokens,
        "cacheWriteInputTokenCount": usage.cache_write_input_tokens,
    }


def _envelope(request_id: str, model: str) -> dict[str, Any]:
    message_id = f"msg_bdrk_{request_id.replace('-', '')[:24]}"
    return {"id": message_id, "type": "message", "role": "assistant", "model": model}


def _messages_block(block: JsonObject) -> dict[str, Any]:
    if "text" in block:
        return {"type": "text", "text": block["text"]}
    use = block["toolUse"]
    return {"type": "tool_use", "id": use["toolUseId"], "name": use["name"], "input": use["input"]}


def _stop_reason(generation: Generation) -> str:
    return _STOP_REASONS.get(generation.stop_reason, generation.stop_reason)


def _counts(usage: Usage) -> dict[str, int]:
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_creation_input_tokens": usage.cache_write_input_tokens,
        "cache_read_input_tokens": usage.cache_read_input_tokens,
    }
