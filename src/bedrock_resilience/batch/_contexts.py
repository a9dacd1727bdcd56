"""A context of its own for each item, so that context variables do not leak from one item to the next."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator
    from contextvars import Context

T = TypeVar("T")


@types.coroutine
def run_in(context: Context, coroutine: Coroutine[Any, Any, T]) -> Generator[Any, Any, T]:
    """Await a coroutine in another context, within the same task."""
    step, argument = coroutine.send, None
    while True:
        try:
            awaited = context.run(step, argument)
        except StopIteration as done:
            result: T = done.value
            return result
        try:
            argument = yield awaited
        except BaseException as error:  # noqa: BLE001 - a cancellation among others; the coroutine decides
            step, argument = coroutine.throw, error
        else:
            step = coroutine.send
