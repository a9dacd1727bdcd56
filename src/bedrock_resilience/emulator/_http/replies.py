"""HTTP replies as data: the response itself, its timing, and how it ends."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from bedrock_resilience.emulator._protocol import eventstream
from bedrock_resilience.emulator._protocol.jsonvalues import JsonObject, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bedrock_resilience.emulator._protocol.errors import ServiceError

_ERROR_NAMESPACE: Final = "http://internal.amazon.com/coral/com.amazon.bedrock/"


class Ending(enum.Enum):
    """What happens once the frames of a reply are sent."""

    COMPLETE = "complete"
    """The reply is complete; the connection serves the next request."""
    CUT = "cut"
    """The connection is closed, whatever length was announced."""
    STALL = "stall"
    """Nothing more is sent, and the connection stays open until the client leaves."""
    RESET = "reset"
    """The connection is reset."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP response.

    Attributes:
        status: The HTTP status.
        headers: Without those that frame the body.
        frames: The body, in the pieces that are sent one by one.
        length: The Content-Length announced; None for a chunked body.
        delay: Seconds from the arrival of the request to the first byte.
        pause: Seconds between two frames.
        head: Whether the status line and headers are sent at all.
        ending: What happens after the last frame.
        error_frame: Writes an error in the middle of a stream; None for an event stream of AWS.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    frames: tuple[bytes, ...] = ()
    length: int | None = 0
    delay: float = 0.0
    pause: float = 0.0
    head: bool = True
    ending: Ending = Ending.COMPLETE
    error_frame: Callable[[ServiceError], bytes] | None = None


def body_reply(
    body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None, delay: float = 0.0
) -> Reply:
    """A body that is sent at once; JSON, unless the headers say otherwise."""
    return Reply(status, {"Content-Type": "application/json", **(headers or {})}, (body,), len(body), delay)


def error_reply(error: ServiceError, *, delay: float = 0.0) -> Reply:
    """An error as Bedrock sends it: its code in a header, its message in the body."""
    headers = {} if error.code is None else {"x-amzn-ErrorType": f"{error.code}:{_ERROR_NAMESPACE}"}
    body = encode({"message": error.message, **error.members})
    return body_reply(body, status=error.status, headers={**headers, **error.headers}, delay=delay)


def stream_reply(events: Sequence[tuple[str, JsonObject]], *, headers: Mapping[str, str] | None = None) -> Reply:
    """An event stream."""
    frames = tuple(eventstream.event(name, payload) for name, payload in events)
    return Reply(200, {"Content-Type": eventstream.CONTENT_TYPE, **(headers or {})}, frames, None)
