"""``bedrock-resilience failures``: every way to fail, provoked on the emulator, and whether it was met rightly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.measure import Measurement
from rich.table import Table

from bedrock_resilience.cli._output import console, print_json, refuse

if TYPE_CHECKING:
    from bedrock_resilience.emulator.conformance import Row

_MEANINGS = ("retry", "slow", "end run")
_COLUMNS = ("failure", "call", "boto3 raises", "fault", *_MEANINGS, "attempts", "requests", "of a run")
_NUMBERS = frozenset({"attempts", "requests", "of a run"})
_WIDEST = 1_000


def failures(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Provoke every failure of Bedrock on the emulator, with the boto3 that is installed, and show how it is met.

    Attempts are those of a policy with three retries and retry_on=transient; requests are those that the emulator
    counted, for one call and for a run of 8 items on 4 workers. The exit code is 1 if a row is wrong.
    """
    rows, version = _run()
    if as_json:
        print_json({"boto3": version, "rows": [row.to_dict() for row in rows]})
    else:
        _show(rows, version)
    if not all(row.right for row in rows):
        raise typer.Exit(1)


def _run() -> tuple[list[Row], str]:
    try:
        import boto3  # noqa: PLC0415 - the extra [aws], which the other commands do without
    except ModuleNotFoundError:
        refuse("the failures are those of boto3: pip install 'bedrock-resilience[aws,cli]'")
    from bedrock_resilience.emulator.conformance import run_failures_table  # noqa: PLC0415 - as above

    return run_failures_table(), boto3.__version__


def _show(rows: list[Row], version: str) -> None:
    right = sum(row.right for row in rows)
    title = f"boto3 {version}: {right} of {len(rows)} rows right"
    table = Table(title=title, title_justify="left")
    for column in _COLUMNS:
        table.add_column(column, justify="right" if column in _NUMBERS else "left")
    for row in rows:
        table.add_row(*_cells(row), style=None if row.right else "bold red")
    out = console()
    width = Measurement.get(out, out.options.update(max_width=_WIDEST), table).maximum
    if not out.is_terminal:  # a file, or another program, which want a line a row
        out.width = width
    if out.width >= width:
        out.print(table)
    else:
        typer.echo("\n".join([title, *map(_told, rows)]))
    for row in rows:
        if not row.right:
            typer.echo(f"WRONG  {row.case.name} ({row.case.call}): {'; '.join(row.wrong)}")


def _told(row: Row) -> str:
    """A row for a screen that the table does not fit on."""
    _, _, boto3, fault, *meanings, attempts, requests, run_requests = _cells(row)
    meant = [name for name, yes in zip(_MEANINGS, meanings, strict=True) if yes]
    return (
        f"{row.case.name} ({row.case.call})\n"
        f"    {boto3} -> {', '.join([fault, *meant])}\n"
        f"    attempts {attempts}, requests {requests}, of a run {run_requests}"
    )


def _cells(row: Row) -> list[str]:
    fault = row.fault
    meaning = (False, False, False) if fault is None else (fault.retryable, fault.backpressure, fault.fatal)
    return [
        row.case.name,
        row.case.call,
        row.boto3,
        "none" if fault is None else fault.value,
        *("yes" if meant else "" for meant in meaning),
        str(row.attempts),
        str(row.requests),
        str(row.run_requests),
    ]
