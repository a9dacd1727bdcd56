"""The exceptions that carry the report of a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from bedrock_resilience.batch._report import BatchReport


class BatchInterrupted(KeyboardInterrupt):
    """Ctrl-C stopped a batch. All workers have ended.

    Attributes:
        report: The outcomes of all finished items.
    """

    def __init__(self, report: BatchReport[Any, Any]) -> None:
        super().__init__(report)
        self.report: BatchReport[Any, Any] = report

    def __str__(self) -> str:
        return f"{len(self.report.succeeded)} of {self.report.submitted} items had succeeded"


class InputError(Exception):
    """The input of a batch raised an exception, which is ``__cause__``, instead of its next item.

    Attributes:
        report: The outcomes of all finished items.
        items_read: Items that the input had yielded before.
    """

    def __init__(self, report: BatchReport[Any, Any], items_read: int) -> None:
        super().__init__(report, items_read)
        self.report: BatchReport[Any, Any] = report
        self.items_read: int = items_read

    def __str__(self) -> str:
        return f"the input failed after {self.items_read} items"
