"""The guard itself: what it lets through and what it refuses."""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest

from support import loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost", "", None, b"127.0.0.1", "::"])
def test_this_machine_is_local(host: object) -> None:
    assert loopback.is_local(host)


@pytest.mark.parametrize(
    "host", ["10.0.0.1", "169.254.169.254", "2001:db8::1", "fe80::1%eth0", "example.org", b"example.org"]
)
def test_other_machines_are_not_local(host: object) -> None:
    assert not loopback.is_local(host)


def test_a_server_on_loopback_can_be_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        assert client.getpeername() == server.getsockname()
    assert loopback.take_refused() == []


def test_a_connection_to_another_machine_is_refused_and_remembered() -> None:
    with socket.socket() as client, pytest.raises(loopback.LeftLoopbackError, match=r"192\.0\.2\.1"):
        client.connect(("192.0.2.1", 80))  # TEST-NET-1: assigned to nobody
    assert loopback.take_refused() == ["connect ('192.0.2.1', 80)"]


def test_a_look_up_of_a_name_is_refused_in_any_thread() -> None:
    raised: list[Exception] = []

    def look_up() -> None:
        try:
            socket.getaddrinfo("bedrock-runtime.eu-west-3.amazonaws.com", 443)
        except loopback.LeftLoopbackError as error:
            raised.append(error)

    thread = threading.Thread(target=look_up)
    thread.start()
    thread.join()
    assert len(raised) == 1
    assert len(loopback.take_refused()) == 1


def test_looking_up_an_address_asks_nobody() -> None:
    assert socket.getaddrinfo("192.0.2.1", 80)
    assert loopback.take_refused() == []


def test_a_datagram_to_another_machine_is_refused_whatever_its_flags() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        with pytest.raises(loopback.LeftLoopbackError):
            client.sendto(b"x", ("192.0.2.1", 53))
        with pytest.raises(loopback.LeftLoopbackError):
            client.sendto(b"x", 0, ("192.0.2.1", 53))
    assert len(loopback.take_refused()) == 2


async def test_asyncio_is_guarded_too() -> None:
    with pytest.raises(loopback.LeftLoopbackError):
        await asyncio.open_connection("example.org", 80)
    assert loopback.take_refused() == ["getaddrinfo 'example.org'"]
