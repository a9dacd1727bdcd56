"""The incident for real: three processes of the handler, a minute apart, under one quota that nobody has told them.

    python benchmarks/normalize/incident.py                      # 50 a minute, answers in 6.5 s: about ten minutes
    python benchmarks/normalize/incident.py --outage 60 --slow 0.2 --skew 30
    python benchmarks/normalize/incident.py --speed 5            # quota and times five times as fast

Each process runs AWS's own runtime client (awslambdaric) over the handler, with 4 workers, 50 items and nothing
configured beyond the contract's variables. S3 is moto's server, Bedrock the emulator. Beside it stands the same with
``BEDROCK_PACING=none``. Exits with 1 where more than 3 % of the calls are throttled, an item is lost, or the run takes
more than 1.1 times as long as the best possible sender.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import email.utils
import json
import logging
import os
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

ROOT: Final = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from bedrock_resilience.emulator import BedrockEmulator  # noqa: E402 - as above
from bedrock_resilience.quotas import Quota  # noqa: E402 - as above
from bedrock_resilience.simulation import Scenario, lower_bound  # noqa: E402 - as above
from support.runtime import Function  # noqa: E402 - of the path above
from support.s3 import REGION, make_bucket, moto_server, s3_client  # noqa: E402 - as above
from vectora_normalize.local.sources import SourceServer  # noqa: E402 - as above

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping

INSTANCES: Final = 3
WORKERS: Final = 4
ITEMS: Final = 50
MAX_THROTTLED: Final = 0.03
MAX_RATIO: Final = 1.1
_CLIENT = """
client_profile: {{client_id: client-{number}, name: Client, language: en, active: true}}
pipeline: {{default_period_days: 7}}
watch_domains: [{{id: all, molecule_scope: molecules}}]
source_config: {{sources_extra_enabled: [press__{number}]}}
"""
_SOURCE = """
  - {{source_key: press__{number}, source_type: press_sector, ingestion_mode: rss, enabled: true, default_language: en,
     rss_url: "{url}/press-{number}.example/feed.xml"}}
"""
_ITEM = """
<item><title>Item {item} of source {number}</title><link>/{item}</link><pubDate>{date}</pubDate>
<description>Item {item} of source {number} is about risperidone and says so in one sentence.</description></item>
"""


@dataclass(frozen=True)
class Conditions:
    """How the store fails, and how fast everything goes.

    Args:
        speed: Quota and times are so many times as fast as those of the incident.
        outage: Seconds in the middle of the run in which the store of the pace answers 503.
        slow: Seconds by which every request to the store of the pace is delayed.
        skew: Seconds between the clocks of two processes.
    """

    speed: float = 1.0
    outage: float = 0.0
    slow: float = 0.0
    skew: float = 0.0

    @property
    def scenario(self) -> Scenario:
        """The incident."""
        return Scenario(
            instances=INSTANCES,
            workers=WORKERS,
            items=ITEMS,
            offset=60.0 / self.speed,
            quota=Quota(requests_per_minute=50.0 * self.speed, burst=5),
            latency=6.5 / self.speed,
        )


@dataclass(frozen=True)
class Result:
    """What became of the three runs."""

    requests: int
    throttles: int
    normalized: int
    seconds: float
    best: float
    pacing: list[Mapping[str, Any]]

    @property
    def throttle_rate(self) -> float:
        """Throttled requests over all."""
        return self.throttles / max(1, self.requests)

    @property
    def lost(self) -> int:
        """Items that were not normalised."""
        return INSTANCES * ITEMS - self.normalized

    @property
    def ratio(self) -> float:
        """The time that it took over that of the best possible sender."""
        return self.seconds / self.best

    def __str__(self) -> str:
        return (
            f"{self.requests:>5} calls {self.throttle_rate:>7.1%} throttled {self.lost:>4} lost "
            f"{self.seconds:>6.0f} s {self.ratio:>6.2f} of the best possible"
        )


class PaceStoreConditions:
    """Moto's application, with the requests for the pace slow, or failing for a while."""

    def __init__(self, application: Callable[..., Iterable[bytes]], slow: float) -> None:
        self._application = application
        self._slow = slow
        self.failing = threading.Event()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer one request."""
        if "/_pace/" in environ.get("PATH_INFO", ""):
            time.sleep(self._slow)
            if self.failing.is_set():
                start_response("503 Service Unavailable", [("Content-Length", "0")])
                return []
        return self._application(environ, start_response)


def function_root(folder: Path) -> Path:
    """Return a folder as an unpacked package: this project, and what is installed beside it."""
    import boto3  # noqa: PLC0415 - only its place is needed

    installed = Path(boto3.__file__).parents[1]
    for entry in (*installed.iterdir(), *(ROOT / "src").iterdir()):
        target = folder / entry.name
        if entry.suffix != ".pth" and not entry.name.startswith(
            ("__editable__", "bedrock_resilience-", "awslambdaric")
        ):
            with contextlib.suppress(FileExistsError):
                target.symlink_to(entry)
    (folder / "skewed.py").write_text(
        "import os, time\n"
        "_time, _skew = time.time, float(os.environ.get('CLOCK_SKEW', '0'))\n"
        "time.time = lambda: _time() + _skew\n"
        "from vectora_normalize.handler import lambda_handler\n"
    )
    return folder


@contextlib.contextmanager
def deployed(aws_url: str, emulator: BedrockEmulator, folder: Path) -> Generator[dict[str, str]]:
    """Yield the environment of the function, with buckets that hold three clients of fifty items each."""
    now = dt.datetime.now(dt.UTC)
    date = email.utils.format_datetime(now - dt.timedelta(hours=2))
    for number in range(INSTANCES):
        items = "".join(_ITEM.format(item=item, number=number, date=date) for item in range(ITEMS))
        feed = folder / f"press-{number}.example" / "feed.xml"
        feed.parent.mkdir(parents=True, exist_ok=True)
        feed.write_text(f"<rss><channel>{items}</channel></rss>", "utf-8")
    name = f"{time.monotonic_ns()}"
    with s3_client(aws_url) as s3, SourceServer(folder, now.date()) as server:
        config, data = (make_bucket(s3, f"{kind}-{name}") for kind in ("config", "data"))
        numbers = range(INSTANCES)
        files = {
            "canonical/scopes/molecule_scopes.yaml": "molecules: [risperidone]",
            "canonical/sources/source_catalog.yaml": "sources:"
            + "".join(_SOURCE.format(number=number, url=server.base_url) for number in numbers),
            **{f"clients/client-{number}.yaml": _CLIENT.format(number=number) for number in numbers},
        }
        for key, text in files.items():
            s3.put_object(Bucket=config, Key=key, Body=text.encode())
        yield {
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL_S3": aws_url,
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": emulator.endpoint_url,
            "CONFIG_BUCKET": config,
            "DATA_BUCKET": data,
            "ALLOW_PRIVATE_SOURCES": "true",
        }


def run(conditions: Conditions, pacing: str | None = None) -> Result:
    """Run the incident once.

    Args:
        conditions: How the store fails, and how fast everything goes.
        pacing: ``BEDROCK_PACING``; None: it is not set.
    """
    scenario = conditions.scenario
    with (
        tempfile.TemporaryDirectory() as folder,
        moto_server() as aws_url,
        BedrockEmulator(scenario.quota, latency=6.5 / conditions.speed) as emulator,
        deployed(aws_url, emulator, Path(folder) / "sources") as environ,
        store_conditions(aws_url, conditions) as url,
        s3_client(aws_url) as s3,
    ):
        root = Path(folder) / "root"
        root.mkdir()
        function_root(root)
        environ |= {"AWS_ENDPOINT_URL_S3": url, **({"BEDROCK_PACING": pacing} if pacing else {})}
        started = time.monotonic()
        answers: list[dict[str, Any]] = []
        threads = [
            threading.Thread(
                target=_invoke, args=(root, {**environ, "CLOCK_SKEW": str(number * conditions.skew)}, number, answers)
            )
            for number in range(INSTANCES)
        ]
        outage = threading.Thread(target=_outage, args=(url, scenario.offset * 1.5, conditions.outage))
        outage.start()
        for number, thread in enumerate(threads):
            time.sleep(max(0.0, started + number * scenario.offset - time.monotonic()))
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.monotonic() - started
        outage.join()
        reports = [
            json.loads(s3.get_object(Bucket=environ["DATA_BUCKET"], Key=key)["Body"].read())
            for key in _reports(s3, environ["DATA_BUCKET"])
        ]
        return Result(
            requests=emulator.requests,
            throttles=emulator.throttles,
            normalized=sum(answer["body"]["items_normalized"] for answer in answers),
            seconds=seconds,
            best=lower_bound(scenario),
            pacing=[report["pacing"] for report in reports],
        )


_OUTAGES: Final[dict[str, PaceStoreConditions]] = {}


@contextlib.contextmanager
def store_conditions(aws_url: str, conditions: Conditions) -> Generator[str]:
    """Yield the address of a server that passes everything on to S3, under these conditions."""
    from werkzeug.serving import make_server  # noqa: PLC0415 - it comes with moto

    application = PaceStoreConditions(_forward(aws_url), conditions.slow)
    server = make_server("127.0.0.1", 0, application, threaded=True)
    url = f"http://127.0.0.1:{server.server_port}"
    _OUTAGES[url] = application
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield url
    finally:
        server.shutdown()
        thread.join()


def _forward(aws_url: str) -> Callable[..., Iterable[bytes]]:
    import http.client  # noqa: PLC0415 - here alone

    host = aws_url.removeprefix("http://")

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        connection = http.client.HTTPConnection(host)
        query = environ.get("QUERY_STRING", "")
        path = environ["REQUEST_URI"].partition("?")[0] + (f"?{query}" if query else "")
        headers = {
            name[5:].replace("_", "-"): value
            for name, value in environ.items()
            if name.startswith("HTTP_") and name != "HTTP_TRANSFER_ENCODING"
        }
        if environ.get("CONTENT_TYPE"):
            headers["Content-Type"] = environ["CONTENT_TYPE"]
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        connection.request(environ["REQUEST_METHOD"], path, body=body or None, headers=headers)
        response = connection.getresponse()
        content = response.read()
        dropped = {"connection", "transfer-encoding", "server", "date", "content-length"}
        kept = [(name, value) for name, value in response.getheaders() if name.lower() not in dropped]
        start_response(f"{response.status} {response.reason}", [*kept, ("Content-Length", str(len(content)))])
        connection.close()
        return [content]

    return application


def _outage(url: str, begins: float, seconds: float) -> None:
    if seconds > 0:
        time.sleep(begins)
        _OUTAGES[url].failing.set()
        time.sleep(seconds)
        _OUTAGES[url].failing.clear()


def _invoke(root: Path, environ: dict[str, str], number: int, answers: list[dict[str, Any]]) -> None:
    with Function(root, environ, handler="skewed.lambda_handler", timeout=900.0) as function:
        outcome = function.invoke({"client_id": f"client-{number}"})
        if outcome.error is not None or outcome.answer["statusCode"] != 200:
            sys.stderr.write(outcome.log)
            outcome.answer.setdefault("body", {"items_normalized": 0})
        answers.append(outcome.answer)


def _reports(s3: Any, bucket: str) -> list[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="normalized/client-")
    return [entry["Key"] for page in pages for entry in page.get("Contents", []) if "/run-" in entry["Key"]]


def main() -> int:
    """Run the incident with and without the shared pace, and print both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speed", type=float, default=1.0, help="so many times as fast as the incident")
    parser.add_argument("--outage", type=float, default=0.0, help="seconds in which the store of the pace fails")
    parser.add_argument("--slow", type=float, default=0.0, help="seconds that a request to it takes longer")
    parser.add_argument("--skew", type=float, default=0.0, help="seconds between the clocks of two processes")
    parser.add_argument("--alone", action="store_true", help="leave out BEDROCK_PACING=none")
    options = parser.parse_args()
    conditions = Conditions(options.speed, options.outage, options.slow, options.skew)
    if not options.alone:
        print(f"  BEDROCK_PACING=none   {run(conditions, 'none')}", flush=True)
    result = run(conditions)
    print(f"  nothing configured    {result}")
    for pacing in result.pacing:
        print(f"      {json.dumps(pacing)}")
    within = result.throttle_rate <= MAX_THROTTLED and result.lost == 0 and result.ratio <= MAX_RATIO
    return 0 if within else 1


if __name__ == "__main__":
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "testing")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "testing")
    sys.exit(main())
