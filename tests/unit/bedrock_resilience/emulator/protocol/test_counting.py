"""Tokens, counted as the documentation of the emulator says."""

from __future__ import annotations

from typing import Any

import pytest

from bedrock_resilience.emulator._protocol.counting import block_tokens, text_tokens, tokens


@pytest.mark.parametrize(("text", "count"), [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2)])
def test_four_characters_are_a_token(text: str, count: int) -> None:
    assert text_tokens(text) == count


@pytest.mark.parametrize(
    ("block", "count"),
    [
        ({"text": "abcde"}, 2),
        ({"image": {"format": "png", "source": {"bytes": "x" * 1_000}}}, 1_600),
        ({"document": {"format": "pdf", "name": "abcd", "source": {"bytes": "abcdefgh"}}}, 3),
        ({"toolUse": {"toolUseId": "abc", "name": "abcd", "input": {"a": 1}}}, 1 + 2),
        (
            {"toolResult": {"toolUseId": "abc", "status": "success", "content": [{"json": {"a": 1}}, {"text": "a"}]}},
            2 + 1,
        ),
        ({"cachePoint": {"type": "default"}}, 0),
        ({"toolSpec": {"name": "abcd", "strict": True, "inputSchema": {"json": {}}}}, 1 + 1),
        ({"guardContent": {"text": {"text": "abcd"}}}, 1),
    ],
)
def test_blocks_count_what_the_model_reads(block: dict[str, Any], count: int) -> None:
    assert block_tokens(block) == count


def test_settings_are_not_read_and_there_is_always_one_token() -> None:
    settings = {"inferenceConfig": {"stopSequences": ["x" * 100]}, "requestMetadata": {"a": "x" * 100}}
    assert tokens(settings) == 1
    assert tokens({**settings, "messages": [{"role": "user", "content": [{"text": "abcdefgh"}]}]}) == 2
    tool = {"toolSpec": {"name": "abcd", "inputSchema": {"json": {"type": "object"}}}}
    assert tokens({"toolConfig": {"tools": [tool], "toolChoice": {"tool": {"name": "abcd"}}}}) == 1 + 5
