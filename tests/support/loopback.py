"""A guard against tests that reach beyond this machine.

Python raises an audit event for each connection and name look-up, from whatever thread and library it comes; the guard
refuses those that leave the loopback interface. Refusing is not enough: botocore turns any exception of its transport
into a retry, so the guard also remembers, and the test fails at its end.
"""

from __future__ import annotations

import ipaddress
import sys
from typing import Final, cast

_CONNECTING: Final = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_RESOLVING: Final = frozenset({"socket.getaddrinfo", "socket.gethostbyname"})

_refused: list[str] = []


class LeftLoopbackError(RuntimeError):
    """A test tried to reach an address that is not on this machine."""


def is_local(host: object) -> bool:
    """Whether `host` names this machine: loopback, unspecified (which connects to loopback), or no host at all."""
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
    """Whether `host` is an address already, so that looking it up asks nobody."""
    try:
        ipaddress.ip_address(str(host).partition("%")[0])
    except ValueError:
        return False
    return True


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if event in _CONNECTING:
        address = arguments[1]
        # A Unix socket's address is a path, and a connected socket sends to None: neither leaves the machine.
        if isinstance(address, tuple) and not is_local(cast("tuple[object, ...]", address)[0]):
            _refuse(f"{event} {address!r}")
    elif event in _RESOLVING:
        host = arguments[0]
        if not is_local(host) and not is_number(host):
            _refuse(f"{event} {host!r}")


def _refuse(what: str) -> None:
    _refused.append(what)
    message = f"{what}: tests stay on loopback. Serve it from this process, or hand in a resolver."
    raise LeftLoopbackError(message)


def install() -> None:
    """Start watching. An audit hook stays for the life of the process, so this belongs at the start of a run."""
    sys.addaudithook(_watch)


def take_refused() -> list[str]:
    """What was refused since the last call."""
    taken = list(_refused)
    _refused.clear()
    return taken
