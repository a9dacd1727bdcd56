"""Whether a recorded history of concurrent operations is that of some order of them, one after the other.

The algorithm is that of Wing and Gong, with the memory of Lowe: an operation may come next if none of the others had
ended before it began; an order of the same operations that leads to the same state is tried once.
"""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

S = TypeVar("S", bound="Hashable")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation that has ended.

    Args:
        began: When it began; instants are numbers in the order in which they were recorded.
        ended: When it ended.
        process: Who did it.
        name: What it was.
        argument: With what.
        result: What it returned.
    """

    began: int
    ended: int
    process: str
    name: str
    argument: Any
    result: Any


class History:
    """Records the operations of many threads, by the object on which they are."""

    def __init__(self) -> None:
        self._instants = itertools.count()
        self._lock = threading.Lock()
        self.operations: dict[str, list[Operation]] = {}

    def record(
        self,
        key: str,
        process: str,
        name: str,
        argument: object,
        operation: Callable[[], R],
        shown: Callable[[R], object] = lambda result: result,
    ) -> R:
        """Carry out an operation, and record it. One that raises is not recorded: nobody knows whether it happened."""
        began = next(self._instants)
        result = operation()
        ended = next(self._instants)
        done = Operation(began, ended, process, name, argument, shown(result))
        with self._lock:
            self.operations.setdefault(key, []).append(done)
        return result


class Linearizability(Generic[S]):
    """Checks histories of one kind of object.

    Args:
        initial: The state of a new object.
        step: Returns the state after an operation, or None where the operation cannot have had its result.
    """

    def __init__(self, initial: S, step: Callable[[S, Operation], tuple[S] | None]) -> None:
        self._initial = initial
        self._step = step

    def order(self, history: Sequence[Operation]) -> list[Operation] | None:
        """Return an order of the operations in which each has its result; None where there is none."""
        tried: set[tuple[int, S]] = set()
        everything = (1 << len(history)) - 1
        stack: list[tuple[int, S, Iterator[int]]] = [(0, self._initial, iter(self._next(history, 0)))]
        order: list[Operation] = []
        while stack:
            done, state, candidates = stack[-1]
            if done == everything:
                return order
            for index in candidates:
                after = self._step(state, history[index])
                if after is None or (done | 1 << index, after[0]) in tried:
                    continue
                tried.add((done | 1 << index, after[0]))
                order.append(history[index])
                stack.append((done | 1 << index, after[0], iter(self._next(history, done | 1 << index))))
                break
            else:
                stack.pop()
                if order:
                    order.pop()
        return None

    @staticmethod
    def _next(history: Sequence[Operation], done: int) -> list[int]:
        """The operations that may come next: no other one that is left had ended before they began."""
        left = [index for index in range(len(history)) if not done >> index & 1]
        first_end = min((history[index].ended for index in left), default=0)
        return [index for index in left if history[index].began <= first_end]
