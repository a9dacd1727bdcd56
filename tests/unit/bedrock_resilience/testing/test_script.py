"""Scripted callables: each call returns or raises the next outcome."""

from __future__ import annotations

import threading

import pytest

from bedrock_resilience.errors import ScriptExhaustedError
from bedrock_resilience.testing import FakeClock, ascripted, scripted, throttling_error, validation_error


class TestScripted:
    def test_outcomes_come_in_order(self) -> None:
        error = throttling_error()
        fn = scripted("a", error, None, 5)
        assert fn() == "a"
        with pytest.raises(type(error)) as raised:
            fn()
        assert raised.value is error
        assert fn() is None
        assert fn() == 5

    def test_calls_and_their_arguments_are_recorded(self) -> None:
        fn = scripted("a", "b")
        assert fn.calls == 0
        fn(1, two=2)
        fn()
        assert fn.calls == 2
        assert fn.arguments == [((1,), {"two": 2}), ((), {})]

    def test_an_argument_may_have_any_name(self) -> None:
        fn = scripted(then="answer")
        assert fn(self=1) == "answer"
        assert fn.arguments == [((), {"self": 1})]

    def test_a_call_after_the_script_fails(self) -> None:
        fn = scripted("a")
        fn()
        with pytest.raises(ScriptExhaustedError) as raised:
            fn()
        assert str(raised.value) == "call number 2, but the script has only 1 outcome"
        assert isinstance(raised.value, AssertionError)
        assert fn.calls == 2

    def test_the_default_after_the_script(self) -> None:
        fn = scripted("a", then="b")
        assert [fn(), fn(), fn()] == ["a", "b", "b"]
        assert scripted(then=None)() is None

    def test_an_error_after_the_script_is_a_new_one_each_time(self) -> None:
        error = throttling_error()
        error.add_note("of the script")
        fn = scripted(then=error)
        raised: list[BaseException] = []
        for _ in range(2):
            with pytest.raises(type(error)) as caught:
                fn()
            caught.value.add_note("of this call")
            raised.append(caught.value)
        assert raised[0] is not raised[1]
        assert error not in raised
        assert [type(one) for one in raised] == [type(error)] * 2
        assert [one.__notes__ for one in raised] == [["of this call"]] * 2
        assert str(raised[0]) == str(error)
        assert raised[0].response == error.response  # type: ignore[attr-defined]  # a ClientError's

    def test_a_call_may_take_time(self) -> None:
        clock = FakeClock()
        fn = scripted("a", validation_error(), clock=clock, latency=2.5)
        fn()
        with pytest.raises(type(validation_error())):
            fn()
        assert (clock.monotonic(), clock.sleeps) == (5.0, [])

    def test_a_clock_without_latency_stands_still(self) -> None:
        clock = FakeClock()
        scripted("a", clock=clock)()
        assert clock.monotonic() == 0.0

    @pytest.mark.parametrize("make", [scripted, ascripted])
    def test_time_needs_a_clock(self, make: type) -> None:
        with pytest.raises(ValueError) as refused:  # noqa: PT011 - the whole text is compared
            make("a", latency=2.5)
        assert str(refused.value) == "Script: latency: got 2.5; accepted: 0 without a clock"

    def test_threads_get_each_outcome_once(self) -> None:
        fn = scripted(*range(2_000))
        got: list[int] = []
        threads = [threading.Thread(target=lambda: got.extend(fn() for _ in range(500))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(got) == list(range(2_000))


class TestAscripted:
    async def test_it_is_awaited(self) -> None:
        error = throttling_error()
        fn = ascripted("a", error, then="b")
        assert await fn(1) == "a"
        with pytest.raises(type(error)):
            await fn()
        assert await fn() == "b"
        assert fn.calls == 3
        assert fn.arguments[0] == ((1,), {})

    async def test_a_call_may_take_time(self) -> None:
        clock = FakeClock()
        assert await ascripted("a", clock=clock, latency=2.5)() == "a"
        assert await ascripted("a", clock=clock)() == "a"
        assert (clock.monotonic(), clock.sleeps) == (2.5, [])
