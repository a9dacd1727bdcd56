"""The bodies of InvokeModel for Cohere Command R and R+ (AWS, "Cohere Command R and Command R+ models")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience.emulator._protocol.errors import malformed
from bedrock_resilience.emulator._protocol.generation import (
    CompletedGeneration,
    Form,
    Rules,
    Writers,
    pieces,
    with_metrics,
)
from bedrock_resilience.emulator._protocol.jsonvalues import JsonObject, as_object, objects
from bedrock_resilience.emulator._protocol.text_families import check_fields

if TYPE_CHECKING:
    from collections.abc import Mapping

_FIELDS: Final = frozenset(
    {
        *("chat_history", "documents", "force_single_step", "frequency_penalty", "k", "max_tokens", "message", "p"),
        *("preamble", "presence_penalty", "prompt_truncation", "raw_prompting", "return_prompt", "search_queries_only"),
        *("seed", "stop_sequences", "temperature", "tool_results", "tools"),
    }
)
_SETTINGS: Final[Mapping[str, str]] = {
    "max_tokens": "maxTokens",
    "temperature": "temperature",
    "p": "topP",
    "stop_sequences": "stopSequences",
}
_ROLES: Final = {"CHATBOT": "assistant", "USER": "user"}
_REASONS: Final = {"content_filtered": "ERROR_TOXIC", "max_tokens": "MAX_TOKENS"}
_TYPES: Final = {
    "bool": "boolean",
    "dict": "object",
    "float": "number",
    "int": "integer",
    "list": "array",
    "str": "string",
}


def form_of(body: JsonObject) -> Form:
    """A request.

    Raises:
        ServiceError: ``ValidationException``, if the message is missing or a field is unknown.
    """
    check_fields(body, set(_FIELDS))
    if not isinstance(body.get("message"), str):
        raise malformed("#: required key [message] not found")
    turns = [(_ROLES.get(str(turn.get("role"))), turn.get("message")) for turn in objects(body.get("chat_history"))]
    request: dict[str, Any] = {
        "messages": [{"role": role, "content": [{"text": text}]} for role, text in [*turns, ("user", _message(body))]],
        "inferenceConfig": {name: body[field] for field, name in _SETTINGS.items() if body.get(field) is not None},
        "system": [{"text": body["preamble"]}] if body.get("preamble") else [],
    }
    if body.get("tools"):
        request["toolConfig"] = {"tools": [_tool(tool) for tool in objects(body["tools"])]}
    rules = Rules(max_temperature=5.0, merges_turns=True)
    return Form(request, *WRITERS, rules, refuses_tools=bool(body.get("tool_results")))


def _message(body: JsonObject) -> str:
    """The message; where tools have run, their results."""
    results = [output for result in objects(body.get("tool_results")) for output in objects(result.get("outputs"))]
    return "\n".join(str(value) for output in results for value in output.values()) or str(body["message"])


def _tool(tool: JsonObject) -> JsonObject:
    parameters = {
        name: as_object(value) or {} for name, value in (as_object(tool.get("parameter_definitions")) or {}).items()
    }
    schema = {
        "type": "object",
        "properties": {
            name: {
                "type": _TYPES.get(str(value.get("type")), "string"),
                "description": str(value.get("description", "")),
            }
            for name, value in parameters.items()
        },
        "required": [name for name, value in parameters.items() if value.get("required")],
    }
    spec = {"name": tool.get("name"), "description": tool.get("description"), "inputSchema": {"json": schema}}
    return {"toolSpec": spec}


def _body(completed: CompletedGeneration) -> dict[str, Any]:
    uses = [block["toolUse"] for block in completed.generation.content if "toolUse" in block]
    calls = [{"name": use["name"], "parameters": use["input"]} for use in uses]
    return {
        "response_id": completed.request_id,
        "generation_id": completed.request_id,
        "text": completed.generation.text,
        "finish_reason": _REASONS.get(completed.generation.stop_reason, "COMPLETE"),
        **({"tool_calls": calls} if calls else {}),
    }


def _payloads(completed: CompletedGeneration) -> list[JsonObject]:
    body = _body(completed)
    payloads: list[JsonObject] = [
        {"event_type": "stream-start", "is_finished": False, "generation_id": completed.request_id}
    ]
    payloads += [
        {"event_type": "text-generation", "is_finished": False, "text": piece}
        for piece in pieces(completed.generation.text)
    ]
    if "tool_calls" in body:
        payloads.append({"event_type": "tool-calls-generation", "is_finished": False, "tool_calls": body["tool_calls"]})
    end = {"event_type": "stream-end", "is_finished": True, "finish_reason": body["finish_reason"], "response": body}
    return with_metrics([*payloads, end], completed)


WRITERS: Final = Writers(_body, _payloads)
