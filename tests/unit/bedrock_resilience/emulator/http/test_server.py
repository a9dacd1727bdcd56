"""The server on raw sockets: keep-alive, bad clients, and an end that leaves nothing behind."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from typing import TYPE_CHECKING

import pytest

from bedrock_resilience.clock import SYSTEM_CLOCK
from bedrock_resilience.emulator._http.replies import Ending, Reply, plain
from bedrock_resilience.emulator._http.server import Delivery, Server

if TYPE_CHECKING:
    from collections.abc import Generator

    from bedrock_resilience.emulator._http.http_parser import Request

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Echo:
    """An application that answers with the body, or with `reply`, and counts what is done."""

    def __init__(self) -> None:
        self.reply: Reply | None = None
        self.done: list[str] = []
        self.lost = threading.Semaphore(0)
        self.seen = threading.Semaphore(0)

    def __call__(self, request: Request, arrived: float) -> Delivery:
        self.seen.release()
        reply = plain(request.body) if self.reply is None else self.reply
        return Delivery(reply, arrived, lambda: self.done.append(request.target), self.lost.release)


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


def test_a_client_that_waits_for_a_go_ahead_gets_it(server: Server) -> None:
    with connect(server) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n")
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"ok")
        assert all_of(connection).endswith(b"ok")


def test_nonsense_is_refused_and_others_go_on(server: Server, echo: Echo) -> None:
    with connect(server) as connection:
        connection.sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
        refusal = all_of(connection)
    assert refusal.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b'{"message":"no request line of HTTP/1' in refusal
    with connect(server) as connection:
        connection.sendall(GET)
        assert connection.recv(12) == b"HTTP/1.1 200"
    assert echo.seen.acquire(timeout=1)


def test_clients_that_leave_at_any_moment_disturb_nobody(server: Server, echo: Echo) -> None:
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
def test_a_client_that_gave_up_waiting_is_noticed(server: Server, echo: Echo, *, hard: bool) -> None:
    echo.reply = Reply(200, {}, (b"late",), 4, delay=0.1)
    with connect(server) as connection:
        connection.sendall(GET)
        assert echo.seen.acquire(timeout=5)
        if hard:  # a reset
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert echo.lost.acquire(timeout=5)


def test_a_client_that_sends_its_next_request_early_has_not_left(server: Server, echo: Echo) -> None:
    echo.reply = Reply(200, {}, (b"late",), 4, delay=0.05)
    with connect(server) as connection:
        connection.sendall(GET)
        assert echo.seen.acquire(timeout=5)
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


def test_stop_ends_all_that_wait_and_all_threads(echo: Echo) -> None:
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


def test_a_client_is_turned_away_where_no_thread_can_be_had(
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
    assert echo.seen.acquire(timeout=1)


def test_it_listens_on_ipv6_too(echo: Echo) -> None:
    server = Server(echo, SYSTEM_CLOCK, "::1", 0)
    with connect(server) as connection:
        connection.sendall(GET)
        assert connection.recv(12) == b"HTTP/1.1 200"
    server.stop()
