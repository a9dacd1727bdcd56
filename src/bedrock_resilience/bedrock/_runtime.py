"""BedrockRuntime: a thin client whose calls are retried, paced and checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience._checks import Problem, explain_names, instance, refuse, wrong_type
from bedrock_resilience._errors import IncompleteResponseError, StreamInterruptedError
from bedrock_resilience.bedrock import _responses, _streams
from bedrock_resilience.bedrock._client import bedrock_runtime_client, check_client
from bedrock_resilience.bedrock._streaming_call import StreamingCall
from bedrock_resilience.quotas import TokenEstimator, request_tokens, usage_from
from bedrock_resilience.retrying._call_info import CallInfo
from bedrock_resilience.retrying._callables import is_coroutine_function
from bedrock_resilience.retrying._deadline import Deadline
from bedrock_resilience.retrying._retrier import Retrier

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Mapping

    from bedrock_resilience.bedrock._streams import CheckedStream, StreamEvent
    from bedrock_resilience.clock import Clock
    from bedrock_resilience.quotas import RequestTokens, Usage


_OPERATIONS: Final = ("converse", "converse_stream", "invoke_model", "invoke_model_with_response_stream")
_ACCEPTED: Final = (
    "a bedrock-runtime client, such as bedrock_runtime_client() or session.client('bedrock-runtime'); a client of "
    "aiobotocore goes into AsyncBedrockRuntime"
)


class RuntimeBase:
    """The common base of ``BedrockRuntime`` and ``AsyncBedrockRuntime``: checks, tokens, and the facts of each call.

    The arguments are those of ``BedrockRuntime``.
    """

    def __init__(self, client: Any, retrier: Retrier | None, workers: int, allow: Collection[str]) -> None:  # noqa: ANN401 - boto3 makes the client's class at run time
        self.retrier: Retrier = Retrier() if retrier is None else retrier
        check_client(
            client,
            policy=self.retrier.policy,
            workers=workers,
            deadline=self.retrier.deadline,
            clock=self.retrier.clock,
            allow=allow,
        )
        self.client = client
        self.estimator: TokenEstimator = TokenEstimator()

    def request_tokens(self, request: Mapping[str, Any]) -> RequestTokens:
        """Return the tokens that a request may use, for the ``tokens`` of an executor around this client."""
        return request_tokens(request, self.estimator)

    def reserved_tokens(self, request: Mapping[str, Any]) -> int:
        """Return the tokens that Bedrock deducts when this request starts: estimated input + ``max_tokens``."""
        return self.request_tokens(request).reserved

    def learn(self, request: Mapping[str, Any], usage: Usage | None) -> None:
        """Improve the estimate by the usage that a response reported."""
        if usage is not None:
            self.estimator.learn(request, usage)

    def retrier_for(self, operation: str, request: dict[str, Any]) -> Retrier:
        """Return the retrier of one call, with its tokens and the facts of its events."""
        retrier = self.retrier
        if retrier.pacer is None and not retrier.listeners:
            return retrier
        tokens = retrier.tokens(**request) if callable(retrier.tokens) else retrier.tokens
        return retrier.replace(
            tokens=tokens or self.request_tokens(request),
            info=retrier.info
            or CallInfo(operation=operation, model=_model_of(request), region=_region_of(self.client)),
        )


@explain_names
class BedrockRuntime(RuntimeBase):
    """The operations of Bedrock Runtime under one retrier. Threads may share it.

    It is the one retry layer: use ``max_retries=0`` for a ``Retrier`` or a ``BoundedExecutor`` around it.

    Args:
        client: A boto3 ``bedrock-runtime`` client; None: one from ``bedrock_runtime_client``.
        retrier: Policy, deadline, budget, pacer and listeners of every call; None: the default policy. If its
            ``tokens`` are a function, it is called with the parameters of the request, by name. If it has no
            ``tokens``, the pacer reserves an estimate, which learns from the responses.
        workers: Threads that use it at the same time.
        allow: Checks of the given client to skip; see ``check_client``.

    Attributes:
        retrier: The retrier of every call.
        client: The client that sends the requests.
        estimator: The estimator of input tokens.

    Raises:
        ClientConfigurationError: The client retries by itself, its pool is too small, or its read timeout exceeds the
            deadline.
        TypeError: ``client`` has none of the operations, or is an asynchronous one; ``retrier`` is not a ``Retrier``,
            or ``workers`` is not a whole number.
    """

    def __init__(
        self,
        client: Any = None,  # noqa: ANN401 - boto3 makes the client's class at run time
        retrier: Retrier | None = None,
        *,
        workers: int = 4,
        allow: Collection[str] = (),
    ) -> None:
        refuse(
            "BedrockRuntime",
            None if client is None else _client_problem(client),
            instance("retrier", retrier, Retrier, "a Retrier, such as Retrier(policy)", optional=True),
        )
        if client is None:
            client = bedrock_runtime_client(workers=workers)
        super().__init__(client, retrier, workers, allow)

    def converse(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401 - the parameters of Converse
        """Converse: return the checked response, or raise; see ``bedrock.converse``."""
        return self._call("Converse", _responses.converse, request)

    def invoke_model(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401 - the parameters of InvokeModel
        """InvokeModel: return the parsed and checked body, or raise; see ``bedrock.invoke_model``."""
        return self._call("InvokeModel", _responses.invoke_model, request)

    def converse_stream(self, **request: Any) -> Generator[StreamEvent, None, None]:  # noqa: ANN401 - the parameters of ConverseStream
        """ConverseStream: yield the events. The request is sent when the first event is requested.

        A stream that fails before any content was yielded is retried as the policy allows. After that it is not
        retried, and the error carries the events that were yielded. Closing the generator closes the connection. The
        deadline of the call ends the stream between two events.

        Raises:
            StreamInterruptedError: The stream failed, ended without ``messageStop``, had no content, or was not
                complete at its deadline.
            IncompleteResponseError: After all events, if the stop reason says that the response is incomplete.
        """
        return self._stream("ConverseStream", _streams.converse_stream, request)

    def invoke_model_stream(self, **request: Any) -> Generator[StreamEvent, None, None]:  # noqa: ANN401 - the parameters of InvokeModelWithResponseStream
        """InvokeModelWithResponseStream: yield the decoded events; otherwise as ``converse_stream``."""
        return self._stream("InvokeModelWithResponseStream", _streams.invoke_model_stream, request)

    def _call(self, operation: str, send: Callable[..., dict[str, Any]], request: dict[str, Any]) -> dict[str, Any]:
        try:
            response = self.retrier_for(operation, request).call(send, self.client, **request)
        except IncompleteResponseError as error:
            self.learn(request, usage_from(error.body))
            raise
        self.learn(request, usage_from(response))
        return response

    def _stream(
        self, operation: str, open_stream: Callable[..., CheckedStream], request: dict[str, Any]
    ) -> Generator[StreamEvent, None, None]:
        call = StreamingCall(self.retrier_for(operation, request))
        try:
            first, rest = call.open(_open, open_stream, self.client, request, self.retrier.clock)
        except BaseException:
            call.not_opened()
            raise
        last: StreamEvent | None = None
        try:
            with rest:
                for last in first:
                    yield last
                for last in rest:
                    yield last
        except GeneratorExit:  # the caller stops reading, which is no failure
            call.answered(last, rest.usage)
            raise
        except BaseException as error:
            call.failed(error, rest.usage)
            self.learn(request, rest.usage)  # a response that was cut at max_tokens reports its usage
            raise
        call.answered(last, rest.usage)
        self.learn(request, rest.usage)


def operations_of(client: object) -> list[Callable[..., object]]:
    """Return the methods of a client that call Bedrock: all four, or those that a stand-in has; none of a class."""
    found = [] if isinstance(client, type) else [getattr(client, name, None) for name in _OPERATIONS]
    return [method for method in found if callable(method)]


def _client_problem(client: object) -> Problem | None:
    operations = operations_of(client)
    of_aiobotocore = any(base.__module__.startswith("aiobotocore.") for base in type(client).__mro__)
    if operations and not of_aiobotocore and not any(map(is_coroutine_function, operations)):
        return None
    return wrong_type("client", client, _ACCEPTED)


def _model_of(request: Mapping[str, Any]) -> str | None:
    model = request.get("modelId")
    return model if isinstance(model, str) else None


def _region_of(client: Any) -> str | None:  # noqa: ANN401 - boto3 makes the client's class at run time
    region = getattr(getattr(client, "meta", None), "region_name", None)
    return region if isinstance(region, str) else None


def _open(
    open_stream: Callable[..., CheckedStream], client: object, request: dict[str, Any], clock: Clock
) -> tuple[list[StreamEvent], CheckedStream]:
    """Open a stream and read up to the first content; a failure until then can be retried, as nothing was yielded."""
    stream = open_stream(client, **request).until(Deadline.current(), clock)
    first: list[StreamEvent] = []
    try:
        for event in stream:
            first.append(event)
            if not stream.is_preamble(event):
                break
    except StreamInterruptedError as error:
        error.delivered = []  # read here, and never yielded
        raise
    return first, stream
