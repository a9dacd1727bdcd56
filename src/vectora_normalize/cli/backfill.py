"""``vectora-normalize backfill``: normalizes the items of past days with Bedrock's batch inference."""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import os
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console

from vectora_normalize.cli import output

if TYPE_CHECKING:
    from collections.abc import Generator

    from vectora_normalize.backfill.job import Backfill, JobStatus

_FAILED: Final = 1
_REFUSED: Final = 2

backfill = typer.Typer(
    no_args_is_help=True,
    help="Normalize old items with batch inference, at half the price and in hours instead of minutes.",
)

Client = Annotated[str, typer.Option(help="Client of the items.")]
Day = dt.datetime
"""The type that Typer parses dates to."""


@backfill.command()
def start(
    client: Client,
    first: Annotated[Day, typer.Option("--from", formats=["%Y-%m-%d"], help="First day of ingestion.")],
    role_arn: Annotated[
        str,
        typer.Option(envvar="BATCH_ROLE_ARN", help="ARN of the role with which Bedrock reads and writes DATA_BUCKET."),
    ],
    last: Annotated[
        Day | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day of ingestion; default: today.")
    ] = None,
    sources: Annotated[
        list[str] | None, typer.Option(help="Source keys, separated by commas, or the option repeated; default: all.")
    ] = None,
) -> None:
    """Start a job for the items of these days that have no response yet: at least 100 items.

    A job costs half as much as the same calls, and may take hours. `status` shows its state, and `collect` stores its
    results. The command reads the environment of the Lambda (CONFIG_BUCKET, DATA_BUCKET, BEDROCK_MODEL_ID, ...).
    """
    with _backfill_of(client) as jobs:
        until = last.date() if last else dt.datetime.now(dt.UTC).date()  # noqa: TID251 - this is the edge
        keys = [key.strip() for names in sources for key in names.split(",")] if sources else None
        job = jobs.start(first.date(), until, role_arn=role_arn, sources=keys)
        typer.echo(f"{job.name}: started with {job.records} items: {job.arn}")


@backfill.command()
def status(client: Client) -> None:
    """Show the state of the client's jobs."""
    with _backfill_of(client) as jobs:
        found = jobs.jobs()
        for job in found:
            typer.echo(_status_line(jobs.status(job)))
        if not found:
            typer.echo(f"{client} has no jobs")


@backfill.command()
def collect(
    client: Client,
    name: Annotated[
        str | None, typer.Option("--job", help="Name of the job; default: all jobs that are not collected.")
    ] = None,
) -> None:
    """Store the results of ended jobs, and add them to the items of the days on which they were ingested.

    Exit code: 0 if every job was collected, 1 if one is still running, 2 if no job has the given name.
    """
    with _backfill_of(client) as jobs:
        wanted = [job for job in jobs.jobs() if (job.collected_at is None if name is None else job.name == name)]
        if not wanted:
            typer.echo(f"{client} has no job {'to collect' if name is None else name}", err=True)
            raise typer.Exit(0 if name is None else _REFUSED)
        open_jobs = 0
        for job in wanted:
            current = jobs.status(job)
            if not current.ended:
                open_jobs += 1
                typer.echo(_status_line(current))
                continue
            result = jobs.collect(job)
            typer.echo(
                f"{job.name}: {result.answered} of {job.records} items answered, "
                f"{result.answered_before} of them answered before"
            )
            for day, rows in result.written.items():
                typer.echo(f"  {day}: {rows} items written")
            for reason, count in result.failed.items():
                typer.echo(f"  {count} without a response: {reason}")
        if open_jobs:
            raise typer.Exit(_FAILED)


def _status_line(current: JobStatus) -> str:
    counts = ", ".join(f"{count} {name}" for name, count in current.counts.items())
    collected = f", collected {current.job.collected_at:%Y-%m-%d}" if current.job.collected_at else ""
    facts = [f"{current.job.name}: {current.status}{collected}", counts, current.message]
    return "; ".join(filter(None, facts))


@contextlib.contextmanager
def _backfill_of(client_id: str) -> Generator[Backfill]:
    """Yield the jobs of a client on AWS; print an error as one line on standard error."""
    from vectora_normalize.contract import RunRefusedError  # noqa: PLC0415 - not for --help

    try:
        with output.logging_to(Console(stderr=True, highlight=False), logging.WARNING):
            yield _make(client_id)
    except (typer.Exit, ModuleNotFoundError):
        raise
    except RunRefusedError as refusal:
        typer.echo(f"error: {refusal.error_type}: {refusal}", err=True)
        raise typer.Exit(_REFUSED) from None
    except Exception as error:  # noqa: BLE001 - the user gets one line
        typer.echo(f"error: {type(error).__name__}: {error}".replace("\n", " "), err=True)
        raise typer.Exit(_FAILED) from None


def _make(client_id: str) -> Backfill:
    from vectora_normalize import contract  # noqa: PLC0415 - as above
    from vectora_normalize.aws_clients import bedrock_control_client  # noqa: PLC0415 - as above
    from vectora_normalize.backfill.job import Backfill  # noqa: PLC0415 - as above
    from vectora_normalize.pipeline.dependencies import aws_dependencies  # noqa: PLC0415 - as above
    from vectora_normalize.settings import Settings  # noqa: PLC0415 - as above

    now = dt.datetime.now(dt.UTC)  # noqa: TID251 - this is the edge
    contract.parse_event({"client_id": client_id}, today=now.date())  # the id becomes a part of keys
    settings = Settings.from_env(os.environ)
    dependencies = aws_dependencies(settings)
    return Backfill(
        client_id,
        settings,
        config=dependencies.config,
        data=dependencies.data,
        bedrock=bedrock_control_client(settings),
        now=now,
        clock=dependencies.clock,
    )
