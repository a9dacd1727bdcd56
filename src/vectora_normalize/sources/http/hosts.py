"""A queue that is polite: no host is asked by more workers at once than it is allowed."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class PerHostQueue:
    """Hands out each index once, to workers that iterate over it from their threads.

    An index comes out as soon as its host has room, so a host with many URLs never holds up the others. The worker
    that took it calls ``task_done`` when the host may be asked again.

    Args:
        hosts: The host of each index.
        per_host: How many of a host may be out at once.
    """

    def __init__(self, hosts: Sequence[str], per_host: int) -> None:
        self._hosts = hosts
        self._per_host = per_host
        self._waiting = list(range(len(hosts)))
        self._out: Counter[str] = Counter()
        self._changed = threading.Condition()

    def __iter__(self) -> Iterator[int]:
        """The indices that this worker gets; ends when none are left."""
        while (index := self._take()) is not None:
            yield index

    def task_done(self, index: int) -> None:
        """Make room for the next URL of this index's host."""
        with self._changed:
            self._out[self._hosts[index]] -= 1
            self._changed.notify_all()

    def close(self) -> None:
        """Hand out nothing more."""
        with self._changed:
            self._waiting.clear()
            self._changed.notify_all()

    def _take(self) -> int | None:
        with self._changed:
            while self._waiting:
                for position, index in enumerate(self._waiting):
                    if self._out[self._hosts[index]] < self._per_host:
                        self._out[self._hosts[index]] += 1
                        return self._waiting.pop(position)
                self._changed.wait()
            return None
