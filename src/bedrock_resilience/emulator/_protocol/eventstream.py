"""Frames of ``application/vnd.amazon.eventstream``, the encoding of Bedrock's streamed responses.

A frame is, big-endian: total length, length of the headers, CRC-32 of these eight bytes, headers, payload, CRC-32 of
everything before it. A header is: length of its name, name, type (7 is a string), length of its value, value.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final
from zlib import crc32

from bedrock_resilience.emulator._protocol.jsonvalues import JsonObject, encode

if TYPE_CHECKING:
    from collections.abc import Mapping

CONTENT_TYPE: Final = "application/vnd.amazon.eventstream"

_STRING_TYPE: Final = 7
_OVERHEAD_BYTES: Final = 16  # two lengths and two checksums, four bytes each


def event(name: str, payload: JsonObject) -> bytes:
    """The frame of an event, such as ``contentBlockDelta``."""
    headers = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    return frame(headers, encode(payload))


def exception(name: str, message: str) -> bytes:
    """The frame of a modeled exception; its name begins in lower case: ``throttlingException``."""
    headers = {":exception-type": name, ":content-type": "application/json", ":message-type": "exception"}
    return frame(headers, encode({"message": message}))


def frame(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One frame."""
    head = b"".join(_header(name, value) for name, value in headers.items())
    prelude = struct.pack(">II", _OVERHEAD_BYTES + len(head) + len(payload), len(head))
    message = prelude + struct.pack(">I", crc32(prelude)) + head + payload
    return message + struct.pack(">I", crc32(message))


def _header(name: str, value: str) -> bytes:
    encoded_name, encoded_value = name.encode("utf-8"), value.encode("utf-8")
    prefix = struct.pack(">B", len(encoded_name)) + encoded_name
    return prefix + struct.pack(">BH", _STRING_TYPE, len(encoded_value)) + encoded_value
