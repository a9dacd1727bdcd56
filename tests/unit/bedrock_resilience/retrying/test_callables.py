"""Functions and results that are no finished call: each is refused, with the remedy in the text."""

from __future__ import annotations

import asyncio
import functools
import itertools
import re
from typing import TYPE_CHECKING, Any
from unittest.mock import AsyncMock

import pytest

from bedrock_resilience import BoundedExecutor, Retrier, RetryPolicy
from bedrock_resilience.retrying._callables import is_coroutine_function, is_generator_function, may_return_awaitable
from bedrock_resilience.testing import ScriptedBedrock, converse_events

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator


async def coroutine(item: object) -> object:
    return item


def plain(item: object) -> object:
    return item


def generator(item: object) -> Iterator[object]:
    yield item


async def async_generator(item: object) -> AsyncIterator[object]:
    yield item


def annotated(item: object) -> Awaitable[object]:
    return coroutine(item)


class Methods:
    async def coroutine(self, item: object) -> object:
        return item

    def plain(self, item: object) -> object:
        return item

    def generator(self, item: object) -> Iterator[object]:
        yield item


class AsyncCallable:
    async def __call__(self, item: object) -> object:
        return item


class PlainCallable:
    def __call__(self, item: object) -> object:
        return item


@functools.wraps(coroutine)
def wrapped(item: object) -> object:
    return coroutine(item)


@functools.wraps(functools.partial(coroutine))
def wrapped_partial(item: object) -> object:
    return coroutine(item)


def exactly(text: str) -> str:
    return f"^{re.escape(text)}$"


def forms(fn: Callable[..., Any]) -> list[Callable[..., Any]]:
    return [fn, functools.partial(fn), functools.partial(functools.partial(fn))]


COROUTINES = [
    *forms(coroutine),
    *forms(Methods().coroutine),
    *forms(AsyncCallable()),
    *forms(AsyncMock()),
    *forms(wrapped),
    *forms(wrapped_partial),
]
PLAIN = [*forms(plain), *forms(Methods().plain), *forms(PlainCallable()), len, str.upper, dict]
GENERATORS = [*forms(generator), *forms(Methods().generator), *forms(async_generator)]


@pytest.mark.parametrize("fn", COROUTINES)
def test_run_refuses_every_coroutine_function(fn: Callable[..., Any]) -> None:
    assert is_coroutine_function(fn)
    refusal = exactly(f"BoundedExecutor: fn: got the coroutine function {fn!r}; use arun or astream, which await it")
    for way in (BoundedExecutor(2).run, BoundedExecutor(2).stream):
        with pytest.raises(TypeError, match=refusal):
            way(fn, range(50))


@pytest.mark.parametrize("fn", PLAIN)
async def test_arun_refuses_every_plain_function(fn: Callable[..., Any]) -> None:
    assert not may_return_awaitable(fn)
    refusal = exactly(
        f"BoundedExecutor: fn: got {fn!r}, which is not a coroutine function; use run or stream, or pass a coroutine "
        "function (asyncio.to_thread makes one of a plain function)"
    )
    with pytest.raises(TypeError, match=refusal):
        await BoundedExecutor(2).arun(fn, range(50))
    with pytest.raises(TypeError, match=refusal):
        BoundedExecutor(2).astream(fn, range(50))


@pytest.mark.parametrize("fn", PLAIN)
async def test_acall_refuses_every_plain_function_before_it_is_called(fn: Callable[..., Any]) -> None:
    refusal = exactly(
        f"Retrier.acall: fn: got {fn!r}, which is not a coroutine function; use Retrier.call, or pass a coroutine "
        "function (asyncio.to_thread makes one of a plain function)"
    )
    with pytest.raises(TypeError, match=refusal):
        await Retrier().acall(fn, "item")


async def test_acall_sends_nothing_for_a_plain_function() -> None:
    client = ScriptedBedrock("never")
    converse: Any = client.converse
    with pytest.raises(TypeError, match="use Retrier"):
        await Retrier().acall(converse, modelId="m")
    assert client.calls == 0


async def test_acall_accepts_what_may_be_awaited() -> None:
    indirect: Callable[[object], Any] = lambda item: coroutine(item)  # noqa: E731, PLW0108 - that is the point
    for fn in (coroutine, Methods().coroutine, AsyncCallable(), wrapped, annotated, indirect):
        for form in forms(fn):
            assert await Retrier().acall(form, 7) == 7


async def test_functions_of_asynchronous_libraries_are_accepted_as_they_are() -> None:
    loop = asyncio.get_running_loop()
    assert await Retrier().acall(loop.run_in_executor, None, plain, 7) == 7
    client = type("BedrockRuntime", (type("AioBaseClient", (Methods,), {"__module__": "aiobotocore.client"}),), {})()
    assert may_return_awaitable(client.plain)  # its operations are plain functions that return coroutines
    assert not may_return_awaitable(Methods().plain)
    assert may_return_awaitable(asyncio.gather)  # a plain function
    for module in ("aiobotocore", "aiobotocore.httpsession.connections"):
        assert may_return_awaitable(type("Operation", (PlainCallable,), {"__module__": module})())
    assert not may_return_awaitable(type("Operation", (PlainCallable,), {"__module__": "others.aiobotocore"})())


@pytest.mark.parametrize("fn", GENERATORS)
async def test_generator_functions_are_refused_everywhere(fn: Callable[..., Any]) -> None:
    assert is_generator_function(fn)
    executor = BoundedExecutor(2)
    refusal = exactly(
        f"BoundedExecutor: fn: got the generator function {fn!r}, whose body does not run when it is called; pass a "
        "function that reads it and returns its items"
    )
    for way in (executor.run, executor.stream, executor.astream):
        with pytest.raises(TypeError, match=refusal):
            way(fn, range(50))
    with pytest.raises(TypeError, match=refusal):
        await executor.arun(fn, range(50))


async def test_functions_that_return_an_awaitable_are_accepted() -> None:
    executor = BoundedExecutor(2)
    indirect: Callable[[object], Any] = lambda item: coroutine(item)  # noqa: E731, PLW0108 - that is the point
    for fn in (*COROUTINES, annotated, indirect):
        assert may_return_awaitable(fn)
    assert (await executor.arun(annotated, range(3))).values == [0, 1, 2]
    assert (await executor.arun(indirect, range(3))).values == [0, 1, 2]


GENERATOR_RETURNED = "a generator, which has not run yet: read it inside the function and return its items"
COROUTINE_RETURNED = "a coroutine: use Retrier.acall, or BoundedExecutor.arun, which await it"


@pytest.mark.parametrize(
    ("of", "returned"),
    [(generator, GENERATOR_RETURNED), (async_generator, GENERATOR_RETURNED), (coroutine, COROUTINE_RETURNED)],
)
def test_coroutines_and_generators_are_refused_as_results(of: Callable[[object], object], returned: str) -> None:
    def fn(item: object) -> object:
        return of(item)

    refusal = exactly(f"{fn!r} returned {returned}")
    with pytest.raises(TypeError, match=refusal):
        RetryPolicy().call(fn, 0)
    with pytest.raises(TypeError, match=refusal):
        BoundedExecutor(1).run(fn, range(2))


def test_a_stream_is_refused_as_a_result() -> None:
    response: Any
    import botocore.eventstream  # noqa: PLC0415 - the library itself never imports it

    cls: Any = botocore.eventstream.EventStream
    stream = cls.__new__(cls)
    for response in (stream, {"stream": stream}, {"body": stream}):
        fn = itertools.repeat(response).__next__
        refusal = exactly(
            f"{fn!r} returned a stream, which may still fail while it is read: read it inside the function, or use "
            "BedrockRuntime.converse_stream"
        )
        with pytest.raises(TypeError, match=refusal):
            RetryPolicy().call(fn)
    assert RetryPolicy().call(dict, output=1) == {"output": 1}
    client = ScriptedBedrock(converse_events("Hello"))
    assert RetryPolicy().call(lambda: list(client.converse_stream(modelId="m")["stream"])) == converse_events("Hello")
