"""The Bedrock client of a local run: it calls the emulator, regardless of the user's environment."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience.bedrock import bedrock_runtime_client

if TYPE_CHECKING:
    from collections.abc import Generator

REGION: Final = "eu-west-3"

# Prefixes of the variables that botocore reads: settings, profiles, plugins, certificates and proxies. Each of them can
# redirect the client or make it fail (a profile that does not exist, a bearer token that is not allowed over http, a
# FIPS endpoint).
_BOTOCORE_PREFIXES: Final = ("AWS_", "BOTO", "REQUESTS_CA_BUNDLE", "ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_REPLACEMENTS: Final = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


def emulator_client(endpoint_url: str, *, workers: int, read_timeout: float) -> Any:  # noqa: ANN401 - boto3 makes its clients at run time
    """Return a ``bedrock-runtime`` client for the emulator, with placeholder credentials.

    Args:
        endpoint_url: The URL of the emulator.
        workers: Threads that use the client at the same time.
        read_timeout: Seconds to wait for a response.
    """
    with _without_user_settings():
        return bedrock_runtime_client(
            REGION,
            workers=workers,
            read_timeout=read_timeout,
            endpoint_url=endpoint_url,
            aws_access_key_id="local",
            aws_secret_access_key="local",  # noqa: S106 - the emulator does not check it
            # Without a signature version, botocore looks for a bearer token in the environment at each request.
            signature_version="v4",
            proxies={},  # macOS and Windows also have proxies in their system settings
        )


@contextlib.contextmanager
def _without_user_settings() -> Generator[None]:
    """Remove the user's settings for AWS and proxies from the environment until the end of the block.

    The client reads the environment only when it is created. All threads share the environment, so no other thread may
    read it during the block.
    """
    before = dict(os.environ)
    try:
        for name in before:
            if name.upper().startswith(_BOTOCORE_PREFIXES):
                del os.environ[name]
        os.environ.update(_REPLACEMENTS)
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
