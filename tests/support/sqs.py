"""Queues on moto's server, and what Lambda's event source mapping does with them."""

from __future__ import annotations

import contextlib
import itertools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import boto3

from support.s3 import REGION

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_numbers = itertools.count()


@dataclass(frozen=True)
class Queues:
    """A queue with its dead-letter queue."""

    sqs: Any
    url: str
    dead_url: str

    def receive(self, most: int = 10) -> list[dict[str, Any]]:
        """So many messages at the most; they are hidden for the visibility timeout."""
        got = self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=most, AttributeNames=["All"])
        messages: list[dict[str, Any]] = got.get("Messages", [])
        return messages

    def deliver(self, function: Callable[[dict[str, Any], Any], Any], context: object = None) -> dict[str, Any]:
        """Receive a batch, call the function, and delete what is done; its answer, with ``records`` and ``deleted``."""
        messages = self.receive()
        if not messages:  # the event source mapping sends no empty batch
            return {"batchItemFailures": [], "records": 0, "deleted": 0}
        records = [record_of(message) for message in messages]
        answer = function({"Records": records}, context)
        back = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        done = [message for message in messages if message["MessageId"] not in back]
        for message in done:
            self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return {**answer, "records": len(records), "deleted": len(done)}

    def send(self, body: str) -> None:
        """Put a message into the queue."""
        self.sqs.send_message(QueueUrl=self.url, MessageBody=body)

    def waiting(self) -> int:
        """Messages that are not deleted, hidden ones among them."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return sum(map(int, attributes.values()))

    def dead(self) -> list[tuple[str, dict[str, str]]]:
        """Body and attributes of every message in the dead-letter queue."""
        found: list[tuple[str, dict[str, str]]] = []
        while messages := self.sqs.receive_message(
            QueueUrl=self.dead_url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        ).get("Messages", []):
            for message in messages:
                attributes = message.get("MessageAttributes", {})
                found.append((message["Body"], {name: value["StringValue"] for name, value in attributes.items()}))
        return found


def record_of(message: dict[str, Any]) -> dict[str, Any]:
    """A message as the event source mapping hands it to a function."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "awsRegion": REGION,
    }


@contextlib.contextmanager
def queues(aws_url: str, *, visibility: int = 30, receives: int = 5) -> Generator[Queues]:
    """New queues on moto's server."""
    number = next(_numbers)
    sqs: Any = cast("Any", boto3).client("sqs", region_name=REGION, endpoint_url=aws_url)
    with contextlib.closing(sqs):
        dead_url = sqs.create_queue(QueueName=f"normalize-{number}-dead")["QueueUrl"]
        attributes = sqs.get_queue_attributes(QueueUrl=dead_url, AttributeNames=["QueueArn"])["Attributes"]
        redrive = json.dumps({"deadLetterTargetArn": attributes["QueueArn"], "maxReceiveCount": receives})
        url = sqs.create_queue(
            QueueName=f"normalize-{number}",
            Attributes={"VisibilityTimeout": str(visibility), "RedrivePolicy": redrive},
        )["QueueUrl"]
        yield Queues(sqs, url, dead_url)
