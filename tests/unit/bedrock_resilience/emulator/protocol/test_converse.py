"""The answers of Converse and of its stream."""

from __future__ import annotations

from typing import Any

from bedrock_resilience.emulator._protocol.converse import counts, response_body, stream_events
from bedrock_resilience.emulator._protocol.generation import CompletedGeneration, Generation
from bedrock_resilience.quotas import Usage, usage_from

USE: dict[str, Any] = {"toolUse": {"toolUseId": "1", "name": "t", "input": {"a": 1}}}


def completed(content: tuple[dict[str, Any], ...], usage: Usage, reason: str = "end_turn") -> CompletedGeneration:
    return CompletedGeneration(Generation(content, reason), usage, "id", "model", 0.005)


def test_the_counts_of_the_cache_are_told_where_there_are_any() -> None:
    assert counts(Usage(1, 2)) == {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3}
    assert counts(Usage(1, 2, 3, 4)) == {
        "inputTokens": 1,
        "outputTokens": 2,
        "totalTokens": 10,
        "cacheReadInputTokens": 4,
        "cacheWriteInputTokens": 3,
    }
    assert usage_from(response_body(completed((), Usage(1, 2, 3, 4)))) == Usage(1, 2, 3, 4)


def test_a_stream_tells_each_block_and_its_usage_last() -> None:
    made = stream_events(completed(({"text": "x" * 30}, USE), Usage(1, 2), "tool_use"))
    assert made == [
        ("messageStart", {"role": "assistant"}),
        ("contentBlockDelta", {"delta": {"text": "x" * 24}, "contentBlockIndex": 0}),
        ("contentBlockDelta", {"delta": {"text": "x" * 6}, "contentBlockIndex": 0}),
        ("contentBlockStop", {"contentBlockIndex": 0}),
        ("contentBlockStart", {"start": {"toolUse": {"toolUseId": "1", "name": "t"}}, "contentBlockIndex": 1}),
        ("contentBlockDelta", {"delta": {"toolUse": {"input": '{"a":1}'}}, "contentBlockIndex": 1}),
        ("contentBlockStop", {"contentBlockIndex": 1}),
        ("messageStop", {"stopReason": "tool_use"}),
        ("metadata", {"usage": counts(Usage(1, 2)), "metrics": {"latencyMs": 5}}),
    ]


def test_a_stream_sends_reasoning_with_its_signature_and_redacted_reasoning_at_once() -> None:
    signed: dict[str, Any] = {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}}
    unsigned: dict[str, Any] = {"reasoningContent": {"reasoningText": {"text": "so"}}}
    redacted: dict[str, Any] = {"reasoningContent": {"redactedContent": "eA=="}}
    made = stream_events(completed((signed, unsigned, redacted), Usage(1, 2)))
    assert [event["delta"] for name, event in made if name == "contentBlockDelta"] == [
        {"reasoningContent": {"text": "hm"}},
        {"reasoningContent": {"signature": "s"}},
        {"reasoningContent": {"text": "so"}},
        {"reasoningContent": {"redactedContent": "eA=="}},
    ]
