"""A deployed Lambda function: describes it, updates its code, publishes versions, moves its alias, invokes it once."""

from __future__ import annotations

import base64
import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from vectora_normalize.operations.deploy.errors import DeployError, code_of, wrap_aws_errors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from botocore.exceptions import ClientError

    from bedrock_resilience.clock import Clock

HANDLERS: Final = ("handler.lambda_handler", "vectora_normalize.handler.lambda_handler")
"""The handler names that a package provides."""

_MAX_WAIT_SECONDS: Final = 300.0  # as long as botocore's own waiters
_POLL_SECONDS: Final = 2.0  # between two descriptions of the function
_BEFORE: Final = "before:"  # in the description of an alias, in front of the versions that it named before
_MAX_RELEASED: Final = 20  # of these; a description has 256 characters at most
_ASYNCHRONOUS_SETTINGS: Final = ("MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig")
_EXTRA_READ_TIMEOUT_SECONDS: Final = 30.0  # beyond the function's own timeout: a cold start and the network


@dataclass(frozen=True, slots=True)
class State:
    """The state of a function, as Lambda describes it.

    Args:
        runtime: Such as ``python3.12``.
        architectures: Such as ``x86_64``.
        handler: Name of the handler.
        timeout: Seconds that an invocation may take.
        state: ``Pending``, ``Active``, ``Inactive`` or ``Failed``.
        update: ``Successful``, ``InProgress`` or ``Failed``.
        reason: Why it is in that state.
    """

    runtime: str
    architectures: tuple[str, ...]
    handler: str
    timeout: float
    state: str
    update: str
    reason: str

    @classmethod
    def from_response(cls, response: Mapping[str, Any]) -> State:
        """Return the state in a response of ``GetFunctionConfiguration``."""
        reason = response.get("LastUpdateStatusReason") or response.get("StateReason") or "no reason given"
        return cls(
            runtime=response.get("Runtime", "none (a container image)"),
            architectures=tuple(response.get("Architectures", ("x86_64",))),
            handler=response.get("Handler", ""),
            timeout=float(response.get("Timeout", 3)),
            state=response.get("State", "Active"),
            update=response.get("LastUpdateStatus", "Successful"),
            reason=reason,
        )

    @property
    def busy(self) -> bool:
        """Whether Lambda is creating or updating the function."""
        return self.state == "Pending" or self.update == "InProgress"


@dataclass(frozen=True, slots=True)
class Version:
    """A published version of a function.

    Args:
        number: Its number, as Lambda counts them.
        description: What its publisher wrote; ``deploy`` writes the key of the package.
    """

    number: int
    description: str


class Function:
    """A deployed function.

    Args:
        session: A boto3 session.
        name: Name of the function.
        clock: The source of time and of sleeps.
        max_wait: Seconds that Lambda may take for an update.
    """

    def __init__(self, session: Any, name: str, clock: Clock, max_wait: float = _MAX_WAIT_SECONDS) -> None:  # noqa: ANN401 - boto3 creates client classes at run time
        self.name = name
        self._session = session
        self._clock = clock
        self._max_wait = max_wait
        with wrap_aws_errors(f"connecting to the function {name}"):
            self._client = session.client("lambda")

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def describe(self, version: int | None = None) -> State:
        """Return the present state of the function, or of one of its versions.

        Raises:
            DeployError: There is no such function, or Lambda could not be reached.
        """
        return State.from_response(self._call("get_function_configuration", doing="describing", **_qualifier(version)))

    def wait_until_settled(self, version: int | None = None) -> State:
        """Wait until Lambda is no longer creating or updating the function or its version, and return its state.

        Raises:
            DeployError: It takes too long, or an update failed.
        """
        # Not botocore's waiters: they use the machine's clock instead of the one that is passed in, they check one of
        # the two fields each, and none accepts a function that is Inactive.
        until = self._clock.monotonic() + self._max_wait
        while (state := self.describe(version)).busy:
            if self._clock.monotonic() >= until:
                raise DeployError(
                    f"{self.name}: still {state.state}, update {state.update}, after {self._max_wait:.0f} s"
                )
            self._clock.sleep(_POLL_SECONDS)
        if "Failed" in {state.state, state.update}:
            raise DeployError(f"{self.name}: state {state.state}, update {state.update}: {state.reason}")
        return state

    def update(self, bucket: str, key: str) -> str:
        """Update its code from a bucket; return the SHA-256 of the zip that Lambda reports, in base 64.

        It waits for another update that is in progress.

        Raises:
            DeployError: Lambda refused the update, or other updates did not end.
        """
        until = self._clock.monotonic() + self._max_wait
        while self._clock.monotonic() < until:
            self.wait_until_settled()
            try:
                updated = self._call(
                    "update_function_code", doing="updating", S3Bucket=bucket, S3Key=key, Publish=False
                )
            except _UpdateInProgressError:
                self._clock.sleep(_POLL_SECONDS)
            else:
                return str(updated["CodeSha256"])
        raise DeployError(f"{self.name}: others kept updating it for {self._max_wait:.0f} s; this code is not deployed")

    def publish(self, code_sha256: str, description: str) -> Version:
        """Publish the present code as a version, and return it.

        Lambda publishes none if nothing changed since the last version, which is returned then.

        Args:
            code_sha256: What ``update`` returned; the code of another update is not published.
            description: What the version is described with.

        Raises:
            DeployError: Lambda refused it, for example because the code is another one by now.
        """
        published = self._call(
            "publish_version", doing="publishing a version of", CodeSha256=code_sha256, Description=description
        )
        return Version(int(published["Version"]), published.get("Description", ""))

    def version(self, number: int) -> Version:
        """Return a published version.

        Raises:
            DeployError: There is no such version, or Lambda could not be reached.
        """
        found = self._call("get_function_configuration", doing=f"describing version {number} of", **_qualifier(number))
        return Version(number, found.get("Description", ""))

    def released(self, alias: str) -> list[int]:
        """Return the versions that an alias has named, the newest first; empty if there is no such alias.

        The first is the one that it names. The others are in its description, as ``move_alias`` writes them.

        Raises:
            DeployError: Lambda could not be reached, or refused it.
        """
        try:
            answer = self._call("get_alias", doing=f"reading the alias {alias} of", Name=alias)
        except _MissingAliasError:
            return []
        _, _, before = answer.get("Description", "").partition(_BEFORE)
        current = int(answer["FunctionVersion"])
        return [current, *(int(number) for number in before.split() if number.isdecimal() and int(number) != current)]

    def move_alias(self, alias: str, released: Sequence[int]) -> None:
        """Let an alias name a version; if there is no such alias, create it.

        Args:
            alias: Its name.
            released: The version, and those that it named before, the newest first.

        Raises:
            DeployError: Lambda could not be reached, or refused it.
        """
        version, *before = (str(number) for number in released[:_MAX_RELEASED])
        arguments = {"Name": alias, "FunctionVersion": version, "Description": f"{_BEFORE} {' '.join(before)}".strip()}
        try:
            self._call("update_alias", doing=f"moving the alias {alias} of", **arguments)
        except _MissingAliasError:
            self._call("create_alias", doing=f"creating the alias {alias} of", **arguments)

    def configure_asynchronous_invocations(self, alias: str) -> None:
        """Give an alias the retries, the age of events and the destinations that the function has for ``$LATEST``.

        Lambda keeps these settings for each qualifier. Without its own, an alias repeats a failed invocation twice and
        then drops the event. If the function has none either, nothing is changed.

        Args:
            alias: Its name.

        Raises:
            DeployError: Lambda could not be reached, or refused it.
        """
        doing = f"configuring the asynchronous invocations of the alias {alias} of"
        try:
            settings = self._call("get_function_event_invoke_config", doing=doing)
        except _MissingSettingsError:
            return
        arguments = {name: settings[name] for name in _ASYNCHRONOUS_SETTINGS if name in settings}
        self._call("put_function_event_invoke_config", doing=doing, Qualifier=alias, **arguments)

    def invoke(self, event: Mapping[str, Any], *, version: int, timeout: float) -> object:
        """Invoke a version of it with an event, once, and return its response.

        The read timeout exceeds the function's own: a client that times out earlier invokes again, and two runs share
        one quota.

        Raises:
            DeployError: It is busy, it failed, or it did not respond; with the last lines of its log, if it has run.
        """
        from botocore.config import Config  # noqa: PLC0415 - as in errors.wrap_aws_errors

        max_wait = timeout + _EXTRA_READ_TIMEOUT_SECONDS
        # Keep-alive: a NAT gateway drops connections that are idle for 350 s.
        config = Config(read_timeout=max_wait, retries={"total_max_attempts": 1}, tcp_keepalive=True)
        once = self._session.client("lambda", config=config)
        try:
            with contextlib.closing(once):
                answer = self._call(
                    "invoke",
                    once,
                    doing="invoking",
                    Payload=json.dumps(event).encode(),
                    LogType="Tail",
                    **_qualifier(version),
                )
        except _ConcurrencyLimitError as busy:
            raise DeployError(
                f"{self.name}: is busy (429, {busy}). Dev runs one invocation at a time, and a synchronous one is not "
                "queued. Deploy again when the current run has ended"
            ) from None
        log = base64.b64decode(answer.get("LogResult", "")).decode(errors="replace").splitlines()
        body = _parsed(answer["Payload"])
        if "FunctionError" in answer:
            raise DeployError(
                f"{self.name}: the invocation failed: {_error_text(body, answer['FunctionError'])}", log=log
            )
        return body

    def _call(self, operation: str, client: Any = None, *, doing: str, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
        from botocore.exceptions import ClientError  # noqa: PLC0415 - as in errors.wrap_aws_errors

        with wrap_aws_errors(f"{doing} the function {self.name}"):
            try:
                answer: dict[str, Any] = getattr(client or self._client, operation)(FunctionName=self.name, **arguments)
            except ClientError as error:
                self._raise_known(error, operation)
                raise
            if "Payload" in answer:
                answer["Payload"] = answer["Payload"].read()
            return answer

    def _raise_known(self, error: ClientError, operation: str) -> None:
        """Raise the exception of this module for an error code of Lambda, if there is one."""
        code = code_of(error)
        if code == "ResourceNotFoundException":
            if operation in {"get_alias", "update_alias"}:
                raise _MissingAliasError
            if operation == "get_function_event_invoke_config":
                raise _MissingSettingsError
            region = self._session.region_name
            raise DeployError(
                f"{self.name}: no such function in {region}; the stack of infra/s1-runtime.yaml creates it"
            )
        if code == "ResourceConflictException" and operation == "update_function_code":
            raise _UpdateInProgressError(self.name)
        if code == "TooManyRequestsException":
            raise _ConcurrencyLimitError(error.response.get("Reason") or "no reason given")


class _UpdateInProgressError(Exception):
    """Another update of the function is in progress."""


class _MissingAliasError(Exception):
    """The function has no such alias."""


class _MissingSettingsError(Exception):
    """The function has no settings for asynchronous invocations."""


class _ConcurrencyLimitError(Exception):
    """No further invocation is allowed until another one ends."""


def _qualifier(version: int | None) -> dict[str, str]:
    return {} if version is None else {"Qualifier": str(version)}


def _error_text(body: object, kind: str) -> str:
    """Return the error that the runtime reports for an invocation."""
    if not isinstance(body, dict):
        return f"{kind}: {body}"
    error = cast("Mapping[str, Any]", body)
    return f"{error.get('errorType', kind)}: {error.get('errorMessage', error)}"


def _parsed(payload: bytes) -> object:
    try:
        return cast("object", json.loads(payload or b"null"))
    except ValueError:
        return payload.decode(errors="replace")
