"""The retry wrapper and the two log lines of the ingest-normalize contract."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from threading import Lock
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from bedrock_resilience import (
    AdditiveJitter,
    IncompleteResponseError,
    MalformedResponseError,
    Retrier,
    RetryPolicy,
    bedrock_runtime_client,
)
from bedrock_resilience.bedrock import check_client, invoke_model
from bedrock_resilience.telemetry import LoggingListener

if TYPE_CHECKING:
    from collections.abc import Iterator

_JITTER_SECONDS: Final = 0.1  # the contract's
_MAX_DELAY_SECONDS: Final = 3600.0  # the contract has no cap; this is the most that a policy accepts

_logger = logging.getLogger(__name__)

# One client a region, kept for the life of the process: a new one costs a new TLS connection.
_clients: dict[str | None, Any] = {}
_clients_lock = Lock()


class ContractLoggingListener(LoggingListener):
    """Logs retries and abandoned calls in the two French lines that the deployed CloudWatch filters match."""

    __slots__ = ()

    retry_format: ClassVar[str] = "%s détectée (tentative %d/%d). Retry dans %.2fs..."
    abandoned_format: ClassVar[str] = "%s - Échec après %d tentatives. Abandon de l'appel Bedrock."


def call_bedrock_with_retry(
    model_id: str,
    request_body: Mapping[str, Any],
    max_retries: int = 3,
    base_delay: float = 0.5,
    *,
    client: Any = None,  # noqa: ANN401 - boto3 makes the client's class at run time
) -> str:
    """Invoke a Claude model and return the text of its response; retry while Bedrock throttles.

    The delay before retry ``n``, counted from 0, is ``base_delay * 2**n`` plus up to 0.1 s of random jitter.
    ``ContractLoggingListener`` logs retries and abandoned calls.

    Args:
        model_id: A model id or inference profile.
        request_body: The body of InvokeModel.
        max_retries: Retries after the first attempt.
        base_delay: Seconds before the first retry.
        client: A ``bedrock-runtime`` client; None: one for the region ``BEDROCK_REGION``, made once and kept.

    Raises:
        botocore.exceptions.ClientError: The original exception: at once if it is no throttling, else the last one.
        MalformedResponseError: A success without text, or without JSON. It is not retried.
        ClientConfigurationError: The given client retries by itself.
        TypeError: ``max_retries`` or ``base_delay`` has the wrong type.
        ValueError: ``max_retries`` or ``base_delay`` is out of range.
    """
    policy = RetryPolicy(max_retries, base_delay, max_delay=_MAX_DELAY_SECONDS, jitter=AdditiveJitter(_JITTER_SECONDS))
    if client is None:
        client = _client_for(os.environ.get("BEDROCK_REGION") or None)
    else:
        check_client(client, policy=policy)
    retrier = Retrier(policy, listeners=[ContractLoggingListener(_logger)])
    return retrier.call(_invoke, client, model_id, request_body)


def _client_for(region_name: str | None) -> Any:  # noqa: ANN401 - as above
    with _clients_lock:
        if region_name not in _clients:
            _clients[region_name] = bedrock_runtime_client(region_name)
        return _clients[region_name]


def _invoke(client: Any, model_id: str, request_body: Mapping[str, Any]) -> str:  # noqa: ANN401 - as above
    try:
        body: object = invoke_model(client, modelId=model_id, body=json.dumps(dict(request_body)))
    except IncompleteResponseError as error:
        body = error.body  # the contract has a text that was cut at max_tokens returned as it is
    texts = list(_texts(body))
    if not texts:
        raise MalformedResponseError("the response has no text", body)
    return "".join(texts)


def _texts(body: object) -> Iterator[str]:
    content = cast("Mapping[str, object]", body).get("content") if isinstance(body, Mapping) else None
    for block in cast("list[object]", content) if isinstance(content, list) else []:
        text = cast("Mapping[str, object]", block).get("text") if isinstance(block, Mapping) else None
        if isinstance(text, str):
            yield text
