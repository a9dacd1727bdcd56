"""The wait that a server asks for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def retry_after(error: BaseException) -> float | None:
    """Return the seconds that the server asks to wait, or None.

    ``x-amz-retry-after`` (botocore 1.44 honours it) and ``retry-after-ms`` (Azure and OpenAI; the SDKs of anthropic and
    openai honour it) are in milliseconds. ``Retry-After`` is in seconds or an HTTP date, which is read against the
    response's own ``Date``; AWS documents it for 529, and Lambda's own 429 carries it. The headers are those of
    botocore's ``ClientError``, or of the response of an SDK that stands on httpx, requests, aiohttp or urllib.
    """
    headers = _headers(error)
    for name in ("x-amz-retry-after", "retry-after-ms"):
        milliseconds = _number(headers.get(name))
        if milliseconds is not None:
            return milliseconds / 1000
    value = headers.get("retry-after")
    seconds = _number(value)
    if seconds is None and value is not None and "date" in headers:
        seconds = _seconds_between(headers["date"], value)
    return seconds


def _headers(error: BaseException) -> Mapping[str, str]:
    response = attribute(error, "response")
    metadata = as_mapping(as_mapping(response).get("ResponseMetadata"))
    headers: Any = metadata.get("HTTPHeaders") or attribute(response, "headers") or attribute(error, "headers") or {}
    try:
        return {str(name).lower(): str(value) for name, value in dict(headers).items()}
    except (TypeError, ValueError):
        return {}


def attribute(thing: object, name: str) -> Any:  # noqa: ANN401 - an exception may have any attributes
    """Return an attribute, or None where there is none or it cannot be computed (httpx has such properties)."""
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
