"""The Typer application with all commands."""

from __future__ import annotations

from typing import Annotated

import typer

from bedrock_resilience import __version__
from bedrock_resilience.cli._advise import advise
from bedrock_resilience.cli._conformance import conformance
from bedrock_resilience.cli._emulate import emulate
from bedrock_resilience.cli._quota import quota
from bedrock_resilience.cli._schedule import schedule
from bedrock_resilience.cli._simulate import simulate

app: typer.Typer = typer.Typer(
    name="bedrock-resilience",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(schedule)
app.command()(simulate)
app.command()(advise)
app.command()(quota)
app.command()(emulate)
app.command()(conformance)


@app.callback(invoke_without_command=True)
def about(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Calls to Amazon Bedrock that survive throttling."""
    if version:
        typer.echo(__version__)
        raise typer.Exit
