"""Token accounting: reservations, settlements, burndown, and usage read from responses."""

from __future__ import annotations

import dataclasses
import math
from datetime import date
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from bedrock_resilience.quotas import (
    BURNDOWN_RATES,
    TokenEstimator,
    Usage,
    burndown_rate,
    max_output_tokens,
    model_name,
    reserved_tokens,
    settled_tokens,
    usage_from,
)
from support.approx import approx

if TYPE_CHECKING:
    from collections.abc import Callable

SONNET = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"


def test_the_example_of_the_documentation_settles_above_its_reservation() -> None:
    assert reserved_tokens(3_000, 1_000) == 4_000
    assert settled_tokens(Usage(3_000, 600), burndown_rate(SONNET)) == 6_000


def test_a_request_without_max_tokens_reserves_the_maximum_of_the_model() -> None:
    assert reserved_tokens(100) == 64_100
    assert reserved_tokens(100, model_max_tokens=8_192) == 8_292


def test_cache_writes_count_at_settlement_and_cache_reads_do_not() -> None:
    usage = Usage(10, 2, cache_write_input_tokens=100, cache_read_input_tokens=1_000)
    assert settled_tokens(usage, burndown=5) == 120
    assert usage.total_input_tokens == 1_110


@pytest.mark.parametrize(
    ("model", "rate"),
    [
        ("anthropic.claude-3-5-sonnet-20241022-v2:0", 1),
        ("anthropic.claude-3-7-sonnet-20250219-v1:0", 5),
        ("us.anthropic.claude-opus-4-20250514-v1:0", 5),
        (SONNET, 5),
        ("global.anthropic.claude-haiku-4-5-20251001-v1:0", 5),
        ("anthropic.claude-opus-4-7", 5),
        ("anthropic.claude-opus-4-8", 15),
        ("anthropic.claude-opus-4-80", 5),
        ("eu.anthropic.claude-sonnet-5", 10),
        ("anthropic.claude-opus-5-v1:0", 10),
        ("anthropic.claude-sonnet-45", 1),
        ("amazon.nova-pro-v1:0", 1),
        (f"arn:aws:bedrock:eu-west-3:123456789012:inference-profile/{SONNET}", 5),
    ],
)
def test_burndown_follows_the_family_of_the_model(model: str, rate: float) -> None:
    assert burndown_rate(model) == rate


def test_an_override_goes_before_the_table_and_the_longest_family_wins() -> None:
    overrides = {"claude-sonnet": 2.0, "claude-sonnet-4-5": 3.0, "nova": 4.0}
    assert burndown_rate(SONNET, overrides) == 3.0
    assert burndown_rate("amazon.nova-lite-v1:0", overrides) == 4.0
    assert burndown_rate("anthropic.claude-opus-5", overrides) == 10.0


@pytest.mark.parametrize(
    ("rate", "error"), [("5", TypeError), (True, TypeError), (0, ValueError), (math.inf, ValueError)]
)
def test_an_override_that_is_no_rate_is_refused_by_its_family(rate: Any, error: type[Exception]) -> None:  # noqa: ANN401 - anything may be given
    with pytest.raises(error, match=rf"^burndown: 'nova': got {rate!r}; accepted: a finite number > 0$"):
        burndown_rate("amazon.nova-lite-v1:0", {"nova": rate})
    assert burndown_rate(SONNET, {"nova": rate}) == 5.0


@pytest.mark.parametrize("given", [None, 5])
@pytest.mark.parametrize(
    ("name", "function"), [("burndown_rate", burndown_rate), ("max_output_tokens", max_output_tokens)]
)
def test_a_model_id_that_is_no_text_is_refused(name: str, function: Callable[[Any], float], given: object) -> None:
    with pytest.raises(TypeError) as refused:
        function(given)
    accepted = "a model id, a profile id, or an ARN of either"
    assert str(refused.value) == f"{name}: model_id: got {given!r}; accepted: {accepted}"


def test_every_burndown_rate_says_when_it_was_read() -> None:
    assert all(row.as_of >= date(2026, 1, 1) and row.rate > 1 for row in BURNDOWN_RATES)


def test_the_name_in_an_arn_is_the_model() -> None:
    assert model_name(f"arn:aws:bedrock:eu-west-3:1:inference-profile/{SONNET}") == SONNET
    assert model_name(SONNET) == SONNET


@pytest.mark.parametrize(
    ("answer", "usage"),
    [
        ({"usage": {"inputTokens": 7, "outputTokens": 3, "totalTokens": 10}}, Usage(7, 3)),
        (
            {"usage": {"inputTokens": 7, "outputTokens": 3, "cacheReadInputTokens": 5, "cacheWriteInputTokens": 4}},
            Usage(7, 3, cache_write_input_tokens=4, cache_read_input_tokens=5),
        ),
        ({"metadata": {"usage": {"inputTokens": 7, "outputTokens": 3}, "metrics": {"latencyMs": 5}}}, Usage(7, 3)),
        (
            {
                "usage": {
                    "input_tokens": 7,
                    "output_tokens": 3,
                    "cache_creation_input_tokens": 4,
                    "cache_read_input_tokens": 5,
                }
            },
            Usage(7, 3, 4, 5),
        ),
        ({"amazon-bedrock-invocationMetrics": {"inputTokenCount": 7, "outputTokenCount": 3}}, Usage(7, 3)),
        (
            {
                "body": object(),
                "ResponseMetadata": {
                    "HTTPHeaders": {
                        "x-amzn-bedrock-input-token-count": "7",
                        "x-amzn-bedrock-output-token-count": "3",
                    }
                },
            },
            Usage(7, 3),
        ),
        ({"usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}}, Usage(7, 3)),
        ({"generation": "Hello", "prompt_token_count": 7, "generation_token_count": 3}, Usage(7, 3)),
        ({"inputTextTokenCount": 7, "results": [{"tokenCount": 1}, {"tokenCount": 2}, {"tokenCount": 0}]}, Usage(7, 3)),
        ({"inputTextTokenCount": 7, "totalOutputTextTokenCount": 3, "outputText": "Hello"}, Usage(7, 3)),
        ({"text": "Hello", "meta": {"billed_units": {"input_tokens": 7, "output_tokens": 3}}}, Usage(7, 3)),
        (
            [
                {"usage": {"inputTokens": 1, "outputTokens": 1}},
                {"metadata": {"usage": {"inputTokens": 7, "outputTokens": 3}}},
                {},
            ],
            Usage(7, 3),
        ),
    ],
    ids=[
        "converse",
        "converse with caching",
        "stream metadata",
        "claude body",
        "claude stream",
        "invoke_model headers",
        "chat completions",
        "llama",
        "titan",
        "titan stream",
        "cohere",
        "events",
    ],
)
def test_usage_is_read_from_every_shape_of_response(answer: object, usage: Usage) -> None:
    assert usage_from(answer) == usage


@pytest.mark.parametrize(
    "answer",
    [
        None,
        "text",
        {},
        {"usage": None},
        {"usage": {"inputTokens": 7}},
        {"usage": {"inputTokens": -7, "outputTokens": 3}},
        {"usage": {"inputTokens": True, "outputTokens": 3}},
        {"usage": {"inputTokens": "7½", "outputTokens": 3}},
        {"usage": {"inputTokens": 7.0, "outputTokens": 3}},
        {"metadata": "no mapping"},
        {"inputTextTokenCount": 7},
        {"results": [{"tokenCount": 3}]},
        {"inputTextTokenCount": 7, "results": []},
        {"inputTextTokenCount": 7, "results": [{"tokenCount": None}]},
        {"prompt_token_count": 7, "generation_token_count": None},
        [],
        [{}],
    ],
)
def test_a_response_without_readable_usage_has_none(answer: object) -> None:
    assert usage_from(answer) is None


@pytest.mark.parametrize(
    ("field", "given", "error"),
    [("input_tokens", -1, ValueError), ("output_tokens", 1.5, TypeError), ("cache_read_input_tokens", True, TypeError)],
)
def test_a_wrong_count_is_refused_by_name(field: str, given: object, error: type[Exception]) -> None:
    counts: dict[str, Any] = {"input_tokens": 1, "output_tokens": 1, field: given}
    with pytest.raises(error, match=rf"^Usage: {field}: got .*; accepted: a whole number >= 0$"):
        Usage(**counts)


def test_usage_is_read_from_the_headers_that_a_result_keeps() -> None:
    counts = {"x-amzn-bedrock-input-token-count": "12", "x-amzn-bedrock-output-token-count": "3"}
    assert usage_from(SimpleNamespace(response_metadata={"HTTPHeaders": counts})) == Usage(12, 3)
    assert usage_from(SimpleNamespace(response_metadata=None)) is None


def test_an_output_token_counts_once_by_default() -> None:
    assert settled_tokens(Usage(10, 20)) == 30


def test_usage_is_a_value() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        cast("Any", Usage(1, 1)).input_tokens = 2
    assert Usage(1, 2) == Usage(1, 2, 0, 0)


class TestTokenEstimator:
    def test_it_counts_the_texts_of_a_request_and_not_its_settings(self) -> None:
        estimator = TokenEstimator(tokens_per_character=1.0)
        request = {
            "modelId": SONNET,
            "system": [{"text": "abc"}],
            "messages": [{"role": "user", "content": [{"text": "defg"}]}],
            "inferenceConfig": {"maxTokens": 100},
        }
        keys = len("modelIdsystemtextmessagesrolecontenttextinferenceConfig")
        assert estimator.estimate(request) == keys + len("user") + 3 + 4

    @pytest.mark.parametrize("kind", ["image", "image_url", "input_image"])
    def test_an_image_of_the_other_apis_counts_the_same(self, kind: str) -> None:
        assert TokenEstimator().estimate({"type": kind, "source": {"data": "A" * 100_000}}) == 1_600

    def test_an_image_counts_as_a_fixed_number_whatever_its_bytes(self) -> None:
        estimator = TokenEstimator(tokens_per_character=1.0)
        part = {"image": {"format": "png", "source": {"bytes": b"x" * 100_000}}}
        assert estimator.estimate([part, part]) == 3_200

    def test_documents_count_by_their_bytes_and_numbers_not_at_all(self) -> None:
        estimator = TokenEstimator(tokens_per_character=0.5)
        assert estimator.estimate((b"12345678", 99, None)) == 4

    def test_it_learns_the_ratio_from_reported_usage(self) -> None:
        estimator = TokenEstimator(tokens_per_character=1.0, weight=0.5)
        for _ in range(30):
            estimator.learn("x" * 100, Usage(25, 1))
        assert estimator.tokens_per_character == approx(0.25)
        assert estimator.estimate("x" * 200) == 51

    def test_it_learns_from_a_single_token(self) -> None:
        estimator = TokenEstimator()
        before = repr(estimator)
        estimator.learn("x" * 40, Usage(1, 0))
        assert repr(estimator) != before

    def test_cached_input_is_input(self) -> None:
        estimator = TokenEstimator(weight=1.0)
        estimator.learn("x" * 100, Usage(10, 1, cache_write_input_tokens=20, cache_read_input_tokens=20))
        assert estimator.tokens_per_character == approx(0.5)

    def test_an_invalid_observation_changes_nothing(self) -> None:
        estimator = TokenEstimator()
        before = estimator.tokens_per_character
        estimator.learn("", Usage(10, 1))
        estimator.learn([{"image": {"format": "png"}}, "text"], Usage(1_600, 1))
        assert estimator.tokens_per_character == before

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (
                {"tokens_per_character": 0},
                "^TokenEstimator: tokens_per_character: got 0; accepted: a finite number > 0$",
            ),
            ({"weight": 1.5}, "^TokenEstimator: weight: got 1.5; accepted: a finite number > 0 and <= 1$"),
            ({"weight": "0.2"}, "^TokenEstimator: weight: got '0.2'; accepted: a finite number > 0 and <= 1$"),
            (
                {"tokens_per_character": True},
                "^TokenEstimator: tokens_per_character: got True; accepted: a finite number > 0$",
            ),
        ],
    )
    def test_bad_arguments_are_refused(self, arguments: dict[str, Any], message: str) -> None:
        with pytest.raises((TypeError, ValueError), match=message):
            TokenEstimator(**arguments)

    def test_its_repr_shows_the_learned_ratio(self) -> None:
        assert repr(TokenEstimator(0.25, 0.2)) == "TokenEstimator(tokens_per_character=0.25, weight=0.2)"
