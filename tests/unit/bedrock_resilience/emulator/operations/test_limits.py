"""The limits of a request: maxTokens and stop sequences."""

from __future__ import annotations

from typing import Any

import pytest

from bedrock_resilience.emulator._operations.limits import limited
from bedrock_resilience.emulator._protocol.conversation import Conversation
from bedrock_resilience.emulator._protocol.generation import Generation

TEXT: dict[str, Any] = {"text": "abcdefghijkl"}
USE: dict[str, Any] = {"toolUse": {"toolUseId": "1", "name": "t", "input": {"a": 1, "b": "long enough"}}}


def within(*content: dict[str, Any], **limits: Any) -> Generation:  # noqa: ANN401 - any field
    return limited(Generation(content), Conversation("model", "", (), **limits))


def test_an_answer_within_its_limits_is_left_alone_and_counted() -> None:
    assert within(TEXT, max_tokens=3) == Generation((TEXT,), output_tokens=3)
    assert within(TEXT, USE).output_tokens == 3 + 7


def test_an_answer_has_at_least_one_token() -> None:
    assert within().output_tokens == 1


CUTS: list[tuple[tuple[Any, ...], int, tuple[Any, ...]]] = [
    ((TEXT,), 2, ({"text": "abcdefgh"},)),
    ((TEXT, TEXT), 4, (TEXT, {"text": "abcd"})),
    ((TEXT, TEXT), 3, (TEXT,)),
    ((USE,), 3, ({"toolUse": {"toolUseId": "1", "name": "t", "input": {"a": 1}}},)),
    ((USE,), 1, ({"toolUse": {"toolUseId": "1", "name": "t", "input": {}}},)),
]


@pytest.mark.parametrize(("content", "maximum", "kept"), CUTS)
def test_what_does_not_fit_is_cut(content: tuple[Any, ...], maximum: int, kept: tuple[Any, ...]) -> None:
    assert within(*content, max_tokens=maximum) == Generation(kept, "max_tokens", output_tokens=maximum)


@pytest.mark.parametrize(
    ("sequences", "kept", "sequence"),
    [
        (("def",), ({"text": "abc"},), "def"),
        (("x", "jkl", "ghi"), ({"text": "abcdef"},), "ghi"),
        (("abc",), (), "abc"),
    ],
)
def test_the_first_stop_sequence_ends_it(sequences: tuple[str, ...], kept: tuple[Any, ...], sequence: str) -> None:
    made = within(TEXT, TEXT, stop_sequences=sequences)
    assert (made.content, made.stop_reason, made.stop_sequence) == (kept, "stop_sequence", sequence)


def test_a_tool_use_has_no_stop_sequence_in_it() -> None:
    assert within(USE, stop_sequences=("long",)).content == (USE,)


def test_reasoning_counts_and_is_cut_like_a_text() -> None:
    reasoning: dict[str, Any] = {"reasoningContent": {"reasoningText": {"text": "abcdefgh", "signature": "s"}}}
    redacted: dict[str, Any] = {"reasoningContent": {"redactedContent": "abcdefgh"}}
    assert within(reasoning, redacted, TEXT).output_tokens == 2 + 2 + 3
    (cut,) = within(reasoning, TEXT, max_tokens=1).content
    assert cut == {"reasoningContent": {"reasoningText": {"text": "abcd", "signature": "s"}}}
    assert within(redacted, max_tokens=1).content == ()


def test_token_counts_of_the_responder_are_used() -> None:
    made = limited(Generation((TEXT,), output_tokens=99), Conversation("model", "", (), max_tokens=1))
    assert made == Generation((TEXT,), output_tokens=99)
