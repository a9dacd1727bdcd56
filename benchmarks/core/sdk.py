"""What a retry layer costs on top of a whole boto3 call, beside botocore's own standard mode.

The answers come from a hook in front of the socket, so that what is measured is the SDK and the layer, not a network.
"""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING, Any
from unittest import mock

import tenacity
from benchmarks.core.calls import ATTEMPTS, POLICY, is_throttling
from benchmarks.core.measuring import Measured, best, in_microseconds, sleepless
from botocore.awsrequest import AWSResponse

from bedrock_resilience import bedrock_runtime_client

if TYPE_CHECKING:
    from collections.abc import Callable

ALONE = "boto3, one attempt"
OURS = "boto3, one attempt, under policy.call"
STANDARD = "boto3, standard mode"
REQUEST: Any = {
    "modelId": "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "messages": [{"role": "user", "content": [{"text": "Hello"}]}],
}
ANSWER = (
    b'{"output":{"message":{"role":"assistant","content":[{"text":"Hello"}]}},"stopReason":"end_turn",'
    b'"usage":{"inputTokens":1,"outputTokens":1,"totalTokens":2},"metrics":{"latencyMs":5}}'
)
THROTTLE = b'{"message":"Too many requests, please wait before trying again."}'


class _Raw:
    """The body of a response that never travelled."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_: object) -> list[bytes]:
        """All of it."""
        return [self._body]


def client(*, attempts: int, every: int = 0) -> Any:
    """A client whose first of each ``every`` requests is throttled; 0: none is."""
    numbers = itertools.count()

    def respond(request: Any, **_: object) -> AWSResponse:
        throttled = every and next(numbers) % every == 0
        headers: Any = {"content-type": "application/json"}
        if throttled:
            headers["x-amzn-errortype"] = "ThrottlingException"
        return AWSResponse(request.url, 429 if throttled else 200, headers, _Raw(THROTTLE if throttled else ANSWER))

    made = bedrock_runtime_client("eu-west-3", aws_access_key_id="bench", aws_secret_access_key="bench")  # noqa: S106 - made up
    if attempts > 1:
        made = plain_client(attempts, region_name="eu-west-3")
    made.meta.events.register("before-send.bedrock-runtime.Converse", respond)
    return made


def plain_client(attempts: int, **options: Any) -> Any:
    """A client in botocore's standard mode with so many attempts, made without this library."""
    import boto3.session  # noqa: PLC0415 - this one client is made without our factory
    from botocore.config import Config  # noqa: PLC0415 - as above

    session: Any = boto3.session.Session()
    keys = {"aws_access_key_id": "bench", "aws_secret_access_key": "bench"}
    config = Config(retries={"mode": "standard", "total_max_attempts": attempts})
    return session.client("bedrock-runtime", config=config, **keys, **options)


def ways(every: int) -> dict[str, Callable[[], object]]:
    """The same call of boto3 in each way; alone it is never throttled."""
    alone, ours, standard = client(attempts=1), client(attempts=1, every=every), client(attempts=ATTEMPTS, every=every)
    theirs = client(attempts=1, every=every)
    retrying = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(ATTEMPTS), retry=tenacity.retry_if_exception(is_throttling)
    ).wraps(theirs.converse)
    return {
        ALONE: lambda: alone.converse(**REQUEST),
        OURS: lambda: POLICY.call(ours.converse, **REQUEST),
        STANDARD: lambda: standard.converse(**REQUEST),
        "boto3, one attempt, under tenacity": lambda: retrying(**REQUEST),
    }


def succeeding(calls: int = 100, rounds: int = 15) -> Measured:
    """A boto3 call that is answered at once."""
    with own_keys():
        costs = in_microseconds(best(ways(0), calls, rounds))
    return Measured("A whole boto3 call that is answered at once, without a network", "µs", costs, ALONE)


def retried(calls: int = 50, rounds: int = 15) -> Measured:
    """A boto3 call that is throttled once."""
    # botocore's standard mode may spend 500 tokens on retries; a success gives back what its retry has cost.
    with own_keys(), sleepless():
        costs = in_microseconds(best(ways(2), calls, rounds))
    return Measured("A whole boto3 call that is throttled once, with no delay", "µs", costs, ALONE)


def own_keys() -> Any:
    """An environment in which no setting of this machine changes what is measured."""
    rest = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return mock.patch.dict(os.environ, rest, clear=True)
