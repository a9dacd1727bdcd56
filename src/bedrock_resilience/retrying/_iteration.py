"""Iteration: the attempts of one call as a loop, ``for attempt in retrier: with attempt: ...``.

The loop body is what a function is to ``Retrier.call``: the steps, the sleeps and the events are the same.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

from bedrock_resilience.retrying._attempts import Sleep, Stop
from bedrock_resilience.retrying._callables import UnusableResultError
from bedrock_resilience.retrying._driver import (
    aprepare,
    begin,
    cancel,
    check_value,
    emit_step,
    final_error,
    limit_attempt,
    prepare,
    random_number,
    refuse_attempt_timeout,
    sleep_of,
    start,
    succeed,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator
    from types import TracebackType

    from bedrock_resilience.retrying._attempts import CallState
    from bedrock_resilience.retrying._driver import CallSettings


class AttemptContext:
    """One attempt of a loop: ``with attempt:`` around the statements to retry.

    An exception inside is suppressed if another attempt follows, and raised if none does.

    Attributes:
        number: The number of the attempt, from 1.
        max_attempts: Attempts the policy allows.
    """

    __slots__ = ("_call", "_has_result", "_limits", "_result", "_settings", "_step", "closed", "max_attempts", "number")

    def __init__(self, settings: CallSettings, call: CallState) -> None:
        self._settings = settings
        self._call = call
        self._step: Sleep | Stop | None = None  # pragma: no mutate - as good as ""
        self._limits = ExitStack()
        self._result: object = None
        self._has_result = False  # pragma: no mutate - as good as None
        self.closed: bool = False  # pragma: no mutate - as good as None
        self.number: int = call.attempts
        self.max_attempts: int = call.max_attempts

    def set_result(self, result: object) -> None:
        """Set the result of the attempt: ``retry_on_result``, the listeners, and the pacer (for its usage) read it."""
        self._result = result
        self._has_result = True

    def __enter__(self) -> Self:
        if self._call.deadline is not None:
            self._limits.enter_context(self._call.deadline.apply())
        if self._settings.attempt_timeout is not None:
            self._limits.enter_context(limit_attempt(self._settings.clock, self._settings.attempt_timeout))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        final: BaseException | None = error
        try:
            self._limits.__exit__(kind, error, traceback)  # pragma: no mutate - the limits read the exception alone
        except TimeoutError as expired:  # the time limit of this attempt, in place of its cancellation
            final = expired
        try:
            if self._close(final):
                return True
            if isinstance(self._step, Stop):
                final = final_error(self._settings, self._call)
            if final is not None and final is not error:
                raise final
            return False  # the with statement raises what was raised inside, with its own traceback
        finally:
            self.closed = True
            del final, error  # their tracebacks refer to this frame

    def _close(self, error: BaseException | None) -> bool:
        """Report the end of the attempt, and tell whether another one follows."""
        settings, call = self._settings, self._call
        now = settings.clock.monotonic()
        if error is None:
            try:
                check_value(self.set_result, self._result)
            except UnusableResultError as refused:
                cancel(settings, call, refused)
                raise
            if not self._has_result or call.accepts(self._result):
                succeed(settings, call, self._result)
                return False  # pragma: no mutate - there is no exception to suppress
            step = call.rejected(self._result, now, random_number(settings))
        elif isinstance(error, Exception):
            step = call.failed(error, now, random_number(settings))
        else:
            cancel(settings, call, error)  # pragma: no mutate - None is no Exception either
            return False
        self._step = emit_step(settings, call, step)
        return isinstance(step, Sleep)

    def next_step(self) -> Sleep | None:
        """Return the sleep before the next attempt, or None if the call is over."""
        if not self.closed:
            raise RuntimeError("an attempt was not used: write 'with attempt:' around the statements to retry")
        return self._step if isinstance(self._step, Sleep) else None


def iterate(settings: CallSettings) -> Generator[AttemptContext]:
    """Yield the attempts of one call, and sleep between them."""
    _check(settings)
    refuse_attempt_timeout(settings)
    call = begin(settings, (), {})
    now, pause = settings.clock.monotonic, sleep_of(settings)
    attempt: AttemptContext | None = None
    try:
        step = start(settings, call)
        while not isinstance(step, Stop):
            if isinstance(step, Sleep):
                stopped = pause(step.seconds)
                step = emit_step(settings, call, call.stop(now()) if stopped else call.slept(now()))
                continue
            if settings.before_attempt is not None:
                prepare(settings, call)
            attempt = AttemptContext(settings, call)
            yield attempt
            following = attempt.next_step()
            if following is None:
                return
            step = following
    except BaseException as error:
        _cancel(settings, call, attempt, error)
        raise
    raise final_error(settings, call)


async def aiterate(settings: CallSettings) -> AsyncGenerator[AttemptContext]:
    """Yield the attempts of one call as ``iterate`` does, and await the sleeps between them."""
    _check(settings)
    call = begin(settings, (), {})
    now = settings.clock.monotonic
    attempt: AttemptContext | None = None
    try:
        step = start(settings, call)
        while not isinstance(step, Stop):
            if isinstance(step, Sleep):
                await settings.clock.asleep(step.seconds)
                step = emit_step(settings, call, call.slept(now()))
                continue
            if settings.before_attempt is not None:
                await aprepare(settings, call)
            attempt = AttemptContext(settings, call)
            yield attempt
            following = attempt.next_step()
            if following is None:
                return
            step = following
    except BaseException as error:
        _cancel(settings, call, attempt, error)
        raise
    raise final_error(settings, call)


def _check(settings: CallSettings) -> None:
    if settings.fallback is not None:
        raise TypeError(
            "Retrier: fallback: a loop has no value to substitute; accepted: None; catch the exception around the loop"
        )


def _cancel(settings: CallSettings, call: CallState, attempt: AttemptContext | None, error: BaseException) -> None:
    """Close a call that ends from outside: a ``break`` before the attempt, a cancellation, or a failing part."""
    over: Any = attempt is not None and attempt.closed and attempt.next_step() is None
    if not over:
        cancel(settings, call, error)
