"""Streams, checked: one that is cut, damaged, or ends without its last event is a typed failure.

botocore raises urllib3's and the event-stream parser's exceptions in the middle of a stream, and nothing at all where
one ends cleanly too early.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bedrock_resilience.bedrock.answers import MalformedAnswer, check_stop_reason, encoded
from bedrock_resilience.faults import Fault, classify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    StreamEvent = dict[str, Any]


class StreamInterrupted(Exception):  # noqa: N818 - it is what happened
    """A stream that failed, or ended too early, after some of it was delivered.

    Attributes:
        delivered: The events that were delivered before.
        fault: What the failure meant.
    """

    def __init__(self, problem: str, delivered: list[StreamEvent], fault: Fault = Fault.STREAM_INTERRUPTED) -> None:
        super().__init__(f"{problem}, after {len(delivered)} events")
        self.delivered = delivered
        self.fault = fault

    @property
    def text(self) -> str:
        """The text that was delivered before."""
        return "".join(_text(event) for event in self.delivered)


def converse_stream(client: Any, /, **request: Any) -> Iterator[StreamEvent]:  # noqa: ANN401 - a boto3 client, and its parameters
    """``client.converse_stream(**request)``, one attempt: yields the events, and raises where the stream is not whole.

    Raises:
        StreamInterrupted: It failed, or ended without ``messageStop``.
        IncompleteAnswer: After all events, where the stop reason says that the answer is not whole.
    """
    return ConverseEvents().checked(client.converse_stream(**request)["stream"])


def invoke_model_stream(client: Any, /, **request: Any) -> Iterator[StreamEvent]:  # noqa: ANN401 - a boto3 client, and its parameters
    """``client.invoke_model_with_response_stream(**request)``, one attempt: yields the decoded JSON events.

    Raises:
        StreamInterrupted: It failed, or ended without ``message_stop`` or Bedrock's invocation metrics.
        MalformedAnswer: An event that is no JSON object.
        IncompleteAnswer: After all events, where the stop reason says that the answer is not whole.
    """
    return InvokeModelEvents().checked(client.invoke_model_with_response_stream(**encoded(request))["body"])


class ConverseEvents:
    """What a ConverseStream looks like: how an event is read, and when the stream is whole."""

    def __init__(self) -> None:
        self.whole = False
        self.stop_reason: str | None = None

    def read(self, event: StreamEvent) -> StreamEvent:
        """The event as it is handed on."""
        stop = event.get("messageStop")
        if stop is not None:
            self.whole = True
            self.stop_reason = stop.get("stopReason")
        return event

    def opens(self, event: StreamEvent) -> bool:
        """Does it only open the message, with nothing of its content?"""
        return "messageStart" in event

    def checked(self, stream: Iterable[StreamEvent]) -> Iterator[StreamEvent]:
        """The events of an open stream, which is closed at the end."""
        return _checked(self, stream)


class InvokeModelEvents(ConverseEvents):
    """What an InvokeModelWithResponseStream of Claude looks like."""

    def read(self, event: StreamEvent) -> StreamEvent:
        """The JSON object inside the chunk."""
        raw = event.get("chunk", {}).get("bytes", b"")
        try:
            decoded = json.loads(raw)
        except ValueError:
            raise MalformedAnswer(f"an event is no JSON: it starts with {raw[:40]!r}") from None
        if not isinstance(decoded, dict):
            raise MalformedAnswer("an event is no JSON object", decoded)
        if decoded.get("type") == "message_delta":
            self.stop_reason = decoded.get("delta", {}).get("stop_reason")
        # Models other than Claude have their own events; the metrics are Bedrock's, in the last one of any of them.
        self.whole |= decoded.get("type") == "message_stop" or "amazon-bedrock-invocationMetrics" in decoded
        return decoded

    def opens(self, event: StreamEvent) -> bool:
        """Does it only open the message, with nothing of its content?"""
        return event.get("type") == "message_start"


def _checked(kind: ConverseEvents, stream: Iterable[StreamEvent]) -> Iterator[StreamEvent]:
    delivered: list[StreamEvent] = []
    try:
        for raw in stream:
            event = kind.read(raw)
            yield event
            delivered.append(event)
    except MalformedAnswer as error:
        raise StreamInterrupted(str(error), delivered, Fault.MALFORMED_ANSWER) from error
    except Exception as error:
        raise StreamInterrupted(f"the stream failed: {error}", delivered, _fault_in_stream(error)) from error
    finally:
        close: Callable[[], object] | None = getattr(stream, "close", None)
        if close is not None:
            close()
    if not kind.whole:
        raise StreamInterrupted("the stream ended without its last event", delivered)
    if kind.stop_reason is not None:
        check_stop_reason(kind.stop_reason, delivered)


def _fault_in_stream(error: Exception) -> Fault:
    fault = classify(error)
    return Fault.STREAM_INTERRUPTED if fault is Fault.UNKNOWN else fault


def _text(event: StreamEvent) -> str:
    delta = event.get("contentBlockDelta", event).get("delta", {})
    text = delta.get("text") if isinstance(delta, dict) else None
    return text if isinstance(text, str) else ""
