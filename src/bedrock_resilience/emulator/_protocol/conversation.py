"""A request for generation, independent of its operation: what responders read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from bedrock_resilience.emulator._protocol.cache_points import Prefix, prefixes_of
from bedrock_resilience.emulator._protocol.counting import tokens
from bedrock_resilience.emulator._protocol.jsonvalues import JsonObject, as_object, objects

AUTO: Final = "auto"
ANY: Final = "any"
NO_TOOL: Final = "none"


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that the model may use."""

    name: str
    description: str
    schema: JsonObject


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message: a role, and content blocks in Converse's form."""

    role: str
    content: tuple[JsonObject, ...]

    @property
    def text(self) -> str:
        """All text of the message that the model reads."""
        return "\n".join(text for block in self.content for text in _texts(block))

    @property
    def has_tool_results(self) -> bool:
        """Whether the message contains the result of a tool."""
        return any("toolResult" in block for block in self.content)


@dataclass(frozen=True, slots=True)
class Conversation:
    """A request for generation.

    Attributes:
        model_id: The model or inference profile.
        system: The system prompt.
        messages: The messages, oldest first.
        tools: The tools that the model may use.
        tool_choice: ``AUTO``, ``ANY`` or ``NO_TOOL``.
        forced_tool: The tool that must be used, if the request names one.
        response_schema: The JSON schema that a text response must follow, if one is set.
        max_tokens: The most tokens that the response may have; None for the model's maximum.
        stop_sequences: Texts at which generation ends.
        temperature: Sampling temperature, if set.
        top_p: Nucleus sampling, if set.
        input_tokens: The tokens of everything above, as the emulator counts them.
        cache_prefixes: The prefixes that end in a cache point.
        thinking: Whether the request asks for the model's reasoning.
    """

    model_id: str
    system: str
    messages: tuple[ChatMessage, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: str = AUTO
    forced_tool: Tool | None = None
    response_schema: JsonObject | None = None
    max_tokens: int | None = None
    stop_sequences: tuple[str, ...] = ()
    temperature: float | None = None
    top_p: float | None = None
    input_tokens: int = 0
    cache_prefixes: tuple[Prefix, ...] = ()
    thinking: bool = False

    @property
    def last_user_message(self) -> ChatMessage:
        """The user's last message; an empty one, if a prompt resource is used without messages."""
        turns = (message for message in reversed(self.messages) if message.role == "user")
        return next(turns, ChatMessage("user", ()))


def conversation_of(model_id: str, request: JsonObject) -> Conversation:
    """Read a Converse request that has passed ``validation.check_converse``."""
    inference = as_object(request.get("inferenceConfig")) or {}
    config = as_object(request.get("toolConfig")) or {}
    tools = tuple(_tool(spec) for tool in objects(config.get("tools")) if (spec := as_object(tool.get("toolSpec"))))
    choice, forced = _choice(as_object(config.get("toolChoice")) or {}, tools)
    turns = [
        ChatMessage(str(turn["role"]), tuple(objects(turn["content"]))) for turn in objects(request.get("messages"))
    ]
    system = [text for block in objects(request.get("system")) for text in _texts(block)]
    system += [turn.text for turn in turns if turn.role == "system"]
    return Conversation(
        model_id=model_id,
        system="\n".join(system),
        messages=tuple(turn for turn in turns if turn.role != "system"),
        tools=tools,
        tool_choice=choice,
        forced_tool=forced,
        response_schema=_response_schema(request),
        max_tokens=inference.get("maxTokens"),
        stop_sequences=tuple(inference.get("stopSequences") or ()),
        temperature=inference.get("temperature"),
        top_p=inference.get("topP"),
        input_tokens=tokens(request),
        cache_prefixes=prefixes_of(request),
        thinking=thinking_of(request).get("type") == "enabled",
    )


def thinking_of(request: JsonObject) -> JsonObject:
    """What a Converse request says about thinking, ``{"type", "budget_tokens"}``; empty if it says nothing."""
    return as_object((as_object(request.get("additionalModelRequestFields")) or {}).get("thinking")) or {}


def _tool(spec: JsonObject) -> Tool:
    schema = as_object((as_object(spec.get("inputSchema")) or {}).get("json")) or {}
    return Tool(str(spec["name"]), str(spec.get("description") or ""), schema)


def _choice(choice: JsonObject, tools: tuple[Tool, ...]) -> tuple[str, Tool | None]:
    if "tool" in choice:
        return ANY, next(tool for tool in tools if tool.name == choice["tool"]["name"])
    if "any" in choice:
        return ANY, None
    return (NO_TOOL if "none" in choice else AUTO), None


def _response_schema(request: JsonObject) -> JsonObject | None:
    text_format = as_object((as_object(request.get("outputConfig")) or {}).get("textFormat"))
    return None if text_format is None else as_object(json.loads(text_format["structure"]["jsonSchema"]["schema"]))


def _texts(block: JsonObject) -> list[str]:
    """The texts of a content block; images and bytes have none."""
    if isinstance(block.get("text"), str):
        return [block["text"]]
    for wrapper in ("guardContent", "reasoningContent", "document", "searchResult"):
        inner = as_object(block.get(wrapper))
        if inner is not None:
            return _inner_texts(inner)
    result = as_object(block.get("toolResult"))
    if result is None:
        return []
    parts = objects(result.get("content"))
    values = [json.dumps(part["json"], ensure_ascii=False) for part in parts if "json" in part]
    return values + [text for part in parts if "json" not in part for text in _texts(part)]


def _inner_texts(inner: JsonObject) -> list[str]:
    found: list[str] = []
    source: Any = inner.get("source")
    for part in (inner.get("text"), inner.get("reasoningText"), source, inner.get("content")):
        if isinstance(part, str):
            found.append(part)
        elif (mapping := as_object(part)) is not None:
            found += _inner_texts({name: mapping.get(name) for name in ("text", "content")})
        else:
            found += [text for member in objects(part) for text in _texts(member)]
    return found
