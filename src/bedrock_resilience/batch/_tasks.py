"""The executor's asynchronous engine: the threaded one's twin, with tasks for workers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from bedrock_resilience._fault import Fault
from bedrock_resilience.batch._ledger import Ledger, fatal_reason, outcome_of, unusable
from bedrock_resilience.batch._threads import length_of, tell
from bedrock_resilience.retrying._attempts import StopReason
from bedrock_resilience.retrying._deadline_var import enclosing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator

    from bedrock_resilience.batch._report import ItemOutcome, Progress
    from bedrock_resilience.retrying._deadline import Deadline
    from bedrock_resilience.retrying._retrier import Retrier

T = TypeVar("T")
R = TypeVar("R")

# After the end of a run, what an input yields within so many turns of the event loop is at hand; nobody waits for more.
_TURNS = 8


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
        self._items: Iterator[T] | AwaitedInput[T] = (
            AwaitedInput(aiter(items)) if isinstance(items, AsyncIterable) else iter(items)
        )
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
        self._deadline: Deadline | None = _stricter(retrier.deadline)
        self._halt: asyncio.Future[None] = asyncio.get_running_loop().create_future()
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
        if isinstance(self._items, AwaitedInput):
            await self._items.leave()

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
        """Close as unstarted what was not started any more; with ``listed``, also what is left of the input.

        An asynchronous input is waited for until the deadline; after that, only what it has at hand is listed.
        """
        ledger = self.ledger
        listed = listed and ledger.stopped is not None and ledger.input_error is None
        if isinstance(self._items, AwaitedInput):
            while await self._is_answered(self._items, listed=listed):
                self._enter_answer(self._items)  # it comes late, all of it
            await self._items.leave()
        elif listed:
            for outcome in ledger.leave_rest(self._items):
                yield outcome
        for outcome in ledger.leave_late():
            yield outcome

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
        except asyncio.CancelledError:
            self.stop("cancelled")  # nobody else may be there to take what is left
            raise
        except Exception as error:  # noqa: BLE001 - whoever waits for the run raises it
            self._broken(error)

    def _broken(self, error: BaseException) -> None:
        self.ledger.worker_failed(error)
        self._wake()

    async def _take(self) -> tuple[int, T] | None:
        if self._window is not None:
            await self._window.acquire()
        if self._is_late():
            self.stop(StopReason.DEADLINE.value)
        if isinstance(self._items, AwaitedInput):
            async with self._input:
                taken = await self._take_awaited(self._items)
        else:
            taken = self.ledger.take(self._items)
        if self.ledger.stopped is not None:  # by the input, it may be
            self._wake()
        return taken

    async def _take_awaited(self, items: AwaitedInput[T]) -> tuple[int, T] | None:
        if self.ledger.stopped is not None:
            return None
        answer = items.ask()
        if answer is None:
            return None
        await _turn()  # most inputs have their next item at hand
        if answer.done() or await self._comes(answer, self._halt):
            return self._enter_answer(items)
        return None  # the question stays open, for ``rest``

    async def _is_answered(self, items: AwaitedInput[T], *, listed: bool) -> bool:
        """Is there one more item? Only with ``listed`` is the input asked for it, and waited for."""
        answer = items.ask() if listed else items.asked
        if answer is None:
            return False
        for _ in range(_TURNS):
            if answer.done():
                return True
            await _turn()
        return listed and not self._is_late() and await self._comes(answer)

    async def _comes(self, answer: asyncio.Task[T], *ends: asyncio.Future[None]) -> bool:
        """Wait for an answer of the input, until the deadline or one of the ends."""
        watch = () if self._deadline is None else (asyncio.create_task(self._watch(self._deadline)),)
        try:
            await asyncio.wait({answer, *watch, *ends}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in watch:
                await _end(task)
        return answer.done()

    async def _watch(self, deadline: Deadline) -> None:
        """Stop the run when the deadline passes: workers that wait for the input do not notice."""
        clock = self._retrier.clock
        try:
            await clock.asleep(deadline.remaining(clock.monotonic() + deadline.attempt))
        except Exception as error:  # noqa: BLE001 - the clock is the caller's
            self._broken(error)
        else:
            self.stop(StopReason.DEADLINE.value)

    def _is_late(self) -> bool:
        return self._deadline is not None and not self._deadline.allows(self._retrier.clock.monotonic())

    def _enter_answer(self, items: AwaitedInput[T]) -> tuple[int, T] | None:
        try:
            item = items.take()
        except StopAsyncIteration:
            return None
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - the input is the caller's; what it raises ends the run
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
        if not self._halt.done():
            self._halt.set_result(None)
        for task in self._sleepers - self._woken:
            self._woken.add(task)
            task.cancel()
        if self._window is not None:
            for _ in self._tasks:
                self._window.release()


class AwaitedInput(Generic[T]):
    """An asynchronous input, asked for one item at a time. A question may stay open when nobody waits for it any more.

    Attributes:
        asked: The open question, answered or not.
    """

    def __init__(self, items: AsyncIterator[T]) -> None:
        self._items = items
        self._over = False
        self.asked: asyncio.Task[T] | None = None

    def ask(self) -> asyncio.Task[T] | None:
        """The open question, or a new one; None where the input has ended."""
        if self.asked is None and not self._over:
            self.asked = asyncio.create_task(self._next(), name="bedrock-resilience-input")
        return self.asked

    def take(self) -> T:
        """The answer to the open question.

        Raises:
            BaseException: What the input raised, ``StopAsyncIteration`` at its end.
        """
        answer, self.asked = cast("asyncio.Task[T]", self.asked), None
        try:
            return answer.result()
        except BaseException:
            self._over = True
            raise

    async def leave(self) -> None:
        """Ask for nothing more: an input that is still at it is cancelled."""
        asked, self.asked = self.asked, None
        if asked is not None:
            await _end(asked)

    async def _next(self) -> T:
        return await anext(self._items)


async def _end(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _turn() -> None:
    await asyncio.sleep(0)  # noqa: TID251 - a turn of the event loop, no time


def _stricter(deadline: Deadline | None) -> Deadline | None:
    shared: Deadline | None = enclosing.get()
    if shared is None:
        return deadline
    from bedrock_resilience.retrying._deadline import earliest  # noqa: PLC0415 - there is one, so it is loaded

    return earliest(deadline, shared)
