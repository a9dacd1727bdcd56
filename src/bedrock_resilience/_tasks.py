"""The executor's asynchronous engine: the threaded one's twin, with tasks for workers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from bedrock_resilience._threads import length_of, tell
from bedrock_resilience.attempts import StopReason
from bedrock_resilience.ledger import Ledger, ends_run, outcome_of, unusable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator

    from bedrock_resilience.report import BatchReport, ItemOutcome, Progress
    from bedrock_resilience.retrier import Retrier

T = TypeVar("T")
R = TypeVar("R")


class BatchCancelled(asyncio.CancelledError):
    """The task that ran a batch was cancelled. ``report`` has every finished item; no worker is left."""

    def __init__(self, report: BatchReport[Any, Any]) -> None:
        super().__init__(f"{len(report.succeeded)} of {report.submitted} items had succeeded")
        self.report = report


class TaskRun(Generic[T, R]):
    """One run: its workers, its ledger, and the sleepers to wake when the run is stopped.

    Args:
        retrier: Carries each call through.
        fn: Awaited with each item.
        items: The input, synchronous or asynchronous.
        max_workers: Tasks.
        on_progress: Called after each item.
        streamed: Hand the outcomes to ``finished``, instead of keeping them for a report.
    """

    def __init__(
        self,
        retrier: Retrier,
        fn: Callable[[T], Awaitable[R]],
        items: Iterable[T] | AsyncIterable[T],
        max_workers: int,
        on_progress: Callable[[Progress], object] | None,
        *,
        streamed: bool = False,
    ) -> None:
        total = length_of(items)
        self.items: Iterator[T] | AsyncIterator[T] = aiter(items) if isinstance(items, AsyncIterable) else iter(items)
        self.ledger: Ledger[T, R] = Ledger(total, keep=not streamed, on_stop=self._wake)
        self.finished: asyncio.Queue[ItemOutcome[T, R] | None] = asyncio.Queue()
        self._retrier = retrier
        self._fn = fn
        self._on_progress = on_progress
        self._window = asyncio.Semaphore(max_workers) if streamed else None
        self._streamed = streamed
        self._workers = max_workers if total is None else min(max_workers, total)
        self._tasks: list[asyncio.Task[None]] = []
        self._sleepers: set[asyncio.Task[object]] = set()
        self._woken: set[asyncio.Task[object]] = set()
        self._input = asyncio.Lock()
        self._ending: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the workers."""
        self._tasks = [
            asyncio.create_task(self._work(), name=f"bedrock-resilience-{number}") for number in range(self._workers)
        ]
        self._ending = asyncio.create_task(self._end(), name="bedrock-resilience-end")

    async def wait(self) -> None:
        """Wait until every worker is done."""
        if self._ending is not None:
            await asyncio.shield(self._ending)

    async def abort(self, reason: str) -> None:
        """Stop: calls in flight are cancelled, and entered as such."""
        self.ledger.stop(reason)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.wait()

    async def leave_rest(self) -> None:
        """Close what is left of an asynchronous input as unstarted, if the run was stopped."""
        if (
            self.ledger.stopped is None
            or self.ledger.input_error is not None
            or not isinstance(self.items, AsyncIterator)
        ):
            return
        async for item in self.items:
            self.ledger.leave(item)
            self.tell_progress()

    def consumed(self) -> None:
        """The consumer of a stream is done with one result: one more item may be taken."""
        if self._window is not None:
            self._window.release()

    def tell_progress(self) -> None:
        """Call ``on_progress`` with a balanced snapshot."""
        if self._on_progress is not None:
            tell(self._on_progress, self.ledger.progress())

    async def _end(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks)
        self.finished.put_nowait(None)

    async def _work(self) -> None:
        while (taken := await self._take()) is not None:
            outcome, cancelled = await self._one(*taken)
            self.ledger.close(outcome)
            if self._streamed:
                self.finished.put_nowait(outcome)
            self.tell_progress()
            if cancelled:
                return

    async def _take(self) -> tuple[int, T] | None:
        if self._window is not None:
            await self._window.acquire()
        deadline = self._retrier.deadline
        if deadline is not None and not deadline.allows(self._retrier.clock.monotonic()):
            self.ledger.stop(StopReason.DEADLINE.value)
        if not isinstance(self.items, AsyncIterator):
            return self.ledger.take(self.items)
        async with self._input:
            return await self._take_awaited(self.items)

    async def _take_awaited(self, items: AsyncIterator[T]) -> tuple[int, T] | None:
        if self.ledger.stopped is not None:
            return None
        try:
            item = await anext(items)
        except StopAsyncIteration:
            return None
        except Exception as error:  # noqa: BLE001 - the input is the caller's; what it raises ends the run
            self.ledger.input_error = error
            self.ledger.stop(f"the input raised {type(error).__name__}")
            return None
        return self.ledger.take_item(item), item

    async def _one(self, index: int, item: T) -> tuple[ItemOutcome[T, R], bool]:
        retrier = self._retrier
        now = retrier.clock.monotonic
        started = now()
        try:
            call = retrier.begin((item,), {})
        except Exception as error:  # noqa: BLE001 - tokens() is the caller's; its error is this item's
            return unusable(index, item, error, retrier.classify(error)), False
        try:
            value = await retrier.adrive(call, self._fn, (item,), {}, self._pause)
        except BaseException as error:  # noqa: BLE001 - a failing item never stops the others; every error is accounted
            reason = ends_run(call)
            if reason is not None:
                self.ledger.stop(reason)
            task = asyncio.current_task()
            cancelled = task is not None and task.cancelling() > 0
            return outcome_of(index, item, call, now() - started, error=error), cancelled
        return outcome_of(index, item, call, now() - started, value), False

    async def _pause(self, seconds: float) -> bool:
        task = asyncio.current_task()
        if task is None or self.ledger.stopped is not None:
            return True
        self._sleepers.add(task)
        try:
            await self._retrier.clock.asleep(seconds)
        except asyncio.CancelledError:
            if task not in self._woken:
                raise
            self._woken.discard(task)
            if task.uncancel() > 0:  # cancelled from outside as well
                raise
            return True
        finally:
            self._sleepers.discard(task)
        return False

    def _wake(self) -> None:
        for task in self._sleepers - self._woken:
            self._woken.add(task)
            task.cancel()
        if self._window is not None:
            for _ in self._tasks:
                self._window.release()
