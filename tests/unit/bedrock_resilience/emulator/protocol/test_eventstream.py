"""Frames, read back by botocore's own decoder."""

from __future__ import annotations

import json
from typing import Any, cast

from botocore.eventstream import EventStreamBuffer

from bedrock_resilience.emulator._protocol.eventstream import event, exception, frame


def decoded(data: bytes) -> list[tuple[dict[str, Any], bytes]]:
    buffer = cast("Any", EventStreamBuffer())
    buffer.add_data(data)
    return [(message.headers, message.payload) for message in buffer]


def test_events_and_exceptions_are_what_botocore_reads() -> None:
    messages = decoded(event("messageStop", {"stopReason": "end_turn"}) + exception("throttlingException", "Slow."))
    assert messages == [
        (
            {":event-type": "messageStop", ":content-type": "application/json", ":message-type": "event"},
            b'{"stopReason":"end_turn"}',
        ),
        (
            {
                ":exception-type": "throttlingException",
                ":content-type": "application/json",
                ":message-type": "exception",
            },
            b'{"message":"Slow."}',
        ),
    ]


def test_a_frame_may_hold_any_text_and_any_bytes() -> None:
    ((headers, payload),) = decoded(frame({"name": "é" * 1_000}, bytes(range(256))))
    assert headers == {"name": "é" * 1_000}
    assert payload == bytes(range(256))
    assert json.loads(decoded(event("x", {"text": "é\ud800"}))[0][1]) == {"text": "é\ud800"}
