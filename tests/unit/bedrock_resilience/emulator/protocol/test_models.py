"""What is known of models."""

from __future__ import annotations

import pytest

from bedrock_resilience.emulator._protocol.models import MODELS, base_model_id, max_output_tokens


@pytest.mark.parametrize(
    ("model", "tokens"),
    [
        ("eu.anthropic.claude-sonnet-4-5-20250929-v1:0", 64_000),
        ("global.anthropic.claude-sonnet-4-6", 128_000),
        ("us.anthropic.claude-opus-4-1-20250805-v1:0", 32_000),
        ("anthropic.claude-3-haiku-20240307-v1:0", 4_096),
        ("amazon.nova-lite-v1:0", 10_000),
        ("meta.llama3-70b-instruct-v1:0", 2_048),
        ("openai.gpt-oss-20b-1:0", 128_000),
        ("arn:aws:bedrock:eu-west-3:1:application-inference-profile/abc", 64_000),
    ],
)
def test_the_most_output_tokens_are_those_of_the_family(model: str, tokens: int) -> None:
    assert max_output_tokens(model) == tokens


def test_a_profile_leads_to_its_model() -> None:
    arn = "arn:aws:bedrock:eu-west-3:1:inference-profile/eu.anthropic.claude-sonnet-4-6"
    assert base_model_id(arn) == "anthropic.claude-sonnet-4-6"
    assert base_model_id("amazon.nova-lite-v1:0") == "amazon.nova-lite-v1:0"


def test_every_model_has_a_provider_and_says_whether_it_streams() -> None:
    assert all(model.provider for model in MODELS.values())
    assert MODELS["amazon.nova-lite-v1:0"].streams
    assert not MODELS["amazon.titan-embed-text-v2:0"].streams
    assert not MODELS["cohere.rerank-v3-5:0"].streams
