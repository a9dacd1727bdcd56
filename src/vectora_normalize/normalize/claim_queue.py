"""The input of a batch that other runs may share: each item is claimed shortly before a worker is free for it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Self

import msgspec

from bedrock_resilience.clock import threads_of
from vectora_normalize.normalize.response_cache import CachedResponse, ItemClaim
from vectora_normalize.storage.objects import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from queue import SimpleQueue
    from threading import Thread

    from bedrock_resilience import ItemOutcome
    from bedrock_resilience.clock import Threads
    from vectora_normalize.normalize.normalizer import PreparedRequest
    from vectora_normalize.normalize.response_cache import ResponseCache


class Task(msgspec.Struct, eq=False):
    """An item on its way through a batch.

    Args:
        index: Its position in the input.
        prepared: The item and its request.
        claim: The right to send the request; None: not claimed, or no longer required.
        earlier: A response that another run had stored before this run's own could be stored.
        unrenewed: Why the claim could not be renewed, if it could not.
        spent: The cost of the attempts before another run was found to have claimed the item.
    """

    index: int
    prepared: PreparedRequest
    claim: ItemClaim | None = None
    earlier: CachedResponse | None = None
    unrenewed: StoreError | None = None
    spent: ItemOutcome[Task, Any] | None = None


class ClaimQueue:
    """An iterator of tasks, each claimed shortly before a worker gets it. Tasks of other runs are skipped.

    A context manager: a thread of its own claims tasks from its beginning to its end. A claim is a request to
    the store, for which each worker would otherwise have to wait.

    Args:
        tasks: The tasks.
        cache: The cache in which they are claimed; None: no other run can have them.
        ahead: The number of tasks that are claimed and wait for a worker.
        threads: Makes the thread that claims; None: one of this process.

    Attributes:
        answered: Tasks whose responses other runs have stored in the meantime, with these responses.
        claimed_elsewhere: Tasks that other runs have claimed.
        unclaimable: Tasks that could not be claimed, with the reason; no request is sent for them.
    """

    def __init__(
        self, tasks: Sequence[Task], cache: ResponseCache | None, *, ahead: int = 1, threads: Threads | None = None
    ) -> None:
        self._threads = threads or threads_of(None)
        self._tasks = deque(tasks)
        self._cache = cache
        self._length = len(tasks)
        # Workers call ``__next__`` in their own threads. The thread that started the batch calls it only when the batch
        # is over, to list the tasks that were not started, which requires no claim.
        self._owner_thread = self._threads.current()
        self._free_slots = self._threads.semaphore(ahead)
        self._claimed: SimpleQueue[Task | None] = self._threads.queue()  # None: the end
        self._claimer: Thread | None = None
        self._stopped = False
        self._error: Exception | None = None
        self.answered: list[tuple[Task, CachedResponse]] = []
        self.claimed_elsewhere: list[Task] = []
        self.unclaimable: list[tuple[Task, StoreError]] = []

    def __enter__(self) -> Self:
        """Start the thread that claims; return itself."""
        if self._cache is not None:
            self._claimer = self._threads.thread(self._claim_tasks, self._cache, name="claimer")
            self._claimer.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the thread that claims."""
        self._stop()

    def __len__(self) -> int:
        """Return the number of tasks; the iterator may yield fewer."""
        return self._length

    def __iter__(self) -> Iterator[Task]:
        """Return itself: there is one input."""
        return self

    def __next__(self) -> Task:
        """Return the next task of this run."""
        if self._cache is None or self._threads.current() == self._owner_thread:
            return self._next_unstarted()
        task = self._claimed.get()
        if task is not None:
            self._free_slots.release()
            return task
        self._claimed.put(None)  # for the other workers
        if self._error is not None:
            raise self._error
        raise StopIteration

    def _next_unstarted(self) -> Task:
        """Return the next task that no worker got, claimed or not."""
        self._stop()
        while not self._claimed.empty():
            task = self._claimed.get()
            if task is not None:
                return task
        if not self._tasks:
            raise StopIteration
        return self._tasks.popleft()

    def _claim_tasks(self, cache: ResponseCache) -> None:
        """Claim one task after the other whenever a slot is free."""
        try:
            while self._free_slots.acquire() and self._tasks and not self._stopped:
                task = self._tasks.popleft()
                if self._claim_task(task, cache):
                    self._claimed.put(task)
                else:
                    self._free_slots.release()
        except Exception as error:  # noqa: BLE001 - the next call of __next__ raises it
            self._error = error
        finally:
            self._claimed.put(None)

    def _stop(self) -> None:
        if self._claimer is not None:
            self._stopped = True
            self._free_slots.release()
            self._claimer.join()
            self._claimer = None

    def _claim_task(self, task: Task, cache: ResponseCache) -> bool:
        try:
            result = cache.claim(task.prepared.key)
        except StoreError as error:
            self.unclaimable.append((task, error))
            return False
        if isinstance(result, ItemClaim):
            task.claim = result
            return True
        if isinstance(result, CachedResponse):
            self.answered.append((task, result))
        else:
            self.claimed_elsewhere.append(task)
        return False
