"""What a person sees: a progress bar and log lines on standard error, tables on standard output."""

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
_MOST_FAILURES: Final = 5  # failed items that are named; the report has all of them
_LEFT_OUT: Final = {
    "outside_window": "outside the window",
    "undated": "undated",
    "duplicate": "already seen",
    "too_short": "too short",
    "excluded": "excluded",
    "invalid": "without text",
}


class _ConsoleHandler(logging.Handler):
    """Writes each record as one line, above the progress bar where there is one."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self.setFormatter(logging.Formatter("%(levelname)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        # Soft wrap: a line of the log stays one line, however narrow the terminal, so that it can be counted.
        self._console.print(Text(self.format(record)), soft_wrap=True)


@contextlib.contextmanager
def logging_to(console: Console, level: int) -> Generator[None]:
    """Send what both packages log to a console, until the end of the block."""
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
    """A progress bar for a batch, gone at the end of the block; nothing where the console is no terminal."""
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[told]}"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    task = bar.add_task("reading sources", total=None, told="")

    def show(batch: BatchProgress) -> None:
        told = ", ".join(f"{count} {name}" for name, count in _noteworthy(batch) if count)
        bar.update(task, description="normalising", total=batch.total, completed=batch.done, told=told)

    with bar:
        yield show


def _noteworthy(batch: BatchProgress) -> Sequence[tuple[str, int]]:
    return (("throttled", batch.throttles), ("failed", batch.failed), ("not started", batch.unstarted))


def sources_table(report: Mapping[str, Any]) -> Table:
    """One row a source: what it held, and what became of it."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("source", overflow="fold")
    for name in ("found", "kept"):
        table.add_column(name, justify="right")
    table.add_column("left out, and why", overflow="fold", style="dim")
    for source in report["sources"]:
        counts = source["counts"]
        left_out = ", ".join(f"{counts[name]} {words}" for name, words in _LEFT_OUT.items() if counts.get(name))
        told = "; ".join(filter(None, [source["message"], left_out, *source["problems"]]))
        style = "red" if source["failure"] else ""
        table.add_row(Text(source["source_key"], style=style), str(counts["found"]), str(counts["kept"]), Text(told))
    return table


def summary_table(summary: RunSummary) -> Table:
    """The run in numbers."""
    bedrock, sources, work = (summary.report[name] for name in ("bedrock", "sources", "work"))
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", min_width=14)
    table.add_column(overflow="fold")
    rows = {
        "sources": _with_parts(len(sources), {"failed": sum(1 for source in sources if source["failure"])}),
        "items ingested": _with_parts(summary.items_ingested, {"left by earlier runs": work["resumed"]}),
        "normalised": _with_parts(
            summary.items_normalized, {"answered before": work["reused"], "answered by another run": work["joined"]}
        ),
        "failed": _with_parts(bedrock["failed"], bedrock["faults"]),
        "not started": f"{bedrock['unstarted']} ({bedrock['stopped']})" if bedrock["unstarted"] else "",
        "attempts": f"{bedrock['attempts']}",
        "throttles": f"{bedrock['throttles']}",
        "retry rate": f"{summary.counts['RetryRate']:.1f} %",
        "seconds": f"{summary.seconds:.1f}",
    }
    for name, value in rows.items():
        if value:
            table.add_row(name, Text(value))
    return table


def _with_parts(total: int, parts: Mapping[str, int]) -> str:
    told = ", ".join(f"{count} {name}" for name, count in parts.items() if count)
    return f"{total} ({told})" if told else f"{total}"


def failures(report: Mapping[str, Any]) -> list[str]:
    """One line for each of the first items that failed, and one for how many more there are."""
    failed = [item for item in report["items"] if item["status"] == "failed"]
    shown = [f"- {item['title']}: {item['fault'] or item['error']}" for item in failed[:_MOST_FAILURES]]
    more = len(failed) - len(shown)
    return [*shown, f"- and {more} more; the report has all of them"] if more > 0 else shown
