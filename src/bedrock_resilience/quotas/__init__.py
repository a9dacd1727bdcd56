"""Quotas as data, and how Bedrock counts tokens against them."""

from __future__ import annotations

from bedrock_resilience.quotas._quota import Quota
from bedrock_resilience.quotas._tokens import Usage
from bedrock_resilience.quotas._usage import RequestTokens, TokenUsage

__all__ = ["Quota", "RequestTokens", "TokenUsage", "Usage"]
