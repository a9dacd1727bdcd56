"""Cache points: the prefixes of a request that they end.

A cache point ends a prefix of the request, in the order tools, system, messages.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience.emulator._protocol.counting import block_tokens
from bedrock_resilience.emulator._protocol.jsonvalues import JsonObject, as_object, encode, objects

if TYPE_CHECKING:
    from collections.abc import Iterator

_TTL_SECONDS: Final = {"5m": 300.0, "1h": 3_600.0}


@dataclass(frozen=True, slots=True)
class Prefix:
    """The part of a request before one of its cache points: its hash, its tokens, and how long it is cached."""

    digest: bytes
    tokens: int
    ttl_seconds: float


def prefixes_of(request: JsonObject) -> tuple[Prefix, ...]:
    """The prefixes that the cache points of a Converse request end, shortest first."""
    digest = hashlib.sha256()
    tokens = 0
    found: list[Prefix] = []
    for block in _blocks(request):
        point = as_object(block.get("cachePoint"))
        if point is None:
            digest.update(encode(block))
            tokens += block_tokens(block)
        else:
            found.append(Prefix(digest.digest(), tokens, _TTL_SECONDS.get(str(point.get("ttl")), _TTL_SECONDS["5m"])))
    return tuple(found)


def _blocks(request: JsonObject) -> Iterator[JsonObject]:
    yield from objects((as_object(request.get("toolConfig")) or {}).get("tools"))
    yield from objects(request.get("system"))
    for turn in objects(request.get("messages")):
        content: Any = turn["content"]
        yield from objects(content)
