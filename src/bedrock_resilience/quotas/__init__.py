"""Quotas as data, the token buckets that enforce them, and how Bedrock counts tokens against them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bedrock_resilience._lazy import lazy_attributes

if TYPE_CHECKING:
    from collections.abc import Callable

    from bedrock_resilience.quotas._models import (
        MAX_OUTPUT_TOKENS,
        MODEL_MAX_TOKENS,
        MaxOutputTokens,
        max_output_tokens,
        model_name,
    )
    from bedrock_resilience.quotas._quota import Limit, Quota, QuotaAdmission, QuotaLedger, TokenBucket
    from bedrock_resilience.quotas._request_tokens import request_tokens
    from bedrock_resilience.quotas._tokens import (
        BURNDOWN_RATES,
        BurndownRate,
        TokenEstimator,
        Usage,
        burndown_rate,
        reserved_tokens,
        settled_tokens,
        usage_from,
    )
    from bedrock_resilience.quotas._usage import RequestTokens, TokenUsage

__all__ = [
    "BURNDOWN_RATES",
    "MAX_OUTPUT_TOKENS",
    "MODEL_MAX_TOKENS",
    "BurndownRate",
    "Limit",
    "MaxOutputTokens",
    "Quota",
    "QuotaAdmission",
    "QuotaLedger",
    "RequestTokens",
    "TokenBucket",
    "TokenEstimator",
    "TokenUsage",
    "Usage",
    "burndown_rate",
    "max_output_tokens",
    "model_name",
    "request_tokens",
    "reserved_tokens",
    "settled_tokens",
    "usage_from",
]

# A call that counts its tokens does not pay for the quota and its locks at a cold start.
_LAZY = {
    "BURNDOWN_RATES": "_tokens",
    "MAX_OUTPUT_TOKENS": "_models",
    "MODEL_MAX_TOKENS": "_models",
    "BurndownRate": "_tokens",
    "Limit": "_quota",
    "MaxOutputTokens": "_models",
    "Quota": "_quota",
    "QuotaAdmission": "_quota",
    "QuotaLedger": "_quota",
    "RequestTokens": "_usage",
    "TokenBucket": "_quota",
    "TokenEstimator": "_tokens",
    "TokenUsage": "_usage",
    "Usage": "_tokens",
    "burndown_rate": "_tokens",
    "max_output_tokens": "_models",
    "model_name": "_models",
    "request_tokens": "_request_tokens",
    "reserved_tokens": "_tokens",
    "settled_tokens": "_tokens",
    "usage_from": "_tokens",
}

__getattr__: Callable[[str], object] = lazy_attributes(__name__, _LAZY)


def __dir__() -> list[str]:
    return __all__
