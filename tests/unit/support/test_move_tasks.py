"""The redrive of a dead-letter queue, which moto lacks."""

from __future__ import annotations

import json
from contextlib import closing
from typing import Any, cast

import boto3

from support.move_tasks import attributes, sqs_service
from support.s3 import REGION, moto_server


def test_messages_return_to_the_queue_that_names_the_dead_letter_queue() -> None:
    session: Any = cast("Any", boto3).Session(region_name=REGION)
    with (
        moto_server() as url,
        closing(session.client("sqs", endpoint_url=url)) as behind,
        sqs_service(url, behind) as front,
        closing(session.client("sqs", endpoint_url=front)) as sqs,
    ):
        dead = sqs.create_queue(QueueName="move-dead")["QueueUrl"]
        arn = attributes(sqs, dead, "QueueArn")["QueueArn"]
        policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 2})
        queue = sqs.create_queue(QueueName="move", Attributes={"RedrivePolicy": policy})["QueueUrl"]
        for body in ("one", "two"):
            sqs.send_message(QueueUrl=dead, MessageBody=body)
        assert sqs.start_message_move_task(SourceArn=arn)["TaskHandle"] == "moved-2"
        received = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
        assert {message["Body"] for message in received} == {"one", "two"}
        assert "Messages" not in sqs.receive_message(QueueUrl=dead)
