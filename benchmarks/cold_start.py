"""What a cold start costs: the handler beside a bare one that only makes a boto3 client and asks Bedrock once.

Both are imported and invoked in processes of their own, in turns, against the same servers on loopback: the emulator at
zero latency, and for ours also buckets and a source with one item. Counted is what lies between the first import and
the first answer; starting the interpreter is the same for both. Ours asks S3 a dozen times, here a server in Python
that is slower than S3 and closes each connection after one answer, so the processor time of the process is what is
judged (ours pays for the connections, too), and wall time is shown beside it. The last column is what being cold
costs: the cold start without what the same answer takes of a warm process.

    python benchmarks/cold_start.py [--rounds 10] [--limit 1.7] [--profile]

Lambda has one processor or less where this machine has more, and reads its code from a slower disk; the ratio is what
can be compared. Bytecode is compiled before: in Lambda both handlers would compile theirs at every cold start.
"""

from __future__ import annotations

import argparse
import compileall
import contextlib
import datetime as dt
import itertools
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import botocore
from moto.server import ThreadedMotoServer

import bedrock_resilience
import vectora_normalize
from bedrock_resilience.emulator import BedrockEmulator
from vectora_normalize.local.sources import SourceServer

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

REGION = "eu-west-3"
BARE = """
import boto3
client = boto3.client("bedrock-runtime", region_name="eu-west-3")

def lambda_handler(event, context):
    message = {"role": "user", "content": [{"text": "x"}]}
    return client.converse(modelId="eu.anthropic.claude-sonnet-4-5-20250929-v1:0", messages=[message])
"""
# Wall time and processor time after each step.
MEASURED = """
import time
marks = [(time.perf_counter(), time.process_time())]
{imports}
marks.append((time.perf_counter(), time.process_time()))
answers = []
for _ in range(2):
    answers.append(lambda_handler({event!r}, None))
    marks.append((time.perf_counter(), time.process_time()))
import json, sys
assert answers[0].get("body", {{"items_normalized": 1}}).get("items_normalized") == 1, answers
print(json.dumps(marks), file=sys.stderr)
"""
COLUMNS = ("import", "1st answer", "cold start", "2nd answer", "cold alone")
EVENT = {"client_id": "one"}
CONFIGURATION = {
    "clients/one.yaml": "client_profile: {{client_id: one}}\nsource_config: {{source_bouquets_enabled: [all]}}\n",
    "canonical/sources/source_catalog.yaml": (
        "sources: [{{source_key: s, source_type: press, enabled: true, ingestion_mode: rss, rss_url: '{url}'}}]\n"
        "bouquets: [{{bouquet_id: all, source_keys: [s]}}]\n"
    ),
}
FEED = (
    "<rss><channel><item><title>A title</title><link>https://s.example/1</link><pubDate>{day}</pubDate>"
    "<description>Some words that are enough to be an item of news about something.</description></item>"
    "</channel></rss>"
)


@contextlib.contextmanager
def servers() -> Generator[dict[str, str]]:
    """The environment of a function whose AWS, source and Bedrock are on loopback."""
    today = dt.datetime.now(dt.UTC)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    try:
        with BedrockEmulator() as emulator, tempfile.TemporaryDirectory() as folder:
            feed = Path(folder) / "s.example" / "feed.xml"
            feed.parent.mkdir()
            feed.write_text(FEED.format(day=f"{today:%a, %d %b %Y 00:00:00 GMT}"), "utf-8")
            with SourceServer(Path(folder), today.date()) as source:
                aws = "http://{}:{}".format(*moto.get_host_and_port())
                yield {
                    **environment(),
                    "AWS_ENDPOINT_URL_S3": aws,
                    "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": emulator.endpoint_url,
                    "SOURCE": f"{source.base_url}/s.example/feed.xml",
                }
    finally:
        moto.stop()


def environment() -> dict[str, str]:
    """This machine's environment without what would keep bytecode or proxies in the way."""
    rest = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHONDONTWRITE"))}
    credentials = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "AWS_REGION": REGION}
    return {
        **rest,
        **credentials,
        "AWS_DEFAULT_REGION": REGION,
        "ALLOW_PRIVATE_SOURCES": "true",
        "NO_PROXY": "127.0.0.1",
    }


def fill(environ: Mapping[str, str], number: int) -> dict[str, str]:
    """Buckets of a round's own, so that no round finds what another has stored."""
    session: Any = boto3.session.Session(aws_access_key_id="any", aws_secret_access_key="any")  # noqa: S106 - made up
    s3 = session.client("s3", region_name=REGION, endpoint_url=environ["AWS_ENDPOINT_URL_S3"])
    with contextlib.closing(s3):
        names = {name: f"{name.partition('_')[0].lower()}-{number}" for name in ("CONFIG_BUCKET", "DATA_BUCKET")}
        for bucket in names.values():
            s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        for key, text in CONFIGURATION.items():
            s3.put_object(Bucket=names["CONFIG_BUCKET"], Key=key, Body=text.format(url=environ["SOURCE"]).encode())
    return names


def measured(imports: str, environ: Mapping[str, str]) -> list[list[float]]:
    """Seconds, of wall and of processor, of the import, the first and the second answer in a process of their own."""
    code = MEASURED.format(imports=imports, event=EVENT)
    ran = subprocess.run([sys.executable, "-c", code], env=dict(environ), capture_output=True, text=True, check=False)  # noqa: S603 - our own interpreter
    if ran.returncode:
        sys.exit(ran.stderr)
    marks: list[list[float]] = json.loads(ran.stderr.splitlines()[-1])
    return [[end - start for start, end in zip(*pair, strict=True)] for pair in itertools.pairwise(marks)]


def profile(imports: str, environ: Mapping[str, str]) -> None:
    """Print what was imported, the slowest first."""
    command = [sys.executable, "-X", "importtime", "-c", imports]
    ran = subprocess.run(command, env=dict(environ), capture_output=True, text=True, check=True)  # noqa: S603 - as above
    rows = [line.removeprefix("import time:").split("|") for line in ran.stderr.splitlines() if "|" in line]
    costs = sorted(((int(row[1]), row[2].strip()) for row in rows if row[1].strip().isdigit()), reverse=True)
    for microseconds, name in costs[:40]:
        print(f"{microseconds / 1000:9.1f} ms  {name}")


def main() -> None:
    """Measure and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument(
        "--limit", type=float, default=1.7, help="ratio of processor times over which the exit code is 1"
    )
    parser.add_argument("--profile", action="store_true", help="print what the import of the handler costs")
    options = parser.parse_args()
    for module in (bedrock_resilience, vectora_normalize, boto3, botocore):
        compileall.compile_dir(Path(module.__file__ or "").parent, quiet=2)
    ours = "from vectora_normalize.handler import lambda_handler"
    with servers() as environ:
        if options.profile:
            profile(ours, environ)
            return
        rounds: dict[str, list[list[list[float]]]] = {"bare": [], "ours": []}
        for number in range(options.rounds + 1):
            buckets = fill(environ, number)
            for name, imports in (("bare", BARE), ("ours", ours)):
                rounds[name].append(measured(imports, {**environ, **buckets}))
    show({name: times[1:] for name, times in rounds.items()}, options.limit)  # the first one warms the disk


def show(rounds: Mapping[str, list[list[list[float]]]], limit: float) -> None:
    """Print the tables, and end with 1 where the ratio of the processor times is over the limit."""
    ratio = 0.0
    for kind, title in enumerate(("wall", "processor")):
        totals: dict[str, float] = {}
        print(f"{title + ', ms':<16}" + "".join(f"{column:>12}" for column in COLUMNS))
        for name, times in rounds.items():
            steps = [[1000 * step[kind] for step in round_] for round_ in times]
            imported, first, second = (statistics.median(column) for column in zip(*steps, strict=True))
            totals[name] = statistics.median(sum(round_[:2]) for round_ in steps)
            shown = (imported, first, totals[name], second, totals[name] - second)
            print(f"{name:<16}" + "".join(f"{value:>12.0f}" for value in shown))
        ratio = totals["ours"] / totals["bare"]
        print(f"{'ratio':<40}{ratio:>12.2f}\n")
    print(f"a cold start of ours takes {ratio:.2f} times the processor of the bare handler's (at most {limit})")
    sys.exit(int(ratio > limit))


if __name__ == "__main__":
    main()
