"""Many items, few workers, one report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bedrock_resilience._lazy import lazy_attributes
from bedrock_resilience.batch._executor import BoundedExecutor
from bedrock_resilience.batch._progress import Progress
from bedrock_resilience.batch._report import BatchReport, ItemOutcome
from bedrock_resilience.batch._report_of import report_of

if TYPE_CHECKING:
    from collections.abc import Callable

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

# A batch whose report is read at its end needs none of these.
_LAZY = {"AsyncOutcomeStream": "_streams", "OutcomeStream": "_streams"}

__getattr__: Callable[[str], object] = lazy_attributes(__name__, _LAZY)


def __dir__() -> list[str]:
    return __all__
