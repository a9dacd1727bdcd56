"""How a protection is attached to the sessions and clients of boto3, botocore and aiobotocore, and removed again.

A client emits events during a call, all inside the span that OpenTelemetry's instrumentation opens. Handlers of two of
them carry the policy: ``request-created``, before each request, and ``needs-retry``, after each response, which decides
whether the request is sent again. botocore's own retry modes use the same events. Their handlers are removed from a
protected client, and registered again afterward.

Two things have no event: the exception that ends a call, which gets a note, and an end from outside, which releases
what the pacer reserved. So a protected client gets a class with its own ``_make_api_call``, and a protected session one
with its own way to make a client. These classes also show the protection in ``repr``.
"""

from __future__ import annotations

import sys
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from bedrock_resilience._checks import Problem, refuse, wrong_value
from bedrock_resilience.integrations._class_bases import add_base, remove_base
from bedrock_resilience.integrations._protection import LOCK, Protection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import TypeAlias

    Handler: TypeAlias = Callable[..., Any]

SERVICE: Final = "bedrock-runtime"
OPERATIONS: Final = ("Converse", "ConverseStream", "CountTokens", "InvokeModel", "InvokeModelWithResponseStream")
"""The operations that are protected. Every other one is called as before."""

OLDEST_BOTOCORE: Final = (1, 43, 11)
"""An older botocore reads the answer "no" of a handler as a wait of 0 s, and repeats a request endlessly."""

_ATTRIBUTE: Final = "_bedrock_resilience"


@dataclass(frozen=True, slots=True)
class Kit:
    """What differs between SDKs.

    Attributes:
        client_base: The first base of the class of a protected client.
        session_base: The first base of the class of a protected session.
        handlers: The handlers of the events of its clients, by the kind of event.
    """

    client_base: type
    session_base: type
    handlers: Mapping[str, Handler]

    def hooks(self) -> Iterator[tuple[str, Handler]]:
        """Yield the events to handle, each with its handler."""
        for kind, handler in self.handlers.items():
            for operation in OPERATIONS:
                yield f"{kind}.{SERVICE}.{operation}", handler


@dataclass(frozen=True, slots=True)
class _AttachedClient:
    """What a client was given, and the handlers of botocore that were removed from it, each with its event."""

    protection: Protection
    kit: Kit
    retries: list[tuple[str, Handler]]


@dataclass(frozen=True, slots=True)
class _AttachedSession:
    """What a session was given, and the clients that it has made."""

    protection: Protection
    kit: Kit
    clients: weakref.WeakSet[Any]


class ShownSession:
    """The first base of the class of a boto3 session whose botocore session is protected."""

    def __repr__(self) -> str:
        return described(super().__repr__(), self)


def attached(target: object) -> Protection | None:
    """Return the protection of a target."""
    state = _state(_inner(target))
    return None if state is None else state.protection


def described(plain: str, target: object) -> str:
    """Return the ``repr`` of a target with its protection."""
    protection = attached(target)
    return plain if protection is None else f"{plain} under {protection!r}"


def attach(target: object, protection: Protection, kit: Kit) -> None:
    """Protect a target, in place of the protection that it has.

    Raises:
        ValueError: It is the client of another service, or of a version of botocore that is too old.
    """
    inner = _inner(target)
    refuse("protect", _version_problem())
    if _is_client(inner):
        service = inner.meta.service_model.service_name
        refuse("protect", None if service == SERVICE else wrong_value("target", target, f"a client of {SERVICE}"))
        _attach_client(inner, protection, kit)
        return
    clients = _clients_of(inner)
    _attributes(inner)[_ATTRIBUTE] = _AttachedSession(protection, kit, weakref.WeakSet(clients))
    add_base(inner, kit.session_base)
    if target is not inner:
        add_base(target, ShownSession)
    for client in clients:
        _attach_client(client, protection, kit)


def detach(target: object) -> None:
    """Undo ``attach``, also for the clients that a session has made. A target without a protection stays as it is."""
    inner = _inner(target)
    state = _state(inner)
    if state is None:
        return
    if _is_client(inner):
        _detach_client(inner)
        return
    for client in _clients_of(inner):
        _detach_client(client)
    del _attributes(inner)[_ATTRIBUTE]
    remove_base(inner, state.kit.session_base)
    remove_base(target, ShownSession)


def adopt(session: object, client: object) -> None:
    """Protect a client that a session has made."""
    with LOCK:
        state = _state(session)
        if state is not None:
            state.clients.add(client)
            _attach_client(client, state.protection, state.kit)


def _version_problem() -> Problem | None:
    version: str = sys.modules["botocore"].__version__
    if tuple(map(int, version.split(".")[:3])) >= OLDEST_BOTOCORE:
        return None
    return wrong_value("botocore", version, ".".join(map(str, OLDEST_BOTOCORE)) + " or later")


def _clients_of(session: object) -> list[Any]:
    """Return the clients that a session has made and that still have its protection."""
    state = _state(session)
    return [] if state is None else [client for client in state.clients if attached(client) is state.protection]


def _attach_client(client: Any, protection: Protection, kit: Kit) -> None:  # noqa: ANN401 - botocore makes the client's class at run time
    state = _state(client)
    events = client.meta.events
    retries: list[tuple[str, Handler]] = list(_retry_handlers(events)) if state is None else state.retries
    _attributes(client)[_ATTRIBUTE] = _AttachedClient(protection, kit, retries)
    if state is None:
        for event, handler in retries:
            events.unregister(event, handler)
        for event, handler in kit.hooks():
            events.register_first(event, handler)
        add_base(client, kit.client_base)


def _detach_client(client: Any) -> None:  # noqa: ANN401 - as above
    state: _AttachedClient = _attributes(client).pop(_ATTRIBUTE)
    events = client.meta.events
    for event, handler in state.kit.hooks():
        events.unregister(event, handler)
    for event, handler in state.retries:
        events.register(event, handler)
    remove_base(client, state.kit.client_base)


def _retry_handlers(events: Any) -> Iterator[tuple[str, Handler]]:  # noqa: ANN401 - the emitter of a client
    """Yield the handlers of botocore's retry modes, each with the event it is registered for.

    botocore has no public way to look up a handler, which is required to restore it later.
    """
    handlers = events._emitter._handlers  # noqa: SLF001 - see above
    for kind in ("before-send", "needs-retry", "request-created"):
        general: list[Handler] = list(handlers.prefix_search(kind))
        every: list[Handler] = list(handlers.prefix_search(f"{kind}.{SERVICE}"))
        for handler in filter(_is_of_retries, every):
            yield kind if handler in general else f"{kind}.{SERVICE}", handler


def _is_of_retries(handler: object) -> bool:
    owner: type = getattr(handler, "__self__", handler).__class__
    return ".retries." in owner.__module__ or owner.__module__.endswith(".retryhandler")


def _inner(target: Any) -> Any:  # noqa: ANN401 - a session or a client
    """Return the session of botocore inside one of boto3; any other target as it is."""
    return _attributes(target).get("_session", target)


def _is_client(target: object) -> bool:
    return "meta" in _attributes(target)


def _state(target: object) -> Any:  # noqa: ANN401 - an _AttachedClient, an _AttachedSession, or None
    return _attributes(target).get(_ATTRIBUTE)


def _attributes(target: Any) -> dict[str, Any]:  # noqa: ANN401 - a session or a client
    return cast("dict[str, Any]", vars(target))
