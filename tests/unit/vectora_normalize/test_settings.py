"""The environment becomes one frozen value, or one refusal that names every wrong variable."""

from __future__ import annotations

import re

import pytest

from bedrock_resilience.quotas import Quota
from bedrock_resilience.retrying._policy import RetryPolicy
from vectora_normalize.contract import ErrorType, RunRefusedError
from vectora_normalize.settings import Mode, OnConcurrentRun, Pacing, Settings

BUCKETS = {"CONFIG_BUCKET": "vectora-inbox-config-dev", "DATA_BUCKET": "vectora-inbox-data-dev"}


def faults(**environ: str) -> tuple[str, ...]:
    with pytest.raises(RunRefusedError) as caught:
        Settings.from_env({**BUCKETS, **environ})
    assert caught.value.error_type is ErrorType.INVALID_CONFIGURATION
    return caught.value.faults


def test_two_buckets_suffice() -> None:
    assert Settings.from_env(BUCKETS) == Settings(
        config_bucket="vectora-inbox-config-dev",
        data_bucket="vectora-inbox-data-dev",
        env="dev",
        project_name="vectora-inbox",
        model_id="eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
        region="eu-west-3",
        policy=RetryPolicy(max_retries=3, base_delay=0.5, retry_on="throttling"),
        max_workers=4,
        quota=None,
        pacing=Pacing.AUTO,
        read_timeout=120.0,
        log_level="INFO",
        allow_private_sources=False,
        pubmed_api_key_param=None,
        on_concurrent_run=OnConcurrentRun.JOIN,
        mode=Mode.DIRECT,
        queue_url=None,
        dead_letter_queue_url=None,
        max_receives=5,
    )


def test_every_variable_is_read() -> None:
    environ = {
        **BUCKETS,
        "ENV": "stage",
        "PROJECT_NAME": "inbox",
        "BEDROCK_MODEL_ID": "eu.anthropic.claude-sonnet-4-6",
        "BEDROCK_REGION": "eu-central-1",
        "AWS_REGION": "eu-west-3",
        "MAX_BEDROCK_WORKERS": "8",
        "BEDROCK_MAX_RETRIES": "5",
        "BEDROCK_BASE_DELAY": "1.0",
        "BEDROCK_RETRY_ON": "transient",
        "BEDROCK_REQUESTS_PER_MINUTE": "50",
        "BEDROCK_TOKENS_PER_MINUTE": "40000",
        "BEDROCK_PACING": "adaptive",
        "BEDROCK_READ_TIMEOUT": "90",
        "LOG_LEVEL": "debug",
        "ALLOW_PRIVATE_SOURCES": "TRUE",
        "PUBMED_API_KEY_PARAM": "/vectora/pubmed",
        "ON_CONCURRENT_RUN": "Refuse",
        "MODE": "queue",
        "QUEUE_URL": "https://sqs.eu-west-3.amazonaws.com/123456789012/normalize",
        "DEAD_LETTER_QUEUE_URL": "https://sqs.eu-west-3.amazonaws.com/123456789012/normalize-dead",
        "MAX_RECEIVES": "3",
    }
    assert Settings.from_env(environ) == Settings(
        config_bucket="vectora-inbox-config-dev",
        data_bucket="vectora-inbox-data-dev",
        env="stage",
        project_name="inbox",
        model_id="eu.anthropic.claude-sonnet-4-6",
        region="eu-central-1",
        policy=RetryPolicy(max_retries=5, base_delay=1.0, retry_on="transient"),
        max_workers=8,
        quota=Quota(requests_per_minute=50.0, tokens_per_minute=40000.0),
        pacing=Pacing.ADAPTIVE,
        read_timeout=90.0,
        log_level="DEBUG",
        allow_private_sources=True,
        pubmed_api_key_param="/vectora/pubmed",
        on_concurrent_run=OnConcurrentRun.REFUSE,
        mode=Mode.QUEUE,
        queue_url="https://sqs.eu-west-3.amazonaws.com/123456789012/normalize",
        dead_letter_queue_url="https://sqs.eu-west-3.amazonaws.com/123456789012/normalize-dead",
        max_receives=3,
    )


def test_the_region_of_the_function_is_the_region_of_bedrock() -> None:
    assert Settings.from_env({**BUCKETS, "AWS_REGION": "us-east-1"}).region == "us-east-1"


@pytest.mark.parametrize("name", ["ENV", "BEDROCK_MODEL_ID", "MAX_BEDROCK_WORKERS", "BEDROCK_PACING", "LOG_LEVEL"])
def test_a_variable_set_to_nothing_is_not_set(name: str) -> None:
    assert Settings.from_env({**BUCKETS, name: " "}) == Settings.from_env(BUCKETS)


@pytest.mark.parametrize("name", ["BEDROCK_REQUESTS_PER_MINUTE", "BEDROCK_TOKENS_PER_MINUTE"])
def test_pacing_is_shared_with_a_known_quota_and_without_one(name: str) -> None:
    assert Settings.from_env(BUCKETS).pacing is Pacing.AUTO
    assert Settings.from_env({**BUCKETS, name: "50"}).pacing is Pacing.AUTO
    assert Settings.from_env({**BUCKETS, name: "50", "BEDROCK_PACING": "quota"}).pacing is Pacing.QUOTA
    assert Settings.from_env({**BUCKETS, name: "50", "BEDROCK_PACING": "none"}).pacing is Pacing.NONE


@pytest.mark.parametrize(
    ("name", "value", "accepted"),
    [
        ("MAX_BEDROCK_WORKERS", "0", "a whole number from 1 to 64"),
        ("MAX_BEDROCK_WORKERS", "65", "a whole number from 1 to 64"),
        ("MAX_BEDROCK_WORKERS", "four", "a whole number from 1 to 64"),
        ("MAX_BEDROCK_WORKERS", "4.0", "a whole number from 1 to 64"),
        ("MAX_BEDROCK_WORKERS", "1_0", "a whole number from 1 to 64"),
        ("MAX_BEDROCK_WORKERS", "\u0664", "a whole number from 1 to 64"),
        ("BEDROCK_MAX_RETRIES", "21", "a whole number from 0 to 20"),
        ("BEDROCK_BASE_DELAY", "60.1", "a number from 0 to 60"),
        ("BEDROCK_MAX_RETRIES", "1_0", "a number in ASCII digits"),
        ("BEDROCK_MULTIPLIER", "\u0664", "a number in ASCII digits"),
        ("BEDROCK_REQUESTS_PER_MINUTE", "0", "a number from 1 to 1e+09"),
        ("BEDROCK_TOKENS_PER_MINUTE", "-4000", "a number from 1 to 1e+09"),
        ("BEDROCK_PACING", "fast", "auto or shared or quota or adaptive or none"),
        ("BEDROCK_PACE_TABLE", "my table", "the name or ARN of a DynamoDB table"),
        ("BEDROCK_READ_TIMEOUT", "901", "a number from 1 to 900"),
        ("BEDROCK_REGION", "Paris", "a region such as eu-west-3"),
        ("AWS_REGION", "Paris", "a region such as eu-west-3"),
        ("BEDROCK_MODEL_ID", "claude sonnet", "a model id without spaces"),
        ("CONFIG_BUCKET", "my bucket", "the name of the bucket with the configurations"),
        ("DATA_BUCKET", "s3://data", "the name of the bucket that items are written to"),
        ("LOG_LEVEL", "LOUD", "DEBUG or INFO or WARNING or ERROR or CRITICAL"),
        ("ALLOW_PRIVATE_SOURCES", "yes", "false or true"),
        ("ON_CONCURRENT_RUN", "ignore", "join or wait or refuse"),
        ("MODE", "sqs", "direct or queue"),
        ("QUEUE_URL", "normalize", "the URL of a queue"),
        ("DEAD_LETTER_QUEUE_URL", "arn:aws:sqs:eu-west-3:1:dead", "the URL of a queue"),
        ("MAX_RECEIVES", "0", "a whole number from 1 to 1000"),
    ],
)
def test_a_wrong_variable_is_refused_by_name(name: str, value: str, accepted: str) -> None:
    assert faults(**{name: value}) == (f"{name}: got {value!r}; accepted: {accepted}",)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_BEDROCK_WORKERS", "1"),
        ("MAX_BEDROCK_WORKERS", "64"),
        ("BEDROCK_MAX_RETRIES", "0"),
        ("BEDROCK_MAX_RETRIES", "20"),
        ("BEDROCK_BASE_DELAY", "0"),
        ("BEDROCK_BASE_DELAY", "60"),
        ("BEDROCK_READ_TIMEOUT", "900"),
    ],
)
def test_the_ends_of_a_range_are_in_it(name: str, value: str) -> None:
    assert Settings.from_env({**BUCKETS, name: value})


@pytest.mark.parametrize(("name", "level"), [("warn", "WARNING"), ("FATAL", "CRITICAL"), ("Error", "ERROR")])
def test_a_level_may_have_the_name_that_lambda_gives_it(name: str, level: str) -> None:
    assert Settings.from_env({**BUCKETS, "LOG_LEVEL": name}).log_level == level


def test_pacing_by_a_quota_needs_the_quota() -> None:
    assert faults(BEDROCK_PACING="quota") == (
        (
            "BEDROCK_PACING: got 'quota' without a quota; "
            "required: BEDROCK_REQUESTS_PER_MINUTE or BEDROCK_TOKENS_PER_MINUTE"
        ),
    )


def test_a_shared_pace_over_a_table_needs_the_table() -> None:
    assert faults(BEDROCK_PACING="shared") == (
        "BEDROCK_PACE_TABLE: missing; required: the DynamoDB table, beside BEDROCK_PACING=shared",
    )
    settings = Settings.from_env({**BUCKETS, "BEDROCK_PACING": "shared", "BEDROCK_PACE_TABLE": "bedrock-shared-pace"})
    assert (settings.pacing, settings.pace_table) == (Pacing.SHARED, "bedrock-shared-pace")


def test_a_dispatcher_needs_its_queue() -> None:
    assert faults(MODE="queue") == ("QUEUE_URL: missing; required: the URL of the workers' queue, beside MODE=queue",)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BEDROCK_MAX_RETRIES", "-1"),
        ("BEDROCK_BASE_DELAY", "nan"),
        ("BEDROCK_BASE_DELAY", "inf"),
        ("BEDROCK_BASE_DELAY", "0,5"),
        ("BEDROCK_MULTIPLIER", "0.5"),
        ("BEDROCK_MAX_DELAY", "never"),
        ("BEDROCK_JITTER", "some"),
        ("BEDROCK_RETRY_ON", "everything"),
    ],
)
def test_a_wrong_variable_of_the_policy_is_refused_by_name(name: str, value: str) -> None:
    (fault,) = faults(**{name: value})
    assert fault.startswith(f"{name}={value!r}: ")
    assert "accepted: " in fault


def test_the_policy_is_that_of_from_env() -> None:
    variables = {
        "BEDROCK_MAX_RETRIES": "5",
        "BEDROCK_BASE_DELAY": "1",
        "BEDROCK_MULTIPLIER": "3",
        "BEDROCK_MAX_DELAY": "30",
        "BEDROCK_JITTER": "full",
        "BEDROCK_RETRY_ON": "throttling,read_timeout=1",
    }
    assert Settings.from_env({**BUCKETS, **variables}).policy == RetryPolicy.from_env(variables)


def test_all_faults_of_the_policy_are_reported_at_once() -> None:
    found = faults(BEDROCK_MAX_RETRIES="many", BEDROCK_BASE_DELAY="61", BEDROCK_JITTER="some", MAX_RECEIVES="0")
    assert [re.split("[:=]", fault)[0] for fault in found] == [
        "BEDROCK_MAX_RETRIES",
        "BEDROCK_BASE_DELAY",
        "BEDROCK_JITTER",
        "MAX_RECEIVES",
    ]


def test_all_faults_are_reported_at_once() -> None:
    found = faults(CONFIG_BUCKET="", DATA_BUCKET="", MAX_BEDROCK_WORKERS="0", LOG_LEVEL="LOUD")
    assert [fault.partition(":")[0] for fault in found] == [
        "CONFIG_BUCKET",
        "DATA_BUCKET",
        "MAX_BEDROCK_WORKERS",
        "LOG_LEVEL",
    ]


def test_settings_are_frozen_and_make_a_key() -> None:
    settings = Settings.from_env(BUCKETS)
    with pytest.raises(AttributeError):
        settings.env = "prod"  # type: ignore[misc]
    assert hash(settings) == hash(Settings.from_env(BUCKETS))
