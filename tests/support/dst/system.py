"""The whole system: runs, a dispatcher and its workers, over models of S3, SQS and Bedrock.

All of it is the real code: ``run``, ``SqsBatchProcessor``, the executor, the claim queue and the background writer,
with the threads that they start. Only what they are handed is simulated: the clock with its threads, the store, the
queue, the client of Bedrock, and the sources.
"""

from __future__ import annotations

import datetime as dt
import random
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from bedrock_resilience import Deadline, RetryPolicy
from support.clients import CONFIG
from support.dst.bedrock import ModelBedrock, Payments
from support.dst.queue import MAX_RECEIVES, ModelQueue
from support.dst.scheduler import Process, Scheduler, ViolationError, Weights
from support.dst.store import START, ModelS3, wall_time
from support.memory_store import MemoryStore
from vectora_normalize.contract import RunRequest
from vectora_normalize.pipeline import Dependencies, Invocation, run
from vectora_normalize.pipeline.sqs_batch import ClientConfigCache, QueuedMessage, SqsBatchProcessor
from vectora_normalize.settings import Mode, Settings
from vectora_normalize.sources.http.fetch import FetchResult
from vectora_normalize.sqs import SqsQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from support.dst.queue import Message
    from support.dst.scheduler import Choices
    from vectora_normalize.pipeline import RunSummary
    from vectora_normalize.pipeline.sqs_batch import SqsBatchResult
    from vectora_normalize.sources.errors import FetchError

ATTEMPT_SECONDS: Final = 10.0
CLAIM_SECONDS: Final = 22.5
LIFE_SECONDS: Final = (None, 90.0, 45.0)
_POLICY: Final = RetryPolicy(max_retries=2, base_delay=0.5)
_SKEWS: Final = (0.0, 2.5, -2.5)
_STARTS: Final = (0.0, 0.02, 3.0, 12.0, 30.0)
_LEASE_KEY: Final = "normalized/small/lease.json"
_FEW: Final = Weights(50, 25, 15, 10)
_MAPPING_SECONDS: Final = 400.0  # how long the event source mapping delivers messages at most


def _feed(items: int) -> bytes:
    """A feed of ``support.clients``' first source, in the format that is read fastest."""
    entries = [
        {
            "id": str(number),
            "url": f"https://one.example/{number}",
            "title": f"Teva grows {number}",
            "content_text": f"Teva grows for the {number}. time, and nothing more.",
            "date_published": "2026-11-27T09:00:00Z",
        }
        for number in range(items)
    ]
    return msgspec.json.encode({"version": "https://jsonfeed.org/version/1.1", "title": "t", "items": entries})


_FEEDS: Final = {items: _feed(items) for items in range(3)}
_CATALOG: Final = """
sources: [{source_key: one, source_type: press, rss_url: "https://one.example/feed", max_content_length: 500}]
bouquets: [{bouquet_id: all, source_keys: [one]}]
"""


class _Config(MemoryStore):
    """The bucket with the configuration; nothing goes wrong there."""

    def __init__(self) -> None:
        super().__init__()
        for key, text in CONFIG.items():
            self.put(key, (_CATALOG if key.endswith("source_catalog.yaml") else text).encode())


_CONFIG: Final = _Config()


class _Sources:
    """A ``Fetcher`` without a network."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def fetch_all(
        self,
        urls: Sequence[str],
        parse: Callable[[int, FetchResult | FetchError], Any],
        *,
        until: float | None = None,
    ) -> list[Any]:
        """The same document for all."""
        del until
        return [
            parse(index, FetchResult(url=url, status=200, body=self._body, content_type="application/feed+json"))
            for index, url in enumerate(urls)
        ]


def _item_of(body: str) -> str:
    content_hash: str = msgspec.json.decode(body)["item"]["content_hash"]
    return content_hash


def simulate_system(choices: Choices, *, on_start: Callable[[Scheduler], object] | None = None) -> Scheduler:
    """Run one schedule.

    Args:
        choices: What decides about all that may happen.
        on_start: Called with the scheduler before it runs; it then records its steps.

    Raises:
        ViolationError: An invariant does not hold.
    """
    scheduler = Scheduler(choices, changes=choices.pick(_FEW), kills=choices.pick(_FEW), within=400)
    if on_start is not None:
        scheduler.tracing = True
        on_start(scheduler)
    world = _World(scheduler, choices)
    try:
        world.play()
    finally:
        scheduler.close()
    return scheduler


class _World:
    def __init__(self, scheduler: Scheduler, choices: Choices) -> None:
        self.scheduler = scheduler
        self.choices = choices
        self.s3 = ModelS3(scheduler, choices, max_claim_seconds=CLAIM_SECONDS)
        self.payments = Payments(scheduler, self.s3)
        self.queue = ModelQueue(scheduler, choices)
        self.dead_letters = ModelQueue(scheduler, choices)
        self.items = 1 + choices.below(2)
        self.workers = 1 + choices.below(2)
        self.rng = random.Random(choices.below(1 << 20))
        self.summaries: list[tuple[Process, RunSummary]] = []
        self.results: list[tuple[Process, SqsBatchResult]] = []
        self.invocations = 0

    def play(self) -> None:
        """Some runs at about the same time, faults and all; then one more without any."""
        choices, scheduler = self.choices, self.scheduler
        queued = choices.below(3) == 2
        runs = 1 + choices.below(2 if queued else 3)
        for number in range(runs):
            self._start_run(f"run{number}", _STARTS[choices.below(len(_STARTS))], queued=queued, items=self.items)
        if queued:
            scheduler.spawn(scheduler.network, "event source mapping", self._map_events)
        scheduler.run()
        self._check_reports()
        self.s3.calm_down()
        scheduler.calm = True
        peaceful = all(process.ended and not process.faults for process in scheduler.processes[1:])
        if peaceful and any(self.s3.is_held_by(process, _LEASE_KEY) for process in scheduler.processes):
            raise ViolationError("the lease of a run that has ended stands")
        # A run that was killed has its backlog until its process would have ended.
        before = scheduler.now + (0.0 if peaceful else 100.0)
        # What a run has begun, the next one finishes, even where the sources have it no more.
        gone = not queued and choices.below(2) == 1
        self._start_run("last", before, queued=False, items=0 if gone else self.items)
        scheduler.run()
        self._check_reports()
        self._check_end(scheduler.now - before, len(self.s3.begun) if gone else self.items, peaceful=peaceful)

    def _process(self, name: str, at: float, *, lives: float | None) -> tuple[Process, Callable[[], Invocation]]:
        """A process, and what makes its invocation once it runs."""
        scheduler = self.scheduler
        process = Process(scheduler, name, 0.0 if scheduler.calm else _SKEWS[self.choices.below(len(_SKEWS))])
        if lives is not None:
            process.killed_at = START + dt.timedelta(seconds=at + lives + process.skew)
            scheduler.spawn(scheduler.network, f"end of {name}", process.kill, at + lives)

        def invocation() -> Invocation:
            deadline = None if lives is None else Deadline(at + lives - 10.0, attempt=ATTEMPT_SECONDS)
            return Invocation(now=wall_time(process), request_id=name, deadline=deadline, killed_at=process.killed_at)

        return process, invocation

    def _dependencies(self, process: Process, *, queued: bool, items: int = 0) -> Dependencies:
        clock = process.clock
        return Dependencies(
            settings=Settings(
                config_bucket="c",
                data_bucket="d",
                policy=_POLICY,
                max_workers=self.workers,
                read_timeout=ATTEMPT_SECONDS,
                mode=Mode.QUEUE if queued else Mode.DIRECT,
                queue_url="https://sqs.example/q" if queued else None,
                max_receives=MAX_RECEIVES,
            ),
            config=_CONFIG,
            data=self.s3.view(process),
            fetcher=cast("Any", _Sources(_FEEDS[items])),
            bedrock=ModelBedrock(self.payments, process, self.choices, ATTEMPT_SECONDS),
            queue=SqsQueue(self.queue.client(), "q", clock) if queued else None,
            dead_letters=SqsQueue(self.dead_letters.client(), "dead", clock),
            clock=clock,
            rng=self.rng,
        )

    def _start_run(self, name: str, at: float, *, queued: bool, items: int) -> None:
        lives = None if self.scheduler.calm else LIFE_SECONDS[self.choices.below(len(LIFE_SECONDS))]
        process, invocation = self._process(name, at, lives=lives)

        def main() -> None:
            dependencies = self._dependencies(process, queued=queued, items=items)
            summary = run(RunRequest(client_id="small"), dependencies, invocation())
            self.summaries.append((process, summary))
            self._check_stored(process)

        process.start(main, at)

    def _map_events(self) -> None:
        """Deliver the messages of the queue to workers, as Lambda does, until the queue is empty."""
        scheduler = self.scheduler
        while scheduler.now < _MAPPING_SECONDS:
            dispatching = any(not (one.ended or one.dead) for one in scheduler.processes[1:])
            messages = self.queue.receive(1 + self.choices.below(2))
            if messages:
                self._start_worker(messages)
            elif not self.queue.messages and not dispatching:
                return
            scheduler.sleep(1.0)

    def _start_worker(self, messages: list[Message]) -> None:
        self.invocations += 1
        process, invocation = self._process(f"worker{self.invocations}", self.scheduler.now, lives=50.0)

        def main() -> None:
            queued = [
                QueuedMessage(message_id=str(one.number), body=one.body, receives=one.receives) for one in messages
            ]
            processor = SqsBatchProcessor(self._dependencies(process, queued=False), invocation(), ClientConfigCache())
            result = processor.process(queued)
            self.results.append((process, result))
            self._check_stored(process)
            for message in messages:
                if str(message.number) in result.retried:
                    self.queue.show_again(message)
                else:
                    self._check_done(process, message)
                    self.queue.delete(message)

        process.start(main, self.scheduler.now)

    # What must hold

    def _check_reports(self) -> None:
        """Each report balances, and has the number of requests that were really sent."""
        for process, summary in self.summaries:
            report = summary.report
            work, bedrock = report["work"], report["bedrock"]
            by_origin = work["invoked"] + work["reused"] + work["joined"]
            if by_origin != summary.items_normalized:
                raise ViolationError(f"{process.name}: {work} is not {summary.items_normalized} items")
            self._check_batch(process, bedrock, summary.items_ingested)
        for process, result in self.results:
            self._check_batch(process, result.batch.to_dict(), result.batch.submitted)
        self.summaries.clear()
        self.results.clear()

    def _check_stored(self, process: Process) -> None:
        """When a run or a worker ends, what it has paid for is stored, unless a request of it failed."""
        unstored = self.payments.answered.get(process, set()) - self.s3.answered.keys()
        if unstored and not process.faults:
            self.scheduler.fail(f"{process.name} has ended before its responses are stored: {sorted(unstored)}")

    def _check_done(self, process: Process, message: Message) -> None:
        """The item of a message that is not delivered again is in a list, or staged, or dead-lettered."""
        done = self.s3.listed(staged=True)
        done |= {_item_of(one.body) for one in self.dead_letters.messages}
        if _item_of(message.body) not in done:
            self.scheduler.fail(f"{process.name} is done with message {message.number}, whose item is lost")

    def _check_batch(self, process: Process, numbers: dict[str, Any], items: int) -> None:
        ended = numbers["succeeded"] + numbers["failed"] + numbers["unstarted"]
        if ended != items:
            raise ViolationError(f"{process.name}: {ended} items have ended of {items}")
        sent = self.payments.sent.get(process, 0)
        unsent = self.payments.unsent.get(process, 0)
        if numbers["attempts"] != sent + unsent:
            raise ViolationError(f"{process.name}: reports {numbers['attempts']} attempts, and has sent {sent}")

    def _check_end(self, seconds: float, items: int, *, peaceful: bool) -> None:
        """After a run without faults all items are in the list, each once, and nothing is left open."""
        last = self.scheduler.processes[-1]
        if last.error is not None:
            raise ViolationError(f"a run without faults fails: {last.error!r}") from last.error
        lists = {key: body for key, body in self.s3.objects.items() if key.endswith("items.json")}
        rows: list[str] = [row["content_hash"] for one in lists.values() for row in msgspec.json.decode(one.body)]
        if len(rows) != len(set(rows)):
            raise ViolationError("an item is stored twice")
        if len(rows) != items:
            raise ViolationError(f"an item is lost: {len(rows)} of {items} are in {sorted(lists)}")
        open_keys = [key for key in self.s3.objects if "/outstanding/" in key or "/parts/" in key]
        if open_keys and self.s3.removes:
            raise ViolationError(f"left open: {open_keys}")
        limit = CLAIM_SECONDS + 60.0
        if seconds > (20.0 if peaceful else limit):
            raise ViolationError(f"a run without faults takes {seconds:.0f} s, after runs that have ended")
