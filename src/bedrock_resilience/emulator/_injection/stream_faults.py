"""Faults of a response on its way, and of a stream in its middle. All of it has been generated and is billed."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from bedrock_resilience.emulator._http.replies import Ending, Reply, body_reply
from bedrock_resilience.emulator._injection.injected_fault import InjectedFault
from bedrock_resilience.emulator._protocol import eventstream
from bedrock_resilience.emulator._protocol.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bedrock_resilience.emulator._injection.injected_fault import MakeReply

_SIGN_IN_PAGE: Final = (
    b"<html><head><title>200 OK</title></head><body><h1>Please sign in to the network</h1></body></html>"
)


@dataclass(frozen=True, slots=True)
class SlowFirstByte(InjectedFault):
    """The response begins ``seconds`` late."""

    seconds: float = 1.0

    harmless: ClassVar[bool] = True

    def apply(self, make_reply: MakeReply) -> Reply:
        """The complete response, late."""
        reply = make_reply()
        return dataclasses.replace(reply, delay=reply.delay + self.seconds)


@dataclass(frozen=True, slots=True)
class TruncatedBody(InjectedFault):
    """The connection is closed after ``fraction`` of the body, although all of it was announced."""

    fraction: float = 0.5

    def apply(self, make_reply: MakeReply) -> Reply:
        """The first part of the response."""
        reply = make_reply()
        body = b"".join(reply.frames)
        kept = body[: int(len(body) * self.fraction)]
        return dataclasses.replace(reply, frames=(kept,), ending=Ending.CUT)


@dataclass(frozen=True, slots=True)
class UnexpectedBody(InjectedFault):
    """The body of another server: by default the sign-in page of a proxy, with status 200."""

    body: bytes = _SIGN_IN_PAGE
    content_type: str = "text/html"
    status: int = 200

    def apply(self, make_reply: MakeReply) -> Reply:
        """The other server's body."""
        delay = make_reply().delay
        return body_reply(self.body, status=self.status, headers={"Content-Type": self.content_type}, delay=delay)


@dataclass(frozen=True, slots=True)
class ConnectionReset(InjectedFault):
    """The connection is reset in place of a response."""

    def apply(self, make_reply: MakeReply) -> Reply:
        """Nothing, and a reset."""
        return dataclasses.replace(make_reply(), frames=(), head=False, ending=Ending.RESET)


@dataclass(frozen=True, slots=True)
class Hang(InjectedFault):
    """No byte is ever sent: only the client's read timeout ends the attempt."""

    def apply(self, make_reply: MakeReply) -> Reply:
        """Nothing."""
        return dataclasses.replace(make_reply(), frames=(), head=False, ending=Ending.STALL)


@dataclass(frozen=True, slots=True)
class StreamFault(InjectedFault):
    """A fault of a stream after its first ``after`` events."""

    after: int = 2

    streams_only: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class StreamCut(StreamFault):
    """The connection is closed in the middle of an event."""

    def apply(self, make_reply: MakeReply) -> Reply:
        """The first events and half of the next."""
        reply = make_reply()
        half = [frame[: len(frame) // 2] for frame in reply.frames[self.after : self.after + 1]]
        return dataclasses.replace(reply, frames=(*reply.frames[: self.after], *half), ending=Ending.CUT)


@dataclass(frozen=True, slots=True)
class StreamStall(StreamFault):
    """No further event is sent, and the connection stays open."""

    def apply(self, make_reply: MakeReply) -> Reply:
        """The first events."""
        reply = make_reply()
        return dataclasses.replace(reply, frames=reply.frames[: self.after], ending=Ending.STALL)


@dataclass(frozen=True, slots=True)
class StreamCorruption(StreamFault):
    """One byte of an event is wrong, so that its checksum does not match."""

    def apply(self, make_reply: MakeReply) -> Reply:
        """The stream with one byte changed."""
        reply = make_reply()
        frames = list(reply.frames)
        for index in range(self.after, min(self.after + 1, len(frames))):
            frames[index] = frames[index][:-5] + bytes([frames[index][-5] ^ 0xFF]) + frames[index][-4:]
        return dataclasses.replace(reply, frames=tuple(frames))


@dataclass(frozen=True, slots=True)
class StreamWithoutStop(StreamFault):
    """The stream ends properly after a few events, without the last ones."""

    def apply(self, make_reply: MakeReply) -> Reply:
        """The first events."""
        reply = make_reply()
        return dataclasses.replace(reply, frames=reply.frames[: self.after])


STREAM_EXCEPTIONS: Final = (
    "internalServerException",
    "modelStreamErrorException",
    "modelTimeoutException",
    "serviceUnavailableException",
    "throttlingException",
    "validationException",
)
"""The modeled exceptions of streams, as botocore's model of the service spells them."""


@dataclass(frozen=True, slots=True)
class StreamException(InjectedFault):
    """A modeled exception replaces the rest of a stream.

    Attributes:
        exception: Its name as streams spell it: ``throttlingException``.
        message: Its message; by default that of the code.
        after: Events before it.
    """

    exception: str = "throttlingException"
    message: str | None = None
    after: int = 2

    streams_only: ClassVar[bool] = True

    @property
    def error_code(self) -> str:
        """The code, as responses outside of streams spell it."""
        return self.exception[:1].upper() + self.exception[1:]

    def apply(self, make_reply: MakeReply) -> Reply:
        """The first events and the exception."""
        reply = make_reply()
        error = ServiceError(self.error_code, self.message)
        if reply.error_frame is None:
            frame = eventstream.exception(self.exception, error.message)
        else:
            frame = reply.error_frame(error)
        return dataclasses.replace(reply, frames=(*reply.frames[: self.after], frame))


@dataclass(frozen=True, slots=True)
class StreamError(InjectedFault):
    """An error frame, whose code is not modeled, replaces the rest of a stream."""

    code: str = "InternalFailure"
    message: str = "The stream broke off."
    after: int = 2

    streams_only: ClassVar[bool] = True

    @property
    def error_code(self) -> str:
        """The code of the frame."""
        return self.code

    def apply(self, make_reply: MakeReply) -> Reply:
        """The first events and the error."""
        reply = make_reply()
        if reply.error_frame is None:
            headers = {":message-type": "error", ":error-code": self.code, ":error-message": self.message}
            frame = eventstream.frame(headers, b"")
        else:
            frame = reply.error_frame(ServiceError(self.code, self.message))
        return dataclasses.replace(reply, frames=(*reply.frames[: self.after], frame))


RESPONSE_FAULTS: Final[Mapping[str, type[InjectedFault]]] = {
    "connection-reset": ConnectionReset,
    "truncated-body": TruncatedBody,
    "unexpected-body": UnexpectedBody,
    "hang": Hang,
    "slow-first-byte": SlowFirstByte,
    "stream-cut": StreamCut,
    "stream-corruption": StreamCorruption,
    "stream-error": StreamError,
    "stream-exception": StreamException,
    "stream-stall": StreamStall,
    "stream-without-stop": StreamWithoutStop,
}
"""Faults of the response by the names that scripts, the control endpoint and the command line use."""
