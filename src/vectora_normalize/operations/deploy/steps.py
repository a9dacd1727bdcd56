"""The steps of a deployment, in the order in which they are taken; nothing is changed before all is checked."""

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
from vectora_normalize.operations.deploy.smoke_test import SmokeTestResult, judge
from vectora_normalize.operations.package import PackagingError, label_of

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from bedrock_resilience.clock import Clock
    from vectora_normalize.operations.deploy.target import DeployTarget


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What is deployed, where to, and how it is tried.

    Args:
        package: The zip.
        place: The code bucket and the function.
        event: A file with the event that the function is tried with.
    """

    package: Path
    place: DeployTarget
    event: Path


def deploy(
    deployment: Deployment,
    session: Any,  # noqa: ANN401 - boto3 makes its clients at run time
    *,
    today: dt.date,
    clock: Clock,
    tell: Callable[[str], None],
    dry_run: bool = False,
) -> SmokeTestResult | None:
    """Upload, update, wait, and try.

    Args:
        deployment: What, where, how.
        session: A boto3 session with a region.
        today: Day of the trial, UTC: the event is checked against it.
        clock: How waiting is done.
        tell: Takes a line for each step that is done.
        dry_run: Check all that can be checked, tell what would be done, and change nothing.

    Returns:
        What the function made of the event; None for a dry run.

    Raises:
        DeployError: A step failed; those after it were not taken.
    """
    event = _event(deployment.event, today)
    label = _label(deployment.package)
    with contextlib.closing(Function(session, deployment.place.function, clock)) as function:
        state = function.describe()
        _check_fit(label, state, deployment.place)
        if dry_run:
            _in_bucket(session, deployment.place, "head_bucket", doing="reading")
            _tell_plan(deployment, state, event, tell)
            return None
        _put_in_place(deployment, session, function, tell)
        state = function.wait_until_settled()
        tell(f"updated {function.name}; it is {state.state.lower()}")
        tell(f"invoking it with {deployment.event} (at most {state.timeout:.0f} s)")
        return judge(function.invoke(event, timeout=state.timeout))


def _tell_plan(deployment: Deployment, state: State, event: Mapping[str, Any], tell: Callable[[str], None]) -> None:
    place = deployment.place
    size = deployment.package.stat().st_size
    tell(f"would upload {deployment.package} ({size} bytes) to {place.url}")
    tell(f"would update {place.function} ({state.runtime}, {state.architectures[0]}) and wait until it is active")
    tell(f"would invoke it with {deployment.event}: {json.dumps(event)}")


def _put_in_place(
    deployment: Deployment,
    session: Any,  # noqa: ANN401 - as above
    function: Function,
    tell: Callable[[str], None],
) -> None:
    place, zipped = deployment.place, deployment.package.read_bytes()
    content = {"Key": place.key, "Body": zipped, "ContentType": "application/zip"}
    _in_bucket(session, place, "put_object", doing="uploading to", **content)
    tell(f"uploaded {deployment.package} to {place.url}")
    taken, sent = function.update(place), base64.b64encode(hashlib.sha256(zipped).digest()).decode()
    if taken != sent:
        raise DeployError(f"{function.name}: took code {taken}, not {sent}; another upload came between. Deploy again")


def _event(file: Path, today: dt.date) -> Mapping[str, Any]:
    try:
        event: object = json.loads(file.read_bytes())
        parse_event(event, today=today)
    except OSError as error:
        raise DeployError(
            f"--event: {str(file)!r} cannot be read: {error.strerror}; accepted: a file with an event of the Lambda"
        ) from None
    except ValueError as error:
        raise DeployError(f"--event: {str(file)!r} holds no JSON: {error}") from None
    except RunRefusedError as refusal:
        raise DeployError(f"--event: {str(file)!r} would be refused: {refusal}") from None
    return cast("Mapping[str, Any]", event)


def _label(package: Path) -> Mapping[str, Any]:
    try:
        return label_of(package)
    except PackagingError as error:
        raise DeployError(f"--zip: {error}") from None


def _check_fit(label: Mapping[str, Any], state: State, place: DeployTarget) -> None:
    """Code for another Python or machine would fail at the first import, and take the running version with it."""
    has = (state.runtime, *state.architectures)
    if (label["runtime"], label["architecture"]) != has:
        raise DeployError(
            f"{place.function}: runs {', '.join(has)}; the package is for {label['runtime']}, {label['architecture']}. "
            "Make one with `vectora-normalize package --python VERSION --platform TAG`"
        )
    if state.handler not in HANDLERS:
        raise DeployError(
            f"{place.function}: its handler is {state.handler!r}; the package has {' and '.join(map(repr, HANDLERS))}"
        )


def _in_bucket(session: Any, place: DeployTarget, operation: str, *, doing: str, **arguments: Any) -> None:  # noqa: ANN401 - as above
    from botocore.exceptions import ClientError  # noqa: PLC0415 - as in errors.wrap_aws_errors

    with wrap_aws_errors(f"{doing} the bucket {place.bucket}"), contextlib.closing(session.client("s3")) as client:
        try:
            getattr(client, operation)(Bucket=place.bucket, **arguments)
        except ClientError as error:
            if code_of(error) not in {"NoSuchBucket", "404"}:
                raise
            raise DeployError(f"{place.bucket}: no such bucket; give its name with --bucket, or make it") from error
