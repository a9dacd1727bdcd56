"""Streams: one that is cut, damaged, or ends without its last event raises a typed error.

In the middle of a stream, botocore raises exceptions of urllib3 and of its event-stream parser. It raises nothing where
a stream ends too early without a transport error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience._errors import MalformedResponseError, StreamEventError, StreamInterruptedError
from bedrock_resilience._fault import Fault
from bedrock_resilience.bedrock._responses import (
    MAY_BE_EMPTY,
    check_stop_reason,
    dig,
    parse_object,
    send,
    stop_reasons,
    with_json_body,
)
from bedrock_resilience.retrying._faults import classify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType
    from typing import Self

    StreamEvent = dict[str, Any]


def converse_stream(client: Any, /, **request: Any) -> CheckedStream:  # noqa: ANN401 - a boto3 client, and its parameters
    """Make one attempt of ``client.converse_stream(**request)``, and return a checked iterator over its events.

    The request is sent at once; errors before the first event are those of the client.

    Raises:
        StreamInterruptedError: The stream failed, ended without ``messageStop``, or had no content.
        IncompleteResponseError: After all events, if the stop reason says that the response is incomplete.
    """
    return CheckedStream(ConverseEvents(), send(client.converse_stream, request)["stream"])


def invoke_model_stream(client: Any, /, **request: Any) -> CheckedStream:  # noqa: ANN401 - a boto3 client, and its parameters
    """Make one attempt of ``client.invoke_model_with_response_stream``, and return an iterator over the JSON events.

    A ``body`` that is a mapping is sent as JSON. The request is sent at once, as with ``converse_stream``.

    Raises:
        StreamInterruptedError: The stream failed, has an event that is an error or not a JSON object, or ended without
            ``message_stop`` or Bedrock's invocation metrics, or without content.
        IncompleteResponseError: After all events, if the stop reason says that the response is incomplete.
    """
    response = send(client.invoke_model_with_response_stream, with_json_body(request))
    return CheckedStream(InvokeModelEvents(), response["body"])


class CheckedStream:
    """An iterator over the events of a stream that raises if the stream is incomplete; also a context manager.

    The connection is closed at the end, at a failure, and by ``close``, whether or not anything was read.

    Attributes:
        delivered: The events yielded so far.
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
            self._raise_for(error)
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
        """Whether this event comes before the content, and has none of it."""
        return self._kind.is_preamble(event)

    def close(self) -> None:
        """Close the connection; the iterator ends."""
        self._events = None
        close: Callable[[], object] | None = getattr(self._stream, "close", None)
        if close is not None:
            close()

    def _raise_for(self, error: BaseException) -> None:
        """Raise the typed error for the end of the stream; return at a proper end, and for no ``Exception``."""
        if isinstance(error, StopIteration):
            self._check_end()
        elif isinstance(error, MalformedResponseError):
            problem = f"the stream has an unexpected event: {error}"
            raise _interrupted(problem, self.delivered, error.fault) from error
        elif isinstance(error, Exception):
            raise _interrupted(f"the stream failed: {error}", self.delivered, _fault_in_stream(error)) from error

    def _check_end(self) -> None:
        kind, delivered = self._kind, self.delivered
        if not kind.complete:
            raise _interrupted("the stream ended without its last event", delivered) from None
        if kind.stop_reason is not None:
            check_stop_reason(kind.stop_reason, delivered)
        if not kind.has_output and kind.stop_reason not in MAY_BE_EMPTY:
            raise _interrupted("the stream has no output", delivered, Fault.MALFORMED_RESPONSE) from None


def _interrupted(
    problem: str, delivered: list[StreamEvent], fault: Fault = Fault.STREAM_INTERRUPTED
) -> StreamInterruptedError:
    return StreamInterruptedError(problem, delivered, fault, "".join(map(text_of, delivered)))


class ConverseEvents:
    """Reads the events of a ConverseStream, and notes whether the stream is complete and has output."""

    _PREAMBLE = frozenset({"messageStart", "contentBlockStart"})

    def __init__(self) -> None:
        self.complete: bool = False
        self.has_output: bool = False
        self.stop_reason: str | None = None

    def read(self, event: StreamEvent) -> StreamEvent:
        """Return the event as it is yielded.

        Raises:
            MalformedResponseError: It is not what this kind of stream carries.
            StreamEventError: It is an error event.
        """
        if "messageStop" in event:
            self.complete = True
            self._set_stop_reason(dig(event, "messageStop", "stopReason"))
        # A tool without input has a block start only.
        if "contentBlockDelta" in event or dig(event, "contentBlockStart", "start", "toolUse"):
            self.has_output = True
        return event

    def is_preamble(self, event: StreamEvent) -> bool:
        """Whether the event comes before the content, and has none of it."""
        return not self._PREAMBLE.isdisjoint(event)

    def _set_stop_reason(self, reason: object) -> None:
        if isinstance(reason, str):
            self.stop_reason = reason


class InvokeModelEvents(ConverseEvents):
    """Reads the events of an InvokeModelWithResponseStream, of Claude or another model."""

    _PREAMBLE_TYPES: Final = frozenset({"message_start", "content_block_start", "ping"})
    _NOVA: Final = frozenset({"messageStart", "contentBlockStart", "contentBlockStop", "messageStop", "metadata"})

    def read(self, event: StreamEvent) -> StreamEvent:
        """Return the JSON object inside the chunk; raises as ``ConverseEvents.read``."""
        raw = dig(event, "chunk", "bytes")
        decoded = parse_object(raw if isinstance(raw, (bytes, str)) else b"")
        kind = decoded.get("type")
        if kind == "error":
            error = {"Code": dig(decoded, "error", "type"), "Message": dig(decoded, "error", "message")}
            raise StreamEventError({"Error": error})
        if kind == "message_delta":
            self._set_stop_reason(dig(decoded, "delta", "stop_reason"))
        elif kind is None:
            for reason in stop_reasons(decoded):
                self._set_stop_reason(reason)
        # Other models have their own events, but Bedrock adds its metrics to the last event of every model.
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
        """Whether the event comes before the content, and has none of it."""
        return event.get("type") in self._PREAMBLE_TYPES or super().is_preamble(event)


def text_of(event: StreamEvent) -> str:
    """Return the text of one event of Converse or of Claude; empty if it has none."""
    for path in (("contentBlockDelta", "delta", "text"), ("delta", "text")):
        text = dig(event, *path)
        if isinstance(text, str):
            return text
    return ""


def _fault_in_stream(error: Exception) -> Fault:
    fault = classify(error)
    # Before a stream begins, errors such as SSLError mean "never reached". This one has begun, and is billed.
    return Fault.STREAM_INTERRUPTED if fault in {Fault.UNKNOWN, Fault.CONNECTION_FAILED} else fault
