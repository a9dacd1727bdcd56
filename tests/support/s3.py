"""An S3 and an SQS that really speak over a socket: moto's server on loopback, and clients for it."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any, cast

import boto3
from botocore.config import Config
from moto.server import ThreadedMotoServer

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

REGION = "eu-west-3"
_boto3 = cast("Any", boto3)  # its stubs overload `client` for services whose types are not installed


class _Atomic:
    """Moto's application, with the conditional requests of S3 one after the other.

    S3 looks at a condition and writes in one step. Moto takes two, and serves each connection in a thread.
    """

    def __init__(self, application: Callable[..., Iterable[bytes]]) -> None:
        self._application = application
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:  # noqa: ANN401 - WSGI's
        conditional = "HTTP_IF_MATCH" in environ or "HTTP_IF_NONE_MATCH" in environ
        # DynamoDB's conditions stand in the body: all its requests are served one after the other.
        conditional = conditional or environ.get("HTTP_X_AMZ_TARGET", "").startswith("DynamoDB")
        with self._lock if conditional else contextlib.nullcontext():
            return self._application(environ, start_response)


@contextlib.contextmanager
def moto_server() -> Generator[str]:
    """The address of a moto server that runs until the end of the block."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    running = cast("Any", server)._server
    running.app = _Atomic(running.app)
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
