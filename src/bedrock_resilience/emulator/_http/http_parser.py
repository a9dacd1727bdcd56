"""HTTP/1.1 as far as an AWS SDK speaks it: requests read from a stream, heads of answers written."""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bedrock_resilience.emulator._http.replies import Reply

_LONGEST_LINE: Final = 65_536
_MOST_HEADERS: Final = 200
LARGEST_BODY: Final = 33_554_432
"""32 MiB: more than the 25,000,000 bytes that InvokeModel takes, little enough not to hurt the machine."""


class Readable(Protocol):
    """What a request is read from."""

    def readline(self, limit: int, /) -> bytes:
        """The next line, with its end."""
        ...

    def read(self, size: int, /) -> bytes:
        """So many bytes; fewer only at the end."""
        ...


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request.

    Attributes:
        method: as sent.
        target: the path as sent, still quoted.
        headers: names in small letters; of a repeated one, the last.
        body: the body, whatever way it was framed.
        keep_alive: whether the client wants to send more over this connection.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    keep_alive: bool = True


class BadRequestError(Exception):
    """What came is no request; the connection cannot be used any further.

    Args:
        status: the HTTP status to answer with.
        message: what is wrong.
    """

    def __init__(self, status: HTTPStatus, message: str) -> None:
        self.status = status
        super().__init__(message)


class ClientLeftError(ConnectionError):
    """The client has closed the connection in the middle of a request."""


@dataclass(frozen=True, slots=True)
class Head:
    """A request without its body."""

    method: str
    target: str
    version: str
    headers: Mapping[str, str]

    @property
    def keep_alive(self) -> bool:
        """HTTP/1.1 keeps connections unless told otherwise, HTTP/1.0 closes them."""
        wish = self.headers.get("connection", "").lower()
        return wish != "close" and (self.version == "HTTP/1.1" or wish == "keep-alive")


def read_head(stream: Readable) -> Head | None:
    """The next request's head; None if there is none, because the client has closed the connection.

    Raises:
        ClientLeftError: it ends in its middle.
        BadRequestError: it is no HTTP/1 request, or larger than any SDK makes one.
    """
    try:
        line = _line(stream)
    except ClientLeftError:
        return None
    parts = line.split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):  # noqa: PLR2004 - method, target, version
        raise BadRequestError(HTTPStatus.BAD_REQUEST, f"no request line of HTTP/1: {line[:80]!r}")
    headers: dict[str, str] = {}
    while header := _line(stream):
        name, colon, value = header.partition(":")
        if not colon:
            raise BadRequestError(HTTPStatus.BAD_REQUEST, f"no header: {header[:80]!r}")
        headers[name.strip().lower()] = value.strip()
        if len(headers) > _MOST_HEADERS:
            raise BadRequestError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"more than {_MOST_HEADERS} headers")
    return Head(parts[0], parts[1], parts[2], headers)


def read_body(stream: Readable, head: Head) -> bytes:
    """The body that follows a head.

    Raises:
        ClientLeftError: it ends in its middle; a request that is not whole is no request.
        BadRequestError: its length cannot be read or is too large.
    """
    if "chunked" in head.headers.get("transfer-encoding", "").lower():
        return _read_chunks(stream)
    return _exactly(stream, _size(head.headers.get("content-length", "0"), 10))


def _read_chunks(stream: Readable) -> bytes:
    chunks: list[bytes] = []
    total = 0
    while size := _size(_line(stream).partition(";")[0], 16):
        total += size
        _check_size(total)
        chunks.append(_exactly(stream, size))
        _line(stream)
    while _line(stream):  # trailers
        pass
    return b"".join(chunks)


def _exactly(stream: Readable, size: int) -> bytes:
    body = stream.read(size)
    if len(body) < size:
        raise ClientLeftError
    return body


def _size(text: str, base: int) -> int:
    try:
        size = int(text.strip(), base)
    except ValueError:
        size = -1
    if size < 0:
        raise BadRequestError(HTTPStatus.BAD_REQUEST, f"no length: {text[:80]!r}")
    _check_size(size)
    return size


def _check_size(size: int) -> None:
    if size > LARGEST_BODY:
        raise BadRequestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body of more than {LARGEST_BODY} bytes")


def _line(stream: Readable) -> str:
    line = stream.readline(_LONGEST_LINE)
    if not line.endswith(b"\n"):
        if len(line) < _LONGEST_LINE:
            raise ClientLeftError
        raise BadRequestError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "a line without end")
    return line.decode("latin-1").rstrip("\r\n")


def head_of(reply: Reply, *, keep_alive: bool) -> bytes:
    """The status line and the headers of an answer."""
    try:
        phrase = HTTPStatus(reply.status).phrase
    except ValueError:  # 529 is no registered status
        phrase = ""
    framing = {"Transfer-Encoding": "chunked"} if reply.length is None else {"Content-Length": str(reply.length)}
    headers = {
        "Date": formatdate(usegmt=True),
        **reply.headers,
        **framing,
        "Connection": "keep-alive" if keep_alive else "close",
    }
    lines = [f"HTTP/1.1 {reply.status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")


def chunk(frame: bytes) -> bytes:
    """A piece of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(frame), frame)


LAST_CHUNK: Final = b"0\r\n\r\n"
