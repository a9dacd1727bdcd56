"""boto3 and aiobotocore."""

from __future__ import annotations

import asyncio
import importlib
import json
from contextlib import closing, contextmanager
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Literal

from bedrock_resilience.bedrock import check_converse, invoke_model, invoke_model_stream
from bedrock_resilience.emulator.conformance._clients._client import (
    KEY,
    MAX_TOKENS,
    MODEL_ID,
    PROMPT,
    REGION,
    Client,
    ClientCall,
)

if TYPE_CHECKING:
    from collections.abc import Generator

_Operation = Literal["converse", "invoke_model"]


def client_settings(call: ClientCall, config_class: Any) -> dict[str, Any]:  # noqa: ANN401 - the Config of either package
    """Return the arguments of a client that makes one attempt."""
    return {
        "endpoint_url": call.url,
        "region_name": REGION,
        "aws_access_key_id": KEY,
        "aws_secret_access_key": KEY,
        "config": config_class(
            retries={"total_max_attempts": 1},
            connect_timeout=call.timeout,
            read_timeout=call.timeout,
            proxies={} if call.proxy is None else {"https": call.proxy},
            signature_version="v4",
        ),
    }


def _request(operation: _Operation, call: ClientCall) -> dict[str, Any]:
    if operation == "invoke_model":
        return {"modelId": MODEL_ID, "body": json.dumps(call.body)}
    return {
        "modelId": MODEL_ID,
        "messages": [{"role": "user", "content": [{"text": PROMPT}]}],
        "inferenceConfig": {"maxTokens": MAX_TOKENS},
    }


@cache
def _boto3_session() -> Any:  # noqa: ANN401 - of boto3; it keeps the service model, which takes long to load
    return importlib.import_module("boto3.session").Session()


@cache
def _aiobotocore_session() -> Any:  # pragma: no cover - `make conformance` runs it  # noqa: ANN401 - of aiobotocore, as above
    return importlib.import_module("aiobotocore.session").get_session()


@contextmanager
def boto3_client(call: ClientCall) -> Generator[Any]:
    """Make a boto3 client for this request, and close it."""
    config_class = importlib.import_module("botocore.config").Config
    with closing(_boto3_session().client("bedrock-runtime", **client_settings(call, config_class))) as client:
        yield client


def _boto3(operation: _Operation, call: ClientCall) -> None:
    request = _request(operation, call)
    with boto3_client(call) as client:
        if call.stream:
            name = "converse_stream" if operation == "converse" else "invoke_model_with_response_stream"
            response = getattr(client, name)(**request)
            with closing(response["stream" if operation == "converse" else "body"]) as events:
                list(events)
        elif operation == "converse":
            check_converse(client.converse(**request))
        else:
            with closing(client.invoke_model(**request)["body"]) as body:
                json.loads(body.read())


def _checked(call: ClientCall) -> None:
    """The functions of this package, which check the body of every family."""
    request = {"modelId": MODEL_ID, "body": call.body}
    with boto3_client(call) as client:
        if call.stream:
            list(invoke_model_stream(client, **request))
        else:
            invoke_model(client, **request)


def _aiobotocore(operation: _Operation, call: ClientCall) -> None:  # pragma: no cover - `make conformance` runs it
    config_class = importlib.import_module("aiobotocore.config").AioConfig
    session = _aiobotocore_session()
    request = _request(operation, call)

    async def run() -> None:
        async with (
            asyncio.timeout(3 * call.timeout),  # aiobotocore has no timeout for the answer of a proxy
            session.create_client("bedrock-runtime", **client_settings(call, config_class)) as client,
        ):
            if call.stream:
                name = "converse_stream" if operation == "converse" else "invoke_model_with_response_stream"
                response = await getattr(client, name)(**request)
                [event async for event in response["stream" if operation == "converse" else "body"]]
            elif operation == "converse":
                check_converse(await client.converse(**request))
            else:
                response = await client.invoke_model(**request)
                json.loads(await response["body"].read())

    asyncio.run(run())


CLIENTS = (
    Client(name="bedrock_resilience.bedrock", package="boto3", api="invoke-model", call=_checked),
    Client(name="boto3 Converse", package="boto3", call=partial(_boto3, "converse")),
    Client(name="boto3 InvokeModel", package="boto3", call=partial(_boto3, "invoke_model")),
    Client(name="aiobotocore Converse", package="aiobotocore", call=partial(_aiobotocore, "converse")),
    Client(name="aiobotocore InvokeModel", package="aiobotocore", call=partial(_aiobotocore, "invoke_model")),
)
