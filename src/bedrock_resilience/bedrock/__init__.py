"""Bedrock: clients with one retry layer, and calls whose every answer is checked.

Nothing here imports boto3 or botocore before a client is made.
"""

from __future__ import annotations

from bedrock_resilience._errors import (
    ClientConfigurationError,
    IncompleteResponseError,
    MalformedResponseError,
    StreamInterruptedError,
)
from bedrock_resilience.bedrock._client import bedrock_runtime_client, check_client
from bedrock_resilience.bedrock._request_tokens import request_tokens
from bedrock_resilience.bedrock._responses import check_converse, check_invoke_model, converse, invoke_model
from bedrock_resilience.bedrock._runtime import BedrockRuntime
from bedrock_resilience.bedrock._streams import CheckedStream, converse_stream, invoke_model_stream

__all__ = [
    "BedrockRuntime",
    "CheckedStream",
    "ClientConfigurationError",
    "IncompleteResponseError",
    "MalformedResponseError",
    "StreamInterruptedError",
    "bedrock_runtime_client",
    "check_client",
    "check_converse",
    "check_invoke_model",
    "converse",
    "converse_stream",
    "invoke_model",
    "invoke_model_stream",
    "request_tokens",
]
