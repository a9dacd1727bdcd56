"""A work queue that limits the concurrent requests to each host."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class PerHostQueue:
    """Yields each index once, to workers that iterate over the queue in their threads.

    An index is available as long as fewer than ``per_host`` indices of its host are in flight, so a host with many URLs
    does not delay the others. A worker calls ``task_done`` when its request has ended.

    Args:
        hosts: The host of each index.
        per_host: The most indices of one host in flight at the same time.
    """

    def __init__(self, hosts: Sequence[str], per_host: int) -> None:
        self._hosts = hosts
        self._per_host = per_host
        self._pending = list(range(len(hosts)))
        self._in_flight: Counter[str] = Counter()
        self._changed = threading.Condition()

    def __iter__(self) -> Iterator[int]:
        """Yield the indices for one worker; end when none is left."""
        while (index := self._next_index()) is not None:
            yield index

    def task_done(self, index: int) -> None:
        """Record that the request of an index has ended."""
        with self._changed:
            self._in_flight[self._hosts[index]] -= 1
            self._changed.notify_all()

    def close(self) -> None:
        """Drop the pending indices, so that all workers end."""
        with self._changed:
            self._pending.clear()
            self._changed.notify_all()

    def _next_index(self) -> int | None:
        with self._changed:
            while self._pending:
                for position, index in enumerate(self._pending):
                    if self._in_flight[self._hosts[index]] < self._per_host:
                        self._in_flight[self._hosts[index]] += 1
                        return self._pending.pop(position)
                self._changed.wait()
            return None
