"""Items through a queue, many worker processes and a Bedrock with faults: each ends stored or dead-lettered, paid once.

    python benchmarks/normalize/scale_out.py --items 10000 --processes 8

The queues and the bucket are moto's, Bedrock is the emulator, and each process does what Lambda's event source mapping
does: it receives messages, calls ``worker.lambda_handler``, and deletes those that are not to be retried. With
``--kills`` some are ended with SIGKILL on the way, and others take their place. Exits with 1 if an item is lost, or
paid for twice without having been on its way to a process that was ended.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import multiprocessing
import os
import random
import re
import sys
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, cast

import boto3
from botocore.config import Config

from bedrock_resilience.clock import SYSTEM_CLOCK
from bedrock_resilience.emulator import BedrockEmulator
from vectora_normalize.items import RawItem, hash_content
from vectora_normalize.normalize.extraction import watchlists_of
from vectora_normalize.normalize.normalizer import Normalizer
from vectora_normalize.normalize.response_cache import ResponseCache
from vectora_normalize.pipeline.daily_items import DailyItems
from vectora_normalize.pipeline.dispatch import Dispatcher
from vectora_normalize.sqs import SqsQueue
from vectora_normalize.storage.expiry import RunClock
from vectora_normalize.storage.objects import S3Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

CLIENT: Final = "scale"
REGION: Final = "eu-west-3"
CONFIG: Final = {
    f"clients/{CLIENT}.yaml": "client_profile: {client_id: scale}\nwatch_domains: [{company_scope: companies}]\n",
    "canonical/scopes/company_scopes.yaml": "companies: [Camurus, Teva]\n",
}
# What a share of all requests meets: faults of the service, of the network and of the answer. Faults of an item are its
# own: the same share of the items is refused, however often it is asked about.
FAULTS: Final = (
    "ThrottlingException",
    "ModelErrorException",
    "connection-reset",
    "truncated-body",
    "unexpected-body",
    503,
    529,
)
LAMBDA_SECONDS: Final = 60.0
TAG: Final = re.compile(rb"<item-([0-9a-f]{16})>")


class Context:
    """What Lambda hands to a function, as far as it is read."""

    aws_request_id = "scale-out"

    def __init__(self) -> None:
        self._end = time.monotonic() + LAMBDA_SECONDS

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the process would be killed."""
        return int(1000 * (self._end - time.monotonic()))


def serve_aws(address: Any) -> None:
    """Moto's server, in a process of its own; requests that change a bucket one after the other, as S3 has it."""
    import logging  # noqa: PLC0415 - in that process only

    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - as above
    from moto.sqs import models  # noqa: PLC0415 - as above

    # Moto looks at the clock twice for each message of a queue, several times for each one that is sent, by way of a
    # datetime each time: with 10,000 of them a request takes seconds, and clients give up on it.
    cast("Any", models).unix_time_millis = lambda: 1000 * time.time()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server: Any = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    application: Callable[..., Iterable[bytes]] = server._server.app  # noqa: SLF001 - moto has no hook for it
    buckets, queues = threading.Lock(), threading.Lock()

    def atomic(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        # Receiving takes two steps as well, and each message would be seen by several; listing fails where keys go.
        sqs = "AmazonSQS" in environ.get("HTTP_X_AMZ_TARGET", "")
        reads_one = environ["REQUEST_METHOD"] == "GET" and "list-type" not in environ.get("QUERY_STRING", "")
        with queues if sqs else contextlib.nullcontext() if reads_one else buckets:
            return application(environ, start_response)

    server._server.app = atomic  # noqa: SLF001 - as above
    host, port = server.get_host_and_port()
    address.put(f"http://{host}:{port}")
    threading.Event().wait()


def client(service: str, url: str) -> Any:
    """A client of moto's server."""
    config = Config(max_pool_connections=32)
    make: Any = boto3.client
    return make(
        service,
        region_name=REGION,
        endpoint_url=url,
        aws_access_key_id="any",
        aws_secret_access_key="any",  # noqa: S106 - moto asks for no secret
        config=config,
    )


def work(environ: dict[str, str], queue_url: str) -> None:
    """What Lambda and its event source mapping do, until the process is ended."""
    os.environ.update(environ)
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - for the life of the process
    from vectora_normalize.worker import lambda_handler  # noqa: PLC0415 - after the environment is set

    sqs = client("sqs", environ["AWS_ENDPOINT_URL_SQS"])
    while True:
        received = sqs.receive_message(
            QueueUrl=queue_url, MaxNumberOfMessages=10, AttributeNames=["All"], WaitTimeSeconds=1
        ).get("Messages", [])
        if not received:
            continue
        records = [
            {
                "messageId": message["MessageId"],
                "body": message["Body"],
                "attributes": message["Attributes"],
                "eventSource": "aws:sqs",
            }
            for message in received
        ]
        answer = lambda_handler({"Records": records}, Context())
        back = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        done = [
            {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
            for number, message in enumerate(received)
            if message["MessageId"] not in back
        ]
        if done:
            sqs.delete_message_batch(QueueUrl=queue_url, Entries=done)


def items(count: int) -> list[RawItem]:
    """So many items, each with a text of its own."""
    texts = [
        f"Camurus reports on study {number} of its weekly depot. The long-acting injectable met the endpoint of "
        f"trial LAI-{number}, and the company will file with the agency."
        for number in range(count)
    ]
    return [
        RawItem(
            source_key="press__scale",
            source_type="press_sector",
            title=f"Study {number}",
            url=f"https://press.example/{number}",
            published_at=dt.date(2026, 11, 20),
            language="en",
            content=text,
            content_hash=hash_content(text),
        )
        for number, text in enumerate(texts)
    ]


class Deployment:
    """The queues, the bucket and the emulator."""

    def __init__(self, url: str, emulator: BedrockEmulator, visibility: int) -> None:
        self.url = url
        self.emulator = emulator
        self.s3 = client("s3", url)
        self.sqs = client("sqs", url)
        for bucket in ("config", "data"):
            self.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        for key, text in CONFIG.items():
            self.s3.put_object(Bucket="config", Key=key, Body=text.encode())
        self.dead_url = self.sqs.create_queue(QueueName="normalize-dead")["QueueUrl"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=self.dead_url, AttributeNames=["QueueArn"])
        arn = attributes["Attributes"]["QueueArn"]
        redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 20})
        self.queue_url = self.sqs.create_queue(
            QueueName="normalize", Attributes={"VisibilityTimeout": str(visibility), "RedrivePolicy": redrive}
        )["QueueUrl"]

    @property
    def environ(self) -> dict[str, str]:
        """The environment of a worker."""
        return {
            "AWS_ACCESS_KEY_ID": "any",
            "AWS_SECRET_ACCESS_KEY": "any",
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL_S3": self.url,
            "AWS_ENDPOINT_URL_SQS": self.url,
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": self.emulator.endpoint_url,
            "CONFIG_BUCKET": "config",
            "DATA_BUCKET": "data",
            "DEAD_LETTER_QUEUE_URL": self.dead_url,
            "MAX_BEDROCK_WORKERS": "10",
            "MAX_RECEIVES": "19",
            "BEDROCK_PACING": "none",  # throttles at random are no quota, which a pacer would look for
            "BEDROCK_RETRY_ON": "transient",
            "BEDROCK_BASE_DELAY": "0.05",
            "BEDROCK_READ_TIMEOUT": "5",
            "LOG_LEVEL": "ERROR",
        }

    def dispatch(self, all_items: list[RawItem]) -> None:
        """Send them, as the dispatcher does."""
        now = dt.datetime.now(dt.UTC)
        store = S3Store(self.s3, "data")
        answers = ResponseCache(
            store, CLIENT, run_id="dispatch", run_clock=RunClock(now, SYSTEM_CLOCK), attempt_seconds=5.0
        )
        normalizer = Normalizer(client=None, model_id="model", watchlists=watchlists_of({}), ingested_at=now)
        queue = SqsQueue(self.sqs, self.queue_url)
        dispatcher = Dispatcher(queue, client_id=CLIENT, run_id="dispatch", now=now, clock=SYSTEM_CLOCK)
        dispatcher.dispatch(all_items, normalizer, answers)

    @property
    def waiting(self) -> int:
        """Messages that are not done."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=self.queue_url, AttributeNames=names)["Attributes"]
        return sum(map(int, attributes.values()))

    def keys(self, prefix: str) -> list[str]:
        """The keys of the data bucket."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket="data", Prefix=f"normalized/{CLIENT}/{prefix}")
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def load(self, key: str) -> Any:
        """An object of the data bucket, parsed."""
        return json.loads(self.s3.get_object(Bucket="data", Key=key)["Body"].read())

    def dead_lettered(self) -> dict[str, str]:
        """Hash of the item's text to the reason, for what was set aside."""
        reasons: dict[str, str] = {}
        while True:
            messages = self.sqs.receive_message(
                QueueUrl=self.dead_url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], VisibilityTimeout=600
            ).get("Messages", [])
            if not messages:
                return reasons
            for message in messages:
                attributes = message.get("MessageAttributes", {})
                reason = attributes.get("reason", {}).get("StringValue", "")
                reasons[json.loads(message["Body"])["item"]["content_hash"]] = reason

    def answered(self) -> Counter[str]:
        """Tag of an item to the number of complete responses about it."""
        tags = (TAG.search(entry.body) for entry in self.emulator.log if entry.answered)
        return Counter(match[1].decode() for match in tags if match)


def add_what_is_left(deployment: Deployment) -> None:
    """What the next run of the client does: a worker that was killed may have left parts, and a lease on them."""
    store, began, added = S3Store(deployment.s3, "data"), time.monotonic(), 0
    while deployment.keys("parts") and time.monotonic() - began < 60:
        now = dt.datetime.now(dt.UTC)
        added += DailyItems(store, CLIENT, run_id="next", run_clock=RunClock(now, SYSTEM_CLOCK)).compact()
        time.sleep(1)
    if added:
        print(f"the next run added {added} parts")


def refuse_some(emulator: BedrockEmulator, arguments: argparse.Namespace) -> set[int]:
    """Let the emulator refuse some of the items; their numbers."""
    share = round(arguments.items * arguments.faults / (len(FAULTS) + 1))
    refused = set(random.Random(arguments.seed).sample(range(arguments.items), share))
    for number in refused:
        emulator.fail_next(None, "ValidationException", containing=f"trial LAI-{number},")
    return refused


def judge(deployment: Deployment, all_items: list[RawItem], refused: set[int], in_flight: int) -> list[str]:
    """What is wrong in the end; processes that were ended may have had so many answers on their way."""
    wrong: list[str] = []
    hashes = {item.content_hash for item in all_items}
    lists = [key for key in deployment.keys("2") if key.endswith("/items.json")]
    listed = {row["content_hash"] for key in lists for row in deployment.load(key)}
    dead_lettered = deployment.dead_lettered()
    answered = deployment.answered()
    twice = [tag for tag, times in answered.items() if times > 1]
    stored = len(deployment.keys("items/"))
    reasons = dict(Counter(dead_lettered.values()))
    print(f"{len(listed)} listed, {stored} stored, {len(dead_lettered)} dead-lettered: {reasons}")
    print(f"{answered.total()} answers paid for {len(answered)} items; {deployment.emulator.requests} requests")
    if lost := hashes - listed - dead_lettered.keys():
        wrong.append(f"{len(lost)} items lost")
    if {all_items[number].content_hash for number in refused} - dead_lettered.keys():
        wrong.append("items that Bedrock refuses are not set aside")
    if len(both := listed & dead_lettered.keys()) > in_flight:
        wrong.append(f"{len(both)} items stored and dead-lettered")
    if listed - hashes:
        wrong.append("items listed that nobody sent")
    if len(twice) > in_flight:
        wrong.append(f"{len(twice)} items paid for twice")
    if len(answered) != len(listed) or stored != len(listed):
        wrong.append(f"{len(answered)} items answered, {stored} stored, {len(listed)} listed")
    if unnamed := [name for name, reason in dead_lettered.items() if not reason]:
        wrong.append(f"{len(unnamed)} items set aside without a reason")
    if parts := deployment.keys("parts/"):
        wrong.append(f"{len(parts)} parts left")
    return wrong


def main() -> int:
    """Send, work, look."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--faults", type=float, default=0.05)
    parser.add_argument("--latency", type=float, default=0.05)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--visibility", type=int, default=8, help="seconds until a message comes again")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    processes: Any = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["vectora_normalize.worker", "boto3.session"])
    address = processes.Queue()
    aws = processes.Process(target=serve_aws, args=(address,), daemon=True)
    aws.start()
    url = address.get(timeout=60)
    with BedrockEmulator(latency=arguments.latency, log_size=100 * arguments.items, seed=arguments.seed) as emulator:
        emulator.fail_randomly(arguments.faults, *FAULTS)
        refused = refuse_some(emulator, arguments)
        deployment = Deployment(url, emulator, arguments.visibility)
        all_items = items(arguments.items)
        began = time.monotonic()
        deployment.dispatch(all_items)
        print(f"{deployment.waiting} messages sent in {time.monotonic() - began:.1f} s")
        began = time.monotonic()
        drain(deployment, arguments, processes)
        print(f"worked off in {time.monotonic() - began:.1f} s by {arguments.processes} processes")
        add_what_is_left(deployment)
        wrong = judge(deployment, all_items, refused, in_flight=10 * arguments.kills)
    aws.kill()
    for line in wrong:
        print(f"BAD {line}")
    print("ok" if not wrong else f"{len(wrong)} wrong")
    return 1 if wrong else 0


def drain(deployment: Deployment, arguments: argparse.Namespace, processes: Any) -> None:
    """Keep so many workers at it until the queue is empty; end some of them on the way."""
    rng = random.Random(arguments.seed)

    def hire() -> Any:
        worker = processes.Process(target=work, args=(deployment.environ, deployment.queue_url), daemon=True)
        worker.start()
        return worker

    staff = [hire() for _ in range(arguments.processes)]
    kills_at = sorted(rng.uniform(0.1, 0.8) * arguments.items for _ in range(arguments.kills))
    while waiting := deployment.waiting:
        for place, worker in enumerate(staff):
            if not worker.is_alive():
                staff[place] = hire()
        if kills_at and arguments.items - waiting >= kills_at[0]:
            kills_at.pop(0)
            rng.choice(staff).kill()
        print(f"\r{waiting:6d} to go", end="", flush=True)
        time.sleep(0.5)
    time.sleep(2)  # for the worker that adds the last parts
    for worker in staff:
        worker.terminate()
        worker.join()
    print()


if __name__ == "__main__":
    sys.exit(main())
