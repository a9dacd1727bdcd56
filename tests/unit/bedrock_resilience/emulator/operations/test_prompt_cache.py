"""Prompt caching: what is read and what is written, and for how long."""

from __future__ import annotations

from typing import Any

from bedrock_resilience.emulator._operations.prompt_cache import CACHE_MINIMUM_TOKENS, PromptCache
from bedrock_resilience.emulator._protocol.cache_points import Prefix, prefixes_of

POINT: dict[str, Any] = {"cachePoint": {"type": "default"}}
LONG = "x" * 4 * CACHE_MINIMUM_TOKENS


def request(question: str = "Why?", system: str = LONG) -> dict[str, Any]:
    return {
        "toolConfig": {"tools": [{"toolSpec": {"name": "tool", "inputSchema": {"json": {}}}}, POINT]},
        "system": [{"text": system}, {"cachePoint": {"type": "default", "ttl": "1h"}}],
        "messages": [{"role": "user", "content": [{"text": question}, POINT, {"text": "After."}]}],
    }


def test_prefixes_end_at_cache_points_in_the_order_tools_system_messages() -> None:
    tool, system, message = prefixes_of(request())
    assert [tool.tokens, system.tokens, message.tokens] == [2, 2 + CACHE_MINIMUM_TOKENS, 3 + CACHE_MINIMUM_TOKENS]
    assert [tool.ttl_seconds, system.ttl_seconds, message.ttl_seconds] == [300, 3_600, 300]
    other = prefixes_of(request("How?"))
    assert [one.digest == two.digest for one, two in zip((tool, system, message), other, strict=True)] == [
        True,
        True,
        False,
    ]


def test_a_prefix_is_written_once_and_read_until_it_expires() -> None:
    cache = PromptCache()
    prefixes = prefixes_of(request())
    total = prefixes[-1].tokens
    assert cache.use(0.0, "a", prefixes) == (0, total)
    assert cache.use(1.0, "a", prefixes) == (total, 0)
    assert cache.use(2.0, "b", prefixes) == (0, total)
    # The system prompt is kept for an hour, the message for five minutes after its last use.
    assert cache.use(302.0, "a", prefixes) == (total - 1, 1)
    assert cache.use(4_000.0, "a", prefixes) == (0, total)


def test_what_follows_a_known_prefix_is_written() -> None:
    cache = PromptCache()
    cache.use(0.0, "a", prefixes_of(request("Why?")))
    assert cache.use(1.0, "a", prefixes_of(request("How?"))) == (2 + CACHE_MINIMUM_TOKENS, 1)


def test_a_short_prefix_is_not_cached() -> None:
    cache = PromptCache()
    assert cache.use(0.0, "a", prefixes_of(request(system="short"))) == (0, 0)
    assert cache.use(0.0, "a", prefixes_of(request(system="short"))) == (0, 0)
    assert cache.use(0.0, "a", ()) == (0, 0)


def test_a_cleared_cache_is_empty() -> None:
    cache = PromptCache()
    cache.use(0.0, "a", prefixes_of(request()))
    cache.clear()
    assert cache.use(0.0, "a", prefixes_of(request()))[0] == 0


def test_the_cache_does_not_grow_without_bounds() -> None:
    cache = PromptCache()
    first, last = (Prefix(name, 5_000, 300) for name in (b"first", b"last"))
    cache.use(0.0, "a", [first, *(Prefix(b"%d" % number, 5_000, 300) for number in range(10_000))])
    cache.use(0.0, "a", [last])
    assert cache.use(0.0, "a", [first]) == (5_000, 0)
    assert cache.use(0.0, "a", [last]) == (0, 5_000)
