"""The input of a batch that is shared with other runs: each item is claimed shortly before a worker is free for it."""

from __future__ import annotations

import threading
from collections import deque
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Self

import msgspec

from vectora_normalize.normalize.response_cache import Answer, Claim
from vectora_normalize.storage.objects import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bedrock_resilience.batch._report import ItemOutcome
    from vectora_normalize.normalize.normalizer import Work
    from vectora_normalize.normalize.response_cache import AnswerStore


class Task(msgspec.Struct, eq=False):
    """An item on its way through a batch.

    Args:
        index: Its place in the input.
        work: The item and its request.
        claim: The right to ask about it; None: not taken, or not needed any more.
        standing: The answer that was kept instead of this run's own.
        spent: What attempts cost before the item turned out to be another run's.
    """

    index: int
    work: Work
    claim: Claim | None = None
    standing: Answer | None = None
    spent: ItemOutcome[Task, Any] | None = None


class Feed:
    """Tasks, claimed a little before they are asked for. What is not the batch's to do is left out and remembered.

    A context manager, at whose beginning a thread begins to claim and at whose end it has stopped. To claim takes a
    request to the store; workers that all waited for it would wait one behind the other.

    Args:
        tasks: What is to be done.
        answers: Where they are claimed; None: nobody else can be at work on them.
        ahead: How many are claimed and not handed out yet.

    Attributes:
        answered: Tasks that others had answered by then.
        elsewhere: Tasks that others are at work on.
        broken: Tasks that could not be claimed; nobody asks about them.
    """

    def __init__(self, tasks: Sequence[Task], answers: AnswerStore | None, *, ahead: int = 1) -> None:
        self._tasks = deque(tasks)
        self._answers = answers
        self._length = len(tasks)
        # Workers take tasks in threads of their own. The thread that started the run only asks when it is over, to
        # list what was not started: that needs no claim.
        self._starter = threading.get_ident()
        self._room = threading.Semaphore(ahead)
        self._ready: SimpleQueue[Task | None] = SimpleQueue()  # None: there are no more
        self._claimer: threading.Thread | None = None
        self._stopped = False
        self._error: Exception | None = None
        self.answered: list[tuple[Task, Answer]] = []
        self.elsewhere: list[Task] = []
        self.broken: list[tuple[Task, StoreError]] = []

    def __enter__(self) -> Self:
        """Itself, with its thread at work."""
        if self._answers is not None:
            self._claimer = threading.Thread(target=self._claim, args=(self._answers,), name="claimer")
            self._claimer.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Claim no more."""
        self._stop()

    def __len__(self) -> int:
        """The number of tasks; fewer may come out."""
        return self._length

    def __iter__(self) -> Iterator[Task]:
        """Itself: there is one input."""
        return self

    def __next__(self) -> Task:
        """The next task that is the batch's to do."""
        if self._answers is None or threading.get_ident() == self._starter:
            return self._unclaimed()
        task = self._ready.get()
        if task is not None:
            self._room.release()
            return task
        self._ready.put(None)  # for the other workers
        if self._error is not None:
            raise self._error
        raise StopIteration

    def _unclaimed(self) -> Task:
        """The next task as it is: one that was claimed too late, or was not."""
        self._stop()
        while not self._ready.empty():
            task = self._ready.get()
            if task is not None:
                return task
        if not self._tasks:
            raise StopIteration
        return self._tasks.popleft()

    def _claim(self, answers: AnswerStore) -> None:
        """Claim one task after the other, as long as there is room for one more."""
        try:
            while self._room.acquire() and self._tasks and not self._stopped:
                task = self._tasks.popleft()
                if self._is_ours(task, answers):
                    self._ready.put(task)
                else:
                    self._room.release()
        except Exception as error:  # noqa: BLE001 - whoever asks for the next task raises it
            self._error = error
        finally:
            self._ready.put(None)

    def _stop(self) -> None:
        if self._claimer is not None:
            self._stopped = True
            self._room.release()
            self._claimer.join()
            self._claimer = None

    def _is_ours(self, task: Task, answers: AnswerStore) -> bool:
        try:
            taken = answers.take(task.work.key)
        except StoreError as error:
            self.broken.append((task, error))
            return False
        if isinstance(taken, Claim):
            task.claim = taken
            return True
        if isinstance(taken, Answer):
            self.answered.append((task, taken))
        else:
            self.elsewhere.append(task)
        return False
