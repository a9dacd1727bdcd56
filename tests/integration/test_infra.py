"""The templates make stacks in moto, in every environment, and in accounts where something is there already.

What moto's CloudFormation passes over (alarms, metric filters, the dashboard) is made by the calls of its own service.
"""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
from botocore.parsers import ResponseParserError

from support.cloudformation import TEMPLATES, load, resources
from support.pages import ROOT
from support.s3 import REGION, make_bucket, s3_client
from vectora_normalize.operations.package.archive import write_archive
from vectora_normalize.operations.rules import RULES
from vectora_normalize.operations.stack_template import merge_templates

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

INFRA = ROOT / "infra"
OLD_STACK = ROOT / "tests" / "support" / "old_stack.yaml"
PASSED_OVER = {  # by one version of moto or another
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Logs::MetricFilter",
}
pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse .* but it's not supported:UserWarning")


class Account:
    """An account with a code bucket that has a package in it."""

    def __init__(self, url: str, bucket: str) -> None:
        self._session = cast("Any", boto3).Session(region_name=REGION)
        self._url = url
        self._cloudformation = self.client("cloudformation")
        self.buckets = {"ConfigBucketName": "c", "DataBucketName": "d", "CodeBucketName": bucket}

    def client(self, service: str) -> Any:  # noqa: ANN401 - boto3 makes its clients at run time
        return self._session.client(service, endpoint_url=self._url)

    def create(self, template: str, name: str, **parameters: str) -> dict[str, str]:
        """A new stack's outputs."""
        stack = self.create_from((INFRA / template).read_text("utf-8"), name, **parameters)
        declared = {part["Type"] for part in load(INFRA / template)["Resources"].values()}
        assert declared - PASSED_OVER <= self.types(name) <= declared
        return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}

    def create_from(self, body: str, name: str, **parameters: str) -> dict[str, Any]:
        """A new stack, as CloudFormation describes it."""
        return self._change("create", body, name, [_given(*one) for one in parameters.items()])

    def update(self, body: str, name: str, kept: Iterable[str] = (), **parameters: str) -> dict[str, Any]:
        """A stack after an update; some parameters keep the values that they have."""
        previous = [{"ParameterKey": key, "UsePreviousValue": True} for key in kept]
        return self._change("update", body, name, [*previous, *(_given(*one) for one in parameters.items())])

    def delete(self, name: str) -> None:
        self._cloudformation.delete_stack(StackName=name)

    def _change(self, verb: str, body: str, name: str, parameters: list[dict[str, Any]]) -> dict[str, Any]:
        change = getattr(self._cloudformation, f"{verb}_stack")
        change(StackName=name, TemplateBody=body, Parameters=parameters, Capabilities=["CAPABILITY_IAM"])
        stack: dict[str, Any]
        (stack,) = self._cloudformation.describe_stacks(StackName=name)["Stacks"]
        assert stack["StackStatus"] == f"{verb.upper()}_COMPLETE"
        return stack

    def functions(self, prefix: str) -> dict[str, dict[str, Any]]:
        """The functions whose names begin so."""
        with closing(self.client("lambda")) as client:
            found = client.list_functions()["Functions"]
        return {one["FunctionName"]: one for one in found if one["FunctionName"].startswith(prefix)}

    def old_stack(self, project: str) -> list[str]:
        """A stack from before this project; the names of its parameters."""
        with closing(self.client("iam")) as client:
            role = client.create_role(RoleName=f"{project}-old", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        parameters: dict[str, str] = {
            "ProjectName": project,
            "ConfigBucketName": "c",
            "DataBucketName": "d",
            "IngestNormalizeCodeBucket": self.buckets["CodeBucketName"],
            "EngineCodeKey": "lambda/ingest-normalize/latest.zip",
            **dict.fromkeys(("IngestNormalizeRoleArn", "EngineRoleArn"), role),
        }
        self.create_from(OLD_STACK.read_text("utf-8"), project, **parameters)
        return [*parameters]

    def types(self, name: str) -> set[str]:
        found = self._cloudformation.describe_stack_resources(StackName=name)["StackResources"]
        return {resource["ResourceType"] for resource in found if "ResourceType" in resource}

    def close(self) -> None:
        self._cloudformation.close()


def _given(key: str, value: str) -> dict[str, Any]:
    return {"ParameterKey": key, "ParameterValue": value}


@pytest.fixture(scope="module")
def account(aws_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    package: Path = write_archive({"handler.py": b""}, tmp_path_factory.mktemp("code") / "x.zip").path
    with s3_client(aws_url) as s3, closing(Account(aws_url, make_bucket(s3, "code-of-the-stacks"))) as account:
        s3.put_object(Bucket="code-of-the-stacks", Key="lambda/ingest-normalize/latest.zip", Body=package.read_bytes())
        yield account


def test_every_template_is_created_here() -> None:
    # shared-pace.yaml has a test of its own, with the pacer that uses its table.
    assert {path.name for path in TEMPLATES} == {
        "s1-runtime.yaml",
        "s2-scale.yaml",
        "s3-orchestrated.yaml",
        "shared-pace.yaml",
    }


@pytest.mark.parametrize(("env", "limit"), [("dev", 1), ("stage", None), ("prod", None)])
def test_the_function_is_created_and_limited_in_dev_alone(account: Account, env: str, limit: int | None) -> None:
    # A project of its own: all servers of moto in one process share what they hold.
    outputs = account.create("s1-runtime.yaml", f"runtime-{env}", ProjectName="stacks", Env=env, **account.buckets)
    name = f"stacks-ingest-normalize-{env}"
    assert outputs["FunctionName"] == name
    with closing(account.client("lambda")) as client:
        described = client.get_function(FunctionName=name)
        assert described.get("Concurrency", {}).get("ReservedConcurrentExecutions") == limit
        configuration = described["Configuration"]
        assert (configuration["Runtime"], configuration["Timeout"]) == ("python3.12", 300)
        assert configuration["Environment"]["Variables"]["ENV"] == env
        assert configuration["Role"] == outputs["RoleArn"]


def test_alarms_filters_and_dashboard_are_accepted_by_their_services(account: Account) -> None:
    names = {"ProjectName": "watched", "AlarmTopicArn": "arn:aws:sns:eu-west-3:123456789012:t", **account.buckets}
    stack = resources(INFRA / "s1-runtime.yaml", Env="dev", **names)
    made = {kind: [part["Properties"] for part in stack.values() if part["Type"] == kind] for kind in PASSED_OVER}
    with closing(account.client("cloudwatch")) as client:
        for alarm in made["AWS::CloudWatch::Alarm"]:
            client.put_metric_alarm(**alarm)
        (dashboard,) = made["AWS::CloudWatch::Dashboard"]
        client.put_dashboard(**dashboard)
        alarms = client.describe_alarms(AlarmNamePrefix="watched-ingest-normalize-dev-")["MetricAlarms"]
        kinds = {alarm["AlarmName"].removeprefix("watched-ingest-normalize-dev-") for alarm in alarms}
        of_lambda = {"concurrency", "errors", "throttles"}
        assert kinds == {rule.alarm for rule in RULES} | of_lambda | {"no-run"}
    with closing(account.client("logs")) as client:
        client.create_log_group(logGroupName="watched")
        for number, one in enumerate(made["AWS::Logs::MetricFilter"]):
            (given,) = one["MetricTransformations"]
            transformation = {name[0].lower() + name[1:]: value for name, value in given.items()}
            client.put_metric_filter(
                logGroupName="watched",
                filterName=f"filter-{number}",
                filterPattern=one["FilterPattern"],
                metricTransformations=[transformation],
            )


def test_the_workers_are_created_beside_the_function(account: Account) -> None:
    runtime = account.create("s1-runtime.yaml", "dispatcher", ProjectName="scaled", Env="stage", **account.buckets)
    role = {"DispatcherRoleName": runtime["RoleName"]}
    outputs = account.create("s2-scale.yaml", "workers", ProjectName="scaled", Env="stage", **account.buckets, **role)
    with closing(account.client("sqs")) as client:
        attributes = client.get_queue_attributes(QueueUrl=outputs["QueueUrl"], AttributeNames=["All"])["Attributes"]
        assert attributes["VisibilityTimeout"] == "1800"
        assert json.loads(attributes["RedrivePolicy"])["maxReceiveCount"] == 8
    with closing(account.client("lambda")) as client:
        variables = client.get_function_configuration(FunctionName=outputs["WorkerName"])["Environment"]["Variables"]
        assert variables["DEAD_LETTER_QUEUE_URL"] == outputs["DeadLetterQueueUrl"]
        (mapping,) = client.list_event_source_mappings(FunctionName=outputs["WorkerName"])["EventSourceMappings"]
        assert mapping["BatchSize"] == 10


def test_the_state_machine_is_created(account: Account) -> None:
    function = "arn:aws:lambda:eu-west-3:123456789012:function:f"
    outputs = account.create("s3-orchestrated.yaml", "orchestrated", Env="prod", FunctionArn=function)
    with closing(account.client("stepfunctions")) as client:
        machine = client.describe_state_machine(stateMachineArn=outputs["StateMachineArn"])
    assert machine["name"] == "vectora-inbox-normalize-prod"
    runs = json.loads(machine["definition"])["States"]["Runs"]
    assert runs["ItemProcessor"]["States"]["Run"]["Parameters"]["FunctionName"] == function


class TestAccountsWhereSomethingIsThere:
    """The functions above are in new accounts."""

    def test_a_stack_with_other_functions_keeps_them_and_gets_the_runtime(self, account: Account) -> None:
        parameters = account.old_stack("existing")
        before = account.functions("existing-")
        merged = merge_templates(OLD_STACK.read_bytes(), (INFRA / "s1-runtime.yaml").read_bytes())
        stack = account.update(merged.text, "existing", parameters)
        assert {"EngineFunctionArn", "NormalizeRoleArn"} <= {one["OutputKey"] for one in stack["Outputs"]}
        after = account.functions("existing-")
        assert after["existing-engine-dev"] == before["existing-engine-dev"]
        old, new = (functions["existing-ingest-normalize-dev"] for functions in (before, after))
        assert new["LastModified"] == old["LastModified"]  # it was updated, and not made anew
        assert new["CodeSha256"] == old["CodeSha256"]
        assert old["Environment"]["Variables"].items() <= new["Environment"]["Variables"].items()
        assert ":role/existing-NormalizeRole-" in new["Role"]
        with closing(account.client("logs")) as client:
            assert client.describe_log_groups(logGroupNamePrefix="/aws/lambda/existing-")["logGroups"]

    def test_the_runtime_without_the_other_functions_would_delete_them(self, account: Account) -> None:
        account.old_stack("deleted")
        assert len(account.functions("deleted-")) == 2
        runtime = (INFRA / "s1-runtime.yaml").read_text("utf-8")
        account.update(runtime, "deleted", ProjectName="deleted", Env="dev", **account.buckets)
        assert account.functions("deleted-").keys() == {"deleted-ingest-normalize-dev"}

    def test_the_log_group_that_a_deleted_stack_retained_is_used_again(self, account: Account) -> None:
        group = "/aws/lambda/again-ingest-normalize-dev"
        given = {"ProjectName": "again", "Env": "dev", **account.buckets}
        runtime = (INFRA / "s1-runtime.yaml").read_text("utf-8")
        with closing(account.client("logs")) as client:
            account.create_from(runtime, "again", **given)
            client.create_log_stream(logGroupName=group, logStreamName="of-before")
            account.delete("again")
            assert not account.functions("again-")
            with pytest.raises(ResponseParserError, match="ResourceAlreadyExistsException"):  # as moto says it
                account.create_from(runtime, "again-with-a-group", **given)
            account.create_from(runtime, "again-without", CreateLogGroup="false", **given)
            (stream,) = client.describe_log_streams(logGroupName=group)["logStreams"]
            assert stream["logStreamName"] == "of-before"
        assert account.functions("again-")
