"""The tokens that a request may use, read from the request itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, cast

from bedrock_resilience.quotas._tokens import TokenEstimator, burndown_rate
from bedrock_resilience.quotas._usage import RequestTokens

# The fields for the most output tokens: of Converse and Nova, Claude, Llama, Titan.
_MAX_TOKENS_PATHS: Final = (
    ("inferenceConfig", "maxTokens"),
    ("max_tokens",),
    ("max_gen_len",),
    ("textGenerationConfig", "maxTokenCount"),
)


def request_tokens(request: Mapping[str, Any], estimator: TokenEstimator | None = None) -> RequestTokens:
    """Return the tokens that a request may use, for the ``tokens`` of a retrier or an executor.

    Args:
        request: The parameters of Converse or InvokeModel; the ``modelId`` determines the burndown rate.
        estimator: Estimates the input tokens; None: a new one. A report needs no estimate.
    """
    estimated = (estimator or TokenEstimator()).estimate(request)
    return RequestTokens(estimated, _max_tokens(request), burndown_rate(str(request.get("modelId", ""))))


def _max_tokens(request: Mapping[str, Any]) -> int | None:
    fields = _body(request)
    for path in _MAX_TOKENS_PATHS:
        given: object = fields
        for key in path:
            given = cast("Mapping[str, object]", given).get(key) if isinstance(given, Mapping) else None
        if isinstance(given, int) and not isinstance(given, bool) and given > 0:  # Bedrock refuses any other
            return given
    return None


def _body(request: Mapping[str, Any]) -> Mapping[str, Any]:
    body: object = request.get("body", request)
    if isinstance(body, (str, bytes, bytearray)):
        try:
            body = json.loads(body)
        except (ValueError, RecursionError):
            return {}
    return cast("Mapping[str, Any]", body) if isinstance(body, Mapping) else {}
