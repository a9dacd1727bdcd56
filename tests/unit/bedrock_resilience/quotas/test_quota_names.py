"""Which quota of Service Quotas belongs to which model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bedrock_resilience.quotas._quota_names import (
    QuotaName,
    QuotaNames,
    _begins_with_provider,  # pyright: ignore[reportPrivateUsage]
    _canonical_version,  # pyright: ignore[reportPrivateUsage]
    _with_versions,  # pyright: ignore[reportPrivateUsage]
    parse_quota_name,
    split_profile,
)
from support.service_quotas import RECORDED

if TYPE_CHECKING:
    from bedrock_resilience.quotas._quota_names import Scope

# Model id -> its name in the quotas that accounts list, read on 28 November 2026.
NAMED = [
    ("ai21.jamba-1-5-large-v1:0", "AI21 Labs Jamba 1.5 Large"),
    ("amazon.nova-2-lite-v1:0", "Amazon Nova 2 Lite"),
    ("amazon.nova-2-multimodal-embeddings-v1:0", "Amazon Nova 2 Multimodal Embeddings V1"),
    ("amazon.nova-lite-v1:0:300k", "Amazon Nova Lite"),
    ("amazon.rerank-v1:0", "Amazon Rerank 1.0"),
    ("amazon.titan-embed-image-v1", "Amazon Titan Multimodal Embeddings G1"),
    ("amazon.titan-embed-text-v1", "Amazon Titan Text Embeddings"),
    ("amazon.titan-embed-text-v2:0", "Amazon Titan Text Embeddings V2"),
    ("anthropic.claude-3-5-haiku-20241022-v1:0", "Anthropic Claude 3.5 Haiku"),
    ("anthropic.claude-3-5-sonnet-20240620-v1:0", "Anthropic Claude 3.5 Sonnet"),
    ("anthropic.claude-3-5-sonnet-20240620-v1:0", "Anthropic Claude 3.5 Sonnet V1"),
    ("anthropic.claude-3-5-sonnet-20241022-v2:0", "Anthropic Claude 3.5 Sonnet V2"),
    ("anthropic.claude-3-7-sonnet-20250219-v1:0", "Anthropic Claude Sonnet 3.7 V1"),
    ("anthropic.claude-opus-4-20250514-v1:0", "Claude Opus 4"),
    ("anthropic.claude-opus-4-6-v1", "Anthropic Claude Opus 4.6 V1"),
    ("anthropic.claude-sonnet-4-5-20250929-v1:0", "Claude Sonnet 4.5 V1"),
    ("anthropic.claude-sonnet-4-6", "Anthropic Claude Sonnet 4.6"),
    ("anthropic.claude-opus-5-5", "Anthropic Claude Opus 5.5"),
    ("cohere.command-r-plus-v1:0", "Cohere Command R+"),
    ("cohere.embed-english-v3", "Cohere Embed English"),
    ("cohere.embed-v4:0", "Cohere Embed V4"),
    ("cohere.rerank-v3-5:0", "Cohere Rerank 3.5"),
    ("deepseek.r1-v1:0", "DeepSeek R1 V1"),
    ("deepseek.v3-v1:0", "DeepSeek V3 V1"),
    ("deepseek.v3.2", "DeepSeek V3.2"),
    ("google.gemma-3-12b-it", "Gemma 3 12B"),
    ("meta.llama3-1-70b-instruct-v1:0", "Meta Llama 3.1 70B Instruct"),
    ("meta.llama4-scout-17b-instruct-v1:0", "Meta Llama 4 Scout V1"),
    ("mistral.ministral-3-8b-instruct", "Ministral 8B 3.0"),
    ("mistral.mistral-7b-instruct-v0:2", "Mistral AI Mistral 7B Instruct"),
    ("mistral.mistral-large-2402-v1:0", "Mistral AI Mistral Large"),
    ("mistral.mistral-large-2407-v1:0", "Mistral Large 2407"),
    ("mistral.mixtral-8x7b-instruct-v0:1", "Mistral AI Mixtral 8X7BB Instruct"),
    ("mistral.pixtral-large-2502-v1:0", "Mistral Pixtral Large 25.02 V1"),
    ("moonshotai.kimi-k2.5", "Moonshot AI Kimi K2.5"),
    ("newcomer.thinker-2-v1:0", "Newcomer Thinker 2"),
    ("nvidia.nemotron-nano-12b-v2", "NVIDIA Nemotron Nano 2 VL"),
    ("nvidia.nemotron-nano-9b-v2", "NVIDIA Nemotron Nano 2"),
    ("openai.gpt-6.1-sol", "GPT-6.1 Sol"),
    ("openai.gpt-oss-120b-1:0", "OpenAI GPT OSS 120B"),
    ("qwen.qwen3-235b-a22b-2507-v1:0", "Qwen3 235B a22b 2507 V1"),
    ("stability.sd3-5-large-v1:0", "Stability.ai Stable Diffusion 3.5 Large"),
    ("stability.stable-image-search-recolor-v1:0", "Stable Image Search and Recolor"),
    ("twelvelabs.marengo-embed-2-7-v1:0", "Twelve Labs Marengo"),
    ("twelvelabs.marengo-embed-3-0-v1:0", "TwelveLabs Marengo Embed 3.0"),
    ("writer.palmyra-x5-v1:0", "Writer AI Palmyra X5 V1"),
    ("zai.glm-4.7-flash", "Z.ai GLM-4.7 Flash"),
]
PLACES = ("apac", "au", "ca", "eu", "in", "jp", "us", "us-gov")
# Model id -> the name of another model, or of another quota of the same one.
OTHERS = [
    ("amazon.nova-2-5-sonic", "Amazon Nova 2 Sonic"),
    ("amazon.nova-lite-v1:0", "Amazon Nova 2 Lite"),
    ("amazon.titan-embed-text-v1", "Amazon Titan Text Embeddings V2"),
    ("anthropic.claude-3-5-sonnet-20240620-v1:0", "Anthropic Claude 3.5 Sonnet V2"),
    ("anthropic.claude-3-5-sonnet-20241022-v2:0", "Anthropic Claude 3.5 Sonnet"),
    ("anthropic.claude-opus-4-1-20250805-v1:0", "Anthropic Claude Opus 4 V1"),
    ("anthropic.claude-sonnet-4-20250514-v1:0", "Anthropic Claude Sonnet 4 V1 1M Context Length"),
    ("anthropic.claude-sonnet-4-20250514-v1:0", "Anthropic Claude Sonnet 4.5 V1"),
    ("anthropic.claude-sonnet-4-20250514-v1:0", "Anthropic Claude Sonnet 4.6"),
    ("anthropic.claude-sonnet-5", "Anthropic Claude Sonnet 5.5"),
    ("anthropic.claude-sonnet-5-5", "Anthropic Claude Sonnet 5"),
    ("cohere.command-r-v1:0", "Cohere Command R Plus"),
    ("deepseek.v3-v1:0", "DeepSeek V3.2"),
    ("meta.llama3-8b-instruct-v1:0", "Meta Llama 3.1 8B Instruct"),
    ("mistral.mistral-large-2407-v1:0", "Mistral AI Mistral Large"),
    ("nvidia.nemotron-nano-9b-v2", "NVIDIA Nemotron Nano 2 VL"),
    ("openai.gpt-oss-120b-1:0", "GPT OSS Safeguard 120B"),
    ("writer.palmyra-x4-v1:0", "Writer AI Palmyra X5 V1"),
]


@pytest.mark.parametrize(("model", "name"), NAMED)
def test_a_quota_is_found_by_the_words_of_the_id(model: str, name: str) -> None:
    assert QuotaNames(model).match(name.lower())


@pytest.mark.parametrize(("model", "name"), OTHERS)
def test_a_quota_with_a_word_more_or_less_is_another_ones(model: str, name: str) -> None:
    assert not QuotaNames(model).match(name.lower())


@pytest.mark.parametrize("model", sorted({model for model, _ in NAMED}))
def test_no_other_model_of_the_list_has_the_name(model: str) -> None:
    of_others = [name for other, name in NAMED if other != model and {name} != {"Amazon Nova Lite"}]
    assert not any(QuotaNames(model).match(name.lower()) for name in of_others)


@pytest.mark.parametrize(
    ("name", "field", "scopes"),
    [
        ("Cross-Region InvokeModel tokens per minute for Claude 3.5 Sonnet V2", "tokens_per_minute", {"cross-region"}),
        ("Cross region model inference tokens per minute for X", "tokens_per_minute", {"cross-region"}),
        ("Global cross-Region model inference requests per minute for X", "requests_per_minute", {"global"}),
        ("Global cross-region model inference tokens per day for X", "tokens_per_day", {"global"}),
        ("On-demand InvokeModel requests per minute for X", "requests_per_minute", {"on-demand"}),
        ("On demand model inference tokens per minute for X", "tokens_per_minute", {"on-demand"}),
        ("InvokeModel requests per minute for X", "requests_per_minute", {"on-demand"}),
        ("Model invocation max tokens per day for X", "tokens_per_day", {"on-demand", "cross-region"}),
        ("[bedrock-mantle endpoint] Input tokens per minute for X", "input_tokens_per_minute", {"mantle"}),
        ("Bedrock Mantle output tokens per minute for X", "output_tokens_per_minute", {"mantle"}),
        (
            "(Model customization) Sum of on demand custom model deployment tokens per minute for X",
            "tokens_per_minute",
            {"custom"},
        ),
    ],
)
def test_a_name_says_what_is_counted_and_for_which_calls(name: str, field: str, scopes: set[str]) -> None:
    parsed = parse_quota_name(name)
    assert parsed is not None
    assert str(parsed.field) == field
    assert set(map(str, parsed.scopes)) == scopes
    assert not parsed.of_all_models


def test_a_daily_quota_may_be_doubled_or_of_all_models() -> None:
    scopes: frozenset[Scope] = frozenset({"on-demand", "cross-region"})
    doubled = QuotaName("tokens_per_day", scopes, "amazon nova lite", doubled=True)
    assert parse_quota_name(RECORDED["L-45E0AD92"][0]) == doubled
    every = parse_quota_name("Cross-Model Max Tokens Per Day")
    assert every is not None
    assert every.of_all_models
    assert every.scopes == {"on-demand", "cross-region", "global", "custom"}


@pytest.mark.parametrize(
    "name",
    [
        "Batch inference job size (in GB) for Amazon Nova Lite",
        "Minimum number of records per batch inference job for Claude Sonnet 4.5",
        "Model invocation max latency-optimized tokens per day for Amazon Nova Pro V1",
        "On-Demand, latency-optimized model inference tokens per minute for Amazon Nova Pro V1",
        "On-demand InvokeModel concurrent requests for Amazon Nova 2 Sonic",
        "On-demand InvokeModel async concurrent requests for TwelveLabs Marengo Embed 3.0",
        "Model units no-commitment Provisioned Throughputs across base models",
        "Text Units per second",
    ],
)
def test_other_quotas_are_left_out(name: str) -> None:
    assert parse_quota_name(name) is None


def test_every_recorded_name_is_understood() -> None:
    assert all(parse_quota_name(name) for name, _ in RECORDED.values())


@pytest.mark.parametrize(
    ("model_id", "model", "scope"),
    [
        ("amazon.nova-lite-v1:0", "amazon.nova-lite-v1:0", "on-demand"),
        ("zai.glm-4.7", "zai.glm-4.7", "on-demand"),
        ("newcomer.thinker-2.5", "newcomer.thinker-2.5", "on-demand"),
        ("nope", "nope", "on-demand"),
        *((f"{place}.anthropic.claude-x", "anthropic.claude-x", "cross-region") for place in PLACES),
        ("mx.anthropic.claude-x", "anthropic.claude-x", "cross-region"),  # a place that may come
        ("eu.newcomer.thinker-2", "newcomer.thinker-2", "cross-region"),
        ("global.anthropic.claude-x", "anthropic.claude-x", "global"),
        ("arn:aws:bedrock:eu-west-3:1:inference-profile/eu.anthropic.claude-x", "anthropic.claude-x", "cross-region"),
        ("arn:aws:bedrock:eu-west-3::foundation-model/anthropic.claude-x", "anthropic.claude-x", "on-demand"),
    ],
)
def test_the_prefix_of_a_profile_says_how_a_model_is_called(model_id: str, model: str, scope: str) -> None:
    assert split_profile(model_id) == (model, scope)


@pytest.mark.parametrize(
    ("words", "joined"),
    [
        (["5", "claude", "3", "5", "2"], ["5", "claude", "3.5", "2"]),
        (["nova", "4", "12"], ["nova", "4.12"]),
        (["nova", "4", "256"], ["nova", "4", "256"]),
        (["llama3", "1"], ["llama", "3.1"]),
    ],
)
def test_the_digits_of_a_version_are_joined(words: list[str], joined: list[str]) -> None:
    assert _with_versions(words) == joined


@pytest.mark.parametrize(("word", "canonical"), [("v3.2", "3.2"), ("v3.0", "3"), ("25.02", "2502"), ("35.02", "35.02")])
def test_a_version_has_one_form(word: str, canonical: str) -> None:
    assert _canonical_version(word) == canonical


def test_a_provider_comes_before_the_first_dot() -> None:
    assert _begins_with_provider("deepseek.v3.2")
    assert not _begins_with_provider("deepseek")
