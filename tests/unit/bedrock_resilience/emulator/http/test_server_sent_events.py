"""Streams of server-sent events."""

from __future__ import annotations

from bedrock_resilience.emulator._http.server_sent_events import chat_stream, messages_stream
from bedrock_resilience.emulator._protocol.errors import ServiceError

ERROR = ServiceError("ThrottlingException", "Slow.")


def test_events_of_the_messages_api_have_names() -> None:
    reply = messages_stream([{"type": "message_start"}, {"type": "message_stop"}])
    assert reply.frames == (
        b'event: message_start\ndata: {"type":"message_start"}\n\n',
        b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
    )
    assert (reply.headers["Content-Type"], reply.length) == ("text/event-stream; charset=utf-8", None)
    assert reply.error_frame is not None
    assert reply.error_frame(ERROR) == (
        b'event: error\ndata: {"type":"error","error":{"type":"rate_limit_error","message":"Slow."}}\n\n'
    )


def test_a_stream_of_chat_completions_ends_with_done() -> None:
    reply = chat_stream([{"id": "1"}])
    assert reply.frames == (b'data: {"id":"1"}\n\n', b"data: [DONE]\n\n")
    assert reply.error_frame is not None
    assert reply.error_frame(ERROR).startswith(b'data: {"error":{"message":"Slow.","type":"rate_limit_error"')
