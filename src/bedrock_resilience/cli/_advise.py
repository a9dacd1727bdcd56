"""``bedrock-resilience advise``: which tuning scenario applies to a run, and what it would do."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - Typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from bedrock_resilience.cli._output import console, print_json, refuse
from bedrock_resilience.simulation._advice import Advice, rebuild
from bedrock_resilience.simulation._advice import advise as find_advice
from bedrock_resilience.simulation._run_stats import read_run_stats

if TYPE_CHECKING:
    from bedrock_resilience.simulation._trials import TrialResult


def advise(  # noqa: PLR0913, PLR0917 - one argument an option
    file: Annotated[Path, typer.Argument(help="A run report (run-*.json), a BatchReport as JSON, or a log.")],
    rpm: Annotated[float | None, typer.Option("--rpm", help="The request quota, where it is known.")] = None,
    instances: Annotated[int, typer.Option(min=1, help="Runs that shared the quota.")] = 1,
    offset: Annotated[float, typer.Option(min=0, help="Seconds between their starts.")] = 60.0,
    items: Annotated[int | None, typer.Option(min=1, help="Items of the run, where the log does not tell.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Workers of the run.")] = None,
    latency: Annotated[float | None, typer.Option(min=0, help="Seconds of one answer.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="max_tokens of the requests.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Name the changes that apply to a run: workers, retries, delays, a pacer, max_tokens.

    Each comes with the environment variables that make it, and with its effect, simulated.
    """
    given = {"submitted": items, "workers": workers, "latency": latency, "max_tokens": max_tokens}
    known = {name: value for name, value in given.items() if value is not None}
    try:
        seen = read_run_stats(file.read_text(encoding="utf-8", errors="replace"), **known)
        scenario = rebuild(seen, rpm=rpm, instances=instances, offset=offset)
    except OSError as problem:
        refuse(f"file: got {str(file)!r}; accepted: a file that can be read ({problem.strerror})")
    except (TypeError, ValueError) as problem:
        refuse(f"{file}: {problem}")
    found = find_advice(seen, scenario)
    if as_json:
        print_json([advice.to_dict() for advice in found])
        return
    screen = console()
    screen.print(
        f"{seen.attempts} calls, {seen.throttle_rate:.1%} throttled, "
        f"{seen.failure_rate:.1%} of {seen.submitted} items lost"
    )
    if not found:
        screen.print("Nothing to change: the run is within all limits.")
    if any(advice.after for advice in found):
        known_or_not = "as told" if rpm is not None else "read off the run; --rpm tells a known one"
        quota = f"{scenario.quota.requests_per_minute:.4g} requests a minute"
        screen.print(f"Simulated under a quota of {quota} ({known_or_not})")
    for advice in found:
        _show(advice)


def _show(advice: Advice) -> None:
    screen = console()
    screen.print(f"\n[bold]{advice.name}[/bold]: {advice.why}")
    for name, value in advice.variables.items():
        screen.print(f"  {name}={value}")
    if advice.after is None:
        return
    table = Table(box=None, pad_edge=True)
    for heading in ("", "throttled", "lost", "seconds"):
        table.add_column(heading, justify="left" if not heading else "right")
    for result in (advice.before, advice.after):
        table.add_row(result.trial.name, *_numbers(result))
    screen.print(table)


def _numbers(result: TrialResult) -> tuple[str, str, str]:
    return f"{result.throttle_rate.mean:.1%}", f"{result.failure_rate.mean:.1%}", f"{result.makespan.mean:.0f}"
