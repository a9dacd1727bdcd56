"""An S3 that really speaks over a socket: moto's server on loopback, and clients for it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, cast

import boto3
from botocore.config import Config
from moto.server import ThreadedMotoServer

if TYPE_CHECKING:
    from collections.abc import Generator

REGION = "eu-west-3"
_boto3 = cast("Any", boto3)  # its stubs overload `client` for services whose types are not installed


@contextlib.contextmanager
def moto_server() -> Generator[str]:
    """The address of a moto server that runs until the end of the block."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@contextlib.contextmanager
def s3_client(endpoint_url: str) -> Generator[Any]:
    """An unmodified boto3 client for that server."""
    # Two attempts: a test that expects a failure need not sit through the retries of a default client.
    config = Config(retries={"total_max_attempts": 2}, s3={"addressing_style": "path"})
    client = _boto3.client("s3", region_name=REGION, endpoint_url=endpoint_url, config=config)
    with contextlib.closing(client):
        yield client


def make_bucket(client: Any, name: str) -> str:  # noqa: ANN401 - boto3 makes its clients at run time
    """A new bucket."""
    client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    return name
