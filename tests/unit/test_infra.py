"""The templates hold what the code and the contract hold: limits, names, variables, permissions."""

from __future__ import annotations

import contextlib
import json
import logging
import re
from typing import TYPE_CHECKING, Any, cast

import pytest
from cfnlint.api import lint_file  # pyright: ignore[reportMissingTypeStubs] - it has none

from bedrock_resilience import NoJitter, Retrier, RetryPolicy
from bedrock_resilience.batch._report import BatchReport
from support.cloudformation import TEMPLATES, load, resources
from support.logfiles import metrics, written
from support.pages import ROOT
from vectora_normalize.bedrock_retry import ContractLoggingListener
from vectora_normalize.operations.deploy import DeployTarget
from vectora_normalize.operations.deploy.function import HANDLERS
from vectora_normalize.operations.monitoring import NAMESPACE, SERVICE
from vectora_normalize.operations.package import Target
from vectora_normalize.operations.rules import RULES, AlarmRule
from vectora_normalize.pipeline.summary import counts, worker_counts
from vectora_normalize.pipeline.worklist import WorkList
from vectora_normalize.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

S1, S2, S3 = (ROOT / "infra" / name for name in ("s1-runtime.yaml", "s2-scale.yaml", "s3-orchestrated.yaml"))
BUCKETS = {"ConfigBucketName": "config", "DataBucketName": "data", "CodeBucketName": "code"}
ROLE = {"DispatcherRoleName": "r"}
ENVIRONMENTS = ("dev", "stage", "prod")


def runtime(env: str = "dev", **parameters: object) -> dict[str, Any]:
    """The resources of s1-runtime."""
    return resources(S1, Env=env, **BUCKETS, **parameters)


def scale(env: str = "stage", **parameters: object) -> dict[str, Any]:
    """The resources of s2-scale."""
    return resources(S2, Env=env, **BUCKETS, **ROLE, **parameters)


def function(env: str = "dev", **parameters: object) -> dict[str, Any]:
    properties: dict[str, Any] = runtime(env, **parameters)["IngestNormalizeFunction"]["Properties"]
    return properties


@pytest.mark.nightly  # cfn-lint reads three templates: half a minute
@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.name)
def test_the_linter_finds_nothing(template: Path) -> None:
    assert lint_file(template) == []


class TestConcurrency:
    def test_dev_runs_one_at_a_time(self) -> None:
        assert function("dev")["ReservedConcurrentExecutions"] == 1

    def test_nobody_can_lift_the_limit_of_dev(self) -> None:
        assert function("dev", ReservedConcurrency="5")["ReservedConcurrentExecutions"] == 1

    @pytest.mark.parametrize("env", ["stage", "prod"])
    def test_stage_and_prod_are_not_limited(self, env: str) -> None:
        assert "ReservedConcurrentExecutions" not in function(env)

    def test_stage_may_be_limited(self) -> None:
        assert function("stage", ReservedConcurrency="5")["ReservedConcurrentExecutions"] == "5"

    def test_it_is_the_condition_of_the_contract_that_decides(self) -> None:
        assert load(S1)["Conditions"]["IsDevEnvironment"] == {"Fn::Equals": [{"Ref": "Env"}, "dev"]}

    def test_a_run_that_failed_is_kept_and_not_repeated_by_lambda(self) -> None:
        stack = runtime()
        asynchronous = stack["AsynchronousInvocations"]["Properties"]
        assert asynchronous["MaximumRetryAttempts"] == 0
        assert asynchronous["DestinationConfig"] == {"OnFailure": {"Destination": "<FailedInvocations.Arn>"}}
        assert stack["FailedInvocations"]["Properties"]["MessageRetentionPeriod"] == 14 * 86_400


class TestTheFunction:
    @pytest.mark.parametrize("env", ENVIRONMENTS)
    def test_its_names_are_those_that_deploy_uses(self, env: str) -> None:
        target = DeployTarget.for_environment(env, project="vectora-inbox")
        properties = function(env)
        assert properties["FunctionName"] == target.function
        assert properties["Code"] == {"S3Bucket": "code", "S3Key": target.key}

    def test_it_runs_what_is_packaged(self) -> None:
        for properties in (function(), scale()["Worker"]["Properties"]):
            assert properties["Runtime"] == Target().runtime
            assert properties["Architectures"] == [Target().architecture]
        assert function(PythonVersion="3.13")["Runtime"] == "python3.13"
        assert function()["Handler"] in HANDLERS

    def test_a_log_group_that_exists_is_used_and_not_created(self) -> None:
        for stack, lambda_ in (
            (runtime(CreateLogGroup="false"), "IngestNormalizeFunction"),
            (scale(CreateLogGroup="false"), "Worker"),
        ):
            assert "LogGroup" not in stack
            name = f"/aws/lambda/{stack[lambda_]['Properties']['FunctionName']}"
            filters = ("RetryLines", "AbandonedLines")
            assert {stack[filter_]["Properties"]["LogGroupName"] for filter_ in filters} == {name}

    def test_its_processor_is_a_parameter(self) -> None:
        assert function(Architecture="arm64")["Architectures"] == ["arm64"]
        assert scale(Architecture="arm64")["Worker"]["Properties"]["Architectures"] == ["arm64"]

    def test_a_key_encrypts_its_log_its_environment_and_its_failed_invocations(self) -> None:
        key = "arn:aws:kms:eu-west-3:123456789012:key/k"
        stack = runtime(KmsKeyArn=key)
        assert stack["IngestNormalizeFunction"]["Properties"]["KmsKeyArn"] == key
        assert stack["LogGroup"]["Properties"]["KmsKeyId"] == key
        assert stack["FailedInvocations"]["Properties"]["KmsMasterKeyId"] == key
        assert [one["Action"] for one in statements(stack) if one["Resource"] == key] == [
            ["kms:Decrypt", "kms:GenerateDataKey"]
        ]
        without = runtime()
        assert "KmsKeyArn" not in without["IngestNormalizeFunction"]["Properties"]
        assert without["FailedInvocations"]["Properties"]["SqsManagedSseEnabled"] is True

    def test_a_key_encrypts_what_the_worker_has(self) -> None:
        key = "arn:aws:kms:eu-west-3:123456789012:key/k"
        stack = scale(KmsKeyArn=key)
        assert stack["Worker"]["Properties"]["KmsKeyArn"] == stack["LogGroup"]["Properties"]["KmsKeyId"] == key
        assert {stack[name]["Properties"]["KmsMasterKeyId"] for name in ("Queue", "DeadLetterQueue")} == {key}
        # The worker's, and the dispatcher's for the queue.
        assert [one["Action"] for one in statements(stack) if one["Resource"] == key] == [
            ["kms:Decrypt", "kms:GenerateDataKey"]
        ] * 2

    def test_the_worker_may_be_in_a_vpc_and_its_role_may_have_a_boundary(self) -> None:
        boundary = "arn:aws:iam::123456789012:policy/b"
        stack = scale(SubnetIds=["subnet-1"], SecurityGroupIds=["sg-1"], PermissionsBoundaryArn=boundary)
        expected = {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
        assert stack["Worker"]["Properties"]["VpcConfig"] == expected
        assert stack["Role"]["Properties"]["PermissionsBoundary"] == boundary
        assert "VpcConfig" not in scale()["Worker"]["Properties"]

    def test_a_container_image_takes_the_place_of_the_package(self) -> None:
        image = "123456789012.dkr.ecr.eu-west-3.amazonaws.com/normalize@sha256:abc"
        of_both = (function(ImageUri=image), scale(ImageUri=image)["Worker"]["Properties"])
        for properties in of_both:
            assert (properties["PackageType"], properties["Code"]) == ("Image", {"ImageUri": image})
            assert not {"Runtime", "Handler"} & properties.keys()
        assert of_both[1]["ImageConfig"] == {"Command": [scale()["Worker"]["Properties"]["Handler"]]}
        assert not {"PackageType", "ImageConfig"} & (function().keys() | scale()["Worker"]["Properties"].keys())

    def test_it_may_be_in_a_vpc_and_its_role_may_have_a_boundary(self) -> None:
        boundary = "arn:aws:iam::123456789012:policy/b"
        stack = runtime(SubnetIds=["subnet-1"], SecurityGroupIds=["sg-1"], PermissionsBoundaryArn=boundary)
        expected = {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
        assert stack["IngestNormalizeFunction"]["Properties"]["VpcConfig"] == expected
        role = stack["Role"]["Properties"]
        assert role["ManagedPolicyArns"] == ["arn:aws:iam::aws:policy/service-role/AWSLambdaVPCAccessExecutionRole"]
        assert role["PermissionsBoundary"] == boundary
        assert not {"VpcConfig"} & set(function())
        assert not {"ManagedPolicyArns", "PermissionsBoundary"} & set(runtime()["Role"]["Properties"])

    def test_the_handlers_are_there(self) -> None:
        for properties in (function(), scale()["Worker"]["Properties"]):
            module, _, name = properties["Handler"].rpartition(".")
            source = ROOT / "src" / f"{module.replace('.', '/')}.py"
            assert f"\ndef {name}(" in source.read_text("utf-8")

    def test_its_logs_are_those_of_the_log_group(self) -> None:
        for stack, name in ((runtime(), "IngestNormalizeFunction"), (scale(), "Worker")):
            group = stack["LogGroup"]["Properties"]["LogGroupName"]
            assert group == f"/aws/lambda/{stack[name]['Properties']['FunctionName']}"


class Asked(dict[str, str]):
    """An environment that remembers what it was asked for."""

    def __init__(self, **values: str) -> None:
        super().__init__(values)
        self.names: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - as the base class
        self.names.add(name)
        return super().get(name, default)


def known_variables() -> set[str]:
    """The variables that Settings reads, in any mode."""
    names: set[str] = set()
    for region in ({}, {"BEDROCK_REGION": "eu-west-3"}):
        environ = Asked(CONFIG_BUCKET="c", DATA_BUCKET="d", **region)
        Settings.from_env(environ)
        names |= environ.names
    return names


class TestTheEnvironment:
    # Lambda sets its region; sources on private addresses are for tests; dead letters are the worker's.
    OF_NO_TEMPLATE = frozenset({"AWS_REGION", "ALLOW_PRIVATE_SOURCES"})
    OF_THE_WORKER = frozenset({"DEAD_LETTER_QUEUE_URL", "MAX_RECEIVES"})

    def variables(self, properties: dict[str, Any]) -> dict[str, str]:
        return {name: str(value) for name, value in properties["Environment"]["Variables"].items()}

    def test_the_function_has_all_variables_that_the_code_knows_and_no_other(self) -> None:
        expected = known_variables() - self.OF_NO_TEMPLATE - self.OF_THE_WORKER
        assert set(self.variables(function())) == expected

    def test_the_worker_has_those_that_it_needs_and_no_unknown_one(self) -> None:
        given = set(self.variables(scale()["Worker"]["Properties"]))
        assert given <= known_variables() - self.OF_NO_TEMPLATE
        assert given >= self.OF_THE_WORKER
        of_the_run = {"MODE", "QUEUE_URL", "ON_CONCURRENT_RUN", "PUBMED_API_KEY_PARAM"}
        assert set(self.variables(function())) - given == of_the_run

    def test_the_defaults_of_the_template_are_those_of_the_code(self) -> None:
        from_template = Settings.from_env(self.variables(function()))
        from_nothing = Settings.from_env({"CONFIG_BUCKET": "config", "DATA_BUCKET": "data"})
        assert from_template == from_nothing

    @pytest.mark.parametrize("name", ["BedrockPacing", "BedrockRetryOn", "LogLevel", "Mode", "OnConcurrentRun"])
    def test_a_value_that_the_template_accepts_is_accepted_by_the_code(self, name: str) -> None:
        beside = {
            "BedrockPaceTable": "bedrock-shared-pace",
            "BedrockRequestsPerMinute": "50",
            "QueueUrl": "https://sqs.eu-west-3.amazonaws.com/1/q",
        }
        for value in load(S1)["Parameters"][name]["AllowedValues"]:
            Settings.from_env(self.variables(function(**beside, **{name: value})))

    def test_the_worker_can_read_its_environment(self) -> None:
        variables = self.variables(scale()["Worker"]["Properties"])
        settings = Settings.from_env({**variables, "DEAD_LETTER_QUEUE_URL": "https://sqs.eu-west-3.amazonaws.com/1/q"})
        assert settings.max_receives == 5


class TestMetrics:
    def alarms(self) -> dict[str, dict[str, Any]]:
        """The alarms by the ends of their names."""
        stack = runtime("prod")
        found = [part["Properties"] for part in stack.values() if part["Type"] == "AWS::CloudWatch::Alarm"]
        return {alarm["AlarmName"].partition("-prod-")[2]: alarm for alarm in found}

    def emitted(self) -> dict[str, Any]:
        counts = worker_counts(BatchReport(()), retried=(), dead_lettered=(), seconds=1.0)
        directive: dict[str, Any] = json.loads(metrics("r-1", **counts))["_aws"]["CloudWatchMetrics"][0]
        return directive

    @pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.alarm)
    def test_the_alarms_are_on_what_a_run_emits(self, rule: AlarmRule) -> None:
        todo = WorkList(items=(), entries={}, given_up=frozenset())
        of_run = counts(todo, BatchReport(()), (), failed_runs={}, refused=True, seconds=1.0)
        directive = json.loads(metrics("r-1", **of_run))["_aws"]["CloudWatchMetrics"][0]
        alarm = self.alarms()[rule.alarm]
        watched = (
            [alarm]
            if "MetricName" in alarm
            else [one["MetricStat"]["Metric"] for one in alarm["Metrics"] if "MetricStat" in one]
        )
        for metric in watched:
            assert metric["Namespace"] == directive["Namespace"] == NAMESPACE
            assert metric["MetricName"] in {one["Name"] for one in directive["Metrics"]}
            dimensions = {one["Name"]: one["Value"] for one in metric["Dimensions"]}
            assert dimensions == {"Environment": "prod", "service": SERVICE}
            assert [sorted(dimensions)] == directive["Dimensions"]

    @pytest.mark.parametrize("metric", ["Attempts", "Retries", "ItemsAsked", "ItemsFailed", "DurationSeconds"])
    def test_workers_emit_what_the_rates_are_made_of(self, metric: str) -> None:
        assert metric in {one["Name"] for one in self.emitted()["Metrics"]}

    def test_a_killed_run_raises_an_alarm_though_it_emits_nothing(self) -> None:
        alarm = self.alarms()["errors"]
        assert (alarm["Namespace"], alarm["MetricName"], alarm["Threshold"]) == ("AWS/Lambda", "Errors", 0)

    def test_dev_has_an_alarm_for_more_than_one_execution_and_the_others_have_none(self) -> None:
        assert "concurrency" not in self.alarms()
        assert runtime("dev")["ConcurrencyAlarm"]["Properties"]["Threshold"] == 1

    def test_a_day_without_a_run_raises_an_alarm_unless_that_is_switched_off(self) -> None:
        alarm = self.alarms()["no-run"]
        assert (alarm["MetricName"], alarm["Period"], alarm["TreatMissingData"]) == (
            "RunsCompleted",
            86400,
            "breaching",
        )
        assert "NoRunAlarm" not in runtime("prod", ExpectDailyRun="false")

    def test_the_dashboard_shows_metrics_that_there_are(self) -> None:
        body = json.loads(runtime("stage")["Dashboard"]["Properties"]["DashboardBody"])
        shown = {row[1] for widget in body["widgets"] for row in widget["properties"]["metrics"]}
        source = (ROOT / "src/vectora_normalize/pipeline/summary.py").read_text("utf-8")
        assert shown <= set(re.findall(r'^ +"([A-Z]\w+)": ', source, re.MULTILINE))
        heads = [widget["properties"]["metrics"][0] for widget in body["widgets"]]
        assert {(head[0], *head[2:]) for head in heads} == {(NAMESPACE, "Environment", "stage", "service", SERVICE)}

    def test_alarms_tell_the_topic_where_there_is_one(self) -> None:
        topic = "arn:aws:sns:eu-west-3:123456789012:t"
        for stack in (runtime(AlarmTopicArn=topic), scale(AlarmTopicArn=topic)):
            alarms = [part for part in stack.values() if part["Type"] == "AWS::CloudWatch::Alarm"]
            assert alarms
            assert all(alarm["Properties"]["AlarmActions"] == [topic] for alarm in alarms)
        assert all("AlarmActions" not in alarm for alarm in self.alarms().values())


class ServiceError(Exception):
    """An error as boto3 raises it."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.response = {"Error": {"Code": code}}


class TestMetricFilters:
    def matches(self, filter_name: str, line: str) -> bool:
        """A pattern of one quoted term matches the lines that contain it (CloudWatch Logs, "Filter pattern syntax")."""
        pattern = runtime()[filter_name]["Properties"]["FilterPattern"]
        assert re.fullmatch(r'"[^"]+"', pattern)
        return pattern.strip('"') in line

    def lines(self, code: str, *, failures: int) -> list[str]:
        """What a call leaves in the log that fails so often."""
        answers = [ServiceError(code)] * failures

        def ask() -> None:
            if answers:
                raise answers.pop()

        def call(logger: logging.Logger) -> None:
            policy = RetryPolicy(base_delay=0.0, jitter=NoJitter(), retry_on="transient")
            with contextlib.suppress(ServiceError):
                Retrier(policy, listeners=[ContractLoggingListener(logger)]).call(ask)

        return written(call)

    def test_a_throttled_retry_is_one_line_that_one_filter_counts(self) -> None:
        (line,) = self.lines("ThrottlingException", failures=1)
        assert self.matches("RetryLines", line)
        assert not self.matches("AbandonedLines", line)

    def test_an_abandoned_call_is_one_line_that_the_other_filter_counts(self) -> None:
        *retries, line = self.lines("ThrottlingException", failures=4)
        assert len(retries) == 3
        assert self.matches("AbandonedLines", line)
        assert not self.matches("RetryLines", line)

    def test_other_faults_and_other_lines_are_not_counted(self) -> None:
        other = self.lines("InternalServerException", failures=4)
        assert len(other) == 4
        summary = written(lambda logger: logger.log(logging.INFO, "12 of 12 items normalized"))
        for line in (*other, *summary, metrics(Calls=3)):
            assert not self.matches("RetryLines", line)
            assert not self.matches("AbandonedLines", line)

    def test_the_lines_of_workers_are_counted_like_those_of_the_function(self) -> None:
        for name in ("RetryLines", "AbandonedLines"):
            filters = [stack[name]["Properties"] for stack in (runtime("stage"), scale("stage"))]
            assert [one.pop("LogGroupName") for one in filters] == ["<LogGroup>", "<LogGroup>"]
            assert filters[0] == filters[1]

    def test_each_line_counts_one_in_a_metric_of_its_environment(self) -> None:
        for name in ("RetryLines", "AbandonedLines"):
            (transformation,) = runtime("stage")[name]["Properties"]["MetricTransformations"]
            assert transformation["MetricValue"] == "1"
            assert transformation["MetricName"].endswith("-stage")


class TestQueues:
    @pytest.mark.parametrize("timeout", load(S2)["Parameters"]["TimeoutSeconds"]["AllowedValues"])
    def test_a_message_stays_hidden_for_six_times_the_function_s_timeout(self, timeout: str) -> None:
        stack = scale(TimeoutSeconds=timeout)
        assert stack["Worker"]["Properties"]["Timeout"] == timeout
        assert stack["Queue"]["Properties"]["VisibilityTimeout"] == 6 * int(timeout) <= 43_200

    def test_the_worker_sets_items_aside_before_the_queue_does(self) -> None:
        stack = scale()
        redrive = stack["Queue"]["Properties"]["RedrivePolicy"]
        receives = int(stack["Worker"]["Properties"]["Environment"]["Variables"]["MAX_RECEIVES"])
        assert redrive["deadLetterTargetArn"] == "<DeadLetterQueue.Arn>"
        assert 5 <= receives < redrive["maxReceiveCount"]

    def test_dead_letters_outlive_the_messages_of_the_queue(self) -> None:
        queues = [scale()[name]["Properties"]["MessageRetentionPeriod"] for name in ("DeadLetterQueue", "Queue")]
        assert queues[0] == 14 * 86_400 > queues[1]

    def test_the_mapping_takes_partial_answers_and_limits_the_workers(self) -> None:
        mapping = scale(MaximumConcurrency=8, BatchSize=7)["Mapping"]["Properties"]
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert mapping["ScalingConfig"] == {"MaximumConcurrency": 8}
        assert mapping["BatchSize"] == 7
        assert load(S2)["Parameters"]["MaximumConcurrency"]["MinValue"] == 2  # AWS takes no less

    def test_the_worker_has_no_limit_that_would_send_messages_back_unread(self) -> None:
        # A throttled delivery counts as received, and ends in the dead-letter queue without having been tried.
        assert "ReservedConcurrentExecutions" not in scale("dev")["Worker"]["Properties"]


class TestOrchestration:
    def machine(self, **parameters: object) -> dict[str, Any]:
        stack = resources(S3, Env="prod", FunctionArn="arn:aws:lambda:eu-west-3:123456789012:function:f", **parameters)
        definition: dict[str, Any] = json.loads(stack["StateMachine"]["Properties"]["DefinitionString"])
        return definition

    def test_runs_are_limited(self) -> None:
        runs = self.machine(MaxConcurrency=3)["States"]["Runs"]
        assert (runs["MaxConcurrency"], runs["ItemProcessor"]["ProcessorConfig"]["Mode"]) == (3, "DISTRIBUTED")
        assert load(S3)["Parameters"]["MaxConcurrency"]["MinValue"] == 1  # nought would be ten thousand

    def test_a_busy_function_is_waited_for_and_an_answer_that_is_no_200_fails(self) -> None:
        states = self.machine()["States"]["Runs"]["ItemProcessor"]["States"]
        (retry,) = states["Run"]["Retry"]
        # Of Lambda itself; what the function raised would be raised again.
        of_lambda = ("TooManyRequestsException", "ServiceException", "AWSLambdaException", "SdkClientException")
        assert retry["ErrorEquals"] == [f"Lambda.{name}" for name in of_lambda]
        assert states["Judge"]["Default"] == "Refused"
        assert states["Refused"]["Type"] == "Fail"


def statements(stack: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for part in stack.values():
        if part["Type"] == "AWS::IAM::Role":
            for policy in part["Properties"]["Policies"]:
                yield from policy["PolicyDocument"]["Statement"]
        elif part["Type"] == "AWS::IAM::Policy":
            yield from part["Properties"]["PolicyDocument"]["Statement"]


def as_list(value: object) -> list[Any]:
    return [*cast("list[object]", value)] if isinstance(value, list) else [value]


class TestPermissions:
    def allowed(self, stack: dict[str, Any]) -> dict[str, list[str]]:
        """Resource to actions."""
        allowed: dict[str, list[str]] = {}
        for statement in statements(stack):
            assert statement["Effect"] == "Allow"
            for resource in as_list(statement["Resource"]):
                allowed.setdefault(resource, []).extend(as_list(statement["Action"]))
        return allowed

    def test_the_function_may_do_this_and_nothing_else(self) -> None:
        model = "anthropic.claude-sonnet-4-5-20250929-v1:0"
        regions = ("eu-central-1", "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-3")
        group = "log-group:/aws/lambda/vectora-inbox-ingest-normalize-dev"
        assert self.allowed(runtime()) == {
            f"arn:aws:logs:eu-west-3:123456789012:{group}:*": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "arn:aws:s3:::config/*": ["s3:GetObject"],
            "arn:aws:s3:::data/normalized/*": ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"],
            "arn:aws:s3:::data/raw/*": ["s3:GetObject", "s3:PutObject"],
            "arn:aws:s3:::config": ["s3:ListBucket"],
            "arn:aws:s3:::data": ["s3:ListBucket"],
            "<FailedInvocations.Arn>": ["sqs:SendMessage"],
            f"arn:aws:bedrock:eu-west-3:123456789012:inference-profile/eu.{model}": ["bedrock:InvokeModel"],
            **{f"arn:aws:bedrock:{region}::foundation-model/{model}": ["bedrock:InvokeModel"] for region in regions},
        }

    def test_the_models_are_asked_through_the_profile_alone(self) -> None:
        (statement,) = [one for one in statements(runtime()) if "foundation-model" in str(one["Resource"])]
        (profile,) = [one for one in statements(runtime()) if "inference-profile" in str(one["Resource"])]
        assert statement["Condition"] == {"StringEquals": {"bedrock:InferenceProfileArn": profile["Resource"]}}

    def test_a_global_profile_routes_to_models_of_no_region(self) -> None:
        model = "anthropic.claude-sonnet-4-5-20250929-v1:0"
        allowed = self.allowed(runtime(BedrockModelId=f"global.{model}"))
        assert {name for name in allowed if ":bedrock:" in name} == {
            f"arn:aws:bedrock:eu-west-3:123456789012:inference-profile/global.{model}",
            f"arn:aws:bedrock:eu-west-3::foundation-model/{model}",
            f"arn:aws:bedrock:::foundation-model/{model}",
        }

    def test_an_application_profile_is_named_by_its_arn(self) -> None:
        profile = "arn:aws:bedrock:eu-west-3:123456789012:application-inference-profile/a1b2"
        stack = runtime(BedrockModelId=profile)
        assert self.allowed(stack)[profile] == ["bedrock:InvokeModel"]
        (models,) = [one for one in statements(stack) if "foundation-model" in str(one["Resource"])]
        assert models["Condition"] == {"StringEquals": {"bedrock:InferenceProfileArn": profile}}

    def test_the_dispatcher_sends_items_and_invokes_no_model(self) -> None:
        dispatcher = runtime("stage", Mode="queue", QueueUrl="https://sqs.eu-west-3.amazonaws.com/1/q")
        own = self.allowed(dispatcher)
        assert not {name for name in own if ":bedrock:" in name}
        (access,) = [part["Properties"] for part in scale().values() if part["Type"] == "AWS::IAM::Policy"]
        assert access["Roles"] == ["r"]
        (statement,) = access["PolicyDocument"]["Statement"]
        assert (statement["Resource"], statement["Action"]) == ("<Queue.Arn>", "sqs:SendMessage")

    def test_the_worker_has_a_role_of_its_own_for_this_and_nothing_else(self) -> None:
        stack = scale()
        assert stack["Worker"]["Properties"]["Role"] == "<Role.Arn>"
        group = "log-group:/aws/lambda/vectora-inbox-normalize-worker-stage"
        receive = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
        allowed = self.allowed({"Role": stack["Role"]})
        bedrock = {name: allowed.pop(name) for name in [*allowed] if ":bedrock:" in name}
        assert allowed == {
            "<Queue.Arn>": receive,
            "<DeadLetterQueue.Arn>": ["sqs:SendMessage"],
            f"arn:aws:logs:eu-west-3:123456789012:{group}:*": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "arn:aws:s3:::config/*": ["s3:GetObject"],
            "arn:aws:s3:::data/normalized/*": ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"],
            "arn:aws:s3:::config": ["s3:ListBucket"],
            "arn:aws:s3:::data": ["s3:ListBucket"],
        }
        assert bedrock == {name: actions for name, actions in self.allowed(runtime()).items() if ":bedrock:" in name}

    @pytest.mark.parametrize(
        "model", ["eu.m", "global.m", "arn:aws:bedrock:eu-west-3:1:application-inference-profile/a"]
    )
    def test_function_and_worker_may_invoke_the_same(self, model: str) -> None:
        of_both = [
            [one for one in statements({"Role": stack["Role"]}) if one["Action"] == "bedrock:InvokeModel"]
            for stack in (runtime(BedrockModelId=model), scale(BedrockModelId=model))
        ]
        assert of_both[0] == of_both[1]
        assert len(of_both[0]) == 2

    @pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.name)
    def test_nothing_is_allowed_everywhere_but_the_delivery_of_logs(self, template: Path) -> None:
        given = {**BUCKETS, **ROLE, "Env": "dev", "FunctionArn": "arn:f", "RoleName": "r"}
        parameters = {name: value for name, value in given.items() if name in load(template)["Parameters"]}
        for statement in statements(resources(template, **parameters)):
            assert re.fullmatch(r"[A-Za-z0-9]*", statement.get("Sid", ""))
            for action in as_list(statement["Action"]):
                assert "*" not in action
                if "*" in as_list(statement["Resource"]):
                    assert action.startswith("logs:")
