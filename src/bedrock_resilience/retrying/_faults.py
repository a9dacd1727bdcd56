"""classify: reads the ``Fault`` off an exception.

No AWS library is imported. Exceptions are distinguished by their codes, their HTTP status and, if they have neither,
by their class in the package that defines it. So this works in a Lambda without boto3, and for every version of it.
"""

from __future__ import annotations

import errno
import re
from typing import TYPE_CHECKING, cast

from bedrock_resilience._fault import Fault
from bedrock_resilience.retrying._fault_tables import (
    BY_CLASS,
    BY_CODE,
    BY_GENERIC_CODE,
    BY_MESSAGE,
    BY_STATUS,
    BY_STATUS_CLASS,
    CONNECTING,
    NEVER_CONNECTED,
    ONLY_BEDROCKS,
    UNWRAPPED_FIRST,
)
from bedrock_resilience.retrying._retry_after import (
    MAX_CHAIN,
    as_mapping,
    attribute,
    defined_in,
    headers_of,
    translated,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import FrameType

    from bedrock_resilience.quotas import Limit


def classify(error: BaseException) -> Fault:
    """Return what an exception of boto3, another HTTP client, an SDK, a framework or Python means.

    It reads, in this order: the attribute ``fault`` of the exception; the error code and the HTTP status of its
    response; its class, in the package that defines it; the exception that it wraps. The first that has a meaning
    counts. Wrapped exceptions are found by ``raise ... from``, and by the attributes that retry libraries use. A group
    has the fault of its members if they agree, else the most cautious one. Everything else is ``Fault.UNKNOWN``, which
    is not retried.
    """
    return _classify(error, frozenset())


def error_code(error: BaseException) -> str:
    """Return the name that an operator looks for: the service's error code, or the name of the class."""
    return next(_codes(error), type(error).__name__)


def limit_of(error: BaseException | None) -> Limit | None:
    """Return the limit that refused a request, as the message of a throttle names it; None if it names none.

    An attribute ``limit`` of the exception goes before its message, and both before those of what it wraps.
    """
    from bedrock_resilience.quotas import Limit  # noqa: PLC0415 - only a throttle of a paced call needs it

    for _ in range(MAX_CHAIN):
        if error is None:
            return None
        declared = attribute(error, "limit")
        if isinstance(declared, Limit):
            return declared
        message = _message(error)
        for words, limit in _LIMIT_WORDS:
            if words in message:
                return Limit(limit)
        error = translated(error) or next(_wrapped(error), None)
    return None


# "Too many tokens per day" goes before "too many tokens".
_LIMIT_WORDS = (
    ("tokens per day", "tokens_per_day"),
    ("too many tokens", "tokens_per_minute"),
    ("too many requests", "requests_per_minute"),
    ("request rate", "requests_per_minute"),
)


def message_of(error: BaseException) -> str:
    """Return the text of an exception, and an empty one if it has none."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - the class is the caller's
        return ""


def _classify(error: BaseException, visited: frozenset[int]) -> Fault:
    declared = attribute(error, "fault")
    if isinstance(declared, Fault):
        return declared
    visited |= {id(error)}
    if len(visited) > _MAX_DEPTH:  # pragma: no mutate - one more or less
        return Fault.UNKNOWN
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        members = [_classify(member, visited) for member in group.exceptions if id(member) not in visited]
        return max(members, key=_caution, default=Fault.UNKNOWN)
    original = translated(error)
    if original is not None and id(original) not in visited:
        meant = _classify(original, visited)
        if meant is not Fault.UNKNOWN:
            return meant
    fault = _from_response(error)
    if fault is not None:
        return fault
    fault = _from_class(error)
    if fault is None or _unwraps_first(error):
        inner = (_classify(wrapped, visited) for wrapped in _wrapped(error) if id(wrapped) not in visited)
        fault = next((one for one in inner if one is not Fault.UNKNOWN), fault)
    return fault or _from_parser(error) or Fault.UNKNOWN


# Exceptions that wrap each other: real ones are a few, and Python allows about 1,000 nested calls.
_MAX_DEPTH = 50


def _caution(fault: Fault) -> int:
    """Rank a fault among the members of a group: what stops most comes first."""
    if fault is Fault.CANCELLED:
        return 4  # pragma: no mutate - only the order counts
    if fault.fatal:
        return 3
    if not fault.retryable:
        return 2
    return 1 if fault in _MAY_BE_BILLED else 0


# A retry of these pays again: the request may have run.
_MAY_BE_BILLED = frozenset(
    {
        Fault.REQUEST_TIMEOUT,
        Fault.MODEL_TIMEOUT,
        Fault.MODEL_ERROR,
        Fault.MODEL_STREAM_ERROR,
        Fault.READ_TIMEOUT,
        Fault.CONNECTION_LOST,
        Fault.STREAM_INTERRUPTED,
        Fault.MALFORMED_RESPONSE,
        Fault.REJECTED_RESULT,
    }
)


def _from_response(error: BaseException) -> Fault | None:
    codes = list(_codes(error))
    message = _message(error)
    # A code in the body may be qualified ("com.amazon#ThrottlingException:http://..."), or in snake case.
    words = [code.rpartition("#")[2].partition(":")[0].lower() for code in codes]
    fault = next((found for word in words if (found := _by_code(word)) is not None), None)
    if fault is None:
        status = _status(error, codes)
        generic = next((BY_GENERIC_CODE[word] for word in words if word in BY_GENERIC_CODE), None)
        fault = BY_STATUS.get(status) or generic or _from_status(status)
    return _with_message(fault, message)


def _by_code(word: str) -> Fault | None:
    return BY_CODE.get(word) or BY_CODE.get(word.replace("_", ""))


def _codes(error: BaseException) -> Iterator[str]:
    """Yield the error codes of a response: botocore's, AWS's header, then those in the body that a client keeps."""
    code = as_mapping(as_mapping(attribute(error, "response")).get("Error")).get("Code")
    if code:
        yield str(code)
    elif _has_response(error):
        yield from _event_type(error)
    header = headers_of(error).get("x-amzn-errortype")
    if header:
        yield header.partition(":")[0]
    body = _body(error)
    inner = as_mapping(body.get("error")) or body
    for value in (inner.get("code"), inner.get("type"), inner.get("__type"), body.get("__type")):
        if type(value) in (str, int):  # some servers put the HTTP status there, as a number
            yield str(value)
    # The decoder of Anthropic's SDK (0.x), which others copied, puts an exception event of a stream into the text.
    text = message_of(error)
    if text.startswith("Bad response code, expected 200"):
        yield from _EVENT_NAME.findall(text)
    if defined_in(error, "urllib3"):
        yield from _LAST_STATUS.findall(text)


# What urllib3 says of the response after which its own retries ended.
_LAST_STATUS = re.compile(r"too many (\d{3}) error responses")
_EVENT_NAME = re.compile(r"':(?:exception-type|error-code)': '(\w+)'")


def _has_response(error: BaseException) -> bool:
    return "Error" in as_mapping(attribute(error, "response"))


def _event_type(error: BaseException) -> Iterator[str]:
    # botocore sets no code for an exception event of a stream that is not in the service model. Its name is in the
    # frame of botocore's parser.
    for frame in _frames(error, "botocore.eventstream"):
        name = as_mapping(as_mapping(frame.f_locals.get("response_dict")).get("headers")).get(":exception-type")
        if isinstance(name, str):
            yield name


def _body(error: BaseException) -> Mapping[str, object]:
    """Return the JSON object in the body of an error response, and an empty one if it was not kept."""
    body = attribute(error, "body")
    if body is None:
        # httpx and requests keep a body here once it has been read; requests' public attribute would read the socket.
        body = attribute(attribute(error, "response"), "_content")
    if isinstance(body, bytes) and len(body) <= _MAX_BODY_BYTES:
        import json  # noqa: PLC0415 - only the errors of such clients need it

        try:
            body = json.loads(body)
        except ValueError:
            return {}
    return as_mapping(body)


# An error response is small; a larger body is not one.
_MAX_BODY_BYTES = 65_536


def _message(error: BaseException) -> str:
    response = as_mapping(as_mapping(attribute(error, "response")).get("Error"))
    if "Message" in response:
        return str(response["Message"]).lower()
    body = _body(error)
    inner = as_mapping(body.get("error")) or body
    stated = inner.get("message") or inner.get("Message") or ""  # pragma: no mutate - any text without a meaning
    return f"{message_of(error)} {stated}".lower()


def _status(error: BaseException, codes: list[str]) -> int:
    """Return the HTTP status of a response that reports an error, and 0 if there is none."""
    response = attribute(error, "response")
    metadata = as_mapping(as_mapping(response).get("ResponseMetadata"))
    numeric = next((int(code) for code in codes if code.isdecimal()), None)  # botocore's stand-in for a missing code
    candidates = (
        numeric,
        metadata.get("HTTPStatusCode"),
        # A failure to connect has no response; litellm gives it the status 500 or 408.
        None if _unwraps_first(error) else attribute(error, "status_code"),
        attribute(response, "status_code"),
        _status_of_aiohttp(error) if defined_in(error, "aiohttp") else None,
        attribute(error, "code") if defined_in(error, "urllib") else None,
    )
    reported = (status for status in candidates if isinstance(status, int) and _from_status(status))
    return next(reported, 0)  # pragma: no mutate - any number that is no HTTP status


def _status_of_aiohttp(error: BaseException) -> object:
    # aiohttp makes up the status of a response that it cannot parse, and wraps the parser's exception.
    if error.__cause__ is not None and defined_in(error.__cause__, "aiohttp"):
        return None
    status = attribute(error, "status")
    # The proxy answered, and not Bedrock. Only its wish for credentials says more than that there is no connection.
    answered_by_proxy = type(error).__name__ == "ClientHttpProxyError" and status != _PROXY_WANTS_CREDENTIALS
    return None if answered_by_proxy else status


_PROXY_WANTS_CREDENTIALS = 407


def _from_status(status: object) -> Fault | None:
    if not isinstance(status, int):
        return None
    return BY_STATUS.get(status) or BY_STATUS_CLASS.get(status // 100)


def _with_message(fault: Fault | None, message: str) -> Fault | None:
    if fault is None:
        return None
    padded = f" {message} "  # so that words at its ends have spaces around them, too
    return next((clearer for words, clearer in BY_MESSAGE.get(fault, ()) if words in padded), fault)


def _from_class(error: BaseException) -> Fault | None:
    number = error.errno if isinstance(error, OSError) else None
    if number is not None and errno.errorcode.get(number) in NEVER_CONNECTED:
        return Fault.CONNECTION_FAILED
    for cls in type(error).__mro__:
        package, name = cls.__module__.partition(".")[0], cls.__name__.lower()
        fault = BY_CLASS.get(package, {}).get(name)
        # The modeled exceptions of a client are named after their codes. So are test doubles that users write.
        if fault is None and (package == "botocore" or cls.__name__ in ONLY_BEDROCKS):
            fault = BY_CODE.get(name)
        if fault is Fault.READ_TIMEOUT and _was_connecting(error):
            return Fault.CONNECTION_FAILED
        if fault is not None:
            return _with_message(fault, message_of(error).lower())
    return None


def _was_connecting(error: BaseException) -> bool:
    """Return whether a timeout struck in a TLS handshake or a proxy's CONNECT, so that the request was not sent."""
    inner: BaseException | None = error
    for _ in range(MAX_CHAIN):
        if inner is None:
            return False
        if any(frame.f_code.co_name in CONNECTING or _is_proxy_connect(frame) for frame in _frames(inner)):
            return True
        inner = inner.__cause__ or inner.__context__
    return False


def _is_proxy_connect(frame: FrameType) -> bool:
    # httpcore sends CONNECT like any other request; the tunnel is marked as connected after it.
    if not str(frame.f_globals.get("__name__")).endswith(".http_proxy"):
        return False
    return attribute(frame.f_locals.get("self"), "_connected") is False and "connect_request" in frame.f_locals


def _unwraps_first(error: BaseException) -> bool:
    for cls in type(error).__mro__:
        package = cls.__module__.partition(".")[0]
        if cls.__name__ in UNWRAPPED_FIRST.get(package, ()):
            return True
        if cls.__name__.lower() in BY_CLASS.get(package, {}):
            return False  # a subclass that is clear by itself, such as botocore's ConnectionClosedError
    return False


def _wrapped(error: BaseException) -> Iterator[BaseException]:
    """Yield the exceptions that one wraps, the clearest first."""
    candidates = [
        error.__cause__,
        attribute(error, "reason"),  # urllib3's MaxRetryError, urllib's URLError
        as_mapping(attribute(error, "kwargs")).get("error"),  # botocore's HTTPClientError
        *error.args,  # the ConnectionError of requests, urllib3's ProtocolError
        attribute(error, "original_exception"),
        attribute(error, "original_error"),
    ]
    last_attempt = attribute(error, "last_attempt")  # tenacity's RetryError, instructor's
    finished = attribute(last_attempt, "exception")
    if defined_in(error, "tenacity") and callable(finished):
        candidates.append(finished())
    # ``raise Wrapper(error) from error`` has the same one twice; each level would double the time.
    return iter({id(candidate): candidate for candidate in candidates if isinstance(candidate, BaseException)}.values())


def _frames(error: BaseException, module: str | None = None) -> Iterator[FrameType]:
    traceback = error.__traceback__
    while traceback is not None:
        if module is None or traceback.tb_frame.f_globals.get("__name__") == module:
            yield traceback.tb_frame
        traceback = traceback.tb_next


def _from_parser(error: BaseException) -> Fault | None:
    # botocore's parser takes every body for a JSON object. A foreign one that is a list, a text, null or no UTF-8 makes
    # it raise an AttributeError, a TypeError or the like; the status of the response is in the parser's frame only.
    for frame in _frames(error, "botocore.parsers"):
        return _from_unparsed(as_mapping(frame.f_locals.get("response")))
    return None


def _from_unparsed(response: Mapping[str, object]) -> Fault:
    if ":message-type" in as_mapping(response.get("headers")):  # a frame of a stream, whose status is made up
        return Fault.STREAM_INTERRUPTED
    return _from_status(response.get("status_code")) or Fault.MALFORMED_RESPONSE
