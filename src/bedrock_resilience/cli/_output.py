"""What the commands share: where they print, and how they refuse."""

from __future__ import annotations

import json
from typing import NoReturn

import typer
from rich.console import Console

_USAGE = 2  # the exit code of a command that was called wrongly, as Typer's own


def console() -> Console:
    """Where results go."""
    return Console(highlight=False)


def print_json(value: object) -> None:
    """The result for another program."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def refuse(problem: str) -> NoReturn:
    """End the command with one line on standard error, and the exit code of a usage error."""
    typer.echo(f"error: {problem}", err=True)
    raise typer.Exit(_USAGE)
