"""``bedrock-resilience quota`` prints what Service Quotas says, and what a max_tokens leaves of it."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner, Result

from bedrock_resilience.cli._app import app
from bedrock_resilience.cli._quota import Allowance
from bedrock_resilience.quotas import Quota, RequestTokens
from bedrock_resilience.quotas._service_quotas import forget_answers
from support.service_quotas import RECORDED, service_quotas

if TYPE_CHECKING:
    from collections.abc import Iterator

SONNET = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"


@pytest.fixture(scope="module", autouse=True)
def account() -> Iterator[None]:
    with service_quotas() as services, pytest.MonkeyPatch.context() as patch:
        services.applied = dict(RECORDED)
        patch.setenv("AWS_ENDPOINT_URL", services.url)
        forget_answers()
        yield
        forget_answers()


def run(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "140"}).invoke(app, ["quota", *arguments])


def test_it_prints_the_quota_its_codes_and_what_max_tokens_leaves() -> None:
    result = run(SONNET, "--region", "eu-west-3", "--max-tokens", "1000", "--input-tokens", "3000")
    assert result.exit_code == 0
    assert "anthropic.claude-sonnet-4-5-20250929-v1:0, cross-region, in eu-west-3" in result.stdout
    row = next(line for line in result.stdout.splitlines() if "L-F4DDD3EB" in line)
    assert [cell.strip() for cell in row.split("│")[1:3]] == ["200,000", "tokens_per_minute"]
    assert RECORDED["L-F4DDD3EB"][0] in row
    assert result.stdout.splitlines()[-3:] == [
        "A request of 3,000 input tokens and max_tokens 1,000 reserves 4,000 tokens: 50 requests a minute.",
        (
            "One that produces all of them takes 8,000 in the end, as an output token counts 5 times: "
            "25 requests a minute."
        ),
        "The tokens of a day last for 175,000 requests.",
    ]


def test_without_max_tokens_the_maximum_of_the_model_is_reserved() -> None:
    lines = run(SONNET, "--region", "eu-west-3").stdout.splitlines()
    assert "A request of 0 input tokens and max_tokens 64,000 reserves 64,000 tokens: 3 requests a minute." in lines
    assert lines[-2].endswith("takes 320,000 in the end, as an output token counts 5 times: no request a minute.")


def test_as_json() -> None:
    shown: dict[str, Any] = json.loads(run(SONNET, "--region", "eu-west-3", "--max-tokens", "1000", "--json").stdout)
    quota = Quota(requests_per_minute=50, tokens_per_minute=200_000, tokens_per_day=700_000_000)
    assert Quota(**shown["quota"]) == quota
    assert (shown["scope"], shown["region"]) == ("cross-region", "eu-west-3")
    assert [quota["code"] for quota in shown["quotas"]] == ["L-4A6BFAB1", "L-F4DDD3EB", "L-E3F10727"]
    assert (shown["reserved_tokens"], shown["settled_tokens"], shown["max_tokens"]) == (1_000, 5_000, 1_000)
    assert (shown["requests_per_minute"], shown["longest_per_minute"]) == (50, 40)
    assert shown["requests_per_day"] == 700_000


@pytest.mark.parametrize(
    ("quota", "per_minute", "longest", "per_day"),
    [
        (Quota(), None, None, None),
        (Quota(requests_per_minute=7), 7, 7, None),
        (Quota(tokens_per_minute=40_000, requests_per_minute=50), 20, 10, None),
        (Quota(tokens_per_minute=400_000, requests_per_minute=50, tokens_per_day=800_000), 50, 50, 400),
        (Quota.mantle(input_tokens_per_minute=40_000), 20, 20, None),
        (Quota.mantle(output_tokens_per_minute=5_000), None, 10, None),
        (Quota.mantle(input_tokens_per_minute=40_000, output_tokens_per_minute=5_000), 20, 10, None),
    ],
)
def test_the_lowest_limit_decides(
    quota: Quota, per_minute: float | None, longest: float | None, per_day: float | None
) -> None:
    allowance = Allowance(quota, RequestTokens(1_500, 500))
    assert (allowance.per_minute, allowance.longest_per_minute, allowance.per_day) == (per_minute, longest, per_day)


def test_the_quota_of_bedrock_mantle() -> None:
    options = ("us.anthropic.claude-opus-4-7", "--region", "eu-west-3", "--mantle", "--max-tokens", "4000")
    lines = run(*options).stdout.splitlines()
    assert lines[0].strip() == "anthropic.claude-opus-4-7, mantle, in eu-west-3"
    assert lines[-2:] == [
        "A request of 0 input tokens and max_tokens 4,000 reserves 4,000 tokens: 5,000 requests a minute.",
        "One that produces all of them takes 4,000 of the output tokens: 1,000 requests a minute.",
    ]
    shown = json.loads(run(*options, "--json").stdout)
    assert (shown["endpoint"], shown["quota"]["output_tokens_per_minute"]) == ("bedrock-mantle", 4_000_000)


def test_an_unknown_quota_is_one_line_and_exit_code_1() -> None:
    result = run("mistral.unheard-of", "--region", "eu-west-3")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert "called in one Region. Let AdaptivePacer learn it, or give the numbers to QuotaPacer." in result.stderr


def test_boto3_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3.session", None)
    result = run(SONNET)
    assert result.exit_code == 2
    assert "needs boto3" in result.stderr


@pytest.mark.parametrize(
    ("model", "value", "line"),
    [
        ("us.cohere.embed-v4:0", 150_000, "reserves 0 tokens: any number of requests a minute."),
        ("us.anthropic.claude-opus-4-7", 128_000, "reserves 128,000 tokens: 1 request a minute."),
    ],
)
def test_numbers_read_well(model: str, value: float, line: str) -> None:
    with service_quotas() as services, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", services.url)
        services.defaults = {
            "L-1": ("Cross-region model inference tokens per minute for Claude Opus 4.7", value),
            "L-2": ("Cross-region model inference tokens per minute for Cohere Embed V4", value),
        }
        forget_answers()
        text = run(model, "--region", "eu-west-3").stdout
    assert line in text
    assert "(AWS's default)" in text
