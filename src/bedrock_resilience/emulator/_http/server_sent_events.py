"""Streams of server-sent events: of the Messages API and of chat completions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bedrock_resilience.emulator._http.error_shapes import anthropic_error, openai_error
from bedrock_resilience.emulator._http.replies import Reply
from bedrock_resilience.emulator._protocol.jsonvalues import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bedrock_resilience.emulator._protocol.errors import ServiceError
    from bedrock_resilience.emulator._protocol.jsonvalues import JsonObject


def messages_stream(payloads: Sequence[JsonObject]) -> Reply:
    """A stream of the Messages API, where each event is named after its type."""
    return _stream(tuple(map(_named_event, payloads)), lambda error: _named_event(anthropic_error(error)))


def chat_stream(payloads: Sequence[JsonObject]) -> Reply:
    """A stream of chat completions, which ends with ``[DONE]``."""
    return _stream((*map(_event, payloads), b"data: [DONE]\n\n"), lambda error: _event(openai_error(error)))


def _named_event(payload: JsonObject) -> bytes:
    return b"event: %b\n%b" % (str(payload["type"]).encode(), _event(payload))


def _event(payload: JsonObject) -> bytes:
    return b"data: %b\n\n" % encode(payload)


def _stream(frames: tuple[bytes, ...], error_frame: Callable[[ServiceError], bytes]) -> Reply:
    headers = {"Content-Type": "text/event-stream; charset=utf-8"}
    return Reply(200, headers, frames, None, error_frame=error_frame)
