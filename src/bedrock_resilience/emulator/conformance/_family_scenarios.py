"""Bodies and streams of the families of models behind InvokeModel that are no complete response.

Shapes: "Inference request parameters and response fields for foundation models" (AWS).
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience._fault import Fault
from bedrock_resilience.emulator._protocol import eventstream
from bedrock_resilience.emulator.conformance._client_scenarios import ClientScenario
from bedrock_resilience.emulator.conformance._raw_server import RawReply, http_reply

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_TEXT: Final = "Camurus"
_REASON: Final = "end_turn"
_METRICS: Final = {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 5, "outputTokenCount": 1}}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """A complete response of a family, with the text ``_TEXT`` and the stop reason ``_REASON``.

    Attributes:
        body: The body.
        events: The events of the stream; only with the last of them it is complete.
        limit: The stop reason of a response that is cut at the limit of the request.
        empty: A body without output in which a list has no entries; None if the family has no list.
    """

    body: dict[str, Any]
    events: tuple[dict[str, Any], ...]
    limit: str
    empty: dict[str, Any] | None = None


def _chat(key: str, message: dict[str, Any], reason: str | None, name: str = "finish_reason") -> dict[str, Any]:
    return {"choices": [{"index": 0, key: message, name: reason}]}


_FAMILIES: Final[dict[str, _Shape]] = {
    "Claude": _Shape(
        body={"type": "message", "content": [{"type": "text", "text": _TEXT}], "stop_reason": _REASON},
        events=(
            {"type": "message_start", "message": {"type": "message", "role": "assistant", "content": []}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": _TEXT}},
            {"type": "message_delta", "delta": {"stop_reason": _REASON}},
            {"type": "message_stop", **_METRICS},
        ),
        limit="max_tokens",
        empty={"type": "message", "role": "assistant", "content": [], "stop_reason": _REASON},
    ),
    "Claude 2": _Shape(
        body={"completion": _TEXT, "stop_reason": _REASON, "stop": None},
        events=(
            {"type": "completion", "completion": _TEXT, "stop_reason": None, "stop": None},
            {"type": "completion", "completion": "", "stop_reason": _REASON, "stop": None, **_METRICS},
        ),
        limit="max_tokens",
    ),
    "Nova": _Shape(
        body={"output": {"message": {"role": "assistant", "content": [{"text": _TEXT}]}}, "stopReason": _REASON},
        events=(
            {"messageStart": {"role": "assistant"}},
            {"contentBlockDelta": {"delta": {"text": _TEXT}, "contentBlockIndex": 0}},
            {"messageStop": {"stopReason": _REASON}},
        ),
        limit="max_tokens",
        empty={"output": {"message": {"role": "assistant", "content": []}}, "stopReason": _REASON},
    ),
    "Llama": _Shape(
        body={"generation": _TEXT, "prompt_token_count": 5, "generation_token_count": 1, "stop_reason": _REASON},
        events=(
            {"generation": _TEXT, "prompt_token_count": 5, "stop_reason": None},
            {"generation": "", "generation_token_count": 1, "stop_reason": _REASON, **_METRICS},
        ),
        limit="length",
    ),
    "Titan": _Shape(
        body={"inputTextTokenCount": 5, "results": [{"outputText": _TEXT, "completionReason": _REASON}]},
        events=(
            {"outputText": _TEXT, "completionReason": None},
            {"outputText": "", "completionReason": _REASON, **_METRICS},
        ),
        limit="LENGTH",
        empty={"inputTextTokenCount": 5, "results": []},
    ),
    "Mistral, text": _Shape(
        body={"outputs": [{"text": _TEXT, "stop_reason": _REASON}]},
        events=(
            {"outputs": [{"text": _TEXT, "stop_reason": None}]},
            {"outputs": [{"text": "", "stop_reason": _REASON}], **_METRICS},
        ),
        limit="length",
        empty={"outputs": []},
    ),
    "Mistral, chat": _Shape(
        body=_chat("message", {"role": "assistant", "content": _TEXT}, _REASON, "stop_reason"),
        events=(
            _chat("message", {"role": "assistant", "content": _TEXT}, None, "stop_reason"),
            {**_chat("message", {"content": ""}, _REASON, "stop_reason"), **_METRICS},
        ),
        limit="model_length",
        empty={"object": "chat.completion", "choices": []},
    ),
    "OpenAI, Qwen, DeepSeek, Jamba": _Shape(
        body=_chat("message", {"role": "assistant", "content": _TEXT, "tool_calls": None}, _REASON),
        events=(
            _chat("delta", {"role": "assistant", "content": ""}, None),
            _chat("delta", {"content": _TEXT}, None),
            _chat("delta", {}, _REASON),
            {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 1}, **_METRICS},
        ),
        limit="length",
        empty={"id": "1", "object": "chat.completion", "choices": [], "usage": {}},
    ),
    "DeepSeek-R1, text": _Shape(
        body={"choices": [{"text": _TEXT, "stop_reason": _REASON}]},
        events=(
            {"choices": [{"text": _TEXT, "stop_reason": None}]},
            {"choices": [{"text": "", "stop_reason": _REASON}], **_METRICS},
        ),
        limit="length",
    ),
    "Cohere Command": _Shape(
        body={"id": "1", "prompt": "Hello", "generations": [{"text": _TEXT, "finish_reason": _REASON}]},
        events=(
            {"is_finished": False, "text": _TEXT},
            {"is_finished": True, "finish_reason": _REASON, "response": {"prompt": "Hello"}, **_METRICS},
        ),
        limit="MAX_TOKENS",
        empty={"id": "1", "prompt": "Hello", "generations": []},
    ),
    "Cohere Command R": _Shape(
        body={"text": _TEXT, "chat_history": [{"role": "USER", "message": "Hello"}], "finish_reason": _REASON},
        events=(
            {"is_finished": False, "event_type": "stream-start", "generation_id": "1"},
            {"is_finished": False, "event_type": "text-generation", "text": _TEXT},
            {"is_finished": True, "event_type": "stream-end", "finish_reason": _REASON, **_METRICS},
        ),
        limit="ERROR_LIMIT",
    ),
}

_ERRORS: Final[tuple[tuple[str, Fault, dict[str, Any]], ...]] = (
    (
        "error of Anthropic, overloaded",
        Fault.OVERLOADED,
        {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
    ),
    (
        "error of OpenAI, rate limit",
        Fault.THROTTLING,
        {"error": {"message": "Rate limit reached", "type": "requests", "code": "rate_limit_exceeded"}},
    ),
    (
        "error of OpenAI, server error",
        Fault.INTERNAL_SERVER,
        {"error": {"message": "Error", "type": "server_error", "code": None}},
    ),
    ("error with a status as its code", Fault.SERVICE_UNAVAILABLE, {"error": {"message": "Busy", "code": 503}}),
    ("error of AWS, throttling", Fault.THROTTLING, {"message": "Rate exceeded", "__type": "ThrottlingException"}),
    (
        "error of AWS, tokens per day",
        Fault.TOKENS_PER_DAY,
        {"message": "Too many tokens per day", "__type": "ThrottlingException"},
    ),
    (
        "error of AWS, validation",
        Fault.VALIDATION,
        {"message": "Malformed input request", "__type": "com.amazon.coral#ValidationException"},
    ),
)


def _json(value: object, text: str = _TEXT, reason: str = _REASON) -> bytes:
    """The JSON of a body or an event, with another text and stop reason."""
    encoded = json.dumps(value)
    return (
        encoded.replace(json.dumps(_TEXT), json.dumps(text)).replace(json.dumps(_REASON), json.dumps(reason)).encode()
    )


def _stream(events: Sequence[bytes], *, ends: bool = True) -> RawReply:
    frames = b"".join(eventstream.event("chunk", {"bytes": base64.b64encode(event).decode()}) for event in events)
    return http_reply(200, frames, {"Content-Type": eventstream.CONTENT_TYPE}, chunked=not ends)


def _scenario(name: str, fault: Fault, reply: RawReply, *, stream: bool = False) -> ClientScenario:
    return ClientScenario(name=name, api="invoke-model", faults=frozenset({fault}), reply=reply, stream=stream)


def _bodies(family: str, shape: _Shape) -> Iterator[ClientScenario]:
    cut = _json(shape.body, reason=shape.limit)
    if shape.empty is not None:
        yield _scenario(f"{family}: no output", Fault.MALFORMED_RESPONSE, http_reply(200, _json(shape.empty)))
    yield _scenario(f"{family}: empty text", Fault.MALFORMED_RESPONSE, http_reply(200, _json(shape.body, text="")))
    yield _scenario(f"{family}: cut at the limit", Fault.INCOMPLETE_RESPONSE, http_reply(200, cut))
    yield _scenario(f"{family}: half of the body", Fault.MALFORMED_RESPONSE, http_reply(200, cut[:-3]))


def _streams(family: str, shape: _Shape) -> Iterator[ClientScenario]:
    def row(name: str, fault: Fault, events: Sequence[bytes], *, ends: bool = True) -> ClientScenario:
        return _scenario(f"{family}: stream {name}", fault, _stream(events, ends=ends), stream=True)

    events = [_json(event) for event in shape.events]
    yield row("of empty text", Fault.MALFORMED_RESPONSE, [_json(event, text="") for event in shape.events])
    yield row(
        "cut at the limit", Fault.INCOMPLETE_RESPONSE, [_json(event, reason=shape.limit) for event in shape.events]
    )
    yield row("without its end", Fault.STREAM_INTERRUPTED, events[:-1])
    yield row("whose connection is cut", Fault.STREAM_INTERRUPTED, events[:-1], ends=False)
    error = {"error": {"message": "Overloaded", "type": "overloaded_error"}}
    yield row("with an error", Fault.OVERLOADED, [*events[:-1], _json(error)])


def _errors() -> Iterator[ClientScenario]:
    for name, fault, error in _ERRORS:
        yield _scenario(f"200 with an {name}", fault, http_reply(200, _json(error)))
        yield _scenario(f"stream with an {name}", fault, _stream([_json(error)]), stream=True)


FAMILY_SCENARIOS: Final[tuple[ClientScenario, ...]] = (
    *(
        scenario
        for family, shape in _FAMILIES.items()
        for scenario in (*_bodies(family, shape), *_streams(family, shape))
    ),
    *_errors(),
)
"""What every family can send in place of a response."""
