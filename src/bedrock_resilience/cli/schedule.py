"""``bedrock-resilience schedule``: the delays of a policy, with their bounds."""

from __future__ import annotations

import random
from pathlib import Path  # noqa: TC003 - Typer reads the annotations
from typing import Annotated

import typer
from rich.table import Table

from bedrock_resilience.cli.console import console, print_json
from bedrock_resilience.cli.drawing import draw, plots
from bedrock_resilience.cli.policy_options import (
    BaseDelay,
    JitterText,
    MaxDelay,
    MaxRetries,
    Multiplier,
    policy_from,
)


def schedule(
    max_retries: MaxRetries = None,
    base_delay: BaseDelay = None,
    multiplier: Multiplier = None,
    max_delay: MaxDelay = None,
    jitter: JitterText = None,
    seed: Annotated[int, typer.Option(help="Seed of the drawn schedule.")] = 0,
    plot: Annotated[Path | None, typer.Option(help="Draw bounds and draws into this file (SVG).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Show the delays of a retry policy: the bounds of each, and one schedule drawn from a seed.

    Without options, the policy is the one that the environment variables describe.
    """
    policy = policy_from(max_retries, base_delay, multiplier, max_delay, jitter)
    drawn = list(policy.delays(random.Random(seed)))  # noqa: S311 - a schedule to look at
    bounds = [policy.bounds(retry) for retry in range(policy.max_retries)]
    if plot is not None:
        draw("--plot", plot, lambda file: plots().plot_schedule(policy, file))
    if as_json:
        print_json(
            {
                "policy": repr(policy),
                "retries": [
                    {"retry": retry, "least": least, "greatest": greatest, "drawn": delay}
                    for retry, ((least, greatest), delay) in enumerate(zip(bounds, drawn, strict=True))
                ],
            }
        )
        return
    table = Table(title=f"{1 + policy.max_retries} attempts", caption=repr(policy), caption_justify="left")
    for heading in ("after attempt", "at least", "at most", f"drawn (seed {seed})", "waited so far"):
        table.add_column(heading, justify="right")
    for retry, (least, greatest) in enumerate(bounds):
        waited = sum(drawn[: retry + 1])
        table.add_row(str(retry + 1), *(f"{value:.2f} s" for value in (least, greatest, drawn[retry], waited)))
    console().print(table)
