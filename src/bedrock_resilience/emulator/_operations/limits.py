"""The limits of a request, applied to what was generated."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from bedrock_resilience.emulator._protocol.counting import CHARACTERS_A_TOKEN, text_tokens
from bedrock_resilience.emulator._protocol.generation import block_text, reasoning_of
from bedrock_resilience.emulator._protocol.jsonvalues import JsonObject, as_object, encode

if TYPE_CHECKING:
    from bedrock_resilience.emulator._protocol.conversation import Conversation
    from bedrock_resilience.emulator._protocol.generation import Generation


def limited(generation: Generation, conversation: Conversation) -> Generation:
    """The generation, cut at the request's stop sequences and maxTokens, with its output tokens counted."""
    generation = _stopped(generation, conversation.stop_sequences)
    maximum = conversation.max_tokens
    if generation.output_tokens is not None:
        return generation
    content: list[JsonObject] = []
    used = 0
    for block in generation.content:
        left = None if maximum is None else maximum - used
        kept = block if left is None or _tokens(block) <= left else _cut(block, left)
        if kept is not None:
            content.append(kept)
            used += _tokens(kept)
        if kept is not block:
            return dataclasses.replace(
                generation,
                content=tuple(content),
                stop_reason="max_tokens",
                stop_sequence=None,
                output_tokens=maximum,
            )
    return dataclasses.replace(generation, output_tokens=max(1, used))


def _stopped(generation: Generation, sequences: tuple[str, ...]) -> Generation:
    """The generation up to the first stop sequence in any of its texts."""
    for index, block in enumerate(generation.content):
        text: str = block.get("text", "")
        places = [(place, sequence) for sequence in sequences if (place := text.find(sequence)) >= 0]
        if places:
            place, sequence = min(places)
            kept = (*generation.content[:index], *([{"text": text[:place]}] if text[:place] else []))
            return dataclasses.replace(generation, content=kept, stop_reason="stop_sequence", stop_sequence=sequence)
    return generation


def _tokens(block: JsonObject) -> int:
    if "toolUse" in block:
        return text_tokens(encode(block["toolUse"]["input"]).decode())
    redacted = (as_object(block.get("reasoningContent")) or {}).get("redactedContent", "")
    return text_tokens(block_text(block) or str(redacted))


def _cut(block: JsonObject, left: int) -> JsonObject | None:
    """As much of a block as fits: the start of a text, the first members of a tool's input; None if nothing does."""
    text = block_text(block)[: left * CHARACTERS_A_TOKEN]
    reasoning = reasoning_of(block)
    if "toolUse" not in block:
        if not text:
            return None
        return (
            {"text": text}
            if reasoning is None
            else {"reasoningContent": {"reasoningText": {**reasoning, "text": text}}}
        )
    use: JsonObject = block["toolUse"]
    kept: dict[str, Any] = {}
    for name, value in use["input"].items():  # pragma: no branch - all of them together do not fit
        if text_tokens(encode({**kept, name: value}).decode()) > left:
            break
        kept[name] = value
    return {"toolUse": {**use, "input": kept}}
