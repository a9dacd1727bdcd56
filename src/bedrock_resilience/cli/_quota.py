"""``bedrock-resilience quota``: the quota of a model as Service Quotas has it, and what a max_tokens leaves of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Final, cast

import typer
from rich.table import Table

from bedrock_resilience.cli._output import console, print_json, refuse
from bedrock_resilience.errors import QuotaUnavailableError
from bedrock_resilience.quotas import Quota, RequestTokens, burndown_rate, max_output_tokens

if TYPE_CHECKING:
    from bedrock_resilience.quotas import ServiceQuotas


def quota(
    model: Annotated[str, typer.Argument(help="A model id, a profile id such as eu.anthropic..., or an ARN.")],
    region: Annotated[str | None, typer.Option(help="The Region; that of the ARN or of the AWS configuration.")] = None,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="max_tokens of the requests; the maximum of the model by default.")
    ] = None,
    input_tokens: Annotated[int, typer.Option(min=0, help="Input tokens of a request.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Print the quota of a model in this account, read from Service Quotas, and how many requests it allows.

    A request reserves its input and its max_tokens when it starts. The exit code is 1 if the quota is not known.
    """
    try:
        found = Quota.from_service_quotas(model, region_name=region)
    except QuotaUnavailableError as problem:
        typer.echo(f"{problem}. Let AdaptivePacer learn it, or give the numbers to QuotaPacer.", err=True)
        raise typer.Exit(1) from None
    except ModuleNotFoundError as problem:
        refuse(str(problem))
    source = cast("ServiceQuotas", found.source)
    tokens = RequestTokens(input_tokens, max_tokens, burndown_rate(source.model), max_output_tokens(source.model))
    if as_json:
        print_json({**source.to_dict(), **_to_dict(found, tokens)})
        return
    console().print(_table(source))
    console().print(_text(found, tokens), soft_wrap=True)


def requests_within(tokens: float | None, per_request: float, requests: float | None = None) -> float | None:
    """Return how many requests of so many tokens fit into a quota of tokens and one of requests; None: any number."""
    limits = [] if tokens is None or not per_request else [tokens / per_request]
    return min([*limits, *([] if requests is None else [requests])], default=None)


def _to_dict(found: Quota, tokens: RequestTokens) -> dict[str, object]:
    longest = _longest_cost(tokens)
    return {
        "quota": {name: getattr(found, name) for name in _FIELDS},
        "input_tokens": tokens.input_tokens,
        "max_tokens": _max_tokens(tokens),
        "reserved_tokens": tokens.reserved,
        "settled_tokens": longest,
        "requests_per_minute": requests_within(found.tokens_per_minute, tokens.reserved, found.requests_per_minute),
        "longest_per_minute": requests_within(found.tokens_per_minute, longest, found.requests_per_minute),
        "requests_per_day": requests_within(found.tokens_per_day, tokens.reserved),
    }


_FIELDS: Final = ("requests_per_minute", "tokens_per_minute", "tokens_per_day")


def _max_tokens(tokens: RequestTokens) -> int:
    return tokens.reserved - tokens.input_tokens


def _longest_cost(tokens: RequestTokens) -> float:
    """The tokens that a request takes from the quota in the end if it produces all of its max_tokens."""
    return max(tokens.reserved, tokens.input_tokens + _max_tokens(tokens) * tokens.burndown)


def _table(source: ServiceQuotas) -> Table:
    table = Table(title=f"{source.model}, {source.scope}, in {source.region}", title_justify="left")
    table.add_column("value", justify="right")
    for heading in ("quota", "code", "name in Service Quotas"):
        table.add_column(heading)
    for row in source.quotas:
        name = row.name if row.applied else f"{row.name} (AWS's default)"
        table.add_row(f"{row.value:,.15g}", row.field, row.code, name)
    return table


def _text(found: Quota, tokens: RequestTokens) -> str:
    per_minute = requests_within(found.tokens_per_minute, tokens.reserved, found.requests_per_minute)
    text = (
        f"A request of {tokens.input_tokens:,} input tokens and max_tokens {_max_tokens(tokens):,} reserves "
        f"{tokens.reserved:,} tokens: {_number(per_minute)} a minute."
    )
    longest = _longest_cost(tokens)
    if longest > tokens.reserved:
        fewer = requests_within(found.tokens_per_minute, longest, found.requests_per_minute)
        text += (
            f"\nOne that produces all of them takes {longest:,.15g} in the end, as an output token counts "
            f"{tokens.burndown:g} times: {_number(fewer)} a minute."
        )
    per_day = requests_within(found.tokens_per_day, tokens.reserved)
    return text if per_day is None else f"{text}\nThe tokens of a day last for {_number(per_day)}."


def _number(requests: float | None) -> str:
    if requests is None:
        return "any number of requests"
    if requests < 1:
        return "no request"
    return f"{math.floor(requests):,} request{'' if requests < 2 else 's'}"  # noqa: PLR2004 - the plural
