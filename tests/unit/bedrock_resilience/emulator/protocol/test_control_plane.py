"""What the control plane says of models and profiles."""

from __future__ import annotations

import pytest

from bedrock_resilience.emulator._protocol.control_plane import (
    get_foundation_model,
    get_inference_profile,
    list_foundation_models,
    list_inference_profiles,
)
from bedrock_resilience.emulator._protocol.errors import ServiceError

SONNET = "anthropic.claude-sonnet-4-5-20250929-v1:0"
APPLICATION = "arn:aws:bedrock:eu-west-3:1:application-inference-profile/abc"


def listed(query: str) -> set[str]:
    return {summary["modelId"] for summary in list_foundation_models(query)["modelSummaries"]}


def test_models_are_listed_and_filtered() -> None:
    assert SONNET in listed("")
    assert listed("byProvider=Meta") == {"meta.llama3-8b-instruct-v1:0", "meta.llama3-1-70b-instruct-v1:0"}
    assert listed("byProvider=meta") == listed("byProvider=Meta")
    assert listed("byOutputModality=embedding") == set()
    assert "amazon.titan-embed-text-v2:0" in listed("byOutputModality=EMBEDDING")
    assert SONNET not in listed("byInferenceType=ON_DEMAND")
    assert listed("byCustomizationType=FINE_TUNING") == set()


@pytest.mark.parametrize("identifier", [SONNET, f"arn:aws:bedrock:eu-west-3::foundation-model/{SONNET}"])
def test_a_model_is_described(identifier: str) -> None:
    details = get_foundation_model(identifier)["modelDetails"]
    assert (details["modelId"], details["providerName"]) == (SONNET, "Anthropic")
    assert details["inferenceTypesSupported"] == ["INFERENCE_PROFILE"]
    assert details["modelLifecycle"] == {"status": "LEGACY"}


def test_a_cross_region_profile_leads_to_its_models() -> None:
    profile = get_inference_profile(f"eu.{SONNET}", {})
    assert (profile["inferenceProfileName"], profile["type"]) == ("EU Anthropic Claude Sonnet 4.5", "SYSTEM_DEFINED")
    assert {"modelArn": f"arn:aws:bedrock:eu-west-3::foundation-model/{SONNET}"} in profile["models"]
    assert profile["inferenceProfileArn"].endswith(f":inference-profile/eu.{SONNET}")
    assert len(get_inference_profile(f"apac.{SONNET}", {})["models"]) == 1


def test_an_application_profile_leads_to_the_models_behind_it() -> None:
    profile = get_inference_profile(APPLICATION, {APPLICATION: f"us.{SONNET}"})
    assert (profile["inferenceProfileId"], profile["type"]) == ("abc", "APPLICATION")
    assert (profile["inferenceProfileArn"], len(profile["models"])) == (APPLICATION, 3)
    assert len(get_inference_profile(APPLICATION, {APPLICATION: "amazon.nova-lite-v1:0"})["models"]) == 1


def test_profiles_are_listed_by_type() -> None:
    def ids(query: str) -> set[str]:
        summaries = list_inference_profiles(query, {APPLICATION: SONNET})["inferenceProfileSummaries"]
        return {summary["inferenceProfileId"] for summary in summaries}

    assert ids("type=APPLICATION") == {"abc"}
    assert f"eu.{SONNET}" in ids("type=SYSTEM_DEFINED")
    assert ids("") == ids("type=APPLICATION") | ids("type=SYSTEM_DEFINED")


@pytest.mark.parametrize("identifier", ["my-model", SONNET, "eu.my-model", APPLICATION])
def test_what_is_not_known_is_not_found(identifier: str) -> None:
    with pytest.raises(ServiceError, match="ResourceNotFoundException"):
        get_inference_profile(identifier, {})
    if identifier != SONNET:
        with pytest.raises(ServiceError, match="ResourceNotFoundException"):
            get_foundation_model(identifier)
