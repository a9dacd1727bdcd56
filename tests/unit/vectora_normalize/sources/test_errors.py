"""A failure says what happened in words that are safe to log, and carries what it cost."""

from __future__ import annotations

from vectora_normalize.sources.errors import FetchError, FetchErrorKind, ParseError


def test_a_fetch_error_carries_its_facts() -> None:
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


def test_without_an_answer_there_is_no_status() -> None:
    error = FetchError(FetchErrorKind.TIMEOUT, "x")
    assert (error.status, error.retry_after, error.received_bytes, error.elapsed) == (None, None, 0, 0.0)


def test_a_parse_problem_is_its_message() -> None:
    assert ParseError("no feed").message == str(ParseError("no feed")) == "no feed"


def test_kinds_are_written_as_metrics_and_reports_count_them() -> None:
    assert all(kind == kind.lower().replace(" ", "_") for kind in FetchErrorKind)
    assert f"{FetchErrorKind.BLOCKED_ADDRESS}" == "blocked_address"
