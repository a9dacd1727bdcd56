"""A server on loopback that sends given bytes: for responses that no well-behaved server sends."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator


class RawServer:
    """Answers every request with the same bytes, and then closes the connection or leaves it open in silence.

    Attributes:
        url: Where it listens.
        requests: How many requests came.
        hung_up: Set when a client closed a connection that was left open.
    """

    def __init__(self, listener: socket.socket, answer: bytes, *, silent: bool) -> None:
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self.requests = 0
        self.hung_up = threading.Event()
        self._listener = listener
        self._answer = answer
        self._silent = silent

    def serve(self) -> None:
        """Serve until the listener is closed, one connection after the other."""
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with connection:
                    self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            length = 0
            while (line := stream.readline()) not in {b"\r\n", b""}:
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            stream.read(length)
            self.requests += 1
            connection.sendall(self._answer)
            if self._silent:
                stream.read()  # until the client hangs up
                self.hung_up.set()


@contextlib.contextmanager
def raw_server(answer: bytes, *, silent: bool = False) -> Generator[RawServer]:
    """A server of these bytes, until the end of the block; ``silent`` leaves the connection open after them."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = RawServer(listener, answer, silent=silent)
        thread = threading.Thread(target=server.serve, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)
