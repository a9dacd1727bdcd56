"""The responses of Converse and ConverseStream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bedrock_resilience.emulator._protocol.generation import block_text, pieces, reasoning_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bedrock_resilience.emulator._protocol.generation import CompletedGeneration
    from bedrock_resilience.emulator._protocol.jsonvalues import JsonObject
    from bedrock_resilience.quotas import Usage

Events = list[tuple[str, "JsonObject"]]


def response_body(completed: CompletedGeneration) -> dict[str, Any]:
    """The body of a Converse response."""
    return {
        "output": {"message": {"role": "assistant", "content": list(completed.generation.content)}},
        "stopReason": completed.generation.stop_reason,
        "usage": counts(completed.usage),
        "metrics": {"latencyMs": completed.latency_ms},
    }


def counts(usage: Usage) -> dict[str, int]:
    """Usage in Converse's names; the counts of the cache only if the cache was used."""
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


def stream_events(completed: CompletedGeneration) -> Events:
    """The events of a ConverseStream response; ``metadata`` is the last."""
    events: Events = [("messageStart", {"role": "assistant"})]
    for index, block in enumerate(completed.generation.content):
        events += _block_events(block, index)
    events.append(("messageStop", {"stopReason": completed.generation.stop_reason}))
    metadata = {"usage": counts(completed.usage), "metrics": {"latencyMs": completed.latency_ms}}
    return [*events, ("metadata", metadata)]


def _block_events(block: JsonObject, index: int) -> Iterator[tuple[str, JsonObject]]:
    use = block.get("toolUse")
    if use is not None:
        # A text block has no start event; a tool use has one, with everything except its input.
        start = {"toolUse": {"toolUseId": use["toolUseId"], "name": use["name"]}}
        yield "contentBlockStart", {"start": start, "contentBlockIndex": index}
    for delta in _deltas(block):
        yield "contentBlockDelta", {"delta": delta, "contentBlockIndex": index}
    yield "contentBlockStop", {"contentBlockIndex": index}


def _deltas(block: JsonObject) -> Iterator[JsonObject]:
    reasoning = reasoning_of(block)
    for piece in pieces(block_text(block)):
        if "toolUse" in block:
            yield {"toolUse": {"input": piece}}
        else:
            yield {"text": piece} if reasoning is None else {"reasoningContent": {"text": piece}}
    if reasoning is not None and "signature" in reasoning:
        yield {"reasoningContent": {"signature": reasoning["signature"]}}
    if "reasoningContent" in block and reasoning is None:
        yield {"reasoningContent": {"redactedContent": block["reasoningContent"]["redactedContent"]}}
