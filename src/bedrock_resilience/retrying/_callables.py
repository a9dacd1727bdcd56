"""What a function is before it is called, and what a value is that it returned without doing its work."""

from __future__ import annotations

import functools
import inspect
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable

# Streams by package and class name: their events are read, and may fail, after the call has returned.
_STREAMS = {
    "botocore": frozenset({"EventStream"}),
    "aiobotocore": frozenset({"AioEventStream"}),
    "anthropic": frozenset({"Stream", "AsyncStream", "MessageStreamManager", "AsyncMessageStreamManager"}),
    "openai": frozenset({"Stream", "AsyncStream"}),
    "bedrock_resilience": frozenset({"CheckedStream"}),
}
_AWAITABLES = ("Awaitable", "Coroutine", "Future", "Task")
# Plain functions of these return awaitables: run_in_executor, and the operations of a client of aiobotocore.
_ASYNCHRONOUS_MODULES = ("asyncio", "aiobotocore")


def is_coroutine_function(fn: object) -> bool:
    """Return whether a call of ``fn`` returns a coroutine: also a partial, a bound method or a callable object."""
    return any(map(inspect.iscoroutinefunction, _bodies(fn)))


def is_generator_function(fn: object) -> bool:
    """Return whether a call of ``fn`` returns a generator or an asynchronous one; as ``is_coroutine_function``."""
    return any(inspect.isgeneratorfunction(body) or inspect.isasyncgenfunction(body) for body in _bodies(fn))


def may_return_awaitable(fn: object) -> bool:
    """Return whether ``fn`` may be awaited: a coroutine function, a lambda, or one annotated to return an awaitable.

    So may the functions and methods of asyncio and aiobotocore, which say it in no way.
    """
    return is_coroutine_function(fn) or any(
        getattr(body, "__name__", None) == "<lambda>"
        or any(name in str(getattr(body, "__annotations__", {}).get("return")) for name in _AWAITABLES)
        or _is_asynchronous(body)
        for body in _bodies(fn)
    )


def _is_asynchronous(body: object) -> bool:
    owner = getattr(body, "__self__", None)  # of a method
    modules = (getattr(body, "__module__", None), *(cls.__module__ for cls in type(owner).__mro__))
    return any(str(module).partition(".")[0] in _ASYNCHRONOUS_MODULES for module in modules)


def refuse_plain(owner: str, fn: object, remedy: str) -> None:
    """Refuse a function that cannot be awaited, before it is called: its request would be sent, and its answer lost.

    Raises:
        NotAwaitableError: It is neither a coroutine function nor one that may return an awaitable.
    """
    # Most are coroutine functions, and this is the quickest to see.
    code = getattr(fn, "__code__", None)  # pragma: no mutate - what follows sees it, too
    if code is not None and code.co_flags & inspect.CO_COROUTINE:  # pragma: no mutate - as above
        return
    if not callable(fn):
        raise uncallable(owner, fn)
    if not may_return_awaitable(fn):
        raise NotAwaitableError(
            f"{owner}: fn: got {fn!r}, which is not a coroutine function; {remedy}, or pass a coroutine function "
            "(asyncio.to_thread makes one of a plain function)"
        )


def uncallable(owner: str, fn: object) -> TypeError:
    """Return the error for a value in place of a function, such as the response of a call that was made already."""
    return TypeError(
        f"{owner}: fn: got a value of type {type(fn).__name__}, which cannot be called; accepted: a function, then its "
        "arguments, such as (client.converse, **request)"
    )


class UnusableResultError(TypeError):
    """A function returned a coroutine, a generator or a stream: its work is not done. It does so for every item."""


class NotAwaitableError(UnusableResultError):
    """A call that awaits its function got a plain function, or one that returned a plain value."""


def awaitable_from(fn: Callable[..., object], value: object) -> Any:  # noqa: ANN401 - an awaitable of any kind
    """Return the value that ``fn`` returned, if it can be awaited.

    Raises:
        NotAwaitableError: It cannot be awaited.
    """
    if inspect.isawaitable(value):
        return value
    raise NotAwaitableError(
        f"{fn!r} returned {type(value).__name__}, which cannot be awaited: use Retrier.call, or BoundedExecutor.run; "
        "or pass a coroutine function (asyncio.to_thread makes one of a plain function)"
    )


def refused_value(fn: Callable[..., object], value: object) -> UnusableResultError | None:
    """Return the error for a value whose work is not done: a coroutine, a generator, a stream; else None."""
    kind = type(value)
    if kind is CoroutineType:
        value.close()  # type: ignore[attr-defined]  # a coroutine; it is never awaited
        return UnusableResultError(
            f"{fn!r} returned a coroutine: use Retrier.acall, or BoundedExecutor.arun, which await it"
        )
    if kind is GeneratorType or kind is AsyncGeneratorType:
        return UnusableResultError(
            f"{fn!r} returned a generator, which has not run yet: read it inside the function and return its items"
        )
    if _is_stream(value) or (kind is dict and _holds_stream(value)):  # type: ignore[arg-type]  # a dict
        return UnusableResultError(
            f"{fn!r} returned a stream, which may still fail while it is read: read it inside the function, or use "
            "BedrockRuntime.converse_stream"
        )
    return None


def _holds_stream(response: dict[str, object]) -> bool:
    # ConverseStream and InvokeModelWithResponseStream.
    return _is_stream(response.get("stream")) or _is_stream(response.get("body"))


def _is_stream(value: object) -> bool:
    return any(cls.__name__ in _STREAMS.get(cls.__module__.partition(".")[0], ()) for cls in type(value).__mro__)


def _bodies(fn: Any) -> list[Any]:  # noqa: ANN401 - whatever the caller passes
    """Return the functions that a call of ``fn`` may run: through partials and wrappers, and its ``__call__``."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    unwrapped = inspect.unwrap(fn)
    while isinstance(unwrapped, functools.partial):
        unwrapped = unwrapped.func
    return [fn, unwrapped, getattr(cast("type", type(unwrapped)), "__call__", None)]  # noqa: B004 - the function, not whether there is one
