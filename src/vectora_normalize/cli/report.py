"""``vectora-normalize report``: retry rate, failure rate and advice, from logs and run reports."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vectora_normalize.operations.report import Assessment, LogLine, RunNumbers

_OVER_A_LIMIT: Final = 1
_NOTHING_TO_ASSESS: Final = 2
_STDIN: Final = Path("-")


def report(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE]...", help="Logs, exports or run reports; - or no file for standard input."),
    ] = None,
    simulate: Annotated[  # noqa: FBT002 - a flag
        bool, typer.Option("--simulate", help="Simulate the effect of the advice, run by run.")
    ] = False,
    rpm: Annotated[
        float | None, typer.Option("--rpm", help="With --simulate: the quota in requests per minute, if known.")
    ] = None,
    instances: Annotated[int, typer.Option(min=1, help="With --simulate: runs that shared the quota.")] = 1,
    offset: Annotated[float, typer.Option(min=0, help="With --simulate: seconds between their starts.")] = 60.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON, and nothing else.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Compute the retry rate and the final failure rate, and compare them with the limits of the alarms.

    Reads log files, output of `aws logs tail` and `aws logs filter-log-events`, exports of the CloudWatch console or to
    S3, and run-*.json of the data bucket, in any combination. A run that appears twice counts once.

    The rules are those of the alarms: 20 % retries, 5 % failures of the requested items, 4 minutes. Exit code: 0 if all
    runs are within the limits. 1 if a run exceeds one, ended without a result, left items unstarted, kept nothing, or
    has a source that fails run after run. 2 if there is nothing to assess.
    """
    from vectora_normalize.operations.report import assess, find_runs  # noqa: PLC0415 - not for --help

    runs = find_runs(_read(files or [_STDIN]))
    if not runs:
        typer.echo("error: the input has no run; docs/lambda/operate.md shows how to get logs", err=True)
        raise typer.Exit(_NOTHING_TO_ASSESS)
    assessment = assess(runs)
    effects = _effects(runs, rpm, instances, offset) if simulate else []
    if as_json:
        typer.echo(json.dumps(_as_json(runs, assessment) | ({"effects": effects} if simulate else {}), indent=2))
    else:
        _show(runs, assessment, effects)
    raise typer.Exit(_OVER_A_LIMIT if assessment.breaches else 0 if _is_known(assessment) else _NOTHING_TO_ASSESS)


def _is_known(assessment: Assessment) -> bool:
    return None not in {assessment.retry_rate, assessment.failure_rate}


def _read(files: Sequence[Path]) -> Iterator[LogLine]:
    from vectora_normalize.operations.report import parse_lines  # noqa: PLC0415 - as above

    for file in files:
        try:
            content = sys.stdin.buffer.read() if file == _STDIN else file.read_bytes()
        except OSError as error:
            typer.echo(f"error: {str(file)!r} cannot be read: {error.strerror}", err=True)
            raise typer.Exit(_NOTHING_TO_ASSESS) from None
        yield from parse_lines(content)


def _effects(runs: Sequence[RunNumbers], rpm: float | None, instances: int, offset: float) -> list[dict[str, object]]:
    """Return the advice on each run that sent requests, with its simulated effect."""
    from bedrock_resilience.simulation import advise, rebuild  # noqa: PLC0415 - as above

    try:
        return [
            {"request_id": run.request_id, **advice.to_dict()}
            for run in runs
            if run.stats is not None and run.stats.attempts and run.stats.submitted
            for advice in advise(run.stats, rebuild(run.stats, rpm=rpm, instances=instances, offset=offset))
        ]
    except ValueError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(_NOTHING_TO_ASSESS) from None


def _as_json(runs: Sequence[RunNumbers], assessment: Assessment) -> dict[str, object]:
    return {
        **dataclasses.asdict(assessment),
        "retry_rate": assessment.retry_rate,
        "failure_rate": assessment.failure_rate,
        "tokens": assessment.tokens and assessment.tokens.to_dict(),
        "within_limits": False if assessment.breaches else True if _is_known(assessment) else None,
        "each": [_run_as_json(run) for run in runs],
    }


def _run_as_json(run: RunNumbers) -> dict[str, object]:
    numbers = dataclasses.asdict(dataclasses.replace(run, stats=None))
    del numbers["stats"]  # it has the same numbers
    return {
        **numbers,
        "origin": run.origin.name.lower(),
        "tokens": run.tokens and run.tokens.to_dict(),
        "retry_rate": run.retry_rate,
        "failure_rate": run.failure_rate,
    }


def _show(runs: Sequence[RunNumbers], assessment: Assessment, effects: Sequence[dict[str, object]]) -> None:
    console = Console(highlight=False)
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("run", overflow="fold")
    for name in ("attempts", "retries", "%", "items", "failed", "%", "seconds"):
        table.add_column(name, justify="right")
    table.add_column("source", style="dim")
    for run in runs:
        table.add_row(
            Text(run.request_id or "(no id)", style="red" if run.timed_out or run.error_type else ""),
            *(_count(run.attempts), str(run.retries), _percent(run.retry_rate)),
            *(_count(run.asked), str(run.failed), _percent(run.failure_rate)),
            _seconds(run.seconds),
            run.origin.name.lower(),
        )
    console.print(table)
    console.print()
    for line in (*_lines(assessment), *map(_effect_line, effects)):
        console.print(line, markup=False, soft_wrap=True)


def _lines(assessment: Assessment) -> Iterator[str]:
    attempts, items = _count(assessment.attempts), _count(assessment.submitted)
    yield f"retry rate          {_percent(assessment.retry_rate)} % ({assessment.retries} of {attempts} attempts)"
    yield f"final failure rate  {_percent(assessment.failure_rate)} % ({assessment.failed} of {items} items)"
    yield f"longest run         {_seconds(assessment.longest_seconds)} s"
    tokens = assessment.tokens
    if tokens is not None and tokens.answers:
        share = _percent(tokens.unused_share)
        yield f"over-reserved       {share} % ({tokens.unused:.0f} of {tokens.reserved} tokens)"
    yield from (f"over the limit: {breach}" for breach in assessment.breaches)
    if not assessment.breaches:
        yield "within the limits" if _is_known(assessment) else "not assessed: attempts or items are unknown"
    yield from (f"to change: {line}" for line in assessment.advice)


def _effect_line(effect: dict[str, Any]) -> str:
    start = f"simulated: {effect['request_id'] or '(no id)'}: {effect['name']}: "
    before, after = effect["before"], effect["after"]
    if after is None:
        return start + "its effect is not simulated"
    return start + ", ".join(
        f"{heading} {before[name]['mean'] * scale:.{digits}f} -> {after[name]['mean'] * scale:.{digits}f} {unit}"
        for heading, name, scale, digits, unit in (
            ("throttled", "throttle_rate", 100, 1, "%"),
            ("failed", "failure_rate", 100, 1, "%"),
            ("duration", "makespan", 1, 0, "s"),
        )
    )


def _count(value: int | None) -> str:
    return "?" if value is None else str(value)


def _percent(rate: float | None) -> str:
    return "?" if rate is None else f"{100 * rate:.1f}"


def _seconds(seconds: float | None) -> str:
    return "?" if seconds is None else f"{seconds:.1f}"
