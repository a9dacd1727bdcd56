"""ScriptedBedrock: a ``bedrock-runtime`` client without a network, whose calls succeed and fail by a script."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from bedrock_resilience._checks import Problem, instance, refuse, wrong_type
from bedrock_resilience.bedrock._families import text_of
from bedrock_resilience.bedrock._streams import decode_chunk
from bedrock_resilience.quotas import Usage
from bedrock_resilience.testing._errors import check_parameters, error_class, stream_cut
from bedrock_resilience.testing._script import UNSET, Script

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bedrock_resilience.emulator._protocol.generation import CompletedGeneration, Writers
    from bedrock_resilience.testing._fake_clock import FakeClock

_METADATA: Final[dict[str, Any]] = {
    "RequestId": "00000000-0000-4000-8000-000000000000",
    "HTTPStatusCode": 200,
    "RetryAttempts": 0,
}
# The methods of a client, and the operations of the service.
_OPERATIONS: Final = {
    "converse": "Converse",
    "converse_stream": "ConverseStream",
    "invoke_model": "InvokeModel",
    "invoke_model_with_response_stream": "InvokeModelWithResponseStream",
}


class BrokenStream:
    """The outcome of a stream that yields some text and then fails.

    For a call without a stream, the outcome is a success with half a body.

    Args:
        texts: The texts that are yielded before the failure, one event each. Under InvokeModel, the models of other
            families than Claude's stream them in pieces of their own.
        error: The exception that is raised; ``"cut"`` is short for ``stream_cut()``. None: the stream ends without an
            error, but also without its last event, as can happen with boto3.

    Raises:
        TypeError: A text is not a string, or the error is not an exception.
    """

    def __init__(self, *texts: str, error: Exception | Literal["cut"] | None = "cut") -> None:
        refuse(
            "BrokenStream",
            *(instance(f"texts[{index}]", text, str, "a text") for index, text in enumerate(texts)),
            None
            if error == "cut"
            else instance("error", error, BaseException, "an exception, 'cut', or None", optional=True),
        )
        self.texts: tuple[str, ...] = texts
        self.error: Exception | None = stream_cut() if error == "cut" else error


class ScriptedBedrock:
    """A stand-in for ``boto3.client("bedrock-runtime")``: each call gets the next outcome of a script.

    An exception is raised. A text becomes a response with that text, in the form of the operation. For InvokeModel,
    this is the form of the model's family: that of its id, or else of the fields of the body, or else Claude's. A
    mapping is the response itself; for InvokeModel, its body. For the streaming operations, a list is the events. A
    ``BrokenStream`` fails after some text.

    With botocore installed, a call whose parameters boto3 refuses raises botocore's ``ParamValidationError``. It is
    not counted: boto3 sends no request either.

    Args:
        outcomes: The outcomes of the calls, in order: ``ScriptedBedrock(*throttling_errors(2), "Hello")``.
        then: The outcome of every further call; without it, a further call raises ``ScriptExhaustedError``.
        clock: The clock on which the calls take time.
        latency: Seconds that a call takes on that clock.

    Attributes:
        streams: The streams that were returned; ``closed`` says whether a stream was closed.
        exceptions: The exception classes, as ``client.exceptions`` of boto3.

    Raises:
        TypeError: An outcome is none of these, such as a list of errors without ``*``; or, at the call, it does not fit
            the operation.
    """

    def __init__(
        self, *outcomes: object, then: object = UNSET, clock: FakeClock | None = None, latency: float = 0.0
    ) -> None:
        given = {f"outcomes[{index}]": outcome for index, outcome in enumerate(outcomes)}
        if then is not UNSET:
            given["then"] = then
        refuse("ScriptedBedrock", *(_outcome_problem(name, outcome) for name, outcome in given.items()))
        self._clock = clock
        self._latency = latency
        self._script = Script(*outcomes, then=then, clock=clock, latency=latency)
        self.streams: list[ScriptedStream] = []
        self.exceptions: Any = _Exceptions()

    @property
    def calls(self) -> int:
        """Number of calls."""
        return self._script.calls

    @property
    def requests(self) -> list[tuple[str, dict[str, Any]]]:
        """Operation and parameters of each call, in order: ``("converse", {...})``."""
        return [(args[0], kwargs) for args, kwargs in self._script.arguments]

    def converse(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401 - the parameters of Converse
        """Converse."""
        outcome = self._next("converse", request)
        if isinstance(outcome, BrokenStream):
            return {"ResponseMetadata": _METADATA}  # what boto3 returns for a truncated body
        response = converse_response(outcome) if isinstance(outcome, str) else dict(outcome)
        return {"ResponseMetadata": _METADATA, **response}

    def invoke_model(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401 - the parameters of InvokeModel
        """InvokeModel."""
        outcome = self._next("invoke_model", request)
        if isinstance(outcome, BrokenStream):
            raw = json.dumps(_invoke_body(request, "".join(outcome.texts)))[:-20]
        else:
            raw = json.dumps(_invoke_body(request, outcome) if isinstance(outcome, str) else outcome)
        body = io.BytesIO(raw.encode())
        return {"ResponseMetadata": _METADATA, "contentType": "application/json", "body": body}

    def converse_stream(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401 - the parameters of ConverseStream
        """ConverseStream."""
        stream = self._stream(self._next("converse_stream", request), converse_events)
        return {"ResponseMetadata": _METADATA, "stream": stream}

    def invoke_model_with_response_stream(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401 - as InvokeModel's
        """InvokeModelWithResponseStream."""
        outcome = self._next("invoke_model_with_response_stream", request)
        stream = self._stream(outcome, partial(_invoke_events, request))
        return {"ResponseMetadata": _METADATA, "contentType": "application/json", "body": stream}

    def _next(self, operation: str, request: dict[str, Any]) -> Any:  # noqa: ANN401 - whatever the script says
        check_parameters(_OPERATIONS[operation], request)
        if self._clock is not None and self._latency:
            self._clock.advance(self._latency)
        outcome = self._script.next((operation,), request)
        streams = "stream" in operation
        of_the_other_kind: type = Mapping if streams else list
        if isinstance(outcome, of_the_other_kind):
            accepted = "a list, its events" if streams else "a mapping, the response"
            refuse("ScriptedBedrock", wrong_type(f"outcome of {operation}", outcome, accepted))
        return outcome

    def _stream(self, outcome: Any, events: Callable[..., list[dict[str, Any]]]) -> ScriptedStream:  # noqa: ANN401 - whatever the script says
        if isinstance(outcome, BrokenStream):
            stream = ScriptedStream(_interrupted(events(*outcome.texts)), outcome.error)
        else:
            stream = ScriptedStream(events(outcome) if isinstance(outcome, str) else list(outcome))
        self.streams.append(stream)
        return stream


class ScriptedStream:
    """The event stream of a response."""

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


def _outcome_problem(name: str, outcome: object) -> Problem | None:
    if isinstance(outcome, (BaseException, str, Mapping, BrokenStream)):
        return None
    accepted = "an exception, a text, a mapping (the response), a list of mappings (the events), or a BrokenStream"
    if not isinstance(outcome, list):
        return wrong_type(name, outcome, accepted)
    others = [entry for entry in cast("list[object]", outcome) if not isinstance(entry, Mapping)]
    if not others:
        return None
    text = f"{name}: got a list with {type(others[0]).__name__}; accepted: {accepted}"
    return Problem(TypeError, f"{text}; for an outcome of each entry, write * before the list: *throttling_errors(2)")


def _invoke_body(request: dict[str, Any], text: str) -> Mapping[str, Any]:
    """Return the body of a response to InvokeModel, in the form of the model's family."""
    writers = _writers(request, text)
    return claude_response(text) if writers is None else writers.body(_completed(request, text))


def _invoke_events(request: dict[str, Any], *texts: str) -> list[dict[str, Any]]:
    """Return the events of a stream of InvokeModel, in the form of the model's family."""
    text = "".join(texts)
    writers = _writers(request, text)
    if writers is None:
        return claude_events(*texts)
    return [_chunk(payload) for payload in writers.payloads(_completed(request, text))]


def _writers(request: dict[str, Any], text: str) -> Writers | None:
    """Return what writes the responses of the model; None for Claude, and where neither id nor body names a family."""
    from bedrock_resilience.emulator._protocol.claude import INVOKE_WRITERS  # noqa: PLC0415 - most scripts need no emulator
    from bedrock_resilience.emulator._protocol.families import family_of  # noqa: PLC0415 - as above

    model = request.get("modelId")
    family = family_of(str(model), _json_object(request.get("body")))
    if family is None or family.writers is INVOKE_WRITERS:
        return None
    if family.writers is None:
        refuse("ScriptedBedrock", wrong_type("outcome", text, f"a mapping, the body: {model} generates no text"))
    return family.writers


def _completed(request: dict[str, Any], text: str) -> CompletedGeneration:
    from bedrock_resilience.emulator._protocol.generation import CompletedGeneration, Generation  # noqa: PLC0415 - as above

    usage = _usage(text)
    tokens = Usage(usage["inputTokens"], usage["outputTokens"])
    return CompletedGeneration(Generation(({"text": text},)), tokens, _METADATA["RequestId"], request["modelId"])


def _json_object(body: object) -> dict[str, Any]:
    try:
        found: object = json.loads(body) if isinstance(body, (str, bytes, bytearray)) else None
    except ValueError:
        found = None
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _interrupted(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the events up to the last one with text; of a stream without text, the first, unless it is the last."""
    with_text = [
        number for number, event in enumerate(events, 1) if text_of(decode_chunk(event) if "chunk" in event else event)
    ]
    return events[: with_text[-1] if with_text else min(1, len(events) - 1)]


def _chunk(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event of InvokeModel as Bedrock wraps it."""
    return {"chunk": {"bytes": json.dumps(payload).encode()}}


def converse_response(text: str, stop_reason: str = "end_turn") -> dict[str, Any]:
    """Return a response of Converse with this text."""
    return {
        "output": {"message": {"role": "assistant", "content": [{"text": text}]}},
        "stopReason": stop_reason,
        "usage": _usage(text),
        "metrics": {"latencyMs": 5},
    }


def converse_events(*texts: str, stop_reason: str = "end_turn") -> list[dict[str, Any]]:
    """Return the events of a ConverseStream, one content event for each text."""
    return [
        {"messageStart": {"role": "assistant"}},
        *({"contentBlockDelta": {"delta": {"text": text}, "contentBlockIndex": 0}} for text in texts),
        {"contentBlockStop": {"contentBlockIndex": 0}},
        {"messageStop": {"stopReason": stop_reason}},
        {"metadata": {"usage": _usage("".join(texts)), "metrics": {"latencyMs": 5}}},
    ]


def claude_response(text: str, stop_reason: str = "end_turn") -> dict[str, Any]:
    """Return the body of a Claude model's response to InvokeModel."""
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
    """Return the events of a Claude model's InvokeModelWithResponseStream, each wrapped as Bedrock does."""
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {"role": "assistant", "content": []}},
        *({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}} for text in texts),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": stop_reason, "stop_sequence": None}},
        {"type": "message_stop", "amazon-bedrock-invocationMetrics": {"outputTokenCount": len(texts)}},
    ]
    return [_chunk(event) for event in events]


def _usage(text: str) -> dict[str, int]:
    words = len(text.split())
    return {"inputTokens": 10, "outputTokens": words, "totalTokens": 10 + words}
