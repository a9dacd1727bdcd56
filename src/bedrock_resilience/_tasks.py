"""The executor's asynchronous engine: the threaded one's twin, with tasks for workers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from bedrock_resilience._threads import length_of, tell
from bedrock_resilience.attempts import StopReason
from bedrock_resilience.faults import Fault
from bedrock_resilience.ledger import Ledger, ends_run, outcome_of, unusable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator

    from bedrock_resilience.report import ItemOutcome, Progress
    from bedrock_resilience.retrier import Retrier

T = TypeVar("T")
R = TypeVar("R")


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
        self.ledger: Ledger[T, R] = Ledger(total, keep=not streamed)
        self._finished: asyncio.Queue[ItemOutcome[T, R] | None] = asyncio.Queue()
        self._retrier = retrier
        self._fn = fn
        self._on_progress = on_progress
        self._window = asyncio.Semaphore(max_workers) if streamed else None
        self._streamed = streamed
        self._workers = max_workers if total is None else min(max_workers, max(1, total))
        self._tasks: list[asyncio.Task[None]] = []
        self._sleepers: set[asyncio.Task[object]] = set()
        self._woken: set[asyncio.Task[object]] = set()
        self._input = asyncio.Lock()
        self._ending: asyncio.Task[None]

    def start(self) -> None:
        """Start the workers."""
        self._tasks = [
            asyncio.create_task(self._work(), name=f"bedrock-resilience-{number}") for number in range(self._workers)
        ]
        self._ending = asyncio.create_task(self._end(), name="bedrock-resilience-end")

    async def wait(self) -> None:
        """Wait until every worker is done."""
        await asyncio.shield(self._ending)

    async def abort(self, reason: str) -> None:
        """Stop: calls in flight are cancelled, and entered as such."""
        self.stop(reason)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.wait()

    def stop(self, reason: str) -> None:
        """Take no more items, and wake those that sleep between attempts."""
        self.ledger.stop(reason)
        self._wake()

    def undelivered(self) -> list[ItemOutcome[T, R]]:
        """What is finished and was not handed out by ``outcomes``."""
        outcomes: list[ItemOutcome[T, R]] = []
        while not self._finished.empty():
            outcome = self._finished.get_nowait()
            if outcome is not None:
                outcomes.append(outcome)
        return outcomes

    async def rest(self, *, listed: bool) -> AsyncIterator[ItemOutcome[T, R]]:
        """Close as unstarted what was not started any more; with ``listed``, also what is left of the input."""
        ledger = self.ledger
        for outcome in ledger.leave_late():
            yield outcome
        if not listed or ledger.stopped is None or ledger.input_error is not None:
            return
        if not isinstance(self.items, AsyncIterator):
            for outcome in ledger.leave_rest(self.items):
                yield outcome
            return
        try:
            async for item in self.items:
                yield ledger.leave(item)
        except Exception as error:  # noqa: BLE001 - the input is the caller's
            ledger.input_failed(error)

    async def outcomes(self) -> AsyncIterator[ItemOutcome[T, R]]:
        """What is finished, as it finishes. After a cancellation, ``undelivered`` has what was not yielded."""
        window = cast("asyncio.Semaphore", self._window)  # a stream has one
        while (outcome := await self._finished.get()) is not None:
            yield outcome
            del outcome  # the consumer's from here on
            window.release()  # one more item may be taken

    def tell_progress(self) -> None:
        """Call ``on_progress`` with a balanced snapshot."""
        if self._on_progress is not None:
            tell(self._on_progress, self.ledger.progress())

    async def _end(self) -> None:
        await asyncio.wait(self._tasks)
        self._finished.put_nowait(None)

    async def _work(self) -> None:
        try:
            while (taken := await self._take()) is not None:
                try:
                    outcome = await self._one(*taken)
                except Exception as error:  # noqa: BLE001 - not the item's: of a part handed in, such as classify
                    self._broken(error)
                    outcome = unusable(*taken, error, Fault.UNKNOWN)
                self.ledger.close(outcome)
                if self._streamed:
                    self._finished.put_nowait(outcome)
                self.tell_progress()
                del outcome  # its error's traceback leads to this frame
        except Exception as error:  # noqa: BLE001 - whoever waits for the run raises it
            self._broken(error)

    def _broken(self, error: BaseException) -> None:
        self.ledger.worker_failed(error)
        self._wake()

    async def _take(self) -> tuple[int, T] | None:
        if self._window is not None:
            await self._window.acquire()
        deadline = self._retrier.deadline
        if deadline is not None and not deadline.allows(self._retrier.clock.monotonic()):
            self.stop(StopReason.DEADLINE.value)
        if isinstance(self.items, AsyncIterator):
            async with self._input:
                taken = await self._take_awaited(self.items)
        else:
            taken = self.ledger.take(self.items)
        if self.ledger.stopped is not None:  # by the input, it may be
            self._wake()
        return taken

    async def _take_awaited(self, items: AsyncIterator[T]) -> tuple[int, T] | None:
        if self.ledger.stopped is not None:
            return None
        try:
            item = await anext(items)
        except StopAsyncIteration:
            return None
        except Exception as error:  # noqa: BLE001 - the input is the caller's; what it raises ends the run
            self.ledger.input_failed(error)
            return None
        return self.ledger.enter(item)

    async def _one(self, index: int, item: T) -> ItemOutcome[T, R]:
        retrier = self._retrier
        now = retrier.clock.monotonic
        started = now()
        try:
            call = retrier.begin((item,), {})
        except Exception as error:  # noqa: BLE001 - tokens() is the caller's; its error is this item's
            return unusable(index, item, error, retrier.classify(error))
        try:
            value = await retrier.adrive(call, self._fn, (item,), {}, self._pause)
        except BaseException as error:  # noqa: BLE001 - a failing item never stops the others; every error is accounted
            task = asyncio.current_task()
            # A worker that was cancelled takes no more items, and nobody else may be there to take them.
            reason = "cancelled" if task is not None and task.cancelling() > 0 else ends_run(call)
            if reason is not None:
                self.stop(reason)
            return outcome_of(index, item, call, now() - started, error=error)
        return outcome_of(index, item, call, now() - started, value)

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
