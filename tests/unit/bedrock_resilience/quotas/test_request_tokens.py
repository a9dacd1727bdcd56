"""What a request needs of a token quota is read off the request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bedrock_resilience.batch._executor import BoundedExecutor
from bedrock_resilience.bedrock import converse, request_tokens
from bedrock_resilience.quotas import RequestTokens, TokenEstimator, Usage
from bedrock_resilience.testing import ScriptedBedrock

if TYPE_CHECKING:
    from collections.abc import Mapping

SONNET = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
REQUEST: Mapping[str, Any] = {
    "modelId": SONNET,
    "messages": [{"role": "user", "content": [{"text": "x" * 34}]}],
    "inferenceConfig": {"maxTokens": 500},
}


def test_max_tokens_and_burndown_are_read_from_the_request() -> None:
    assert request_tokens(REQUEST) == RequestTokens(TokenEstimator().estimate(REQUEST), 500, 5.0, 64_000)


@pytest.mark.parametrize("given", ["x", None, [REQUEST]])
def test_a_request_that_has_no_parameters_is_refused(given: Any) -> None:  # noqa: ANN401 - anything may be given
    with pytest.raises(TypeError) as refused:
        request_tokens(given)
    accepted = "the parameters of Converse or InvokeModel, as a dict"
    assert str(refused.value) == f"request_tokens: request: got {given!r}; accepted: {accepted}"


def test_the_estimate_is_the_estimators() -> None:
    assert request_tokens(REQUEST, TokenEstimator(1.0)).input_tokens == TokenEstimator(1.0).estimate(REQUEST) > 34


@pytest.mark.parametrize(
    ("model", "burndown"), [({"modelId": "amazon.nova-lite-v1:0"}, 1.0), ({"modelId": None}, 1.0), ({}, 1.0)]
)
def test_the_model_determines_the_burndown(model: dict[str, Any], burndown: float) -> None:
    assert request_tokens({**model, "body": {"max_tokens": 7}}).burndown == burndown


@pytest.mark.parametrize(
    ("model", "maximum"),
    [("us.anthropic.claude-sonnet-5", 128_000), ("amazon.nova-lite-v1:0", 10_000), ("amazon.titan-embed-text-v2:0", 0)],
)
def test_without_max_tokens_the_maximum_of_the_model_is_reserved(model: str, maximum: int) -> None:
    tokens = request_tokens({"modelId": model, "body": {"inputText": "x" * 35}})
    assert tokens.reserved == tokens.input_tokens + maximum
    assert tokens.settled(Usage(10, 0)).max_tokens == maximum


@pytest.mark.parametrize("body", [b'{"max_tokens": 1}', '{"max_tokens": 1}', {"max_tokens": 1}])
def test_one_token_is_the_least_and_a_body_may_be_text(body: object) -> None:
    assert request_tokens({"modelId": SONNET, "body": body}).max_tokens == 1


@pytest.mark.parametrize("body", [b"{", "[1]", b""])
def test_a_body_that_is_no_object_names_no_max_tokens(body: object) -> None:
    assert request_tokens({"modelId": SONNET, "body": body, "max_tokens": 5}).max_tokens is None


@pytest.mark.parametrize("given", [0, -5])
def test_max_tokens_that_bedrock_refuses_are_ignored(given: int) -> None:
    assert request_tokens({"inferenceConfig": {"maxTokens": given}}).max_tokens is None


def test_a_report_counts_the_tokens_of_a_batch() -> None:
    client = ScriptedBedrock(then="two words")
    executor = BoundedExecutor(2, tokens=request_tokens)
    tokens = executor.run(lambda request: converse(client, **request), [REQUEST] * 3).tokens
    assert tokens is not None
    assert (tokens.answers, tokens.reserved, tokens.settled) == (3, 3 * (10 + 500), 3 * (10 + 5 * 2))
