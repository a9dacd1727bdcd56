"""What a request needs of a token quota, read off the request itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from bedrock_resilience._errors import MalformedResponseError
from bedrock_resilience.bedrock._responses import dig, parsed
from bedrock_resilience.quotas import RequestTokens, TokenEstimator, burndown_rate

# Where a request names the most tokens it may be answered with: Converse and Nova; Claude; Llama; Titan.
_MAX_TOKENS: Final = (
    ("inferenceConfig", "maxTokens"),
    ("max_tokens",),
    ("max_gen_len",),
    ("textGenerationConfig", "maxTokenCount"),
)


def request_tokens(request: Mapping[str, Any], estimator: TokenEstimator | None = None) -> RequestTokens:
    """What a request to Converse or InvokeModel may use, for the ``tokens`` of a retrier or an executor.

    Args:
        request: The parameters of the operation; its ``modelId`` decides on the burndown.
        estimator: Estimates the input; None: one that has learnt nothing yet. A report needs no estimate.
    """
    estimated = (estimator or TokenEstimator()).estimate(request)
    return RequestTokens(estimated, _max_tokens(request), burndown_rate(str(request.get("modelId", ""))))


def _max_tokens(request: Mapping[str, Any]) -> int | None:
    fields = _body(request)
    for path in _MAX_TOKENS:
        given = dig(fields, *path)
        if isinstance(given, int) and not isinstance(given, bool) and given > 0:  # Bedrock refuses any other
            return given
    return None


def _body(request: Mapping[str, Any]) -> Mapping[str, Any]:
    body: object = request.get("body", request)
    if isinstance(body, (str, bytes, bytearray)):
        try:
            return parsed(bytes(body) if isinstance(body, bytearray) else body)
        except MalformedResponseError:
            return {}
    return cast("Mapping[str, Any]", body) if isinstance(body, Mapping) else {}
