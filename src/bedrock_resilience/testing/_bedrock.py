"""ScriptedBedrock: a ``bedrock-runtime`` client without a network, that answers and fails by a script."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any, Final, Literal

from bedrock_resilience.testing._errors import error_class, stream_cut
from bedrock_resilience.testing._script import NOTHING, Script

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bedrock_resilience.testing._fake_clock import FakeClock

_METADATA: Final = {"RequestId": "00000000-0000-4000-8000-000000000000", "HTTPStatusCode": 200, "RetryAttempts": 0}


class BrokenStream:
    """The outcome of a stream that breaks: it delivers some text, and then fails.

    Args:
        texts: What is delivered before, one event each.
        error: What is raised then; ``"cut"`` is short for ``stream_cut()``. None: the stream ends as if it were whole,
            but without its last event, as boto3 lets it happen.

    For a call that is no stream, it is a 200 with half a body.
    """

    def __init__(self, *texts: str, error: Exception | Literal["cut"] | None = "cut") -> None:
        self.texts: tuple[str, ...] = texts
        self.error: Exception | None = stream_cut() if error == "cut" else error


class ScriptedBedrock:
    """A stand-in for ``boto3.client("bedrock-runtime")``: each call gets the next outcome of a script.

    An exception is raised. A text becomes an answer with that text, in the form of whatever was called. A mapping is
    the answer itself (for InvokeModel, its body; for streams, a list of events is taken). A ``BrokenStream`` breaks.

    Args:
        outcomes: The first call gets the first one, and so on: ``ScriptedBedrock(*throttling_errors(2), "Hello")``.
        then: What every call after them gets; without it they raise ``ScriptExhaustedError``.
        clock: Whose time a call takes.
        latency: Seconds a call takes, on that clock.

    Attributes:
        requests: What was called with which parameters: ``("converse", {...})``, in order.
        streams: The streams handed out; ``closed`` tells whether they were closed.
    """

    def __init__(
        self, *outcomes: object, then: object = NOTHING, clock: FakeClock | None = None, latency: float = 0.0
    ) -> None:
        self._clock = clock
        self._latency = latency
        self._script = Script(*outcomes, then=then, clock=clock, latency=latency)
        self.streams: list[ScriptedStream] = []
        self.exceptions: Any = _Exceptions()

    @property
    def calls(self) -> int:
        """How often it was called."""
        return self._script.calls

    @property
    def requests(self) -> list[tuple[str, dict[str, Any]]]:
        """What was called, with which parameters."""
        return [(args[0], kwargs) for args, kwargs in self._script.arguments]

    def converse(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401 - the parameters of Converse
        """Converse."""
        outcome = self._next("converse", request)
        if isinstance(outcome, BrokenStream):
            return {"ResponseMetadata": _METADATA}  # what boto3 makes of a body that is cut off
        answer = converse_response(outcome) if isinstance(outcome, str) else dict(outcome)
        return {"ResponseMetadata": _METADATA, **answer}

    def invoke_model(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401 - the parameters of InvokeModel
        """InvokeModel; the answers are those of a Claude model."""
        outcome = self._next("invoke_model", request)
        if isinstance(outcome, BrokenStream):
            raw = json.dumps(claude_response("".join(outcome.texts)))[:-20]
        else:
            raw = json.dumps(claude_response(outcome) if isinstance(outcome, str) else outcome)
        body = io.BytesIO(raw.encode())
        return {"ResponseMetadata": _METADATA, "contentType": "application/json", "body": body}

    def converse_stream(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401 - the parameters of ConverseStream
        """ConverseStream."""
        stream = self._stream(self._next("converse_stream", request), converse_events)
        return {"ResponseMetadata": _METADATA, "stream": stream}

    def invoke_model_with_response_stream(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401 - as InvokeModel's
        """InvokeModelWithResponseStream; the events are those of a Claude model."""
        stream = self._stream(self._next("invoke_model_with_response_stream", request), claude_events)
        return {"ResponseMetadata": _METADATA, "contentType": "application/json", "body": stream}

    def _next(self, operation: str, request: dict[str, Any]) -> Any:  # noqa: ANN401 - whatever the script says
        if self._clock is not None and self._latency:
            self._clock.advance(self._latency)
        return self._script.next((operation,), request)

    def _stream(self, outcome: Any, events: Any) -> ScriptedStream:  # noqa: ANN401 - whatever the script says
        if isinstance(outcome, BrokenStream):
            whole = events(*outcome.texts)
            stream = ScriptedStream(whole[: 1 + len(outcome.texts)], outcome.error)
        else:
            stream = ScriptedStream(events(outcome) if isinstance(outcome, str) else list(outcome))
        self.streams.append(stream)
        return stream


class ScriptedStream:
    """The event stream of an answer."""

    def __init__(self, events: list[dict[str, Any]], error: Exception | None = None) -> None:
        self._events = events
        self._error = error
        self.closed: bool = False

    def __iter__(self) -> Iterator[dict[str, Any]]:
        yield from self._events
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Close the connection."""
        self.closed = True


class _Exceptions:
    """``client.exceptions``."""

    def __getattr__(self, name: str) -> type[Exception]:
        if name.startswith("_"):
            raise AttributeError(name)
        return error_class(name)


def converse_response(text: str, stop_reason: str = "end_turn") -> dict[str, Any]:
    """An answer of Converse with this text."""
    return {
        "output": {"message": {"role": "assistant", "content": [{"text": text}]}},
        "stopReason": stop_reason,
        "usage": _usage(text),
        "metrics": {"latencyMs": 5},
    }


def converse_events(*texts: str, stop_reason: str = "end_turn") -> list[dict[str, Any]]:
    """The events of a ConverseStream with this text, in so many pieces."""
    return [
        {"messageStart": {"role": "assistant"}},
        *({"contentBlockDelta": {"delta": {"text": text}, "contentBlockIndex": 0}} for text in texts),
        {"contentBlockStop": {"contentBlockIndex": 0}},
        {"messageStop": {"stopReason": stop_reason}},
        {"metadata": {"usage": _usage("".join(texts)), "metrics": {"latencyMs": 5}}},
    ]


def claude_response(text: str, stop_reason: str = "end_turn") -> dict[str, Any]:
    """The body of a Claude model's answer to InvokeModel."""
    usage = _usage(text)
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude",
        "content": [{"type": "text", "text": text}],
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": {"input_tokens": usage["inputTokens"], "output_tokens": usage["outputTokens"]},
    }


def claude_events(*texts: str, stop_reason: str = "end_turn") -> list[dict[str, Any]]:
    """The events of a Claude model's InvokeModelWithResponseStream, each wrapped as Bedrock does."""
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {"role": "assistant", "content": []}},
        *({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}} for text in texts),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": stop_reason, "stop_sequence": None}},
        {"type": "message_stop", "amazon-bedrock-invocationMetrics": {"outputTokenCount": len(texts)}},
    ]
    return [{"chunk": {"bytes": json.dumps(event).encode()}} for event in events]


def _usage(text: str) -> dict[str, int]:
    words = len(text.split())
    return {"inputTokens": 10, "outputTokens": words, "totalTokens": 10 + words}
