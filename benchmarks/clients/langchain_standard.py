"""LangChain's standard tests for chat models, on ChatBedrockConverse under ``protect`` against the emulator.

``scripts/client_matrix.sh langchain`` runs them; the gate does not have LangChain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
import pytest
from benchmarks.clients.adapter import MODEL_ID, REGION
from benchmarks.clients.aws import CREDENTIALS
from langchain_aws import ChatBedrockConverse
from langchain_tests.integration_tests import ChatModelIntegrationTests

from bedrock_resilience import RetryPolicy, protect
from bedrock_resilience.emulator import BedrockEmulator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_core.language_models import BaseChatModel

_emulator = BedrockEmulator()


@pytest.fixture(scope="module", autouse=True)
def _serve() -> Iterator[None]:
    with _emulator:
        yield


class TestChatBedrockConverse(ChatModelIntegrationTests):
    """Each test is LangChain's own."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatBedrockConverse

    @property
    def chat_model_params(self) -> dict[str, Any]:
        session = boto3.Session(**CREDENTIALS)
        protect(session, policy=RetryPolicy(base_delay=0.01))
        client = session.client("bedrock-runtime", endpoint_url=_emulator.endpoint_url)
        return {
            "model": MODEL_ID,
            "client": client,
            "bedrock_client": client,
            "region_name": REGION,
        }

    @property
    def supports_image_inputs(self) -> bool:
        return True

    @property
    def standard_chat_model_params(self) -> dict[str, Any]:
        return {"temperature": 0, "max_tokens": 100}
