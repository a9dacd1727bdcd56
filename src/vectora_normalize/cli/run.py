"""``vectora-normalize run``: one run of the Lambda's job, on AWS or on a folder."""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
import uuid
from pathlib import Path  # noqa: TC003 - Typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console

from vectora_normalize.cli import output

if TYPE_CHECKING:
    from typing import NoReturn

    from vectora_normalize.cli.job import Job, Outcome

_EXIT_CODES: Final = {200: 0, 400: 2, 409: 1, 502: 1}
_FAILED: Final = 1
_INTERRUPTED: Final = 130  # 128 + SIGINT, the convention of shells
_MAX_WORKERS: Final = 64  # as MAX_BEDROCK_WORKERS


def run(  # noqa: PLR0913, PLR0917 - an option each
    local: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Run on a folder with config/ and sources/ instead of AWS.")
    ] = None,
    client: Annotated[str | None, typer.Option(help="Client; optional if a folder has only one.")] = None,
    period_days: Annotated[int | None, typer.Option(help="Number of days before today that the run covers.")] = None,
    sources: Annotated[
        list[str] | None,
        typer.Option(help="Source keys, separated by commas, or the option repeated; default: the client's."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, max=_MAX_WORKERS, help="Calls to Bedrock at the same time; default: MAX_BEDROCK_WORKERS, else 4."
        ),
    ] = None,
    event: Annotated[
        Path | None, typer.Option(metavar="FILE", help="JSON event of the Lambda; the other options take precedence.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Folder for the results of a local run; default: out/<client>."),
    ] = None,
    rpm: Annotated[
        int | None,
        typer.Option(min=1, help="Requests per minute that the emulator of a local run admits; default: any number."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="URL of a local server of OpenAI's chat completions that responds in place of the extractor.",
        ),
    ] = None,
    model_name: Annotated[
        str | None, typer.Option(help="With --model: the model on that server; default: the first of its list.")
    ] = None,
    dry_run: Annotated[  # noqa: FBT002 - a flag
        bool, typer.Option("--dry-run", help="Fetch and count only: no call to Bedrock, no items.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the Lambda's answer, and nothing else.")] = False,  # noqa: FBT002 - a flag
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log more, and print tracebacks.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Ingest, normalize and store the items of one client, once.

    With --local, it needs no AWS account and no network: sources are files, Bedrock is an emulator, buckets are
    folders. With --model, too, a language model on this machine reads the items. Without --local, it runs on AWS with
    the environment of the Lambda (CONFIG_BUCKET, DATA_BUCKET, ...).

    Exit code: 0 for an answer 200, 2 for 400 (the event or the configuration is wrong), 1 for any other answer (409:
    another run is in progress; 502) and for any other failure.
    """
    from vectora_normalize.cli.job import Job  # noqa: PLC0415 - imports the whole run, which --help does not need

    job = Job(
        local=local,
        event=event,
        client=client,
        period_days=period_days,
        sources=None if sources is None else tuple(key.strip() for keys in sources for key in keys.split(",")),
        workers=workers,
        out=out,
        rpm=rpm,
        dry_run=dry_run,
        model=model,
        model_name=model_name,
    )
    outcome = _run_job(job, verbose=verbose)
    if as_json:
        typer.echo(json.dumps(outcome.answer, indent=2))
    else:
        _show(outcome)
    if outcome.status != 200:  # noqa: PLR2004 - the status of HTTP
        body = outcome.answer["body"]
        typer.echo(f"error: {body['error_type']}: {body['message']}", err=True)
    raise typer.Exit(_EXIT_CODES[outcome.status])


def _run_job(job: Job, *, verbose: bool) -> Outcome:
    from vectora_normalize.cli.job import run_job  # noqa: PLC0415 - as above

    console = Console(stderr=True, highlight=False)
    level = logging.INFO if verbose else logging.WARNING
    now = dt.datetime.now(dt.UTC)  # noqa: TID251 - this is the edge
    try:
        with output.logging_to(console, level), output.progress_on(console) as on_progress:
            return run_job(job, os.environ, now=now, request_id=str(uuid.uuid4()), on_progress=on_progress)
    except KeyboardInterrupt as interruption:
        _stop(f"interrupted; what was normalized is stored: {interruption}" if str(interruption) else "interrupted")
    except ModuleNotFoundError:
        raise  # main() names the package to install
    except Exception as error:  # noqa: BLE001 - the user gets one line, and with --verbose the traceback
        if verbose:
            console.print_exception()
        typer.echo(f"error: {type(error).__name__}: {error}".replace("\n", " "), err=True)
        raise typer.Exit(_FAILED) from None


def _stop(line: str) -> NoReturn:
    typer.echo(line, err=True)
    raise typer.Exit(_INTERRUPTED) from None


def _show(outcome: Outcome) -> None:
    if outcome.summary is None:
        return
    console = Console(highlight=False)
    console.print(output.sources_table(outcome.summary.report))
    console.print()
    console.print(output.summary_table(outcome.summary))
    for line in (*output.failures(outcome.summary.report), *outcome.files):
        console.print(line, markup=False, soft_wrap=True)
