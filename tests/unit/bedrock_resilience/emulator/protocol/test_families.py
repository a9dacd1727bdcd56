"""Which form a body of InvokeModel has, and that each family's form comes back complete."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bedrock_resilience.bedrock._responses import check_invoke_model
from bedrock_resilience.emulator._protocol.errors import ServiceError
from bedrock_resilience.emulator._protocol.families import read_invoke_body
from bedrock_resilience.emulator._protocol.generation import CompletedGeneration, Form, Generation
from bedrock_resilience.emulator._protocol.validation import check_converse, merged_turns
from bedrock_resilience.quotas import Usage

CHAT: dict[str, Any] = {"messages": [{"role": "user", "content": "Hello."}], "max_tokens": 9}
CLAUDE: dict[str, Any] = {**CHAT, "anthropic_version": "bedrock-2023-05-31"}
NOVA: dict[str, Any] = {"schemaVersion": "messages-v1", "messages": [{"role": "user", "content": [{"text": "Hello."}]}]}
# Model, body, and where the text is in the body of a response.
FORMS: list[tuple[str, dict[str, Any], tuple[str | int, ...]]] = [
    ("eu.anthropic.claude-sonnet-4-6", CLAUDE, ("content", 0, "text")),
    ("amazon.nova-lite-v1:0", NOVA, ("output", "message", "content", 0, "text")),
    ("amazon.titan-text-express-v1", {"inputText": "Hello."}, ("results", 0, "outputText")),
    ("amazon.titan-tg1-large", {"inputText": "Hello."}, ("results", 0, "outputText")),
    ("cohere.command-text-v14", {"prompt": "Hello."}, ("generations", 0, "text")),
    ("cohere.command-r-v1:0", {"message": "Hello."}, ("text",)),
    ("meta.llama3-8b-instruct-v1:0", {"prompt": "Hello."}, ("generation",)),
    ("mistral.mistral-7b-instruct-v0:2", {"prompt": "Hello."}, ("outputs", 0, "text")),
    ("mistral.mistral-large-2407-v1:0", CHAT, ("choices", 0, "message", "content")),
    ("mistral.pixtral-large-2502-v1:0", CHAT, ("choices", 0, "message", "content")),
    ("us.deepseek.r1-v1:0", {"prompt": "Hello."}, ("choices", 0, "text")),
    ("openai.gpt-oss-20b-1:0", CHAT, ("choices", 0, "message", "content")),
    ("qwen.qwen3-32b-v1:0", CHAT, ("choices", 0, "message", "content")),
    ("arn:aws:bedrock:eu-west-3:1:application-inference-profile/abc", CLAUDE, ("content", 0, "text")),
    (
        "arn:aws:bedrock:eu-west-3:1:application-inference-profile/abc",
        NOVA,
        ("output", "message", "content", 0, "text"),
    ),
]


def form_of(model: str, body: dict[str, Any]) -> Form:
    form = read_invoke_body(model, body)
    assert isinstance(form, Form)
    return form


def completed(text: str = "#" * 30, reason: str = "end_turn") -> CompletedGeneration:
    return CompletedGeneration(Generation(({"text": text},), reason), Usage(1, 2), "id", "model")


@pytest.mark.parametrize(("model", "body", "place"), FORMS)
def test_each_family_reads_the_message_and_writes_the_text(
    model: str, body: dict[str, Any], place: tuple[str | int, ...]
) -> None:
    form = form_of(model, body)
    request = {**form.request, "messages": merged_turns(form.request["messages"])}
    check_converse(request, rules=form.rules)
    assert request["messages"] == [{"role": "user", "content": [{"text": "Hello."}]}]
    made: Any = form.body(completed())
    check_invoke_model(made)
    for step in place:
        made = made[step]
    assert made == "#" * 30


@pytest.mark.parametrize(("model", "body", "place"), FORMS)
def test_each_family_streams_the_same_text_and_ends_with_metrics(
    model: str, body: dict[str, Any], place: tuple[str | int, ...]
) -> None:
    del place
    payloads = form_of(model, body).payloads(completed())
    sent = json.dumps([payload for payload in payloads if "response" not in payload])  # Command R's end repeats it
    assert sent.count("#") == 30
    assert "#" * 25 not in sent
    assert payloads[-1]["amazon-bedrock-invocationMetrics"]["outputTokenCount"] == 2
    assert "amazon-bedrock-invocationMetrics" not in payloads[0]


@pytest.mark.parametrize(
    ("model", "body", "message"),
    [
        ("some.model", {"text": "Hello."}, "The emulator has no form for some.model; accepted: a body with"),
        ("meta.llama3-8b-instruct-v1:0", {}, "Malformed input request: #: required key [prompt] not found, please"),
        ("amazon.titan-text-lite-v1", {"inputText": "a", "x": 1}, "Malformed input request: #: extraneous key [x] is"),
        ("cohere.command-r-v1:0", {}, "Malformed input request: #: required key [message] not found, please"),
    ],
)
def test_a_body_of_another_form_is_refused(model: str, body: dict[str, Any], message: str) -> None:
    with pytest.raises(ServiceError) as raised:
        read_invoke_body(model, body)
    assert raised.value.message.startswith(message)
