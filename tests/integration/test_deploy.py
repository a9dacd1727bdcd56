"""``vectora-normalize deploy`` on moto's server: S3 and Lambda over a socket, with unchanged boto3."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
from typer.testing import CliRunner

from bedrock_resilience.testing import FakeClock
from support.lambda_service import Ran, Reply, create_function, lambda_service, refusal
from support.s3 import REGION, make_bucket, moto_server, s3_client
from vectora_normalize.cli.app import app
from vectora_normalize.contract import ErrorType, RunRefusedError, refused, succeeded
from vectora_normalize.operations.deploy import DeployError, Deployment, DeployTarget, SmokeTestResult, deploy
from vectora_normalize.operations.deploy.function import Function
from vectora_normalize.operations.package.archive import write_archive

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from support.lambda_service import LambdaService

TODAY = dt.date(2026, 11, 21)
TARGET = DeployTarget.for_environment("dev", project="vectora-inbox")
ANSWER = succeeded(client_id="lai_weekly", items_ingested=3, items_normalized=3, seconds=2.5)
CLOSED_BUCKET = "closed"
NOBODY_MAY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::closed/*"}],
}
IN_PROGRESS = Reply(200, json.dumps({"State": "Active", "LastUpdateStatus": "InProgress"}).encode())


class Deployed:
    """A package, and the system to which it is deployed."""

    service: LambdaService

    def __init__(self, folder: Path, account: Account) -> None:
        self.folder = folder
        self.s3 = account.s3
        self.lambda_ = account.lambda_
        self.session = account.session
        self.clock = FakeClock()
        self.lines: list[str] = []
        self.events: list[bytes] = []
        self.run: Callable[[], Ran] = lambda: Ran(json.dumps(ANSWER).encode(), log="one\ntwo")
        self.package(b"new")
        (folder / "event.json").write_text('{"client_id": "lai_weekly", "period_days": 1}')

    def package(self, code: bytes, **fields: str) -> Path:
        manifest = {"runtime": "python3.12", "architecture": "x86_64", **fields}
        files: dict[str, Any] = {"handler.py": code, "ingest-normalize.json": json.dumps(manifest).encode()}
        return write_archive(files, self.folder / "x.zip").path

    def invoked(self, _name: str, event: bytes) -> Ran:
        self.events.append(event)
        return self.run()

    def deploy(self, *, target: DeployTarget = TARGET, dry_run: bool = False) -> SmokeTestResult | None:
        deployment = Deployment(package=self.folder / "x.zip", target=target, event=self.folder / "event.json")
        return deploy(deployment, self.session, today=TODAY, clock=self.clock, echo=self.lines.append, dry_run=dry_run)

    def fails(self, *, target: DeployTarget = TARGET, dry_run: bool = False) -> DeployError:
        with pytest.raises(DeployError) as failed:
            self.deploy(target=target, dry_run=dry_run)
        assert "\n" not in str(failed.value)
        return failed.value

    def answers(self, ran: Ran) -> None:
        """Set the result of the next invocations."""
        self.run = lambda: ran

    def uploaded(self) -> bytes | None:
        """The package in the code bucket."""
        try:
            body: bytes = self.s3.get_object(Bucket=TARGET.bucket, Key=TARGET.key)["Body"].read()
        except self.s3.exceptions.NoSuchKey:
            return None
        return body


class Account:
    """An AWS account of its own, so that no other test uses the names of the deployed systems."""

    def __init__(self, url: str, session: Any, s3: Any, lambda_: Any, role: str) -> None:  # noqa: ANN401 - boto3
        self.url, self.session, self.s3, self.lambda_, self.role = url, session, s3, lambda_, role


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with moto_server() as url, s3_client(url) as s3:
        session = cast("Any", boto3).Session(region_name=REGION)
        clients = [session.client(name, endpoint_url=url) for name in ("iam", "lambda")]
        with closing(clients[0]) as iam, closing(clients[1]) as lambda_:
            trust = json.dumps({"Version": "2012-10-17", "Statement": []})
            role = iam.create_role(RoleName="any", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
            make_bucket(s3, TARGET.bucket)
            make_bucket(s3, CLOSED_BUCKET)
            s3.put_bucket_policy(Bucket=CLOSED_BUCKET, Policy=json.dumps(NOBODY_MAY))
            yield Account(url, session, s3, lambda_, role)


@pytest.fixture
def deployed(account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Deployed]:
    monkeypatch.setenv("AWS_ENDPOINT_URL", account.url)
    parts = Deployed(tmp_path, account)
    with lambda_service(account.url, parts.invoked) as service:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", service.url)
        parts.service = service
        create_function(account.lambda_, account.role)
        account.lambda_.put_function_concurrency(FunctionName=TARGET.function, ReservedConcurrentExecutions=1)
        yield parts
    account.lambda_.delete_function(FunctionName=TARGET.function)
    account.s3.delete_object(Bucket=TARGET.bucket, Key=TARGET.key)


class TestSuccessfulDeployment:
    def test_the_code_is_uploaded_deployed_and_tested(self, deployed: Deployed) -> None:
        assert deployed.deploy() == SmokeTestResult(items_ingested=3, items_normalized=3, seconds=2.5)
        assert deployed.uploaded() == (deployed.folder / "x.zip").read_bytes()
        digest = base64.b64encode(hashlib.sha256(deployed.uploaded() or b"").digest()).decode()
        assert deployed.lambda_.get_function(FunctionName=TARGET.function)["Configuration"]["CodeSha256"] == digest
        assert [json.loads(event) for event in deployed.events] == [{"client_id": "lai_weekly", "period_days": 1}]
        assert [line.split()[0] for line in deployed.lines] == ["uploaded", "updated", "invoking", "moved"]

    def test_a_dry_run_prints_the_steps_and_changes_nothing(self, deployed: Deployed) -> None:
        assert deployed.deploy(dry_run=True) is None
        assert deployed.uploaded() is None
        assert deployed.events == []
        assert {method for method, _ in deployed.service.requests} == {"GET"}
        assert [line.split()[:2] for line in deployed.lines] == [
            ["would", verb] for verb in ("upload", "update", "invoke", "move")
        ]

    def test_an_update_that_is_under_way_is_waited_for(self, deployed: Deployed) -> None:
        deployed.service.answer_next("GET", "configuration", described(), IN_PROGRESS, IN_PROGRESS)
        deployed.service.answer_next(
            "PUT", "code", refusal(409, "ResourceConflictException", "an update is in progress")
        )
        assert deployed.deploy() is not None
        assert deployed.clock.monotonic() == pytest.approx(6.0)  # two polls, and one after the conflict

    def test_a_function_that_is_inactive_or_new_is_updated(self, deployed: Deployed) -> None:
        pending, inactive = (Reply(200, json.dumps({"State": state}).encode()) for state in ("Pending", "Inactive"))
        deployed.service.answer_next("GET", "configuration", described(), pending, inactive)
        assert deployed.deploy() is not None

    def test_both_handler_names_are_accepted(self, deployed: Deployed) -> None:
        deployed.lambda_.update_function_configuration(FunctionName=TARGET.function, Handler="handler.lambda_handler")
        assert deployed.deploy() is not None

    def test_the_command_prints_the_result_of_the_smoke_test(self, deployed: Deployed) -> None:
        answer = succeeded(client_id="lai_weekly", items_ingested=0, items_normalized=0, seconds=2.5)
        deployed.answers(Ran(json.dumps(answer).encode()))
        result = command(deployed)
        assert (result.exit_code, result.stderr) == (0, "")
        lines = result.stdout.splitlines()
        assert lines[-2] == "answer 200: 0 of 0 items normalized in 2.5 s"
        assert lines[-1].startswith("note: no item was in the window")

    def test_the_command_prints_no_note_after_a_complete_test(self, deployed: Deployed) -> None:
        result = command(deployed)
        assert (result.exit_code, result.stderr) == (0, "")
        assert result.stdout.splitlines()[-1] == "answer 200: 3 of 3 items normalized in 2.5 s"
        result = command(deployed, "--dry-run")
        assert (result.exit_code, len(result.stdout.splitlines())) == (0, 4)

    def test_the_command_takes_other_names_and_another_region(self, deployed: Deployed) -> None:
        options = ("--bucket", "other-code", "--function", "nobody", "--region", "eu-central-1")
        result = command(deployed, *options)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("error: nobody: no such function in eu-central-1; ")

    def test_without_any_region_it_is_that_of_the_deployed_systems(
        self, deployed: Deployed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("AWS_DEFAULT_REGION")
        assert "nobody: no such function in eu-west-3" in command(deployed, "--function", "nobody").stderr


class TestReleases:
    """Versions, and the alias of the one that passed its test last."""

    def release(self, deployed: Deployed, code: bytes) -> bytes:
        deployed.answers(Ran(json.dumps(ANSWER).encode()))
        package = deployed.package(code).read_bytes()
        deployed.deploy()
        return package

    def test_the_version_is_tested_before_the_alias_names_it(self, deployed: Deployed) -> None:
        named: list[int | None] = []

        def look() -> Ran:
            named.append(alias(deployed))
            return Ran(json.dumps(ANSWER).encode())

        for code in (b"one", b"two"):
            deployed.run = look
            deployed.package(code)
            deployed.deploy()
        assert named == [None, 1]
        assert deployed.service.invoked == ["1", "2"]
        assert alias(deployed) == 2

    def test_the_alias_keeps_failed_events_as_the_function_does(self, deployed: Deployed) -> None:
        settings = {
            "MaximumRetryAttempts": 0,
            "MaximumEventAgeInSeconds": 3600,
            "DestinationConfig": {"OnFailure": {"Destination": "arn:aws:sqs:eu-west-3:123456789012:failed"}},
        }
        deployed.lambda_.put_function_event_invoke_config(FunctionName=TARGET.function, **settings)
        self.release(deployed, b"one")
        (written,) = [one for one in deployed.service.written if "event-invoke-config" in one[0]]
        assert written[0].endswith(f"/functions/{TARGET.function}/event-invoke-config?Qualifier=live")
        sent = json.loads(written[1])
        assert sent["DestinationConfig"].pop("OnSuccess", {}) == {}  # moto adds it
        assert sent == settings

    def test_a_function_without_settings_for_events_gives_the_alias_none(self, deployed: Deployed) -> None:
        self.release(deployed, b"one")
        assert not any("event-invoke-config" in path for path, _ in deployed.service.written)

    def test_a_failed_test_leaves_the_alias_and_restores_the_code(self, deployed: Deployed) -> None:
        good = self.release(deployed, b"good")
        deployed.package(b"bad")
        deployed.answers(Ran(b"null", "Unhandled", log="why"))
        error = deployed.fails()
        assert str(error).endswith("The alias live stays at version 1, and $LATEST has its code again")
        assert error.log == ("why",)
        assert (alias(deployed), deployed.uploaded(), code(deployed)) == (1, good, sha256(good))

    def test_the_first_deployment_that_fails_keeps_its_code(self, deployed: Deployed) -> None:
        deployed.answers(Ran(b"null", "Unhandled"))
        assert "No earlier version is known" in str(deployed.fails())
        assert (alias(deployed), deployed.uploaded()) == (None, None)

    def test_code_that_fails_though_it_passed_before_stays(self, deployed: Deployed) -> None:
        self.release(deployed, b"one")
        # Lambda publishes no second version of the same code; moto does.
        deployed.service.answer_next("POST", "versions", Reply(201, b'{"Version": "1"}'))
        deployed.answers(Ran(b"null", "Unhandled"))
        assert str(deployed.fails()).endswith("stays at version 1, and $LATEST keeps the new code")

    def test_an_alias_of_somebody_else_is_not_restored_from(self, deployed: Deployed) -> None:
        published = deployed.lambda_.publish_version(FunctionName=TARGET.function)["Version"]
        deployed.lambda_.create_alias(FunctionName=TARGET.function, Name="live", FunctionVersion=published)
        deployed.answers(Ran(b"null", "Unhandled"))
        assert str(deployed.fails()).endswith("stays at version 1, and $LATEST keeps the new code")
        assert "version 1 was not published by `deploy`" in self.rollback_fails(deployed, [2, 1])

    def rollback_fails(self, deployed: Deployed, released: list[int]) -> str:
        with closing(Function(deployed.session, TARGET.function, deployed.clock)) as function:
            function.move_alias("live", released)
        result = command(deployed, "--rollback")
        assert (result.exit_code, result.stdout) == (1, "")
        return str(result.stderr)

    def test_a_rollback_returns_to_what_passed_before_and_not_to_what_failed(self, deployed: Deployed) -> None:
        one = self.release(deployed, b"one")
        deployed.package(b"bad")
        deployed.answers(Ran(b"null", "Unhandled"))
        deployed.fails()
        three = self.release(deployed, b"three")
        assert (alias(deployed), deployed.uploaded(), code(deployed)) == (3, three, sha256(three))
        planned = command(deployed, "--rollback", "--dry-run")
        assert [line.split()[:2] for line in planned.stdout.splitlines()] == [["would", "move"], ["would", "update"]]
        assert alias(deployed) == 3
        result = command(deployed, "--rollback")
        assert (result.exit_code, result.stderr) == (0, "")
        assert result.stdout.splitlines()[0] == "moved the alias live from version 3 to 1"
        assert (alias(deployed), deployed.uploaded(), code(deployed)) == (1, one, sha256(one))
        assert "the alias live has named no earlier version" in command(deployed, "--rollback").stderr

    def test_a_function_that_was_never_deployed_has_nothing_to_return_to(self, deployed: Deployed) -> None:
        result = command(deployed, "--rollback")
        assert result.exit_code == 1
        assert "the alias live has named no earlier version" in result.stderr

    def test_many_releases_fit_into_the_description_of_the_alias(self, deployed: Deployed) -> None:
        with closing(Function(deployed.session, TARGET.function, deployed.clock)) as function:
            function.publish(code(deployed), "")
            function.move_alias("live", [1, *range(99_999, 99_900, -1)])
            released = function.released("live")
        assert released == [1, *range(99_999, 99_980, -1)]


class TestFailedDeployment:
    def test_a_missing_function_is_reported_before_the_upload(self, deployed: Deployed) -> None:
        error = deployed.fails(target=DeployTarget(TARGET.bucket, "nobody"))
        assert str(error) == "nobody: no such function in eu-west-3; the stack of infra/s1-runtime.yaml creates it"
        assert deployed.uploaded() is None

    @pytest.mark.parametrize("dry_run", [False, True])
    def test_a_missing_bucket_is_reported(self, deployed: Deployed, dry_run: bool) -> None:  # noqa: FBT001 - a parameter
        error = deployed.fails(target=DeployTarget("no-such-bucket", TARGET.function), dry_run=dry_run)
        assert str(error) == "no-such-bucket: no such bucket; give its name with --bucket, or create it"

    def test_a_denied_upload_is_reported(self, deployed: Deployed) -> None:
        error = str(deployed.fails(target=DeployTarget(CLOSED_BUCKET, TARGET.function)))
        assert error.startswith(f"uploading to the bucket {CLOSED_BUCKET}: not allowed: ")

    def test_an_invalid_bucket_name_is_reported(self, deployed: Deployed) -> None:
        error = deployed.fails(target=DeployTarget("no bucket", TARGET.function))
        assert str(error).startswith("uploading to the bucket no bucket: Parameter validation failed")

    def test_missing_credentials_are_reported(self, deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            monkeypatch.delenv(name)
        deployed.session = cast("Any", boto3).Session(region_name=REGION)
        assert str(deployed.fails()).startswith(f"describing the function {TARGET.function}: no valid AWS credentials")

    def test_a_missing_profile_is_reported(self, deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_PROFILE", "nobody")
        result = command(deployed)
        assert result.exit_code == 1
        assert result.stderr.startswith("error: reading the AWS settings: no valid AWS credentials")

    @pytest.mark.parametrize("fields", [{"runtime": "python3.13"}, {"architecture": "arm64"}])
    def test_code_for_another_runtime_is_not_uploaded(self, deployed: Deployed, fields: dict[str, str]) -> None:
        deployed.package(b"new", **fields)
        assert f"{TARGET.function}: runs python3.12, x86_64; the package is for " in str(deployed.fails())
        assert deployed.uploaded() is None

    def test_a_handler_that_the_package_does_not_have_is_reported(self, deployed: Deployed) -> None:
        deployed.lambda_.update_function_configuration(FunctionName=TARGET.function, Handler="app.main")
        assert "its handler is 'app.main'; the package has 'handler.lambda_handler' and" in str(deployed.fails())

    def test_a_missing_zip_is_reported(self, deployed: Deployed) -> None:
        (deployed.folder / "x.zip").unlink()
        assert str(deployed.fails()).startswith("--zip: ")
        assert deployed.service.requests == []

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            (None, "cannot be read: No such file"),
            ("{", "is not JSON"),
            ('{"client_id": 7}', "would be refused: client_id: got 7"),
        ],
    )
    def test_an_invalid_event_is_reported(self, deployed: Deployed, text: str | None, expected: str) -> None:
        event = deployed.folder / "event.json"
        event.unlink()
        if text is not None:
            event.write_text(text)
        error = str(deployed.fails())
        assert error.startswith("--event: ")
        assert expected in error
        assert deployed.service.requests == []

    def test_an_update_that_does_not_end_is_an_error(self, deployed: Deployed) -> None:
        deployed.service.answer_next("GET", "configuration", *[IN_PROGRESS] * 6)
        expected = r"^f: still Active, update InProgress, after 10 s$"
        with (
            closing(Function(deployed.session, "f", deployed.clock, max_wait=10)) as function,
            pytest.raises(DeployError, match=expected),
        ):
            function.wait_until_settled()
        assert deployed.clock.monotonic() == pytest.approx(10)

    def test_continued_updates_by_others_are_an_error(self, deployed: Deployed) -> None:
        conflict = refusal(409, "ResourceConflictException", "an update is in progress")
        deployed.service.answer_next("PUT", "code", *[conflict] * 5)
        expected = r"others kept updating it for 10 s; this code is not deployed$"
        with (
            closing(Function(deployed.session, TARGET.function, deployed.clock, max_wait=10)) as function,
            pytest.raises(DeployError, match=expected),
        ):
            function.update(TARGET.bucket, TARGET.key)
        assert deployed.clock.monotonic() == pytest.approx(10)

    def test_a_failed_update_is_reported_with_its_reason(self, deployed: Deployed) -> None:
        broken = {"State": "Active", "LastUpdateStatus": "Failed", "LastUpdateStatusReason": "no such image"}
        deployed.service.answer_next("GET", "configuration", described(), Reply(200, json.dumps(broken).encode()))
        assert str(deployed.fails()) == f"{TARGET.function}: state Active, update Failed: no such image"

    def test_code_of_another_upload_is_an_error(self, deployed: Deployed) -> None:
        deployed.service.answer_next("PUT", "code", Reply(200, b'{"CodeSha256": "other"}'))
        assert "has the code other, not " in str(deployed.fails())
        assert deployed.events == []

    def test_a_busy_function_is_reported_and_invoked_once(self, deployed: Deployed) -> None:
        release, started = threading.Event(), threading.Event()

        def hold() -> Ran:
            started.set()
            release.wait(30)
            return Ran(b"{}")

        deployed.run = hold
        with closing(deployed.session.client("lambda")) as client:
            other = threading.Thread(target=client.invoke, kwargs={"FunctionName": TARGET.function, "Payload": b"{}"})
            other.start()
            started.wait(30)
            error = str(deployed.fails())
            release.set()
            other.join()
        assert f"{TARGET.function}: is busy (429, ReservedFunctionConcurrentInvocationLimitExceeded)" in error
        assert "Deploy again when the current run has ended" in error
        assert deployed.service.requests.count(("POST", "invocations")) == 2

    def test_a_429_without_a_reason_is_a_429(self, deployed: Deployed) -> None:
        deployed.service.answer_next("POST", "invocations", refusal(429, "TooManyRequestsException", "Rate Exceeded."))
        assert "is busy (429, no reason given)" in str(deployed.fails())

    def test_a_failed_invocation_is_not_repeated(self, deployed: Deployed) -> None:
        deployed.service.answer_next("POST", "invocations", refusal(500, "ServiceException", "oops"))
        assert str(deployed.fails()).startswith(f"invoking the function {TARGET.function}: ServiceException: oops. ")
        assert deployed.service.requests.count(("POST", "invocations")) == 1

    @pytest.mark.parametrize(
        ("payload", "expected"),
        [
            (b'{"errorType": "StoreError", "errorMessage": "no\\nbucket"}', "StoreError: no bucket"),
            (b'{"errorMessage": "x Task timed out after 300.00 seconds"}', "Unhandled: x Task timed out after 300.00"),
            (b"not json", "Unhandled: not json"),
            (b"", "Unhandled: None"),
        ],
    )
    def test_a_failed_invocation_is_reported_with_the_end_of_its_log(
        self, deployed: Deployed, payload: bytes, expected: str
    ) -> None:
        deployed.answers(Ran(payload, "Unhandled", log="one\ntwo\n"))
        error = deployed.fails()
        assert f"{TARGET.function}: the invocation failed: {expected}" in str(error)
        assert error.log == ("one", "two")

    def test_the_command_shows_the_end_of_the_log_and_one_line(self, deployed: Deployed) -> None:
        deployed.answers(Ran(b"null", "Unhandled", log="".join(f"line {number}\n" for number in range(12))))
        result = command(deployed)
        assert result.exit_code == 1
        *log, error = result.stderr.splitlines()
        assert log == [f"log: line {number}" for number in range(2, 12)]
        assert error.startswith(f"error: {TARGET.function}: the invocation failed: Unhandled: None. ")

    def test_a_refused_event_is_a_failed_smoke_test_of_deployed_code(self, deployed: Deployed) -> None:
        answer = refused(RunRefusedError(ErrorType.UNKNOWN_CLIENT, "client_id: got 'x'"), client_id="x", seconds=1)
        deployed.answers(Ran(json.dumps(answer).encode()))
        assert "400 UnknownClient: client_id: got 'x'" in str(deployed.fails())


def alias(deployed: Deployed) -> int | None:
    """The version that the alias names."""
    try:
        named = deployed.lambda_.get_alias(FunctionName=TARGET.function, Name="live")["FunctionVersion"]
    except deployed.lambda_.exceptions.ResourceNotFoundException:
        return None
    return int(named)


def code(deployed: Deployed) -> str:
    """The hash of the code in $LATEST."""
    configuration = deployed.lambda_.get_function(FunctionName=TARGET.function)["Configuration"]
    return str(configuration["CodeSha256"])


def sha256(package: bytes) -> str:
    """The hash of a package, as Lambda reports it."""
    return base64.b64encode(hashlib.sha256(package).digest()).decode()


def described() -> Reply:
    """The description of the function as it should be."""
    configuration = {"Runtime": "python3.12", "Architectures": ["x86_64"], "Handler": "handler.lambda_handler"}
    return Reply(200, json.dumps(configuration).encode())


def command(deployed: Deployed, *options: str) -> Any:  # noqa: ANN401 - Typer's result
    given = ("--env", "dev", "--zip", str(deployed.folder / "x.zip"), "--event", str(deployed.folder / "event.json"))
    return CliRunner().invoke(app, ["deploy", *given, *options])
