"""A Strands application: several agents with a tool, which share one policy and one pace.

Run it with ``python agents.py "Camurus" "Nanexa"``.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor

import boto3
from botocore.config import Config
from strands import Agent, tool
from strands.models.bedrock import BedrockModel

from bedrock_resilience import AdaptivePacer, LoggingListener, RetryBudget, RetryPolicy, protect

MODEL_ID = os.environ.get("MODEL_ID", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0")
AGENTS = 4
NEWS = {"Camurus": "Camurus starts a trial in 2026.", "Nanexa": "Nanexa signs a license with Moderna."}


@tool
def latest_news(company: str) -> str:
    """Return the latest headline about a company.

    Args:
        company: The name of the company.
    """
    return NEWS.get(company, "no news")


def make_session() -> boto3.Session:
    """Return a session whose clients have one policy, one pace, and one budget of retries."""
    return protect(
        boto3.Session(),
        policy=RetryPolicy(max_retries=5, retry_on="transient"),
        pacer=AdaptivePacer(),
        budget=RetryBudget(share=0.2, reserve=20),  # each step of an agent is a call of its own
        listeners=[LoggingListener()],
    )


def ask(session: boto3.Session, company: str) -> str:
    """Let a new agent answer a question about a company."""
    model = BedrockModel(
        boto_session=session,
        boto_client_config=Config(max_pool_connections=AGENTS),
        model_id=MODEL_ID,
        max_tokens=300,
    )
    # retry_strategy=None: otherwise the agent repeats each call up to six times, with all retries of the policy.
    agent = Agent(model=model, tools=[latest_news], callback_handler=None, retry_strategy=None)
    return str(agent(f"What is the latest news about {company}?"))


def ask_all(companies: list[str]) -> list[str]:
    """Ask about each company, several at the same time."""
    session = make_session()
    with ThreadPoolExecutor(AGENTS) as threads:
        return list(threads.map(lambda company: ask(session, company), companies))


if __name__ == "__main__":
    for company, answer in zip(sys.argv[1:], ask_all(sys.argv[1:]), strict=True):
        print(f"{company}: {answer}")
