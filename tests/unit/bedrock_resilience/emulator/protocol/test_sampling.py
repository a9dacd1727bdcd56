"""Which models take only one of temperature and top_p."""

from __future__ import annotations

from typing import Any

import pytest

from bedrock_resilience.emulator._protocol.errors import ServiceError
from bedrock_resilience.emulator._protocol.sampling import check_sampling

SONNET = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
BOTH = {"temperature": 0, "topP": 0.9}


@pytest.mark.parametrize(
    "model_id",
    [
        SONNET,
        "us.anthropic.claude-haiku-4-5-20251001-v1:0",
        "us.anthropic.claude-opus-4-1-20250805-v1:0",
        "global.anthropic.claude-opus-4-5-20251101-v1:0",
        "anthropic.claude-sonnet-4-6",
        f"arn:aws:bedrock:eu-west-3:1:inference-profile/{SONNET}",
    ],
)
def test_both_are_refused(model_id: str) -> None:
    with pytest.raises(ServiceError) as raised:
        check_sampling(model_id, {"inferenceConfig": BOTH}, prefix="The model says: ")
    assert raised.value.code == "ValidationException"
    assert raised.value.message == (
        "The model says: `temperature` and `top_p` cannot both be specified for this model. Please use only one."
    )


@pytest.mark.parametrize(
    ("model_id", "request_"),
    [
        (SONNET, {}),
        (SONNET, {"inferenceConfig": {"temperature": 0.5}}),
        (SONNET, {"inferenceConfig": {"topP": 0.5}}),
        (SONNET, {"inferenceConfig": {"temperature": 0.5, "topP": None}}),
        ("eu.anthropic.claude-sonnet-4-20250514-v1:0", {"inferenceConfig": BOTH}),
        ("eu.amazon.nova-lite-v1:0", {"inferenceConfig": BOTH}),
        ("my-model", {"inferenceConfig": BOTH}),
    ],
)
def test_everything_else_is_accepted(model_id: str, request_: dict[str, Any]) -> None:
    check_sampling(model_id, request_)
