"""A deployed system on this machine: buckets on moto's server, sources on loopback, the emulator for Bedrock."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import json
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

import pytest

from support.logs import restored_loggers
from support.pages import ROOT
from support.s3 import REGION, make_bucket, s3_client
from vectora_normalize.local.sources import SourceServer
from vectora_normalize.pipeline import dependencies as wiring
from vectora_normalize.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from bedrock_resilience.emulator import BedrockEmulator

EXAMPLE: Final = ROOT / "examples" / "lai_weekly"
CATALOG: Final = "canonical/sources/source_catalog.yaml"
CLIENT: Final = "clients/lai_weekly.yaml"
_OURS: Final = re.compile(r"normalized/([^/]+/(items|outstanding)|_pace)/")
_numbers = itertools.count()


class Context:
    """Lambda's context, as far as the function reads it."""

    def __init__(self, request_id: str = "request-1", seconds: float = 300.0) -> None:
        self.aws_request_id = request_id
        self._milliseconds = int(seconds * 1000)

    def get_remaining_time_in_millis(self) -> int:
        return self._milliseconds


@dataclass(frozen=True)
class Deployment:
    """A deployed function: its environment and its buckets."""

    environ: dict[str, str]
    emulator: BedrockEmulator
    s3: Any
    config_bucket: str
    data_bucket: str
    sources_url: str

    def put_config(self, key: str, text: str) -> None:
        """Write a file of the configuration bucket."""
        self.s3.put_object(Bucket=self.config_bucket, Key=key, Body=text.encode())

    def config(self, key: str) -> str:
        """A file of the configuration bucket."""
        text: str = self.s3.get_object(Bucket=self.config_bucket, Key=key)["Body"].read().decode()
        return text

    def stored(self) -> list[str]:
        """The keys in the data bucket that readers use; the state that runs share is left out."""
        return [key for key in self.keys("") if not _OURS.match(key)]

    def keys(self, prefix: str) -> list[str]:
        """All keys in the data bucket with that prefix."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.data_bucket, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def load(self, key: str) -> Any:  # noqa: ANN401 - whatever JSON is there
        """An object of the data bucket, parsed."""
        return json.loads(self.read(key))

    def read(self, key: str) -> bytes:
        """The bytes of an object of the data bucket."""
        body: bytes = self.s3.get_object(Bucket=self.data_bucket, Key=key)["Body"].read()
        return body

    def items(self) -> list[dict[str, Any]]:
        """The day's normalised items."""
        (key,) = [key for key in self.stored() if key.endswith("/items.json")]
        items: list[dict[str, Any]] = self.load(key)
        return items

    def report(self, request_id: str) -> dict[str, Any]:
        """The report of a run."""
        (key,) = [key for key in self.stored() if key.endswith(f"/run-{request_id}.json")]
        report: dict[str, Any] = self.load(key)
        return report


@contextlib.contextmanager
def deployed(aws_url: str, emulator: BedrockEmulator, sources: Path = EXAMPLE / "sources") -> Generator[Deployment]:
    """The example, deployed: its configuration in a bucket, its sources on loopback."""
    number = next(_numbers)
    today = dt.datetime.now(dt.UTC).date()  # noqa: TID251 - the handler reads the same clock
    with s3_client(aws_url) as s3, SourceServer(sources, today) as server:
        deployment = Deployment(
            environ={
                "AWS_REGION": REGION,
                "AWS_ENDPOINT_URL_S3": aws_url,
                "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": emulator.endpoint_url,
                "CONFIG_BUCKET": f"config-{number}",
                "DATA_BUCKET": f"data-{number}",
                "ALLOW_PRIVATE_SOURCES": "true",
                # Throttles that a test injects say nothing about a quota: a pacer would wait for one. The default,
                # auto, has tests of its own.
                "BEDROCK_PACING": "none",
            },
            emulator=emulator,
            s3=s3,
            config_bucket=make_bucket(s3, f"config-{number}"),
            data_bucket=make_bucket(s3, f"data-{number}"),
            sources_url=server.base_url,
        )
        for file in (EXAMPLE / "config").rglob("*.yaml"):
            text = file.read_text("utf-8")
            key = file.relative_to(EXAMPLE / "config").as_posix()
            # https://depot-dispatch.example/feed.xml is a file of that name on the server.
            deployment.put_config(key, text.replace("https://", f"{server.base_url}/") if key == CATALOG else text)
        yield deployment


@contextlib.contextmanager
def function_process(deployment: Deployment) -> Generator[None]:
    """This process as one of the function: with its environment, and not invoked yet."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name in [name for name in os.environ if name.startswith("BEDROCK_")]:
            monkeypatch.delenv(name)
        for name, value in deployment.environ.items():
            monkeypatch.setenv(name, value)
        with warm_process():
            yield


@contextlib.contextmanager
def warm_process() -> Generator[None]:
    """A process of the function that has not been invoked yet; what it opens and changes is undone in the end."""
    wiring.aws_dependencies.cache_clear()
    with restored_loggers():
        try:
            yield
        finally:
            if wiring.aws_dependencies.cache_info().currsize:
                dependencies = wiring.aws_dependencies(Settings.from_env(os.environ))
                dependencies.bedrock.close()
                cast("Any", dependencies.data)._client.close()
                for queue in (dependencies.queue, dependencies.dead_letters):
                    if queue is not None:
                        cast("Any", queue)._client.close()
            wiring.aws_dependencies.cache_clear()
