"""Runs that are killed at random moments, each followed by a second one: nothing lost, nothing paid for twice.

    python benchmarks/normalize/kills.py --moments 50

Each moment begins with an empty data folder. A run of the example works on it in a process of its own and is ended with
SIGKILL; the folder is checked; a second run goes to its end. Exits with 1 if an object is
incomplete, an item is missing at the end, or the emulator answered for an item whose response had been stored.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import multiprocessing
import random
import re
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bedrock_resilience.emulator import BedrockEmulator
from bedrock_resilience.retrying._policy import RetryPolicy
from vectora_normalize.contract import RunRequest
from vectora_normalize.items import NormalizedItem, hash_content
from vectora_normalize.local.bedrock import emulator_client
from vectora_normalize.local.fetching import LocalFetcher
from vectora_normalize.local.sources import SourceServer
from vectora_normalize.pipeline import Dependencies, Invocation, run
from vectora_normalize.settings import Settings
from vectora_normalize.storage.objects import FolderStore

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLE = Path(__file__).parents[2] / "examples" / "lai_weekly"
CLIENT = "lai_weekly"
WORKERS = 8
LATENCY = 0.05  # so that more than half of the moments lie where items are sent and stored
READ_TIMEOUT = 1.0  # seconds; a claim lasts a quarter longer, and that of a killed run must expire first
TAG = re.compile(rb"<item-([0-9a-f]{16})>")


class Folder(FolderStore):
    """Both runs read the same clock, so a claim that is over need not be doubted for long."""

    clock_skew = 0.2


def run_once(out: str, emulator_url: str) -> None:
    """One run of the example, in a process of its own."""
    now = dt.datetime.now(dt.UTC)
    settings = Settings(
        config_bucket="config",
        data_bucket="data",
        max_workers=WORKERS,
        read_timeout=READ_TIMEOUT,
        policy=RetryPolicy(retry_on="transient", base_delay=0.05),
    )
    with (
        SourceServer(EXAMPLE / "sources", now.date()) as sources,
        closing(emulator_client(emulator_url, workers=WORKERS, read_timeout=READ_TIMEOUT)) as bedrock,
    ):
        dependencies = Dependencies(
            settings=settings,
            config=FolderStore(EXAMPLE / "config"),
            data=Folder(out),
            fetcher=LocalFetcher(sources),
            bedrock=bedrock,
        )
        run(RunRequest(client_id=CLIENT), dependencies, Invocation(now=now, request_id="run"))


class Judge:
    """Looks at what is there, and writes down what is wrong."""

    def __init__(self, emulator: BedrockEmulator) -> None:
        self.emulator = emulator
        self.wrong: list[str] = []

    def moment(self, out: Path, seconds: float, processes: Any) -> str:
        """Kill a run after so many seconds, look, run again, look again; what happened, on one line."""
        self.emulator.reset()
        first = processes.Process(target=run_once, args=(str(out), self.emulator.endpoint_url))
        first.start()
        time.sleep(seconds)
        first.kill()
        first.join()
        stored = self.stored(out)
        paid = self.paid()
        began = time.monotonic()
        self.emulator.reset()
        second = processes.Process(target=run_once, args=(str(out), self.emulator.endpoint_url))
        second.start()
        second.join()
        took = time.monotonic() - began
        self.expect(second.exitcode == 0, f"the second run ended with {second.exitcode}")
        again = self.paid()
        listed = self.listed(out)
        twice = sorted(stored & again.keys())
        self.expect(not twice, f"sent {len(twice)} items again whose responses were stored: {twice[:3]}")
        self.expect(max(again.values(), default=0) <= 1, "the second run sent an item twice")
        self.expect(len(listed) >= 104, f"{len(listed)} items in the end")
        self.expect(listed == stored | again.keys(), "the list is not what was stored and what was sent since")
        left = [path.name for path in out.glob(f"normalized/{CLIENT}/outstanding/*.json")]
        self.expect(not left, f"still in the backlog: {left}")
        lost = sum(paid.values()) - len(stored)
        return (
            f"killed at {seconds:5.2f} s: {sum(paid.values()):3d} answered, {len(stored):3d} stored, "
            f"{lost} lost in flight; "
            f"then {sum(again.values()):3d} more in {took:4.1f} s: {len(listed)} items"
        )

    def stored(self, out: Path) -> set[str]:
        """The tags of the items whose answers are stored; every object that is visible is complete."""
        tags: dict[str, str] = {}
        for path in self.visible(out):
            try:
                value = json.loads(path.read_bytes())
            except ValueError as error:
                self.expect(False, f"{path.name} is incomplete: {error}")  # noqa: FBT003 - it failed
                continue
            if path.parent.name == "items":
                self.expect(len(value) == 1 and value.keys() <= {"claim", "answer"}, f"{path.name}: {value.keys()}")
            if path.name == "raw.json":
                tags |= {row["content_hash"]: tag_of(row) for row in value}
            if path.name == "items.json":
                for row in value:
                    NormalizedItem.from_dict(row)
        paths = out.glob(f"normalized/{CLIENT}/items/*.json")
        answers = (json.loads(path.read_bytes()).get("answer") for path in paths)
        return {tags[answer["content_hash"]] for answer in answers if answer}

    def listed(self, out: Path) -> set[str]:
        """The tags of the items of the day's list."""
        self.stored(out)
        (path,) = out.glob(f"normalized/{CLIENT}/*/*/*/items.json")
        return {tag_of(row) for row in json.loads(path.read_bytes())}

    def paid(self) -> Counter[str]:
        """Tag to the number of answers that the emulator gave."""
        found = (TAG.search(entry.body) for entry in self.emulator.log if entry.answered)
        return Counter(match[1].decode() for match in found if match)

    def expect(self, true: bool, otherwise: str) -> None:  # noqa: FBT001 - a condition
        """Write it down if it is not so."""
        if not true:
            self.wrong.append(otherwise)

    @staticmethod
    def visible(out: Path) -> Iterator[Path]:
        """The objects of the folder."""
        return (path for path in out.rglob("*") if path.is_file() and not path.name.startswith("."))


def tag_of(row: dict[str, Any]) -> str:
    """The tag that the item's text stands between in its request; see ``vectora_normalize.normalize.prompt``."""
    content, title = row["content"], row["title"]
    return hash_content(content if content.startswith(title) else f"{title}\n\n{content}")[:16]


def main() -> int:
    """Try so many moments."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--moments", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    processes: Any = multiprocessing.get_context("forkserver")  # imports once, forks for every run
    processes.set_forkserver_preload(["vectora_normalize.local.run", "botocore.session", "feedparser", "selectolax"])
    with BedrockEmulator(latency=LATENCY, log_size=10_000) as emulator, tempfile.TemporaryDirectory() as folder:
        judge = Judge(emulator)
        process = processes.Process(target=int)  # starts the server that forks the others
        process.start()
        process.join()
        began = time.monotonic()
        process = processes.Process(target=run_once, args=(f"{folder}/undisturbed", emulator.endpoint_url))
        process.start()
        process.join()
        span = time.monotonic() - began
        print(f"an undisturbed run takes {span:.1f} s and sends {emulator.requests} requests")
        for number in range(arguments.moments):
            line = judge.moment(Path(folder) / str(number), rng.uniform(0, span), processes)
            print(f"{number + 1:3d}  {line}", flush=True)
    for wrong in judge.wrong:
        print(f"BAD {wrong}")
    print("ok" if not judge.wrong else f"{len(judge.wrong)} wrong")
    return 1 if judge.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
