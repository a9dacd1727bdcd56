"""Quotas as data, the ways in which a service may enforce them, and how Bedrock counts tokens against them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bedrock_resilience._lazy import lazy_attributes

if TYPE_CHECKING:
    from collections.abc import Callable

    from bedrock_resilience.quotas._limiters import TokenBucket
    from bedrock_resilience.quotas._models import MODEL_MAX_TOKENS, max_output_tokens, model_name
    from bedrock_resilience.quotas._quota import Quota
    from bedrock_resilience.quotas._quota_ledger import QuotaAdmission, QuotaLedger
    from bedrock_resilience.quotas._quota_limit import Limit
    from bedrock_resilience.quotas._readings import READINGS, OtherTenants, QuotaReading, quota_reading
    from bedrock_resilience.quotas._request_tokens import request_tokens
    from bedrock_resilience.quotas._service_quotas import ServiceQuota, ServiceQuotas
    from bedrock_resilience.quotas._tables import BURNDOWN_RATES, MAX_OUTPUT_TOKENS, BurndownRate, MaxOutputTokens
    from bedrock_resilience.quotas._tokens import (
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
    "READINGS",
    "BurndownRate",
    "Limit",
    "MaxOutputTokens",
    "OtherTenants",
    "Quota",
    "QuotaAdmission",
    "QuotaLedger",
    "QuotaReading",
    "RequestTokens",
    "ServiceQuota",
    "ServiceQuotas",
    "TokenBucket",
    "TokenEstimator",
    "TokenUsage",
    "Usage",
    "burndown_rate",
    "max_output_tokens",
    "model_name",
    "quota_reading",
    "request_tokens",
    "reserved_tokens",
    "settled_tokens",
    "usage_from",
]

# A call that counts its tokens does not pay for the quota and its locks at a cold start.
_LAZY = {
    "BURNDOWN_RATES": "_tables",
    "MAX_OUTPUT_TOKENS": "_tables",
    "MODEL_MAX_TOKENS": "_models",
    "READINGS": "_readings",
    "BurndownRate": "_tables",
    "Limit": "_quota_limit",
    "MaxOutputTokens": "_tables",
    "OtherTenants": "_readings",
    "Quota": "_quota",
    "QuotaAdmission": "_quota_ledger",
    "QuotaLedger": "_quota_ledger",
    "QuotaReading": "_readings",
    "RequestTokens": "_usage",
    "ServiceQuota": "_service_quotas",
    "ServiceQuotas": "_service_quotas",
    "TokenBucket": "_limiters",
    "TokenEstimator": "_tokens",
    "TokenUsage": "_usage",
    "Usage": "_tokens",
    "burndown_rate": "_tokens",
    "max_output_tokens": "_models",
    "model_name": "_models",
    "quota_reading": "_readings",
    "request_tokens": "_request_tokens",
    "reserved_tokens": "_tokens",
    "settled_tokens": "_tokens",
    "usage_from": "_tokens",
}

__getattr__: Callable[[str], object] = lazy_attributes(__name__, _LAZY)


def __dir__() -> list[str]:
    return __all__
