"""StreamingCall: a call that goes on after its function has returned, as a stream does.

A retrier takes a call for over as soon as its function returns. A stream has then only begun: what it used stands in
its last event, and it may still fail. So its pacer and its listeners hear of the end when it is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bedrock_resilience._fault import THROTTLES
from bedrock_resilience._stop_reason import StopReason
from bedrock_resilience.quotas import usage_from
from bedrock_resilience.retrying._driver import emit
from bedrock_resilience.retrying._events import CallFailed, CallSucceeded

if TYPE_CHECKING:
    from bedrock_resilience._fault import Fault
    from bedrock_resilience.pacing import Pacer, Reservation
    from bedrock_resilience.quotas import Usage
    from bedrock_resilience.retrying._events import Event
    from bedrock_resilience.retrying._retrier import Retrier


class StreamingCall:
    """One call of a retrier, to be closed by the caller: ``answered``, ``failed`` or ``given_up``, exactly once.

    Attributes:
        retrier: To make the call with.
    """

    def __init__(self, retrier: Retrier) -> None:
        self._outer = retrier
        self._pacer = None if retrier.pacer is None else _HeldPacer(retrier.pacer)
        self._begun: CallSucceeded | None = None
        listeners = (self._hear,) if retrier.listeners else ()
        self.retrier: Retrier = retrier.replace(pacer=self._pacer, listeners=listeners)

    def answered(self, answer: object) -> None:
        """It is over, with this last part of the answer, in which its usage stands."""
        self._release(usage_from(answer))
        begun = self._begun
        if begun is not None:
            emit(
                self._outer,
                CallSucceeded(
                    attempts=begun.attempts,
                    backoff_seconds=begun.backoff_seconds,
                    pacing_seconds=begun.pacing_seconds,
                    answer=answer,
                ),
            )

    def failed(self, error: BaseException, answer: object = None) -> None:
        """It failed after it had begun, with this last part of an answer."""
        fault = self._outer.classify(error)
        self._release(usage_from(answer), fault)
        begun = self._begun
        if begun is not None:
            emit(
                self._outer,
                CallFailed(
                    attempts=begun.attempts,
                    backoff_seconds=begun.backoff_seconds,
                    pacing_seconds=begun.pacing_seconds,
                    reason=StopReason.NOT_RETRYABLE,
                    fault=fault,
                    error=error,
                ),
            )

    def given_up(self) -> None:
        """It never began; the retrier has told the listeners."""
        self._release()

    def _hear(self, event: Event) -> None:
        if isinstance(event, CallSucceeded):
            self._begun = event
        else:
            emit(self._outer, event)

    def _release(self, usage: Usage | None = None, fault: Fault | None = None) -> None:
        if self._pacer is not None:
            self._pacer.release(self._outer.clock.monotonic(), usage, fault)


class _HeldPacer:
    """A pacer that holds back ``answered``, so that the end of the answer can be told instead."""

    def __init__(self, pacer: Pacer) -> None:
        self._pacer = pacer
        self._held: Reservation | None = None
        self.throttled = pacer.throttled
        self.abandoned = pacer.abandoned
        self.overloaded = getattr(pacer, "overloaded", pacer.throttled)  # a pacer may know no difference
        if hasattr(pacer, "due"):  # and may do without this one
            self.due = pacer.due

    def reserve(self, now: float, tokens: int = 0) -> Reservation:
        """Ask for permission to send; the attempt before, if there was one, is over."""
        self.release(now)
        return self._pacer.reserve(now, tokens)

    def answered(self, reservation: Reservation, now: float, usage: Usage | None = None) -> None:  # noqa: ARG002 - told later
        """Hold it back."""
        self._held = reservation

    def release(self, now: float, usage: Usage | None = None, fault: Fault | None = None) -> None:
        """Tell the pacer how the request that is held back ended."""
        held, self._held = self._held, None
        if held is None:
            return
        if fault in THROTTLES:
            self._pacer.throttled(held, now)
        elif fault is not None and fault.backpressure:
            self.overloaded(held, now)
        else:
            self._pacer.answered(held, now, usage)
