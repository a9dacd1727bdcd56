"""Reads a streamed response from its bytes, beside the client: its first event, an error event, and the usage.

The client decodes the same bytes itself and gets them unchanged. So nothing here raises: what cannot be read is
skipped, and the usage of that response is unknown.
"""

from __future__ import annotations

import binascii
import json
import struct
import zlib
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from bedrock_resilience._errors import StreamEventError, StreamInterruptedError
from bedrock_resilience.quotas._tokens import stopped_for_length

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Event = dict[str, Any]

# The parts of a message of Amazon's event stream encoding, and the largest one that botocore reads.
_PRELUDE_BYTES: Final = 12
_CHECKSUM_BYTES: Final = 4
_MAX_MESSAGE_BYTES: Final = 25_165_824

# Header types of the encoding to the bytes of their values; those of bytes and strings state their length themselves.
_VALUE_BYTES: Final = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
_VARIABLE_TYPES: Final = frozenset({6, 7})

# A server-sent event that is longer is none: this is what a client may have to wait for at the start of a stream.
_MAX_EVENT_BYTES: Final = 1_048_576


class StreamReader:
    """The state of one streamed response that is being read.

    Args:
        headers: The headers of the response, names in lower case.

    Attributes:
        started: Whether its first event has arrived, or cannot be read.
        error: What its error event means, or that it cannot be read; None without one.
    """

    def __init__(self, headers: Mapping[str, str]) -> None:
        self.started: bool = False
        self.error: Exception | None = None
        self._usage: Event = {}
        self._length_stop: Event = {}
        self._decoder: _Decoder | None = None
        if headers.get("content-encoding", "identity") == "identity":
            self._decoder = _Frames() if _is_frames(headers) else _ServerSentEvents()
        else:
            self.started = True  # compressed: only the client can read it

    def feed(self, part: bytes | None) -> None:
        """Read the next bytes; None: the stream has ended. One without any event is not a response."""
        if part is None and not self.started:
            self.started = True
            self.error = StreamInterruptedError("the stream ended before its first event")
        if part is None or self._decoder is None:
            return
        try:
            for event in self._decoder.decode(part):
                self.started = True
                self._read(event)
        except ValueError as error:
            self._decoder = None
            if not self.started:
                self.started = True
                self.error = StreamInterruptedError(f"the stream does not start with an event: {error}")

    @property
    def last(self) -> Event:
        """The usage of the events, as the last event of a Converse stream has it; and a stop for the length."""
        return {"usage": self._usage, **self._length_stop}

    def _read(self, event: Event) -> None:
        # An error is inside "error" in the shapes of Anthropic and OpenAI, and at the top in the Responses API.
        error = event.get("error") or (event if event.get("type") == "error" else None)
        if isinstance(error, dict):
            fields = cast("Event", error)
            code = fields.get("code") or fields.get("type")
            self.error = StreamEventError({"Error": {"Code": code, "Message": fields.get("message")}})
        # Converse has the usage in "metadata", Claude in "message" at the start and beside "delta", the Responses API
        # in "response". Bedrock adds its own counts to the last event of InvokeModel.
        for place in (event, *(event.get(name) for name in ("metadata", "message", "response"))):
            usage = cast("Event", place).get("usage") if isinstance(place, dict) else None
            self._add(usage)
        self._add(event.get("amazon-bedrock-invocationMetrics"))
        if stopped_for_length(event):
            self._length_stop = {"stop_reason": "max_tokens"}

    def _add(self, usage: object) -> None:
        if isinstance(usage, dict):
            self._usage |= {name: count for name, count in cast("Event", usage).items() if count is not None}


def is_stream(headers: Mapping[str, str]) -> bool:
    """Return whether a response is a stream of events."""
    return _is_frames(headers) or _media_type(headers) == "text/event-stream"


def _is_frames(headers: Mapping[str, str]) -> bool:
    return _media_type(headers) == "application/vnd.amazon.eventstream"


def _media_type(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


class _Decoder(Protocol):
    def decode(self, part: bytes) -> Iterator[Event]:
        """Yield the events that are complete with these bytes; raise ValueError for bytes that are no event."""
        ...


class _Frames:
    """Amazon's event stream encoding."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def decode(self, part: bytes) -> Iterator[Event]:
        self._buffer += part
        while len(self._buffer) >= _PRELUDE_BYTES:
            total, headers, checksum = struct.unpack_from("!III", self._buffer)
            if zlib.crc32(self._buffer[: _PRELUDE_BYTES - _CHECKSUM_BYTES]) != checksum:
                raise ValueError("a wrong checksum")
            if not _PRELUDE_BYTES + headers + _CHECKSUM_BYTES <= total <= _MAX_MESSAGE_BYTES:
                raise ValueError("a wrong length")
            if len(self._buffer) < total:
                return
            message = bytes(self._buffer[:total])
            del self._buffer[:total]
            body = message[:-_CHECKSUM_BYTES]
            if zlib.crc32(body) != int.from_bytes(message[-_CHECKSUM_BYTES:], "big"):
                raise ValueError("a wrong checksum")
            event = _event_of(
                _headers(body[_PRELUDE_BYTES : _PRELUDE_BYTES + headers]), body[_PRELUDE_BYTES + headers :]
            )
            if event is not None:
                yield event


def _headers(raw: bytes) -> dict[str, str]:
    """Return the headers of a message whose values are strings."""
    found: dict[str, str] = {}
    at = 0
    try:
        while at < len(raw):
            name = raw[at + 1 : at + 1 + raw[at]].decode()
            at += 1 + raw[at]
            kind = raw[at]
            at += 1
            if kind not in _VARIABLE_TYPES:
                at += _VALUE_BYTES[kind]
                continue
            length = int.from_bytes(raw[at : at + 2], "big")
            at += 2 + length
            found[name] = raw[at - length : at].decode("utf-8", "replace")
    except (IndexError, KeyError) as error:
        raise ValueError("wrong headers") from error
    return found


def _event_of(headers: Mapping[str, str], payload: bytes) -> Event | None:
    if headers.get(":message-type") == "error":
        return _error(headers.get(":error-code"), headers.get(":error-message"))
    fields = _object(payload)
    if headers.get(":message-type") == "exception":
        return _error(headers.get(":exception-type"), fields.get("message") or fields.get("Message"))
    kind = headers.get(":event-type", "")
    if kind == "initial-response":  # part of the protocol, and no event of the model
        return None
    if kind != "chunk":
        return {kind: fields}
    try:  # InvokeModel: the event of the model is inside, in base64
        return _object(binascii.a2b_base64(str(fields.get("bytes", ""))))
    except binascii.Error:
        return {}


def _error(code: object, message: object) -> Event:
    return {"error": {"code": code, "message": message}}


class _ServerSentEvents:
    """Server-sent events, each a JSON object, as the APIs of Anthropic and OpenAI send them."""

    def __init__(self) -> None:
        self._buffer = b""

    def decode(self, part: bytes) -> Iterator[Event]:
        self._buffer = (self._buffer + part).replace(b"\r\n", b"\n")
        *events, self._buffer = self._buffer.split(b"\n\n")
        if len(self._buffer) > _MAX_EVENT_BYTES:
            raise ValueError("no end of the first event")
        for event in events:
            data = [line.removeprefix(b"data:") for line in event.split(b"\n") if line.startswith(b"data:")]
            if data:  # otherwise a comment
                yield _object(b"\n".join(data))


def _object(raw: bytes) -> Event:
    """Return a JSON object, and an empty one for anything else, such as OpenAI's ``[DONE]``."""
    try:
        value: object = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return cast("Event", value) if isinstance(value, dict) else {}
