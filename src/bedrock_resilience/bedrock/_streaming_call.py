"""StreamingCall: a call that continues after its function has returned, because the function opens a stream.

To a retrier a call ends when its function returns. A stream has then only begun: it may still fail, and its last event
has its usage. So the pacer and the listeners are notified at the end of the stream instead.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience._fault import THROTTLES, Fault
from bedrock_resilience._stop_reason import StopReason
from bedrock_resilience.pacing._status import status_of
from bedrock_resilience.quotas import RequestTokens
from bedrock_resilience.retrying._driver import add_summary, adrive, begin, drive, emit, refuse_attempt_timeout
from bedrock_resilience.retrying._events import CallCancelled, CallFailed, CallSucceeded, StreamOpened

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import TypeVar

    from bedrock_resilience.pacing import Pacer, PacerStatus, Reservation
    from bedrock_resilience.quotas import Usage
    from bedrock_resilience.retrying._attempts import CallState
    from bedrock_resilience.retrying._events import Event
    from bedrock_resilience.retrying._retrier import Retrier

    T = TypeVar("T")

_SHARED_FIELDS: Final = tuple(field.name for field in fields(StreamOpened))


class StreamingCall:
    """One call of a retrier. The caller ends it with exactly one of ``answered``, ``failed`` and ``not_opened``.

    Args:
        retrier: The retrier whose pacer and listeners are notified.

    Attributes:
        retrier: The retrier to make the call with.
    """

    def __init__(self, retrier: Retrier) -> None:
        self._target = retrier
        self._pacer = None if retrier.pacer is None else _DeferringPacer(retrier.pacer)
        self._opened: CallSucceeded | None = None
        self._state: CallState | None = None
        listeners = (self._on_event,) if retrier.listeners else ()
        self.retrier: Retrier = retrier.replace(pacer=self._pacer, listeners=listeners)

    def open(self, fn: Callable[..., T], *args: object) -> T:
        """Call the function that opens the stream, as ``Retrier.call`` does."""
        if self.retrier.attempt_timeout is not None:
            refuse_attempt_timeout(self.retrier)
        state = self._state = begin(self.retrier, args, {})
        value = drive(self.retrier, state, fn, args, {})
        state.error = None  # of an attempt before; its traceback refers to frames, and this call may be open for long
        return value

    async def aopen(self, fn: Callable[..., Awaitable[T]], *args: object) -> T:
        """Await the function that opens the stream, as ``Retrier.acall`` does."""
        state = self._state = begin(self.retrier, args, {})
        value = await adrive(self.retrier, state, fn, args, {})
        state.error = None  # as in ``open``
        return value

    def answered(self, last: object, usage: Usage | None) -> None:
        """End the call as a success; ``last`` is the last event."""
        self._release(usage)
        if self._opened is not None:
            emit(self._target, CallSucceeded(**self._facts(usage), answer=last))

    def failed(self, error: BaseException, usage: Usage | None) -> None:
        """End the call as a failure after the stream was opened; an exception from outside cancels it.

        ``Fault.CANCELLED`` means that the deadline has ended the stream.

        An error gets the note of any other call that failed.
        """
        fault = self._target.classify(error)
        reason = StopReason.DEADLINE if fault is Fault.CANCELLED else StopReason.PARTLY_DELIVERED
        if self._state is not None and isinstance(error, Exception):
            self._state.reason = reason
            add_summary(error, self._state)
        self._release(usage, fault)
        if self._opened is None:
            return
        facts = self._facts(usage)
        if not isinstance(error, Exception):  # Ctrl-C, a cancellation
            emit(self._target, CallCancelled(**facts, error=error))
            return
        facts.update(fault=fault, throttles=facts["throttles"] + (fault in THROTTLES))
        emit(self._target, CallFailed(**facts, reason=reason, error=error))

    def not_opened(self) -> None:
        """End the call without a stream; the retrier has notified the listeners."""
        self._release()

    def _on_event(self, event: Event) -> None:
        if isinstance(event, CallSucceeded):
            self._opened = event
            emit(self._target, StreamOpened(**_shared_fields(event)))
        else:
            emit(self._target, event)

    def _facts(self, usage: Usage | None) -> dict[str, Any]:
        """Return the fields of the final event; the usage of the stream is known at its end only."""
        opened = self._opened
        facts = {} if opened is None else _shared_fields(opened)
        tokens, before = self._target.tokens, facts.get("token_usage")
        if isinstance(tokens, RequestTokens) and usage is not None and before is not None:
            # When the stream was opened, the usage of this request was not known.
            facts["token_usage"] = replace(before, unknown=before.unknown - 1) + tokens.settled(usage)
        return {**facts, "pacer": status_of(self._target.pacer)}

    def _release(self, usage: Usage | None = None, fault: Fault | None = None) -> None:
        if self._pacer is not None:
            self._pacer.release(self._target.clock.monotonic(), usage, fault)


def _shared_fields(opened: CallSucceeded) -> dict[str, Any]:
    """Return the fields that ``StreamOpened`` and the final event have in common."""
    return {name: getattr(opened, name) for name in _SHARED_FIELDS}


class _DeferringPacer:
    """A pacer that defers ``answered`` to the end of the stream."""

    def __init__(self, pacer: Pacer) -> None:
        self._pacer = pacer
        self._pending: Reservation | None = None
        self._usage: Usage | None = None
        self.throttled = pacer.throttled
        self.abandoned = pacer.abandoned
        self.overloaded = getattr(pacer, "overloaded", pacer.throttled)  # this method of a pacer is optional
        if hasattr(pacer, "due"):  # this one, too
            self.due = pacer.due
        self._reserve_request = getattr(pacer, "reserve_request", None)  # and this one

    def status(self) -> PacerStatus | None:
        """Return the status of the pacer, if it has one."""
        return status_of(self._pacer)

    def reserve(self, now: float, tokens: int = 0) -> Reservation:
        """Reserve for an attempt; the attempt before, if there was one, is over."""
        self.release(now)
        return self._pacer.reserve(now, tokens)

    def reserve_request(self, now: float, request: RequestTokens) -> Reservation:
        """Reserve for an attempt, as ``reserve`` does."""
        if self._reserve_request is None:
            return self.reserve(now, request.reserved)
        self.release(now)
        return self._reserve_request(now, request)  # type: ignore[no-any-return]  # what reserve() returns

    def answered(self, reservation: Reservation, now: float, usage: Usage | None = None) -> None:  # noqa: ARG002 - comes with ``release``
        """Defer it; an attempt that failed after it was answered may have reported its usage."""
        self._pending, self._usage = reservation, usage

    def release(self, now: float, usage: Usage | None = None, fault: Fault | None = None) -> None:
        """Report the end of the deferred request to the pacer, if there is one."""
        pending, self._pending = self._pending, None
        if pending is None:
            return
        if fault in THROTTLES:
            self._pacer.throttled(pending, now)
        elif fault is not None and fault.backpressure:
            self.overloaded(pending, now)
        else:
            self._pacer.answered(pending, now, usage or self._usage)
