"""How the emulator counts tokens: one for every four characters, rounded up text by text.

This is not a tokenizer. It is simple enough to compute by hand in a test, and close to what Claude counts for English.
"""

from __future__ import annotations

import json
import math
from typing import Final

from bedrock_resilience.emulator._protocol.jsonvalues import JsonObject, as_list, as_object
from bedrock_resilience.quotas._tokens import IMAGE_TOKENS

CHARACTERS_A_TOKEN: Final = 4

# Members of a request that the model reads.
_MODEL_INPUT: Final = ("system", "messages", "toolConfig")
# Members whose texts are settings of the request: the model does not read them.
_SETTINGS: Final = frozenset({"role", "toolChoice", "cachePoint", "format", "toolUseId", "status", "signature"})
_MEDIA: Final = frozenset({"image", "video", "audio"})


def text_tokens(text: str) -> int:
    """Tokens of a text.

    >>> text_tokens("Hello, world")
    3
    """
    return math.ceil(len(text) / CHARACTERS_A_TOKEN)


def tokens(request: JsonObject) -> int:
    """Input tokens of a Converse request: its system prompt, messages and tools; at least 1."""
    return max(1, sum(_count(request[part]) for part in _MODEL_INPUT if part in request))


def block_tokens(block: JsonObject) -> int:
    """Tokens of one content block or one tool."""
    return _count(block)


def _count(part: object) -> int:
    if isinstance(part, str):
        return text_tokens(part)
    members = as_list(part)
    if members is not None:
        return sum(map(_count, members))
    fields = as_object(part)
    if fields is None:
        return 0
    return sum(_count_field(name, value) for name, value in fields.items())


def _count_field(name: str, value: object) -> int:
    if name in _SETTINGS:
        return 0
    if name in _MEDIA:
        return IMAGE_TOKENS
    if name in {"json", "input"}:  # schemas, tool inputs and tool results are read as JSON
        return text_tokens(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
    return _count(value)
