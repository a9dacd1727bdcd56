"""BedrockRuntime: a thin client whose calls are retried, paced and checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bedrock_resilience.bedrock import answers, streams
from bedrock_resilience.bedrock.client import bedrock_runtime_client, check_client
from bedrock_resilience.retrier import Retrier
from bedrock_resilience.tokens import TokenEstimator, reserved_tokens, usage_from

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from bedrock_resilience.bedrock.streams import ConverseEvents, StreamEvent


class BedrockRuntime:
    """Bedrock's runtime operations under one retrier. Threads may share it.

    Args:
        client: A boto3 ``bedrock-runtime`` client; made by ``bedrock_runtime_client`` where there is none.
        retrier: Policy, deadline, budget, pacer and listeners of every call; the default policy where there is none.
        workers: Threads that use it at the same time.
        allow: Checks of a client handed in to leave out; see ``check_client``.

    Raises:
        ClientMisconfigured: The client retries by itself, has too small a pool, or times out after the deadline.
    """

    def __init__(
        self,
        client: Any = None,  # noqa: ANN401 - boto3 makes the client's class when it is asked for
        retrier: Retrier | None = None,
        *,
        workers: int = 4,
        allow: Collection[str] = (),
    ) -> None:
        self.retrier = Retrier() if retrier is None else retrier
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
        self.estimator = TokenEstimator()

    def converse(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401 - the parameters of Converse
        """Converse: the whole answer, or a typed failure; see ``answers.converse``."""
        return self._whole(answers.converse, request)

    def invoke_model(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401 - the parameters of InvokeModel
        """InvokeModel: the parsed body, or a typed failure; see ``answers.invoke_model``. ``body`` may be a mapping."""
        return self._whole(answers.invoke_model, request)

    def converse_stream(self, **request: Any) -> Iterator[StreamEvent]:  # noqa: ANN401 - the parameters of ConverseStream
        """ConverseStream: yields the events.

        A stream that fails before anything of the message's content was delivered is started again, as the policy
        allows; after that it is never, and the failure (``StreamInterrupted``) carries what was delivered.
        """
        return self._stream(
            request, streams.ConverseEvents, lambda **ready: self.client.converse_stream(**ready)["stream"]
        )

    def invoke_model_stream(self, **request: Any) -> Iterator[StreamEvent]:  # noqa: ANN401 - the parameters of InvokeModelWithResponseStream
        """InvokeModelWithResponseStream: yields the decoded events; started again as ``converse_stream`` is."""
        return self._stream(
            answers.encoded(request),
            streams.InvokeModelEvents,
            lambda **ready: self.client.invoke_model_with_response_stream(**ready)["body"],
        )

    def _whole(self, operation: Callable[..., dict[str, Any]], request: dict[str, Any]) -> dict[str, Any]:
        answer = self._paced(request).call(operation, self.client, **request)
        usage = usage_from(answer)
        if usage is not None:
            self.estimator.learn(request, usage)
        return answer

    def _stream(
        self, request: dict[str, Any], kind: Callable[[], ConverseEvents], open_stream: Callable[..., Any]
    ) -> Iterator[StreamEvent]:
        first, rest = self._paced(request).call(_start, kind, open_stream, request)
        try:
            yield from first
            yield from rest
        finally:
            rest.close()

    def _paced(self, request: dict[str, Any]) -> Retrier:
        retrier = self.retrier
        if retrier.pacer is None or retrier.tokens != 0:
            return retrier
        return retrier.with_tokens(self.reserved_tokens(request))

    def reserved_tokens(self, request: dict[str, Any]) -> int:
        """Tokens that Bedrock deducts when this request starts: estimated input + max_tokens."""
        return reserved_tokens(self.estimator.estimate(request), _max_tokens(request))


def _start(
    kind: Callable[[], ConverseEvents], open_stream: Callable[..., Any], request: dict[str, Any]
) -> tuple[list[StreamEvent], Any]:
    """Open a stream and read up to the first content: as long as that fails, nothing was delivered."""
    reader = kind()
    events = reader.checked(open_stream(**request))
    first: list[StreamEvent] = []
    try:
        for event in events:
            first.append(event)
            if not reader.opens(event):
                break
    except streams.StreamInterrupted as error:
        error.delivered = []  # held back here
        raise
    return first, events


def _max_tokens(request: dict[str, Any]) -> int | None:
    given = request.get("inferenceConfig", {}).get("maxTokens")
    if given is None and isinstance(request.get("body"), dict):
        given = request["body"].get("max_tokens")
    return given if isinstance(given, int) else None
