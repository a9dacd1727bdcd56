"""The responses of Converse and ConverseStream."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bedrock_resilience.emulator._protocol.generation import Generation
    from bedrock_resilience.emulator._protocol.jsonvalues import JsonObject
    from bedrock_resilience.quotas import Usage

Events = list[tuple[str, "JsonObject"]]

_PIECE_CHARACTERS: Final = 24
"""The text of one delta of a stream: about six tokens."""


def response_body(generation: Generation, usage: Usage, latency_ms: int) -> dict[str, Any]:
    """The body of a Converse response."""
    return {
        "output": {"message": {"role": "assistant", "content": list(generation.content)}},
        "stopReason": generation.stop_reason,
        "usage": counts(usage),
        "metrics": {"latencyMs": latency_ms},
    }


def counts(usage: Usage) -> dict[str, int]:
    """Usage in Converse's names; the counts of the cache only where the cache was used."""
    cached = {
        "cacheReadInputTokens": usage.cache_read_input_tokens,
        "cacheWriteInputTokens": usage.cache_write_input_tokens,
    }
    return {
        "inputTokens": usage.input_tokens,
        "outputTokens": usage.output_tokens,
        "totalTokens": usage.total_input_tokens + usage.output_tokens,
        **(cached if any(cached.values()) else {}),
    }


def stream_events(generation: Generation, usage: Usage, latency_ms: int) -> Events:
    """The events of a ConverseStream response; ``metadata`` is the last."""
    events: Events = [("messageStart", {"role": "assistant"})]
    for index, block in enumerate(generation.content):
        events += _block_events(block, index)
    events.append(("messageStop", {"stopReason": generation.stop_reason}))
    events.append(("metadata", {"usage": counts(usage), "metrics": {"latencyMs": latency_ms}}))
    return events


def _block_events(block: JsonObject, index: int) -> Iterator[tuple[str, JsonObject]]:
    use = block.get("toolUse")
    if use is not None:
        # A text block has no start event; a tool use has one, with everything except its input.
        start = {"toolUse": {"toolUseId": use["toolUseId"], "name": use["name"]}}
        yield "contentBlockStart", {"start": start, "contentBlockIndex": index}
    for piece in pieces(block):
        delta = {"text": piece} if use is None else {"toolUse": {"input": piece}}
        yield "contentBlockDelta", {"delta": delta, "contentBlockIndex": index}
    yield "contentBlockStop", {"contentBlockIndex": index}


def pieces(block: JsonObject) -> list[str]:
    """The text of a block, or the JSON of a tool's input, in the pieces that a stream sends."""
    text = block["text"] if "text" in block else json.dumps(block["toolUse"]["input"], separators=(",", ":"))
    return [text[start : start + _PIECE_CHARACTERS] for start in range(0, len(text), _PIECE_CHARACTERS)]
