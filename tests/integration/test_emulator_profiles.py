"""Profiles, prompts and the control plane, with an unmodified boto3."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from bedrock_resilience.emulator import BedrockEmulator
from bedrock_resilience.quotas import Quota
from support.bedrock import SONNET, Client, client_of, user

if TYPE_CHECKING:
    from collections.abc import Generator

MODEL = SONNET.removeprefix("eu.")
APPLICATION = "arn:aws:bedrock:eu-west-3:000000000000:application-inference-profile/abc123"
PROMPT = "arn:aws:bedrock:eu-west-3:000000000000:prompt/PROMPT1234:1"
CLAUDE = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 100}


@pytest.fixture(scope="module")
def emulator() -> Generator[BedrockEmulator]:
    with BedrockEmulator(profiles={APPLICATION: SONNET, PROMPT: SONNET}) as made:
        yield made


@pytest.fixture(scope="module")
def client(emulator: BedrockEmulator) -> Generator[Client]:
    with client_of(emulator.endpoint_url) as made:
        yield made


@pytest.fixture(scope="module")
def control(emulator: BedrockEmulator) -> Client:
    keys = {"aws_access_key_id": "any", "aws_secret_access_key": "any"}
    session = cast("Any", boto3).Session(region_name="eu-west-3", **keys)
    config = Config(retries={"total_max_attempts": 1})
    return session.client("bedrock", endpoint_url=emulator.endpoint_url, config=config)


def test_the_control_plane_describes_models(control: Client) -> None:
    summaries = control.list_foundation_models(byProvider="Anthropic")["modelSummaries"]
    assert MODEL in {summary["modelId"] for summary in summaries}
    assert control.get_foundation_model(modelIdentifier=MODEL)["modelDetails"]["modelName"] == "Claude Sonnet 4.5"
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        control.get_foundation_model(modelIdentifier="no.such-model")


def test_the_control_plane_describes_profiles(control: Client) -> None:
    profile = control.get_inference_profile(inferenceProfileIdentifier=APPLICATION)
    assert (profile["type"], profile["createdAt"].year) == ("APPLICATION", 2026)
    assert profile["models"][0]["modelArn"].endswith(f"foundation-model/{MODEL}")
    listed = control.list_inference_profiles(typeEquals="APPLICATION")["inferenceProfileSummaries"]
    assert {summary["inferenceProfileArn"] for summary in listed} == {APPLICATION, PROMPT}


def test_faults_reach_the_control_plane(emulator: BedrockEmulator, control: Client) -> None:
    emulator.fail_next(1, operation="ListFoundationModels")
    with pytest.raises(ClientError, match="ThrottlingException"):
        control.list_foundation_models()


def test_an_application_profile_is_a_model_with_the_quota_of_the_one_behind_it(
    emulator: BedrockEmulator, client: Client
) -> None:
    emulator.quota = Quota(requests_per_minute=1)
    body = json.dumps({**CLAUDE, "messages": [{"role": "user", "content": "Hello."}]})
    answer = json.loads(client.invoke_model(modelId=APPLICATION, body=body)["body"].read())
    assert answer["type"] == "message"
    with pytest.raises(ClientError, match="ThrottlingException"):
        client.converse(modelId=SONNET, messages=[user("Hello.")])
    emulator.quota = None
    assert APPLICATION in emulator.model_ids


def test_a_prompt_is_a_model_without_messages(client: Client) -> None:
    answer = client.converse(modelId=PROMPT, promptVariables={"topic": {"text": "the rain"}})
    assert "topic: the rain" in answer["output"]["message"]["content"][0]["text"]
    with pytest.raises(ClientError, match="inferenceConfig: not accepted together with a prompt"):
        client.converse(modelId=PROMPT, inferenceConfig={"maxTokens": 5})


@pytest.mark.parametrize("model", [MODEL, f"arn:aws:bedrock:eu-west-3::foundation-model/{MODEL}"])
def test_a_model_that_needs_a_profile_is_refused_by_its_own_id(client: Client, model: str) -> None:
    with pytest.raises(
        ClientError, match=f"Invocation of model ID {MODEL} with on-demand throughput isn\u2019t supported"
    ):
        client.converse(modelId=model, messages=[user("Hello.")])


def test_a_model_that_is_named_exists_whatever_the_service_says() -> None:
    with BedrockEmulator(models=[MODEL]) as emulator, client_of(emulator.endpoint_url) as client:
        assert client.converse(modelId=MODEL, messages=[user("Hello.")])["stopReason"] == "end_turn"


def test_imported_models_do_not_converse(client: Client) -> None:
    with pytest.raises(ClientError, match="doesn't support imported models"):
        client.converse(modelId="arn:aws:bedrock:eu-west-3:1:imported-model/abc", messages=[user("Hello.")])
