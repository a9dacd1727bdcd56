"""``bedrock-resilience schedule``: the delays of a policy, with their bounds."""

from __future__ import annotations

import itertools
import random
from pathlib import Path  # noqa: TC003 - Typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.table import Table

from bedrock_resilience.cli._output import console, print_json, refuse
from bedrock_resilience.cli._plots import draw, plots
from bedrock_resilience.cli._policy_options import (
    BaseDelay,
    JitterText,
    MaxDelay,
    MaxRetries,
    Multiplier,
    policy_from,
)

if TYPE_CHECKING:
    from bedrock_resilience.retrying._policy import RetryPolicy

_MOST_ROWS: Final = 50


def schedule(
    max_retries: MaxRetries = None,
    base_delay: BaseDelay = None,
    multiplier: Multiplier = None,
    max_delay: MaxDelay = None,
    jitter: JitterText = None,
    seed: Annotated[int, typer.Option(help="Seed of the drawn schedule.")] = 0,
    plot: Annotated[Path | None, typer.Option(help="Draw bounds and draws into this file (SVG, PNG or PDF).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Show the delays of a retry policy: the bounds of each, and one schedule drawn from a seed.

    Without options, the policy is the one that the environment variables describe. The first 50 retries are shown,
    and the bounds of the others.
    """
    policy = policy_from(max_retries, base_delay, multiplier, max_delay, jitter)
    # Only what is shown is drawn: a policy may allow more retries than anybody has time to look at.
    drawn = list(itertools.islice(policy.delays(random.Random(seed)), _MOST_ROWS))  # noqa: S311 - a schedule to look at
    bounds = [policy.bounds(retry) for retry in range(len(drawn))]
    elided = policy.max_retries - len(drawn)
    if plot is not None:
        if elided:
            refuse(f"--plot: got {policy.max_retries} retries; accepted: up to {_MOST_ROWS}")
        draw("--plot", plot, lambda file: plots().plot_schedule(policy, file))
    if as_json:
        rows = [
            {"retry": retry, "least": least, "greatest": greatest, "drawn": delay}
            for retry, ((least, greatest), delay) in enumerate(zip(bounds, drawn, strict=True))
        ]
        print_json({"policy": repr(policy), "retries": rows, "elided": elided})
        return
    table = Table(title=f"{1 + policy.max_retries} attempts", caption=repr(policy), caption_justify="left")
    for heading in ("after attempt", "at least", "at most", f"drawn (seed {seed})", "waited so far"):
        table.add_column(heading, justify="right")
    waited = itertools.accumulate(drawn)
    for retry, ((least, greatest), delay, so_far) in enumerate(zip(bounds, drawn, waited, strict=True)):
        table.add_row(str(retry + 1), *(f"{value:.2f} s" for value in (least, greatest, delay, so_far)))
    console().print(table)
    if elided:
        console().print(f"... and {elided:,} more, each {_range(policy)}")


def _range(policy: RetryPolicy) -> str:
    """The bounds of all retries that are not shown: they grow, so the first has the least and the last the most."""
    least, greatest = policy.bounds(_MOST_ROWS)[0], policy.bounds(policy.max_retries - 1)[1]
    return f"{least:.2f} s" if least == greatest else f"from {least:.2f} s to {greatest:.2f} s"
