"""``bedrock-resilience advise``: which settings to change after a run, and the simulated effect."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - Typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from bedrock_resilience.cli._output import console, print_json, refuse
from bedrock_resilience.simulation import advise as advise_on
from bedrock_resilience.simulation import read_run_stats, rebuild

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bedrock_resilience.simulation import Advice, RunStats, Scenario


def advise(
    file: Annotated[Path, typer.Argument(help="A BatchReport as JSON, or a log with the lines of LoggingListener.")],
    rpm: Annotated[float | None, typer.Option("--rpm", help="The quota in requests per minute, if known.")] = None,
    instances: Annotated[int, typer.Option(min=1, help="Runs that shared the quota.")] = 1,
    offset: Annotated[float, typer.Option(min=0, help="Seconds between their starts.")] = 60.0,
    items: Annotated[int | None, typer.Option(min=1, help="Items of the run; required for a log.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Workers of the run; 4 by default.")] = None,
    latency: Annotated[float | None, typer.Option(min=0, help="Seconds until a request is answered.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Recommend changes after a run: workers, retries, delays, a pacer, max_tokens.

    Prints the settings to change for each, and its simulated effect.
    """
    given = {"submitted": items, "workers": workers, "latency": latency}
    known = {name: value for name, value in given.items() if value is not None}
    try:
        stats = read_run_stats(file.read_text(encoding="utf-8", errors="replace"), **known)
        scenario = rebuild(stats, rpm=rpm, instances=instances, offset=offset)
    except OSError as problem:
        refuse(f"file: got {str(file)!r}; accepted: a file that can be read ({problem.strerror})")
    except (TypeError, ValueError) as problem:
        refuse(f"{file}: {problem}")
    found = advise_on(stats, scenario)
    if as_json:
        print_json([advice.to_dict() for advice in found])
    else:
        _show(
            stats, scenario, found, "given" if rpm is not None else "estimated from the run; set a known one with --rpm"
        )


def _show(stats: RunStats, scenario: Scenario, found: Sequence[Advice], quota_source: str) -> None:
    out = console()
    out.print(
        f"{stats.attempts} attempts, {stats.throttle_rate:.1%} throttled, "
        f"{stats.failure_rate:.1%} of {stats.submitted} items failed"
    )
    if not found:
        out.print("Nothing to change: the run is within all limits.")
    if any(advice.after for advice in found):
        quota = f"{scenario.quota.requests_per_minute:.4g} requests per minute"
        out.print(f"Simulated under a quota of {quota} ({quota_source})")
    for advice in found:
        out.print(f"\n[bold]{advice.recommendation.name}[/bold]: {advice.recommendation.reason}")
        for name, value in advice.recommendation.settings.items():
            out.print(f"  {name}={value}")
        if advice.after is not None:
            out.print(_effect(advice))


def _effect(advice: Advice) -> Table:
    table = Table(box=None, pad_edge=True)
    for heading in ("", "throttled", "failed", "seconds"):
        table.add_column(heading, justify="right" if heading else "left")
    for result in (advice.before, advice.after):
        if result is not None:
            table.add_row(
                result.trial.name,
                f"{result.throttle_rate.mean:.1%}",
                f"{result.failure_rate.mean:.1%}",
                f"{result.makespan.mean:.0f}",
            )
    return table
