"""The command line ``vectora-normalize``: one module per command. It requires the extras ``[normalize,cli]``."""

from __future__ import annotations

import io
import sys

_INTERRUPTED = 130  # 128 + SIGINT, the convention of shells


def main() -> None:
    """Run the command line; the entry point of the distribution."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # do not fail on a name that the terminal cannot show
    try:
        from vectora_normalize.cli.app import app  # noqa: PLC0415 - Typer and Rich are optional

        app()
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.partition(".")[0] in {"bedrock_resilience", "vectora_normalize"}:
            raise
        sys.exit(f"error: {missing.name} is not installed; pip install 'bedrock-resilience[normalize,cli]'")
    except KeyboardInterrupt:  # outside of the commands that handle it
        sys.exit(_INTERRUPTED)
