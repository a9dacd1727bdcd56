"""Bedrock: clients with one retry layer, and calls whose every answer is checked.

Nothing here imports boto3 or botocore before a client is made.
"""

from __future__ import annotations

from bedrock_resilience.bedrock.answers import (
    IncompleteAnswer,
    MalformedAnswer,
    check_converse,
    check_invoke_model,
    converse,
    invoke_model,
)
from bedrock_resilience.bedrock.client import ClientMisconfigured, bedrock_runtime_client, check_client
from bedrock_resilience.bedrock.dropin import call_bedrock_with_retry
from bedrock_resilience.bedrock.needs import request_tokens
from bedrock_resilience.bedrock.runtime import BedrockRuntime
from bedrock_resilience.bedrock.streams import (
    CheckedStream,
    StreamInterrupted,
    converse_stream,
    invoke_model_stream,
)

__all__ = [
    "BedrockRuntime",
    "CheckedStream",
    "ClientMisconfigured",
    "IncompleteAnswer",
    "MalformedAnswer",
    "StreamInterrupted",
    "bedrock_runtime_client",
    "call_bedrock_with_retry",
    "check_client",
    "check_converse",
    "check_invoke_model",
    "converse",
    "converse_stream",
    "invoke_model",
    "invoke_model_stream",
    "request_tokens",
]
