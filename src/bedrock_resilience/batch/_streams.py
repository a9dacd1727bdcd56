"""The iterators over the outcomes of a running batch."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Generic, TypeVar

from bedrock_resilience.batch._errors import BatchInterrupted
from bedrock_resilience.batch._report import BatchReport
from bedrock_resilience.batch._report_of import attach_report, finish

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
    from types import TracebackType
    from typing import Self

    from bedrock_resilience.batch._report import ItemOutcome
    from bedrock_resilience.batch._tasks import TaskRun
    from bedrock_resilience.batch._threads import ThreadedRun

T = TypeVar("T")
R = TypeVar("R")

_CLOSED = "closed by its consumer"


class OutcomeStream(Generic[T, R]):
    """An iterator over outcomes. The run starts with the first one, and ends when the iterator is closed.

    Use it in a ``with`` block. Leaving the block closes the iterator. ``report_of`` returns, from the exception that
    left it, the outcomes that were finished and not yielded, also after a Ctrl-C in the body of the loop.
    """

    def __init__(self, run: ThreadedRun[T, R]) -> None:
        self._run: ThreadedRun[T, R] = run
        self._outcomes: Generator[ItemOutcome[T, R], None, None] = _outcomes(run)

    @property
    def report(self) -> BatchReport[T, R]:
        """The outcomes that are finished and were not yielded."""
        return _undelivered(self._run)

    def close(self) -> None:
        """Stop the run, and wait for the calls in flight."""
        self._outcomes.close()

    def __iter__(self) -> Iterator[ItemOutcome[T, R]]:
        return self

    def __next__(self) -> ItemOutcome[T, R]:
        return next(self._outcomes)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self.close()
        finally:
            if error is not None and getattr(error, "report", None) is None:
                attach_report(error, self.report)


class AsyncOutcomeStream(Generic[T, R]):
    """An asynchronous iterator over outcomes; the twin of ``OutcomeStream``, for ``async with`` and ``async for``."""

    def __init__(self, make_run: Callable[[], TaskRun[T, R]]) -> None:
        self._left: list[BatchReport[T, R]] = []
        # make_run is called in the event loop, with the first outcome.
        self._outcomes: AsyncGenerator[ItemOutcome[T, R], None] = _async_outcomes(make_run, self._left)

    @property
    def report(self) -> BatchReport[T, R]:
        """The outcomes that were finished and not yielded when the iterator was closed or canceled."""
        return self._left[0] if self._left else BatchReport(())

    async def aclose(self) -> None:
        """Stop the run, cancel the calls in flight, and wait for them."""
        await self._outcomes.aclose()

    def __aiter__(self) -> AsyncIterator[ItemOutcome[T, R]]:
        return self

    async def __anext__(self) -> ItemOutcome[T, R]:
        return await anext(self._outcomes)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            await self.aclose()
        finally:
            if error is not None and getattr(error, "report", None) is None:
                attach_report(error, self.report)


async def _async_outcomes(
    make_run: Callable[[], TaskRun[T, R]], left: list[BatchReport[T, R]]
) -> AsyncGenerator[ItemOutcome[T, R], None]:
    # This is no method of the stream: a generator that refers to the stream would make a reference cycle, and a stream
    # that is dropped before its end would not be closed at once.
    run = make_run()
    run.start()
    try:
        async for outcome in run.outcomes():
            yield outcome
            del outcome  # the consumer may free its memory while the next one is awaited
    except BaseException as error:  # canceled, or closed by its consumer
        await run.abort(_CLOSED)
        left.append(_undelivered(run))
        attach_report(error, left[0])
        run.raise_interrupt()
        raise
    async for outcome in run.remaining(listed=run.ledger.total is not None):
        yield outcome
    finish(run.ledger, run.ledger.report(0.0))


def _outcomes(run: ThreadedRun[T, R]) -> Generator[ItemOutcome[T, R], None, None]:
    try:
        run.start()
        yield from run.outcomes()
    except KeyboardInterrupt:
        with suppress(KeyboardInterrupt):  # a second one ends the wait for the calls in flight
            run.abort("interrupted")
        raise BatchInterrupted(_undelivered(run)) from None
    except BaseException:  # mostly GeneratorExit
        run.abort(_CLOSED)  # pragma: no mutate - no one reads the reason
        raise
    run.join()
    yield from run.remaining(listed=run.ledger.total is not None)
    finish(run.ledger, run.ledger.report(0.0))


def _undelivered(run: ThreadedRun[T, R] | TaskRun[T, R]) -> BatchReport[T, R]:
    return BatchReport(tuple(run.undelivered()), stopped=run.ledger.stopped)
