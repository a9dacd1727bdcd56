"""BedrockRuntime: a thin client whose calls are retried, paced and checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bedrock_resilience._errors import IncompleteResponseError, StreamInterruptedError
from bedrock_resilience.bedrock import _responses as answers
from bedrock_resilience.bedrock import _streams as streams
from bedrock_resilience.bedrock._client import bedrock_runtime_client, check_client
from bedrock_resilience.bedrock._request_tokens import request_tokens
from bedrock_resilience.bedrock._streaming_call import StreamingCall
from bedrock_resilience.quotas import TokenEstimator, usage_from
from bedrock_resilience.retrying._retrier import Retrier

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Mapping

    from bedrock_resilience.bedrock._streams import CheckedStream, StreamEvent
    from bedrock_resilience.quotas import RequestTokens


class BedrockRuntime:
    """Bedrock's runtime operations under one retrier. Threads may share it.

    It is the one retry layer: a ``Retrier`` or a ``BoundedExecutor`` around it gets a policy with ``max_retries=0``.

    Args:
        client: A boto3 ``bedrock-runtime`` client; made by ``bedrock_runtime_client`` where there is none.
        retrier: Policy, deadline, budget, pacer and listeners of every call; the default policy where there is none.
            Its ``tokens``, where they are a function, are called with the parameters of the request, by name; where
            there are none, a pacer is told an estimate that learns from the answers.
        workers: Threads that use it at the same time.
        allow: Checks of a client handed in to leave out; see ``check_client``.

    Raises:
        ClientConfigurationError: The client retries by itself, has too small a pool, or times out after the deadline.
        TypeError: ``retrier`` is none.
    """

    def __init__(
        self,
        client: Any = None,  # noqa: ANN401 - boto3 makes the client's class when it is asked for
        retrier: Retrier | None = None,
        *,
        workers: int = 4,
        allow: Collection[str] = (),
    ) -> None:
        if not isinstance(retrier, (Retrier, type(None))):
            raise TypeError(f"BedrockRuntime: retrier: got {retrier!r}; accepted: a Retrier, such as Retrier(policy)")
        self.retrier: Retrier = Retrier() if retrier is None else retrier
        if client is None:
            client = bedrock_runtime_client(workers=workers)
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

    def converse(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401 - the parameters of Converse
        """Converse: the whole answer, or a typed failure; see ``bedrock.converse``."""
        return self._whole(answers.converse, request)

    def invoke_model(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401 - the parameters of InvokeModel
        """InvokeModel: the parsed body, or a typed failure; see ``bedrock.invoke_model``. ``body`` may be a mapping."""
        return self._whole(answers.invoke_model, request)

    def converse_stream(self, **request: Any) -> Generator[StreamEvent, None, None]:  # noqa: ANN401 - the parameters of ConverseStream
        """ConverseStream: yields the events. Nothing is sent before the first one is asked for.

        A stream that fails before anything of the message's content was delivered is started again, as the policy
        allows; after that it is never, and the failure carries what was delivered. Closing the generator closes the
        connection.

        Raises:
            StreamInterruptedError: It failed, or ended without ``messageStop``.
            IncompleteResponseError: After all events, where the stop reason says that the answer is not whole.
        """
        return self._stream(streams.converse_stream, request)

    def invoke_model_stream(self, **request: Any) -> Generator[StreamEvent, None, None]:  # noqa: ANN401 - the parameters of InvokeModelWithResponseStream
        """InvokeModelWithResponseStream: yields the decoded events; otherwise as ``converse_stream``."""
        return self._stream(streams.invoke_model_stream, request)

    def request_tokens(self, request: Mapping[str, Any]) -> RequestTokens:
        """What this request may use, for the ``tokens`` of an executor around it; its input as learnt from answers."""
        return request_tokens(request, self.estimator)

    def reserved_tokens(self, request: Mapping[str, Any]) -> int:
        """Tokens that Bedrock deducts when this request starts: estimated input + max_tokens."""
        return self.request_tokens(request).reserved

    def _whole(self, operation: Callable[..., dict[str, Any]], request: dict[str, Any]) -> dict[str, Any]:
        try:
            answer = self._retrier_of(request).call(operation, self.client, **request)
        except IncompleteResponseError as error:
            self._learn(request, error.body)
            raise
        self._learn(request, answer)
        return answer

    def _stream(
        self, open_stream: Callable[..., CheckedStream], request: dict[str, Any]
    ) -> Generator[StreamEvent, None, None]:
        call = StreamingCall(self._retrier_of(request))
        try:
            first, rest = call.retrier.call(_begin, open_stream, self.client, request)
        except BaseException:
            call.given_up()
            raise
        last: StreamEvent | None = None
        try:
            with rest:
                for last in first:
                    yield last
                for last in rest:
                    yield last
        except GeneratorExit:  # the caller has seen enough, which is no failure
            call.answered(last)
            raise
        except BaseException as error:
            call.failed(error, last)
            self._learn(request, last)  # an answer cut at max_tokens says what it used
            raise
        call.answered(last)
        self._learn(request, last)

    def _learn(self, request: Mapping[str, Any], answer: object) -> None:
        usage = usage_from(answer)
        if usage is not None:
            self.estimator.learn(request, usage)

    def _retrier_of(self, request: dict[str, Any]) -> Retrier:
        retrier = self.retrier
        if retrier.pacer is None:
            return retrier
        tokens = retrier.tokens(**request) if callable(retrier.tokens) else retrier.tokens
        return retrier.replace(tokens=tokens or self.reserved_tokens(request))


def _begin(
    open_stream: Callable[..., CheckedStream], client: object, request: dict[str, Any]
) -> tuple[list[StreamEvent], CheckedStream]:
    """Open a stream and read up to the first content: as long as that fails, nothing was delivered."""
    stream = open_stream(client, **request)
    first: list[StreamEvent] = []
    try:
        for event in stream:
            first.append(event)
            if not stream.is_preamble(event):
                break
    except StreamInterruptedError as error:
        error.delivered = []  # held back here
        raise
    return first, stream
