"""AsyncBedrockRuntime: the asynchronous twin of ``BedrockRuntime``, over a client of aiobotocore."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final, cast

from bedrock_resilience._checks import Problem, explain_names, instance, refuse, wrong_type
from bedrock_resilience._errors import IncompleteResponseError, StreamInterruptedError
from bedrock_resilience.bedrock._responses import (
    check_converse,
    checked_body,
    parse_object,
    raise_if_broken,
    raise_if_unparsed,
    with_json_body,
)
from bedrock_resilience.bedrock._runtime import RuntimeBase, operations_of
from bedrock_resilience.bedrock._streaming_call import StreamingCall
from bedrock_resilience.bedrock._streams import StreamChecks, decode_chunk
from bedrock_resilience.quotas import usage_from
from bedrock_resilience.retrying._callables import may_return_awaitable
from bedrock_resilience.retrying._deadline import Deadline
from bedrock_resilience.retrying._retrier import Retrier

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Collection, Mapping

    from bedrock_resilience.bedrock._streams import StreamEvent
    from bedrock_resilience.clock import Clock

_ACCEPTED: Final = (
    "a bedrock-runtime client of aiobotocore or aioboto3, or coroutine functions of the same names; a client of boto3 "
    "goes into BedrockRuntime"
)


@explain_names
class AsyncBedrockRuntime(RuntimeBase):
    """The operations of Bedrock Runtime under one retrier, awaited. Tasks of one event loop may share it.

    It is the one retry layer: use ``max_retries=0`` for a ``Retrier`` or a ``BoundedExecutor`` around it.

    Args:
        client: A ``bedrock-runtime`` client of aiobotocore or aioboto3, or an object with the same asynchronous
            methods. The code that opened the client closes it.
        retrier: Policy, deadline, budget, pacer, listeners, clock and rng of every call, as for ``BedrockRuntime``.
        workers: Tasks that use it at the same time.
        allow: Checks of the given client to skip; see ``check_client``.

    Attributes:
        retrier: The retrier of every call.
        client: The client that sends the requests.
        estimator: The estimator of input tokens.

    Raises:
        ClientConfigurationError: The client retries by itself, its pool is too small, or its read timeout exceeds the
            deadline.
        TypeError: ``client`` has none of the operations, or is a synchronous one; ``retrier`` is not a ``Retrier``, or
            ``workers`` is not a whole number.
    """

    def __init__(
        self,
        client: Any,  # noqa: ANN401 - aiobotocore makes the client's class at run time
        retrier: Retrier | None = None,
        *,
        workers: int = 4,
        allow: Collection[str] = (),
    ) -> None:
        refuse(
            "AsyncBedrockRuntime",
            _client_problem(client),
            instance("retrier", retrier, Retrier, "a Retrier, such as Retrier(policy)", optional=True),
        )
        super().__init__(client, retrier, workers, allow)

    async def converse(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401 - the parameters of Converse
        """Converse: return the checked response, or raise; see ``bedrock.converse``."""
        return await self._call("Converse", _converse, request)

    async def invoke_model(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401 - the parameters of InvokeModel
        """InvokeModel: return the parsed and checked body, or raise; see ``bedrock.invoke_model``."""
        return await self._call("InvokeModel", _invoke_model, request)

    def converse_stream(self, **request: Any) -> AsyncGenerator[StreamEvent, None]:  # noqa: ANN401 - the parameters of ConverseStream
        """ConverseStream: yield the events. The request is sent when the first event is requested.

        A stream that fails before any content was yielded is retried as the policy allows. After that it is not
        retried, and the error carries the events that were yielded. ``aclose`` closes the connection: use
        ``contextlib.aclosing`` if you may stop before the end. The deadline of the call ends the stream between two
        events; ``attempt_timeout`` is a limit for the time until its first content.

        Raises:
            StreamInterruptedError: The stream failed, ended without ``messageStop``, had no content, or was not
                complete at its deadline.
            IncompleteResponseError: After all events, if the stop reason says that the response is incomplete.
        """
        return self._stream("ConverseStream", _converse_stream, request)

    def invoke_model_stream(self, **request: Any) -> AsyncGenerator[StreamEvent, None]:  # noqa: ANN401 - the parameters of InvokeModelWithResponseStream
        """InvokeModelWithResponseStream: yield the decoded events; otherwise as ``converse_stream``."""
        return self._stream("InvokeModelWithResponseStream", _invoke_model_stream, request)

    async def _call(
        self, operation: str, send: Callable[..., Awaitable[dict[str, Any]]], request: dict[str, Any]
    ) -> dict[str, Any]:
        try:
            response = await self.retrier_for(operation, request).acall(send, self.client, request)
        except IncompleteResponseError as error:
            self.learn(request, usage_from(error.body))
            raise
        self.learn(request, usage_from(response))
        return response

    async def _stream(
        self, operation: str, open_stream: Callable[..., Awaitable[_CheckedAsyncStream]], request: dict[str, Any]
    ) -> AsyncGenerator[StreamEvent, None]:
        call = StreamingCall(self.retrier_for(operation, request))
        try:
            first, rest = await call.aopen(_open, open_stream, self.client, request, self.retrier.clock)
        except BaseException:
            call.not_opened()
            raise
        last: StreamEvent | None = None
        try:
            try:
                for last in first:
                    yield last
                async for last in rest:
                    yield last
            finally:
                await rest.close()
        except GeneratorExit:  # the caller stops reading, which is no failure
            call.answered(last, rest.usage)
            raise
        except BaseException as error:
            call.failed(error, rest.usage)
            self.learn(request, rest.usage)  # a response that was cut at max_tokens reports its usage
            raise
        call.answered(last, rest.usage)
        self.learn(request, rest.usage)


class _CheckedAsyncStream(StreamChecks):
    """The asynchronous twin of ``CheckedStream``."""

    def __init__(
        self, stream: AsyncIterable[StreamEvent], decode: Callable[[StreamEvent], StreamEvent] | None = None
    ) -> None:
        super().__init__(decode)
        self._stream = stream
        self._events = aiter(stream)

    def __aiter__(self) -> _CheckedAsyncStream:
        return self

    async def __anext__(self) -> StreamEvent:
        late = self.late_error()
        if late is not None:
            await self.close()
            raise late
        try:
            event = self.read(await anext(self._events))
        except BaseException as error:
            await self.close()
            self.raise_for(error)
            raise
        self.delivered.append(event)
        return event

    async def close(self) -> None:
        """Close the connection."""
        await _close(self._stream)


async def _open(
    open_stream: Callable[..., Awaitable[_CheckedAsyncStream]], client: object, request: dict[str, Any], clock: Clock
) -> tuple[list[StreamEvent], _CheckedAsyncStream]:
    """Open a stream and read up to the first content; a failure until then can be retried, as nothing was yielded."""
    stream = (await open_stream(client, request)).until(Deadline.current(), clock)
    first: list[StreamEvent] = []
    try:
        async for event in stream:
            first.append(event)
            if not stream.is_preamble(event):
                break
    except StreamInterruptedError as error:
        error.delivered = []  # read here, and never yielded
        raise
    return first, stream


async def _converse(client: Any, request: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401 - a client
    response: dict[str, Any] = await _send(client.converse, request)
    check_converse(response)
    return response


async def _invoke_model(client: Any, request: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401 - a client
    response = await _send(client.invoke_model, with_json_body(request))
    body = response["body"]
    try:
        raw: bytes = await body.read()
    except Exception as error:
        raise_if_broken(error)
        raise
    finally:
        await _close(body)
    return checked_body(parse_object(raw), response)


async def _converse_stream(client: Any, request: dict[str, Any]) -> _CheckedAsyncStream:  # noqa: ANN401 - a client
    return _CheckedAsyncStream((await _send(client.converse_stream, request))["stream"])


async def _invoke_model_stream(client: Any, request: dict[str, Any]) -> _CheckedAsyncStream:  # noqa: ANN401 - a client
    response = await _send(client.invoke_model_with_response_stream, with_json_body(request))
    return _CheckedAsyncStream(response["body"], decode_chunk)


async def _send(operation: Callable[..., Awaitable[Any]], request: Mapping[str, Any]) -> Any:  # noqa: ANN401 - what the operation returns
    try:
        return await operation(**request)
    except Exception as error:
        raise_if_unparsed(error)
        raise


async def _close(stream: object) -> None:
    """Close a stream or a body; whether ``close`` is awaited depends on the HTTP library below aiobotocore."""
    close = cast("Callable[[], object] | None", getattr(stream, "close", None))
    closing = None if close is None else close()
    if inspect.isawaitable(closing):
        await closing


def _client_problem(client: object) -> Problem | None:
    if any(map(may_return_awaitable, operations_of(client))):
        return None
    return wrong_type("client", client, _ACCEPTED)
