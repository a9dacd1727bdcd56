"""Which requests are calls of Bedrock; the responses are shown with the clients."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from bedrock_resilience.integrations._http_call import is_for_mantle, operation_of

MODEL = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"


class Url:
    """What of a URL of httpx matters here."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.host = parts.hostname
        self.raw_path = f"{parts.path}?{parts.query}".encode()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (f"https://bedrock-runtime.eu-west-3.amazonaws.com/model/{MODEL}/converse", ("Converse", MODEL, True)),
        (
            "https://h/gateway/model/arn%3Aaws%3Abedrock%3A%3A1%3Ap%2Fx/invoke",
            ("InvokeModel", "arn:aws:bedrock::1:p/x", True),
        ),
        ("https://h/model/x/count-tokens", ("CountTokens", "x", False)),
        ("https://h/anthropic/v1/messages", ("Messages", None, True)),
        ("https://h/anthropic/v1/messages/count_tokens", ("CountTokens", None, False)),
        ("https://bedrock-mantle.eu-west-3.api.aws/v1/responses", ("Responses", None, True)),
        ("https://api.openai.com/v1/responses", None),
        ("https://bedrock-mantle.eu-west-3.api.aws/v1/models", None),
        ("https://h/openai/v1/chat/completions", ("ChatCompletions", None, True)),
        ("https://my-azure.com/openai/v1/chat/completions", ("ChatCompletions", None, True)),
        ("https://me.openai.azure.com/openai/v1/chat/completions", None),
        ("https://ME.services.ai.AZURE.com/anthropic/v1/messages", None),
        ("https://api.groq.com/openai/v1/responses", None),
        ("https://api.deepseek.com/anthropic/v1/messages", None),
        ("https://api.z.ai/api/anthropic/v1/messages", None),
        ("https://gateway.ai.cloudflare.com/v1/account/gateway/anthropic/v1/messages", None),
        ("https://gateway.ai.cloudflare.com/v1/a/g/aws-bedrock/model/x/invoke", ("InvokeModel", "x", True)),
        ("http://127.0.0.1:8377/bedrock-mantle/v1/chat/completions", ("ChatCompletions", None, True)),
        ("https://h/model/x/converse/more", None),
    ],
)
def test_operations_are_known_by_their_path(url: str, expected: object) -> None:
    assert operation_of("POST", Url(url)) == expected
    assert operation_of("GET", Url(url)) is None


@pytest.mark.parametrize(
    ("url", "mantle"),
    [
        ("https://bedrock-mantle.eu-west-3.api.aws/v1/responses", True),
        ("https://bedrock-mantle.eu-west-3.api.aws/anthropic/v1/messages", True),
        ("http://127.0.0.1:8377/bedrock-mantle/v1/chat/completions", True),
        ("http://127.0.0.1:8377/bedrock-mantle/anthropic/v1/messages", True),
        ("https://bedrock-runtime.eu-west-3.amazonaws.com/anthropic/v1/messages", False),
        ("https://h/openai/v1/chat/completions?from=/bedrock-mantle/", False),
    ],
)
def test_the_endpoint_is_known_by_its_host_or_its_path(url: str, *, mantle: bool) -> None:
    assert is_for_mantle(Url(url)) is mantle
