"""Memory: the most that a piece of work allocates at one time."""

from __future__ import annotations

import tracemalloc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator


@contextmanager
def memory_limit(max_bytes: int) -> Generator[None]:
    """Fail where the block allocates more bytes at one time; tracing ends with the block, even if it fails."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < max_bytes
