"""A budget ends a fetch at its limits: seconds, bytes on the wire, bytes of headers."""

from __future__ import annotations

import pytest

from support.ticking import Ticking
from vectora_normalize.sources.errors import FetchError, FetchErrorKind
from vectora_normalize.sources.http.limits import FetchBudget, FetchLimits

COUNT = "a whole number >= 1"
SECONDS = "a finite number of seconds > 0"


@pytest.mark.parametrize(
    ("field", "value", "error", "accepted"),
    [
        ("max_bytes", 0, ValueError, COUNT),
        ("max_wire_bytes", 1.5, TypeError, COUNT),
        ("max_header_bytes", "1", TypeError, COUNT),
        ("total_seconds", 0.0, ValueError, SECONDS),
        ("connect_seconds", float("inf"), ValueError, SECONDS),
        ("connect_seconds", float("nan"), ValueError, SECONDS),
        ("idle_seconds", -1.0, ValueError, SECONDS),
        ("idle_seconds", None, TypeError, SECONDS),
        ("max_redirects", -1, ValueError, "a whole number >= 0"),
        ("workers", True, TypeError, COUNT),
        ("per_host", 0, ValueError, COUNT),
    ],
)
def test_a_wrong_limit_is_refused(field: str, value: object, error: type[Exception], accepted: str) -> None:
    with pytest.raises(error) as caught:
        FetchLimits(**{field: value})  # type: ignore[arg-type]  # values of any type
    assert str(caught.value) == f"FetchLimits: {field}: got {value!r}; accepted: {accepted}"


def test_all_wrong_limits_are_refused_at_once() -> None:
    with pytest.raises(TypeError) as caught:
        FetchLimits(max_bytes=0, workers="8")  # type: ignore[arg-type]  # the wrong type is the point
    assert str(caught.value) == f"FetchLimits: max_bytes: got 0; accepted: {COUNT}; workers: got '8'; accepted: {COUNT}"


def test_limits_at_their_bounds_are_accepted() -> None:
    assert FetchLimits(max_redirects=0).max_redirects == 0
    assert FetchLimits(total_seconds=1, workers=1).total_seconds == 1


def test_a_timeout_is_at_most_the_rest_of_the_fetch() -> None:
    clock = Ticking()
    budget = FetchBudget(FetchLimits(total_seconds=10), clock)
    assert budget.timeout(3) == 3
    clock.now += 8
    assert budget.timeout(3) == 2
    assert budget.elapsed == 8
    clock.now += 2
    with pytest.raises(FetchError, match=r"not complete after 10\.0 s") as caught:
        budget.timeout(3)
    assert caught.value.kind is FetchErrorKind.TIMEOUT


def test_the_end_of_the_run_ends_a_fetch_before_its_own_limit() -> None:
    clock = Ticking()
    budget = FetchBudget(FetchLimits(total_seconds=10), clock, until=clock.now + 4)
    assert budget.timeout(9) == 4
    assert FetchBudget(FetchLimits(total_seconds=10), clock, until=clock.now + 40).timeout(99) == 10


def test_a_wait_fits_only_if_time_remains_after_it() -> None:
    budget = FetchBudget(FetchLimits(total_seconds=10), Ticking())
    assert budget.fits(9.9)
    assert not budget.fits(10)


def test_the_limit_of_received_bytes_is_exact() -> None:
    budget = FetchBudget(FetchLimits(max_wire_bytes=100), Ticking())
    budget.add_received(100)
    assert budget.received_bytes == 100
    with pytest.raises(FetchError, match="more than 100 bytes on the wire") as caught:
        budget.add_received(1)
    assert caught.value.kind is FetchErrorKind.TOO_LARGE


def test_the_headers_of_each_response_have_their_own_limit() -> None:
    budget = FetchBudget(FetchLimits(max_header_bytes=10), Ticking())
    budget.add_received(50)
    budget.start_header()
    budget.add_received(10)
    budget.end_header()
    budget.add_received(1000)
    budget.start_header()
    with pytest.raises(FetchError, match="more than 10 bytes of headers"):
        budget.add_received(11)
