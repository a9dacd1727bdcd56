"""Deadline: an instant, and what may still be started before it."""

from __future__ import annotations

import contextvars
import math
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from bedrock_resilience.clock import SYSTEM_CLOCK
from bedrock_resilience.retrying._deadline import Deadline, earliest
from bedrock_resilience.testing import FakeClock
from support.refusals import refusal_of

if TYPE_CHECKING:
    from collections.abc import Callable


class Context:
    """The part of Lambda's context that is read."""

    def __init__(self, milliseconds: int) -> None:
        self._milliseconds = milliseconds

    def get_remaining_time_in_millis(self) -> int:
        return self._milliseconds


class TestAllows:
    def test_an_attempt_may_start_before_it_and_not_at_it(self) -> None:
        deadline = Deadline(10.0)
        assert deadline.allows(9.999)
        assert not deadline.allows(10.0)
        assert not deadline.allows(10.001)

    def test_a_sleep_must_end_before_it(self) -> None:
        assert Deadline(10.0).allows(5.0, 4.999)
        assert not Deadline(10.0).allows(5.0, 5.0)

    def test_the_attempt_must_fit_in_as_well(self) -> None:
        deadline = Deadline(10.0, attempt=3.0)
        assert deadline.allows(6.999)
        assert not deadline.allows(7.0)
        assert deadline.allows(5.0, 1.999)
        assert not deadline.allows(5.0, 2.0)

    def test_the_time_left_is_never_negative(self) -> None:
        assert Deadline(10.0).remaining(4.0) == 6.0
        assert Deadline(10.0).remaining(10.0) == 0.0
        assert Deadline(10.0).remaining(12.0) == 0.0


class TestMaking:
    def test_after_is_relative_to_the_clock(self) -> None:
        clock = FakeClock(100.0)
        assert Deadline.after(5, clock=clock) == Deadline(105.0)
        assert Deadline.after(5, attempt=2, clock=clock) == Deadline(105.0, 2.0)
        assert Deadline.after(-5, clock=clock) == Deadline(95.0)

    def test_the_machines_clock_is_the_default(self) -> None:
        before = SYSTEM_CLOCK.monotonic()
        assert before + 5 <= Deadline.after(5).at <= SYSTEM_CLOCK.monotonic() + 5
        assert before + 5 <= Deadline.from_lambda_context(Context(15_000)).at <= SYSTEM_CLOCK.monotonic() + 5

    def test_an_object_without_remaining_time_is_refused(self) -> None:
        nothing: Any = None  # as when the handler is called by hand
        with pytest.raises(TypeError) as refused:
            Deadline.from_lambda_context(nothing)
        assert str(refused.value) == (
            "Deadline: context: got None; accepted: the Lambda context, with get_remaining_time_in_millis()"
        )

    def test_of_a_lambda_with_a_margin(self) -> None:
        clock = FakeClock(100.0)
        assert Deadline.from_lambda_context(Context(300_000), clock=clock) == Deadline(390.0)
        assert Deadline.from_lambda_context(Context(1_500), 0.5, attempt=0.25, clock=clock) == Deadline(101.0, 0.25)
        assert Deadline.from_lambda_context(Context(1_500), 0, clock=clock) == Deadline(101.5)

    @pytest.mark.parametrize(("milliseconds", "margin", "attempt"), [(3_000, 10.0, 0.0), (18_000, 10, 8.0), (0, 0, 0)])
    def test_a_lambda_without_time_for_an_attempt_gets_a_warning(
        self, milliseconds: int, margin: float, attempt: float, caplog: pytest.LogCaptureFixture
    ) -> None:
        Deadline.from_lambda_context(Context(milliseconds), margin, attempt=attempt)
        (record,) = caplog.records
        assert (record.name, record.levelname) == ("bedrock_resilience", "WARNING")
        assert record.getMessage() == (
            "Deadline.from_lambda_context: no attempt can start: Lambda ends the process in "
            f"{milliseconds / 1000:.1f} s, margin is {margin:g} s, attempt is {attempt:g} s. "
            "Raise the timeout of the function, or lower the margin."
        )

    def test_a_lambda_with_time_for_an_attempt_gets_none(self, caplog: pytest.LogCaptureFixture) -> None:
        Deadline.from_lambda_context(Context(18_001), 10.0, attempt=8.0)
        assert caplog.records == []

    def test_its_repr(self) -> None:
        assert repr(Deadline.from_lambda_context(Context(11_500), clock=FakeClock())) == "Deadline(at=1.5, attempt=0.0)"
        assert repr(Deadline(5)) == "Deadline(at=5, attempt=0.0)"

    @pytest.mark.parametrize("given", [math.inf, -math.inf, math.nan, 10**400, True, "5", None])
    @pytest.mark.parametrize(("field", "make"), [("at", Deadline), ("seconds", Deadline.after)])
    def test_an_invalid_instant_is_refused(self, field: str, make: Callable[[Any], object], given: object) -> None:
        with pytest.raises(refusal_of(given, int, float)) as refused:
            make(given)
        assert str(refused.value) == f"Deadline: {field}: got {given!r}; accepted: a finite number of seconds"

    @pytest.mark.parametrize("given", [-0.001, math.inf, math.nan, True, "5", None])
    @pytest.mark.parametrize(
        ("field", "make"),
        [("attempt", partial(Deadline, 0.0)), ("margin", partial(Deadline.from_lambda_context, Context(0)))],
    )
    def test_an_invalid_duration_is_refused(self, field: str, make: Callable[[Any], object], given: object) -> None:
        with pytest.raises(refusal_of(given, int, float)) as refused:
            make(given)
        assert str(refused.value) == f"Deadline: {field}: got {given!r}; accepted: a finite number of seconds >= 0"

    def test_the_furthest_instants_are_accepted(self) -> None:
        assert Deadline(sys.float_info.max).at == sys.float_info.max
        assert Deadline(-sys.float_info.max).at == -sys.float_info.max


class TestEarliest:
    def test_one_alone_is_the_earliest(self) -> None:
        assert earliest(Deadline(1.0), None) == Deadline(1.0)
        assert earliest(None, Deadline(1.0)) == Deadline(1.0)
        assert earliest(None, None) is None

    def test_it_has_the_earlier_end_and_the_longer_attempt(self) -> None:
        assert earliest(Deadline(1.0, 5.0), Deadline(2.0, 3.0)) == Deadline(1.0, 5.0)
        assert earliest(Deadline(2.0, 5.0), Deadline(1.0, 3.0)) == Deadline(1.0, 5.0)

    def test_it_has_the_margin_of_the_earlier(self) -> None:
        of_lambda = Deadline.from_lambda_context(Context(30_000), 10.0, clock=FakeClock())
        assert (of_lambda.margin, Deadline(20.0).margin) == (10.0, 0.0)
        for other, margin in ((Deadline(19.0), 0.0), (Deadline(21.0), 10.0)):
            for both in (earliest(of_lambda, other), earliest(other, of_lambda)):
                assert both is not None
                assert both.margin == margin


class TestSharing:
    def test_nested_calls_see_the_deadline(self) -> None:
        assert Deadline.current() is None
        with Deadline(5.0).apply() as deadline:
            assert deadline == Deadline(5.0)
            assert Deadline.current() == Deadline(5.0)
        assert Deadline.current() is None

    def test_an_inner_one_can_only_be_stricter(self) -> None:
        with Deadline(5.0).apply():
            with Deadline(9.0).apply() as own:
                assert own == Deadline(9.0)
                assert Deadline.current() == Deadline(5.0)
            with Deadline(3.0).apply():
                assert Deadline.current() == Deadline(3.0)
            assert Deadline.current() == Deadline(5.0)

    def test_it_is_restored_after_an_exception(self) -> None:
        with pytest.raises(KeyError), Deadline(5.0).apply():
            raise KeyError
        assert Deadline.current() is None

    def test_another_thread_sees_it_only_in_a_copied_context(self) -> None:
        deadlines: list[Deadline | None] = []
        with Deadline(5.0).apply():
            context = contextvars.copy_context()
            for target in (
                lambda: deadlines.append(Deadline.current()),
                lambda: context.run(lambda: deadlines.append(Deadline.current())),
            ):
                thread = threading.Thread(target=target)
                thread.start()
                thread.join()
        assert deadlines == [None, Deadline(5.0)]
