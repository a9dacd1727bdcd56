"""Streams, checked: one that is cut, damaged, or ends without its last event is a typed failure.

botocore raises urllib3's and the event-stream parser's exceptions in the middle of a stream, and nothing at all where
one ends cleanly too early.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience._errors import MalformedResponseError, StreamEventError, StreamInterruptedError
from bedrock_resilience._fault import Fault
from bedrock_resilience.bedrock._responses import MAY_BE_EMPTY, check_stop_reason, dig, encoded, parsed, sent
from bedrock_resilience.retrying._faults import classify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType
    from typing import Self

    StreamEvent = dict[str, Any]


def converse_stream(client: Any, /, **request: Any) -> CheckedStream:  # noqa: ANN401 - a boto3 client, and its parameters
    """``client.converse_stream(**request)``, one attempt: yields the events, and raises where the stream is not whole.

    The request is sent at once; errors before the first event are those of the client.

    Raises:
        StreamInterruptedError: The stream failed, ended without ``messageStop``, or held no content.
        IncompleteResponseError: After all events, where the stop reason says that the answer is not whole.
    """
    return CheckedStream(ConverseEvents(), sent(client.converse_stream, request)["stream"])


def invoke_model_stream(client: Any, /, **request: Any) -> CheckedStream:  # noqa: ANN401 - a boto3 client, and its parameters
    """``client.invoke_model_with_response_stream(**request)``, one attempt: yields the decoded JSON events.

    A ``body`` that is a mapping is written as JSON. The request is sent at once, as with ``converse_stream``.

    Raises:
        StreamInterruptedError: The stream failed, holds what is no JSON object or an error event, or ended without
            ``message_stop`` or Bedrock's invocation metrics, or without any content.
        IncompleteResponseError: After all events, where the stop reason says that the answer is not whole.
    """
    return CheckedStream(InvokeModelEvents(), sent(client.invoke_model_with_response_stream, encoded(request))["body"])


class CheckedStream:
    """The events of an open stream: an iterator that raises where the stream is not whole, and a context manager.

    The connection is closed at the end, at a failure, and by ``close``, whether anything was read or not.

    Attributes:
        delivered: The events that were handed on so far.
    """

    def __init__(self, kind: ConverseEvents, stream: Iterable[StreamEvent]) -> None:
        self.delivered: list[StreamEvent] = []
        self._kind = kind
        self._stream = stream
        self._events: Iterator[StreamEvent] | None = iter(stream)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> StreamEvent:
        if self._events is None:
            raise StopIteration
        try:
            event = self._kind.read(next(self._events))
        except BaseException as error:
            self.close()
            self._end(error)
            raise
        self.delivered.append(event)
        return event

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def is_preamble(self, event: StreamEvent) -> bool:
        """Does this event only open the message, with nothing of its content?"""
        return self._kind.is_preamble(event)

    def close(self) -> None:
        """Close the connection; nothing more is delivered."""
        self._events = None
        close: Callable[[], object] | None = getattr(self._stream, "close", None)
        if close is not None:
            close()

    def _end(self, error: BaseException) -> None:
        """Raise what this end of the stream means, unless it is the proper one or somebody wants to stop."""
        kind, delivered = self._kind, self.delivered
        if isinstance(error, StopIteration):
            if not kind.complete:
                raise _interrupted("the stream ended without its last event", delivered) from None
            if kind.stop_reason is not None:
                check_stop_reason(kind.stop_reason, delivered)
            if not kind.has_output and kind.stop_reason not in MAY_BE_EMPTY:
                raise _interrupted("the stream has no output", delivered, Fault.MALFORMED_RESPONSE) from None
        elif isinstance(error, MalformedResponseError):
            raise _interrupted(f"the stream holds a foreign event: {error}", delivered, error.fault) from error
        elif isinstance(error, Exception):
            raise _interrupted(f"the stream failed: {error}", delivered, _fault_in_stream(error)) from error


def _interrupted(
    problem: str, delivered: list[StreamEvent], fault: Fault = Fault.STREAM_INTERRUPTED
) -> StreamInterruptedError:
    return StreamInterruptedError(problem, delivered, fault, "".join(map(text_of, delivered)))


class ConverseEvents:
    """What a ConverseStream looks like: how an event is read, and when the stream is whole."""

    # Events that only open the message or a block of it.
    _OPENING = frozenset({"messageStart", "contentBlockStart"})

    def __init__(self) -> None:
        self.complete: bool = False
        self.has_output: bool = False
        self.stop_reason: str | None = None

    def read(self, event: StreamEvent) -> StreamEvent:
        """The event as it is handed on.

        Raises:
            Exception: It is an error.
        """
        if "messageStop" in event:
            self.complete = True
            self._stopped(dig(event, "messageStop", "stopReason"))
        # A tool may be used without an input, and then its block has a start only.
        if "contentBlockDelta" in event or dig(event, "contentBlockStart", "start", "toolUse"):
            self.has_output = True
        return event

    def is_preamble(self, event: StreamEvent) -> bool:
        """Does it only open the message, with nothing of its content?"""
        return not self._OPENING.isdisjoint(event)

    def _stopped(self, reason: object) -> None:
        if isinstance(reason, str):
            self.stop_reason = reason


class InvokeModelEvents(ConverseEvents):
    """What an InvokeModelWithResponseStream looks like: Claude's events, or those of another model."""

    _OPENING_TYPES: Final = frozenset({"message_start", "content_block_start", "ping"})
    _NOVA: Final = frozenset({"messageStart", "contentBlockStart", "contentBlockStop", "messageStop", "metadata"})

    def read(self, event: StreamEvent) -> StreamEvent:
        """The JSON object inside the chunk."""
        raw = dig(event, "chunk", "bytes")
        decoded = parsed(raw if isinstance(raw, (bytes, str)) else b"")
        kind = decoded.get("type")
        if kind == "error":
            error = {"Code": dig(decoded, "error", "type"), "Message": dig(decoded, "error", "message")}
            raise StreamEventError({"Error": error})
        if kind == "message_delta":
            self._stopped(dig(decoded, "delta", "stop_reason"))
        # Models other than Claude have their own events; the metrics are Bedrock's, in the last one of any of them.
        if kind == "message_stop" or "amazon-bedrock-invocationMetrics" in decoded:
            self.complete = True
        if (
            kind == "content_block_delta"
            or dig(decoded, "content_block", "type") == "tool_use"
            or (kind is None and self._NOVA.isdisjoint(decoded))  # any event of any other model
        ):
            self.has_output = True
        return super().read(decoded)  # Nova's events are those of Converse

    def is_preamble(self, event: StreamEvent) -> bool:
        """Does it only open the message, with nothing of its content?"""
        return event.get("type") in self._OPENING_TYPES or super().is_preamble(event)


def text_of(event: StreamEvent) -> str:
    """The text that an event adds, in the events of Converse or of Claude."""
    for path in (("contentBlockDelta", "delta", "text"), ("delta", "text")):
        text = dig(event, *path)
        if isinstance(text, str):
            return text
    return ""


def _fault_in_stream(error: Exception) -> Fault:
    fault = classify(error)
    # Names such as SSLError mean "never reached" before a stream begins. This one has begun, and is billed.
    return Fault.STREAM_INTERRUPTED if fault in {Fault.UNKNOWN, Fault.CONNECTION_FAILED} else fault
