"""The emulator under many client threads, with faults: no wrong answer, and nothing left behind.

    python benchmarks/emulator.py --seconds 60 --threads 32

Every thread sends requests of its own text through one boto3 client, to all operations in turn, and checks that what
comes back is made of that text, or fails. Exits with 1 if anything is wrong: an answer, a count, or something left
behind.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import resource
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import boto3
from botocore.config import Config
from botocore.eventstream import ParserError
from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from bedrock_resilience.emulator import BedrockEmulator, Uniform
from bedrock_resilience.quotas import Quota

if TYPE_CHECKING:
    from collections.abc import Callable

Client: TypeAlias = Any  # boto3 makes its clients at run time

MODEL = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
FAULTS = (
    "ThrottlingException",
    "ModelErrorException",
    503,
    529,
    "connection-reset",
    "truncated-body",
    "unexpected-body",
    "slow-first-byte",
    "stream-cut",
    "stream-corruption",
    "stream-error",
    "stream-exception",
    "stream-without-stop",
)
FAILURES = (ClientError, BotoCoreError, HTTPError, ParserError)


def converse(client: Client, text: str) -> str:
    """The text of a Converse answer; empty if it is incomplete."""
    answer = client.converse(modelId=MODEL, messages=[{"role": "user", "content": [{"text": text}]}])
    return str(answer["output"]["message"]["content"][0]["text"]) if "output" in answer else ""


def converse_stream(client: Client, text: str) -> str:
    """The text of a ConverseStream answer; empty if it is incomplete."""
    stream = client.converse_stream(modelId=MODEL, messages=[{"role": "user", "content": [{"text": text}]}])["stream"]
    with contextlib.closing(stream):
        events = list(stream)
    pieces = [event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event]
    return "".join(pieces) if any("metadata" in event for event in events) else ""


def invoke(client: Client, text: str) -> str:
    """The text of an InvokeModel answer; empty if it is incomplete."""
    body = {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 500,
        "messages": [{"role": "user", "content": text}],
    }
    with contextlib.closing(client.invoke_model(modelId=MODEL, body=json.dumps(body))["body"]) as stream:
        read = stream.read()
    with contextlib.suppress(ValueError):
        return str(json.loads(read)["content"][0]["text"])
    return ""


OPERATIONS: tuple[Callable[[Client, str], str], ...] = (converse, invoke, converse_stream)


def soak(endpoint_url: str, seconds: float, threads: int) -> Counter[str]:
    """What the clients received: ``good``, ``failed``, ``incomplete`` or ``wrong``, and how often."""
    settings = Config(retries={"total_max_attempts": 1}, max_pool_connections=threads, read_timeout=30)
    keys = {"aws_access_key_id": "any", "aws_secret_access_key": "any"}
    session = cast("Any", boto3).Session(region_name="eu-west-3", **keys)
    client = session.client("bedrock-runtime", endpoint_url=endpoint_url, config=settings)
    counters: list[Counter[str]] = []
    end = time.monotonic() + seconds

    def work(name: int) -> None:
        counts: Counter[str] = Counter()
        counters.append(counts)
        number = 0
        while time.monotonic() < end:
            number += 1
            text = f"Thread {name} asks for the {number}th time."
            try:
                said = OPERATIONS[number % len(OPERATIONS)](client, text)
            except FAILURES:
                counts["failed"] += 1
                continue
            counts["incomplete" if not said else "good" if text in said else "wrong"] += 1

    workers = [threading.Thread(target=work, args=(name,)) for name in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    client.close()
    return sum(counters, Counter[str]())


def left_behind() -> tuple[int, int]:
    """Threads and file descriptors of this process (-1 where they cannot be counted)."""
    gc.collect()
    descriptors = Path("/proc/self/fd")
    return threading.active_count(), len(list(descriptors.iterdir())) if descriptors.is_dir() else -1


def main() -> int:
    """Run the soak and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--threads", type=int, default=32)
    parser.add_argument("--faults", type=float, default=0.1, help="share of requests that go wrong")
    options = parser.parse_args()
    with BedrockEmulator() as warm:  # so that what is loaded once does not count as left behind
        soak(warm.endpoint_url, 0.1, 2)
    before = left_behind()
    # A day's tokens that nobody uses up: the ledger works, and shows whether every reservation was settled.
    with BedrockEmulator(Quota(tokens_per_day=1e12), Uniform(0, 0.02), log_size=100) as emulator:
        emulator.fail_randomly(options.faults, *FAULTS)
        began = time.monotonic()
        received = soak(emulator.endpoint_url, options.seconds, options.threads)
        elapsed = time.monotonic() - began
        idle = emulator.in_flight
    after = left_behind()
    problems = {
        "wrong answers": received["wrong"],
        "answers the emulator counts and the clients do not": emulator.answered - received["good"],
        "requests the emulator counts and the clients do not": emulator.requests - received.total(),
        "requests never settled": idle,
        "threads left": after[0] - before[0],
        "file descriptors left": max(0, after[1] - before[1]),
    }
    print(f"{emulator.requests} requests in {elapsed:.1f} s by {options.threads} threads:", end=" ")
    print(f"{emulator.requests / elapsed:.0f} a second, boto3 and the emulator in one process")
    print(
        f"clients received {dict(received)}; "
        f"the emulator answered {emulator.answered} and injected {dict(emulator.errors)}"
    )
    print(f"largest resident set: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")
    for what, number in problems.items():
        print(f"{'ok ' if not number else 'BAD'} {what}: {number}")
    return int(any(problems.values()))


if __name__ == "__main__":
    sys.exit(main())
