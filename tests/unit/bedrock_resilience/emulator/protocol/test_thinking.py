"""What cannot be combined with extended thinking."""

from __future__ import annotations

from typing import Any

import pytest

from bedrock_resilience.emulator._protocol.errors import ServiceError
from bedrock_resilience.emulator._protocol.thinking import check_thinking

ENABLED: dict[str, Any] = {"type": "enabled", "budget_tokens": 1_024}


def request(thinking: object = ENABLED, **inference: object) -> dict[str, Any]:
    return {"additionalModelRequestFields": {"thinking": thinking}, "inferenceConfig": inference}


@pytest.mark.parametrize(
    "accepted",
    [
        {},
        request(),
        request(maxTokens=1_025, temperature=1, topP=0.95),
        request({"type": "disabled"}, temperature=0),
        request({"type": "adaptive"}, temperature=0),
        {**request(), "toolConfig": {"toolChoice": {"auto": {}}}},
        {
            "additionalModelRequestFields": {
                "thinking": ENABLED,
                "anthropic_beta": ["interleaved-thinking-2025-05-14"],
            },
            "inferenceConfig": {"maxTokens": 100},
        },
    ],
)
def test_what_is_documented_is_accepted(accepted: dict[str, Any]) -> None:
    check_thinking(accepted)


@pytest.mark.parametrize(
    ("refused", "message"),
    [
        (request({"type": "much"}), "thinking: Input tag \"much\" found using 'type' does not match"),
        (request({"type": "enabled"}), "thinking.enabled.budget_tokens: Field required"),
        (
            request({"type": "enabled", "budget_tokens": 1_023}),
            "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024",
        ),
        (request(maxTokens=1_024), "`max_tokens` must be greater than `thinking.budget_tokens`."),
        (request(temperature=0), "`temperature` may only be set to 1 when thinking is enabled."),
        (request(topP=0.9), "`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled."),
        (
            {"additionalModelRequestFields": {"thinking": ENABLED, "top_k": 5}},
            "`top_k` must be unset when thinking is enabled.",
        ),
        (
            {**request(), "toolConfig": {"toolChoice": {"any": {}}}},
            "Thinking may not be enabled when tool_choice forces tool use.",
        ),
    ],
)
def test_what_is_documented_as_refused_is_refused(refused: dict[str, Any], message: str) -> None:
    with pytest.raises(ServiceError) as raised:
        check_thinking(refused, prefix="The model says: ")
    assert raised.value.message.startswith(f"The model says: {message}")
