"""Families that complete a prompt: settings, templates, and why a response ended."""

from __future__ import annotations

from typing import Any

import pytest

from bedrock_resilience.emulator._protocol.generation import CompletedGeneration, Generation
from bedrock_resilience.emulator._protocol.text_families import COMMAND, LLAMA, MISTRAL, TITAN, TextFamily
from bedrock_resilience.quotas import Usage


def test_settings_are_read_where_the_family_has_them() -> None:
    config = {"maxTokenCount": 9, "temperature": 0.5, "topP": 0.9, "stopSequences": ["x"]}
    wanted = {"maxTokens": 9, "temperature": 0.5, "topP": 0.9, "stopSequences": ["x"]}
    assert TITAN.form_of({"inputText": "a", "textGenerationConfig": config}).request["inferenceConfig"] == wanted
    command = {"prompt": "a", "max_tokens": 9, "temperature": 0.5, "p": 0.9, "stop_sequences": ["x"]}
    assert COMMAND.form_of(command).request["inferenceConfig"] == wanted
    assert LLAMA.form_of({"prompt": "a", "max_gen_len": 9}).request["inferenceConfig"] == {"maxTokens": 9}


@pytest.mark.parametrize(
    ("family", "prompt"),
    [
        (
            LLAMA,
            "<|start_header_id|>user<|end_header_id|>\n\nFirst.<|eot_id|><|start_header_id|>user<|end_header_id|>\nHello.<|eot_id|>",
        ),
        (MISTRAL, "<s>[INST] First. [/INST] Yes.</s>[INST] Hello. [/INST]"),
        (COMMAND, "User: First.\nBot: Yes.\nUser: Hello.\nBot:"),
    ],
)
def test_a_template_leaves_the_last_turn_of_the_user(family: TextFamily, prompt: str) -> None:
    (turn,) = family.form_of({"prompt": prompt}).request["messages"]
    assert turn["content"] == [{"text": "Hello."}]


@pytest.mark.parametrize(
    ("family", "field", "reason", "written"),
    [
        (TITAN, "inputText", "stop_sequence", "STOP_CRITERIA_MET"),
        (TITAN, "inputText", "max_tokens", "LENGTH"),
        (COMMAND, "prompt", "max_tokens", "MAX_TOKENS"),
        (LLAMA, "prompt", "max_tokens", "length"),
        (MISTRAL, "prompt", "content_filtered", "stop"),
    ],
)
def test_the_reason_of_the_end_is_in_the_words_of_the_family(
    family: TextFamily, field: str, reason: str, written: str
) -> None:
    completed = CompletedGeneration(Generation(({"text": "a"},), reason), Usage(1, 2), "id", "model")
    form = family.form_of({field: "a"})
    last: Any = form.payloads(completed)[-1]
    assert f"'{written}'" in str(form.body(completed))
    assert f"'{written}'" in str(last)
