"""Shows every panel of the Grafana dashboard on real data: ``python -m benchmarks.dashboards [SECONDS] [PICTURE]``.

Two models are called for SECONDS (150 unless given) against an emulator whose quota is too small for them: one with a
``QuotaPacer``, one with an ``AdaptivePacer`` that is not told its quota. A Prometheus server, which must be installed
(Debian: ``apt-get install prometheus``), scrapes the ``PrometheusListener`` of the process. Each query of
``infra/dashboards/grafana.json`` is then sent to that server as Grafana sends it. Prints the series of each panel with
their last value and writes a picture of all panels to PICTURE; exits with 1 where a query fails or a panel is empty.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import urllib3
from prometheus_client import CollectorRegistry, start_http_server

from bedrock_resilience import (
    AdaptivePacer,
    BoundedExecutor,
    Deadline,
    Fault,
    Quota,
    QuotaPacer,
    RetryPolicy,
    bedrock_runtime_client,
    protect,
)
from bedrock_resilience.emulator import BedrockEmulator
from bedrock_resilience.telemetry import PrometheusListener

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bedrock_resilience import Pacer

DASHBOARD: Final = Path(__file__).parents[1] / "infra" / "dashboards" / "grafana.json"
MODELS: Final = ("eu.anthropic.claude-sonnet-4-5-20250929-v1:0", "eu.anthropic.claude-haiku-4-5-20251001-v1:0")
QUOTA: Final = Quota(requests_per_minute=60, tokens_per_minute=40_000)
VARIABLES: Final = {"$model": ".*", "$region": ".*", "$__rate_interval": "20s"}  # what Grafana fills in
STEP_SECONDS: Final = 2


def call(model: str, pacer: Pacer, url: str, listener: PrometheusListener, seconds: float) -> None:
    """Ask one model as fast as its pacer allows, until the time is over."""
    client = bedrock_runtime_client(
        "eu-west-3",
        endpoint_url=url,
        aws_access_key_id="emulator",
        aws_secret_access_key="emulator",  # noqa: S106 - made up
    )
    bedrock = protect(client, policy=RetryPolicy(max_retries=5), pacer=pacer, listeners=[listener])
    message = {"role": "user", "content": [{"text": "Which companies does this name? Camurus and Lilly."}]}

    def ask(_: int) -> None:
        bedrock.converse(modelId=model, messages=[message], inferenceConfig={"maxTokens": 400})

    executor = BoundedExecutor(max_workers=4, policy=RetryPolicy(max_retries=0), deadline=Deadline.after(seconds))
    for outcome in executor.stream(ask, count()):
        if outcome.error is not None and outcome.fault not in {Fault.THROTTLING, Fault.CANCELLED}:
            print(f"{model}: {outcome.error!r}", flush=True)


def free_port() -> int:
    """Return a port of loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def prometheus(folder: Path, exporter_port: int, port: int) -> subprocess.Popen[bytes]:
    """Start a server that scrapes the exporter every two seconds."""
    program = shutil.which("prometheus")
    if program is None:
        sys.exit("error: no Prometheus server found; install one, on Debian with: apt-get install prometheus")
    target = f"[{{targets: ['127.0.0.1:{exporter_port}']}}]"
    (folder / "prometheus.yml").write_text(
        f"global: {{scrape_interval: 2s}}\nscrape_configs: [{{job_name: demo, static_configs: {target}}}]\n", "utf-8"
    )
    return subprocess.Popen(  # noqa: S603 - its arguments are ours
        [
            program,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=error",
        ]
    )


def series(port: int, query: str, start: float, end: float) -> list[dict[str, Any]]:
    """What the server answers to a range query of Grafana."""
    for name, value in VARIABLES.items():
        query = query.replace(name, value)
    answer = urllib3.request(
        "GET",
        f"http://127.0.0.1:{port}/api/v1/query_range",
        fields={"query": query, "start": f"{start}", "end": f"{end}", "step": f"{STEP_SECONDS}"},
    ).json()
    if answer["status"] != "success":
        sys.exit(f"error: {answer['error']}: {query}")
    found: list[dict[str, Any]] = answer["data"]["result"]
    return found


def label(metric: dict[str, str]) -> str:
    """Return the values of a series' labels, which the queries group by."""
    return " ".join(value.removeprefix("eu.anthropic.") for value in metric.values()) or "-"


def panels(port: int, start: float, end: float) -> Iterator[tuple[dict[str, Any], list[tuple[str, list[Any]]]]]:
    """Yield each panel with its series: their names, and their points in time with the value as text."""
    for panel in json.loads(DASHBOARD.read_text("utf-8"))["panels"]:
        lines = [
            (f"{target.get('legendFormat', '').split('{{')[0]}{label(found['metric'])}", found["values"])
            for target in panel["targets"]
            for found in series(port, target["expr"], start, end)
        ]
        yield panel, lines


def draw(shown: list[tuple[dict[str, Any], list[tuple[str, list[Any]]]]], start: float, picture: Path) -> None:
    """Draw all panels, over the seconds since the start."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - only for a picture

    figure: Any = Figure(figsize=(14, 3.2 * -(-len(shown) // 2)))
    axes = figure.subplots(-(-len(shown) // 2), 2)
    for axis, (panel, lines) in zip(axes.flat, shown, strict=False):
        axis.set_title(panel["title"])
        for name, values in lines:
            axis.plot([float(at) - start for at, _ in values], [float(value) for _, value in values], label=name)
        axis.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(picture, dpi=80)


def main(seconds: float, picture: Path | None) -> int:
    """Call, scrape, query and print; return the exit status."""
    registry, listener_port, port = CollectorRegistry(), free_port(), free_port()
    listener = PrometheusListener(registry)
    server, serving = start_http_server(listener_port, addr="127.0.0.1", registry=registry)
    with tempfile.TemporaryDirectory() as name, BedrockEmulator(quota=QUOTA, latency=0.5) as emulator:
        process = prometheus(Path(name), listener_port, port)
        try:
            start = time.time()
            pacers = (QuotaPacer(QUOTA.replace(requests_per_minute=80)), AdaptivePacer())
            callers = [
                threading.Thread(target=call, args=(model, pacer, emulator.endpoint_url, listener, seconds))
                for model, pacer in zip(MODELS, pacers, strict=True)
            ]
            for caller in callers:
                caller.start()
            for caller in callers:
                caller.join()
            shown = list(panels(port, start, time.time()))
        finally:
            process.terminate()
            process.wait()
            server.shutdown()
            serving.join()
        print(f"{emulator.requests} requests, {emulator.throttles} throttles")
    for panel, lines in shown:
        print(f"\n{panel['title']}" + ("" if lines else ": EMPTY"))
        for series_name, values in lines:
            print(f"  {float(values[-1][1]):12.3f}  {series_name} ({len(values)} points)")
    if picture is not None:
        draw(shown, start, picture)
    return 0 if all(lines for _, lines in shown) else 1


if __name__ == "__main__":
    arguments = sys.argv[1:]
    sys.exit(main(float(arguments[0]) if arguments else 150.0, Path(arguments[1]) if arguments[1:] else None))
