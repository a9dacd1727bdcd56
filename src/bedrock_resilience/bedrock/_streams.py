"""Streams: one that is cut, damaged, or ends without its last event raises a typed error.

In the middle of a stream, botocore raises exceptions of urllib3 and of its event-stream parser. It raises nothing if a
stream ends before its last event without a transport error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bedrock_resilience._errors import MalformedResponseError, StreamInterruptedError
from bedrock_resilience._fault import Fault
from bedrock_resilience.bedrock._families import has_output, stop_reasons, text_of
from bedrock_resilience.bedrock._responses import dig, error_in, parse_object, send, with_json_body
from bedrock_resilience.bedrock._stop_reasons import check_stop_reasons, may_be_empty
from bedrock_resilience.clock import SYSTEM_CLOCK
from bedrock_resilience.quotas import usage_from
from bedrock_resilience.retrying._faults import classify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType
    from typing import Self

    from bedrock_resilience.clock import Clock
    from bedrock_resilience.quotas import Usage
    from bedrock_resilience.retrying import Deadline

    StreamEvent = dict[str, Any]


def converse_stream(client: Any, /, **request: Any) -> CheckedStream:  # noqa: ANN401 - a boto3 client, and its parameters
    """Make one attempt of ``client.converse_stream(**request)``, and return a checked iterator over its events.

    The request is sent at once; errors before the first event are those of the client.

    Raises:
        StreamInterruptedError: The stream failed, ended without ``messageStop``, or had no content.
        IncompleteResponseError: After all events, if the stop reason says that the response is incomplete.
    """
    return CheckedStream(send(client.converse_stream, request)["stream"])


def invoke_model_stream(client: Any, /, **request: Any) -> CheckedStream:  # noqa: ANN401 - a boto3 client, and its parameters
    """Make one attempt of ``client.invoke_model_with_response_stream``, and return an iterator over the JSON events.

    A ``body`` that is a mapping is sent as JSON. The request is sent at once, as with ``converse_stream``.

    Raises:
        StreamInterruptedError: The stream failed, has an event that is an error or not a JSON object, or ended without
            ``message_stop`` or Bedrock's invocation metrics, or without content.
        IncompleteResponseError: After all events, if the stop reason says that the response is incomplete.
    """
    response = send(client.invoke_model_with_response_stream, with_json_body(request))
    return CheckedStream(response["body"], decode_chunk)


class StreamChecks:
    """What is known of a stream while it is read, and the errors at its end; ``CheckedStream`` describes them.

    Attributes:
        delivered: The events yielded so far.
    """

    def __init__(self, decode: Callable[[StreamEvent], StreamEvent] | None) -> None:
        self.delivered: list[StreamEvent] = []
        self._decode = decode
        self._complete = False
        self._has_output = False
        self._stop_reasons: list[str] = []
        self._usage: Usage | None = None
        self._deadline: Deadline | None = None
        self._clock: Clock = SYSTEM_CLOCK

    def until(self, deadline: Deadline | None, clock: Clock = SYSTEM_CLOCK) -> Self:
        """Limit the stream by a deadline, and return the stream.

        If the stream is not complete when the deadline is past, the next event is not read: the connection is closed,
        and ``StreamInterruptedError`` is raised, with ``Fault.CANCELLED``. A read that waits is not interrupted.

        Args:
            deadline: Such as ``Deadline.current()``; None: no limit.
            clock: The clock of the deadline.
        """
        self._deadline, self._clock = deadline, clock
        return self

    def late_error(self) -> StreamInterruptedError | None:
        """Return the error of a stream that is not complete although its deadline is past; None for any other."""
        if self._deadline is None or self._complete or self._clock.monotonic() < self._deadline.at:
            return None
        return _interrupted("the deadline is past, and the stream is not complete", self.delivered, Fault.CANCELLED)

    @property
    def usage(self) -> Usage | None:
        """The usage that the stream reported with its last events; None before, and if it reported none."""
        return self._usage if self._complete else None

    def is_preamble(self, event: StreamEvent) -> bool:
        """Whether this event has nothing of the content, such as one before it, or one with metrics only."""
        return not has_output(event, or_reasoning=True)

    def read(self, event: StreamEvent) -> StreamEvent:
        """Return the event as it is yielded, and note what it has; raise for one that is an error, or unexpected."""
        decoded = event if self._decode is None else self._decode(event)
        if has_output(decoded):
            self._has_output = True
        else:
            error = error_in(decoded)
            if error is not None:
                raise error
        self._stop_reasons += stop_reasons(decoded)
        self._usage = usage_from(decoded) or self._usage
        # Bedrock adds its metrics to the last event of every family under InvokeModel. The events of Nova are those of
        # Converse, whose message ends before the event with the metrics.
        if (
            "messageStop" in decoded
            or "amazon-bedrock-invocationMetrics" in decoded
            or decoded.get("type") == "message_stop"
        ):
            self._complete = True
        return decoded

    def raise_for(self, error: BaseException) -> None:
        """Raise the typed error for the end of the stream; return at a proper end, and for no ``Exception``."""
        if isinstance(error, (StopIteration, StopAsyncIteration)):
            self._check_end()
        elif isinstance(error, MalformedResponseError):
            problem = f"the stream has an unexpected event: {error}"
            raise _interrupted(problem, self.delivered, error.fault) from error
        elif isinstance(error, Exception):
            raise _interrupted(f"the stream failed: {error}", self.delivered, _fault_in_stream(error)) from error

    def _check_end(self) -> None:
        if not self._complete:
            raise _interrupted("the stream ended without its last event", self.delivered) from None
        try:
            check_stop_reasons(self._stop_reasons, self.delivered)
        except MalformedResponseError as error:
            raise _interrupted(str(error), self.delivered, error.fault) from None
        if not self._has_output and not may_be_empty(self._stop_reasons):
            raise _interrupted("the stream has no output", self.delivered, Fault.MALFORMED_RESPONSE) from None


class CheckedStream(StreamChecks):
    """An iterator over the events of a stream that raises if the stream is incomplete; also a context manager.

    The connection is closed at the end, at a failure, and by ``close``, whether or not anything was read.

    Args:
        stream: The events as boto3 returns them.
        decode: Returns an event as it is yielded, or raises ``MalformedResponseError``; None: as it is.

    Attributes:
        delivered: The events yielded so far.
    """

    def __init__(
        self, stream: Iterable[StreamEvent], decode: Callable[[StreamEvent], StreamEvent] | None = None
    ) -> None:
        super().__init__(decode)
        self._stream = stream
        self._events: Iterator[StreamEvent] | None = iter(stream)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> StreamEvent:
        if self._events is None:
            raise StopIteration
        late = self.late_error()
        if late is not None:
            self.close()
            raise late
        try:
            event = self.read(next(self._events))
        except BaseException as error:
            self.close()
            self.raise_for(error)
            raise
        self.delivered.append(event)
        return event

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the iterator ends."""
        self._events = None
        close: Callable[[], object] | None = getattr(self._stream, "close", None)
        if close is not None:
            close()


def _interrupted(
    problem: str, delivered: list[StreamEvent], fault: Fault = Fault.STREAM_INTERRUPTED
) -> StreamInterruptedError:
    return StreamInterruptedError(problem, delivered, fault, "".join(map(text_of, delivered)))


def decode_chunk(event: StreamEvent) -> StreamEvent:
    """Return the JSON object inside a chunk of InvokeModelWithResponseStream."""
    raw = dig(event, "chunk", "bytes")
    return parse_object(raw if isinstance(raw, (bytes, str)) else b"")


def _fault_in_stream(error: Exception) -> Fault:
    fault = classify(error)
    # Before a stream begins, errors such as SSLError mean "never reached". This one has begun, and is billed.
    return Fault.STREAM_INTERRUPTED if fault in {Fault.UNKNOWN, Fault.CONNECTION_FAILED} else fault
