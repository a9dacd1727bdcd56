"""The options that describe a quota, the same for every command that takes one."""

from __future__ import annotations

from typing import Annotated

import typer

from bedrock_resilience.cli._output import refuse
from bedrock_resilience.quotas import READINGS, Quota

RequestsPerMinute = Annotated[float | None, typer.Option("--rpm", help="Quota in requests per minute.")]
TokensPerMinute = Annotated[float | None, typer.Option("--tpm", help="Quota in tokens per minute, input and output.")]
TokensPerDay = Annotated[float | None, typer.Option("--tpd", help="Quota in tokens per day.")]
MantleInput = Annotated[
    float | None, typer.Option("--mantle-input-tpm", help="Quota of bedrock-mantle in input tokens per minute.")
]
MantleOutput = Annotated[
    float | None, typer.Option("--mantle-output-tpm", help="Quota of bedrock-mantle in output tokens per minute.")
]
Burst = Annotated[
    float | None, typer.Option(help="Requests that are admitted at the same moment; a tenth of --rpm by default.")
]
Reading = Annotated[
    str,
    typer.Option(
        help=f"How a quota per minute is enforced: {', '.join(READINGS)}; with a number (bucket:1, fixed:30), or "
        "joined (sliding+refusals-count)."
    ),
]


def quota_from(
    rpm: float | None = None, tpm: float | None = None, tpd: float | None = None, burst: float | None = None
) -> Quota:
    """The quota that the options describe; without options, nothing is limited."""
    try:
        return Quota(requests_per_minute=rpm, tokens_per_minute=tpm, tokens_per_day=tpd, burst=burst)
    except (TypeError, ValueError) as problem:
        refuse(str(problem))


def mantle_quota_from(given: float | None, output: float | None) -> Quota | None:
    """The quota of ``bedrock-mantle`` that the options describe; None without options."""
    if given is None and output is None:
        return None
    try:
        return Quota.mantle(input_tokens_per_minute=given, output_tokens_per_minute=output)
    except (TypeError, ValueError) as problem:
        refuse(str(problem))
