"""How all commands print results and refuse arguments."""

from __future__ import annotations

import json
from typing import NoReturn

import typer
from rich.console import Console

_USAGE_ERROR = 2  # the exit code, as Typer's own


def console() -> Console:
    """Standard output, without highlighting of numbers."""
    return Console(highlight=False)


def print_json(value: object) -> None:
    """Print the result as JSON."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def refuse(problem: str) -> NoReturn:
    """End the command with one line on standard error, and the exit code of a usage error."""
    typer.echo(f"error: {problem}", err=True)
    raise typer.Exit(_USAGE_ERROR)
