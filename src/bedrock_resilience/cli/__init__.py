"""The command line, one module for each command of ``bedrock-resilience``. Needs the extra ``[cli]``."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line; the entry point of the distribution."""
    try:
        from bedrock_resilience.cli._app import app  # noqa: PLC0415 - Typer and Rich are optional
    except ModuleNotFoundError as missing:
        if missing.name not in {"typer", "rich"}:
            raise
        sys.exit(f"bedrock-resilience needs {missing.name}: pip install 'bedrock-resilience[cli]'")
    app()
