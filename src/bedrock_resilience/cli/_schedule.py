"""``bedrock-resilience schedule``: the delays of a policy, with their bounds."""

from __future__ import annotations

import itertools
import random
from pathlib import Path  # noqa: TC003 - Typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.table import Table

from bedrock_resilience.cli._output import console, print_json, refuse
from bedrock_resilience.cli._plots import draw
from bedrock_resilience.cli._policy_options import (
    BaseDelay,
    JitterText,
    MaxDelay,
    MaxRetries,
    Multiplier,
    policy_from,
)
from bedrock_resilience.simulation import plot_schedule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bedrock_resilience.retrying._policy import RetryPolicy

_MAX_ROWS: Final = 50


def schedule(
    max_retries: MaxRetries = None,
    base_delay: BaseDelay = None,
    multiplier: Multiplier = None,
    max_delay: MaxDelay = None,
    jitter: JitterText = None,
    seed: Annotated[int, typer.Option(help="Seed of the random schedule.")] = 0,
    plot: Annotated[
        Path | None, typer.Option(help="Draw bounds and random schedules into this file (SVG, PNG or PDF).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Show the delays of a retry policy: the bounds of each, and one random schedule.

    Without options, it shows the policy of the environment variables. It shows the first 50 retries, and the bounds of
    the others.
    """
    policy = policy_from(max_retries, base_delay, multiplier, max_delay, jitter)
    # Only what is shown is drawn: a policy may allow millions of retries.
    drawn = list(itertools.islice(policy.delays(random.Random(seed)), _MAX_ROWS))  # noqa: S311 - a schedule to look at
    bounds = [policy.bounds(retry) for retry in range(len(drawn))]
    elided = policy.max_retries - len(drawn)
    if plot is not None:
        if elided:
            refuse(f"--plot: got {policy.max_retries} retries; accepted: up to {_MAX_ROWS}")
        draw("--plot", plot, lambda file: plot_schedule(policy, file))
    if as_json:
        rows = [
            {"retry": retry, "least": least, "greatest": greatest, "drawn": delay}
            for retry, ((least, greatest), delay) in enumerate(zip(bounds, drawn, strict=True))
        ]
        print_json({"policy": repr(policy), "retries": rows, "elided": elided})
        return
    console().print(_table(policy, bounds, drawn, seed))
    if elided:
        console().print(f"... and {elided:,} more, each {_range(policy)}")


def _table(policy: RetryPolicy, bounds: Sequence[tuple[float, float]], drawn: Sequence[float], seed: int) -> Table:
    table = Table(title=f"{1 + policy.max_retries} attempts", caption=repr(policy), caption_justify="left")
    for heading in ("after attempt", "at least", "at most", f"drawn (seed {seed})", "total"):
        table.add_column(heading, justify="right")
    totals = itertools.accumulate(drawn)
    for retry, ((least, greatest), delay, total) in enumerate(zip(bounds, drawn, totals, strict=True)):
        table.add_row(str(retry + 1), *(f"{value:.2f} s" for value in (least, greatest, delay, total)))
    return table


def _range(policy: RetryPolicy) -> str:
    """The bounds of the retries that are not shown. Delays grow: the first has the least, the last the greatest."""
    least, greatest = policy.bounds(_MAX_ROWS)[0], policy.bounds(policy.max_retries - 1)[1]
    return f"{least:.2f} s" if least == greatest else f"from {least:.2f} s to {greatest:.2f} s"
