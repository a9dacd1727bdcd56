"""The tables of model families as public values, with their sources and dates.

What counts requests reads the rows themselves, in ``_models`` and ``_tokens``: to make these values takes a
process some milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

from bedrock_resilience.quotas._models import MAX_OUTPUT_ROWS
from bedrock_resilience.quotas._tokens import BURNDOWN_BY_FAMILY


@dataclass(frozen=True, slots=True)
class MaxOutputTokens:
    """The most output tokens of a response of a model family, if that is documented, and when it was read.

    A request without ``max_tokens`` reserves as many.
    """

    family: str
    tokens: int
    source: str
    as_of: date


MAX_OUTPUT_TOKENS: Final[tuple[MaxOutputTokens, ...]] = tuple(
    MaxOutputTokens(family, tokens, source, date(2026, 11, 28)) for family, tokens, source in MAX_OUTPUT_ROWS
)
"""The most output tokens by model family. The longest family that a model id contains applies."""


@dataclass(frozen=True, slots=True)
class BurndownRate:
    """How many tokens of quota one output token of a model family costs, and when that was read."""

    family: str
    rate: float
    as_of: date


BURNDOWN_RATES: Final[tuple[BurndownRate, ...]] = tuple(
    BurndownRate(family, rate, date(2026, 11, 21)) for family, rate in BURNDOWN_BY_FAMILY.items()
)
"""Burndown by model family: 5 from Claude 3.7 to 4.7, 10 for Sonnet 5 and Opus 5, 15 for Claude 4.8; every other
model 1.

From quotations of the AWS page "How tokens are counted". The rates apply to the quota only, not to billing. The longest
family that a model id contains wins, so ``claude-opus-4-8`` goes before ``claude-opus-4``.
"""
