"""The HTTP server: the standard library's, with one thread for each connection and none left after ``stop``."""

from __future__ import annotations

import contextlib
import io
import logging
import select
import socket
import socketserver
import ssl
import struct
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from bedrock_resilience.emulator._http.replies import Ending, Reply, error_reply
from bedrock_resilience.emulator._protocol.errors import ServiceError

if TYPE_CHECKING:
    from bedrock_resilience.clock import Clock

MAX_BODY_BYTES: Final = 33_554_432
"""32 MiB: more than the 25,000,000 bytes that InvokeModel accepts, and little enough for any machine."""

_MAX_LINE_BYTES: Final = 65_536
_JOIN_SECONDS: Final = 10.0
_POLL_SECONDS: Final = 0.05  # how long ``stop`` may have to wait for the accept loop

_logger: Final = logging.getLogger("bedrock_resilience.emulator")


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request.

    Attributes:
        method: As sent.
        target: The path as sent, still quoted.
        headers: Names in lower case; of a repeated header, the last value.
        body: The body, with any chunked encoding removed.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


def _nothing() -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True)
class PendingReply:
    """A reply that is to be sent.

    Attributes:
        reply: What to send.
        arrived: When its request arrived, in seconds of the server's clock.
        done: Called before the last byte is sent, or once it is certain that it is never sent; may be called more than
            once.
        lost: Called before ``done`` if the client no longer waits for the reply.
    """

    reply: Reply
    arrived: float
    done: Callable[[], None] = _nothing
    lost: Callable[[], None] = _nothing


Application: TypeAlias = Callable[[Request, float], PendingReply]
"""Makes the reply to a request, from the request and the time of its arrival."""


class Server:
    """Listens, and passes each request to the application.

    Args:
        application: Makes the replies; called from many threads.
        clock: The time, and how to wait.
        host: The address to listen on.
        port: The port to listen on; 0 for a free one.
        tls: The server's side of TLS; None for plain HTTP.

    Attributes:
        address: The host and the port it listens on.
    """

    def __init__(
        self, application: Application, clock: Clock, host: str, port: int, *, tls: ssl.SSLContext | None = None
    ) -> None:
        self._listener = _Listener(application, clock, host, port, tls)
        self.address: Final[tuple[str, int]] = self._listener.socket.getsockname()[:2]
        self._accepting = threading.Thread(
            target=self._listener.serve_forever, args=(_POLL_SECONDS,), name="bedrock-emulator", daemon=True
        )
        self._accepting.start()

    def stop(self) -> None:
        """Close every connection, even in the middle of a reply, and wait for all threads to end."""
        if self._listener.stopping.is_set():
            return
        self._listener.stopping.set()
        self._listener.shutdown()
        self._accepting.join()
        self._listener.server_close()
        # The accept loop alone changes the connections, and it has ended.
        for connection in self._listener.connections.values():
            with contextlib.suppress(OSError):  # the client may have closed it
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._listener.connections:
            thread.join(_JOIN_SECONDS)


class _Listener(socketserver.ThreadingTCPServer):
    """The accept loop. ``ThreadingHTTPServer`` would look up the host's name, and may share the port with others."""

    allow_reuse_address = True
    request_queue_size = 512

    def __init__(
        self, application: Application, clock: Clock, host: str, port: int, tls: ssl.SSLContext | None
    ) -> None:
        self.application = application
        self.tls = tls
        self.clock = clock
        self.stopping = threading.Event()
        self.connections: dict[threading.Thread, socket.socket] = {}
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Connection)

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection; the thread that reads from it makes the handshake, not the accept loop."""
        connection, address = super().get_request()
        if self.tls is not None:
            connection = self.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - the base class's signature
        """Serve the connection on a daemon thread that ``Server.stop`` can still join, unlike the base class's."""
        thread = threading.Thread(
            target=self.process_request_thread,
            args=(request, client_address),
            name="bedrock-emulator-connection",
            daemon=True,
        )
        thread.start()
        alive = {known: connection for known, connection in self.connections.items() if known.is_alive()}
        self.connections = {**alive, thread: request}

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 - as above
        """Close without a shutdown, whose FIN would precede the RST of a reset."""
        self.close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as above
        """Ignore clients that leave; log everything else, such as a thread that cannot be started."""
        del request, client_address
        error = sys.exception()
        if not isinstance(error, OSError):
            _logger.error("a connection failed", exc_info=error)


class _LineReader(io.BufferedReader):
    """Stores the last line, because ``http.client.parse_headers`` reads the end of the stream as an empty line."""

    last_line = b""

    def readline(self, size: int | None = -1, /) -> bytes:
        self.last_line = super().readline(size)
        return self.last_line


class _Connection(BaseHTTPRequestHandler):
    """Reads the requests of one connection and sends their replies."""

    protocol_version = "HTTP/1.1"
    default_request_version = "HTTP/1.1"  # the base class answers malformed requests as HTTP/0.9: without a head
    disable_nagle_algorithm = True
    rbufsize = 0
    server: _Listener  # pyright: ignore[reportIncompatibleVariableOverride]  # the one server that makes this handler
    rfile: _LineReader  # pyright: ignore[reportIncompatibleVariableOverride]  # set by setup()

    def setup(self) -> None:
        super().setup()
        self.rfile = _LineReader(cast("io.RawIOBase", self.rfile))  # pyright: ignore[reportIncompatibleVariableOverride]  # as above

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's signature
        """The emulator has its own log."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what is not an HTTP request; the rest of the connection cannot be read."""
        del explain
        self.close_connection = True
        reply = error_reply(ServiceError(None, message, status=code))
        self._send_head(reply)
        self.wfile.write(b"".join(reply.frames))

    def parse_request(self) -> bool:
        """Read the head of a request; False for an incomplete one, because the client has left."""
        if not super().parse_request():
            return False
        if not self.rfile.last_line:
            self.close_connection = True
            return False
        if self.headers.defects:
            self.send_error(HTTPStatus.BAD_REQUEST, f"malformed headers: {self.headers.defects[0]!r}")
            return False
        return True

    def _serve(self) -> None:
        try:
            body = self._read_body()
        except ServiceError as error:
            self.send_error(error.status, error.message)
            return
        headers = {name.lower(): value.strip() for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, body)
        pending = self.server.application(request, self.server.clock.monotonic())
        try:
            self._send(pending)
        finally:
            pending.done()

    do_DELETE = do_GET = do_HEAD = do_OPTIONS = do_PATCH = do_POST = do_PUT = _serve  # noqa: N815 - the base class's names

    def _read_body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            return self._read(_parse_size(self.headers.get("Content-Length", "0"), 10))
        chunks: list[bytes] = []
        total = 0
        while size := _parse_size(self._read_line().partition(";")[0], 16):
            total += size
            _check_size(total)
            chunks.append(self._read(size))
            self._read_line()
        while self._read_line():  # trailers
            pass
        return b"".join(chunks)

    def _read(self, size: int) -> bytes:
        body = self.rfile.read(size)
        if len(body) < size:
            raise ConnectionAbortedError("the client left in the middle of a request")
        return body

    def _read_line(self) -> str:
        line = self.rfile.readline(_MAX_LINE_BYTES)
        if len(line) == _MAX_LINE_BYTES:
            raise ServiceError(None, "line too long", status=HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        if not line.endswith(b"\n"):
            raise ConnectionAbortedError("the client left in the middle of a request")
        return line.decode("latin-1").strip()

    def _send(self, pending: PendingReply) -> None:
        reply = pending.reply
        late = self._wait(pending.arrived + reply.delay - self.server.clock.monotonic())
        if late or _has_left(self.connection):
            self.close_connection = True
            pending.lost()
            return
        if reply.ending is not Ending.COMPLETE:
            self.close_connection = True
        frames = _framed(reply)
        for number, frame in enumerate(frames):
            if number and self._wait(reply.pause):
                self.close_connection = True
                return
            if number == len(frames) - 1:
                pending.done()
            if number == 0:
                self._send_head(reply)
            self.wfile.write(frame)
        if reply.ending is Ending.STALL:
            pending.done()
            while self.connection.recv(4096):
                pass
        elif reply.ending is Ending.RESET:
            # Closing with a linger of 0 seconds sends RST in place of FIN.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _send_head(self, reply: Reply) -> None:
        framing = {"Transfer-Encoding": "chunked"} if reply.length is None else {"Content-Length": str(reply.length)}
        self.send_response_only(reply.status)
        self.send_header("Date", self.date_time_string())
        for name, value in {**reply.headers, **framing}.items():
            self.send_header(name, value.encode("latin-1", "replace").decode("latin-1"))
        self.send_header("Connection", "close" if self.close_connection else "keep-alive")
        self.end_headers()

    def _wait(self, seconds: float) -> bool:
        """Wait, but not beyond ``stop``; True if the server is stopping."""
        stopping, clock = self.server.stopping, self.server.clock
        if seconds > 0:
            wait = getattr(clock, "wait", None)
            if wait is None:
                clock.sleep(seconds)
            else:
                cast("Callable[[threading.Event, float], bool]", wait)(stopping, seconds)
        return stopping.is_set()


def _parse_size(text: str, base: int) -> int:
    try:
        size = int(text.strip(), base)
    except ValueError:
        size = -1
    if size < 0:
        raise ServiceError(None, f"not a length: {text[:80]!r}", status=HTTPStatus.BAD_REQUEST)
    _check_size(size)
    return size


def _check_size(size: int) -> None:
    if size > MAX_BODY_BYTES:
        message = f"a body of more than {MAX_BODY_BYTES} bytes"
        raise ServiceError(None, message, status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


def _framed(reply: Reply) -> list[bytes]:
    """The body in the pieces to send, with a pause between two; empty if not even the head is sent."""
    if not reply.head:
        return []
    if reply.length is not None:
        return list(reply.frames) or [b""]
    frames = [b"%x\r\n%b\r\n" % (len(frame), frame) for frame in reply.frames] or [b""]
    if reply.ending is Ending.COMPLETE:
        frames[-1] += b"0\r\n\r\n"
    return frames


def _has_left(connection: socket.socket) -> bool:
    """Whether the client has closed its end, as it does after a read timeout."""
    if isinstance(connection, ssl.SSLSocket):
        # It cannot be peeked into. No client sends a request before it has its response: what can be read is the end.
        return not connection.pending() and bool(select.select([connection], [], [], 0)[0])
    connection.setblocking(False)  # noqa: FBT003 - the signature is the standard library's
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
    finally:
        connection.setblocking(True)  # noqa: FBT003 - as above
