"""Amazon Bedrock: clients with one retry layer, and calls whose responses are checked.

boto3 and botocore are imported when a client is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bedrock_resilience._errors import (
    ClientConfigurationError,
    IncompleteResponseError,
    MalformedResponseError,
    StreamInterruptedError,
)
from bedrock_resilience._lazy import lazy_attributes
from bedrock_resilience.bedrock._client import (
    DEFAULT_CONNECT_TIMEOUT,
    DEFAULT_READ_TIMEOUT,
    bedrock_runtime_client,
    check_client,
)
from bedrock_resilience.bedrock._responses import check_converse, check_invoke_model, converse, invoke_model
from bedrock_resilience.quotas import request_tokens

if TYPE_CHECKING:
    from collections.abc import Callable

    from bedrock_resilience.bedrock._async_runtime import AsyncBedrockRuntime
    from bedrock_resilience.bedrock._runtime import BedrockRuntime
    from bedrock_resilience.bedrock._streams import CheckedStream, converse_stream, invoke_model_stream

__all__ = [
    "DEFAULT_CONNECT_TIMEOUT",
    "DEFAULT_READ_TIMEOUT",
    "AsyncBedrockRuntime",
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

# A program uses one of these at most, and a Lambda pays for each module at every cold start.
_LAZY = {
    "AsyncBedrockRuntime": "_async_runtime",
    "BedrockRuntime": "_runtime",
    "CheckedStream": "_streams",
    "converse_stream": "_streams",
    "invoke_model_stream": "_streams",
}

__getattr__: Callable[[str], object] = lazy_attributes(__name__, _LAZY)


def __dir__() -> list[str]:
    return __all__
