"""Frameworks that call Bedrock through boto3 or an HTTP client of their own, with their retries turned off."""

from __future__ import annotations

import asyncio
import importlib
import os
from typing import Any

from bedrock_resilience._fault import Fault
from bedrock_resilience.emulator.conformance._clients._aws import boto3_client, client_settings
from bedrock_resilience.emulator.conformance._clients._client import (
    KEY,
    MAX_TOKENS,
    MODEL_ID,
    PROMPT,
    REGION,
    Client,
    ClientCall,
)


def _langchain(call: ClientCall) -> None:  # pragma: no cover - `make conformance` runs it
    module: Any = importlib.import_module("langchain_aws")
    with boto3_client(call) as client:
        model = module.ChatBedrockConverse(model=MODEL_ID, client=client, bedrock_client=client, region_name=REGION)
        list(model.stream(PROMPT)) if call.stream else model.invoke(PROMPT)


def _litellm(call: ClientCall) -> None:  # pragma: no cover - `make conformance` runs it
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # otherwise the import downloads prices
    litellm: Any = importlib.import_module("litellm")
    response = litellm.completion(
        model=f"bedrock/{MODEL_ID}",
        messages=[{"role": "user", "content": PROMPT}],
        aws_bedrock_runtime_endpoint=call.url,
        aws_access_key_id=KEY,
        aws_secret_access_key=KEY,
        aws_region_name=REGION,
        timeout=call.timeout,
        max_retries=0,
        stream=call.stream,
    )
    if call.stream:
        list(response)


def _instructor(call: ClientCall) -> None:  # pragma: no cover - `make conformance` runs it
    from_bedrock = importlib.import_module("instructor.v2.providers.bedrock.client").from_bedrock
    pydantic: Any = importlib.import_module("pydantic")
    model = pydantic.create_model("Company", company=(str, ...))
    with boto3_client(call) as client:
        from_bedrock(client).chat.completions.create(
            modelId=MODEL_ID,
            messages=[{"role": "user", "content": [{"text": PROMPT}]}],
            response_model=model,
            max_retries=1,
        )


def _pydantic_ai(call: ClientCall) -> None:  # pragma: no cover - `make conformance` runs it
    agent_class = importlib.import_module("pydantic_ai").Agent
    model_class = importlib.import_module("pydantic_ai.models.bedrock").BedrockConverseModel
    provider_class = importlib.import_module("pydantic_ai.providers.bedrock").BedrockProvider

    async def run() -> None:
        with boto3_client(call) as client:
            agent = agent_class(model_class(MODEL_ID, provider=provider_class(bedrock_client=client)), retries=0)
            if call.stream:
                async with agent.run_stream(PROMPT) as result:
                    [text async for text in result.stream_text()]
            else:
                await agent.run(PROMPT)

    asyncio.run(run())


def _strands(call: ClientCall) -> None:  # pragma: no cover - `make conformance` runs it
    boto3: Any = importlib.import_module("boto3")
    strands: Any = importlib.import_module("strands")
    model_class = importlib.import_module("strands.models.bedrock").BedrockModel
    settings = client_settings(call, importlib.import_module("botocore.config").Config)
    keys = {name: settings[name] for name in ("aws_access_key_id", "aws_secret_access_key", "region_name")}
    model = model_class(
        boto_session=boto3.Session(**keys),
        boto_client_config=settings["config"],
        endpoint_url=call.url,
        model_id=MODEL_ID,
        max_tokens=MAX_TOKENS,
        streaming=call.stream,
    )
    strands.Agent(model=model, callback_handler=None, retry_strategy=None)(PROMPT)


def _ignore(chunk: object) -> None:  # pragma: no cover - `make conformance` runs it
    del chunk


def _haystack(call: ClientCall) -> None:  # pragma: no cover - `make conformance` runs it
    module: Any = importlib.import_module("haystack_integrations.components.generators.amazon_bedrock")
    secret = importlib.import_module("haystack.utils").Secret.from_token
    message = importlib.import_module("haystack.dataclasses").ChatMessage.from_user(PROMPT)
    generator = module.AmazonBedrockChatGenerator(
        MODEL_ID, aws_access_key_id=secret(KEY), aws_secret_access_key=secret(KEY), aws_region_name=REGION
    )
    with boto3_client(call) as client:
        generator.client = client  # it takes no endpoint
        generator.run([message], streaming_callback=_ignore if call.stream else None)


def _llama_index(call: ClientCall) -> None:  # pragma: no cover - `make conformance` runs it
    module: Any = importlib.import_module("llama_index.llms.bedrock_converse")
    message = importlib.import_module("llama_index.core.llms").ChatMessage(role="user", content=PROMPT)
    with boto3_client(call) as client:
        model = module.BedrockConverse(MODEL_ID, client=client, max_retries=1, region_name=REGION)
        list(model.stream_chat([message])) if call.stream else model.chat([message])


CLIENTS = (
    Client(name="langchain-aws", package="langchain-aws", call=_langchain, checks_responses=False),
    Client(
        name="litellm",
        package="litellm",
        call=_litellm,
        takes_proxy=False,
        limits={"error frame in a stream": Fault.VALIDATION},  # it drops the code, and makes up the status 400
    ),
    Client(name="instructor", package="instructor", call=_instructor, streams=False, checks_responses=False),
    Client(name="pydantic-ai", package="pydantic-ai-slim", call=_pydantic_ai, checks_responses=False),
    Client(name="strands-agents", package="strands-agents", call=_strands, checks_responses=False),
    Client(name="haystack", package="amazon-bedrock-haystack", call=_haystack, checks_responses=False),
    Client(name="llama-index", package="llama-index-llms-bedrock-converse", call=_llama_index, checks_responses=False),
)
