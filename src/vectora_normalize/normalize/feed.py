"""The input of a batch that is shared with other runs: each item is claimed when a worker is free for it."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any

import msgspec

from vectora_normalize.normalize.answers import Answer, Claim
from vectora_normalize.stores import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bedrock_resilience.report import ItemOutcome
    from vectora_normalize.normalize.answers import AnswerStore
    from vectora_normalize.normalize.normalizer import Work


class Task(msgspec.Struct, eq=False):
    """An item on its way through a batch.

    Args:
        index: Its place in the input.
        work: The item and its request.
        claim: The right to ask about it; None: not taken, or not needed any more.
        spent: What attempts cost before the item turned out to be another run's.
    """

    index: int
    work: Work
    claim: Claim | None = None
    spent: ItemOutcome[Task, Any] | None = None


class Feed:
    """Tasks, claimed one by one. What is not the batch's to do is left out and remembered.

    Args:
        tasks: What is to be done.
        answers: Where they are claimed; None: nobody else can be at work on them.

    Attributes:
        answered: Tasks that others had answered by then.
        elsewhere: Tasks that others are at work on.
        broken: Tasks that could not be claimed; nobody asks about them.
    """

    def __init__(self, tasks: Sequence[Task], answers: AnswerStore | None) -> None:
        self._tasks = deque(tasks)
        self._answers = answers
        self._length = len(tasks)
        # Workers take tasks in threads of their own. The thread that started the run only asks when it is over, to
        # list what was not started: that needs no claim.
        self._starter = threading.get_ident()
        self.answered: list[tuple[Task, Answer]] = []
        self.elsewhere: list[Task] = []
        self.broken: list[tuple[Task, StoreError]] = []

    def __len__(self) -> int:
        """The number of tasks; fewer may come out."""
        return self._length

    def __iter__(self) -> Iterator[Task]:
        """Itself: there is one input."""
        return self

    def __next__(self) -> Task:
        """The next task that is the batch's to do."""
        while self._tasks:
            task = self._tasks.popleft()
            if self._answers is None or threading.get_ident() == self._starter or self._is_ours(task, self._answers):
                return task
        raise StopIteration

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
