"""A small HTTP server on the machine itself: one thread a connection, and none left after `stop`."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Final, TypeAlias, cast

from bedrock_resilience.emulator._http.http_parser import (
    LAST_CHUNK,
    BadRequestError,
    Request,
    chunk,
    head_of,
    read_body,
    read_head,
)
from bedrock_resilience.emulator._http.replies import Ending, Reply, failure
from bedrock_resilience.emulator._protocol.errors import ServiceError

if TYPE_CHECKING:
    from bedrock_resilience.clock import Clock

_BACKLOG: Final = 512
_JOIN_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """A reply on its way.

    Attributes:
        reply: what to send.
        arrived: when its request came, in seconds of the server's clock.
        done: called just before the last byte is sent, or once it is clear that it will not be; perhaps more than once.
        lost: called before `done` if nobody waits for the reply any more.
    """

    reply: Reply
    arrived: float
    done: Callable[[], None] = field(default=lambda: None)
    lost: Callable[[], None] = field(default=lambda: None)


Application: TypeAlias = Callable[[Request, float], Delivery]
"""What answers requests: it is given one and the time of its arrival."""


class Server:
    """Listens, and hands each request to the application.

    Args:
        application: answers requests; called from many threads.
        clock: the time, and how to wait.
        host: the address to listen on.
        port: the port to listen on; 0 takes a free one.

    Attributes:
        address: the host and the port it listens on.
    """

    def __init__(self, application: Application, clock: Clock, host: str, port: int) -> None:
        self._application = application
        self._clock = clock
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._threads: set[threading.Thread] = set()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        self.address: Final[tuple[str, int]] = self._listener.getsockname()[:2]
        self._listener.setblocking(False)  # noqa: FBT003 - the signature is that of the standard library
        self._woken, self._waker = socket.socketpair()
        self._accepting = threading.Thread(target=self._accept, name="bedrock-emulator", daemon=True)
        self._accepting.start()

    def stop(self) -> None:
        """Close every connection, also those in the middle of an answer, and wait for all threads to end."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._waker.send(b"x")
        self._accepting.join()
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):  # the client may have left meanwhile
                    connection.shutdown(socket.SHUT_RDWR)
            threads = tuple(self._threads)
        for thread in threads:
            thread.join(_JOIN_SECONDS)
        self._woken.close()
        self._waker.close()

    def _accept(self) -> None:
        with self._listener, selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while not self._stopping.is_set():
                selector.select()
                # A client may be gone again before it is accepted, and file descriptors may run out.
                with contextlib.suppress(OSError):
                    self._open(self._listener.accept()[0])

    def _open(self, connection: socket.socket) -> None:
        connection.setblocking(True)  # noqa: FBT003 - as above
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        thread = threading.Thread(target=self._serve, args=(connection,), name="bedrock-emulator-call", daemon=True)
        with self._lock:
            self._connections.add(connection)
            # A thread cannot take itself off the list: it would not be waited for while it still ends.
            self._threads = {known for known in self._threads if known.is_alive()} | {thread}
        try:
            thread.start()
        except RuntimeError:  # no more threads: refuse this client, keep the others
            self._close(connection)

    def _close(self, connection: socket.socket) -> None:
        with self._lock:
            self._connections.discard(connection)
        connection.close()

    def _serve(self, connection: socket.socket) -> None:
        try:
            # A client that leaves is its own affair.
            with contextlib.suppress(OSError), connection.makefile("rb") as stream:
                while not self._stopping.is_set() and self._exchange(connection, stream):
                    pass
        finally:
            self._close(connection)

    def _exchange(self, connection: socket.socket, stream: BinaryIO) -> bool:
        """One request and its answer; whether the connection can serve another."""
        try:
            head = read_head(stream)
            if head is None:
                return False
            if head.headers.get("expect", "").lower() == "100-continue":
                connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            request = Request(head.method, head.target, head.headers, read_body(stream, head), head.keep_alive)
        except BadRequestError as error:
            refusal = failure(ServiceError(None, str(error), status=error.status))
            connection.sendall(head_of(refusal, keep_alive=False) + b"".join(refusal.frames))
            return False
        delivery = self._application(request, self._clock.monotonic())
        try:
            return self._deliver(delivery, connection, keep_alive=request.keep_alive)
        finally:
            delivery.done()

    def _deliver(self, delivery: Delivery, connection: socket.socket, *, keep_alive: bool) -> bool:
        reply = delivery.reply
        keep_alive = keep_alive and reply.ending is Ending.WHOLE
        if self._wait(delivery.arrived + reply.delay - self._clock.monotonic()) or _has_left(connection):
            delivery.lost()
            return False
        parts = self._parts(reply, keep_alive=keep_alive)
        for number, part in enumerate(parts, 1):
            if number > 1 and self._wait(reply.pause):
                return False
            if number == len(parts):
                delivery.done()
            connection.sendall(part)
        if reply.ending is Ending.STALL:
            delivery.done()
            while connection.recv(4096):
                pass
        elif reply.ending is Ending.RESET:
            # Closing with a linger of 0 seconds sends RST in place of FIN.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return keep_alive

    @staticmethod
    def _parts(reply: Reply, *, keep_alive: bool) -> list[bytes]:
        """What is sent, in pieces with a pause between two; the head goes with the first, the end with the last."""
        if not reply.head:
            return []
        frames = list(reply.frames) if reply.length is not None else [chunk(frame) for frame in reply.frames]
        parts = frames or [b""]
        parts[0] = head_of(reply, keep_alive=keep_alive) + parts[0]
        if reply.length is None and reply.ending is Ending.WHOLE:
            parts[-1] += LAST_CHUNK
        return parts

    def _wait(self, seconds: float) -> bool:
        """Wait, but not beyond `stop`; whether the server is stopping."""
        if seconds > 0:
            wait = getattr(self._clock, "wait", None)
            if wait is None:
                self._clock.sleep(seconds)
            else:
                cast("Callable[[threading.Event, float], bool]", wait)(self._stopping, seconds)
        return self._stopping.is_set()


def _has_left(connection: socket.socket) -> bool:
    """Whether the client has closed its end, as it does after a read timeout."""
    connection.setblocking(False)  # noqa: FBT003 - as above
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
    finally:
        connection.setblocking(True)  # noqa: FBT003 - as above
