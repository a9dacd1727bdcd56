"""An HTTP service that calls Bedrock from coroutines: one client, one policy and one pace for all requests.

Run it with ``uvicorn service:app``.
"""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from bedrock_resilience import (
    AdaptivePacer,
    AsyncBedrockRuntime,
    Deadline,
    LoggingListener,
    Retrier,
    RetryPolicy,
    StreamInterruptedError,
    classify,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

MODEL_ID = os.environ.get("MODEL_ID", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0")
ANSWER_WITHIN = 60.0  # seconds, waits and retries included
CONNECTIONS = 32


class Question(BaseModel):
    """The body of a request."""

    text: str


class Answer(BaseModel):
    """The body of a response."""

    text: str


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the client when the service starts, and close it when it stops."""
    config = AioConfig(
        retries={"total_max_attempts": 1, "mode": "standard"},  # the policy is the one retry layer
        max_pool_connections=CONNECTIONS,
        read_timeout=ANSWER_WITHIN,
    )
    async with get_session().create_client("bedrock-runtime", config=config) as client:
        retrier = Retrier(
            RetryPolicy.from_env(),  # BEDROCK_MAX_RETRIES, BEDROCK_BASE_DELAY and so on
            pacer=AdaptivePacer(),
            listeners=[LoggingListener()],
        )
        app.state.bedrock = AsyncBedrockRuntime(client, retrier, workers=CONNECTIONS)
        yield


app = FastAPI(lifespan=lifespan)


def request_of(question: Question) -> dict:
    """Return the parameters of Converse for a question."""
    return {
        "modelId": MODEL_ID,
        "messages": [{"role": "user", "content": [{"text": question.text}]}],
        "inferenceConfig": {"maxTokens": 300},
    }


@app.post("/answers")
async def answer(question: Question, request: Request) -> Answer:
    """Answer a question; 503 with ``Retry-After`` if Bedrock is still throttling after all retries."""
    try:
        with Deadline.after(ANSWER_WITHIN).apply():
            response = await request.app.state.bedrock.converse(**request_of(question))
    except Exception as error:
        if classify(error).retryable:
            raise HTTPException(503, "The model is busy.", headers={"Retry-After": "30"}) from error
        raise
    return Answer(text=response["output"]["message"]["content"][0]["text"])


@app.post("/answers/stream")
async def stream(question: Question, request: Request) -> StreamingResponse:
    """Answer a question with text that arrives as it is generated."""

    async def texts() -> AsyncGenerator[str]:
        try:
            async for event in request.app.state.bedrock.converse_stream(**request_of(question)):
                yield event.get("contentBlockDelta", {}).get("delta", {}).get("text", "")
        except StreamInterruptedError:
            yield "\n[The answer was interrupted.]"

    return StreamingResponse(texts(), media_type="text/plain")
