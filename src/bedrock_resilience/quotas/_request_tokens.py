"""The tokens that a request may use, read from the request itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, cast

from bedrock_resilience._checks import instance, refuse
from bedrock_resilience.quotas._models import max_output_tokens
from bedrock_resilience.quotas._tokens import TokenEstimator, burndown_rate
from bedrock_resilience.quotas._usage import RequestTokens

# The fields of requests that limit the output tokens, by family of models (AWS, "Inference request parameters and
# response fields for foundation models").
_MAX_TOKENS_PATHS: Final = (
    ("inferenceConfig", "maxTokens"),  # Converse, Nova
    ("inferenceConfig", "max_new_tokens"),  # Nova, in older requests
    ("max_tokens",),  # Claude, Mistral AI, Cohere, Jamba, DeepSeek, Qwen
    ("max_completion_tokens",),  # OpenAI, and others that follow it
    ("max_output_tokens",),  # OpenAI's Responses API
    ("max_tokens_to_sample",),  # Claude 2
    ("max_gen_len",),  # Llama
    ("textGenerationConfig", "maxTokenCount"),  # Titan
)


def request_tokens(request: Mapping[str, Any], estimator: TokenEstimator | None = None) -> RequestTokens:
    """Return the tokens that a request may use, for the ``tokens`` of a retrier or an executor.

    Args:
        request: The parameters of Converse or InvokeModel; the ``modelId`` determines the burndown rate, and
            what a request without ``max_tokens`` reserves. The ARN of an application inference profile names no model:
            give the id of the model in its place.
        estimator: Estimates the input tokens; None: a new one. A report needs no estimate.

    Raises:
        TypeError: ``request`` is not a mapping.
    """
    accepted = "the parameters of Converse or InvokeModel, as a dict"
    refuse("request_tokens", instance("request", request, Mapping, accepted))
    estimated = (estimator or TokenEstimator()).estimate(request)
    model = str(request.get("modelId"))
    return RequestTokens(estimated, _max_tokens(request), burndown_rate(model), max_output_tokens(model))


def _max_tokens(request: Mapping[str, Any]) -> int | None:
    fields = _body(request)
    given = [_at(fields, path) for path in _MAX_TOKENS_PATHS]
    # Bedrock refuses a number that is not positive.
    numbers = [value for value in given if isinstance(value, int) and not isinstance(value, bool) and value > 0]
    return max(numbers, default=None)


def _at(value: object, path: tuple[str, ...]) -> object:
    for key in path:
        value = cast("Mapping[str, object]", value).get(key) if isinstance(value, Mapping) else None
    return value


def _body(request: Mapping[str, Any]) -> Mapping[str, Any]:
    body: object = request.get("body", request)
    if isinstance(body, (str, bytes, bytearray)):
        try:
            body = json.loads(body)
        except (ValueError, RecursionError):
            return {}
    return cast("Mapping[str, Any]", body) if isinstance(body, Mapping) else {}
