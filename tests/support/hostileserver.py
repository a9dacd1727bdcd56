"""A server on loopback whose responses are functions of the connection, and so may violate HTTP.

They can be slow, endless, incomplete or wrong, which ``http.server`` does not support.
"""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
from typing import TYPE_CHECKING, Final, NoReturn, Self, TypeAlias

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

Response: TypeAlias = "bytes | Callable[[Connection], object]"

_POLL_SECONDS: Final = 0.02  # the longest that closing the server takes


class Connection:
    """The server's side of a connection after the request was received.

    Args:
        sock: The connected socket.
        request: The head of the request.
        stopped: Set when the server closes.
        on_response: Called before the first byte is sent.
    """

    def __init__(
        self, sock: socket.socket, request: str, stopped: threading.Event, on_response: Callable[[], None]
    ) -> None:
        self.sock = sock
        self.request = request
        self._stopped = stopped
        self._on_response: Callable[[], None] | None = on_response

    def send(self, data: bytes) -> Self:
        """Send bytes."""
        if self._on_response:
            self._on_response()
            self._on_response = None
        self.sock.sendall(data)
        return self

    def pause(self, seconds: float) -> Self:
        """Wait; end the response if the server closes in the meantime."""
        if self._stopped.wait(seconds):
            raise ConnectionError
        return self

    def drip(self, data: bytes, *, every: float = 0.02) -> NoReturn:
        """Send the bytes one at a time, without end."""
        while True:
            for byte in data:
                self.send(bytes([byte])).pause(every)

    def flood(self, data: bytes) -> NoReturn:
        """Send the same bytes without end."""
        while True:
            self.send(data)


class HostileServer:
    """A server whose responses are functions or fixed bytes; a context manager.

    Args:
        responses: Path, without its query, to its response; other paths get 404.
        host: Loopback address to listen on.
        tls: Context, for https.
    """

    def __init__(
        self,
        responses: dict[str, Response] | None = None,
        *,
        host: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.responses = responses or {}
        self.requests: list[str] = []
        """The head of each request, in order."""
        self.connections = 0
        """The number of connections, with or without a request."""
        self.max_concurrent = 0
        """The highest number of requests that waited for the first byte of their response at the same time."""
        self._host = host
        self._tls = tls
        self._waiting = 0
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        self._listener = socket.create_server((self._host, 0), family=family)
        self._listener.settimeout(_POLL_SECONDS)
        self.port: int = self._listener.getsockname()[1]
        self._start(self._listen)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._threads[0].join()
        with self._lock:
            for sock in self._open:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    @property
    def url(self) -> str:
        """The URL of the server, without a slash at the end."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}"

    @property
    def paths(self) -> list[str]:
        """The requested paths with their queries, in order."""
        return [request.split(" ")[1] for request in self.requests]

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, name="hostile-server", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _listen(self) -> None:
        while not self._stopped.is_set():
            with contextlib.suppress(TimeoutError):
                sock, _ = self._listener.accept()
                self._start(self._serve, sock)

    def _serve(self, sock: socket.socket) -> None:
        sock.settimeout(30)
        with self._lock:
            self._open.add(sock)
            self.connections += 1
        try:
            # The client disconnects during hostile responses, as it should.
            with contextlib.suppress(OSError):
                self._respond(self._tls.wrap_socket(sock, server_side=True) if self._tls else sock)
        finally:
            with self._lock:
                self._open.discard(sock)
            sock.close()

    def _respond(self, sock: socket.socket) -> None:
        with sock:
            head = b""
            while b"\r\n\r\n" not in head:
                received = sock.recv(4096)
                if not received:
                    return
                head += received
            request = head.decode("latin-1")
            with self._lock:
                self.requests.append(request)
                self._waiting += 1
                self.max_concurrent = max(self.max_concurrent, self._waiting)
            connection = Connection(sock, request, self._stopped, self._response_begins)
            response = self.responses.get(
                request.split(" ")[1].partition("?")[0], http(b"none", status="404 Not Found")
            )
            if isinstance(response, bytes):
                connection.send(response)
            else:
                response(connection)

    def _response_begins(self) -> None:
        with self._lock:
            self._waiting -= 1


def http(body: bytes = b"", *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    """Return a well-formed response; ``length`` replaces its true ``Content-Length``."""
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def redirect(location: str, status: str = "302 Found") -> bytes:
    """Return a redirect."""
    return http(b"", f"Location: {location}", status=status)


def gzipped(body: bytes, *headers: str) -> bytes:
    """Return a well-formed response with a gzip body."""
    return http(gzip.compress(body, mtime=0), "Content-Encoding: gzip", *headers)
