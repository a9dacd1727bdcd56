"""The steps of a deployment in their order, and of a rollback. Nothing is changed before everything is checked.

Each package stays in the bucket under its hash, and each deployment is a published version of the function, described
with the key of its package. The alias ``live`` names the version that passed its test last. Lambda publishes the code
of ``$LATEST``, so a caller without the alias gets the new code during its test; if the test fails, ``$LATEST`` gets
the code of the alias again.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from vectora_normalize.contract import RunRefusedError, parse_event
from vectora_normalize.operations.deploy.errors import DeployError, code_of, wrap_aws_errors
from vectora_normalize.operations.deploy.function import HANDLERS, Function, State, Version
from vectora_normalize.operations.deploy.smoke_test import SmokeTestResult, check_answer
from vectora_normalize.operations.package import PackagingError, read_manifest

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping, Sequence
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
    """Upload the package, publish it as a version, test this version with the event, and move the alias to it.

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
        DeployError: A step failed; the steps after it were not executed. After a failed test the alias stays, and
            ``$LATEST`` has its code again.
    """
    event = _event(deployment.event, today)
    manifest = _manifest(deployment.package)
    target = deployment.target
    with contextlib.closing(Function(session, target.function, clock)) as function:
        state = function.describe()
        _check_compatible(manifest, state, target)
        if dry_run:
            _in_bucket(session, target, "head_bucket", doing="reading")
            _print_plan(deployment, state, event, echo)
            return None
        released = function.released(target.alias)
        version = _publish(deployment, session, function, echo)
        echo(f"invoking version {version.number} with {deployment.event} (at most {state.timeout:.0f} s)")
        try:
            result = check_answer(function.invoke(event, version=version.number, timeout=state.timeout))
        except DeployError as failed:
            raise DeployError(f"{failed}. {_restore(function, target, released, version)}", log=failed.log) from None
        earlier = [number for number in released if number != version.number]
        _release(session, function, target, version, earlier)
        echo(f"moved the alias {target.alias} to version {version.number}")
        return result


def rollback(
    target: DeployTarget,
    session: Any,  # noqa: ANN401 - as above
    *,
    clock: Clock,
    echo: Callable[[str], None],
    dry_run: bool = False,
) -> Version:
    """Move the alias to the version before the one that it names, and put its code into ``$LATEST``.

    Args:
        target: The code bucket and the function.
        session: A boto3 session with a region.
        clock: The source of time and of sleeps.
        echo: Called with one line for each completed step.
        dry_run: Print the steps, and change nothing.

    Returns:
        The version that the alias names now, or would name.

    Raises:
        DeployError: There is no earlier version of ``deploy``, or a step failed.
    """
    with contextlib.closing(Function(session, target.function, clock)) as function:
        function.describe()
        released = function.released(target.alias)
        if not released[1:]:
            raise DeployError(
                f"{target.function}: the alias {target.alias} has named no earlier version; check an earlier version "
                "of the project out, package and deploy it"
            )
        current, *earlier = released
        version = function.version(earlier[0])
        package = target.url(version.description)
        if not _is_release(version, target):
            raise DeployError(f"{target.function}: version {version.number} was not published by `deploy`")
        if dry_run:
            echo(f"would move the alias {target.alias} of {function.name} from version {current} to {version.number}")
            echo(f"would update {function.name} from {package}")
            return version
        # The alias first: it takes effect at once.
        _release(session, function, target, version, earlier[1:])
        echo(f"moved the alias {target.alias} from version {current} to {version.number}")
        function.update(target.bucket, version.description)
        function.wait_until_settled()
        echo(f"updated {function.name} from {package}")
        return version


def _is_release(version: Version, target: DeployTarget) -> bool:
    return version.description.startswith(target.release_key("").removesuffix(".zip"))


def _print_plan(deployment: Deployment, state: State, event: Mapping[str, Any], echo: Callable[[str], None]) -> None:
    target, zipped = deployment.target, deployment.package.read_bytes()
    url = target.url(target.release_key(hashlib.sha256(zipped).hexdigest()))
    echo(f"would upload {deployment.package} ({len(zipped)} bytes) to {url}")
    echo(f"would update {target.function} ({state.runtime}, {state.architectures[0]}) and publish a version")
    echo(f"would invoke the version with {deployment.event}: {json.dumps(event)}")
    echo(f"would move the alias {target.alias} to it, and copy the package to {target.url(target.key)}")


def _publish(
    deployment: Deployment,
    session: Any,  # noqa: ANN401 - as above
    function: Function,
    echo: Callable[[str], None],
) -> Version:
    target, zipped = deployment.target, deployment.package.read_bytes()
    digest = hashlib.sha256(zipped)
    key = target.release_key(digest.hexdigest())
    content = {"Key": key, "Body": zipped, "ContentType": "application/zip"}
    _in_bucket(session, target, "put_object", doing="uploading to", **content)
    echo(f"uploaded {deployment.package} to {target.url(key)}")
    expected = base64.b64encode(digest.digest()).decode()
    deployed = function.update(target.bucket, key)
    if deployed != expected:
        raise DeployError(
            f"{function.name}: has the code {deployed}, not {expected}: another upload interfered. Deploy again"
        )
    function.wait_until_settled()
    version = function.publish(expected, key)
    state = function.wait_until_settled(version.number)
    echo(f"updated {function.name} and published version {version.number}; it is {state.state.lower()}")
    return version


def _release(
    session: Any,  # noqa: ANN401 - as above
    function: Function,
    target: DeployTarget,
    version: Version,
    earlier: Sequence[int],
) -> None:
    """Move the alias to a version, and make its package the one with which a new stack starts.

    The alias gets the function's settings for asynchronous invocations: the template cannot, as it has no alias.
    """
    function.move_alias(target.alias, [version.number, *earlier])
    function.configure_asynchronous_invocations(target.alias)
    source = {"Bucket": target.bucket, "Key": version.description}
    _in_bucket(session, target, "copy_object", doing="copying in", Key=target.key, CopySource=source)


def _restore(function: Function, target: DeployTarget, released: Sequence[int], failed: Version) -> str:
    """Put the code of the alias back into ``$LATEST``, and return a sentence about what callers get now."""
    if not released:
        return f"No earlier version is known, so {function.name} keeps the new code"
    stays = f"The alias {target.alias} stays at version {released[0]}"
    version = failed if released[0] == failed.number else function.version(released[0])
    if version == failed or not _is_release(version, target):
        return f"{stays}, and $LATEST keeps the new code"
    function.update(target.bucket, version.description)
    function.wait_until_settled()
    return f"{stays}, and $LATEST has its code again"


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
