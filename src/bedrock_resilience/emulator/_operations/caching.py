"""Prompt caching: which part of a request's input was read from the cache, and which was written to it.

A cache point ends a prefix of the request, in the order tools, system, messages. A prefix shorter than the model's
minimum is not cached, and nothing says so (AWS, "Prompt caching for faster model inference").
"""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience.emulator._protocol.counting import block_tokens
from bedrock_resilience.emulator._protocol.jsonvalues import JsonObject, as_object, encode, objects

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CACHE_MINIMUM_TOKENS: Final = 4_096
"""What Claude Sonnet 4.5 needs at least, in the newest copy of the documentation found (older ones say 1,024)."""

_SECONDS: Final = {"5m": 300.0, "1h": 3_600.0}
_MOST_PREFIXES: Final = 10_000


@dataclass(frozen=True, slots=True)
class Prefix:
    """The part of a request before one of its cache points: its hash, its tokens, and the seconds it is kept."""

    digest: bytes
    tokens: int
    seconds: float


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
            found.append(Prefix(digest.digest(), tokens, _SECONDS.get(str(point.get("ttl")), _SECONDS["5m"])))
    return tuple(found)


def _blocks(request: JsonObject) -> Iterator[JsonObject]:
    yield from objects((as_object(request.get("toolConfig")) or {}).get("tools"))
    yield from objects(request.get("system"))
    for turn in objects(request.get("messages")):
        content: Any = turn["content"]
        yield from objects(content)


class PromptCache:
    """Remembers prefixes by model until they expire. Thread-safe."""

    def __init__(self) -> None:
        self._expiry: dict[tuple[str, bytes], float] = {}
        self._lock = threading.Lock()

    def use(self, now: float, model: str, prefixes: Sequence[Prefix]) -> tuple[int, int]:
        """Read and write the prefixes of one request.

        Returns:
            Tokens read from the cache, and tokens written to it.
        """
        prefixes = [prefix for prefix in prefixes if prefix.tokens >= CACHE_MINIMUM_TOKENS]
        if not prefixes:
            return 0, 0
        with self._lock:
            self._expiry = {key: end for key, end in self._expiry.items() if end > now}
            read = max((prefix.tokens for prefix in prefixes if (model, prefix.digest) in self._expiry), default=0)
            if len(self._expiry) < _MOST_PREFIXES:
                self._expiry.update({(model, prefix.digest): now + prefix.seconds for prefix in prefixes})
        return read, max(0, prefixes[-1].tokens - read)

    def clear(self) -> None:
        """Forget all prefixes."""
        with self._lock:
            self._expiry.clear()
