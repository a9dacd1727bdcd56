"""AttemptTimeout: ends an attempt of an asynchronous call that takes too long, under asyncio and under trio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bedrock_resilience._errors import AttemptTimeoutError
from bedrock_resilience.clock import running_trio

if TYPE_CHECKING:
    import asyncio
    from types import TracebackType

    from bedrock_resilience.clock import Clock


class AttemptTimeout:
    """A context manager that cancels the task inside ``with``, and raises ``AttemptTimeoutError`` in its place.

    It is that of ``asyncio.timeout``, but measures the time with the clock of the call. Its exit awaits nothing, so
    that a plain ``with attempt:`` can use it.

    Args:
        clock: Under asyncio, its ``timer`` measures the time, or its ``asleep`` if it has none. Under trio, trio's
            own clock does.
        seconds: The time limit.
    """

    __slots__ = ("_active", "_cancelling", "_clock", "_expired", "_scope", "_seconds", "_task", "_timer")

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._scope: Any = None
        self._expired = False  # pragma: no mutate - as good as None

    def __enter__(self) -> None:
        trio = running_trio()
        if trio is not None:
            self._scope = trio.move_on_after(self._seconds)
            self._scope.__enter__()
            return
        import asyncio  # noqa: PLC0415 - an asynchronous call has loaded it

        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("attempt_timeout needs a task of asyncio or trio")
        self._task = task
        self._cancelling = task.cancelling()
        timer = getattr(self._clock, "timer", self._clock.asleep)(self._seconds)
        self._timer: asyncio.Task[None] = asyncio.create_task(timer, name="bedrock-resilience-timeout")
        self._timer.add_done_callback(self._expire)
        self._active = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._scope is not None:
            ended = self._scope.__exit__(kind, error, traceback)  # pragma: no mutate - trio reads the exception alone
            if ended and self._scope.cancelled_caught:
                raise AttemptTimeoutError(self._seconds) from None
            return
        self._active = False  # pragma: no mutate - as good as None
        self._timer.cancel()
        import asyncio  # noqa: PLC0415 - as above

        # A cancellation from outside at the same time counts more.
        if self._expired and self._task.uncancel() <= self._cancelling and isinstance(error, asyncio.CancelledError):
            raise AttemptTimeoutError(self._seconds) from error

    def _expire(self, timer: asyncio.Task[None]) -> None:
        # If the timer ends in the same turn of the event loop as the attempt, this is called after ``__exit__``: a
        # cancellation would then hit what the task does next.
        if self._active and not timer.cancelled():
            self._expired = True
            self._task.cancel()
