"""The responses of the Messages API of Anthropic: a body, and the events of a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience.emulator._protocol.generation import block_text, pieces, reasoning_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bedrock_resilience.emulator._protocol.generation import CompletedGeneration, Generation
    from bedrock_resilience.emulator._protocol.jsonvalues import JsonObject
    from bedrock_resilience.quotas import Usage

_STOP_REASONS: Final = {"content_filtered": "refusal", "guardrail_intervened": "refusal"}
# Kind of a block -> the kind of its deltas, and their member; and what the block begins with.
_DELTAS: Final = {
    "text": ("text_delta", "text"),
    "tool_use": ("input_json_delta", "partial_json"),
    "thinking": ("thinking_delta", "thinking"),
}
_EMPTY: Final[Mapping[str, JsonObject]] = {
    "text": {"text": ""},
    "tool_use": {"input": {}},
    "thinking": {"thinking": "", "signature": ""},
}


def response_body(completed: CompletedGeneration) -> dict[str, Any]:
    """The body of a response."""
    generation = completed.generation
    return {
        **_envelope(completed),
        "content": [_messages_block(block) for block in generation.content],
        "stop_reason": _stop_reason(generation),
        "stop_sequence": generation.stop_sequence,
        "usage": _counts(completed.usage),
    }


def stream_payloads(completed: CompletedGeneration) -> list[JsonObject]:
    """The events of a streamed response."""
    generation = completed.generation
    opening = {**_counts(completed.usage), "output_tokens": 1}
    nothing: JsonObject = {"content": [], "stop_reason": None, "stop_sequence": None, "usage": opening}
    payloads: list[JsonObject] = [{"type": "message_start", "message": {**_envelope(completed), **nothing}}]
    for index, block in enumerate(generation.content):
        payloads += _block_payloads(block, index)
    stop: JsonObject = {"stop_reason": _stop_reason(generation), "stop_sequence": generation.stop_sequence}
    usage = {"output_tokens": completed.usage.output_tokens}
    payloads.append({"type": "message_delta", "delta": stop, "usage": usage})
    return [*payloads, {"type": "message_stop"}]


def _block_payloads(block: JsonObject, index: int) -> Iterator[JsonObject]:
    written = _messages_block(block)
    kind = str(written["type"])
    delta_kind, member = _DELTAS.get(kind, ("", ""))
    empty = {**written, **_EMPTY.get(kind, {})}
    yield {"type": "content_block_start", "index": index, "content_block": empty}
    for piece in pieces(block_text(block)):
        yield {"type": "content_block_delta", "index": index, "delta": {"type": delta_kind, member: piece}}
    if kind == "thinking":
        signature = {"type": "signature_delta", "signature": written["signature"]}
        yield {"type": "content_block_delta", "index": index, "delta": signature}
    yield {"type": "content_block_stop", "index": index}


def _envelope(completed: CompletedGeneration) -> dict[str, Any]:
    message_id = f"msg_bdrk_{completed.request_id.replace('-', '')[:24]}"
    return {"id": message_id, "type": "message", "role": "assistant", "model": completed.model}


def _messages_block(block: JsonObject) -> dict[str, Any]:
    if "text" in block:
        return {"type": "text", "text": block["text"]}
    reasoning = reasoning_of(block)
    if reasoning is not None:
        return {"type": "thinking", "thinking": reasoning["text"], "signature": reasoning.get("signature", "")}
    if "reasoningContent" in block:
        return {"type": "redacted_thinking", "data": block["reasoningContent"]["redactedContent"]}
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
