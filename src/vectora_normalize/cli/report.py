"""`vectora-normalize report`: the two rates of the contract, out of logs and run reports."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vectora_normalize.operations.report import Record, RunNumbers, Verdict

_OVER_A_LIMIT: Final = 1
_NOTHING_TO_JUDGE: Final = 2
_STDIN: Final = Path("-")


def report(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE]...", help="Logs, exports or run reports; - or none for standard input."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON, and nothing else.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Compute the retry rate and the final failure rate, and hold them against the limits of the alarms.

    Reads what is there: log files, output of `aws logs tail` and `aws logs filter-log-events`, exports of the
    CloudWatch console or to S3, run-*.json of the data bucket, in any mixture; a run that is told of twice counts once.

    Exit code: 0 where all is within the limits (20 % retries, 5 % failures, 4 minutes), 1 where a run is over one, came
    to nothing or left items unstarted, 2 where there is nothing to judge.
    """
    from vectora_normalize.operations.report import judge, runs  # noqa: PLC0415 - not for --help

    found = runs(_read(files or [_STDIN]))
    if not found:
        typer.echo("error: there is no run in what was given; see docs/operations.md for how to get logs", err=True)
        raise typer.Exit(_NOTHING_TO_JUDGE)
    verdict = judge(found)
    if as_json:
        typer.echo(json.dumps(_as_json(found, verdict), indent=2))
    else:
        _show(found, verdict)
    raise typer.Exit(_OVER_A_LIMIT if verdict.breaches else 0 if _is_known(verdict) else _NOTHING_TO_JUDGE)


def _is_known(verdict: Verdict) -> bool:
    return None not in {verdict.retry_rate, verdict.failure_rate}


def _read(files: Sequence[Path]) -> Iterator[Record]:
    from vectora_normalize.operations.report import records  # noqa: PLC0415 - as above

    for file in files:
        try:
            content = sys.stdin.buffer.read() if file == _STDIN else file.read_bytes()
        except OSError as error:
            typer.echo(f"error: {str(file)!r} cannot be read: {error.strerror}", err=True)
            raise typer.Exit(_NOTHING_TO_JUDGE) from None
        yield from records(content)


def _as_json(found: Sequence[RunNumbers], verdict: Verdict) -> dict[str, object]:
    rates = ("retry_rate", "failure_rate")
    return {
        **dataclasses.asdict(verdict),
        **{rate: getattr(verdict, rate) for rate in rates},
        "tokens": verdict.tokens and verdict.tokens.to_dict(),
        "within_limits": False if verdict.breaches else True if _is_known(verdict) else None,
        "each": [
            {
                **dataclasses.asdict(run),
                "origin": run.origin.name.lower(),
                "tokens": run.tokens and run.tokens.to_dict(),
                **{rate: getattr(run, rate) for rate in rates},
            }
            for run in found
        ],
    }


def _show(found: Sequence[RunNumbers], verdict: Verdict) -> None:
    console = Console(highlight=False)
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("run", overflow="fold")
    for name in ("attempts", "retries", "%", "items", "failed", "%", "seconds"):
        table.add_column(name, justify="right")
    table.add_column("told by", style="dim")
    for run in found:
        failed, retried = _percent(run.failure_rate), _percent(run.retry_rate)
        calls, items = (
            (_count(run.attempts), str(run.retries), retried),
            (_count(run.submitted), str(run.failed), failed),
        )
        shown = Text(run.request_id or "(no name)", style="red" if run.killed or run.refusal else "")
        table.add_row(shown, *calls, *items, _seconds(run.seconds), run.origin.name.lower())
    console.print(table)
    console.print()
    for line in _lines(verdict):
        console.print(line, markup=False, soft_wrap=True)


def _lines(verdict: Verdict) -> Iterator[str]:
    calls, items = _count(verdict.attempts), _count(verdict.submitted)
    yield f"retry rate          {_percent(verdict.retry_rate)} % ({verdict.retries} of {calls} attempts)"
    yield f"final failure rate  {_percent(verdict.failure_rate)} % ({verdict.failed} of {items} items)"
    yield f"longest run         {_seconds(verdict.longest)} s"
    tokens = verdict.tokens
    if tokens is not None and tokens.answers:
        share = _percent(tokens.unused_share)
        yield f"reserved in vain    {share} % ({tokens.unused:.0f} of {tokens.reserved} tokens)"
    yield from (f"over the limit: {breach}" for breach in verdict.breaches)
    if not verdict.breaches:
        yield "within the limits" if _is_known(verdict) else "not assessed: attempts or items are unknown"
    yield from (f"to change: {line}" for line in verdict.advice)


def _count(value: int | None) -> str:
    return "?" if value is None else str(value)


def _percent(rate: float | None) -> str:
    return "?" if rate is None else f"{100 * rate:.1f}"


def _seconds(seconds: float | None) -> str:
    return "?" if seconds is None else f"{seconds:.1f}"
