"""The wait that a server asks for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def retry_after(error: BaseException) -> float | None:
    """Return the seconds that the server asks to wait, or None.

    ``x-amz-retry-after`` (botocore 1.44 honors it) and ``retry-after-ms`` (Azure and OpenAI; the SDKs of anthropic and
    openai honor it) are in milliseconds. ``Retry-After`` is in seconds or an HTTP date, which is read against the
    response's own ``Date``; AWS documents it for 529, and Lambda's own 429 carries it. The headers are those of
    botocore's ``ClientError``, or of the response of an SDK that uses httpx, requests, aiohttp or urllib. If an
    exception wraps another, the first of them that asks for a wait counts.
    """
    inner: BaseException | None = error
    for _ in range(MAX_CHAIN):
        if inner is None:
            return None
        seconds = _from_headers(headers_of(inner))
        if seconds is not None:
            return seconds
        inner = inner.__cause__ or translated(inner)
    return None


MAX_CHAIN = 10
"""Exceptions of a chain that are looked at; real chains have fewer."""


def translated(error: BaseException) -> BaseException | None:
    """Return the exception that litellm replaced by one with a class and a status of its own, or None."""
    return error.__context__ if defined_in(error, "litellm") else None


def defined_in(error: BaseException, package: str) -> bool:
    """Return whether the class of an exception, or a base of it, is defined in a top-level package."""
    return any(cls.__module__.partition(".")[0] == package for cls in type(error).__mro__)


def _from_headers(headers: Mapping[str, str]) -> float | None:
    for name in ("x-amz-retry-after", "retry-after-ms"):
        milliseconds = _number(headers.get(name))
        if milliseconds is not None:
            return milliseconds / 1000
    value = headers.get("retry-after")
    seconds = _number(value)
    if seconds is None and value is not None and "date" in headers:
        seconds = _seconds_between(headers["date"], value)
    return seconds


def headers_of(error: BaseException) -> Mapping[str, str]:
    """Return the headers of an exception's response, with their names in lower case."""
    response = attribute(error, "response")
    metadata = as_mapping(as_mapping(response).get("ResponseMetadata"))
    headers: Any = metadata.get("HTTPHeaders") or attribute(response, "headers") or attribute(error, "headers") or {}
    try:
        return {str(name).lower(): str(value) for name, value in dict(headers).items()}
    except (TypeError, ValueError):
        return {}


def attribute(thing: object, name: str) -> Any:  # noqa: ANN401 - an exception may have any attributes
    """Return an attribute, or None if there is none or it cannot be computed (httpx has such properties)."""
    try:
        return getattr(thing, name, None)  # pragma: no mutate - without the None it is the same, and slower
    except Exception:  # noqa: BLE001 - the class is the caller's
        return None


def as_mapping(value: object) -> Mapping[str, object]:
    """Return a dict as it is, and an empty one for anything else: ``response`` may be an object, or a Mock."""
    return value if isinstance(value, dict) else {}  # pyright: ignore[reportUnknownVariableType]  # its keys are compared only


def _number(text: str | None) -> float | None:
    try:
        number = float(text) if text is not None else None
    except ValueError:
        return None
    return number if number is not None and 0 <= number < math.inf else None


def _seconds_between(earlier: str, later: str) -> float | None:
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - only a date in Retry-After needs it

    try:
        return max(0.0, (parsedate_to_datetime(later) - parsedate_to_datetime(earlier)).total_seconds())
    except (TypeError, ValueError):
        return None
