"""An item has one stored response, and one run at a time requests it, whatever the others do."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path  # noqa: TC003 - pytest reads the annotations
from typing import TYPE_CHECKING, Any

import pytest

from bedrock_resilience.retrying._deadline import Deadline
from support.answering import answer as an_answer
from support.memory_store import NoDeleteStore
from support.ticking import Ticking
from vectora_normalize.normalize.response_cache import CachedResponse, ItemClaim, ResponseCache, look_up, request_key
from vectora_normalize.storage.expiry import LeaseRecord, RunClock
from vectora_normalize.storage.objects import (
    BucketMissingError,
    FolderStore,
    NotFoundError,
    Stored,
    StoreError,
    TransientStoreError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from vectora_normalize.storage.objects import ObjectStore

NOW = dt.datetime(2026, 11, 21, 6, 30, tzinfo=dt.UTC)
KEY = "k" * 64
OBJECT_KEY = f"normalized/small/items/{KEY}.json"
ATTEMPT = 100.0
CLAIM_SECONDS = 1.25 * ATTEMPT + 2 * FolderStore.clock_skew


def answer(summary: str = "It happened.", **fields: Any) -> CachedResponse:  # noqa: ANN401 - the fields of an answer
    return an_answer(summary, NOW, **fields)


class Runs:
    """Runs that share a folder and a clock."""

    def __init__(self, root: Path) -> None:
        self.clock = Ticking()
        self.run_clock = RunClock(NOW, self.clock)
        self.store = FolderStore(root)

    def run(
        self, name: str = "one", store: ObjectStore | None = None, until: dt.datetime | None = None
    ) -> ResponseCache:
        return ResponseCache(
            store or self.store, "small", run_id=name, run_clock=self.run_clock, attempt_seconds=ATTEMPT, until=until
        )

    def stored(self) -> Any:  # noqa: ANN401 - whatever JSON is there
        return json.loads(self.store.get(OBJECT_KEY))


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


def claimed(cache: ResponseCache) -> ItemClaim:
    claim = cache.claim(KEY)
    assert isinstance(claim, ItemClaim)
    return claim


def test_a_key_depends_on_the_whole_request_and_nothing_else() -> None:
    request: dict[str, Any] = {"modelId": "m", "messages": [{"role": "user", "content": [{"text": "é"}]}]}
    assert request_key(request) == request_key({"messages": request["messages"], "modelId": "m"})
    assert request_key(request) != request_key({**request, "modelId": "n"})
    assert request_key(request) != request_key({**request, "toolConfig": {}})
    assert len(request_key(request)) == 64


def test_at_first_there_is_no_entry(runs: Runs) -> None:
    assert runs.run().get(KEY) is None


def test_a_claim_is_exclusive_and_visible_to_other_runs(runs: Runs) -> None:
    one, two = runs.run("one"), runs.run("two")
    mine = claimed(one)
    assert two.claim(KEY) == two.get(KEY) == mine.lease
    assert mine.lease.expires_at == NOW + dt.timedelta(seconds=CLAIM_SECONDS)
    assert mine.lease.owner.startswith("one/")
    assert runs.stored() == {"claim": {"owner": mine.lease.owner, "expires_at": "2026-11-21T06:32:07Z"}}


def test_the_same_run_cannot_claim_an_item_twice(runs: Runs) -> None:
    one = runs.run()
    assert isinstance(one.claim(KEY), ItemClaim)
    assert isinstance(one.claim(KEY), LeaseRecord)


def test_a_response_replaces_the_claim(runs: Runs) -> None:
    one, two = runs.run("one"), runs.run("two")
    response = answer(run_id="one", url="https://x.example")
    assert one.save(claimed(one), response) == response
    assert two.get(KEY) == two.claim(KEY) == response
    assert runs.stored()["answer"]["run_id"] == "one"
    assert "claim" not in runs.stored()


def test_an_expired_claim_is_replaced(runs: Runs) -> None:
    one, two = runs.run("one"), runs.run("two")
    mine = claimed(one)
    runs.clock.sleep(CLAIM_SECONDS + FolderStore.clock_skew)
    assert isinstance(two.claim(KEY), LeaseRecord)
    runs.clock.sleep(0.001)
    assert two.get(KEY) is None
    theirs = claimed(two)
    assert one.renew(mine, ATTEMPT) is None
    assert two.renew(theirs, ATTEMPT) == theirs


def test_a_response_after_its_claim_was_replaced_is_stored(runs: Runs) -> None:
    one, two = runs.run("one"), runs.run("two")
    mine = claimed(one)
    runs.clock.sleep(2 * CLAIM_SECONDS)
    theirs = claimed(two)
    late = answer("late")
    assert one.save(mine, late) == late
    # The run that has replaced the claim finds that response, and uses it.
    assert two.save(theirs, answer("later still")) == late
    assert two.get(KEY) == late


def test_a_response_whose_claim_was_released_is_stored(runs: Runs) -> None:
    one = runs.run()
    mine = claimed(one)
    one.release(mine)
    assert one.save(mine, answer()) == answer()


def test_a_claim_that_lasts_long_enough_is_not_renewed(runs: Runs) -> None:
    one = runs.run()
    mine = claimed(one)
    runs.clock.sleep(CLAIM_SECONDS - ATTEMPT - FolderStore.clock_skew)
    assert one.renew(mine, ATTEMPT) is mine
    runs.clock.sleep(0.001)
    longer = one.renew(mine, ATTEMPT)
    assert longer is not None
    assert longer.lease.expires_at > mine.lease.expires_at
    assert runs.run("two").get(KEY) == longer.lease


class _SlowReplies(FolderStore):
    """Renews at once, and replies late, as often as told."""

    def __init__(self, root: Path, clock: Ticking, *seconds: float) -> None:
        super().__init__(root)
        self.clock = clock
        self.seconds = list(seconds)
        self.meanwhile: Callable[[], object] = int

    def put_if_unchanged(self, key: str, body: bytes, version: str) -> str | None:
        written = super().put_if_unchanged(key, body, version)
        if self.seconds:
            self.clock.sleep(self.seconds.pop(0))
            self.meanwhile()
        return written


def test_a_renewal_whose_reply_outlives_the_renewed_claim_is_none(runs: Runs) -> None:
    store = _SlowReplies(runs.store.root, runs.clock, CLAIM_SECONDS + FolderStore.clock_skew + 0.1)
    one, two = runs.run("one", store), runs.run("two")
    mine = claimed(one)
    runs.clock.sleep(60)
    store.meanwhile = lambda: two.save(claimed(two), answer("by two"))  # it may: the claim has expired
    assert one.renew(mine, ATTEMPT) is None
    assert one.get(KEY) == answer("by two")


def test_a_renewal_whose_reply_leaves_too_little_time_is_repeated(runs: Runs) -> None:
    one = runs.run("one", _SlowReplies(runs.store.root, runs.clock, CLAIM_SECONDS - ATTEMPT, CLAIM_SECONDS))
    mine = claimed(one)
    runs.clock.sleep(60)
    renewed = one.renew(mine, ATTEMPT)
    assert renewed is not None
    assert renewed.lease == LeaseRecord(mine.lease.owner, runs.run_clock.after(CLAIM_SECONDS))
    assert runs.run("two").get(KEY) == renewed.lease


def test_a_claim_whose_renewals_are_all_late_is_an_error(runs: Runs) -> None:
    one = runs.run("one", _SlowReplies(runs.store.root, runs.clock, *[CLAIM_SECONDS] * 9))
    mine = claimed(one)
    runs.clock.sleep(60)
    with pytest.raises(StoreError, match=f"{OBJECT_KEY}: cannot be renewed: the replies of the store come too late"):
        one.renew(mine, ATTEMPT)
    one.release(mine)  # whichever of its versions is stored
    assert runs.run("two").get(KEY) is None


def test_a_claim_is_renewed_although_the_reply_to_its_last_renewal_was_lost(runs: Runs) -> None:
    one = runs.run()
    mine = claimed(one)
    runs.clock.sleep(60)
    assert one.renew(mine, ATTEMPT) is not None
    runs.clock.sleep(1)
    assert one.renew(mine, ATTEMPT) is not None


def test_a_released_claim_that_may_not_be_removed_has_expired(runs: Runs) -> None:
    store = NoDeleteStore()
    one, two = runs.run("one", store), runs.run("two", store)
    one.release(claimed(one))
    assert two.get(KEY) is None
    assert isinstance(two.claim(KEY), ItemClaim)


def test_a_claim_is_not_valid_after_its_process_was_to_be_killed(runs: Runs) -> None:
    one = runs.run(until=NOW + dt.timedelta(seconds=60))
    mine = claimed(one)
    runs.clock.sleep(60)
    assert one.renew(mine, ATTEMPT) is mine
    runs.clock.sleep(0.001)
    assert one.renew(mine, ATTEMPT) is None


def test_a_claim_expires_when_its_process_is_killed(runs: Runs) -> None:
    killed = NOW + dt.timedelta(seconds=60)
    one = runs.run(until=killed)
    mine = claimed(one)
    assert mine.lease.expires_at == killed
    runs.clock.sleep(50)
    assert one.renew(mine, ATTEMPT) is mine  # it cannot last longer


def test_a_released_item_can_be_claimed(runs: Runs) -> None:
    one, two = runs.run("one"), runs.run("two")
    one.release(claimed(one))
    assert not runs.store.exists(OBJECT_KEY)
    assert isinstance(two.claim(KEY), ItemClaim)


def test_a_claim_of_another_run_is_not_released(runs: Runs) -> None:
    one, two = runs.run("one"), runs.run("two")
    mine = claimed(one)
    runs.clock.sleep(2 * CLAIM_SECONDS)
    theirs = claimed(two)
    one.release(mine)
    assert runs.run("three").get(KEY) == theirs.lease


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"answer": {"extraction": {}}}', b"{}", b'{"claim": 7}'])
def test_an_unreadable_object_is_replaced(runs: Runs, body: bytes) -> None:
    runs.store.put(OBJECT_KEY, body)
    one = runs.run()
    assert one.get(KEY) is None
    assert one.save(claimed(one), answer()) == answer()


def test_a_response_without_a_claim_does_not_replace_a_stored_one(runs: Runs) -> None:
    one = runs.run()
    assert one.put(KEY, answer("first")) == answer("first")
    assert one.put(KEY, answer("second")) == answer("first")


def test_a_response_without_a_claim_replaces_any_claim(runs: Runs) -> None:
    one, two = runs.run("one"), runs.run("two")
    theirs = claimed(two)
    assert one.put(KEY, answer()) == answer()
    assert two.save(theirs, answer("other")) == answer()


class _LosesAnswer(FolderStore):
    """Writes and returns None, as S3 does to a client that repeats a put whose first response was lost."""

    def put_if_absent(self, key: str, body: bytes) -> str | None:
        super().put_if_absent(key, body)
        return None


def test_a_put_whose_response_was_lost_counts(runs: Runs) -> None:
    cache = runs.run("one", _LosesAnswer(runs.store.root))
    mine = claimed(cache)
    assert cache.save(mine, answer()) == answer()


class _RemovedMeanwhile(FolderStore):
    """The object is removed between two reads, twice."""

    left = 2

    def read(self, key: str) -> Stored:
        if self.left:
            self.left -= 1
            (self.root / key).unlink(missing_ok=True)
            raise NotFoundError(key)
        return super().read(key)


def test_an_object_removed_meanwhile_is_tried_again(runs: Runs) -> None:
    runs.store.put(OBJECT_KEY, b'{"claim": {"owner": "x", "expires_at": "2026-11-21T06:31:00Z"}}')
    assert isinstance(runs.run("one", _RemovedMeanwhile(runs.store.root)).claim(KEY), ItemClaim)
    assert runs.run("one", _RemovedMeanwhile(runs.store.root)).put(KEY, answer()) == answer()


class _LosesEveryWrite(FolderStore):
    """Another run always writes between a read and the write that follows it."""

    def put_if_absent(self, key: str, body: bytes) -> str | None:
        return None

    def put_if_unchanged(self, key: str, body: bytes, version: str) -> str | None:
        return None


def test_a_writer_that_always_loses_raises(runs: Runs) -> None:
    runs.store.put(OBJECT_KEY, b"{}")
    cache = runs.run("one", _LosesEveryWrite(runs.store.root))
    with pytest.raises(StoreError, match="cannot be written: others kept writing it"):
        cache.claim(KEY)
    with pytest.raises(StoreError, match="cannot be written: others kept writing it"):
        cache.put(KEY, answer())


def test_many_responses_are_looked_up_in_the_order_of_their_keys(runs: Runs) -> None:
    one = runs.run()
    one.put("a", answer("a"))
    one.put("c", answer("c"))
    assert isinstance(one.claim("d"), ItemClaim)
    found = look_up(one, ["a", "b", "c", "d"], clock=runs.clock)
    assert [one and one.extraction.summary for one in found] == ["a", None, "c", None]
    assert look_up(one, [], clock=runs.clock) == []


def test_after_the_deadline_nothing_is_looked_up(runs: Runs) -> None:
    one = runs.run()
    one.put("a", answer("a"))
    assert look_up(one, ["a"], clock=runs.clock, deadline=Deadline(runs.clock.now - 1)) == [None]


class _Unreadable(FolderStore):
    def get(self, key: str) -> bytes:
        raise StoreError(f"{key}: cannot be read: AccessDenied")


def test_an_unreadable_store_is_an_error(runs: Runs) -> None:
    with pytest.raises(StoreError, match="AccessDenied"):
        look_up(runs.run("one", _Unreadable(runs.store.root)), ["a", "b"], clock=runs.clock)


class _FlakyStore(FolderStore):
    """One object cannot be read."""

    error: Exception = StoreError("a: cannot be read: InternalError")

    def get(self, key: str) -> bytes:
        if key.endswith("/a.json"):
            raise self.error
        return super().get(key)


def test_a_look_up_that_fails_stands_for_no_response(runs: Runs) -> None:
    runs.run().put("b", answer("b"))
    flaky = runs.run("one", _FlakyStore(runs.store.root))
    assert look_up(flaky, ["a", "b"], clock=runs.clock) == [None, answer("b")]
    assert look_up(flaky, ["a"], clock=runs.clock) == [None]


@pytest.mark.parametrize("error", [BucketMissingError("no such bucket"), RuntimeError("a bug")])
def test_a_missing_bucket_and_a_bug_are_no_such_failure(runs: Runs, error: Exception) -> None:
    store = _FlakyStore(runs.store.root)
    store.error = error
    with pytest.raises(type(error)):
        look_up(runs.run("one", store), ["a", "b"], clock=runs.clock)


class _BusyStore(FolderStore):
    def get(self, key: str) -> bytes:
        raise TransientStoreError(f"{key}: cannot be read: SlowDown")


def test_a_store_that_is_busy_is_no_reason_to_end_a_run(runs: Runs) -> None:
    assert look_up(runs.run("one", _BusyStore(runs.store.root)), ["a", "b"], clock=runs.clock) == [None, None]
