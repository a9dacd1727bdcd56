"""What is read from the bytes of a streamed response, in whatever pieces they arrive."""

from __future__ import annotations

import base64
import binascii
import json
import struct
from typing import Any

import pytest

from bedrock_resilience import Fault, classify
from bedrock_resilience.integrations._stream_reader import StreamReader, is_stream
from bedrock_resilience.quotas import Usage, usage_from

FRAMES = {"content-type": "application/vnd.amazon.eventstream"}
SSE = {"content-type": "text/event-stream; charset=utf-8"}


def message(headers: bytes, payload: bytes) -> bytes:
    prelude = struct.pack("!II", 16 + len(headers) + len(payload), len(headers))
    body = prelude + struct.pack("!I", binascii.crc32(prelude)) + headers + payload
    return body + struct.pack("!I", binascii.crc32(body))


def text_header(name: str, value: str) -> bytes:
    return bytes([len(name)]) + name.encode() + b"\x07" + struct.pack("!H", len(value)) + value.encode()


def frame(payload: object, **headers: str) -> bytes:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return message(
        b"".join(text_header(f":{name}", value) for name, value in names.items()), json.dumps(payload).encode()
    )


def event(kind: str, payload: object) -> bytes:
    return frame(payload, event_type=kind, message_type="event")


def chunk(payload: object) -> bytes:
    return event("chunk", {"bytes": base64.b64encode(json.dumps(payload).encode()).decode()})


def sse(*payloads: object) -> bytes:
    return b"".join(b"event: x\r\ndata: " + json.dumps(payload).encode() + b"\r\n\r\n" for payload in payloads)


def read(headers: dict[str, str], raw: bytes, size: int = 7) -> StreamReader:
    reader = StreamReader(headers)
    for at in range(0, len(raw), size):
        reader.feed(raw[at : at + size])
    reader.feed(None)
    return reader


CLAUDE = (
    {"type": "message_start", "message": {"usage": {"input_tokens": 7, "output_tokens": 1}}},
    {"type": "content_block_delta", "delta": {"text": "x"}},
    {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 3, "input_tokens": None}},
    {"type": "message_stop"},
)


@pytest.mark.parametrize(
    ("headers", "raw"),
    [
        pytest.param(
            FRAMES,
            event("messageStart", {"role": "assistant"})
            + event("metadata", {"usage": {"inputTokens": 7, "outputTokens": 3}}),
            id="Converse",
        ),
        pytest.param(FRAMES, b"".join(map(chunk, CLAUDE)), id="InvokeModel, Claude"),
        pytest.param(
            FRAMES,
            chunk({"generation": "x"})
            + chunk({"amazon-bedrock-invocationMetrics": {"inputTokenCount": 7, "outputTokenCount": 3}}),
            id="InvokeModel, another family",
        ),
        pytest.param(SSE, sse(*CLAUDE), id="Messages"),
        pytest.param(
            SSE,
            b": a comment\n\n"
            + sse({"choices": [], "usage": None}, {"usage": {"prompt_tokens": 7, "completion_tokens": 3}})
            + b"data: [DONE]\n\n",
            id="Chat Completions",
        ),
        pytest.param(
            SSE,
            sse(
                {"type": "response.created", "response": {"usage": None}},
                {"type": "response.completed", "response": {"usage": {"input_tokens": 7, "output_tokens": 3}}},
            ),
            id="Responses",
        ),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_the_usage_is_read_in_every_shape(headers: dict[str, str], raw: bytes, size: int) -> None:
    reader = read(headers, raw, size)
    assert usage_from(reader.last) == Usage(7, 3)
    assert reader.error is None


def test_it_has_started_with_the_first_complete_event() -> None:
    reader = StreamReader(FRAMES)
    initial = event("initial-response", {})
    first = event("messageStart", {"role": "assistant"})
    reader.feed(initial + first[:-1])
    assert not reader.started
    reader.feed(first[-1:])
    assert reader.started


@pytest.mark.parametrize(
    ("headers", "raw", "fault"),
    [
        (
            FRAMES,
            frame({"message": "m"}, message_type="exception", exception_type="throttlingException"),
            Fault.THROTTLING,
        ),
        (
            FRAMES,
            frame({}, message_type="error", error_code="InternalFailure", error_message="m"),
            Fault.INTERNAL_SERVER,
        ),
        (FRAMES, chunk({"type": "error", "error": {"type": "overloaded_error", "message": "m"}}), Fault.OVERLOADED),
        (SSE, sse({"type": "error", "error": {"type": "overloaded_error", "message": "m"}}), Fault.OVERLOADED),
        (SSE, sse({"error": {"code": "rate_limit_exceeded", "message": "m"}}), Fault.THROTTLING),
        (SSE, sse({"type": "error", "code": "rate_limit_exceeded", "message": "m"}), Fault.THROTTLING),
        (FRAMES, b"", Fault.STREAM_INTERRUPTED),
        (SSE, b"data: {}", Fault.STREAM_INTERRUPTED),
        (FRAMES, b"<html>a page that is no stream</html>", Fault.STREAM_INTERRUPTED),
        (FRAMES, event("x", {})[:-1] + b"\x00", Fault.STREAM_INTERRUPTED),
        (FRAMES, message(b"\x01n\x0aunknown type", b""), Fault.STREAM_INTERRUPTED),
        (SSE, b"x" * 1_100_000, Fault.STREAM_INTERRUPTED),
    ],
)
def test_a_first_event_that_is_an_error_or_none(headers: dict[str, str], raw: bytes, fault: Fault) -> None:
    reader = read(headers, raw, 4_096)
    assert reader.error is not None
    assert (reader.started, classify(reader.error)) == (True, fault)


def test_a_message_longer_than_any_is_no_event() -> None:
    prelude = struct.pack("!II", 30_000_000, 0)
    reader = read(FRAMES, prelude + struct.pack("!I", binascii.crc32(prelude)))
    assert classify(reader.error or Exception()) is Fault.STREAM_INTERRUPTED


def test_damage_after_the_first_event_is_left_to_the_client() -> None:
    reader = read(FRAMES, event("messageStart", {}) + b"<html>something that is no event</html>" + event("x", {}))
    assert reader.error is None
    assert usage_from(reader.last) is None


def test_headers_of_other_types_and_odd_payloads_are_skipped() -> None:
    number = b"\x01n\x04\x00\x00\x00\x07"
    odd = event("chunk", {"bytes": "x"}) + event("chunk", {}) + message(number, b"no JSON")
    reader = read(FRAMES, odd + message(number + text_header(":event-type", "metadata"), b'{"usage": []}'))
    assert (reader.started, reader.error) == (True, None)


def test_a_compressed_stream_is_not_read() -> None:
    reader = StreamReader({**SSE, "content-encoding": "gzip"})
    assert reader.started
    reader.feed(b"\x1f\x8b")
    assert (reader.error, reader.last) == (None, {"usage": {}})


@pytest.mark.parametrize(
    ("headers", "expected"), [(FRAMES, True), (SSE, True), ({"content-type": "a/json"}, False), ({}, False)]
)
def test_streams_are_recognised_by_their_type(headers: dict[str, Any], expected: bool) -> None:  # noqa: FBT001 - a parameter
    assert is_stream(headers) is expected
