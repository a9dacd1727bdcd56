"""The option for a latency, shared by the commands that take one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bedrock_resilience.cli._output import refuse
from bedrock_resilience.emulator import parse_latency

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

LatencyText = Annotated[
    str, typer.Option("--latency", help="Seconds, uniform:<low>,<high> or lognormal:<median>,<sigma>.")
]


def latency_from(text: str) -> Callable[[Random], float]:
    """The latency of the option's text."""
    try:
        return parse_latency(text)
    except ValueError:
        refuse(
            f"--latency: got {text!r}; accepted: finite seconds >= 0, uniform:<low>,<high> with low <= high, or "
            "lognormal:<median>,<sigma> with median > 0"
        )
