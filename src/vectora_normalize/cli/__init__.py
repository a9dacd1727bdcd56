"""The command line: `vectora-normalize run`, one file a command. Needs the extras `[normalize,cli]`."""

from __future__ import annotations

import io
import sys

_INTERRUPTED = 130  # 128 + SIGINT, as shells have it


def main() -> None:
    """Run the command line; the entry point of the distribution."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a name that the terminal cannot show is no reason to fail
    try:
        from vectora_normalize.cli.app import app  # noqa: PLC0415 - Typer and Rich are optional

        app()
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.partition(".")[0] in {"bedrock_resilience", "vectora_normalize"}:
            raise
        sys.exit(f"error: {missing.name} is not installed; pip install 'bedrock-resilience[normalize,cli]'")
    except KeyboardInterrupt:  # before a command could take care of it
        sys.exit(_INTERRUPTED)
