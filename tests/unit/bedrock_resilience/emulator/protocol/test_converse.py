"""The answers of Converse and of its stream."""

from __future__ import annotations

from typing import Any

from bedrock_resilience.emulator._protocol.converse import counts, response_body, stream_events
from bedrock_resilience.emulator._protocol.generation import Generation
from bedrock_resilience.quotas import Usage, usage_from

USE: dict[str, Any] = {"toolUse": {"toolUseId": "1", "name": "t", "input": {"a": 1}}}


def test_the_counts_of_the_cache_are_told_where_there_are_any() -> None:
    assert counts(Usage(1, 2)) == {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3}
    assert counts(Usage(1, 2, 3, 4)) == {
        "inputTokens": 1,
        "outputTokens": 2,
        "totalTokens": 10,
        "cacheReadInputTokens": 4,
        "cacheWriteInputTokens": 3,
    }
    assert usage_from(response_body(Generation(()), Usage(1, 2, 3, 4), 5)) == Usage(1, 2, 3, 4)


def test_a_stream_tells_each_block_and_its_usage_last() -> None:
    made = stream_events(Generation(({"text": "x" * 30}, USE), "tool_use"), Usage(1, 2), 5)
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
