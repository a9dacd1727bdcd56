"""BoundedExecutor: many items, few workers, every call under one policy, and an account of all of them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from bedrock_resilience.batch._ledger import Ledger
from bedrock_resilience.batch._report import BatchReport
from bedrock_resilience.batch._threads import ThreadedRun
from bedrock_resilience.clock import SYSTEM_CLOCK
from bedrock_resilience.errors import BatchInterrupted, InputError
from bedrock_resilience.retrying._faults import classify as _classify
from bedrock_resilience.retrying._policy import RetryPolicy
from bedrock_resilience.retrying._retrier import Retrier

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator

    from bedrock_resilience._fault import Fault
    from bedrock_resilience.batch._report import ItemOutcome, Progress
    from bedrock_resilience.batch._tasks import TaskRun
    from bedrock_resilience.clock import Clock
    from bedrock_resilience.pacing import Pacer
    from bedrock_resilience.quotas._usage import RequestTokens
    from bedrock_resilience.retrying._budget import RetryBudget
    from bedrock_resilience.retrying._deadline import Deadline
    from bedrock_resilience.retrying._events import Listener

T = TypeVar("T")
R = TypeVar("R")


class BoundedExecutor:
    """Runs a function over many items with few workers. Holds no state of a run; the pacer and the budget are shared.

    An item that fails never stops the others, unless its fault says that all others would fail the same way
    (``fault.fatal``). Items that were not started when a run stopped are reported as unstarted, with the reason.

    Args:
        max_workers: Calls in flight at the most, and items taken from the input ahead of the results.
        policy: What is retried, how often, after which delays.
        deadline: No item is started, and no sleep begun, that would end past it.
        budget: Bounds the retries of the whole batch.
        pacer: Asked before every attempt, shared by all workers.
        clock: Where time comes from. One with a ``wait`` method (``InterruptibleClock``) can be woken when a run stops.
        listeners: Called with each event of ``bedrock_resilience.retrying._events``.
        on_progress: Called with a ``Progress`` after each item, by one worker at a time.
        rng: Where jitter comes from.
        tokens: What the request for an item may use at most (input + max_tokens): a number, for a pacer that counts
            tokens; or a ``RequestTokens``, with which the report also tells what was reserved, what it cost and what
            was reserved in vain; or a function of the item that returns either. What it cost is read off the ``usage``
            of what ``fn`` returns: an answer of Bedrock, or a mapping that hands its ``usage`` on.
        classify: Reads a ``Fault`` off an exception.

    Raises:
        ValueError: ``max_workers`` is no whole number >= 1.
    """

    def __init__(  # noqa: PLR0913 - the options of a run, all by name
        self,
        max_workers: int = 4,
        *,
        policy: RetryPolicy = RetryPolicy(),  # noqa: B008 - a frozen value
        deadline: Deadline | None = None,
        budget: RetryBudget | None = None,
        pacer: Pacer | None = None,
        clock: Clock = SYSTEM_CLOCK,
        listeners: Iterable[Listener] = (),
        on_progress: Callable[[Progress], object] | None = None,
        rng: random.Random | None = None,
        tokens: int | RequestTokens | Callable[..., int | RequestTokens] = 0,
        classify: Callable[[BaseException], Fault] = _classify,
    ) -> None:
        if not isinstance(max_workers, int) or isinstance(max_workers, bool) or max_workers < 1:
            raise ValueError(f"BoundedExecutor: max_workers: got {max_workers!r}; accepted: a whole number >= 1")
        if on_progress is not None and not callable(on_progress):
            raise TypeError(f"BoundedExecutor: on_progress: got {on_progress!r}; accepted: a callable of one Progress")
        self.max_workers: int = max_workers
        self.on_progress: Callable[[Progress], object] | None = on_progress
        self.retrier: Retrier = Retrier(
            policy,
            clock=clock,
            rng=rng,
            deadline=deadline,
            budget=budget,
            pacer=pacer,
            listeners=listeners,
            tokens=tokens,
            classify=classify,
        )

    def run(self, fn: Callable[[T], R], items: Iterable[T]) -> BatchReport[T, R]:
        """Call ``fn(item)`` for every item, in worker threads; the report lists the outcomes in input order.

        The input must be finite: where the run is stopped, what is left of it is listed as unstarted.

        Raises:
            BatchInterrupted: A KeyboardInterrupt came; it carries the report.
            InputError: The input itself raised; it carries the report.
        """
        _check_synchronous(fn)
        now = self.retrier.clock.monotonic
        started = now()
        run = ThreadedRun(self.retrier, fn, items, self.max_workers, self.on_progress)
        try:
            run.start()
            run.wait()
            for _ in run.rest(listed=True):
                run.tell_progress()
        except KeyboardInterrupt:
            # A second Ctrl-C ends the wait for the calls in flight; their threads end with them.
            with suppress(KeyboardInterrupt):
                run.abort("interrupted")
                # Nobody wants to wait now for an input that has to be asked for its items one by one.
                for _ in run.rest(listed=run.ledger.total is not None):
                    run.tell_progress()
            raise BatchInterrupted(run.ledger.report(now() - started)) from None
        except BaseException as ended:  # a signal handler of the caller's, say: no worker is left behind
            run.abort("interrupted")  # pragma: no mutate - nobody is told any more
            _attach(ended, run.ledger.report(now() - started))
            raise
        return _checked(run.ledger, run.ledger.report(now() - started))

    def stream(self, fn: Callable[[T], R], items: Iterable[T]) -> Iterator[ItemOutcome[T, R]]:
        """Call ``fn(item)`` for every item, in worker threads; yields the outcomes as they finish.

        The input may be endless: at most ``max_workers`` items are taken ahead of the results that the consumer has
        finished with, and memory stays flat. Where the run is stopped, the rest of an input that knows its length is
        yielded as unstarted; the rest of any other is left in it. Closing the iterator stops the run.

        Raises:
            BatchInterrupted: A KeyboardInterrupt came; it carries the outcomes that were finished and not yet yielded.
            InputError: The input itself raised, after all outcomes were yielded.
        """
        _check_synchronous(fn)
        run = ThreadedRun(self.retrier, fn, items, self.max_workers, self.on_progress, streamed=True)
        try:
            run.start()
            yield from run.outcomes()
        except KeyboardInterrupt:
            with suppress(KeyboardInterrupt):  # a second one ends the wait for the calls in flight
                run.abort("interrupted")
            raise BatchInterrupted(_undelivered(run)) from None
        except BaseException:  # GeneratorExit most of the time
            run.abort("closed by its consumer")  # pragma: no mutate - nobody is told any more
            raise
        run.join()
        yield from run.rest(listed=run.ledger.total is not None)
        _checked(run.ledger, run.ledger.report(0.0))

    async def arun(self, fn: Callable[[T], Awaitable[R]], items: Iterable[T] | AsyncIterable[T]) -> BatchReport[T, R]:
        """The asynchronous twin of ``run``: awaits ``fn(item)`` for every item, in tasks.

        An asynchronous input that goes quiet does not hold the run up beyond its deadline; what is left in it then is
        listed as far as it is at hand.

        Raises:
            CancelledError: This task was cancelled. ``report_of`` reads the report off it, and off the ``TimeoutError``
                that ``asyncio.timeout`` makes of it.
            InputError: The input itself raised; it carries the report.
        """
        import asyncio  # noqa: PLC0415 - the synchronous executor does without

        from bedrock_resilience.batch._tasks import TaskRun  # noqa: PLC0415 - as asyncio

        _check_callable(fn)
        now = self.retrier.clock.monotonic
        started = now()
        run = TaskRun(self.retrier, fn, items, self.max_workers, self.on_progress)
        run.start()
        try:
            await run.wait()
        except asyncio.CancelledError as cancelled:
            await run.abort("cancelled")
            async for _ in run.rest(listed=run.ledger.total is not None):
                run.tell_progress()
            _attach(cancelled, run.ledger.report(now() - started))
            raise
        async for _ in run.rest(listed=True):
            run.tell_progress()
        return _checked(run.ledger, run.ledger.report(now() - started))

    async def astream(
        self, fn: Callable[[T], Awaitable[R]], items: Iterable[T] | AsyncIterable[T]
    ) -> AsyncIterator[ItemOutcome[T, R]]:
        """The asynchronous twin of ``stream``.

        Raises:
            CancelledError: The task that asked for the next outcome was cancelled. ``report_of`` reads off it the
                outcomes that were finished and not yet yielded.
            InputError: The input itself raised, after all outcomes were yielded.
        """
        from bedrock_resilience.batch._tasks import TaskRun  # noqa: PLC0415 - the synchronous executor does without

        _check_callable(fn)
        run = TaskRun(self.retrier, fn, items, self.max_workers, self.on_progress, streamed=True)
        run.start()
        try:
            async for outcome in run.outcomes():
                yield outcome
                del outcome  # the consumer's from here on
        except BaseException as ended:  # cancelled, or closed by its consumer
            await run.abort("closed by its consumer")
            _attach(ended, _undelivered(run))
            raise
        async for rest in run.rest(listed=run.ledger.total is not None):
            yield rest
        _checked(run.ledger, run.ledger.report(0.0))

    def __repr__(self) -> str:
        return f"BoundedExecutor(max_workers={self.max_workers}, policy={self.retrier.policy!r})"


def _check_callable(fn: object) -> None:
    if not callable(fn):
        raise TypeError(f"BoundedExecutor: fn: got {fn!r}; accepted: a function of one item")


def _check_synchronous(fn: Callable[..., object]) -> None:
    _check_callable(fn)
    import inspect  # noqa: PLC0415 - boto3 has loaded it, and who has no boto3 has a cold start to spare

    if inspect.iscoroutinefunction(fn):
        raise TypeError(f"{fn!r} is a coroutine function: use arun or astream")


def report_of(error: BaseException | None) -> BatchReport[Any, Any] | None:
    """The report that a run left in the exception it ended with, or in that one's cause; None where there is none.

    Every finished item of the run is in it, of a stream those that were not yet yielded.

    Args:
        error: ``BatchInterrupted``, ``InputError``, a ``CancelledError``, the ``TimeoutError`` of
            ``asyncio.timeout``, or the ``KeyboardInterrupt`` of ``asyncio.run``.
    """
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        report: BatchReport[Any, Any] | None = getattr(error, "report", None)
        if report is not None:
            return report
        error = error.__cause__ or error.__context__  # asyncio.run raises its KeyboardInterrupt while handling ours
    return None


def _attach(error: BaseException, report: BatchReport[T, R]) -> None:
    # No class of our own: before Python 3.13, asyncio.timeout and TaskGroup know a CancelledError itself only.
    error.report = report  # type: ignore[attr-defined]  # report_of reads it


def _undelivered(run: ThreadedRun[T, R] | TaskRun[T, R]) -> BatchReport[T, R]:
    return BatchReport(tuple(run.undelivered()), stopped=run.ledger.stopped)


def _checked(ledger: Ledger[T, R], report: BatchReport[T, R]) -> BatchReport[T, R]:
    if ledger.worker_error is not None:
        _attach(ledger.worker_error, report)
        raise ledger.worker_error
    if ledger.input_error is not None:
        raise InputError(report, ledger.progress().submitted) from ledger.input_error
    return report
