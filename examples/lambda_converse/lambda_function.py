"""A Lambda that summarizes texts with Converse, and answers before its timeout."""

from __future__ import annotations

import os
from typing import Any

from bedrock_resilience import (
    AdaptivePacer,
    BoundedExecutor,
    Deadline,
    LoggingListener,
    RetryPolicy,
    bedrock_runtime_client,
)
from bedrock_resilience.bedrock import converse
from bedrock_resilience.quotas import request_tokens

MODEL_ID = os.environ.get("MODEL_ID", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0")
WORKERS = int(os.environ.get("WORKERS", "4"))

# Made once for each instance of the function: the next invocation uses the same connections and the learned pace.
client = bedrock_runtime_client(workers=WORKERS, read_timeout=60)
pacer = AdaptivePacer()
policy = RetryPolicy.from_env()  # BEDROCK_MAX_RETRIES, BEDROCK_BASE_DELAY and so on
listener = LoggingListener()


def request_of(text: str) -> dict[str, Any]:
    """Return the parameters of Converse for a text."""
    return {
        "modelId": MODEL_ID,
        "system": [{"text": "Summarize the text in one sentence."}],
        "messages": [{"role": "user", "content": [{"text": text}]}],
        "inferenceConfig": {"maxTokens": 200},
    }


def summarize(text: str) -> str:
    """Send one request, and return the summary."""
    response = converse(client, **request_of(text))
    return response["output"]["message"]["content"][0]["text"]


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Summarize ``event["texts"]``.

    Returns:
        The summaries by the index of their text, the errors of those that failed, and the texts that were not started
        before the deadline, for the next invocation.
    """
    executor = BoundedExecutor(
        WORKERS,
        policy=policy,
        pacer=pacer,
        deadline=Deadline.from_lambda_context(context, margin=10.0, attempt=8.0),
        listeners=[listener],
        tokens=lambda text: request_tokens(request_of(text)),
    )
    report = executor.run(summarize, event["texts"])
    return {
        "summaries": {outcome.index: outcome.value for outcome in report.succeeded},
        "errors": {outcome.index: str(outcome.error) for outcome in report.failed},
        "remaining": [outcome.item for outcome in report.unstarted],
        "attempts": report.attempts,
        "throttles": report.throttles,
    }
