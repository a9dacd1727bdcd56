"""The server on raw sockets: keep-alive, malformed requests, clients that leave, and a clean stop."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from typing import TYPE_CHECKING

import pytest

from bedrock_resilience.clock import SYSTEM_CLOCK
from bedrock_resilience.emulator._http.replies import Ending, Reply, body_reply
from bedrock_resilience.emulator._http.server import MAX_BODY_BYTES, PendingReply, Request, Server

if TYPE_CHECKING:
    from collections.abc import Generator


GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"


class Echo:
    """An application that answers with the body, or with `reply`, and counts what is done."""

    def __init__(self) -> None:
        self.reply: Reply | None = None
        self.done: list[str] = []
        self.lost = threading.Semaphore(0)
        self.requests: list[Request] = []
        self.arrived = threading.Semaphore(0)

    def __call__(self, request: Request, arrived: float) -> PendingReply:
        self.requests.append(request)
        self.arrived.release()
        reply = body_reply(request.body) if self.reply is None else self.reply
        return PendingReply(reply, arrived, lambda: self.done.append(request.target), self.lost.release)


class SleepingClock:
    """A clock that cannot be woken, as other people's clocks are."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return sum(self.slept)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    async def asleep(self, seconds: float) -> None:
        raise NotImplementedError(seconds)


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
def server(echo: Echo) -> Generator[Server]:
    running = Server(echo, SYSTEM_CLOCK, "127.0.0.1", 0)
    yield running
    running.stop()


def connect(server: Server) -> socket.socket:
    return socket.create_connection(server.address, timeout=5)


def all_of(connection: socket.socket) -> bytes:
    received = b""
    with contextlib.suppress(ConnectionError):
        while piece := connection.recv(65_536):
            received += piece
    return received


def test_one_connection_serves_several_requests(server: Server, echo: Echo) -> None:
    with connect(server) as connection, connection.makefile("rb") as stream:
        for body in (b"one", b"two"):
            connection.sendall(b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n" + body)
            lines = list(iter(stream.readline, b"\r\n"))
            assert lines[0] == b"HTTP/1.1 200 OK\r\n"
            assert b"Connection: keep-alive\r\n" in lines
            assert stream.read(3) == body
    assert set(echo.done) == {"/"}


def test_a_client_that_wants_to_close_is_closed(server: Server) -> None:
    with connect(server) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert b"Connection: close\r\n" in all_of(connection)


def test_a_client_that_expects_100_continue_gets_it(server: Server) -> None:
    with connect(server) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n")
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"ok")
        assert all_of(connection).endswith(b"ok")


def test_a_request_is_passed_with_its_headers_in_lower_case(server: Server, echo: Echo) -> None:
    raw = b"POST /model/a%3Ab/invoke HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nX-Two:  spaced \r\n\r\n{}"
    with connect(server) as connection:
        connection.sendall(raw)
        assert connection.recv(12) == b"HTTP/1.1 200"
    (request,) = echo.requests
    headers = {"host": "x", "content-length": "2", "x-two": "spaced"}
    assert request == Request("POST", "/model/a%3Ab/invoke", headers, b"{}")


def test_a_chunked_body_is_joined(server: Server, echo: Echo) -> None:
    with connect(server) as connection:
        connection.sendall(CHUNKED + b"3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n")
        assert connection.recv(12) == b"HTTP/1.1 200"
    assert echo.requests[0].body == b"abc0123456789"


@pytest.mark.parametrize(
    ("head", "kept"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nConnection: Close\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", True),
    ],
)
def test_a_connection_is_kept_as_the_version_and_the_client_say(server: Server, head: bytes, *, kept: bool) -> None:
    with connect(server) as connection, connection.makefile("rb") as stream:
        connection.sendall(head)
        lines = list(iter(stream.readline, b"\r\n"))
        assert (b"Connection: keep-alive\r\n" in lines) is kept
        if kept:
            connection.sendall(head)
            assert stream.readline() == b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"POST / HTTP/1.1\r\nHost: x",
        b"POST / HTTP/1.1\r\nHost: x\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc",
        CHUNKED + b"5\r\nabc",
        CHUNKED + b"3\r\nabc\r\n",
    ],
)
def test_an_incomplete_request_gets_no_reply_and_is_not_counted(server: Server, echo: Echo, raw: bytes) -> None:
    with connect(server) as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        assert all_of(connection) == b""
    assert not echo.requests


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"NONSENSE\r\n\r\n", 400),
        (b"GET / SPDY/3\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (CHUNKED + b"zz\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1), 413),
        (CHUNKED + b"2000001\r\n", 413),
        (CHUNKED + b"3\r\nabc\r\n1FFFFFE\r\n", 413),
        (CHUNKED + b"1" * 65_536, 431),
        (b"GET /" + b"x" * 65_532, 414),
        (b"GET / HTTP/1.1\r\n" + b"".join(b"h%d: x\r\n" % number for number in range(101)), 431),
        (b"FLY / HTTP/1.1\r\n\r\n", 501),
    ],
)
def test_what_is_not_a_request_is_refused(server: Server, echo: Echo, raw: bytes, status: int) -> None:
    assert MAX_BODY_BYTES == 2**25
    with connect(server) as connection:
        connection.sendall(raw)
        reply = all_of(connection)
    assert reply.startswith(b"HTTP/1.1 %d " % status)
    assert b"\r\nConnection: close\r\n" in reply
    assert reply.partition(b"\r\n\r\n")[2].startswith(b'{"message":')
    assert not echo.requests


def test_a_status_that_is_not_registered_has_no_phrase(server: Server, echo: Echo) -> None:
    echo.reply = Reply(529, {"X-A": "b\u20ac"}, (b"abc",), 3)
    with connect(server) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
        head, _, body = all_of(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 529 \r\nDate: ")
    assert head.endswith(b"X-A: b?\r\nContent-Length: 3\r\nConnection: close")
    assert body == b"abc"


def test_malformed_requests_are_refused_and_other_connections_work(server: Server, echo: Echo) -> None:
    with connect(server) as connection:
        connection.sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
        refusal = all_of(connection)
    assert refusal.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b'{"message":"Bad ' in refusal
    with connect(server) as connection:
        connection.sendall(GET)
        assert connection.recv(12) == b"HTTP/1.1 200"
    assert echo.arrived.acquire(timeout=1)


def test_clients_may_leave_at_any_moment(server: Server, echo: Echo) -> None:
    echo.reply = Reply(200, {}, (b"x" * 1_000_000,) * 20, None)
    for sent in (b"", b"GET / HT", GET[:-2], GET):
        with connect(server) as connection:
            connection.sendall(sent)
    with connect(server) as connection:
        connection.sendall(GET)
        connection.recv(100)
    echo.reply = None
    with connect(server) as connection:
        connection.sendall(GET)
        assert connection.recv(12) == b"HTTP/1.1 200"


@pytest.mark.parametrize("hard", [False, True])
def test_a_client_that_left_before_the_reply_is_reported_as_lost(server: Server, echo: Echo, *, hard: bool) -> None:
    echo.reply = Reply(200, {}, (b"late",), 4, delay=0.1)
    with connect(server) as connection:
        connection.sendall(GET)
        assert echo.arrived.acquire(timeout=5)
        if hard:  # a reset
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert echo.lost.acquire(timeout=5)


def test_a_client_that_sends_its_next_request_early_has_not_left(server: Server, echo: Echo) -> None:
    echo.reply = Reply(200, {}, (b"late",), 4, delay=0.05)
    with connect(server) as connection:
        connection.sendall(GET)
        assert echo.arrived.acquire(timeout=5)
        connection.sendall(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert all_of(connection).count(b"late") == 2


@pytest.mark.parametrize(
    ("reply", "received"),
    [
        (Reply(200, {}, (b"abc", b"def"), None), b"3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n"),
        (Reply(200, {}, (), None), b"0\r\n\r\n"),
        (Reply(200, {}, (b"abc",), None, ending=Ending.CUT), b"3\r\nabc\r\n"),
        (Reply(200, {}, (b"abc",), 99, ending=Ending.CUT), b"abc"),
    ],
)
def test_frames_are_sent_and_ended_as_the_reply_says(server: Server, echo: Echo, reply: Reply, received: bytes) -> None:
    echo.reply = reply
    with connect(server) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert all_of(connection).partition(b"\r\n\r\n")[2] == received


def test_a_reset_is_a_reset_and_a_stall_lasts_until_the_client_leaves(server: Server, echo: Echo) -> None:
    echo.reply = Reply(200, head=False, ending=Ending.RESET)
    with connect(server) as connection:
        connection.sendall(GET)
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    echo.reply = Reply(200, head=False, ending=Ending.STALL)
    with connect(server) as connection:
        connection.sendall(GET)
        connection.settimeout(0.05)
        for _ in range(2):
            with pytest.raises(TimeoutError):
                connection.recv(1)
            connection.sendall(b"Still there?")
    assert echo.done.count("/") >= 2


def test_stop_ends_all_replies_and_all_threads(echo: Echo) -> None:
    echo.reply = Reply(200, {}, (b"a", b"b"), None, delay=0, pause=60)
    server = Server(echo, SYSTEM_CLOCK, "127.0.0.1", 0)
    slow, idle = connect(server), connect(server)
    with slow, idle:
        slow.sendall(GET)
        received = b""
        while b"a" not in received.partition(b"\r\n\r\n")[2]:
            received += slow.recv(1_000)
        server.stop()
        server.stop()
        assert all_of(idle) == b""
        assert not all_of(slow).endswith(b"0\r\n\r\n")
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("bedrock-emulator")]
    with pytest.raises(ConnectionRefusedError):
        connect(server)


def test_a_clock_that_cannot_be_woken_is_slept_on(echo: Echo) -> None:
    clock = SleepingClock()
    echo.reply = Reply(200, {}, (b"a", b"b"), None, delay=3, pause=2)
    server = Server(echo, clock, "127.0.0.1", 0)
    with connect(server) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert all_of(connection).endswith(b"0\r\n\r\n")
    server.stop()
    assert clock.slept == [3, 2]


def test_a_connection_is_closed_where_no_thread_can_be_started(
    server: Server, echo: Echo, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_thread(thread: threading.Thread) -> None:
        raise RuntimeError(f"can't start {thread.name}")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", no_thread)
        with connect(server) as connection:
            assert all_of(connection) == b""
    with connect(server) as connection:
        connection.sendall(GET)
        assert connection.recv(12) == b"HTTP/1.1 200"
    assert echo.arrived.acquire(timeout=1)


def test_it_listens_on_ipv6_too(echo: Echo) -> None:
    server = Server(echo, SYSTEM_CLOCK, "::1", 0)
    with connect(server) as connection:
        connection.sendall(GET)
        assert connection.recv(12) == b"HTTP/1.1 200"
    server.stop()
