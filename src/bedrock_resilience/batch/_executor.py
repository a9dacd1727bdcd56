"""BoundedExecutor: many items, few workers, every call under one policy, and one report."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar, TypeVar

from bedrock_resilience._checks import explain_names, function, refuse, whole_number
from bedrock_resilience.batch._errors import BatchInterrupted
from bedrock_resilience.batch._interrupts import InterruptHandler
from bedrock_resilience.batch._report_of import attach_report, finish, report_of
from bedrock_resilience.batch._threads import ThreadedRun
from bedrock_resilience.clock import SYSTEM_CLOCK, running_trio
from bedrock_resilience.retrying._callables import (
    is_coroutine_function,
    is_generator_function,
    refuse_plain,
)
from bedrock_resilience.retrying._driver import refuse_attempt_timeout
from bedrock_resilience.retrying._faults import classify as _classify
from bedrock_resilience.retrying._policy import RetryPolicy
from bedrock_resilience.retrying._retrier import Retrier

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
    from typing import Any, Literal

    from bedrock_resilience._fault import Fault
    from bedrock_resilience.batch._progress import Progress
    from bedrock_resilience.batch._report import BatchReport
    from bedrock_resilience.batch._streams import AsyncOutcomeStream, OutcomeStream
    from bedrock_resilience.clock import Clock
    from bedrock_resilience.pacing import Pacer
    from bedrock_resilience.quotas import RequestTokens
    from bedrock_resilience.retrying._attempts import StopEvent
    from bedrock_resilience.retrying._budget import RetryBudget
    from bedrock_resilience.retrying._deadline import Deadline
    from bedrock_resilience.retrying._events import AttemptStarting, CallInfo, Listener

T = TypeVar("T")
R = TypeVar("R")


class _ExecutorRetrier(Retrier):
    """The retrier of an executor: its errors name the class that the caller has used."""

    __slots__ = ()

    _owner: ClassVar[str] = "BoundedExecutor"


@explain_names
class BoundedExecutor:
    """Calls a function for many items with few workers.

    It has no state of a run; its runs share the pacer and the budget. An item that fails does not stop the others,
    unless every other item would fail the same way (``fault.fatal``). The report lists items that were not started when
    a run stopped as unstarted, with the reason.

    Args:
        max_workers: Upper limit of the calls in flight, and of the items read from the input ahead of the results.
        policy: Which faults are retried, how often, and after which delays.
        deadline: No item starts that cannot finish before it, and no sleep ends after it. Once the deadline leaves no
            time for the policy's delay after a first throttle, no further item starts. An item that only a longer
            ``Retry-After`` keeps from a retry fails alone.
        budget: Limits the retries of the whole batch.
        pacer: Asked before every attempt; shared by all workers. ``"auto"``: a new ``AdaptivePacer``, which finds the
            quota by itself.
        clock: The source of time and of sleeps. A clock with a ``wait`` method (``InterruptibleClock``) lets the
            executor wake its workers when a run stops.
        listeners: Called with each event of ``bedrock_resilience.retrying``.
        on_progress: Called with a ``Progress`` after each item, by one worker at a time.
        rng: The source of jitter.
        tokens: Tokens that the request for an item may use at most (input + max_tokens): a number, for a pacer that
            counts tokens; or a ``RequestTokens``; or a function of the item that returns either. With a
            ``RequestTokens``, the report also states the tokens reserved, used and unused. The executor reads the used
            tokens from the ``usage`` of what ``fn`` returns: a response of Bedrock, or a mapping with its ``usage``.
        classify: Returns the ``Fault`` of an exception.
        retry_on_result: As for ``Retrier``: true for a result to retry.
        before_attempt: As for ``Retrier``: called before every attempt.
        attempt_timeout: As for ``Retrier``, for ``arun`` and ``astream``: upper limit of each attempt in seconds.
        stop_event: As for ``Retrier``: once it is set, no attempt starts, and the run stops. A worker that sleeps
            notices it after its sleep.
        fallback: As for ``Retrier``: its value is that of an item for which retries did not help. The item counts as
            succeeded; its ``reason`` says why the fallback was called.
        info: As for ``Retrier``: what the events say about the call of an item, or a function of the item that returns
            it.

    Raises:
        TypeError: An argument has the wrong type. The message names it.
        ValueError: ``max_workers`` is less than 1, or ``attempt_timeout`` is not positive.
    """

    def __init__(  # noqa: PLR0913 - the options of a run, all by name
        self,
        max_workers: int = 4,
        *,
        policy: RetryPolicy = RetryPolicy(),  # noqa: B008 - a frozen value
        deadline: Deadline | None = None,
        budget: RetryBudget | None = None,
        pacer: Pacer | Literal["auto"] | None = None,
        clock: Clock = SYSTEM_CLOCK,
        listeners: Iterable[Listener] = (),
        on_progress: Callable[[Progress], object] | None = None,
        rng: random.Random | None = None,
        tokens: int | RequestTokens | Callable[..., int | RequestTokens] = 0,
        classify: Callable[[BaseException], Fault] = _classify,
        retry_on_result: Callable[[Any], object] | None = None,
        before_attempt: Callable[[AttemptStarting], object] | None = None,
        attempt_timeout: float | None = None,
        stop_event: StopEvent | None = None,
        fallback: Callable[[Exception], Any] | None = None,
        info: CallInfo | Callable[..., CallInfo] | None = None,
    ) -> None:
        refuse(
            "BoundedExecutor",
            whole_number("max_workers", max_workers, least=1),
            function("on_progress", on_progress, "a function of one Progress", optional=True),
        )
        self.max_workers: int = max_workers
        self.on_progress: Callable[[Progress], object] | None = on_progress
        self.retrier: Retrier = _ExecutorRetrier(
            policy,
            clock=clock,
            rng=rng,
            deadline=deadline,
            budget=budget,
            pacer=pacer,
            listeners=listeners,
            tokens=tokens,
            classify=classify,
            retry_on_result=retry_on_result,
            before_attempt=before_attempt,
            attempt_timeout=attempt_timeout,
            stop_event=stop_event,
            fallback=fallback,
            info=info,
        )

    def run(self, fn: Callable[[T], R], items: Iterable[T]) -> BatchReport[T, R]:
        """Call ``fn(item)`` for every item in worker threads, and return the outcomes in input order.

        The input must be finite: when the run stops, the rest of it is listed as unstarted.

        Raises:
            TypeError: ``fn`` is not a function, or is a coroutine function.
            BatchInterrupted: Ctrl-C stopped the run. It carries the report.
            InputError: The input raised an exception. It carries the report.
        """
        _check_synchronous(fn, self.retrier)
        now = self.retrier.clock.monotonic
        started = now()
        run = ThreadedRun(self.retrier, fn, items, self.max_workers, self.on_progress)
        try:
            with InterruptHandler(run.interrupt) as interrupts:
                run.start()
                _wait(run, lambda: now() - started)
            interrupts.raise_pending()
            _list_remaining(run, listed=True)
        except KeyboardInterrupt as interrupt:  # from this executor, or raised while the input is listed
            report = report_of(interrupt)
            if report is None:
                with suppress(KeyboardInterrupt):
                    run.abort("interrupted")
                report = run.ledger.report(now() - started)
            raise BatchInterrupted(report) from None
        except BaseException as error:  # for example an exception of the caller's signal handler
            run.abort("interrupted")  # pragma: no mutate - no one reads the reason
            attach_report(error, run.ledger.report(now() - started))
            raise
        return finish(run.ledger, run.ledger.report(now() - started))

    def stream(self, fn: Callable[[T], R], items: Iterable[T]) -> OutcomeStream[T, R]:
        """Call ``fn(item)`` for every item in worker threads; iterate over the outcomes as they finish.

        The input may be endless: the workers read at most ``max_workers`` items ahead of the outcomes that the consumer
        has processed, so memory use is constant. When the run stops, the rest of an input with a length is yielded as
        unstarted; the rest of any other input is not read. Closing the iterator stops the run. It is a context manager,
        and ``contextlib.closing`` accepts it, too.

        Raises:
            TypeError: ``fn`` is not a function, or is a coroutine or generator function.
            BatchInterrupted: Ctrl-C stopped the run. It carries the finished outcomes that were not yielded.
            InputError: The input raised an exception; raised after all outcomes were yielded.
        """
        from bedrock_resilience.batch._streams import OutcomeStream  # noqa: PLC0415 - most batches are not streamed

        _check_synchronous(fn, self.retrier)
        return OutcomeStream(ThreadedRun(self.retrier, fn, items, self.max_workers, self.on_progress, streamed=True))

    async def arun(self, fn: Callable[[T], Awaitable[R]], items: Iterable[T] | AsyncIterable[T]) -> BatchReport[T, R]:
        """Await ``fn(item)`` for every item in tasks, and return the outcomes in input order.

        An asynchronous input that does not return does not delay the run beyond its deadline. In this case, the report
        lists only the items that are ready as unstarted.

        Raises:
            TypeError: ``fn`` is not a function, or a plain one that does not return an awaitable.
            CancelledError: This task was canceled. ``report_of`` returns the report from it, and from the
                ``TimeoutError`` that ``asyncio.timeout`` makes of it.
            InputError: The input raised an exception. It carries the report.
        """
        import asyncio  # noqa: PLC0415 - the synchronous executor does not need it

        from bedrock_resilience.batch._tasks import TaskRun  # noqa: PLC0415 - it needs asyncio

        _check_asynchronous(fn)
        now = self.retrier.clock.monotonic
        started = now()
        run = TaskRun(self.retrier, fn, items, self.max_workers, self.on_progress)
        run.start()
        try:
            await run.wait()
            async for _ in run.remaining(listed=True):
                run.report_progress()
        except (asyncio.CancelledError, KeyboardInterrupt) as cancelled:
            await run.abort("cancelled", listed=True)
            attach_report(cancelled, run.ledger.report(now() - started))
            run.raise_interrupt()
            raise
        return finish(run.ledger, run.ledger.report(now() - started))

    def astream(
        self, fn: Callable[[T], Awaitable[R]], items: Iterable[T] | AsyncIterable[T]
    ) -> AsyncOutcomeStream[T, R]:
        """Await ``fn(item)`` for every item in tasks; iterate over the outcomes as they finish, as with ``stream``.

        It is an asynchronous context manager, and ``contextlib.aclosing`` accepts it, too.

        Raises:
            TypeError: ``fn`` is not a function, or a plain one that does not return an awaitable.
            CancelledError: The task that waited for the next outcome was canceled. ``report_of`` returns from it the
                finished outcomes that were not yielded.
            InputError: The input raised an exception; raised after all outcomes were yielded.
        """
        from bedrock_resilience.batch._streams import AsyncOutcomeStream  # noqa: PLC0415 - as in ``stream``
        from bedrock_resilience.batch._tasks import TaskRun  # noqa: PLC0415 - it needs asyncio

        _check_asynchronous(fn)
        return AsyncOutcomeStream(
            lambda: TaskRun(self.retrier, fn, items, self.max_workers, self.on_progress, streamed=True)
        )

    def __repr__(self) -> str:
        return f"BoundedExecutor(max_workers={self.max_workers}, policy={self.retrier.policy!r})"


def _wait(run: ThreadedRun[T, R], elapsed: Callable[[], float]) -> None:
    if not run.wait():
        # An input without a length may take long to list, and the user has asked the run to end now.
        _list_remaining(run, listed=run.ledger.total is not None)
        raise BatchInterrupted(run.ledger.report(elapsed()))


def _list_remaining(run: ThreadedRun[T, R], *, listed: bool) -> None:
    for _ in run.remaining(listed=listed):
        run.report_progress()


def _check_callable(fn: object) -> None:
    refuse("BoundedExecutor", function("fn", fn, "a function of one item"))


def _check_synchronous(fn: Callable[..., object], retrier: Retrier) -> None:
    _check_callable(fn)
    refuse_attempt_timeout(retrier)
    if is_coroutine_function(fn):
        raise TypeError(f"BoundedExecutor: fn: got the coroutine function {fn!r}; use arun or astream, which await it")
    _check_no_generator(fn)


def _check_asynchronous(fn: Callable[..., object]) -> None:
    _check_callable(fn)
    _check_no_generator(fn)
    if running_trio() is not None:
        raise TypeError(
            "BoundedExecutor: arun and astream need asyncio; under trio, start Retrier.acall for each item in a "
            "nursery, with a trio.CapacityLimiter"
        )
    refuse_plain("BoundedExecutor", fn, "use run or stream")


def _check_no_generator(fn: Callable[..., object]) -> None:
    if is_generator_function(fn):
        raise TypeError(
            f"BoundedExecutor: fn: got the generator function {fn!r}, whose body does not run when it is called; "
            "pass a function that reads it and returns its items"
        )
