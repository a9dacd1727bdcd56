"""Sessions and clients of aiobotocore and aioboto3: the asynchronous twins of what ``_botocore`` has.

aiobotocore awaits the handlers of its hooks, so that the waits of a call do not block the event loop.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final, cast

from bedrock_resilience.integrations import _aws_targets
from bedrock_resilience.integrations._aws_calls import (
    checked_body,
    current_call,
    make_parsable,
    new_call,
    no_event,
    watch,
    watch_of,
)
from bedrock_resilience.integrations._aws_targets import SERVICE, Kit, adopt, attached, described, detach

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from bedrock_resilience.integrations._aws_calls import BotocoreCall, Response
    from bedrock_resilience.integrations._protection import Protection

__all__ = ["attach", "attached", "detach"]


class ProtectedAsyncClient:
    """The first base of the class of a protected client."""

    async def _make_api_call(self, operation_name: str, api_params: dict[str, Any]) -> Any:  # noqa: ANN401 - the response
        make_api_call = cast("Any", super())._make_api_call  # noqa: SLF001 - the method that this one replaces
        call = new_call(self, operation_name, api_params)
        if call is None:
            return await make_api_call(operation_name, api_params)
        token = current_call.set(call)
        try:
            response = await make_api_call(operation_name, api_params)
        except BaseException as error:
            call.ended_by(error)
            raise
        finally:
            current_call.reset(token)
        call.returned(response)
        return response

    def __repr__(self) -> str:
        return described(super().__repr__(), self)


class ProtectedAsyncSession:
    """The first base of the class of a protected session of aiobotocore."""

    async def _create_client(self, service_name: str, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the arguments, and the client
        client = await cast("Any", super())._create_client(service_name, *args, **kwargs)  # noqa: SLF001 - the method that this one replaces
        if service_name == SERVICE:
            adopt(self, client)
        return client

    def __repr__(self) -> str:
        return described(super().__repr__(), self)


class WatchedAsyncStream:
    """The first base of the class of a stream that reports its end to its call."""

    async def __aiter__(self) -> AsyncGenerator[object]:
        watched = watch_of(self)
        try:
            while watched.unread:
                yield watched.unread.pop()
            async for event in watched.events:
                watched.last = event
                yield event
        except GeneratorExit:
            watched.ended()
            raise
        except BaseException as error:
            watched.failed(error)
            raise
        watched.ended()

    def close(self) -> Any:  # noqa: ANN401 - of aiohttp None, of httpx an awaitable
        """Close the connection; what was not read is lost."""
        watch_of(self).ended()
        return cast("Any", super()).close()


class _ReadBody:
    """The raw response of a body that was read, with the methods that the bodies of aiobotocore use."""

    def __init__(self, body: bytes) -> None:
        self._buffer = io.BytesIO(body)
        self._size = len(body)
        self.content = self
        self.url = ""

    async def read(self, amount: int = -1) -> bytes:
        return self._buffer.read(amount)

    async def aiter_raw(self) -> AsyncGenerator[bytes]:
        yield self._buffer.read()

    def at_eof(self) -> bool:
        return self._buffer.tell() == self._size

    def close(self) -> None:
        """Do nothing: the connection was released when the body was read."""

    async def aclose(self) -> None:
        """Do nothing, as ``close``."""


async def admit(request: Any, **_: object) -> None:  # noqa: ANN401 - an AWSRequest
    """Handle ``request-created`` as ``_botocore.admit`` does, without blocking the event loop."""
    call = current_call.get()
    if call is not None:
        if not call.attempts:
            await call.aadmit()
        call.announce(request)


async def decide(response: Response, caught_exception: Exception | None, **_: object) -> object:
    """Handle ``needs-retry`` as ``_botocore.decide`` does, without blocking the event loop."""
    call = current_call.get()
    if call is None:
        return None
    error = caught_exception if response is None else call.error_in(*response) or await _read_ahead(call, response[1])
    if error is None:
        return False
    return 0 if await call.aretry(error) else call.give_up(response)


async def _read_ahead(call: BotocoreCall, parsed: dict[str, Any]) -> Exception | None:
    source = call.source_in(parsed)
    if source is None:
        return None
    try:
        if call.is_stream:
            events = source.__aiter__()
            watch(source, WatchedAsyncStream, call, await anext(events), events)
        else:
            parsed["body"] = checked_body(await source.read(), source.__class__, _ReadBody)
    except StopAsyncIteration:
        source.close()
        return no_event()
    except Exception as error:  # noqa: BLE001 - exceptions of aiohttp and httpx come through
        source.close()
        return error
    return None


_KIT: Final = Kit(
    ProtectedAsyncClient,
    ProtectedAsyncSession,
    {"request-created": admit, "before-parse": make_parsable, "needs-retry": decide},
)


def attach(target: object, protection: Protection) -> None:
    """Protect a target; see ``_aws_targets.attach``."""
    _aws_targets.attach(target, protection, _KIT)
