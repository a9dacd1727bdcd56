"""Bedrock's batch inference, as far as it goes over the wire: a server on loopback that takes jobs and does them.

Moto has none. This one reads the input of a job from the bucket and writes the output there, as the service does.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_NAME: Final = re.compile(r"[a-zA-Z0-9]{1,63}(-*[a-zA-Z0-9+\-.]){0,63}")
_LEAST: Final = 100


class BatchService:
    """Takes jobs; ``finish`` does one.

    Attributes:
        url: Where it listens.
        created: What each job was created with, by its ARN.
        statuses: What is said of each job.
        messages: Why a job failed.
        refuse: The error that the next job is refused with, if any: status, code, message.
    """

    def __init__(self, s3: Any, url: str) -> None:  # noqa: ANN401 - a boto3 client
        self.url = url
        self.created: dict[str, dict[str, Any]] = {}
        self.statuses: dict[str, str] = {}
        self.messages: dict[str, str] = {}
        self.refuse: tuple[int, str, str] | None = None
        self._s3 = s3
        self._tokens: dict[str, str] = {}

    def create(self, request: dict[str, Any]) -> str:
        """A job's ARN; the same token is the same job."""
        assert _NAME.fullmatch(request["jobName"])
        assert len(request["jobName"]) <= 63
        assert 24 <= request["timeoutDurationInHours"] <= 168
        assert request["roleArn"].startswith("arn:")
        arn = self._tokens.setdefault(
            request["clientRequestToken"],
            f"arn:aws:bedrock:eu-west-3:123456789012:model-invocation-job/{len(self._tokens):012d}",
        )
        self.created.setdefault(arn, request)
        self.statuses.setdefault(arn, "Submitted")
        return arn

    def describe(self, arn: str) -> dict[str, Any]:
        """What GetModelInvocationJob answers."""
        request = self.created[arn]
        return {
            "jobArn": arn,
            "jobName": request["jobName"],
            "modelId": request["modelId"],
            "roleArn": request["roleArn"],
            "status": self.statuses[arn],
            "message": self.messages.get(arn, ""),
            "submitTime": "2026-11-21T06:30:00Z",
            "inputDataConfig": request["inputDataConfig"],
            "outputDataConfig": request["outputDataConfig"],
            "totalRecordCount": len(self.records(arn)),
        }

    def records(self, arn: str) -> list[dict[str, Any]]:
        """The input of a job."""
        uri = self.created[arn]["inputDataConfig"]["s3InputDataConfig"]["s3Uri"]
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        body: bytes = self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return [json.loads(line) for line in body.splitlines()]

    def finish(
        self, arn: str, answer: Callable[[dict[str, Any]], dict[str, Any] | None], status: str = "Completed"
    ) -> None:
        """Do a job: each record is given to a function, which returns what stands beside it in the output, or None."""
        records = self.records(arn)
        assert len(records) >= _LEAST
        lines = [{**record, **answered} for record in reversed(records) if (answered := answer(record)) is not None]
        uri = self.created[arn]["outputDataConfig"]["s3OutputDataConfig"]["s3Uri"]
        bucket, _, prefix = uri.removeprefix("s3://").partition("/")
        folder = f"{prefix}{arn.rpartition('/')[2]}"
        body = "\n".join(map(json.dumps, lines)).encode()
        self._s3.put_object(Bucket=bucket, Key=f"{folder}/input.jsonl.out", Body=body)
        self._s3.put_object(Bucket=bucket, Key=f"{folder}/manifest.json.out", Body=b"{}")
        self.statuses[arn] = status


@contextlib.contextmanager
def batch_service(s3: Any) -> Generator[BatchService]:  # noqa: ANN401 - a boto3 client
    """The service, until the end of the block; set AWS_ENDPOINT_URL_BEDROCK to its ``url``."""

    class _Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert self.path == "/model-invocation-job"
            if service.refuse is not None:
                status, code, message = service.refuse
                self._answer(status, {"message": message}, code)
            else:
                self._answer(200, {"jobArn": service.create(request)})

        def do_GET(self) -> None:
            arn = urllib.parse.unquote(self.path.removeprefix("/model-invocation-job/"))
            if arn in service.created:
                self._answer(200, service.describe(arn))
            else:
                self._answer(404, {"message": "no such job"}, "ResourceNotFoundException")

        def _answer(self, status: int, body: dict[str, Any], code: str = "") -> None:
            payload = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            if code:
                self.send_header("x-amzn-ErrorType", code)
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    host, port = cast("tuple[str, int]", server.server_address[:2])
    service = BatchService(s3, f"http://{host}:{port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
