"""Output for people: a progress bar and log lines on standard error, tables on standard output."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any, Final

from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from rich.console import Console

    from bedrock_resilience import Progress as BatchProgress
    from vectora_normalize.pipeline.summary import RunSummary

_LOGGERS: Final = ("vectora_normalize", "bedrock_resilience")
_MAX_FAILURES: Final = 5  # failed items that are listed; the report has all of them
_LEFT_OUT: Final = {
    "outside_window": "outside the window",
    "undated": "undated",
    "duplicate": "duplicate",
    "too_short": "too short",
    "excluded": "excluded",
    "invalid": "without text",
}


class _ConsoleHandler(logging.Handler):
    """Writes each record as one line, above the progress bar if there is one."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self.setFormatter(logging.Formatter("%(levelname)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        # Soft wrap: a log line stays one line on a narrow terminal, so that lines can be counted.
        self._console.print(Text(self.format(record)), soft_wrap=True)


@contextlib.contextmanager
def logging_to(console: Console, level: int) -> Generator[None]:
    """Write the log lines of both packages to a console, until the end of the block."""
    handler = _ConsoleHandler(console)
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [(logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(level)
        logger.propagate = False
    try:
        yield
    finally:
        for logger, (old_level, propagate) in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(old_level)
            logger.propagate = propagate


@contextlib.contextmanager
def progress_on(console: Console) -> Generator[Callable[[BatchProgress], None]]:
    """Show the progress of a batch until the end of the block; show nothing if the console is not a terminal."""
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[remarks]}"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    task = bar.add_task("reading sources", total=None, remarks="")

    def show(batch: BatchProgress) -> None:
        remarks = ", ".join(f"{count} {name}" for name, count in _problems(batch) if count)
        bar.update(task, description="normalising", total=batch.total, completed=batch.done, remarks=remarks)

    with bar:
        yield show


def _problems(batch: BatchProgress) -> Sequence[tuple[str, int]]:
    return (("throttled", batch.throttles), ("failed", batch.failed), ("not started", batch.unstarted))


def sources_table(report: Mapping[str, Any]) -> Table:
    """Return a table with one row for each source: its entries, those kept and those left out."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("source", overflow="fold")
    for name in ("entries", "kept"):
        table.add_column(name, justify="right")
    table.add_column("left out, and why", overflow="fold", style="dim")
    for source in report["sources"]:
        counts = source["counts"]
        left_out = ", ".join(f"{counts[name]} {words}" for name, words in _LEFT_OUT.items() if counts.get(name))
        remarks = "; ".join(filter(None, [source["message"], left_out, *source["problems"]]))
        style = "red" if source["failure"] else ""
        table.add_row(
            Text(source["source_key"], style=style), str(counts["entries"]), str(counts["kept"]), Text(remarks)
        )
    return table


def summary_table(summary: RunSummary) -> Table:
    """Return a table with the numbers of the run."""
    bedrock, sources, work, warnings = (summary.report[name] for name in ("bedrock", "sources", "work", "warnings"))
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", min_width=14)
    table.add_column(overflow="fold")
    rows = {
        "sources": _with_parts(len(sources), {"failed": sum(1 for source in sources if source["failure"])}),
        "items ingested": _with_parts(summary.items_ingested, {"left by earlier runs": work["resumed"]}),
        "normalized": _with_parts(
            summary.items_normalized, {"answered before": work["reused"], "answered by another run": work["joined"]}
        ),
        "failed": _with_parts(bedrock["failed"], bedrock["faults"]),
        "not started": f"{bedrock['unstarted']} ({bedrock['stopped']})" if bedrock["unstarted"] else "",
        "attempts": f"{bedrock['attempts']}",
        "throttles": f"{bedrock['throttles']}",
        "retry rate": f"{100 * bedrock['retry_rate']:.1f} %",
        "seconds": f"{summary.seconds:.1f}",
        "warnings": f"{len(warnings)} about the configuration; the report has them" if warnings else "",
    }
    for name, value in rows.items():
        if value:
            table.add_row(name, Text(value))
    return table


def _with_parts(total: int, parts: Mapping[str, int]) -> str:
    listed = ", ".join(f"{count} {name}" for name, count in parts.items() if count)
    return f"{total} ({listed})" if listed else f"{total}"


def failures(report: Mapping[str, Any]) -> list[str]:
    """Return one line for each of the first failed items, and one with the number of the others."""
    failed = [item for item in report["items"] if item["status"] == "failed"]
    shown = [f"- {item['title']}: {item['fault'] or item['error']}" for item in failed[:_MAX_FAILURES]]
    more = len(failed) - len(shown)
    return [*shown, f"- and {more} more; the report has all of them"] if more > 0 else shown
