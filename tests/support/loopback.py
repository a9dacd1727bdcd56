"""A guard against tests that reach other machines.

It stands in front of the functions of ``socket`` that connect, send and look names up, for whatever thread and library
calls them, and refuses what leaves the loopback interface. Refusing is not enough: botocore turns any exception of its
transport into a retry, so the guard also remembers, and the test fails at its end.

An audit hook would do the same in fewer lines, but on Python 3.11 one that is written in Python lets two threads meet
inside ``sys.settrace``, which coverage calls in each new thread, and the second one gets a RuntimeError.
"""

from __future__ import annotations

import functools
import ipaddress
import socket
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")

_CONNECTING: Final = ("connect", "connect_ex", "sendto")
_RESOLVING: Final = ("getaddrinfo", "gethostbyname", "gethostbyname_ex")

_refused: list[str] = []


class LeftLoopbackError(RuntimeError):
    """A test tried to reach an address that is not on this machine."""


def is_local(host: object) -> bool:
    """Whether ``host`` names this machine: loopback, unspecified (which connects to loopback), or no host at all."""
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if host is None or host in {"", "localhost"}:
        return True
    try:
        address = ipaddress.ip_address(str(host).partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def is_number(host: object) -> bool:
    """Whether ``host`` is an address already, so that looking it up needs no network."""
    try:
        ipaddress.ip_address(str(host).partition("%")[0])
    except ValueError:
        return False
    return True


def _guarded_connection(name: str, original: Callable[P, R]) -> Callable[P, R]:
    @functools.wraps(original)
    def guarded(*arguments: P.args, **options: P.kwargs) -> R:
        address = arguments[-1]  # sendto may take flags before it
        # A Unix socket's address is a path: it does not leave the machine.
        if isinstance(address, tuple) and not is_local(cast("tuple[object, ...]", address)[0]):
            _refuse(f"{name} {address!r}")
        return original(*arguments, **options)

    return guarded


def _guarded_lookup(name: str, original: Callable[P, R]) -> Callable[P, R]:
    @functools.wraps(original)
    def guarded(*arguments: P.args, **options: P.kwargs) -> R:
        host = arguments[0] if arguments else options["host"]
        if not is_local(host) and not is_number(host):
            _refuse(f"{name} {host!r}")
        return original(*arguments, **options)

    return guarded


def _refuse(what: str) -> None:
    _refused.append(what)
    message = f"{what}: tests stay on loopback. Serve it from this process, or hand in a resolver."
    raise LeftLoopbackError(message)


def install() -> None:
    """Put the guard in place, for the life of the process."""
    for name in _CONNECTING:
        setattr(socket.socket, name, _guarded_connection(name, getattr(socket.socket, name)))
    for name in _RESOLVING:
        setattr(socket, name, _guarded_lookup(name, getattr(socket, name)))


def take_refused() -> list[str]:
    """What was refused since the last call."""
    refused = list(_refused)
    _refused.clear()
    return refused
