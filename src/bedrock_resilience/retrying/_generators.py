"""Retried generators: until the first value, a generator is retried as a call is; after it, never.

A consumer that has received a value would receive it again from a second generator.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

from bedrock_resilience.retrying._driver import adrive, begin, drive, refuse_attempt_timeout

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

    from bedrock_resilience.retrying._driver import CallSettings


def decorate(settings: CallSettings, fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``fn``, a generator function or an asynchronous one, with its start retried."""
    if settings.fallback is not None:
        raise TypeError(
            f"Retrier: fallback: the generator function {fn!r} has no single value to substitute; accepted: None; "
            "catch the exception where the generator is read"
        )
    if is_asynchronous(fn):
        return _decorate_asynchronous(settings, fn)
    refuse_attempt_timeout(settings)
    return _decorate_synchronous(settings, fn)


def is_asynchronous(fn: Callable[..., Any]) -> bool:
    """Return whether a generator function is an asynchronous one: also a partial, or a callable object."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    return any(map(inspect.isasyncgenfunction, (fn, inspect.unwrap(fn), type(fn).__call__)))


def _decorate_synchronous(settings: CallSettings, fn: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:  # noqa: ANN401 - the type is fn's own
        source: Any = None
        end: StopIteration | None = None

        def start(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as above
            nonlocal source, end
            source = fn(*args, **kwargs)
            try:
                return next(source)
            except StopIteration as stop:
                end = stop

        value = drive(settings, begin(settings, args, kwargs), start, args, kwargs)
        return end.value if end is not None else (yield from _rest(source, value))

    return wrapper


def _rest(source: Any, value: object) -> Generator[Any, Any, Any]:  # noqa: ANN401 - the generator, of the caller's types
    """Yield the first value and then the others, as ``yield from source`` does."""
    while True:
        try:
            sent = yield value
        except GeneratorExit:
            source.close()
            raise
        except BaseException as error:  # noqa: BLE001 - the generator decides
            step: Callable[[Any], Any] = source.throw
            argument: object = error
        else:
            step, argument = source.send, sent
        try:
            value = step(argument)
        except StopIteration as end:
            return end.value


def _decorate_asynchronous(settings: CallSettings, fn: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(fn)
    async def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:  # noqa: ANN401 - the type is fn's own
        source: Any = None
        ended = False

        async def start(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as above
            nonlocal source, ended
            source = fn(*args, **kwargs)
            try:
                return await anext(source)
            except StopAsyncIteration:
                ended = True

        value = await adrive(settings, begin(settings, args, kwargs), start, args, kwargs)
        while not ended:
            try:
                sent = yield value
            except GeneratorExit:
                await source.aclose()
                raise
            except BaseException as error:  # noqa: BLE001 - the generator decides
                step = source.athrow(error)
            else:
                step = source.asend(sent)
            try:
                value = await step
            except StopAsyncIteration:
                return

    return wrapper
