"""The commands of the deployment and operations guides: known to their programs, and executed from top to bottom."""

from __future__ import annotations

import contextlib
import datetime as dt
import importlib
import io
import json
import os
import re
import shlex
import subprocess
import sys
import threading
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
from typer.main import get_command

from bedrock_resilience.emulator import BedrockEmulator
from support.environment import MACHINE_ENVIRONMENT, clean
from support.lambda_service import Ran, lambda_service
from support.move_tasks import attributes, sqs_service
from support.packaged import PYTHON, unpacked
from support.pages import ROOT, blocks
from support.runtime import Function
from support.s3 import REGION, make_bucket, s3_client
from support.sqs import record_of
from vectora_normalize.cli.app import app
from vectora_normalize.items import RawItem, hash_content
from vectora_normalize.local.sources import SourceServer
from vectora_normalize.operations.package.archive import write_archive
from vectora_normalize.pipeline.messages import ItemMessage

if TYPE_CHECKING:
    from collections.abc import Generator

    from support.runtime import Outcome

GUIDES = [ROOT / "docs" / "lambda" / "deploy.md", ROOT / "docs" / "lambda" / "operate.md"]
EXISTING = ROOT / "docs" / "lambda" / "existing-system.md"
PAGES = [*GUIDES, EXISTING]
EVENT = json.loads((ROOT / "tests/events/test-ingest-small-batch.json").read_text("utf-8"))
CLIENT = """
client_profile: {client_id: lai_weekly, name: LAI Weekly, language: en, active: true}
watch_domains: [{molecule_scope: molecules}]
source_config:
  source_bouquets_enabled: [all]
  content_filters: {min_word_count: 3}
"""
SOURCE = "{{source_key: {key}, source_type: press, enabled: true, ingestion_mode: rss, rss_url: '{url}/{key}.xml'}}"
CATALOG = "sources: [{sources}]\nbouquets: [{{bouquet_id: all, source_keys: [{first}]}}]\n"
ITEM = """
<item><title>Risperidone {number} of {key}</title><link>https://press.example/{key}/{number}</link>
<pubDate>{day}</pubDate><description>Monthly risperidone number {number} of {key} held for a year.</description></item>
"""


def commands(page: Path, language: str) -> list[str]:
    """The commands of a page, one a line; those that are not run are left out."""
    found: list[str] = []
    for block in blocks(page):
        if block.language == language and block.no_run is None:
            joined = re.sub(r"[\\`]\n *", "", block.code)
            found += [line for line in joined.splitlines() if line.strip() and not line.startswith("#")]
    return found


def normalised(line: str) -> str:
    """A command of either shell in one spelling; expressions of the shell are replaced by ``@``."""
    setting = re.fullmatch(r'\$env:(\w+) = "([^"]*)"', line)
    line = f"export {setting[1]}={setting[2]}" if setting else line
    return re.sub(r"\$env:(\w+)", r"$\1", re.sub(r"\$?\(.*\)\S*", "@", line))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_both_shells_have_the_same_commands(page: Path) -> None:
    bash, powershell = ([normalised(line) for line in commands(page, shell)] for shell in ("bash", "powershell"))
    assert bash == powershell
    assert bash


def aws_options(driver: Any, *words: str) -> set[str]:  # noqa: ANN401 - awscli has no types
    """The options that ``aws`` takes with a service and an operation; KeyError where there is no such command."""
    service = driver._get_command_table()[words[0]]
    operations = getattr(service, "subcommand_table", None) or service._get_command_table()
    command = operations[words[1]]
    if words[1] == "wait":
        command = command.subcommand_table[words[2]]
    return {f"--{name}" for name in (*driver._get_argument_table(), *command.arg_table)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_has_options_that_its_program_knows(page: Path) -> None:
    driver: Any = importlib.import_module("awscli.clidriver").create_clidriver()
    ours: Any = get_command(app)
    programs: set[str] = set()
    for line in commands(page, "bash"):
        program, *words = shlex.split(normalised(line))
        options = {word for word in words if word.startswith("--")}
        programs.add(program)
        if program == "aws":
            assert options <= aws_options(driver, *words[:3]), line
        elif program == "vectora-normalize":
            known = {option for parameter in ours.commands[words[0]].params for option in parameter.opts}
            assert options <= known, line
    assert {"aws", "vectora-normalize"} <= programs <= {"aws", "cat", "export", "vectora-normalize"}


class Cloud:
    """A fake of AWS: moto in a process of its own, and a Lambda that runs the deployed code."""

    def __init__(self, url: str, emulator: BedrockEmulator, folder: Path) -> None:
        self.url = url
        self.lambda_url = self.sqs_url = ""
        self._emulator = emulator
        self._folder = folder
        self._functions: dict[str, Function] = {}
        self._lock = threading.Lock()

    def run(self, name: str, event: bytes) -> Ran:
        """Run the code in the code bucket with the environment of the function."""
        with self._lock:
            if name not in self._functions:
                self._functions[name] = self._start(name)
        outcome = self._functions[name].invoke_raw(event)
        self._keep_log(name, outcome)
        return Ran(outcome.payload, outcome.error, outcome.log)

    def _keep_log(self, name: str, outcome: Outcome) -> None:
        now = int(dt.datetime.now(dt.UTC).timestamp() * 1000)  # noqa: TID251 - log events have wall time
        events = [{"timestamp": now, "message": line} for line in outcome.log.splitlines()]
        stream = {"logGroupName": f"/aws/lambda/{name}", "logStreamName": outcome.request_id}
        with contextlib.closing(self.client("logs")) as client:
            client.create_log_stream(**stream)
            client.put_log_events(**stream, logEvents=events)

    def client(self, service: str) -> Any:  # noqa: ANN401 - boto3 creates client classes at run time
        session: Any = cast("Any", boto3).Session(region_name=REGION)
        return session.client(service, endpoint_url=self.url)

    def close(self) -> None:
        for function in self._functions.values():
            function.__exit__()

    def dead_letter(self) -> str:
        """Put an item into the dead-letter queue of the workers, as one of them would; return its body."""
        today = dt.datetime.now(dt.UTC)  # noqa: TID251 - as above
        content = "Depot risperidone was approved. It is given once a month."
        item = RawItem(
            source_key=EVENT["sources"][0],
            source_type="press",
            title="Depot risperidone was approved",
            url="https://press.example/approved",
            published_at=today.date(),
            language="en",
            content=content,
            content_hash=hash_content(content),
        )
        body = ItemMessage(
            client_id="lai_weekly", day=today.date(), ingested_at=today, run_id="dispatched", item=item
        ).to_json()
        with contextlib.closing(self.client("sqs")) as sqs:
            dead = sqs.create_queue(QueueName="vectora-inbox-normalize-dev-dead")["QueueUrl"]
            arn = attributes(sqs, dead, "QueueArn")["QueueArn"]
            policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 8})
            sqs.create_queue(QueueName="vectora-inbox-normalize-dev", Attributes={"RedrivePolicy": policy})
            reason = {"StringValue": "access_denied", "DataType": "String"}
            sqs.send_message(QueueUrl=dead, MessageBody=body, MessageAttributes={"reason": reason})
        return body

    def replayed(self) -> dict[str, Any]:
        """The message that is in the queue again, as Lambda gives it to a worker."""
        with contextlib.closing(self.client("sqs")) as sqs:
            url = sqs.get_queue_url(QueueName="vectora-inbox-normalize-dev")["QueueUrl"]
            (message,) = sqs.receive_message(QueueUrl=url, AttributeNames=["All"])["Messages"]
        return record_of(message)

    def work(self, name: str, record: dict[str, Any]) -> Any:  # noqa: ANN401 - whatever the worker answers
        """What the deployed code answers as a worker."""
        with self._start(name, handler="worker.lambda_handler") as worker:
            return worker.invoke_raw(json.dumps({"Records": [record]}).encode()).answer

    def items(self) -> list[dict[str, Any]]:
        """The items in the data bucket."""
        with s3_client(self.url) as s3:
            listed = s3.list_objects_v2(Bucket="vectora-inbox-data-dev", Prefix="normalized/lai_weekly/")["Contents"]
            (key,) = [entry["Key"] for entry in listed if entry["Key"].endswith("/items.json")]
            found: list[dict[str, Any]] = json.loads(
                s3.get_object(Bucket="vectora-inbox-data-dev", Key=key)["Body"].read()
            )
        return found

    def _start(self, name: str, handler: str | None = None) -> Function:
        with contextlib.closing(self.client("lambda")) as client:
            configuration = client.get_function_configuration(FunctionName=name)
        with s3_client(self.url) as s3:
            bucket = "vectora-inbox-lambda-code-dev"
            code = s3.get_object(Bucket=bucket, Key="lambda/ingest-normalize/latest.zip")["Body"].read()
        with zipfile.ZipFile(io.BytesIO(code)) as archive:
            archive.extractall(self._folder / name)
        environ = {
            **configuration["Environment"]["Variables"],
            "AWS_ENDPOINT_URL_S3": self.url,
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": self._emulator.endpoint_url,
            "ALLOW_PRIVATE_SOURCES": "true",  # the sources of this test are on loopback
        }
        return Function(
            self._folder / name,
            {key: str(value) for key, value in environ.items()},
            handler=handler or configuration["Handler"],
            timeout=float(configuration["Timeout"]),
            name=name,
        )


def shell(script: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """A script that bash has run with the commands of this environment; it stops at the first that fails."""
    environment = {
        **{name: value for name, value in MACHINE_ENVIRONMENT.items() if not name.startswith("AWS_")},
        **clean({}),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{MACHINE_ENVIRONMENT['PATH']}",
        "NO_PROXY": "127.0.0.1",
        **variables,
    }
    return subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", script],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=400,
    )


@contextlib.contextmanager
def moto_process(log: Path) -> Generator[str]:
    """Moto's server in a process of its own: within one process, all servers share their state."""
    with log.open("wb") as out:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
        server = subprocess.Popen(command, stdout=out, stderr=out, env=clean(MACHINE_ENVIRONMENT))
    try:
        started = threading.Event()
        while not (running := re.search(r"Running on (http://[\d.:]+)", log.read_text("utf-8"))):
            assert server.poll() is None, log.read_text("utf-8")
            started.wait(0.05)
        yield running[1]
    finally:
        server.kill()
        server.wait()


@pytest.fixture
def cloud(tmp_path: Path) -> Generator[Cloud]:
    with (
        moto_process(tmp_path / "moto.log") as url,
        BedrockEmulator() as emulator,
        contextlib.closing(Cloud(url, emulator, tmp_path / "functions")) as cloud,
        lambda_service(url, cloud.run) as service,
        contextlib.closing(cloud.client("sqs")) as sqs,
        sqs_service(url, sqs) as sqs_url,
    ):
        cloud.lambda_url, cloud.sqs_url = service.url, sqs_url
        yield cloud


@pytest.fixture
def clone(tmp_path: Path) -> Generator[Path]:
    """A clone, and a configuration whose sources are the two of the test event."""
    today = dt.datetime.now(dt.UTC)  # noqa: TID251 - the function reads the same clock
    folder, sources = tmp_path / "clone", tmp_path / "sources" / "press.example"
    sources.mkdir(parents=True)
    (folder / "tests").mkdir(parents=True)
    for path in ("infra", "scripts", "tests/events"):
        (folder / path).symlink_to(ROOT / path)
    for key in EVENT["sources"]:
        items = "".join(ITEM.format(number=n, key=key, day=f"{today:%a, %d %b %Y 00:00:00 GMT}") for n in (1, 2))
        (sources / f"{key}.xml").write_text(f"<rss><channel>{items}</channel></rss>")
    with SourceServer(tmp_path / "sources", today.date()) as server:
        listed = ", ".join(SOURCE.format(key=key, url=f"{server.base_url}/press.example") for key in EVENT["sources"])
        files = {
            "clients/lai_weekly.yaml": CLIENT,
            "canonical/sources/source_catalog.yaml": CATALOG.format(sources=listed, first=EVENT["sources"][0]),
            "canonical/scopes/molecule_scopes.yaml": "molecules: [risperidone]",
        }
        for name, text in files.items():
            (folder / "config" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "config" / name).write_text(text)
        yield folder


# It takes minutes: two packages from the index, and some thirty processes of the AWS command line. In the gate the
# test above checks the commands; the tests of the deployment, the templates and the runtime run what they start.
@pytest.mark.nightly
@pytest.mark.timeout(420)
@pytest.mark.packaging
@pytest.mark.skipif(sys.platform != "linux", reason="a package is for Linux, and runs there alone")
def test_the_commands_of_the_guides_deploy_and_run_the_function(
    clone: Path, cloud: Cloud, tmp_path_factory: pytest.TempPathFactory
) -> None:
    lines = [line for page in GUIDES for line in commands(page, "bash")]
    # As a reader would do: the runtime is the Python of this machine.
    script = "\n".join(lines).replace("PYTHON_VERSION=3.12", f"PYTHON_VERSION={PYTHON}")
    dead = cloud.dead_letter()
    # Version 1 of the command line reads no AWS_ENDPOINT_URL for SQS.
    script = script.replace("aws sqs ", f"aws --endpoint-url {cloud.sqs_url} sqs ")
    ran = shell(script, clone, AWS_ENDPOINT_URL=cloud.url, AWS_ENDPOINT_URL_LAMBDA=cloud.lambda_url)
    assert ran.returncode == 0, ran.stdout
    assert re.search(r"^answer 200: 4 of 4 items normalized in [\d.]+ s$", ran.stdout, re.MULTILINE), ran.stdout
    answer = json.loads((clone / "answer.json").read_text("utf-8"))
    assert answer["statusCode"] == 200
    assert answer["body"].pop("execution_time_seconds") >= 0
    assert answer["body"] == {"client_id": "lai_weekly", "items_ingested": 4, "items_normalized": 4}
    assert "/items.json" in ran.stdout
    assert ran.stdout.count("\nwithin the limits\n") == 2  # out of the log, and out of the run reports
    assert '"StringValue": "access_denied"' in ran.stdout
    record = cloud.replayed()
    assert record["body"] == dead
    assert cloud.work("vectora-inbox-ingest-normalize-dev", record) == {"batchItemFailures": []}
    assert "https://press.example/approved" in {item["url"] for item in cloud.items()}
    built = (clone / "build" / "ingest-normalize.zip").read_bytes()
    assert built == (unpacked(tmp_path_factory).parent / "package.zip").read_bytes()  # built twice, the same bytes


@pytest.fixture
def old_account(tmp_path: Path) -> Generator[str]:
    """An account with a stack from before this project, and a stack of this project that is to be deleted."""
    package = write_archive({"handler.py": b""}, tmp_path / "x.zip").path.read_bytes()
    session: Any = cast("Any", boto3).Session(region_name=REGION)
    with moto_process(tmp_path / "moto.log") as url, s3_client(url) as s3:
        for bucket in ("code", "vectora-inbox-lambda-code-stage"):
            make_bucket(s3, bucket)
            for name in ("ingest-normalize", "engine"):
                s3.put_object(Bucket=bucket, Key=f"lambda/{name}/latest.zip", Body=package)
        clients = [session.client(name, endpoint_url=url) for name in ("iam", "cloudformation")]
        with contextlib.closing(clients[0]) as iam, contextlib.closing(clients[1]) as cloudformation:
            role = iam.create_role(RoleName="old", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
            buckets = {"ConfigBucketName": "c", "DataBucketName": "d"}
            old = {"IngestNormalizeRoleArn": role, "EngineRoleArn": role, "IngestNormalizeCodeBucket": "code"}
            stacks = {
                "vectora-inbox-s1-runtime-dev": (ROOT / "tests/support/old_stack.yaml", old),
                "vectora-inbox-ingest-normalize-stage": (
                    ROOT / "infra/s1-runtime.yaml",
                    {"Env": "stage", "CodeBucketName": "vectora-inbox-lambda-code-stage"},
                ),
            }
            for name, (template, given) in stacks.items():
                cloudformation.create_stack(
                    StackName=name,
                    TemplateBody=template.read_text("utf-8"),
                    Parameters=[
                        {"ParameterKey": key, "ParameterValue": value} for key, value in {**buckets, **given}.items()
                    ],
                    Capabilities=["CAPABILITY_IAM"],
                )
        yield url


# Some ten processes of the AWS command line; what they do is tested in the gate by tests/integration/test_infra.py.
@pytest.mark.nightly
@pytest.mark.timeout(300)
def test_the_commands_for_accounts_where_something_is_there(old_account: str, tmp_path: Path) -> None:
    (tmp_path / "infra").symlink_to(ROOT / "infra")
    session: Any = cast("Any", boto3).Session(region_name=REGION)
    with contextlib.closing(session.client("lambda", endpoint_url=old_account)) as lambda_:
        before = {one["FunctionName"]: one for one in lambda_.list_functions()["Functions"]}
        ran = shell("\n".join(commands(EXISTING, "bash")), tmp_path, AWS_ENDPOINT_URL=old_account)
        assert ran.returncode == 0, ran.stdout
        after = {one["FunctionName"]: one for one in lambda_.list_functions()["Functions"]}
    assert "\nstay as they are: IngestNormalizeLogGroup, EngineFunction\n" in ran.stdout
    assert "\nparameters to give: none\n" in ran.stdout
    assert after["vectora-inbox-engine-dev"] == before["vectora-inbox-engine-dev"]
    merged = after["vectora-inbox-ingest-normalize-dev"]
    assert merged["LastModified"] == before["vectora-inbox-ingest-normalize-dev"]["LastModified"]
    assert "-NormalizeRole-" in merged["Role"]
    again = "vectora-inbox-ingest-normalize-stage"
    assert after[again]["LastModified"] != before[again]["LastModified"]
