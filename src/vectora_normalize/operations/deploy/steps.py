"""The steps of a deployment in their order. Nothing is changed before everything is checked."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from vectora_normalize.contract import RunRefusedError, parse_event
from vectora_normalize.operations.deploy.errors import DeployError, code_of, wrap_aws_errors
from vectora_normalize.operations.deploy.function import HANDLERS, Function, State
from vectora_normalize.operations.deploy.smoke_test import SmokeTestResult, check_answer
from vectora_normalize.operations.package import PackagingError, read_manifest

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from bedrock_resilience.clock import Clock
    from vectora_normalize.operations.deploy.target import DeployTarget


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A package, its target and the event of the smoke test.

    Args:
        package: The zip.
        target: The code bucket and the function.
        event: A file with the event of the smoke test.
    """

    package: Path
    target: DeployTarget
    event: Path


def deploy(
    deployment: Deployment,
    session: Any,  # noqa: ANN401 - boto3 makes its clients at run time
    *,
    today: dt.date,
    clock: Clock,
    echo: Callable[[str], None],
    dry_run: bool = False,
) -> SmokeTestResult | None:
    """Upload the package, update the function, wait until it is active, and run the smoke test.

    Args:
        deployment: The package, its target and the event.
        session: A boto3 session with a region.
        today: The current day, UTC; the event is checked against it.
        clock: The source of time and of sleeps.
        echo: Called with one line for each completed step.
        dry_run: Check everything that can be checked, print the steps, and change nothing.

    Returns:
        The result of the smoke test; None for a dry run.

    Raises:
        DeployError: A step failed; the steps after it were not executed.
    """
    event = _event(deployment.event, today)
    manifest = _manifest(deployment.package)
    with contextlib.closing(Function(session, deployment.target.function, clock)) as function:
        state = function.describe()
        _check_compatible(manifest, state, deployment.target)
        if dry_run:
            _in_bucket(session, deployment.target, "head_bucket", doing="reading")
            _print_plan(deployment, state, event, echo)
            return None
        _upload_and_update(deployment, session, function, echo)
        state = function.wait_until_settled()
        echo(f"updated {function.name}; it is {state.state.lower()}")
        echo(f"invoking it with {deployment.event} (at most {state.timeout:.0f} s)")
        return check_answer(function.invoke(event, timeout=state.timeout))


def _print_plan(deployment: Deployment, state: State, event: Mapping[str, Any], echo: Callable[[str], None]) -> None:
    target = deployment.target
    size = deployment.package.stat().st_size
    echo(f"would upload {deployment.package} ({size} bytes) to {target.url}")
    echo(f"would update {target.function} ({state.runtime}, {state.architectures[0]}) and wait until it is active")
    echo(f"would invoke it with {deployment.event}: {json.dumps(event)}")


def _upload_and_update(
    deployment: Deployment,
    session: Any,  # noqa: ANN401 - as above
    function: Function,
    echo: Callable[[str], None],
) -> None:
    target, zipped = deployment.target, deployment.package.read_bytes()
    content = {"Key": target.key, "Body": zipped, "ContentType": "application/zip"}
    _in_bucket(session, target, "put_object", doing="uploading to", **content)
    echo(f"uploaded {deployment.package} to {target.url}")
    expected = base64.b64encode(hashlib.sha256(zipped).digest()).decode()
    deployed = function.update(target)
    if deployed != expected:
        raise DeployError(
            f"{function.name}: has the code {deployed}, not {expected}: another upload interfered. Deploy again"
        )


def _event(file: Path, today: dt.date) -> Mapping[str, Any]:
    try:
        event: object = json.loads(file.read_bytes())
        parse_event(event, today=today)
    except OSError as error:
        raise DeployError(
            f"--event: {str(file)!r} cannot be read: {error.strerror}; accepted: a file with an event of the Lambda"
        ) from None
    except ValueError as error:
        raise DeployError(f"--event: {str(file)!r} is not JSON: {error}") from None
    except RunRefusedError as refusal:
        raise DeployError(f"--event: {str(file)!r} would be refused: {refusal}") from None
    return cast("Mapping[str, Any]", event)


def _manifest(package: Path) -> Mapping[str, Any]:
    try:
        return read_manifest(package)
    except PackagingError as error:
        raise DeployError(f"--zip: {error}") from None


def _check_compatible(manifest: Mapping[str, Any], state: State, target: DeployTarget) -> None:
    """Refuse code for another Python or machine: it would replace the running version and fail at the first import."""
    of_function = (state.runtime, *state.architectures)
    of_package = (manifest["runtime"], manifest["architecture"])
    if of_package != of_function:
        raise DeployError(
            f"{target.function}: runs {', '.join(of_function)}; the package is for {', '.join(of_package)}. "
            "Build one with `vectora-normalize package --python VERSION --platform TAG`"
        )
    if state.handler not in HANDLERS:
        raise DeployError(
            f"{target.function}: its handler is {state.handler!r}; the package has {' and '.join(map(repr, HANDLERS))}"
        )


def _in_bucket(session: Any, target: DeployTarget, operation: str, *, doing: str, **arguments: Any) -> None:  # noqa: ANN401 - as above
    from botocore.exceptions import ClientError  # noqa: PLC0415 - as in errors.wrap_aws_errors

    with wrap_aws_errors(f"{doing} the bucket {target.bucket}"), contextlib.closing(session.client("s3")) as client:
        try:
            getattr(client, operation)(Bucket=target.bucket, **arguments)
        except ClientError as error:
            if code_of(error) not in {"NoSuchBucket", "404"}:
                raise
            raise DeployError(f"{target.bucket}: no such bucket; give its name with --bucket, or create it") from error
