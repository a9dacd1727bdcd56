"""The exceptions that several packages of the library raise, or read; ``errors`` exports all exceptions.

All of them can be pickled. Those that mean a fault carry it as ``fault``, which ``classify`` reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bedrock_resilience._fault import Fault

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from bedrock_resilience._stop_reason import StopReason


class DeadlineExceededError(TimeoutError):
    """The deadline, or the timeout of the call, does not allow a first attempt."""

    # A policy around this call must not read it as a timeout of the service and retry it.
    fault: Fault = Fault.CANCELLED


class CallStoppedError(Exception):
    """The stop event was set before the first attempt."""

    # As for DeadlineExceededError: a policy around this call must not retry it.
    fault: Fault = Fault.CANCELLED


class AttemptTimeoutError(TimeoutError):
    """An attempt took longer than ``attempt_timeout``. The request was sent, so it may still run and be billed.

    Attributes:
        seconds: The time limit of the attempt.
    """

    fault: Fault = Fault.READ_TIMEOUT

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds: float = seconds

    def __str__(self) -> str:
        return f"no result within {self.seconds:g} s"


class RejectedResultError(Exception):
    """The function returned a result that ``retry_on_result`` does not accept, and retries did not help.

    Attributes:
        result: The last result.
    """

    fault: Fault = Fault.REJECTED_RESULT

    def __init__(self, result: object) -> None:
        super().__init__(result)
        self.result: object = result

    def __str__(self) -> str:
        return f"retry_on_result does not accept the result, of type {type(self.result).__name__}"


class RetriesExhaustedError(Exception):
    """A call failed, and no retry is left. Raised only by ``Retrier(..., raise_exhausted=True)``.

    Attributes:
        attempts: Requests sent.
        backoff_seconds: Seconds slept between the attempts.
        reason: Why no further attempt is made.
        fault: What the last failure meant.
        error: The last exception, also ``__cause__``.
    """

    def __init__(
        self,
        message: str,
        attempts: int,
        backoff_seconds: float,
        reason: StopReason | None,
        fault: Fault | None,
        error: BaseException,
    ) -> None:
        super().__init__(message, attempts, backoff_seconds, reason, fault, error)
        self.__cause__: BaseException | None = error
        self.attempts: int = attempts
        self.backoff_seconds: float = backoff_seconds
        self.reason: StopReason | None = reason
        self.fault: Fault | None = fault
        self.error: BaseException = error

    def __str__(self) -> str:
        return str(self.args[0])


class ItemsNotStartedError(Exception):
    """Items of a batch were not started because the run stopped; one of the errors of ``raise_for_failures``."""


class ClientConfigurationError(ValueError):
    """The configuration of a client works against the policy: its own retries, a small pool, or a long read timeout."""

    fault: Fault = Fault.CONFIGURATION


class MalformedResponseError(Exception):
    """A response with a success status whose body is truncated, not from the service, an error, or without output.

    Attributes:
        problem: What is wrong with it.
        body: The response, as far as it could be read.
        fault: What the failure means: that of the error in the body, if it has one.
    """

    def __init__(self, problem: str, body: object = None, fault: Fault = Fault.MALFORMED_RESPONSE) -> None:
        super().__init__(problem, body, fault)
        self.problem: str = problem
        self.body: object = body
        self.fault: Fault = fault

    def __str__(self) -> str:
        return self.problem


class IncompleteResponseError(Exception):
    """A response whose stop reason says that it is not complete.

    Attributes:
        stop_reason: Why the model stopped: ``max_tokens``, ``malformed_*``, ``model_context_window_exceeded``.
        body: The response, unchanged; for a stream, the list of its events.
    """

    fault: Fault = Fault.INCOMPLETE_RESPONSE

    def __init__(self, stop_reason: str, body: object) -> None:
        super().__init__(stop_reason, body)
        self.stop_reason: str = stop_reason
        self.body: object = body

    def __str__(self) -> str:
        return f"the response is incomplete: stop reason {self.stop_reason!r}"


class StreamInterruptedError(Exception):
    """A stream failed, or ended before its last event.

    Attributes:
        problem: What is wrong with it.
        delivered: The events that were delivered before the failure.
        fault: What the failure means.
        text: The text of those events.
    """

    def __init__(
        self,
        problem: str,
        delivered: Sequence[dict[str, Any]] = (),
        fault: Fault = Fault.STREAM_INTERRUPTED,
        text: str = "",
    ) -> None:
        super().__init__(problem, list(delivered), fault, text)
        self.problem: str = problem
        self.delivered: list[dict[str, Any]] = list(delivered)
        self.fault: Fault = fault
        self.text: str = text

    def __str__(self) -> str:
        return f"{self.problem} (events delivered before: {len(self.delivered)})"


class StreamEventError(Exception):
    """An error that the service sent in place of output, such as Anthropic's ``overloaded_error`` inside a stream.

    Attributes:
        response: Code and message, in the shape of botocore's ``ClientError.response``.
    """

    def __init__(self, response: Mapping[str, Any]) -> None:
        super().__init__(response)
        self.response: Mapping[str, Any] = response

    def __str__(self) -> str:
        return ": ".join(str(part) for part in self.response["Error"].values())


class StoreUnavailableError(Exception):
    """The store of a shared pace was not reached, or refused the request. It is unknown whether the change was made."""


class QuotaUnavailableError(LookupError):
    """The quota of a model could not be read from Service Quotas. A pacer can learn it instead.

    Attributes:
        model: The model, as it was given.
        region: The Region; empty if none is configured.
        reason: ``no-match`` (no quota has the name of the model), ``no-permission``, ``not-reached`` (no network, or
            AWS failed), or ``no-access`` (a quota of 0: every request to the model is refused).
        problem: The failure, in one line.
    """

    def __init__(self, model: str, region: str, reason: str, problem: str) -> None:
        super().__init__(model, region, reason, problem)
        self.model: str = model
        self.region: str = region
        self.reason: str = reason
        self.problem: str = problem

    def __str__(self) -> str:
        where = f" in {self.region}" if self.region else ""
        return f"the quota of {self.model}{where} is not known: {self.problem}"


class ScriptExhaustedError(AssertionError):
    """A scripted function was called more often than its script has outcomes. An executor ends its run with it."""
