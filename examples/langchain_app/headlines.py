"""A LangChain application: extracts structured data from headlines, many at a time, under one policy and one pace.

Run it with ``python headlines.py "Camurus starts a trial in 2026" "Nanexa signs a license"``.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Literal

import boto3
from botocore.config import Config
from langchain_aws import ChatBedrockConverse
from langchain_core.prompts import ChatPromptTemplate
from pydantic import BaseModel, Field

from bedrock_resilience import AdaptivePacer, LoggingListener, RetryPolicy, protect

if TYPE_CHECKING:
    from langchain_core.runnables import Runnable

MODEL_ID = os.environ.get("MODEL_ID", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0")
CONCURRENCY = 8


class Headline(BaseModel):
    """What a headline says."""

    companies: list[str] = Field(description="The companies that the headline names")
    kind: Literal["partnership", "clinical_update", "financial", "other"]


def make_chain() -> Runnable:
    """Return a chain from ``{"headline": ...}`` to a ``Headline``."""
    # Every client of this session has the policy and the pacer. LangChain sees an ordinary client.
    session = protect(
        boto3.Session(),
        policy=RetryPolicy(max_retries=5, retry_on="transient"),
        pacer=AdaptivePacer(),
        listeners=[LoggingListener()],
    )
    bedrock = session.client("bedrock-runtime", config=Config(max_pool_connections=CONCURRENCY))
    chat = ChatBedrockConverse(
        model=MODEL_ID,
        client=bedrock,
        bedrock_client=session.client("bedrock"),
        region_name=bedrock.meta.region_name,
        max_tokens=300,
        temperature=0,
    )
    prompt = ChatPromptTemplate.from_messages(
        [
            ("system", "Extract the facts of the headline.\nKnown companies: Camurus, Nanexa, MedinCell"),
            ("user", "{headline}"),
        ]
    )
    return prompt | chat.with_structured_output(Headline)


def extract(headlines: list[str]) -> list[Headline | Exception]:
    """Return what each headline says, or the exception of its call. One that fails does not stop the others."""
    return make_chain().batch(
        [{"headline": headline} for headline in headlines],
        config={"max_concurrency": CONCURRENCY},
        return_exceptions=True,
    )


if __name__ == "__main__":
    for headline, found in zip(sys.argv[1:], extract(sys.argv[1:]), strict=True):
        print(f"{headline}: {found!r}")
