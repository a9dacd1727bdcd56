"""SQS in front of moto's, with the one operation that moto lacks: the redrive of a dead-letter queue."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import json
import threading
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Generator

_START: Final = "AmazonSQS.StartMessageMoveTask"
_TIMEOUT_SECONDS: Final = 30.0


def move_messages(sqs: Any, source_arn: str) -> int:  # noqa: ANN401 - boto3 makes its clients at run time
    """Send the messages of a dead-letter queue back to the queue that names it, as SQS does; return their number.

    Body and attributes stay; the count of deliveries begins again.
    """
    source = sqs.get_queue_url(QueueName=source_arn.rpartition(":")[2])["QueueUrl"]
    (target,) = [
        url for url in sqs.list_queues()["QueueUrls"] if source_arn in json.dumps(attributes(sqs, url, "RedrivePolicy"))
    ]
    moved = 0
    while messages := sqs.receive_message(QueueUrl=source, MessageAttributeNames=["All"]).get("Messages"):
        for message in messages:
            names = message.get("MessageAttributes", {})
            sqs.send_message(QueueUrl=target, MessageBody=message["Body"], MessageAttributes=names)
            sqs.delete_message(QueueUrl=source, ReceiptHandle=message["ReceiptHandle"])
            moved += 1
    return moved


def attributes(sqs: Any, url: str, *names: str) -> dict[str, str]:  # noqa: ANN401 - as above
    """Attributes of a queue."""
    found: dict[str, str] = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[*names]).get("Attributes", {})
    return found


@contextlib.contextmanager
def sqs_service(behind: str, sqs: Any) -> Generator[str]:  # noqa: ANN401 - as above
    """The address of an SQS that runs until the end of the block.

    Args:
        behind: Address of moto's server.
        sqs: A client of it.
    """

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("X-Amz-Target") == _START:
                handle = f"moved-{move_messages(sqs, json.loads(body)['SourceArn'])}"
                self._reply(200, "application/x-amz-json-1.0", json.dumps({"TaskHandle": handle}).encode())
                return
            connection = http.client.HTTPConnection(urlsplit(behind).netloc, timeout=_TIMEOUT_SECONDS)
            with contextlib.closing(connection):
                connection.request("POST", self.path, body, dict(self.headers.items()))
                answer = connection.getresponse()
                self._reply(answer.status, answer.getheader("Content-Type", ""), answer.read())

        def _reply(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class has it so
            """Log nothing: a failing test shows what matters."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
