"""Sessions and clients of aiobotocore under a policy.

The development environment has a newer botocore than aiobotocore accepts. So these clients are stand-ins that go
through a call as aiobotocore's do; tests/extras does the same with the real ones.
"""

from __future__ import annotations

import asyncio
import importlib
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, cast

import pytest

from bedrock_resilience import (
    Deadline,
    DeadlineExceededError,
    MalformedResponseError,
    NoJitter,
    RetryPolicy,
    StreamInterruptedError,
    protect,
    unprotect,
)
from bedrock_resilience.integrations import protection_of
from bedrock_resilience.retrying import (
    CallCancelled,
    CallFailed,
    CallStarted,
    CallSucceeded,
    Event,
    PacingWait,
    RetryScheduled,
    StreamOpened,
)
from bedrock_resilience.testing import FakeClock, stream_cut, throttling_error
from support.pacers import RecordingPacer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

POLICY: Final = RetryPolicy(max_retries=3, base_delay=1.0, jitter=NoJitter(), retry_on="transient")
REQUEST: Final[dict[str, Any]] = {"modelId": "m", "messages": [], "inferenceConfig": {"maxTokens": 50}}
RESPONSE: Final[dict[str, Any]] = {"output": {}, "usage": {"inputTokens": 3, "outputTokens": 2}}
METADATA: Final[dict[str, Any]] = {"metadata": {"usage": {"inputTokens": 3, "outputTokens": 2}}}
THROTTLE: Final[dict[str, Any]] = {
    "Error": {"Code": "ThrottlingException", "Message": "Too many requests"},
    "ResponseMetadata": {"HTTPStatusCode": 429},
}
_HOOKS: Final[Any] = importlib.import_module("botocore.hooks")


class Emitter:
    """The emitter of a client: handlers may be coroutine functions."""

    def __init__(self) -> None:
        self._emitter: Any = _HOOKS.HierarchicalEmitter()
        self.register = self._emitter.register
        self.register_first = self._emitter.register_first
        self.unregister = self._emitter.unregister

    async def emit(self, event: str, **arguments: object) -> list[object]:
        responses = [handler(**arguments) for handler in self._emitter._handlers.prefix_search(event)]
        return [await response if asyncio.iscoroutine(response) else response for response in responses]


class AioEventStream:
    """A stream of events, of which the exceptions are raised."""

    def __init__(self, *events: object) -> None:
        self._events = self._generate(events)
        self.closed = False

    async def _generate(self, events: tuple[object, ...]) -> AsyncGenerator[object]:
        for event in events:
            if isinstance(event, BaseException):
                raise event
            yield event

    def __aiter__(self) -> AsyncGenerator[object]:
        return self._events

    def close(self) -> None:
        self.closed = True


class AioStreamingBody:
    """A body, as aiobotocore's for the backend aiohttp."""

    def __init__(self, raw: Any, size: int) -> None:  # noqa: ANN401 - a raw response
        self.raw = raw
        self.size = size
        self.closed = False

    async def read(self) -> bytes:
        data = await self.raw.content.read(-1)
        if isinstance(data, Exception):
            raise data
        return bytes(data)

    def close(self) -> None:
        self.closed = True


def body_of(data: object) -> AioStreamingBody:
    async def read(_amount: int) -> object:
        return data

    return AioStreamingBody(SimpleNamespace(content=SimpleNamespace(read=read)), 1)


def error_class(code: object) -> Callable[[object, str], Exception]:
    del code
    return make_error


def make_error(parsed: object, operation: str) -> Exception:
    del parsed, operation
    return throttling_error()


class AioBaseClient:
    """Goes through a call as aiobotocore does, with scripted responses: exceptions, error responses and successes."""

    __module__ = "aiobotocore.client"

    def __init__(self, *script: Any) -> None:  # noqa: ANN401 - as above
        self.script = list(script)
        self.requests = 0
        service = SimpleNamespace(service_name="bedrock-runtime")
        self.meta = SimpleNamespace(events=Emitter(), service_model=service, region_name="eu-west-3")
        self.exceptions = SimpleNamespace(from_code=error_class)

    async def _make_api_call(self, operation: str, params: dict[str, Any]) -> Any:  # noqa: ANN401 - the response
        del params
        name, emit = f"bedrock-runtime.{operation}", self.meta.events.emit
        context: dict[str, dict[str, object]] = {"retries": {}}
        await emit(f"before-call.{name}")
        while True:
            await emit(f"request-created.{name}", request=SimpleNamespace(context=context))
            self.requests += 1
            error, response = None, None
            outcome: Any = self.script.pop(0)
            if isinstance(outcome, BaseException):
                error = outcome
                if not isinstance(error, Exception):
                    raise error
            else:
                response = (SimpleNamespace(status_code=429 if "Error" in outcome else 200), outcome)
            answers = await emit(f"needs-retry.{name}", response=response, caught_exception=error)
            if next((answer for answer in answers if answer is not None), False) is False:
                break
        if error is not None:
            raise error
        if "Error" in cast("Any", outcome):
            raise throttling_error()
        return outcome


class AioSession:
    """Makes such clients."""

    __module__ = "aiobotocore.session"

    async def _create_client(self, service_name: str, **options: Any) -> Any:  # noqa: ANN401 - the client
        del service_name
        return AioBaseClient(*options["script"])


class Setting:
    """A protected client, and everything to look at."""

    def __init__(self, *script: object, **parts: Any) -> None:  # noqa: ANN401 - as those of protect
        self.clock = FakeClock()
        self.pacer = RecordingPacer()
        self.events: list[Event] = []
        given: dict[str, Any] = {"policy": POLICY, "pacer": self.pacer, "listeners": [self.record], **parts}
        self.client: Any = protect(AioBaseClient(*script), clock=self.clock, **given)

    async def call(self, operation: str = "Converse") -> Any:  # noqa: ANN401 - the response
        return await self.client._make_api_call(operation, REQUEST)

    def record(self, event: Event) -> None:
        """Record an event, unless it is the beginning of a call or of a stream: these tests are about how calls end."""
        if not isinstance(event, CallStarted | StreamOpened):
            self.events.append(event)

    @property
    def kinds(self) -> list[type]:
        return [type(event) for event in self.events]


async def test_throttles_in_a_row_are_survived() -> None:
    setting = Setting(THROTTLE, THROTTLE, throttling_error(), RESPONSE)
    assert await setting.call() is RESPONSE
    assert setting.client.requests == 4
    assert setting.clock.sleeps == [1.0, 2.0, 4.0]
    assert tuple(setting.kinds) == (RetryScheduled, RetryScheduled, RetryScheduled, CallSucceeded)
    assert setting.pacer.ended == ["throttled", "throttled", "throttled", "answered"]


async def test_a_wait_lets_other_tasks_run() -> None:
    setting = Setting(RESPONSE, pacer=RecordingPacer(7.0))
    done = asyncio.create_task(setting.call())
    await asyncio.sleep(0)  # noqa: TID251 - the other task's turn
    assert setting.client.requests == 0
    await done
    assert setting.clock.sleeps == [7.0]
    assert setting.kinds == [PacingWait, CallSucceeded]


async def test_the_deadline_may_allow_no_request() -> None:
    setting = Setting(RESPONSE)
    with Deadline.after(0, clock=setting.clock).apply(), pytest.raises(DeadlineExceededError):
        await setting.call()
    assert setting.client.requests == 0


async def test_an_error_that_is_not_retried_gets_a_note() -> None:
    setting = Setting(*[THROTTLE] * 4)
    with pytest.raises(Exception, match="ThrottlingException") as caught:
        await setting.call()
    assert "4 attempts" in caught.value.__notes__[0]


@pytest.mark.parametrize("outcome", [asyncio.CancelledError(), KeyboardInterrupt()])
async def test_a_cancellation_in_a_request_is_not_retried(outcome: BaseException) -> None:
    setting = Setting(outcome)
    with pytest.raises(type(outcome)):
        await setting.call()
    assert setting.pacer.outcomes == [("answered", None)]
    assert setting.kinds == [CallCancelled]


async def test_a_cancellation_in_a_wait_gives_the_reservation_back() -> None:
    pacer = RecordingPacer(50.0)
    setting = Setting(RESPONSE, pacer=pacer)
    call = asyncio.create_task(setting.call())
    await asyncio.sleep(0)  # noqa: TID251 - as above
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert pacer.ended == ["abandoned"]


@pytest.mark.parametrize(
    ("operation", "member"), [("ConverseStream", "stream"), ("InvokeModelWithResponseStream", "body")]
)
async def test_a_stream_is_retried_until_its_first_event(operation: str, member: str) -> None:
    cut = AioEventStream(stream_cut())
    setting = Setting({member: cut}, {member: AioEventStream("first", METADATA)})
    response = await setting.call(operation)
    assert cut.closed
    assert setting.kinds == [RetryScheduled]
    assert [event async for event in response[member]] == ["first", METADATA]
    assert tuple(setting.kinds) == (RetryScheduled, CallSucceeded)
    assert setting.pacer.outcomes[-1][1] is not None


async def test_a_stream_without_events_is_retried() -> None:
    setting = Setting({"stream": AioEventStream()}, {"stream": AioEventStream()})
    with pytest.raises(StreamInterruptedError, match="before its first event"):
        await setting.call("ConverseStream")
    assert tuple(setting.kinds) == (RetryScheduled, CallFailed)


async def test_a_stream_that_fails_later_is_not_retried() -> None:
    setting = Setting({"stream": AioEventStream("first", stream_cut())})
    events = aiter((await setting.call("ConverseStream"))["stream"])
    assert await anext(events) == "first"
    with pytest.raises(Exception, match="Connection broken") as caught:
        await anext(events)
    assert "1 attempt" in caught.value.__notes__[0]
    assert setting.kinds == [CallFailed]


async def test_a_reader_that_stops_ends_the_call() -> None:
    setting = Setting({"stream": AioEventStream("first", "second")})
    stream = (await setting.call("ConverseStream"))["stream"]
    events = aiter(stream)
    await anext(events)
    await events.aclose()
    assert setting.kinds == [CallSucceeded]
    stream.close()
    assert setting.kinds == [CallSucceeded]
    assert stream.closed


async def test_a_broken_body_of_invoke_model_is_retried() -> None:
    broken = body_of(stream_cut())
    setting = Setting({"body": broken}, {"body": body_of(b'{"type": "message"}')})
    body = (await setting.call("InvokeModel"))["body"]
    assert broken.closed
    assert json.loads(await body.read()) == {"type": "message"}
    assert (type(body), body.size, setting.client.requests) == (AioStreamingBody, 19, 2)


async def test_the_body_that_was_read_serves_the_bodies_of_either_backend() -> None:
    body = (await Setting({"body": body_of(b'{"a": 1}')}).call("InvokeModel"))["body"]
    raw = body.raw
    assert (await raw.content.read(2), raw.content.at_eof(), raw.url) == (b'{"', False, "")
    assert [part async for part in raw.aiter_raw()] == [b'a": 1}']
    assert raw.content.at_eof()
    raw.close()
    await raw.aclose()


async def test_a_page_in_place_of_a_body_is_malformed() -> None:
    setting = Setting(*({"body": body_of(b" <html>")} for _ in range(4)))
    with pytest.raises(MalformedResponseError, match="not the response of a model"):
        await setting.call("InvokeModel")


async def test_other_operations_are_left_alone() -> None:
    setting = Setting(THROTTLE)
    with pytest.raises(Exception, match="ThrottlingException"):
        await setting.call("ApplyGuardrail")
    assert setting.events == []


async def test_a_request_that_was_under_way_when_the_protection_came_is_not_disturbed() -> None:
    client: Any = AioBaseClient(THROTTLE)

    def protect_now(**_: object) -> None:
        protect(client, policy=POLICY)

    client.meta.events.register("before-call", protect_now)
    with pytest.raises(Exception, match="ThrottlingException"):
        await client._make_api_call("Converse", REQUEST)
    assert client.requests == 1


async def test_a_session_protects_its_clients_until_it_is_unprotected() -> None:
    clock = FakeClock()
    session: Any = protect(AioSession(), policy=POLICY, clock=clock)
    client = await session._create_client("bedrock-runtime", script=[THROTTLE, RESPONSE])
    other = await session._create_client("s3", script=[])
    assert protection_of(client) is protection_of(session)
    assert protection_of(other) is None
    assert "under Protection" in repr(client)
    assert "under Protection" in repr(session)
    assert await client._make_api_call("Converse", REQUEST) is RESPONSE
    unprotect(session)
    assert protection_of(client) is None
    assert "under Protection" not in repr(client) + repr(session)
