"""How near a run comes to the best that its workers can do: items x latency / workers, beyond the cold start.

    python -m benchmarks.normalize.throughput [--latency 2 0.5] [--rounds 2] [--limit 1.05]

104 items out of 8 feeds go through the handler, in this process and warm, to an emulator that takes a fixed time for
each answer. Each round is a client of its own, so that nothing has been answered before. Counted are the batch alone,
and the whole invocation: sources, buckets, report and all. The bucket (moto's server, in Python) and the emulator are
in processes of their own, but on the same processors as the run, which on AWS they are not. Answers of Bedrock take
some 5 s; the shorter the latency here, the more weighs what is beside it. Exits with 1 where a whole invocation takes
longer than the limit allows at the first of the latencies.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import io
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.normalize.scale_out import REGION, client, serve_aws
from moto.moto_server.werkzeug_app import MotoRequestHandler  # pyright: ignore[reportMissingTypeStubs]

from bedrock_resilience.emulator import BedrockEmulator
from vectora_normalize.handler import lambda_handler
from vectora_normalize.local.sources import SourceServer
from vectora_normalize.pipeline.dependencies import aws_dependencies

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

EXAMPLE: Final = Path(__file__).parents[2] / "examples" / "lai_weekly"
SOURCES: Final = 8
ITEM: Final = """<item><title>Study {number} of a weekly depot</title><link>https://press.example/{number}</link>
<pubDate>{day:%a, %d %b %Y 00:00:00 GMT}</pubDate><description>&lt;p&gt;Camurus reports on study {number} of its weekly
depot of buprenorphine. The long-acting injectable met the primary endpoint of trial LAI-{number}: {number} of 400
patients stayed in treatment for half a year, more than with daily tablets. &lt;/p&gt;&lt;p&gt;The company will file
with the agency in the third quarter, and expects an answer within a year. Shares rose by four per cent in Stockholm.
Analysts had looked for less, because an earlier trial in the same indication had been stopped.&lt;/p&gt;</description>
</item>"""
BUCKETS: Final = {"CONFIG_BUCKET": "config", "DATA_BUCKET": "data"}
ITEMS: Final = 104
WORKERS: Final = 4


@dataclass(frozen=True)
class RunTime:
    """Seconds that an invocation took, and those of its batch."""

    batch: float
    whole: float


class Context:
    """What Lambda hands to a function, as far as it is read."""

    def __init__(self, name: str) -> None:
        self.aws_request_id = name

    def get_remaining_time_in_millis(self) -> int:
        """A quarter of an hour, always."""
        return 900_000


def serve_s3(address: Any) -> None:
    """A bucket's server, in a process of its own; like S3, it keeps connections open."""
    MotoRequestHandler.protocol_version = "HTTP/1.1"
    serve_aws(address)


def serve_others(latencies: Sequence[float], address: Any) -> None:
    """The sources, and an emulator for each latency, in a process of their own."""
    with contextlib.ExitStack() as stack:
        today = dt.datetime.now(dt.UTC).date()
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        write_feeds(folder, today)
        sources = stack.enter_context(SourceServer(folder, today))
        emulators = [stack.enter_context(BedrockEmulator(latency=latency)) for latency in latencies]
        address.put((sources.base_url, [emulator.endpoint_url for emulator in emulators]))
        threading.Event().wait()


def write_feeds(folder: Path, day: dt.date) -> None:
    """Feeds of as many items each, no two items alike."""
    for source in range(SOURCES):
        numbers = range(source, ITEMS, SOURCES)
        feed = "".join(ITEM.format(number=number, day=day) for number in numbers)
        (folder / f"wire-{source}.example").mkdir()
        (folder / f"wire-{source}.example" / "feed.xml").write_text(f"<rss><channel>{feed}</channel></rss>", "utf-8")


@contextlib.contextmanager
def servers(latencies: Sequence[float]) -> Generator[tuple[str, str, list[str]]]:
    """The addresses of S3, of the sources and of the emulators."""
    processes = multiprocessing.get_context("spawn")
    s3_urls, other_urls = processes.Queue(), processes.Queue()
    staff = [
        processes.Process(target=serve_s3, args=(s3_urls,), daemon=True),
        processes.Process(target=serve_others, args=(latencies, other_urls), daemon=True),
    ]
    for one in staff:
        one.start()
    try:
        yield s3_urls.get(timeout=60), *other_urls.get(timeout=60)
    finally:
        for one in staff:
            one.kill()
            one.join()


class Deployment:
    """The example in buckets, for the given number of clients."""

    def __init__(self, s3_url: str, sources_url: str) -> None:
        self._s3 = client("s3", s3_url)
        for bucket in BUCKETS.values():
            self._s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        for file in (EXAMPLE / "config" / "canonical" / "scopes").glob("*.yaml"):
            self._put(f"canonical/scopes/{file.name}", file.read_text("utf-8"))
        sources = [
            {
                "source_key": f"wire_{number}",
                "source_type": "press_sector",
                "enabled": True,
                "ingestion_mode": "rss",
                "rss_url": f"{sources_url}/wire-{number}.example/feed.xml",
            }
            for number in range(SOURCES)
        ]
        bouquet = {"bouquet_id": "lai_trade_press", "source_keys": [source["source_key"] for source in sources]}
        self._put(
            "canonical/sources/source_catalog.yaml",
            json.dumps({"sources": sources, "bouquets": [bouquet, {"bouquet_id": "lai_pages", "source_keys": []}]}),
        )
        self._clients = 0

    def new_client(self) -> str:
        """Name of a client that is configured as the example's, and has no answers yet."""
        self._clients += 1
        name = f"client_{self._clients}"
        text = (EXAMPLE / "config" / "clients" / "lai_weekly.yaml").read_text("utf-8")
        text = text.replace("client_id: lai_weekly", f"client_id: {name}")
        self._put(f"clients/{name}.yaml", text.replace("- press_sector__wire_mirror", "- wire_0"))
        return name

    def seconds_of_batch(self, name: str) -> float:
        """What the run's report says."""
        found = self._s3.list_objects_v2(Bucket="data", Prefix=f"normalized/{name}/")["Contents"]
        (key,) = [entry["Key"] for entry in found if entry["Key"].endswith(f"/run-{name}.json")]
        report = json.loads(self._s3.get_object(Bucket="data", Key=key)["Body"].read())
        seconds: float = report["seconds"]["normalize"]
        return seconds

    def _put(self, key: str, text: str) -> None:
        self._s3.put_object(Bucket="config", Key=key, Body=text.encode())


def invoked(event: dict[str, Any], name: str) -> tuple[dict[str, Any], float]:
    """The answer of the handler, and the seconds that it took; what it logs is let go."""
    with contextlib.redirect_stdout(io.StringIO()):
        began = time.perf_counter()
        answer = lambda_handler(event, Context(name))
        return answer, time.perf_counter() - began


def rounds(deployment: Deployment, number: int) -> list[RunTime]:
    """So many invocations of a warm process, each for a client of its own."""
    warm = deployment.new_client()
    invoked({"client_id": warm, "sources": ["wire_0"]}, warm)
    times: list[RunTime] = []
    for _ in range(number):
        name = deployment.new_client()
        answer, seconds = invoked({"client_id": name}, name)
        if answer["body"].get("items_normalized") != ITEMS:
            sys.exit(f"not all items: {answer}")
        times.append(RunTime(deployment.seconds_of_batch(name), seconds))
    return times


def main() -> int:
    """Measure and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latency", type=float, nargs="+", default=[2.0, 0.5], help="seconds an answer takes")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--limit", type=float, default=1.05, help="ratio over which the exit code is 1")
    options = parser.parse_args()
    ratios: list[float] = []
    print(f"{'latency':>8}{'best':>8}{'batch':>9}{'ratio':>8}{'whole':>9}{'ratio':>8}")
    with servers(options.latency) as (s3_url, sources_url, emulator_urls):
        deployment = Deployment(s3_url, sources_url)
        for latency, emulator_url in zip(options.latency, emulator_urls, strict=True):
            os.environ.update(environment(s3_url, emulator_url))
            aws_dependencies.cache_clear()  # the clients of the one before
            times = rounds(deployment, options.rounds)
            best = ITEMS / WORKERS * latency
            batch, whole = (statistics.median(each) for each in zip(*((t.batch, t.whole) for t in times), strict=True))
            ratios.append(whole / best)
            print(f"{latency:>6} s{best:>6.1f} s{batch:>7.2f} s{batch / best:>8.3f}{whole:>7.2f} s{whole / best:>8.3f}")
    print(f"a whole invocation takes {ratios[0]:.3f} times the best there is (at most {options.limit})")
    return int(ratios[0] > options.limit)


def environment(s3_url: str, emulator_url: str) -> dict[str, str]:
    """The function's environment variables."""
    return {
        **BUCKETS,
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_REGION": REGION,
        "AWS_ENDPOINT_URL_S3": s3_url,
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": emulator_url,
        "MAX_BEDROCK_WORKERS": str(WORKERS),
        "ALLOW_PRIVATE_SOURCES": "true",
        "NO_PROXY": "127.0.0.1",
    }


if __name__ == "__main__":
    sys.exit(main())
