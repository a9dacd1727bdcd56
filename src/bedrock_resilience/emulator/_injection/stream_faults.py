"""Damage to an answer on its way, and to a stream in its middle. All of it has been generated and is paid for."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from bedrock_resilience.emulator._http.replies import Ending, Reply, plain
from bedrock_resilience.emulator._injection.fault_injection import FaultInjection
from bedrock_resilience.emulator._protocol import eventstream
from bedrock_resilience.emulator._protocol.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bedrock_resilience.emulator._injection.fault_injection import MakeReply

_HTML: Final = b"<html><head><title>200 OK</title></head><body><h1>Please sign in to the network</h1></body></html>"


@dataclass(frozen=True, slots=True)
class SlowFirstByte(FaultInjection):
    """The answer begins `seconds` late."""

    seconds: float = 1.0

    harmless: ClassVar[bool] = True

    def apply(self, answer: MakeReply) -> Reply:
        """The whole answer, late."""
        reply = answer()
        return dataclasses.replace(reply, delay=reply.delay + self.seconds)


@dataclass(frozen=True, slots=True)
class TruncatedBody(FaultInjection):
    """The connection is closed after `fraction` of the body, although all of it was announced."""

    fraction: float = 0.5

    def apply(self, answer: MakeReply) -> Reply:
        """The answer's first part."""
        reply = answer()
        body = b"".join(reply.frames)
        kept = body[: int(len(body) * self.fraction)]
        return dataclasses.replace(reply, frames=(kept,), ending=Ending.CUT)


@dataclass(frozen=True, slots=True)
class UnexpectedBody(FaultInjection):
    """Somebody else answers: by default the sign-in page of a proxy, with status 200."""

    body: bytes = _HTML
    content_type: str = "text/html"
    status: int = 200

    def apply(self, answer: MakeReply) -> Reply:
        """The foreign body."""
        delay = answer().delay
        return plain(self.body, status=self.status, headers={"Content-Type": self.content_type}, delay=delay)


@dataclass(frozen=True, slots=True)
class ConnectionReset(FaultInjection):
    """The connection is reset in place of an answer."""

    def apply(self, answer: MakeReply) -> Reply:
        """Nothing, and a reset."""
        return dataclasses.replace(answer(), frames=(), head=False, ending=Ending.RESET)


@dataclass(frozen=True, slots=True)
class Hang(FaultInjection):
    """No byte ever comes: the client's read timeout has to end it."""

    def apply(self, answer: MakeReply) -> Reply:
        """Nothing."""
        return dataclasses.replace(answer(), frames=(), head=False, ending=Ending.STALL)


@dataclass(frozen=True, slots=True)
class StreamFault(FaultInjection):
    """What happens to a stream after its first `after` events."""

    after: int = 2

    streams_only: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class StreamCut(StreamFault):
    """The connection is closed in the middle of an event."""

    def apply(self, answer: MakeReply) -> Reply:
        """The first events and half of the next."""
        reply = answer()
        half = [frame[: len(frame) // 2] for frame in reply.frames[self.after : self.after + 1]]
        return dataclasses.replace(reply, frames=(*reply.frames[: self.after], *half), ending=Ending.CUT)


@dataclass(frozen=True, slots=True)
class StreamStall(StreamFault):
    """No further event comes, and the connection stays open."""

    def apply(self, answer: MakeReply) -> Reply:
        """The first events."""
        reply = answer()
        return dataclasses.replace(reply, frames=reply.frames[: self.after], ending=Ending.STALL)


@dataclass(frozen=True, slots=True)
class StreamDamage(StreamFault):
    """A byte of an event is wrong, so that its checksum does not fit."""

    def apply(self, answer: MakeReply) -> Reply:
        """The stream with one byte changed."""
        reply = answer()
        frames = list(reply.frames)
        for index in range(self.after, min(self.after + 1, len(frames))):
            frames[index] = frames[index][:-5] + bytes([frames[index][-5] ^ 0xFF]) + frames[index][-4:]
        return dataclasses.replace(reply, frames=tuple(frames))


@dataclass(frozen=True, slots=True)
class StreamWithoutStop(StreamFault):
    """The stream ends properly after a few events, without the last ones."""

    def apply(self, answer: MakeReply) -> Reply:
        """The first events."""
        reply = answer()
        return dataclasses.replace(reply, frames=reply.frames[: self.after])


@dataclass(frozen=True, slots=True)
class StreamException(FaultInjection):
    """A modelled exception takes the place of the rest of a stream.

    Attributes:
        exception: its name as streams spell it: `throttlingException`.
        message: its message; by default that of the code.
        after: events before it.
    """

    exception: str = "throttlingException"
    message: str | None = None
    after: int = 2

    streams_only: ClassVar[bool] = True

    @property
    def error_code(self) -> str:
        """The code, as answers outside of streams spell it."""
        return self.exception[:1].upper() + self.exception[1:]

    def apply(self, answer: MakeReply) -> Reply:
        """The first events and the exception."""
        reply = answer()
        message = ServiceError(self.error_code).message if self.message is None else self.message
        broken = eventstream.exception(self.exception, message)
        return dataclasses.replace(reply, frames=(*reply.frames[: self.after], broken))


@dataclass(frozen=True, slots=True)
class StreamError(FaultInjection):
    """An error frame, which names a code that is not modelled, takes the place of the rest of a stream."""

    code: str = "InternalFailure"
    message: str = "The stream broke off."
    after: int = 2

    streams_only: ClassVar[bool] = True

    @property
    def error_code(self) -> str:
        """The code of the frame."""
        return self.code

    def apply(self, answer: MakeReply) -> Reply:
        """The first events and the error."""
        reply = answer()
        headers = {":message-type": "error", ":error-code": self.code, ":error-message": self.message}
        return dataclasses.replace(reply, frames=(*reply.frames[: self.after], eventstream.frame(headers, b"")))


DAMAGE: Final[Mapping[str, type[FaultInjection]]] = {
    "connection-reset": ConnectionReset,
    "cut-body": TruncatedBody,
    "foreign-body": UnexpectedBody,
    "hang": Hang,
    "slow-first-byte": SlowFirstByte,
    "stream-cut": StreamCut,
    "stream-damage": StreamDamage,
    "stream-error": StreamError,
    "stream-exception": StreamException,
    "stream-stall": StreamStall,
    "stream-without-stop": StreamWithoutStop,
}
"""Damage by name, as scripts, the control endpoint and the command line call it."""
