"""Decorated generators are retried until their first value, and never after it."""

from __future__ import annotations

from functools import partial, wraps
from typing import TYPE_CHECKING

import pytest

from bedrock_resilience import NoJitter, Retrier, RetryPolicy, retry
from bedrock_resilience.retrying import CallSucceeded, Fault
from bedrock_resilience.testing import FakeClock, scripted, throttling_error, throttling_errors
from support.pacers import RecordingPacer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator

    from bedrock_resilience.retrying import Event

PLAIN = RetryPolicy(jitter=NoJitter())
THROTTLED = type(throttling_error())


class TestGenerators:
    def test_it_is_retried_until_the_first_value(self) -> None:
        clock, opened = FakeClock(), scripted(*throttling_errors(2), None)
        events: list[Event] = []
        pacer = RecordingPacer()

        @retry(PLAIN, clock=clock, listeners=[events.append], tokens=len, pacer=pacer)
        def words(text: str) -> Iterator[str]:
            opened()
            yield from text.split()

        assert list(words("one two three")) == ["one", "two", "three"]
        assert clock.sleeps == [0.5, 1.0]
        assert words.__name__ == "words"
        assert pacer.tokens == [13] * 3, "tokens= gets the arguments of the call"
        assert events[-1] == CallSucceeded(
            attempts=3,
            retries=2,
            throttles=2,
            fault=Fault.THROTTLING,
            backoff_seconds=1.5,
            tokens_reserved=13,
            answer="one",
        )

    def test_after_the_first_value_a_failure_is_raised(self) -> None:
        calls: list[str] = []

        @retry(PLAIN, clock=FakeClock())
        def words() -> Iterator[str]:
            calls.append("words")
            yield "one"
            raise throttling_error()

        consumed: list[str] = []
        with pytest.raises(THROTTLED):
            consumed.extend(words())
        received = words()
        assert next(received) == "one"
        with pytest.raises(THROTTLED):
            next(received)
        assert calls == ["words"] * 2

    def test_it_starts_with_the_first_next_of_the_generator(self) -> None:
        script = scripted("one")

        @retry(PLAIN)
        def words() -> Iterator[object]:
            yield script()

        words()
        assert script.calls == 0

    def test_an_empty_one(self) -> None:
        opened = scripted(throttling_error(), None)

        @retry(PLAIN, clock=FakeClock())
        def words() -> Generator[str, None, str]:
            opened()
            yield from ()
            return "end"

        with pytest.raises(StopIteration) as end:
            next(words())
        assert end.value.value == "end"
        assert opened.calls == 2

    def test_send_throw_and_close_reach_the_generator(self) -> None:
        closed: list[str] = []

        @retry(PLAIN)
        def echo(first: str) -> Generator[str, str, str]:
            received = yield first
            try:
                while received != "end":
                    try:
                        received = yield received
                    except ValueError as error:
                        received = yield str(error)
            finally:
                closed.append("closed")
            return "result"

        generator = echo("one")
        assert next(generator) == "one"
        assert generator.send("two") == "two"
        assert generator.throw(ValueError("three")) == "three"
        with pytest.raises(StopIteration) as end:
            generator.send("end")
        assert end.value.value == "result"
        other = echo("one")
        next(other)
        other.send("two")
        other.close()
        assert closed == ["closed", "closed"]

    def test_a_first_value_may_be_rejected(self) -> None:
        first = scripted("pending", "done")

        @Retrier(PLAIN, clock=FakeClock(), retry_on_result="pending".__eq__)
        def states() -> Iterator[object]:
            yield first()
            yield "pending"

        assert list(states()) == ["done", "pending"]

    def test_a_fallback_is_refused(self) -> None:
        def words() -> Iterator[str]:
            yield "one"

        with pytest.raises(TypeError) as refused:
            retry(PLAIN, fallback=str)(words)
        assert str(refused.value) == (
            f"Retrier: fallback: the generator function {words!r} has no single value to substitute; accepted: None; "
            "catch the exception where the generator is read"
        )

    def test_an_attempt_timeout_needs_an_asynchronous_generator(self) -> None:
        def words() -> Iterator[str]:
            yield "one"

        with pytest.raises(TypeError, match=r"^Retrier: attempt_timeout: got 5\.0 for a synchronous call; "):
            retry(PLAIN, attempt_timeout=5.0)(words)


class TestAsyncGenerators:
    async def test_it_is_retried_until_the_first_value(self) -> None:
        clock, opened = FakeClock(), scripted(*throttling_errors(2), None)

        @retry(PLAIN, clock=clock, attempt_timeout=30.0)
        async def words(text: str) -> AsyncIterator[str]:
            opened()
            for word in text.split():
                yield word

        assert [word async for word in words("one two three")] == ["one", "two", "three"]
        assert clock.sleeps == [0.5, 1.0]

    async def test_after_the_first_value_a_failure_is_raised(self) -> None:
        calls: list[str] = []

        @retry(PLAIN, clock=FakeClock())
        async def words() -> AsyncIterator[str]:
            calls.append("words")
            yield "one"
            raise throttling_error()

        received = words()
        assert await anext(received) == "one"
        with pytest.raises(THROTTLED):
            await anext(received)
        assert calls == ["words"]

    async def test_an_empty_one(self) -> None:
        @retry(PLAIN)
        async def words() -> AsyncIterator[str]:
            for word in list[str]():
                yield word

        assert [word async for word in words()] == []

    async def test_send_throw_and_close_reach_the_generator(self) -> None:
        closed: list[str] = []

        @retry(PLAIN)
        async def echo(first: str) -> AsyncGenerator[str, str]:
            received = yield first
            try:
                while received != "end":
                    try:
                        received = yield received
                    except ValueError as error:
                        received = yield str(error)
            finally:
                closed.append("closed")

        generator = echo("one")
        assert await anext(generator) == "one"
        assert await generator.asend("two") == "two"
        assert await generator.athrow(ValueError("three")) == "three"
        with pytest.raises(StopAsyncIteration):
            await generator.asend("end")
        other = echo("one")
        await anext(other)
        await other.asend("two")
        await other.aclose()
        assert closed == ["closed", "closed"]

    async def test_a_partial_and_a_callable_object(self) -> None:
        class Words:
            async def __call__(self) -> AsyncIterator[str]:
                yield "one"

        async def words(*given: str) -> AsyncIterator[str]:
            for word in given:
                yield word

        assert [word async for word in retry(PLAIN)(Words())()] == ["one"]
        assert [word async for word in retry(PLAIN)(partial(words, "one", "two"))()] == ["one", "two"]

    async def test_a_wrapped_one(self) -> None:
        async def words() -> AsyncIterator[str]:
            yield "one"

        @wraps(words)
        def logged() -> AsyncIterator[str]:
            return words()

        assert [word async for word in retry(PLAIN)(logged)()] == ["one"]
