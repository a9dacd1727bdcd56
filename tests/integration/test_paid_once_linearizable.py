"""What concurrent runs have seen and paid, on moto's S3, is what some order of their steps would give."""

from __future__ import annotations

import datetime as dt
import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from bedrock_resilience import RetryPolicy
from bedrock_resilience.clock import SYSTEM_CLOCK
from support.answering import FunctionClient, client_error, extraction, tool_answer
from support.items import raw_item
from support.linearizability import History, Linearizability, Operation
from support.memory_store import MemoryStore
from support.s3 import make_bucket, s3_client
from vectora_normalize.normalize.batch import normalize_items_batch
from vectora_normalize.normalize.extraction import watchlists_of
from vectora_normalize.normalize.normalizer import Normalizer
from vectora_normalize.normalize.response_cache import CachedResponse, ItemClaim, ResponseCache
from vectora_normalize.storage.expiry import LeaseRecord, RunClock
from vectora_normalize.storage.objects import S3Store

if TYPE_CHECKING:
    from vectora_normalize.items import RawItem
    from vectora_normalize.storage.objects import ObjectStore

NOW = dt.datetime(2026, 11, 28, 6, 30, tzinfo=dt.UTC)
ITEMS = [raw_item(f"Camurus reports on item number {number}.", number=number) for number in range(4)]
RUNS = ("one", "two", "three")

State = tuple[str, str]
NOTHING: State = ("nothing", "")


def shown(found: CachedResponse | LeaseRecord | ItemClaim | None) -> State:
    """What an operation returned, as a state: nothing, a claim with its owner, or an answer with its run."""
    if found is None:
        return NOTHING
    if isinstance(found, CachedResponse):
        return ("answer", found.run_id)
    return ("claimed", found.lease.owner) if isinstance(found, ItemClaim) else ("claim", found.owner)


def step(state: State, done: Operation) -> tuple[State] | None:  # noqa: PLR0911 - a table of the operations
    """The object of an item, as docs/explanation/paid-once.md describes it; no claim expires in this test."""
    match done.name:
        case "get":
            return (state,) if done.result == state else None
        case "claim":
            if done.result[0] == "claimed":
                return (("claim", done.result[1]),) if state == NOTHING else None
            return (state,) if done.result == state and state != NOTHING else None
        case "renew":
            held = state == ("claim", done.argument)
            return (state,) if held == (done.result != NOTHING) else None
        case "pay":  # only who has the claim may send a request
            return (state,) if state[0] == "claim" and state[1].startswith(f"{done.process}/") else None
        case "save":
            if state[0] == "answer":
                return (state,) if done.result == state else None
            return (("answer", done.process),) if done.result == ("answer", done.process) else None
        case _:  # release
            return (NOTHING,) if state == ("claim", done.argument) else (state,)


CHECK = Linearizability(NOTHING, step)


class RecordingCache(ResponseCache):
    """Records what a run does."""

    def __init__(self, store: ObjectStore, run: str, history: History) -> None:
        super().__init__(store, "c", run_id=run, run_clock=RunClock(NOW, SYSTEM_CLOCK), attempt_seconds=600.0)
        self._run = run
        self._history = history

    def get(self, key: str) -> CachedResponse | LeaseRecord | None:
        return self._history.record(key, self._run, "get", None, lambda: super(RecordingCache, self).get(key), shown)

    def claim(self, key: str) -> CachedResponse | LeaseRecord | ItemClaim:
        claim = super().claim
        return self._history.record(key, self._run, "claim", None, lambda: claim(key), shown)

    def renew(self, claim: ItemClaim, seconds: float) -> ItemClaim | None:
        renew = super().renew
        owner = claim.lease.owner
        return self._history.record(claim.key, self._run, "renew", owner, lambda: renew(claim, seconds), shown)

    def save(self, claim: ItemClaim, response: CachedResponse) -> CachedResponse:
        save = super().save
        return self._history.record(claim.key, self._run, "save", None, lambda: save(claim, response), shown)

    def release(self, claim: ItemClaim) -> None:
        release = super().release
        return self._history.record(claim.key, self._run, "release", claim.lease.owner, lambda: release(claim))


def normalize(run: str, store: ObjectStore, history: History) -> list[RawItem]:
    """Normalise all items as a run; every fourth request of a run is refused for good."""
    numbers = itertools.count(1)
    by_text: dict[str, str] = {}

    def answer(text: str) -> dict[str, Any]:
        history.record(by_text[text], run, "pay", None, lambda: SYSTEM_CLOCK.sleep(0.005))
        if next(numbers) % 4 == 0:
            raise client_error("ValidationException")
        return tool_answer(extraction(companies=["Camurus"]))

    normalizer = Normalizer(
        client=FunctionClient(answer),
        model_id="model",
        watchlists=watchlists_of({"companies": ("Camurus",)}),
        ingested_at=NOW,
        run_id=run,
        read_timeout=600.0,
    )
    for item in ITEMS:
        prepared = normalizer.prepare(item)
        by_text[prepared.request["messages"][0]["content"][0]["text"]] = prepared.key
    cache = RecordingCache(store, run, history)
    report = normalize_items_batch(ITEMS, normalizer, cache=cache, max_workers=2, policy=RetryPolicy(max_retries=0))
    return [outcome.item for outcome in report.outcomes if outcome.status == "succeeded"]


def run_all(stores: list[ObjectStore]) -> History:
    history = History()
    with ThreadPoolExecutor(len(RUNS)) as pool:
        each = [pool.submit(normalize, run, store, history) for run, store in zip(RUNS, stores, strict=True)]
        for one in each:
            one.result()
    return history


def paid(history: History) -> int:
    return sum(one.name == "pay" for operations in history.operations.values() for one in operations)


def test_the_history_of_concurrent_runs_is_linearizable(aws_url: str) -> None:
    with s3_client(aws_url) as client:
        bucket = make_bucket(client, "linearizable")
        history = run_all([S3Store(client, bucket) for _ in RUNS])
    assert len(history.operations) == len(ITEMS)
    for key, operations in history.operations.items():
        assert CHECK.order(operations) is not None, (key, operations)
    assert paid(history) >= len(ITEMS)


class _Unconditional(MemoryStore):
    """A store that ignores conditions."""

    def put_if_absent(self, key: str, body: bytes) -> str | None:
        self.put(key, body)
        return self.read(key).version

    def put_if_unchanged(self, key: str, body: bytes, version: str) -> str | None:
        self.put(key, body)
        return self.read(key).version


def test_a_store_without_conditions_is_noticed() -> None:
    store = _Unconditional()
    history = History()
    caches = [RecordingCache(store, run, history) for run in RUNS]
    for cache in caches:
        cache.claim("k")
    assert CHECK.order(history.operations["k"]) is None


def operation(began: int, ended: int, process: str, name: str, result: State, argument: object = None) -> Operation:
    return Operation(began, ended, process, name, argument, result)


CLAIMED = operation(0, 3, "one", "claim", ("claimed", "one/1"))
PAID = operation(4, 5, "one", "pay", NOTHING)
SAVED = operation(6, 9, "one", "save", ("answer", "one"))


@pytest.mark.parametrize(
    ("others", "linearizable"),
    [
        ([operation(1, 2, "two", "get", NOTHING)], True),
        ([operation(1, 2, "two", "get", ("claim", "one/1"))], True),
        ([operation(4, 5, "two", "get", NOTHING)], False),  # the claim was stored before
        ([operation(7, 8, "two", "get", ("answer", "one")), operation(10, 11, "two", "get", ("answer", "one"))], True),
        ([operation(7, 8, "two", "get", ("answer", "one")), operation(10, 11, "two", "get", NOTHING)], False),
        ([operation(4, 5, "two", "pay", NOTHING)], False),  # without a claim
        ([operation(10, 11, "one", "pay", NOTHING)], False),  # once the answer is stored
        ([operation(10, 11, "two", "save", ("answer", "two"))], False),  # stored twice
        ([operation(10, 11, "two", "save", ("answer", "one"))], True),
        ([operation(1, 5, "two", "claim", ("claimed", "two/1"))], False),  # both have it
    ],
)
def test_a_history_is_linearizable_or_not(others: list[Operation], *, linearizable: bool) -> None:
    order = CHECK.order([SAVED, PAID, CLAIMED, *others])
    assert (order is not None) is linearizable
    assert order is None or len(order) == 3 + len(others)
