"""The Bedrock client of a local run: it talks to the emulator, whatever the user's environment says."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience.bedrock import bedrock_runtime_client

if TYPE_CHECKING:
    from collections.abc import Generator

REGION: Final = "eu-west-3"

# What botocore reads: settings, profiles, plugins, certificates and proxies, each able to send the client elsewhere or
# to refuse it (a profile that does not exist, a bearer token that may not go over http, a FIPS endpoint).
_READ_BY_BOTOCORE: Final = ("AWS_", "BOTO", "REQUESTS_CA_BUNDLE", "ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_INSTEAD: Final = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


def emulator_client(endpoint_url: str, *, workers: int, read_timeout: float) -> Any:  # noqa: ANN401 - boto3 makes its clients at run time
    """A `bedrock-runtime` client for the emulator, with credentials that mean nothing.

    Args:
        endpoint_url: The emulator's address.
        workers: Threads that will use the client at the same time.
        read_timeout: Seconds to wait for an answer.
    """
    with _no_settings():
        return bedrock_runtime_client(
            REGION,
            workers=workers,
            read_timeout=read_timeout,
            endpoint_url=endpoint_url,
            aws_access_key_id="local",
            aws_secret_access_key="local",  # noqa: S106 - the emulator asks for no secret
            # A bearer token in the environment is looked for at every request, unless the signature was chosen in code.
            signature_version="v4",
            proxies={},  # macOS and Windows have proxies outside of the environment
        )


@contextlib.contextmanager
def _no_settings() -> Generator[None]:
    """An environment without the user's settings for AWS and proxies, while the client is made; later it reads none.

    The environment belongs to the whole process: nothing else may start threads that read it in the meantime.
    """
    before = dict(os.environ)
    try:
        for name in before:
            if name.upper().startswith(_READ_BY_BOTOCORE):
                del os.environ[name]
        os.environ.update(_INSTEAD)
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
