"""A failure has a message that is safe to log, and the cost of the fetch."""

from __future__ import annotations

from vectora_normalize.sources.errors import FetchError, FetchErrorKind, ParseError


def test_the_attributes_of_a_fetch_error() -> None:
    error = FetchError(
        FetchErrorKind.THROTTLED, "too many", status=429, retry_after=3.0, received_bytes=10, elapsed=0.5
    )
    assert str(error) == error.message == "too many"
    assert (error.kind, error.status, error.retry_after, error.received_bytes, error.elapsed) == (
        FetchErrorKind.THROTTLED,
        429,
        3.0,
        10,
        0.5,
    )


def test_without_a_response_there_is_no_status() -> None:
    error = FetchError(FetchErrorKind.TIMEOUT, "x")
    assert (error.status, error.retry_after, error.received_bytes, error.elapsed) == (None, None, 0, 0.0)


def test_the_text_of_a_parse_error_is_its_message() -> None:
    assert ParseError("no feed").message == str(ParseError("no feed")) == "no feed"


def test_kinds_are_lower_case_names() -> None:
    assert all(kind == kind.lower().replace(" ", "_") for kind in FetchErrorKind)
    assert f"{FetchErrorKind.BLOCKED_ADDRESS}" == "blocked_address"
