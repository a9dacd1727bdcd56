"""The clients of the table: how each makes one request without retries of its own and reads the response to its end."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING, Final

from bedrock_resilience.emulator.conformance._clients import _aws, _frameworks, _http, _sdks

if TYPE_CHECKING:
    from bedrock_resilience.emulator.conformance._clients._client import Client

CLIENTS: Final[tuple[Client, ...]] = (*_aws.CLIENTS, *_http.CLIENTS, *_sdks.CLIENTS, *_frameworks.CLIENTS)
"""All clients, installed or not."""


def installed_version(client: Client) -> str | None:
    """Return the version of a client's package, or None if it is not installed."""
    if client.package is None:
        return "of the standard library"
    try:
        return metadata.version(client.package)
    except metadata.PackageNotFoundError:
        return None
