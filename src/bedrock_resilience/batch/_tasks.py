"""The asynchronous engine of the executor: tasks that take items from the input themselves.

It does what ``_threads`` does, in one event loop, so that no lock is needed. Three things differ:

* A worker that sleeps is woken by canceling its task. ``_woken`` holds the tasks that this module canceled; for
  those, ``_pause`` takes the cancellation back (``uncancel``). Any other cancellation comes from outside and is raised.
* An asynchronous input is advanced in a task of its own (``AsyncInput``). A worker that stops waiting for it leaves
  that task running, so that the item it may still return is recorded and not lost.
* ``_halt`` is done when the run stops; it ends the waits for the input.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from bedrock_resilience._fault import Fault
from bedrock_resilience._stop_reason import StopReason
from bedrock_resilience.batch._contexts import run_in
from bedrock_resilience.batch._interrupts import InterruptHandler
from bedrock_resilience.batch._ledger import PROGRAMMING_ERRORS, Ledger, fatal_reason, outcome_of, unusable_item
from bedrock_resilience.batch._threads import call_progress, length_of
from bedrock_resilience.retrying._deadline import Deadline, earliest
from bedrock_resilience.retrying._driver import adrive, begin
from bedrock_resilience.retrying._retry_layers import enter_layer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator

    from bedrock_resilience.batch._progress import Progress
    from bedrock_resilience.batch._report import ItemOutcome
    from bedrock_resilience.retrying._driver import CallSettings

T = TypeVar("T")
R = TypeVar("R")

# Once a run has ended, items that the input yields within so many turns of the event loop are recorded; the executor
# does not wait longer.
_MAX_LOOP_TURNS = 8


class TaskRun(Generic[T, R]):
    """One run of the executor with tasks.

    Args:
        settings: What all calls share.
        fn: Awaited with each item.
        items: The input, synchronous or asynchronous.
        max_workers: Number of tasks.
        on_progress: Called after each item.
        streamed: Pass the outcomes to ``outcomes``, instead of keeping them for a report.
    """

    def __init__(
        self,
        settings: CallSettings,
        fn: Callable[[T], Awaitable[R]],
        items: Iterable[T] | AsyncIterable[T],
        max_workers: int,
        on_progress: Callable[[Progress], object] | None,
        *,
        streamed: bool = False,
    ) -> None:
        total = length_of(items)
        self._items: Iterator[T] | AsyncInput[T] = (
            AsyncInput(aiter(items)) if isinstance(items, AsyncIterable) else iter(items)
        )
        self.ledger: Ledger[T, R] = Ledger(total, keep=not streamed)
        self._finished: asyncio.Queue[ItemOutcome[T, R] | None] = asyncio.Queue()
        self._settings = settings
        self._fn = fn
        self._on_progress = on_progress
        self._window = asyncio.Semaphore(max_workers) if streamed else None
        self._streamed = streamed
        self._workers = max_workers if total is None else min(max_workers, max(1, total))
        self._tasks: list[asyncio.Task[None]] = []  # pragma: no mutate - ``start`` sets it
        self._sleepers: set[asyncio.Task[object]] = set()
        self._woken: set[asyncio.Task[object]] = set()
        self._input = asyncio.Lock()
        self._deadline: Deadline | None = earliest(settings.deadline, Deadline.current())
        self._halt: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ending: asyncio.Task[None]
        self._interrupted = False  # pragma: no mutate - as good as None

    def start(self) -> None:
        """Start the workers."""
        context = contextvars.copy_context()
        context.run(enter_layer, self._settings.policy)
        self._tasks = [
            asyncio.create_task(self._work(), name=f"bedrock-resilience-{number}", context=context.copy())
            for number in range(self._workers)
        ]
        self._ending = asyncio.create_task(self._end(), name="bedrock-resilience-end")

    async def wait(self) -> None:
        """Wait until every worker is done."""
        await asyncio.shield(self._ending)

    async def abort(self, reason: str, *, listed: bool = False) -> None:
        """Stop the run, cancel the calls in flight and record them as canceled; with ``listed``, also the rest.

        A further cancellation of the caller, or a Ctrl-C, cancels the calls in flight again, and does not end this
        method: what is finished would be lost, and tasks would be left running. A second Ctrl-C does end it, because a
        call may not let itself be canceled.
        """
        try:
            await self._abort_deferring(reason, listed=listed)
        except KeyboardInterrupt:  # before it was deferred, or after
            self._interrupted = True
            await self._abort_deferring(reason, listed=listed)  # pragma: no mutate - Ctrl-C at random moments

    async def _abort_deferring(self, reason: str, *, listed: bool) -> None:
        loop = asyncio.get_running_loop()

        def interrupt() -> None:
            self._interrupted = interrupts.count == 1
            if not self._interrupted:
                interrupts.restore()
                raise KeyboardInterrupt  # out of the event loop
            loop.call_soon_threadsafe(self._cancel_workers)

        with InterruptHandler(interrupt) as interrupts:
            ending: asyncio.Task[None] | None = None
            # asyncio.run cancels all tasks that a Ctrl-C has left, this one among them.
            while ending is None or ending.cancelled():
                ending = asyncio.create_task(self._abort(reason, listed=listed), name="bedrock-resilience-abort")
                while not ending.done():
                    with suppress(asyncio.CancelledError):
                        await asyncio.shield(ending)
                    if not ending.done():
                        self._cancel_workers()
        ending.result()

    def raise_interrupt(self) -> None:
        """Raise the Ctrl-C that came during ``abort``, once the report is attached to the exception before."""
        if self._interrupted:
            raise KeyboardInterrupt

    async def _abort(self, reason: str, *, listed: bool) -> None:
        self.stop(reason)
        self._cancel_workers()
        every = (*self._tasks, self._ending)  # pragma: no mutate - the ending ends with the workers
        await asyncio.gather(*every, return_exceptions=True)
        if listed:
            async for _ in self.remaining(listed=self.ledger.total is not None):
                self.report_progress()
        if isinstance(self._items, AsyncInput):
            await self._items.close()

    def _cancel_workers(self) -> None:
        for task in self._tasks:
            task.cancel()

    def stop(self, reason: str) -> None:
        """Take no more items, and wake the workers that sleep between attempts."""
        self.ledger.stop(reason)
        self._wake_workers()

    def undelivered(self) -> list[ItemOutcome[T, R]]:
        """Return the finished outcomes that ``outcomes`` has not yielded."""
        outcomes: list[ItemOutcome[T, R]] = []
        while not self._finished.empty():
            outcome = self._finished.get_nowait()
            if outcome is not None:
                outcomes.append(outcome)
        return outcomes

    async def remaining(self, *, listed: bool) -> AsyncIterator[ItemOutcome[T, R]]:
        """Close the items that were not started; with ``listed``, also those that are left in the input.

        This waits for an asynchronous input until the deadline; after that, only items that are ready are listed.
        """
        ledger = self.ledger
        listed = listed and ledger.stopped is not None and ledger.input_error is None
        if isinstance(self._items, AsyncInput):
            while await self._has_item(self._items, listed=listed):
                self._register_item(self._items)  # the run has stopped: kept for close_late
            await self._items.close()
        elif listed:
            for outcome in ledger.close_input(self._items):
                yield outcome
        for outcome in ledger.close_late():
            yield outcome

    async def outcomes(self) -> AsyncIterator[ItemOutcome[T, R]]:
        """Yield the outcomes as they finish. After a cancellation, ``undelivered`` has those that were not yielded."""
        window = cast("asyncio.Semaphore", self._window)  # a stream has one
        while (outcome := await self._finished.get()) is not None:
            yield outcome
            del outcome  # the consumer may free its memory while the next one is awaited
            window.release()

    def report_progress(self) -> None:
        """Call ``on_progress`` with a balanced snapshot."""
        if self._on_progress is not None:
            call_progress(self._on_progress, self.ledger.progress())

    async def _end(self) -> None:
        await asyncio.wait(self._tasks)
        self._finished.put_nowait(None)

    async def _work(self) -> None:
        try:
            while (item := await self._next_item()) is not None:
                try:
                    outcome = await run_in(contextvars.copy_context(), self._carry_through(*item))
                except Exception as error:  # noqa: BLE001 - raised by a part of the call, such as classify
                    self._worker_failed(error)
                    outcome = unusable_item(*item, error, Fault.UNKNOWN)
                self.ledger.close(outcome)
                if self._streamed:
                    self._finished.put_nowait(outcome)
                self.report_progress()
                del outcome, item  # the traceback of its error refers to this frame
        except asyncio.CancelledError:
            self.stop("cancelled")  # no other worker may be left to take the remaining items
            raise
        except Exception as error:  # noqa: BLE001 - raised again by the task that waits for the run
            self._worker_failed(error)

    def _worker_failed(self, error: BaseException) -> None:
        self.ledger.worker_failed(error)
        self._wake_workers()

    async def _next_item(self) -> tuple[int, T] | None:
        if self._window is not None:
            await self._window.acquire()
        if self._is_late():
            self.stop(StopReason.DEADLINE.value)
        if self._settings.stop_event is not None and self._settings.stop_event.is_set():
            self.stop(StopReason.RUN_STOPPED.value)
        if isinstance(self._items, AsyncInput):
            async with self._input:
                item = await self._next_async_item(self._items)
        else:
            item = self.ledger.next_item(self._items)
        if self.ledger.stopped is not None:  # the input may have stopped the run
            self._wake_workers()
        return item

    async def _next_async_item(self, items: AsyncInput[T]) -> tuple[int, T] | None:
        if self.ledger.stopped is not None:
            return None
        request = items.request()
        if request is None:
            return None
        await _loop_turn()  # most inputs have their next item ready
        if request.done() or await self._wait_for(request, self._halt):
            return self._register_item(items)
        return None  # the request stays open, for ``remaining``

    async def _has_item(self, items: AsyncInput[T], *, listed: bool) -> bool:
        """Return whether the input has one more item. Only with ``listed``, request one from it and wait."""
        request = items.request() if listed else items.pending
        if request is None:
            return False
        for _ in range(_MAX_LOOP_TURNS):
            if request.done():
                return True
            await _loop_turn()
        return listed and not self._is_late() and await self._wait_for(request)

    async def _wait_for(self, request: asyncio.Task[T], *ends: asyncio.Future[None]) -> bool:
        """Wait for an item of the input, until the deadline or until one of ``ends`` is done."""
        watch = () if self._deadline is None else (asyncio.create_task(self._watch(self._deadline)),)
        try:
            await asyncio.wait({request, *watch, *ends}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in watch:
                await _cancel(task)
        return request.done()

    async def _watch(self, deadline: Deadline) -> None:
        """Stop the run at the deadline, which workers that wait for the input do not notice themselves."""
        clock = self._settings.clock
        try:
            await clock.asleep(deadline.remaining(clock.monotonic() + deadline.attempt))
        except Exception as error:  # noqa: BLE001 - the clock is the caller's
            self._worker_failed(error)
        else:
            self.stop(StopReason.DEADLINE.value)

    def _is_late(self) -> bool:
        return self._deadline is not None and not self._deadline.allows(self._settings.clock.monotonic())

    def _register_item(self, items: AsyncInput[T]) -> tuple[int, T] | None:
        try:
            item = items.result()
        except StopAsyncIteration:
            return None
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - an exception of the input ends the run
            self.ledger.input_failed(error)
            return None
        return self.ledger.register(item)

    async def _carry_through(self, index: int, item: T) -> ItemOutcome[T, R]:
        settings = self._settings
        now = settings.clock.monotonic
        started = now()
        try:
            call = begin(settings, (item,), {})
        except Exception as error:  # noqa: BLE001 - tokens() is the caller's function; its error belongs to this item
            return unusable_item(index, item, error, settings.classify(error))
        try:
            value = await adrive(settings, call, self._fn, (item,), {}, self._pause)
        except BaseException as error:  # noqa: BLE001 - an item that fails does not stop the others
            # Where ``asyncio.run`` does not handle a Ctrl-C, Python raises it in the code that runs.
            if isinstance(error, (*PROGRAMMING_ERRORS, KeyboardInterrupt)):
                self._worker_failed(error)
            task = asyncio.current_task()
            # A worker that was canceled takes no more items, and no other worker may be left to take them.
            reason = "cancelled" if task is not None and task.cancelling() > 0 else fatal_reason(call)
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
            await self._settings.clock.asleep(seconds)
        except asyncio.CancelledError:
            if task not in self._woken:
                raise
            if task.uncancel() > 0:  # also canceled from outside
                raise
            return True
        finally:
            self._sleepers.discard(task)
        return False

    def _wake_workers(self) -> None:
        if not self._halt.done():
            self._halt.set_result(None)
        for task in self._sleepers - self._woken:
            self._woken.add(task)
            task.cancel()
        if self._window is not None:
            for _ in self._tasks:
                self._window.release()


class AsyncInput(Generic[T]):
    """An asynchronous input that is asked for one item at a time. A request may outlive the worker that made it.

    Attributes:
        pending: The open request, done or not; None if there is none.
    """

    def __init__(self, items: AsyncIterator[T]) -> None:
        self._items = items
        self._exhausted = False  # pragma: no mutate - as good as None
        self.pending: asyncio.Task[T] | None = None

    def request(self) -> asyncio.Task[T] | None:
        """Return the open request, or a new one; None if the input has ended."""
        if self.pending is None and not self._exhausted:
            self.pending = asyncio.create_task(self._next(), name="bedrock-resilience-input")
        return self.pending

    def result(self) -> T:
        """Return the item of the open request, which is done.

        Raises:
            BaseException: What the input raised; ``StopAsyncIteration`` at its end.
        """
        request, self.pending = cast("asyncio.Task[T]", self.pending), None
        try:
            return request.result()
        except BaseException:
            self._exhausted = True
            raise

    async def close(self) -> None:
        """Cancel the open request."""
        request, self.pending = self.pending, None
        if request is not None:
            await _cancel(request)

    async def _next(self) -> T:
        return await anext(self._items)


async def _cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _loop_turn() -> None:
    await asyncio.sleep(0)  # noqa: TID251 - one turn of the event loop, which takes no time
