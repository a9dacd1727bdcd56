"""call_bedrock_with_retry: the retry wrapper of the ingest-normalize contract, unchanged for its callers."""

from __future__ import annotations

import json
import os
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, cast

from bedrock_resilience._errors import MalformedResponseError
from bedrock_resilience.bedrock._client import bedrock_runtime_client, check_client
from bedrock_resilience.bedrock._responses import dig, read_body, sent
from bedrock_resilience.retrying._jitter import AdditiveJitter
from bedrock_resilience.retrying._policy import RetryPolicy
from bedrock_resilience.retrying._retrier import Retrier
from bedrock_resilience.telemetry._logging import LoggingListener

if TYPE_CHECKING:
    from collections.abc import Mapping

_JITTER: Final = 0.1  # seconds, as the contract has it
_LONGEST: Final = 3600.0  # seconds; what a policy accepts

# A client for each region that was asked for: making one costs a new TLS connection.
_clients: dict[str | None, Any] = {}
_making = Lock()


def call_bedrock_with_retry(
    model_id: str,
    request_body: Mapping[str, Any],
    max_retries: int = 3,
    base_delay: float = 0.5,
    *,
    client: Any = None,  # noqa: ANN401 - boto3 makes the client's class when it is asked for
) -> str:
    """Invoke a Claude model and return the text of its answer; retry while Bedrock throttles.

    The delay before retry ``n`` is ``base_delay * 2**n`` plus up to 0.1 s. Retries and the giving up are logged in the
    two French lines that the contract's CloudWatch filters count.

    Args:
        model_id: Model or inference profile.
        request_body: The body of InvokeModel, as a mapping.
        max_retries: Retries after the first attempt.
        base_delay: Seconds before the first retry.
        client: A ``bedrock-runtime`` client; without one, one for the region ``BEDROCK_REGION`` is made and kept.

    Raises:
        botocore.exceptions.ClientError: The original exception: at once if it is no throttling, else the last one.
        MalformedResponseError: A success without text, or without JSON. It is not retried.
        ClientConfigurationError: The client handed in retries by itself.
    """
    # The contract knows no cap.
    policy = RetryPolicy(max_retries, base_delay, max_delay=_LONGEST, jitter=AdditiveJitter(_JITTER))
    if client is None:
        client = _client(os.environ.get("BEDROCK_REGION") or None)
    else:
        check_client(client, policy=policy)
    return Retrier(policy, listeners=[LoggingListener(language="fr")]).call(_invoke, client, model_id, request_body)


def _client(region_name: str | None) -> Any:  # noqa: ANN401 - as above
    with _making:
        if region_name not in _clients:
            _clients[region_name] = bedrock_runtime_client(region_name)
        return _clients[region_name]


def _invoke(client: Any, model_id: str, request_body: Mapping[str, Any]) -> str:  # noqa: ANN401 - as above
    request = {"modelId": model_id, "body": json.dumps(dict(request_body))}
    answer = read_body(sent(client.invoke_model, request))
    content: object = answer.get("content")
    blocks = cast("list[object]", content) if isinstance(content, list) else []
    texts = [text for text in (dig(block, "text") for block in blocks) if isinstance(text, str)]
    if not texts:
        raise MalformedResponseError("the answer has no text", answer)
    return "".join(texts)
