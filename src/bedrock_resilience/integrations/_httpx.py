"""httpx and httpx2: a transport that retries and paces the calls of Bedrock.

A client sends each request through its transport. The protected transport takes the place of the client's own, sends
calls of Bedrock under the policy, and passes all other requests on. Both packages have the same interface, so that one
set of classes serves both; their base classes come from the package of the client, which has loaded it.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from bedrock_resilience.integrations._class_bases import add_base, remove_base
from bedrock_resilience.integrations._http_call import FIRST_ERROR_STATUS, HttpCall, operation_of
from bedrock_resilience.integrations._stream_reader import StreamReader, is_stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from typing import Self, TypeAlias

    from bedrock_resilience.integrations._http_call import Request, Response
    from bedrock_resilience.integrations._protection import ProtectedCall, Protection

    # Objects of httpx or httpx2, whichever the client belongs to. Neither is needed here.
    Client: TypeAlias = Any
    Parts: TypeAlias = Any  # an iterator over bytes, synchronous or not
    Stream: TypeAlias = Any
    Transport: TypeAlias = Any

_PACKAGES: Final = frozenset({"httpx", "httpx2"})


class _Transport:
    """What the protected transports of both kinds have in common.

    Args:
        transport: The transport of the client, which sends the requests.
        protection: The protection; another one may be set at any time, for the calls that begin after it.
    """

    def __init__(self, transport: Transport, protection: Protection) -> None:
        self.transport = transport
        self.protection = protection

    def __repr__(self) -> str:
        return f"<{self.protection!r} around {self.transport!r}>"


class _SyncTransport(_Transport):
    def handle_request(self, request: Request) -> Response:
        operation = operation_of(request.method, request.url)
        if operation is None:
            return self.transport.handle_request(request)
        request.read()  # a body that is generated cannot be sent twice
        call = HttpCall(self.protection, request, operation)
        call.protected.admit()
        while True:
            try:
                answer = self._attempt(call, request)
            except Exception as error:  # noqa: BLE001 - the policy decides about every exception
                if not call.protected.retry(error):
                    return call.ended(error)
            except BaseException as error:
                call.protected.cancelled(error)
                raise
            else:
                if answer is not None:
                    call.protected.succeeded(answer)
                return call.response

    def _attempt(self, call: HttpCall, request: Request) -> dict[str, Any] | None:
        """Return what the response says, or None for a stream, which ends the call later."""
        response = self.transport.handle_request(request)
        stream = response.stream
        failure: Exception | None = None
        try:
            if not _is_stream(response):
                raw = b"".join(stream)
            else:
                reader, parts, head = StreamReader(response.headers), iter(stream), bytearray()
                while not reader.started:
                    part = next(parts, None)
                    head += part or b""
                    reader.feed(part)
                if reader.error is None:
                    response.stream = _classes_of(response).stream(bytes(head), parts, stream, reader, call.protected)
                    call.response = response
                    call.protected.opened()
                    return None
                raw, failure = bytes(head), reader.error
        except BaseException:
            stream.close()
            raise
        stream.close()
        response.stream = _classes_of(response).body(raw)
        return call.received(response, raw, failure)

    def close(self) -> None:
        self.transport.close()

    def __enter__(self) -> Self:
        self.transport.__enter__()
        return self

    def __exit__(self, *details: object) -> None:
        self.transport.__exit__(*details)


class _AsyncTransport(_Transport):
    async def handle_async_request(self, request: Request) -> Response:
        operation = operation_of(request.method, request.url)
        if operation is None:
            return await self.transport.handle_async_request(request)
        await request.aread()  # a body that is generated cannot be sent twice
        call = HttpCall(self.protection, request, operation)
        await call.protected.aadmit()
        while True:
            try:
                answer = await self._attempt(call, request)
            except Exception as error:  # noqa: BLE001 - the policy decides about every exception
                if not await call.protected.aretry(error):
                    return call.ended(error)
            except BaseException as error:
                call.protected.cancelled(error)
                raise
            else:
                if answer is not None:
                    call.protected.succeeded(answer)
                return call.response

    async def _attempt(self, call: HttpCall, request: Request) -> dict[str, Any] | None:
        """Return what the response says, or None for a stream, which ends the call later."""
        response = await self.transport.handle_async_request(request)
        stream = response.stream
        failure: Exception | None = None
        try:
            if not _is_stream(response):
                raw = b"".join([part async for part in stream])
            else:
                reader, parts, head = StreamReader(response.headers), aiter(stream), bytearray()
                while not reader.started:
                    part = await anext(parts, None)
                    head += part or b""
                    reader.feed(part)
                if reader.error is None:
                    response.stream = _classes_of(response).async_stream(
                        bytes(head), parts, stream, reader, call.protected
                    )
                    call.response = response
                    call.protected.opened()
                    return None
                await _aclose(parts)
                raw, failure = bytes(head), reader.error
        except BaseException:
            await stream.aclose()
            raise
        await stream.aclose()
        response.stream = _classes_of(response).body(raw)
        return call.received(response, raw, failure)

    async def aclose(self) -> None:
        await self.transport.aclose()

    async def __aenter__(self) -> Self:
        await self.transport.__aenter__()
        return self

    async def __aexit__(self, *details: object) -> None:
        await self.transport.__aexit__(*details)


class _Stream:
    """The stream of a response, from its first byte; its end is that of the call.

    Args:
        head: The bytes that were read before.
        parts: Iterates over the others.
        stream: The stream of the transport, to close it.
        reader: Has read the head.
        call: The call, which is still open.
    """

    def __init__(
        self,
        head: bytes,
        parts: Parts,
        stream: Stream,
        reader: StreamReader,
        call: ProtectedCall,
    ) -> None:
        self._head = head
        self._parts = parts
        self._stream = stream
        self._reader = reader
        self._call = call

    def _end(self, error: BaseException | None = None) -> None:
        """End the call once: at the end of the stream, at a failure, or if the caller stops reading."""
        if not self._call.open:
            return
        error = error or self._reader.error
        if error is None:
            self._call.succeeded(self._reader.last)
        else:
            self._call.ended_by(error, self._reader.last)


class _SyncStream(_Stream):
    def __iter__(self) -> Iterator[bytes]:
        try:
            yield self._head
            for part in self._parts:
                self._reader.feed(part)
                yield part
        except GeneratorExit:  # the caller stops reading, which is no failure
            raise
        except BaseException as error:
            self._end(error)
            raise
        self._end()

    def close(self) -> None:
        self._end()
        self._stream.close()


class _AsyncStream(_Stream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            yield self._head
            async for part in self._parts:
                self._reader.feed(part)
                yield part
        except GeneratorExit:  # the caller stops reading, which is no failure
            raise
        except BaseException as error:
            self._end(error)
            raise
        self._end()

    async def aclose(self) -> None:
        self._end()
        await _aclose(self._parts)
        await self._stream.aclose()


class _Classes(NamedTuple):
    """The classes for one of the two packages."""

    transport: type[_SyncTransport]
    async_transport: type[_AsyncTransport]
    stream: type[_SyncStream]
    async_stream: type[_AsyncStream]
    body: Callable[[bytes], object]


@cache
def _classes(package: str) -> _Classes:
    # The packages check that a stream is an instance of their own class.
    module: Any = sys.modules[package]
    return _Classes(
        transport=type("ProtectedTransport", (_SyncTransport, module.BaseTransport), {}),
        async_transport=type("AsyncProtectedTransport", (_AsyncTransport, module.AsyncBaseTransport), {}),
        stream=type("ProtectedStream", (_SyncStream, module.SyncByteStream), {}),
        async_stream=type("AsyncProtectedStream", (_AsyncStream, module.AsyncByteStream), {}),
        body=module.ByteStream,
    )


def _classes_of(thing: object) -> _Classes:
    """Return the classes for the package of a client or a response."""
    packages = (cls.__module__.partition(".")[0] for cls in type(thing).__mro__)
    return _classes(next(package for package in packages if package in _PACKAGES))


class _ShownClient:
    """The first base of the class of a protected client."""

    def __repr__(self) -> str:
        protection = attached(self)
        return super().__repr__() if protection is None else f"{super().__repr__()} under {protection!r}"


def attach(target: Client, protection: Protection) -> None:
    """Replace the transports of a client by protected ones."""
    classes = _classes_of(target)
    protected: Any = classes.transport if hasattr(target, "__enter__") else classes.async_transport

    def protect(transport: Transport) -> Transport:
        if isinstance(transport, _Transport):
            transport.protection = protection
            return transport
        return protected(transport, protection)

    _replace_transports(target, protect)
    add_base(target, _ShownClient)


def detach(target: Client) -> None:
    """Restore the transports of a client."""
    _replace_transports(
        target, lambda transport: transport.transport if isinstance(transport, _Transport) else transport
    )
    remove_base(target, _ShownClient)


def attached(target: Client) -> Protection | None:
    """Return the protection of a client."""
    transport = target._transport  # noqa: SLF001 - as in attach
    return transport.protection if isinstance(transport, _Transport) else None


def _replace_transports(target: Client, change: Callable[[Transport], Transport]) -> None:
    # A client has no public way to its transports. These two names are the same in all versions since 0.18.
    target._transport = change(target._transport)  # noqa: SLF001 - as above
    for pattern, transport in target._mounts.items():  # noqa: SLF001 - as above
        if transport is not None:  # otherwise the client's main one
            target._mounts[pattern] = change(transport)  # noqa: SLF001 - as above


def _is_stream(response: Response) -> bool:
    return response.status_code < FIRST_ERROR_STATUS and is_stream(response.headers)


async def _aclose(parts: Parts) -> None:
    if hasattr(parts, "aclose"):
        await parts.aclose()
