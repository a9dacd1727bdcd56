"""Many items, few workers, one report."""

from __future__ import annotations

from bedrock_resilience.batch._executor import BoundedExecutor
from bedrock_resilience.batch._report import BatchReport, ItemOutcome, Progress
from bedrock_resilience.batch._report_of import report_of
from bedrock_resilience.batch._streams import AsyncOutcomeStream, OutcomeStream

__all__ = [
    "AsyncOutcomeStream",
    "BatchReport",
    "BoundedExecutor",
    "ItemOutcome",
    "OutcomeStream",
    "Progress",
    "report_of",
]
