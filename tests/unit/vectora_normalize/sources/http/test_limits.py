"""A budget ends a fetch at its limits: in time, on the wire, in its headers."""

from __future__ import annotations

import pytest

from support.ticking import Ticking
from vectora_normalize.sources.errors import FetchError, FetchErrorKind
from vectora_normalize.sources.http.limits import FetchBudget, FetchLimits


@pytest.mark.parametrize(
    "wrong",
    [{"max_bytes": 0}, {"total_seconds": 0.0}, {"idle_seconds": -1.0}, {"max_redirects": -1}, {"workers": 0}],
)
def test_limits_that_no_fetch_could_keep_are_refused(wrong: dict[str, int]) -> None:
    (field,) = wrong
    with pytest.raises(ValueError, match=rf"FetchLimits\.{field}: got .*; accepted: a number from"):
        FetchLimits(**wrong)


def test_no_redirects_at_all_is_a_limit_like_any_other() -> None:
    assert FetchLimits(max_redirects=0).max_redirects == 0


def test_patience_is_what_is_left() -> None:
    clock = Ticking()
    budget = FetchBudget(FetchLimits(total_seconds=10), clock)
    assert budget.timeout(3) == 3
    clock.now += 8
    assert budget.timeout(3) == 2
    assert budget.elapsed == 8
    clock.now += 2
    with pytest.raises(FetchError, match=r"not complete after 10\.0 s") as caught:
        budget.timeout(3)
    assert caught.value.kind is FetchErrorKind.TOO_SLOW


def test_the_end_of_the_run_ends_a_fetch_before_its_own_limit() -> None:
    clock = Ticking()
    budget = FetchBudget(FetchLimits(total_seconds=10), clock, until=clock.now + 4)
    assert budget.timeout(9) == 4
    assert FetchBudget(FetchLimits(total_seconds=10), clock, until=clock.now + 40).timeout(99) == 10


def test_a_wait_fits_only_if_something_is_left_behind_it() -> None:
    budget = FetchBudget(FetchLimits(total_seconds=10), Ticking())
    assert budget.fits(9.9)
    assert not budget.fits(10)


def test_bytes_on_the_wire_are_counted_to_the_last() -> None:
    budget = FetchBudget(FetchLimits(max_wire_bytes=100), Ticking())
    budget.count(100)
    assert budget.received == 100
    with pytest.raises(FetchError, match="more than 100 bytes on the wire") as caught:
        budget.count(1)
    assert caught.value.kind is FetchErrorKind.TOO_LARGE


def test_headers_have_a_limit_of_their_own_for_each_answer() -> None:
    budget = FetchBudget(FetchLimits(max_header_bytes=10), Ticking())
    budget.count(50)
    budget.header_begins()
    budget.count(10)
    budget.header_ends()
    budget.count(1000)
    budget.header_begins()
    with pytest.raises(FetchError, match="more than 10 bytes of headers"):
        budget.count(11)
