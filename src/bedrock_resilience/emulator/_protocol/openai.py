"""Chat completions in OpenAI's shape, alone and as the bodies of InvokeModel: to and from Converse's form.

OpenAI, "Create chat completion"; AWS, "Invoke a model with the OpenAI Chat Completions API" and "Mistral AI chat
completion".
"""

from __future__ import annotations

import functools
import json
import re
from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience.emulator._protocol.errors import invalid
from bedrock_resilience.emulator._protocol.generation import (
    CompletedGeneration,
    Form,
    Rules,
    Writers,
    block_text,
    pieces,
    reasoning_of,
    with_metrics,
)
from bedrock_resilience.emulator._protocol.jsonvalues import JsonObject, as_list, as_object, decode, objects, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bedrock_resilience.quotas import Usage

_RULES: Final = Rules(max_temperature=2.0, strict_schemas=False, merges_turns=True)
_REASONS: Final = {
    "content_filtered": "content_filter",
    "guardrail_intervened": "content_filter",
    "max_tokens": "length",
    "tool_use": "tool_calls",
}
_CHOICES: Final[Mapping[str, JsonObject]] = {"any": {"any": {}}, "auto": {"auto": {}}, "required": {"any": {}}}
_DATA_URL: Final = re.compile(r"data:image/(?P<format>\w+);base64,(?P<data>.+)", re.DOTALL)


def chat_form(body: JsonObject) -> Form:
    """A request for a chat completion.

    Raises:
        ServiceError: ``ValidationException``, if something cannot be translated.
    """
    usage = bool((as_object(body.get("stream_options")) or {}).get("include_usage"))
    payloads = functools.partial(_payloads, with_usage=usage, reason_field="finish_reason")
    return Form(_converse(body), response_body, payloads, _RULES, body.get("tool_choice") == "none")


def invoke_form(body: JsonObject, *, reason_field: str = "finish_reason") -> Form:
    """A body of InvokeModel; Mistral's older chat models call the reason of a choice ``stop_reason``."""
    return Form(_converse(body), *invoke_writers(reason_field), _RULES, body.get("tool_choice") == "none")


def invoke_writers(reason_field: str = "finish_reason") -> Writers:
    """How a chat model writes the responses to InvokeModel."""
    return Writers(
        functools.partial(response_body, reason_field=reason_field),
        functools.partial(_invoke_payloads, reason_field=reason_field),
    )


def _invoke_payloads(completed: CompletedGeneration, *, reason_field: str) -> list[JsonObject]:
    return with_metrics(_payloads(completed, with_usage=False, reason_field=reason_field), completed)


def _converse(body: JsonObject) -> dict[str, Any]:
    stop = body.get("stop")
    inference = {
        "maxTokens": body.get("max_completion_tokens", body.get("max_tokens")),
        "temperature": body.get("temperature"),
        "topP": body.get("top_p"),
        "stopSequences": [stop] if isinstance(stop, str) else stop,
    }
    turns = as_list(body.get("messages"))
    if turns is None:
        raise invalid(f"messages: got {quoted(body.get('messages'))}; accepted: a list")
    system = [part for turn in objects(turns) if str(turn.get("role")) in _SYSTEM_ROLES for part in _parts(turn)]
    request: dict[str, Any] = {
        "system": system,
        "messages": [_turn(turn) for turn in objects(turns) if str(turn.get("role")) not in _SYSTEM_ROLES],
        "inferenceConfig": {name: value for name, value in inference.items() if value is not None},
    }
    if body.get("tools"):
        request["toolConfig"] = _tool_config(body)
    return request | _output_config(body)


_SYSTEM_ROLES: Final = frozenset({"developer", "system"})


def _turn(turn: JsonObject) -> JsonObject:
    if turn.get("role") == "tool":
        result = {"toolUseId": turn.get("tool_call_id"), "content": _parts(turn)}
        return {"role": "user", "content": [{"toolResult": result}]}
    uses = [_tool_use(call) for call in objects(turn.get("tool_calls"))]
    return {"role": turn.get("role"), "content": [*_parts(turn), *uses]}


def _tool_use(call: JsonObject) -> JsonObject:
    function = as_object(call.get("function")) or {}
    try:
        arguments = decode(str(function.get("arguments") or "{}").encode())
    except ValueError:
        raise invalid(f"tool_calls: the arguments of {quoted(function.get('name'))} are not JSON") from None
    return {"toolUse": {"toolUseId": call.get("id"), "name": function.get("name"), "input": arguments}}


def _parts(turn: JsonObject) -> list[JsonObject]:
    content = turn.get("content")
    if isinstance(content, str):
        return [{"text": content}] if content.strip() else []
    return [_part(part) for part in objects(content)]


def _part(part: JsonObject) -> JsonObject:
    if part.get("type") == "text":
        return {"text": part.get("text")}
    url = str((as_object(part.get("image_url")) or {}).get("url"))
    image = _DATA_URL.fullmatch(url)
    if image is None:
        raise invalid(f"content: got {quoted(part)}; accepted: a text, or an image_url with data in base64")
    return {"image": {"format": image["format"], "source": {"bytes": image["data"]}}}


def _tool_config(body: JsonObject) -> dict[str, Any]:
    functions = [as_object(tool.get("function")) or {} for tool in objects(body["tools"])]
    tools = [
        {
            "toolSpec": {
                "name": function.get("name"),
                "description": function.get("description"),
                "inputSchema": {"json": function.get("parameters") or {"type": "object"}},
            }
        }
        for function in functions
    ]
    choice = body.get("tool_choice")
    forced = as_object((as_object(choice) or {}).get("function"))
    if forced is not None:
        return {"tools": tools, "toolChoice": {"tool": {"name": forced.get("name")}}}
    return {"tools": tools, "toolChoice": _CHOICES.get(str(choice), {"auto": {}})}


def _output_config(body: JsonObject) -> dict[str, Any]:
    wanted = as_object(body.get("response_format")) or {}
    schemas: Mapping[str, object] = {
        "json_schema": (as_object(wanted.get("json_schema")) or {}).get("schema"),
        "json_object": {"type": "object"},
    }
    kind = str(wanted.get("type"))
    if kind not in schemas:
        return {}
    structure = {"jsonSchema": {"schema": json.dumps(schemas[kind])}}
    return {"outputConfig": {"textFormat": {"type": "json_schema", "structure": structure}}}


def response_body(completed: CompletedGeneration, *, reason_field: str = "finish_reason") -> dict[str, Any]:
    """The body of a response."""
    generation = completed.generation
    calls = [
        {**_call(block), "function": {"name": block["toolUse"]["name"], "arguments": block_text(block)}}
        for block in generation.content
        if "toolUse" in block
    ]
    message = {"role": "assistant", "content": _content(completed) or None, **({"tool_calls": calls} if calls else {})}
    choice = {"index": 0, "message": message, reason_field: _reason(completed)}
    return {**_envelope(completed, "chat.completion"), "choices": [choice], "usage": _counts(completed.usage)}


def _content(completed: CompletedGeneration) -> str:
    """The text, after the reasoning in tags, as AWS documents it for gpt-oss."""
    reasoning = "".join(str(found["text"]) for block in completed.generation.content if (found := reasoning_of(block)))
    return (f"<reasoning>{reasoning}</reasoning>" if reasoning else "") + completed.generation.text


def _payloads(completed: CompletedGeneration, *, with_usage: bool, reason_field: str) -> list[JsonObject]:
    """The chunks of a streamed response."""
    envelope = _envelope(completed, "chat.completion.chunk")

    def chunk(delta: JsonObject, reason: str | None = None) -> JsonObject:
        return {**envelope, "choices": [{"index": 0, "delta": delta, reason_field: reason}]}

    payloads = [chunk({"role": "assistant", "content": ""})]
    payloads += [chunk({"content": piece}) for piece in pieces(_content(completed))]
    uses = [block for block in completed.generation.content if "toolUse" in block]
    payloads += [
        chunk({"tool_calls": [call]}) for index, block in enumerate(uses) for call in _call_deltas(block, index)
    ]
    payloads.append(chunk({}, _reason(completed)))
    return [*payloads, {**envelope, "choices": [], "usage": _counts(completed.usage)}] if with_usage else payloads


def _call_deltas(block: JsonObject, index: int) -> Iterator[JsonObject]:
    yield {"index": index, **_call(block), "function": {"name": block["toolUse"]["name"], "arguments": ""}}
    for piece in pieces(block_text(block)):
        yield {"index": index, "function": {"arguments": piece}}


def _call(block: JsonObject) -> dict[str, Any]:
    return {"id": block["toolUse"]["toolUseId"], "type": "function"}


def _envelope(completed: CompletedGeneration, kind: str) -> dict[str, Any]:
    # The same request gets the same response, so that it names no time.
    return {"id": f"chatcmpl-{completed.request_id}", "object": kind, "created": 0, "model": completed.model}


def _reason(completed: CompletedGeneration) -> str:
    return _REASONS.get(completed.generation.stop_reason, "stop")


def _counts(usage: Usage) -> dict[str, int]:
    total = usage.total_input_tokens
    return {
        "prompt_tokens": total,
        "completion_tokens": usage.output_tokens,
        "total_tokens": total + usage.output_tokens,
    }
