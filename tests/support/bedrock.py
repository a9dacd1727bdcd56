"""An unmodified boto3 client of an emulator."""

from __future__ import annotations

import contextlib
import functools
import threading
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from collections.abc import Generator

Client: TypeAlias = Any
"""boto3 makes its clients at run time, and types for this one are not installed."""

SONNET: Final = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"


_making = threading.Lock()  # sessions, unlike clients, are not made for threads


@functools.cache
def _session() -> Any:  # noqa: ANN401 - see Client
    """One session for all, since reading the service model takes far longer than making a client."""
    keys = {"aws_access_key_id": "any", "aws_secret_access_key": "any"}
    return cast("Any", boto3).Session(region_name="eu-west-3", **keys)


@contextlib.contextmanager
def client_of(endpoint_url: str, **config: object) -> Generator[Client]:
    """A bedrock-runtime client that sends each request once, unless ``config`` (botocore's) says otherwise."""
    settings: dict[str, Any] = {
        "retries": {"total_max_attempts": 1},
        "read_timeout": 10,
        "connect_timeout": 5,
        "max_pool_connections": 50,
        **config,
    }
    with _making:
        client = _session().client("bedrock-runtime", endpoint_url=endpoint_url, config=Config(**settings))
    try:
        yield client
    finally:
        client.close()


def user(text: str) -> dict[str, Any]:
    """A turn of the user."""
    return {"role": "user", "content": [{"text": text}]}


def assistant(text: str) -> dict[str, Any]:
    """A turn of the assistant."""
    return {"role": "assistant", "content": [{"text": text}]}


def forced(schema: dict[str, Any], name: str = "record") -> dict[str, Any]:
    """A toolConfig that forces one tool with this schema."""
    return {
        "tools": [{"toolSpec": {"name": name, "inputSchema": {"json": schema}}}],
        "toolChoice": {"tool": {"name": name}},
    }
