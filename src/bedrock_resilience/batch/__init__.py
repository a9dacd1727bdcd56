"""Many items, few workers, one report."""

from __future__ import annotations

from bedrock_resilience.batch._executor import BoundedExecutor, report_of
from bedrock_resilience.batch._report import BatchReport, ItemOutcome, Progress

__all__ = ["BatchReport", "BoundedExecutor", "ItemOutcome", "Progress", "report_of"]
