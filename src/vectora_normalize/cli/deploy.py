"""``vectora-normalize deploy``: publishes a package as a version, tests it, and moves the alias; or rolls back."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

if TYPE_CHECKING:
    from vectora_normalize.operations.deploy import Deployment, DeployTarget, SmokeTestResult

PROJECT: Final = "vectora-inbox"
ZIP: Final = Path("build/ingest-normalize.zip")
EVENT: Final = Path("tests/events/test-ingest-small-batch.json")
REGION: Final = "eu-west-3"
_FAILED: Final = 1
_MAX_LOG_LINES: Final = 10


class Env(StrEnum):
    """The deployed environments."""

    DEV = "dev"
    STAGE = "stage"
    PROD = "prod"


def deploy(
    env: Annotated[Env, typer.Option(help="The environment; selects the bucket and the function.")],
    package: Annotated[Path, typer.Option("--zip", metavar="FILE", help="The zip that `package` built.")] = ZIP,
    bucket: Annotated[str | None, typer.Option(help=f"Code bucket; default: {PROJECT}-lambda-code-<env>.")] = None,
    function: Annotated[str | None, typer.Option(help=f"Function; default: {PROJECT}-ingest-normalize-<env>.")] = None,
    event: Annotated[Path, typer.Option(metavar="FILE", help="Event of the smoke test.")] = EVENT,
    region: Annotated[
        str | None, typer.Option(help=f"Region; default: that of your AWS settings, else {REGION}.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and print the steps; change nothing.")] = False,  # noqa: FBT002 - a flag
    rollback: Annotated[  # noqa: FBT002 - a flag
        bool, typer.Option("--rollback", help="Move the alias live to the version that it named before.")
    ] = False,
) -> None:
    """Publish the zip as a version of the function, test the version with an event, and move the alias live to it.

    The command sends the event once and waits as long as the function may run, because a second request after a timeout
    would start a second run. After a failed test the alias does not move, and the function gets its previous code
    again. Exit code: 0 for an answer 200 or a rollback, 1 for any failure, with one line on standard error.
    """
    from vectora_normalize.operations.deploy import DeployError, Deployment, DeployTarget  # noqa: PLC0415 - not for --help

    target = DeployTarget.for_environment(env.value, project=PROJECT, bucket=bucket, function=function)
    try:
        if rollback:
            _rollback(target, region, dry_run=dry_run)
            return
        result = _deploy(Deployment(package=package, target=target, event=event), region, dry_run=dry_run)
    except DeployError as error:
        for line in error.log[-_MAX_LOG_LINES:]:
            typer.echo(f"log: {line}", err=True)
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(_FAILED) from None
    if result is not None:
        typer.echo(str(result))
        if result.note:
            typer.echo(f"note: {result.note}")


def _deploy(deployment: Deployment, region: str | None, *, dry_run: bool) -> SmokeTestResult | None:
    from bedrock_resilience.clock import SYSTEM_CLOCK  # noqa: PLC0415 - as above
    from vectora_normalize.operations import deploy as operations  # noqa: PLC0415 - as above

    today = dt.datetime.now(dt.UTC).date()  # noqa: TID251 - this is the edge
    return operations.deploy(
        deployment, _session(region), today=today, clock=SYSTEM_CLOCK, echo=typer.echo, dry_run=dry_run
    )


def _rollback(target: DeployTarget, region: str | None, *, dry_run: bool) -> None:
    from bedrock_resilience.clock import SYSTEM_CLOCK  # noqa: PLC0415 - as above
    from vectora_normalize.operations import deploy as operations  # noqa: PLC0415 - as above

    operations.rollback(target, _session(region), clock=SYSTEM_CLOCK, echo=typer.echo, dry_run=dry_run)


def _session(region: str | None) -> Any:  # noqa: ANN401 - boto3 creates client classes at run time
    import boto3.session  # noqa: PLC0415 - as above

    from vectora_normalize.operations.deploy.errors import wrap_aws_errors  # noqa: PLC0415 - as above

    with wrap_aws_errors("reading the AWS settings"):
        session = boto3.session.Session(region_name=region)
        return session if session.region_name else boto3.session.Session(region_name=REGION)
