"""Prompt caching: which part of a request's input was read from the cache, and which was written to it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bedrock_resilience.emulator._protocol.cache_points import Prefix

CACHE_MINIMUM_TOKENS: Final = 4_096
"""The shortest prefix that is cached; nothing reports a shorter one (AWS, "Prompt caching for faster model inference").

The minimum of Claude Sonnet 4.5 in the newest copy of the documentation found (older ones say 1,024).
"""

_MAX_PREFIXES: Final = 10_000


class PromptCache:
    """Stores prefixes by model until they expire. Thread-safe."""

    def __init__(self) -> None:
        self._expires_at: dict[tuple[str, bytes], float] = {}
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
            self._expires_at = {key: end for key, end in self._expires_at.items() if end > now}
            read = max((prefix.tokens for prefix in prefixes if (model, prefix.digest) in self._expires_at), default=0)
            if len(self._expires_at) < _MAX_PREFIXES:
                self._expires_at.update({(model, prefix.digest): now + prefix.ttl_seconds for prefix in prefixes})
        return read, max(0, prefixes[-1].tokens - read)

    def clear(self) -> None:
        """Remove all prefixes."""
        with self._lock:
            self._expires_at.clear()
