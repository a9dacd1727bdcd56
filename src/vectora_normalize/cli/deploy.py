"""`vectora-normalize deploy`: a package into its function, and a test event through it."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

if TYPE_CHECKING:
    from vectora_normalize.operations.deploy import Deployment, SmokeTestResult

PROJECT: Final = "vectora-inbox"
ZIP: Final = Path("build/ingest-normalize.zip")
EVENT: Final = Path("tests/events/test-ingest-small-batch.json")
REGION: Final = "eu-west-3"
_FAILED: Final = 1
_MOST_LOG_LINES: Final = 10


class Env(StrEnum):
    """The environments that there are."""

    DEV = "dev"
    STAGE = "stage"
    PROD = "prod"


def deploy(
    env: Annotated[Env, typer.Option(help="Environment; names the bucket and the function.")],
    package: Annotated[Path, typer.Option("--zip", metavar="FILE", help="What `package` built.")] = ZIP,
    bucket: Annotated[str | None, typer.Option(help=f"Code bucket, else {PROJECT}-lambda-code-<env>.")] = None,
    function: Annotated[str | None, typer.Option(help=f"Function, else {PROJECT}-ingest-normalize-<env>.")] = None,
    event: Annotated[Path, typer.Option(metavar="FILE", help="Event that the function is tried with.")] = EVENT,
    region: Annotated[str | None, typer.Option(help=f"Region, else that of your AWS settings, else {REGION}.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check, tell, and change nothing.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Upload the zip, put it into the function, wait until it is active, and try it with an event.

    The event is sent once and waited for as long as the function may run, because who gives up and sends again has two
    runs. Exit code: 0 for an answer 200, 1 for any failure; what failed is one line on standard error.
    """
    from vectora_normalize.operations.deploy import DeployError, Deployment, DeployTarget  # noqa: PLC0415 - not for --help

    place = DeployTarget.of(env.value, project=PROJECT, bucket=bucket, function=function)
    try:
        trial = _deploy(Deployment(package=package, place=place, event=event), region, dry_run=dry_run)
    except DeployError as error:
        for line in error.log[-_MOST_LOG_LINES:]:
            typer.echo(f"log: {line}", err=True)
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(_FAILED) from None
    if trial is not None:
        typer.echo(str(trial))
        if trial.remark:
            typer.echo(f"note: {trial.remark}")


def _deploy(deployment: Deployment, region: str | None, *, dry_run: bool) -> SmokeTestResult | None:
    from bedrock_resilience.clock import SYSTEM_CLOCK  # noqa: PLC0415 - as above
    from vectora_normalize.operations import deploy as operations  # noqa: PLC0415 - as above

    today = dt.datetime.now(dt.UTC).date()  # noqa: TID251 - this is the edge
    return operations.deploy(
        deployment, _session(region), today=today, clock=SYSTEM_CLOCK, tell=typer.echo, dry_run=dry_run
    )


def _session(region: str | None) -> Any:  # noqa: ANN401 - boto3 makes its clients at run time
    import boto3.session  # noqa: PLC0415 - as above

    from vectora_normalize.operations.deploy.errors import wrap_aws_errors  # noqa: PLC0415 - as above

    with wrap_aws_errors("reading the AWS settings"):
        session = boto3.session.Session(region_name=region)
        return session if session.region_name else boto3.session.Session(region_name=REGION)
