"""Prompts of Prompt management."""

from __future__ import annotations

import pytest

from bedrock_resilience.emulator._protocol.errors import ServiceError
from bedrock_resilience.emulator._protocol.prompts import prompt_request

FURTHER = {"role": "user", "content": [{"text": "And more."}]}


def test_the_variables_are_said_before_further_messages() -> None:
    variables = {"topic": {"text": "rain"}, "tone": {"text": "dry"}}
    request = prompt_request({"promptVariables": variables, "messages": [FURTHER]})
    assert request["messages"] == [
        {"role": "user", "content": [{"text": "topic: rain\ntone: dry"}, {"text": "And more."}]}
    ]


def test_a_prompt_needs_no_variables() -> None:
    (turn,) = prompt_request({})["messages"]
    assert turn["content"] == [{"text": "The prompt has no variables."}]


@pytest.mark.parametrize("field", ["additionalModelRequestFields", "inferenceConfig", "system", "toolConfig"])
def test_what_the_prompt_defines_is_refused(field: str) -> None:
    with pytest.raises(ServiceError, match=f"{field}: not accepted together with a prompt"):
        prompt_request({field: {}})


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (1, "promptVariables: got 1"),
        ({"a": 1}, r"promptVariables\.a: got 1"),
        ({"a": {}}, r"promptVariables\.a\.text: got"),
    ],
)
def test_variables_are_checked(variables: object, message: str) -> None:
    with pytest.raises(ServiceError, match=message):
        prompt_request({"promptVariables": variables})
