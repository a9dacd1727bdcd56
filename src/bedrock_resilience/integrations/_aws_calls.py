"""One call of a protected client of botocore or aiobotocore: what its responses mean, and how its streams end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, Final, cast

from bedrock_resilience._errors import MalformedResponseError, StreamInterruptedError
from bedrock_resilience.integrations._aws_targets import OPERATIONS, attached
from bedrock_resilience.integrations._class_bases import with_base
from bedrock_resilience.integrations._protection import ProtectedCall, Protection

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from bedrock_resilience.retrying._events import CallInfo

    Response: TypeAlias = tuple[Any, dict[str, Any]] | None
    """An ``AWSResponse`` and what was parsed from it; None if an exception took their place."""

# The member of a response that is a stream of events, and the member without which a response is none.
_STREAMS: Final = {"ConverseStream": "stream", "InvokeModelWithResponseStream": "body"}
_REQUIRED: Final = {"Converse": "output", "CountTokens": "inputTokens"}
_FIRST_ERROR_STATUS: Final = 300  # as in botocore
_WATCH: Final = "_bedrock_resilience"


class BotocoreCall(ProtectedCall):
    """One call of a client.

    Args:
        protection: The protection of the client.
        client: The client.
        operation: The name of the operation, such as ``"Converse"``.
        request: Its parameters.

    Attributes:
        is_stream: Whether the response is a stream of events.
    """

    __slots__ = ("_client", "_max_attempts", "_operation", "is_stream")

    def __init__(self, protection: Protection, client: Any, operation: str, request: Mapping[str, Any]) -> None:  # noqa: ANN401 - botocore makes the client's class at run time
        super().__init__(protection, request, _info(client, operation, request) if protection.listeners else None)
        self._client = client
        self._max_attempts = 1 + protection.policy.max_retries
        self._operation = operation
        self.is_stream: bool = operation in _STREAMS

    def announce(self, request: Any) -> None:  # noqa: ANN401 - an AWSRequest
        """Set the header ``amz-sdk-request`` to the attempts of the policy instead of those of the SDK's retry mode."""
        request.context.get("retries", {})["max"] = self._max_attempts

    def error_in(self, http: Any, parsed: dict[str, Any]) -> Exception | None:  # noqa: ANN401 - an AWSResponse
        """Return the exception that the client raises for this response; None for a success."""
        if http.status_code >= _FIRST_ERROR_STATUS:
            make_error = self._client.exceptions.from_code(parsed.get("Error", {}).get("Code"))
            return cast("Exception", make_error(parsed, self._operation))
        required = _REQUIRED.get(self._operation)
        if required is not None and required not in parsed:
            return MalformedResponseError(f"the response has no {required!r}", parsed)
        return None

    def source_in(self, parsed: dict[str, Any]) -> Any:  # noqa: ANN401 - an EventStream or a StreamingBody
        """Return the unread part of a response; None if all of it was read."""
        member = _STREAMS.get(self._operation, "body" if self._operation == "InvokeModel" else None)
        return None if member is None else parsed[member]

    def give_up(self, response: Response) -> bool:
        """Let the client raise the error, or raise it if the client takes the response for a success."""
        if response is not None and response[0].status_code < _FIRST_ERROR_STATUS:
            raise self.final_error()
        return False

    def returned(self, response: object) -> None:
        """End the call as a success, unless its response is a stream, which ends the call later."""
        if self.open and self.attempts and not self.is_stream:
            self.succeeded(response)


def _info(client: Any, operation: str, request: Mapping[str, Any]) -> CallInfo:  # noqa: ANN401 - as above
    from bedrock_resilience.retrying._call_info import CallInfo  # noqa: PLC0415 - a call without listeners needs none

    model = request.get("modelId")
    return CallInfo(
        operation=operation, model=model if isinstance(model, str) else None, region=client.meta.region_name
    )


current_call: Final[ContextVar[BotocoreCall | None]] = ContextVar("bedrock_resilience_botocore_call", default=None)
"""The call that this thread or task makes, for the handlers of the client's events."""


def new_call(client: object, operation: str, request: dict[str, Any]) -> BotocoreCall | None:
    """Return the call that a client begins; None if the operation is not protected."""
    protection = attached(client)
    if protection is None or operation not in OPERATIONS:
        return None
    if operation == "CountTokens" and protection.pacer is not None:
        protection = replace(protection, pacer=None)  # it does not use the quota of a model
    return BotocoreCall(protection, client, operation, request)


def checked_body(body: bytes, make_body: Callable[[Any, int], Any], make_raw: Callable[[bytes], Any]) -> Any:  # noqa: ANN401 - a StreamingBody
    """Return a body of InvokeModel that was read, to be read again.

    Raises:
        MalformedResponseError: It is empty, or the HTML page of a proxy.
    """
    if body.lstrip()[:1] in {b"", b"<"}:
        raise MalformedResponseError(f"not the response of a model: it starts with {body[:40]!r}", body)
    return make_body(make_raw(body), len(body))


def no_event() -> StreamInterruptedError:
    """Return the exception for a stream without events."""
    return StreamInterruptedError("the stream ended before its first event")


def make_parsable(response_dict: dict[str, Any], **_: object) -> None:
    """Handle ``before-parse``: replace JSON that is no object; botocore's parser fails on it after all other events."""
    body = response_dict["body"]
    if isinstance(body, bytes) and not body.startswith(b"{") and _is_foreign_json(body):
        response_dict["body"] = b"{}"


def _is_foreign_json(body: bytes) -> bool:
    try:
        return not isinstance(json.loads(body.decode()), dict)
    except (UnicodeDecodeError, RecursionError):
        return True
    except ValueError:
        return False  # a text or a page, which botocore makes the message of the error


def decoded(event: object) -> object:
    """Return the model's own event if InvokeModel has wrapped it, as JSON in bytes; any other event as it is."""
    if not isinstance(event, Mapping):
        return event
    fields = cast("Mapping[str, Any]", event)
    try:
        return json.loads(fields["chunk"]["bytes"])
    except (KeyError, TypeError, ValueError):
        return fields


class StreamWatch:
    """What is known of a stream whose first event was read ahead.

    Args:
        call: The call that the stream answers.
        first: Its first event.
        events: The iterator over the others.

    Attributes:
        unread: The first event, until it is delivered.
        events: The iterator over the others.
        last: The last event that was read.
    """

    __slots__ = ("_call", "events", "last", "unread")

    def __init__(self, call: ProtectedCall, first: object, events: Any) -> None:  # noqa: ANN401 - an iterator of either kind
        self._call = call
        self.unread: list[object] = [first]
        self.events: Any = events
        self.last: object = first

    def ended(self) -> None:
        """Close the call as a success: the stream ended, or its reader stopped, which is no failure."""
        if self._call.open:
            self._call.succeeded(decoded(self.last))

    def failed(self, error: BaseException) -> None:
        """Close the call as a failure: a part of the stream was delivered, so that it is not retried."""
        self._call.ended_by(error, decoded(self.last))


def watch(stream: Any, base: type, call: ProtectedCall, first: object, events: object) -> None:  # noqa: ANN401 - an EventStream
    """Make a stream report its end to its call; ``base`` is the first base of its new class."""
    vars(stream)[_WATCH] = StreamWatch(call, first, events)
    stream.__class__ = _watched_class(stream.__class__, base)
    call.opened()


def watch_of(stream: object) -> StreamWatch:
    """Return what is known of a watched stream."""
    return cast("StreamWatch", vars(stream)[_WATCH])


_watched_class = cache(with_base)  # an SDK has one class of streams
