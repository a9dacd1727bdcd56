"""Sessions and clients of boto3 and botocore.

No class of botocore is imported: a stream and a body are of the class that the client gave them.
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
    from collections.abc import Iterator

    from bedrock_resilience.integrations._aws_calls import BotocoreCall, Response
    from bedrock_resilience.integrations._protection import Protection

__all__ = ["attach", "attached", "detach"]


class ProtectedClient:
    """The first base of the class of a protected client."""

    def _make_api_call(self, operation_name: str, api_params: dict[str, Any]) -> Any:  # noqa: ANN401 - the response
        make_api_call = cast("Any", super())._make_api_call  # noqa: SLF001 - the method that this one replaces
        call = new_call(self, operation_name, api_params)
        if call is None:
            return make_api_call(operation_name, api_params)
        token = current_call.set(call)
        try:
            response = make_api_call(operation_name, api_params)
        except BaseException as error:
            call.ended_by(error)
            raise
        finally:
            current_call.reset(token)
        call.returned(response)
        return response

    def __repr__(self) -> str:
        return described(super().__repr__(), self)


class ProtectedSession:
    """The first base of the class of a protected session."""

    def create_client(self, service_name: str, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the arguments, and the client
        client = cast("Any", super()).create_client(service_name, *args, **kwargs)
        if service_name == SERVICE:
            adopt(self, client)
        return client

    def __repr__(self) -> str:
        return described(super().__repr__(), self)


class WatchedStream:
    """The first base of the class of a stream that reports its end to its call."""

    def __iter__(self) -> Iterator[object]:
        watched = watch_of(self)
        try:
            while watched.unread:
                yield watched.unread.pop()
            for event in watched.events:
                watched.last = event
                yield event
        except GeneratorExit:
            watched.ended()
            raise
        except BaseException as error:
            watched.failed(error)
            raise
        watched.ended()

    def close(self) -> None:
        """Close the connection; what was not read is lost."""
        cast("Any", super()).close()
        watch_of(self).ended()


def admit(request: Any, **_: object) -> None:  # noqa: ANN401 - an AWSRequest
    """Handle ``request-created``: hold the first request until it may be sent."""
    call = current_call.get()
    if call is not None:
        if not call.attempts:  # a later one was admitted when the one before had failed
            call.admit()
        call.announce(request)


def decide(response: Response, caught_exception: Exception | None, **_: object) -> object:
    """Handle ``needs-retry``: wait, and return 0 to send the request again, or False for the end of the call."""
    call = current_call.get()
    if call is None:
        return None
    error = caught_exception if response is None else call.error_in(*response) or _read_ahead(call, response[1])
    if error is None:
        return False
    return 0 if call.retry(error) else call.give_up(response)


def _read_ahead(call: BotocoreCall, parsed: dict[str, Any]) -> Exception | None:
    """Read the body of InvokeModel, or the first event of a stream, and return what broke; None if nothing did."""
    source = call.source_in(parsed)
    if source is None:
        return None
    try:
        if call.is_stream:
            events = iter(source)
            watch(source, WatchedStream, call, next(events), events)
        else:
            parsed["body"] = checked_body(source.read(), source.__class__, io.BytesIO)
    except StopIteration:
        source.close()
        return no_event()
    except Exception as error:  # noqa: BLE001 - botocore lets exceptions of urllib3 through
        source.close()
        return error
    return None


_KIT: Final = Kit(
    ProtectedClient,
    ProtectedSession,
    {"request-created": admit, "before-parse": make_parsable, "needs-retry": decide},
)


def attach(target: object, protection: Protection) -> None:
    """Protect a target; see ``_aws_targets.attach``."""
    _aws_targets.attach(target, protection, _KIT)
