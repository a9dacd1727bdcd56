"""What the quotas know of models: their maxima, and the names in their ids."""

from __future__ import annotations

import pytest

from bedrock_resilience.quotas import MAX_OUTPUT_TOKENS, MODEL_MAX_TOKENS, max_output_tokens, model_name
from bedrock_resilience.quotas._models import base_model_id, longest_family


@pytest.mark.parametrize(
    ("model", "tokens"),
    [
        ("eu.anthropic.claude-sonnet-4-5-20250929-v1:0", 64_000),
        ("global.anthropic.claude-sonnet-4-6", 128_000),
        ("us.anthropic.claude-opus-4-1-20250805-v1:0", 32_000),
        ("us.anthropic.claude-opus-5-5", 128_000),
        ("anthropic.claude-3-haiku-20240307-v1:0", 4_096),
        ("amazon.nova-lite-v1:0", 10_000),
        ("meta.llama3-70b-instruct-v1:0", 2_048),
        ("openai.gpt-oss-20b-1:0", 128_000),
        ("amazon.titan-embed-text-v2:0", 0),
        ("amazon.nova-2-multimodal-embeddings-v1:0", 0),
        ("cohere.rerank-v3-5:0", 0),
        ("arn:aws:bedrock:eu-west-3:1:application-inference-profile/abc", MODEL_MAX_TOKENS),
    ],
)
def test_the_most_output_tokens_are_those_of_the_family(model: str, tokens: int) -> None:
    assert max_output_tokens(model) == tokens


def test_every_maximum_has_its_source_and_date() -> None:
    assert all(row.source and row.as_of.year >= 2026 for row in MAX_OUTPUT_TOKENS)
    assert len({row.family for row in MAX_OUTPUT_TOKENS}) == len(MAX_OUTPUT_TOKENS)


def test_a_profile_leads_to_its_model() -> None:
    arn = "arn:aws:bedrock:eu-west-3:1:inference-profile/eu.anthropic.claude-sonnet-4-6"
    assert model_name(arn) == "eu.anthropic.claude-sonnet-4-6"
    assert base_model_id(arn) == "anthropic.claude-sonnet-4-6"
    assert base_model_id("amazon.nova-lite-v1:0") == "amazon.nova-lite-v1:0"


def test_only_an_arn_has_a_name_at_its_end() -> None:
    assert model_name("custom-model/mine") == "custom-model/mine"
    assert model_name("arn:aws:bedrock:eu-west-3:1:custom-model/amazon.nova-lite-v1:0/mine") == "mine"


def test_the_longest_family_counts_wherever_it_stands() -> None:
    assert longest_family("titan-a-multimodal", ("titan", "multimodal", "other")) == "multimodal"
    assert longest_family("titan-a", ("other",)) is None
