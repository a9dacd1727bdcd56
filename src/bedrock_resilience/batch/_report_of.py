"""The report that a run attaches to the exception that ends it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from bedrock_resilience.batch._errors import InputError

if TYPE_CHECKING:
    from bedrock_resilience.batch._ledger import Ledger
    from bedrock_resilience.batch._report import BatchReport

T = TypeVar("T")
R = TypeVar("R")


def report_of(error: BaseException | None) -> BatchReport[Any, Any] | None:
    """Return the report that a run attached to the exception it ended with, or to a cause of it; None without one.

    The report has every finished item of the run; that of a stream, those that were not yielded.

    Args:
        error: ``BatchInterrupted``, ``InputError``, a ``CancelledError``, the ``TimeoutError`` of
            ``asyncio.timeout``, the ``KeyboardInterrupt`` of ``asyncio.run``, or whatever left the ``with`` block of a
            stream.
    """
    visited: set[int] = set()
    while error is not None and id(error) not in visited:
        visited.add(id(error))
        report: BatchReport[Any, Any] | None = getattr(error, "report", None)
        if report is not None:
            return report
        error = error.__cause__ or error.__context__  # asyncio.run raises its own while it handles that of the run
    return None


def attach_report(error: BaseException, report: BatchReport[T, R]) -> None:
    """Let ``report_of`` find a report in an exception."""
    # An attribute, not an exception class of this library: before Python 3.13, asyncio.timeout and TaskGroup recognize
    # only CancelledError itself.
    error.report = report  # type: ignore[attr-defined]  # report_of reads it


def finish(ledger: Ledger[T, R], report: BatchReport[T, R]) -> BatchReport[T, R]:
    """Return the report of a run that has ended, or raise what ended it.

    Raises:
        InputError: The input raised an exception.
        BaseException: A part of the run, such as its classifier, raised an exception.
    """
    if ledger.worker_error is not None:
        attach_report(ledger.worker_error, report)
        raise ledger.worker_error
    if ledger.input_error is not None:
        raise InputError(report, ledger.progress().submitted) from ledger.input_error
    return report
