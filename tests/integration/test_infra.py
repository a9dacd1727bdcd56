"""The templates make stacks in moto, in every environment.

What moto's CloudFormation passes over (alarms, metric filters, the dashboard) is made by the calls of its own service.
"""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest

from support.cloudformation import TEMPLATES, load, resources
from support.pages import ROOT
from support.s3 import REGION, make_bucket, s3_client
from vectora_normalize.operations.package.archive import write_archive
from vectora_normalize.operations.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

INFRA = ROOT / "infra"
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
        body = (INFRA / template).read_text("utf-8")
        given = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
        self._cloudformation.create_stack(
            StackName=name, TemplateBody=body, Parameters=given, Capabilities=["CAPABILITY_IAM"]
        )
        (stack,) = self._cloudformation.describe_stacks(StackName=name)["Stacks"]
        assert stack["StackStatus"] == "CREATE_COMPLETE"
        declared = {part["Type"] for part in load(INFRA / template)["Resources"].values()}
        assert declared - PASSED_OVER <= self.types(name) <= declared
        return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}

    def types(self, name: str) -> set[str]:
        found = self._cloudformation.describe_stack_resources(StackName=name)["StackResources"]
        return {resource["ResourceType"] for resource in found if "ResourceType" in resource}

    def close(self) -> None:
        self._cloudformation.close()


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
    role = {"WorkerRoleArn": runtime["RoleArn"], "WorkerRoleName": runtime["RoleName"]}
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
