"""The Typer application with all commands."""

from __future__ import annotations

from typing import Annotated

import typer

from bedrock_resilience import __version__
from vectora_normalize.cli.backfill import backfill
from vectora_normalize.cli.deploy import deploy
from vectora_normalize.cli.merge_template import merge_template
from vectora_normalize.cli.package import package
from vectora_normalize.cli.report import report
from vectora_normalize.cli.run import run

app = typer.Typer(
    name="vectora-normalize",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(run)
app.command()(package)
app.command()(deploy)
app.command()(report)
app.command()(merge_template)
app.add_typer(backfill, name="backfill")


@app.callback(invoke_without_command=True)
def about(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Read news sources and normalize their items with Bedrock."""
    if version:
        typer.echo(__version__)
        raise typer.Exit
