"""A request for generation, whatever operation it came by: the one thing that answerers read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from bedrock_resilience.emulator._operations.caching import Prefix, prefixes_of
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
class Message:
    """One turn: a role, and content blocks in Converse's form."""

    role: str
    content: tuple[JsonObject, ...]

    @property
    def text(self) -> str:
        """All text the turn shows to the model."""
        return "\n".join(text for block in self.content for text in _texts(block))

    @property
    def answers_a_tool(self) -> bool:
        """Whether the turn brings the result of a tool."""
        return any("toolResult" in block for block in self.content)


@dataclass(frozen=True, slots=True)
class Conversation:
    """A request for generation.

    Attributes:
        model_id: the model or profile asked.
        system: the system prompt.
        messages: the turns, oldest first.
        tools: what the model may use.
        tool_choice: `AUTO`, `ANY` or `NO_TOOL`; the name of a tool that is forced stands in `forced_tool`.
        forced_tool: the tool that must be used.
        answer_schema: the JSON schema that a text answer must follow, if one is set.
        max_tokens: the most tokens the answer may have; None for the model's maximum.
        stop_sequences: texts at which generation ends.
        temperature: sampling temperature, if set.
        top_p: nucleus sampling, if set.
        input_tokens: tokens of everything above, as the emulator counts them.
        prefixes: the parts of it that end in a cache point.
    """

    model_id: str
    system: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: str = AUTO
    forced_tool: Tool | None = None
    answer_schema: JsonObject | None = None
    max_tokens: int | None = None
    stop_sequences: tuple[str, ...] = ()
    temperature: float | None = None
    top_p: float | None = None
    input_tokens: int = 0
    prefixes: tuple[Prefix, ...] = ()

    @property
    def last_user_message(self) -> Message:
        """What is being asked: the user's last turn (an empty one, if a prompt was asked without messages)."""
        turns = (message for message in reversed(self.messages) if message.role == "user")
        return next(turns, Message("user", ()))


def conversation_of(model_id: str, request: JsonObject) -> Conversation:
    """Read a Converse request that has passed `validation.check_converse`."""
    inference = as_object(request.get("inferenceConfig")) or {}
    config = as_object(request.get("toolConfig")) or {}
    tools = tuple(_tool(spec) for tool in objects(config.get("tools")) if (spec := as_object(tool.get("toolSpec"))))
    choice, forced = _choice(as_object(config.get("toolChoice")) or {}, tools)
    turns = [Message(str(turn["role"]), tuple(objects(turn["content"]))) for turn in objects(request.get("messages"))]
    system = [text for block in objects(request.get("system")) for text in _texts(block)]
    system += [turn.text for turn in turns if turn.role == "system"]
    return Conversation(
        model_id=model_id,
        system="\n".join(system),
        messages=tuple(turn for turn in turns if turn.role != "system"),
        tools=tools,
        tool_choice=choice,
        forced_tool=forced,
        answer_schema=_answer_schema(request),
        max_tokens=inference.get("maxTokens"),
        stop_sequences=tuple(inference.get("stopSequences") or ()),
        temperature=inference.get("temperature"),
        top_p=inference.get("topP"),
        input_tokens=tokens(request),
        prefixes=prefixes_of(request),
    )


def _tool(spec: JsonObject) -> Tool:
    schema = as_object((as_object(spec.get("inputSchema")) or {}).get("json")) or {}
    return Tool(str(spec["name"]), str(spec.get("description") or ""), schema)


def _choice(choice: JsonObject, tools: tuple[Tool, ...]) -> tuple[str, Tool | None]:
    if "tool" in choice:
        return ANY, next(tool for tool in tools if tool.name == choice["tool"]["name"])
    if "any" in choice:
        return ANY, None
    return (NO_TOOL if "none" in choice else AUTO), None


def _answer_schema(request: JsonObject) -> JsonObject | None:
    text_format = as_object((as_object(request.get("outputConfig")) or {}).get("textFormat"))
    return None if text_format is None else as_object(json.loads(text_format["structure"]["jsonSchema"]["schema"]))


def _texts(block: JsonObject) -> list[str]:
    """The readable texts of a content block; pictures and bytes have none."""
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
