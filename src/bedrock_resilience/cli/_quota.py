"""``bedrock-resilience quota``: the quota of a model in Service Quotas, and the requests that it allows."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.table import Table

from bedrock_resilience.cli._output import console, print_json, refuse
from bedrock_resilience.errors import QuotaUnavailableError
from bedrock_resilience.quotas import Quota, RequestTokens, burndown_rate, max_output_tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bedrock_resilience.quotas import ServiceQuotas


def quota(
    model: Annotated[str, typer.Argument(help="A model id, a profile id such as eu.anthropic..., or an ARN.")],
    region: Annotated[
        str | None, typer.Option(help="The Region; by default that of the ARN or of the AWS configuration.")
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="max_tokens of the requests; the maximum of the model by default.")
    ] = None,
    input_tokens: Annotated[int, typer.Option(min=0, help="Input tokens of a request.")] = 0,
    mantle: Annotated[bool, typer.Option("--mantle", help="The quota of the endpoint bedrock-mantle.")] = False,  # noqa: FBT002 - a flag
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Print the quota of a model in this account, read from Service Quotas, and how many requests it allows.

    A request reserves its input and its max_tokens when it starts. The exit code is 1 if the quota is unknown.
    """
    try:
        found = Quota.from_service_quotas(
            model, region_name=region, endpoint="bedrock-mantle" if mantle else "bedrock-runtime"
        )
    except QuotaUnavailableError as problem:
        typer.echo(f"{problem}. Let AdaptivePacer learn it, or give the numbers to QuotaPacer.", err=True)
        raise typer.Exit(1) from None
    except ModuleNotFoundError as problem:
        refuse(str(problem))
    source = cast("ServiceQuotas", found.source)
    tokens = RequestTokens(input_tokens, max_tokens, burndown_rate(source.model), max_output_tokens(source.model))
    allowance = Allowance(found, tokens)
    if as_json:
        print_json({**source.to_dict(), **_to_dict(found, tokens, allowance)})
        return
    console().print(_table(source))
    for line in _lines(tokens, allowance):
        console().print(line, soft_wrap=True)


class Allowance:
    """How many requests a quota allows; None if it does not limit them.

    Args:
        quota: The quota, of either endpoint.
        tokens: What one request may use.

    Attributes:
        max_tokens: The ``max_tokens`` of a request, or the most that its model can produce.
        longest_cost: Tokens of quota that a request uses if it produces all of them.
        per_minute: Requests that may start a minute, by what each reserves.
        longest_per_minute: Requests a minute that all produce ``max_tokens``.
        per_day: Requests that the tokens of a day allow, by what each reserves.
    """

    def __init__(self, quota: Quota, tokens: RequestTokens) -> None:
        reserved = tokens.reserved
        self.max_tokens: int = reserved - tokens.input_tokens
        mantle = quota.endpoint == "bedrock-mantle"
        burned = reserved if mantle else tokens.input_tokens + self.max_tokens * tokens.burndown
        self.longest_cost: float = max(reserved, burned)
        a_minute = quota.input_tokens_per_minute if mantle else quota.tokens_per_minute
        requests = quota.requests_per_minute
        self.per_minute: float | None = _least(requests, _ratio(a_minute, reserved))
        self.longest_per_minute: float | None = _least(
            requests,
            _ratio(a_minute, self.longest_cost),
            _ratio(quota.output_tokens_per_minute, self.max_tokens),
        )
        self.per_day: float | None = _ratio(quota.tokens_per_day, reserved)


def _ratio(tokens: float | None, a_request: float) -> float | None:
    return None if tokens is None or not a_request else tokens / a_request


def _least(*limits: float | None) -> float | None:
    return min((limit for limit in limits if limit is not None), default=None)


def _to_dict(found: Quota, tokens: RequestTokens, allowance: Allowance) -> dict[str, object]:
    return {
        "endpoint": found.endpoint,
        "quota": dataclasses.asdict(found),
        "input_tokens": tokens.input_tokens,
        "max_tokens": allowance.max_tokens,
        "reserved_tokens": tokens.reserved,
        "settled_tokens": allowance.longest_cost,
        "requests_per_minute": allowance.per_minute,
        "longest_per_minute": allowance.longest_per_minute,
        "requests_per_day": allowance.per_day,
    }


def _table(source: ServiceQuotas) -> Table:
    table = Table(title=f"{source.model}, {source.scope}, in {source.region}", title_justify="left")
    table.add_column("value", justify="right")
    for heading in ("quota", "code", "name in Service Quotas"):
        table.add_column(heading)
    for row in source.quotas:
        name = row.name if row.applied else f"{row.name} (AWS's default)"
        table.add_row(f"{row.value:,.15g}", row.field, row.code, name)
    return table


def _lines(tokens: RequestTokens, allowance: Allowance) -> Iterator[str]:
    yield (
        f"A request of {tokens.input_tokens:,} input tokens and max_tokens {allowance.max_tokens:,} reserves "
        f"{tokens.reserved:,} tokens: {_number(allowance.per_minute)} a minute."
    )
    longest = f"{_number(allowance.longest_per_minute)} a minute."
    if allowance.longest_cost > tokens.reserved:
        yield (
            f"One that produces all of them takes {allowance.longest_cost:,.15g} in the end, as an output token counts "
            f"{tokens.burndown:g} times: {longest}"
        )
    elif allowance.longest_per_minute != allowance.per_minute:
        yield f"One that produces all of them takes {allowance.max_tokens:,} of the output tokens: {longest}"
    if allowance.per_day is not None:
        yield f"The tokens of a day last for {_number(allowance.per_day)}."


def _number(requests: float | None) -> str:
    if requests is None:
        return "any number of requests"
    if requests < 1:
        return "no request"
    return f"{math.floor(requests):,} request{'' if requests < 2 else 's'}"  # noqa: PLR2004 - the plural
