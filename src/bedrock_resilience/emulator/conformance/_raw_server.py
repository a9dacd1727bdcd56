"""A server that sends bytes as they are: for responses and failures that no HTTP server produces."""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

Ending: TypeAlias = Literal["close", "reset", "silence"]


@dataclass(frozen=True, slots=True)
class RawReply:
    """What the server does with a connection.

    Attributes:
        data: The bytes to send.
        ending: How the connection ends after them; ``silence`` leaves it open until the client closes it.
        reads_request: Whether the whole request is read first, and not only its first bytes.
    """

    data: bytes = b""
    ending: Ending = "close"
    reads_request: bool = True


def http_reply(
    status: int,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    *,
    missing_bytes: int = 0,
    chunked: bool = False,
    ending: Ending = "close",
) -> RawReply:
    """Build an HTTP response.

    Args:
        status: The HTTP status.
        body: The bytes to send after the head.
        headers: Headers besides those that frame the body; the body is JSON unless they say otherwise.
        missing_bytes: Bytes that the Content-Length announces beyond those that are sent.
        chunked: Whether the body is one chunk of a chunked body that has no end.
        ending: How the connection ends.
    """
    framing = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(len(body) + missing_bytes)}
    fields = {"Content-Type": "application/json", **(headers or {}), **framing, "Connection": "close"}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    payload = b"%x\r\n%b\r\n" % (len(body), body) if chunked else body
    return RawReply(f"HTTP/1.1 {status} Status\r\n{head}\r\n".encode() + payload, ending)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    reply = RawReply()

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        """Close without a shutdown, whose FIN would precede the RST of a reset."""
        self.close_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that close the connection."""


class _RawConnection(socketserver.StreamRequestHandler):
    request: socket.socket

    def handle(self) -> None:
        reply = cast("_Server", self.server).reply
        if reply.reads_request:
            self._read_request()
        else:
            self.request.recv(65_536)
        self.request.sendall(reply.data)
        if reply.ending == "silence":
            while self.request.recv(4096):
                pass
        elif reply.ending == "reset":
            # Closing with a linger of 0 seconds sends RST in place of FIN.
            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _read_request(self) -> None:
        length = 0
        while (line := self.rfile.readline()) not in {b"\r\n", b""}:
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        self.rfile.read(length)


class RawServer:
    """A running server; set ``reply`` before each request.

    Attributes:
        address: The host and port, as in a URL.
    """

    def __init__(self, server: _Server) -> None:
        self._server = server
        self.address = f"127.0.0.1:{server.server_address[1]}"

    def set_reply(self, reply: RawReply) -> None:
        """Set what the next connections get."""
        self._server.reply = reply


@contextmanager
def raw_server() -> Generator[RawServer]:
    """Run a server on a free port of this machine until the end of the block."""
    with _Server(("127.0.0.1", 0), _RawConnection) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="conformance-server", daemon=True)
        thread.start()
        try:
            yield RawServer(server)
        finally:
            server.shutdown()
            thread.join()
