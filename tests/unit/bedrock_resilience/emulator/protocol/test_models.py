"""The models that the control plane lists."""

from __future__ import annotations

from bedrock_resilience.emulator._protocol.models import MODELS


def test_every_model_has_a_provider_and_says_whether_it_streams() -> None:
    assert all(model.provider for model in MODELS.values())
    assert MODELS["amazon.nova-lite-v1:0"].streams
    assert not MODELS["amazon.titan-embed-text-v2:0"].streams
    assert not MODELS["cohere.rerank-v3-5:0"].streams
