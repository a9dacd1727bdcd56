"""The options that describe a retry policy, the same for every command that takes one."""

from __future__ import annotations

from typing import Annotated

import typer

from bedrock_resilience.cli._output import refuse
from bedrock_resilience.retrying._jitter import parse_jitter
from bedrock_resilience.retrying._policy import RetryPolicy

MaxRetries = Annotated[int | None, typer.Option(help="Retries after the first attempt.  [env: BEDROCK_MAX_RETRIES]")]
BaseDelay = Annotated[
    float | None, typer.Option(help="Seconds before the first retry, without jitter.  [env: BEDROCK_BASE_DELAY]")
]
Multiplier = Annotated[float | None, typer.Option(help="Growth from one delay to the next.  [env: BEDROCK_MULTIPLIER]")]
MaxDelay = Annotated[float | None, typer.Option(help="The longest delay, in seconds.  [env: BEDROCK_MAX_DELAY]")]
JitterText = Annotated[
    str | None,
    typer.Option(
        "--jitter", help="none, additive:<seconds>, full, equal or decorrelated:<factor>.  [env: BEDROCK_JITTER]"
    ),
]


def policy_from(
    max_retries: int | None = None,
    base_delay: float | None = None,
    multiplier: float | None = None,
    max_delay: float | None = None,
    jitter: str | None = None,
) -> RetryPolicy:
    """The policy of the environment variables, with the fields that the options change."""
    given = {
        "max_retries": max_retries,
        "base_delay": base_delay,
        "multiplier": multiplier,
        "max_delay": max_delay,
    }
    try:
        changes: dict[str, object] = {name: value for name, value in given.items() if value is not None}
        if jitter is not None:
            changes["jitter"] = parse_jitter(jitter)
        return RetryPolicy.from_env().replace(**changes)
    except ValueError as problem:
        refuse(str(problem))
