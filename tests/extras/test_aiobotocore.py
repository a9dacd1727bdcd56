"""Unmodified aiobotocore under a policy: every night.

It accepts no botocore as new as the one in lock.txt, so it has no extra, and its environment is not bound to that file.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.installed import Installed

if TYPE_CHECKING:
    from pathlib import Path

# Its environment takes 20 s of processor time. The gate goes through the same calls with stand-ins, in
# tests/unit/bedrock_resilience/integrations/test_aiobotocore.py and .../bedrock/test_async_runtime.py.
pytestmark = [pytest.mark.packaging, pytest.mark.nightly]


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("aiobotocore"), str(wheel), "aiobotocore>=3.8")


PROTECTED = """
import asyncio, json
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from bedrock_resilience import AdaptivePacer, RetryPolicy, protect, unprotect
from bedrock_resilience.emulator import BedrockEmulator
from bedrock_resilience.testing import FakeClock

MODEL = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
CONVERSE = {"modelId": MODEL, "messages": [{"role": "user", "content": [{"text": "hello"}]}]}
BODY = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 50, "messages": [{"role": "user", "content": "hello"}]}
INVOKE = {"modelId": MODEL, "body": json.dumps(BODY)}
OPERATIONS = {
    "converse": CONVERSE,
    "converse_stream": CONVERSE,
    "invoke_model": INVOKE,
    "invoke_model_with_response_stream": INVOKE,
}

async def read(operation, response):
    if operation.endswith("stream"):
        return [event async for event in response.get("stream") or response["body"]]
    return json.loads(await response["body"].read()) if operation == "invoke_model" else response["output"]

async def main(emulator, mode):
    session = get_session()
    session.set_credentials("any", "any")
    protect(session, policy=RetryPolicy(5, retry_on="transient"), pacer=AdaptivePacer(), clock=FakeClock())
    options = {"endpoint_url": emulator.endpoint_url, "config": AioConfig(retries={"mode": mode})}
    requests = {}
    async with session.create_client("bedrock-runtime", region_name="eu-west-3", **options) as client:
        for operation, request in OPERATIONS.items():
            faults = [("ThrottlingException", {}), ("truncated-body", {})]
            if operation.endswith("stream"):
                faults[1] = ("stream-cut", {"after": 0})
            emulator.reset()
            for fault, details in faults:
                emulator.fail_next(1, fault, **details)
            assert await read(operation, await getattr(client, operation)(**request))
            requests[operation] = emulator.requests
        emulator.reset()
        emulator.fail_next(1, "stream-exception", after=1)
        try:
            await read("stream", await client.converse_stream(**CONVERSE))
        except Exception as error:
            requests[type(error).__name__] = emulator.requests
        unprotect(session)
        assert "Protection" not in repr(client)
    return requests

with BedrockEmulator() as emulator:
    print(json.dumps([asyncio.run(main(emulator, mode)) for mode in ("legacy", "standard", "adaptive")]))
"""

RUNTIME = """
import asyncio, json
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from bedrock_resilience import AsyncBedrockRuntime, Retrier, RetryPolicy
from bedrock_resilience.emulator import BedrockEmulator
from bedrock_resilience.testing import FakeClock

MODEL = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
CONVERSE = {"modelId": MODEL, "messages": [{"role": "user", "content": [{"text": "hello"}]}]}
BODY = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 50, "messages": [{"role": "user", "content": "hello"}]}
INVOKE = {"modelId": MODEL, "body": BODY}

async def main(emulator):
    session = get_session()
    session.set_credentials("any", "any")
    config = AioConfig(retries={"mode": "standard", "total_max_attempts": 1})
    options = {"endpoint_url": emulator.endpoint_url, "config": config}
    requests = {}
    async with session.create_client("bedrock-runtime", region_name="eu-west-3", **options) as client:
        runtime = AsyncBedrockRuntime(client, Retrier(RetryPolicy(5, retry_on="transient"), clock=FakeClock()))
        for operation, request in {"converse": CONVERSE, "invoke_model": INVOKE}.items():
            emulator.reset()
            emulator.fail_next(1, "ThrottlingException")
            emulator.fail_next(1, "truncated-body")
            assert await getattr(runtime, operation)(**request)
            requests[operation] = emulator.requests
        for operation, request in {"converse_stream": CONVERSE, "invoke_model_stream": INVOKE}.items():
            emulator.reset()
            emulator.fail_next(1, "ThrottlingException")
            emulator.fail_next(1, "stream-cut", after=0)
            assert [event async for event in getattr(runtime, operation)(**request)]
            requests[operation] = emulator.requests
    return requests

with BedrockEmulator() as emulator:
    print(json.dumps(asyncio.run(main(emulator))))
"""


def test_the_runtime_checks_and_retries_a_client_of_aiobotocore(environment: Installed) -> None:
    expected = {"converse": 3, "invoke_model": 3, "converse_stream": 3, "invoke_model_stream": 3}
    assert json.loads(environment.python(RUNTIME)) == expected


def test_a_session_of_aiobotocore_is_protected(environment: Installed) -> None:
    expected = {
        "converse": 3,
        "converse_stream": 3,
        "invoke_model": 3,
        "invoke_model_with_response_stream": 3,
        "EventStreamError": 1,
    }
    assert json.loads(environment.python(PROTECTED)) == [expected] * 3
