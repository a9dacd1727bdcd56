"""A batch uses stored responses, requests the others, and waits for those that other runs request."""

from __future__ import annotations

import _thread
import datetime as dt
import logging
from pathlib import Path  # noqa: TC003 - pytest reads the annotations
from typing import TYPE_CHECKING, Any

import pytest

from bedrock_resilience._fault import Fault
from bedrock_resilience.errors import BatchInterrupted
from bedrock_resilience.pacing import NoPacer, Reservation
from bedrock_resilience.quotas import TokenUsage
from bedrock_resilience.retrying._deadline import Deadline
from bedrock_resilience.retrying._policy import RetryPolicy
from support.answering import FunctionClient, client_error, extraction, tool_answer
from support.answering import answer as an_answer
from support.items import raw_item
from support.ticking import Ticking
from vectora_normalize.normalize.batch import normalize_items_batch
from vectora_normalize.normalize.deduplicated_batch import BUSY_ELSEWHERE
from vectora_normalize.normalize.extraction import item_id, watchlists_of
from vectora_normalize.normalize.normalizer import Normalizer
from vectora_normalize.normalize.response_cache import ItemClaim, ResponseCache
from vectora_normalize.storage.expiry import RunClock
from vectora_normalize.storage.objects import FolderStore, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bedrock_resilience.batch._progress import Progress
    from bedrock_resilience.batch._report import BatchReport
    from vectora_normalize.items import RawItem
    from vectora_normalize.normalize.normalizer import Normalized
    from vectora_normalize.storage.objects import ObjectStore

NOW = dt.datetime(2026, 11, 21, 6, 30, tzinfo=dt.UTC)
ITEMS = [raw_item(f"Camurus reports on item number {number}.", number=number) for number in range(5)]
ATTEMPT = 100.0
WITHOUT_DELAY = RetryPolicy(base_delay=0.0)


class Clock(Ticking):
    """Calls a function at each sleep: what other runs do meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: list[Callable[[], object]] = []

    def sleep(self, seconds: float, /) -> None:
        super().sleep(seconds)
        if self.meanwhile:
            self.meanwhile.pop(0)()


class SharedFolder:
    """A folder that several runs share, and a client that records its requests."""

    def __init__(self, root: Path) -> None:
        self.clock = Clock()
        self.run_clock = RunClock(NOW, self.clock)
        self.store: ObjectStore = FolderStore(root)
        self.requests: list[str] = []
        self.answer: Callable[[str], dict[str, Any]] = lambda _: tool_answer(extraction(companies=["Camurus"]))

    def cache(self, run: str = "ours") -> ResponseCache:
        return ResponseCache(self.store, "small", run_id=run, run_clock=self.run_clock, attempt_seconds=ATTEMPT)

    def normalizer(self) -> Normalizer:
        def answer(text: str) -> dict[str, Any]:
            self.requests.append(text)
            return self.answer(text)

        return Normalizer(
            client=FunctionClient(answer),
            model_id="model",
            watchlists=watchlists_of({"companies": ("Camurus",)}),
            ingested_at=NOW,
            read_timeout=ATTEMPT,
        )

    def key(self, item: RawItem) -> str:
        return self.normalizer().prepare(item).key

    def others_claim(self, item: RawItem) -> ItemClaim:
        claim = self.cache("theirs").claim(self.key(item))
        assert isinstance(claim, ItemClaim)
        return claim

    def others_answer(self, item: RawItem) -> None:
        self.cache("theirs").put(self.key(item), an_answer("theirs", NOW))

    def run(self, items: Sequence[RawItem] = ITEMS, **options: Any) -> BatchReport[RawItem, Normalized]:  # noqa: ANN401 - of normalize_items_batch
        given: dict[str, Any] = {"cache": self.cache(), "clock": self.clock, "policy": WITHOUT_DELAY, "max_workers": 1}
        given |= options
        return normalize_items_batch(items, self.normalizer(), **given)

    def claims(self) -> list[str]:
        return [key for key in self.store.list("") if b'"claim"' in self.store.get(key)]


@pytest.fixture
def shared(tmp_path: Path) -> SharedFolder:
    return SharedFolder(tmp_path)


def origins(report: BatchReport[RawItem, Normalized]) -> list[str]:
    return [value["origin"] for value in report.values]


def test_a_stored_response_is_not_requested_again(shared: SharedFolder) -> None:
    first = shared.run()
    assert origins(first) == ["bedrock"] * 5
    assert (first.attempts, len(shared.requests)) == (5, 5)
    second = shared.run()
    assert origins(second) == ["store"] * 5
    assert (second.attempts, len(shared.requests)) == (0, 5)
    assert [value["item"] for value in second.values] == [value["item"] for value in first.values]
    assert [outcome.item for outcome in second.outcomes] == ITEMS
    assert sum(value["usage"].get("inputTokens", 0) for value in second.values) == 0


def test_only_missing_responses_are_requested(shared: SharedFolder) -> None:
    shared.run([ITEMS[1], ITEMS[3]])
    report = shared.run()
    assert origins(report) == ["bedrock", "store", "bedrock", "store", "bedrock"]
    assert [outcome.index for outcome in report.outcomes] == [0, 1, 2, 3, 4]
    assert report.attempts == 3
    assert shared.claims() == []


def test_progress_covers_the_whole_batch(shared: SharedFolder) -> None:
    shared.run([ITEMS[1], ITEMS[3]])
    updates: list[Progress] = []
    shared.run(on_progress=updates.append)
    assert [(progress.done, progress.total) for progress in updates] == [(2, 5), (3, 5), (4, 5), (5, 5)]
    assert all(
        progress.submitted == progress.succeeded + progress.failed + progress.unstarted + progress.in_flight
        for progress in updates
    )


def test_responses_that_other_runs_request_are_collected(shared: SharedFolder) -> None:
    shared.others_claim(ITEMS[2])
    shared.clock.meanwhile = [lambda: None, lambda: shared.others_answer(ITEMS[2])]
    report = shared.run()
    assert origins(report) == ["bedrock", "bedrock", "another run", "bedrock", "bedrock"]
    assert (report.attempts, len(shared.requests)) == (4, 4)
    assert report.values[2]["item"].summary == "theirs"
    assert shared.clock.slept == [pytest.approx(0.1), pytest.approx(0.15)]


def test_a_response_that_another_run_stores_meanwhile_is_not_requested(shared: SharedFolder) -> None:
    def answer(text: str) -> dict[str, Any]:
        if "number 0" in text:
            shared.others_answer(ITEMS[4])
        return tool_answer(extraction())

    shared.answer = answer
    report = shared.run()
    assert origins(report) == ["bedrock"] * 4 + ["another run"]
    assert report.attempts == 4


def test_a_claim_released_by_another_run_is_requested(shared: SharedFolder) -> None:
    theirs = shared.others_claim(ITEMS[2])
    shared.clock.meanwhile = [lambda: shared.cache("theirs").release(theirs)]
    report = shared.run()
    assert origins(report) == ["bedrock"] * 5
    assert report.values[2]["item"].url == ITEMS[2].url
    assert (report.attempts, len(shared.requests)) == (5, 5)


def test_a_claim_of_a_killed_run_is_requested_after_it_expires(shared: SharedFolder) -> None:
    shared.others_claim(ITEMS[0])
    report = shared.run()
    assert origins(report) == ["bedrock"] * 5
    lasted = 1.25 * ATTEMPT + 3 * FolderStore.clock_skew
    assert lasted < sum(shared.clock.slept) < lasted + 2.5
    assert max(shared.clock.slept) == 2.0


def test_an_item_claimed_elsewhere_beyond_the_deadline_is_unstarted(shared: SharedFolder) -> None:
    shared.others_claim(ITEMS[1])
    report = shared.run(deadline=Deadline(shared.clock.now + 30, attempt=20))
    (unstarted,) = report.unstarted
    assert (unstarted.item, unstarted.reason, unstarted.attempts) == (ITEMS[1], BUSY_ELSEWHERE, 0)
    assert report.stopped == BUSY_ELSEWHERE
    assert len(report.succeeded) == 4
    assert 8 < sum(shared.clock.slept) < 10
    assert len(shared.claims()) == 1


def test_the_same_text_twice_is_requested_once(shared: SharedFolder) -> None:
    report = shared.run([ITEMS[0], ITEMS[1], ITEMS[0]])
    assert origins(report) == ["bedrock", "bedrock", "another run"]
    assert report.attempts == 2


def test_the_claim_of_a_failing_item_is_released(shared: SharedFolder) -> None:
    def answer(text: str) -> dict[str, Any]:
        if "number 2" in text:
            raise client_error("ValidationException", "too long")
        return tool_answer(extraction())

    shared.answer = answer
    report = shared.run()
    assert [outcome.fault for outcome in report.failed] == [Fault.VALIDATION]
    assert shared.claims() == []
    assert len(list(shared.store.list(""))) == 4


def test_a_run_that_bedrock_refuses_stops_and_leaves_no_claim(shared: SharedFolder) -> None:
    shared.others_claim(ITEMS[0])

    def refuse(_: str) -> dict[str, Any]:
        raise client_error("AccessDeniedException", "no", 403)

    shared.answer = refuse
    report = shared.run()
    assert [outcome.status for outcome in report.outcomes] == [
        "unstarted",
        "failed",
        "unstarted",
        "unstarted",
        "unstarted",
    ]
    assert report.outcomes[0].reason == BUSY_ELSEWHERE
    assert report.stopped == "access_denied: every other item would fail the same way"
    assert len(shared.requests) == 1
    assert len(shared.claims()) == 1  # theirs
    assert shared.clock.slept == []  # a refused run does not wait for others


def test_an_interruption_loses_nothing_and_leaves_no_claim(shared: SharedFolder) -> None:
    def answer(text: str) -> dict[str, Any]:
        if "number 1" in text:
            _thread.interrupt_main()
        return tool_answer(extraction())

    shared.answer = answer
    with pytest.raises(BatchInterrupted) as caught:
        shared.run()
    report = caught.value.report
    assert report.submitted == 5
    assert len(report.succeeded) == len(shared.requests) >= 2
    assert {outcome.reason for outcome in report.unstarted} <= {"interrupted"}
    assert shared.claims() == []
    assert origins(shared.run())[:2] == ["store", "store"]


def test_an_interruption_while_waiting_for_others_reports_what_is_done(shared: SharedFolder) -> None:
    shared.others_claim(ITEMS[4])

    def interrupt() -> None:
        raise KeyboardInterrupt

    shared.clock.meanwhile = [interrupt]
    with pytest.raises(BatchInterrupted) as caught:
        shared.run()
    assert len(caught.value.report.succeeded) == 4
    assert caught.value.report.stopped == "interrupted"


class _DelayFirst(NoPacer):
    """Delays the first item until its claim is expired and another run has claimed it."""

    def __init__(self, meanwhile: Callable[[], object], wait: float) -> None:
        super().__init__()
        self._meanwhile: Callable[[], object] | None = meanwhile
        self._wait = wait
        self._shop_clock: Clock | None = None

    def reserve(self, now: float, tokens: int = 0) -> Reservation:
        if self._meanwhile is None:
            return super().reserve(now, tokens)
        self._meanwhile = None
        return Reservation(self._wait, now + self._wait, tokens)

    def due(self, reservation: Reservation, now: float) -> float:
        return max(0.0, reservation.at - now)


def test_no_request_is_sent_under_a_claim_that_expired_while_pacing(shared: SharedFolder) -> None:
    def take_over() -> None:
        shared.others_claim(ITEMS[0])

    # The pacer is called again every 20 s.
    shared.clock.meanwhile = [*[lambda: None] * 9, take_over, lambda: shared.others_answer(ITEMS[0])]
    report = shared.run(pacer=_DelayFirst(take_over, wait=2 * ATTEMPT))
    assert origins(report) == ["another run"] + ["bedrock"] * 4
    assert (report.attempts, len(shared.requests)) == (4, 4)
    assert report.outcomes[0].attempts == 0
    assert report.outcomes[0].pacing_seconds == 2 * ATTEMPT
    assert report.outcomes[0].tokens == TokenUsage(), "no request was sent, so none is unknown"
    assert report.tokens is not None
    assert (report.tokens.answers, report.tokens.unknown) == (4, 0)


def test_attempts_before_an_item_was_lost_are_counted(shared: SharedFolder) -> None:
    def answer(text: str) -> dict[str, Any]:
        if "number 0" in text and len(shared.requests) == 1:
            shared.clock.meanwhile = [lambda: shared.others_claim(ITEMS[0]), lambda: shared.others_answer(ITEMS[0])]
            raise client_error("ThrottlingException", status=429)
        return tool_answer(extraction())

    shared.answer = answer
    report = shared.run([ITEMS[0]], policy=RetryPolicy(base_delay=2 * ATTEMPT, max_delay=2 * ATTEMPT))
    (outcome,) = report.outcomes
    assert (outcome.status, outcome.attempts, outcome.retries, outcome.throttles) == ("succeeded", 1, 1, 1)
    assert outcome.backoff_seconds > 1.9 * ATTEMPT
    assert len(shared.requests) == 1


def test_tokens_of_all_rounds_are_counted_for_their_item(shared: SharedFolder) -> None:
    def answer(text: str) -> dict[str, Any]:
        if "number 0" in text and len(shared.requests) == 1:
            # Its claim expires during the backoff; the run that claims it then releases it.
            shared.clock.meanwhile = [lambda: claims.append(shared.others_claim(ITEMS[0])), release]
            raise client_error("InternalServerException", status=500)
        return tool_answer(extraction())

    def release() -> None:
        shared.cache("theirs").release(claims.pop())

    claims: list[ItemClaim] = []
    shared.answer = answer
    slow = RetryPolicy(base_delay=2 * ATTEMPT, max_delay=2 * ATTEMPT, retry_on="transient")
    (outcome,) = shared.run([ITEMS[0]], policy=slow).outcomes
    assert (outcome.status, outcome.attempts, len(shared.requests)) == ("succeeded", 2, 2)
    assert outcome.tokens is not None
    assert (outcome.tokens.answers, outcome.tokens.unknown, outcome.tokens.reserved) == (1, 1, 1_700)


class _RefusesResponses(FolderStore):
    """Refuses to store responses, once or always."""

    refuse = 1

    def put_if_unchanged(self, key: str, body: bytes, version: str) -> str | None:
        if self.refuse:
            self.refuse -= 1
            raise StoreError(f"{key}: cannot be written: SlowDown")
        return super().put_if_unchanged(key, body, version)


def test_a_response_that_cannot_be_stored_is_stored_later(
    shared: SharedFolder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shared.store = _RefusesResponses(tmp_path)
    report = shared.run([ITEMS[0]])
    assert origins(report) == ["bedrock"]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "its response could not be stored yet" in caplog.text
    assert origins(shared.run([ITEMS[0]])) == ["store"]


def test_a_response_that_cannot_be_stored_at_all_is_still_used(
    shared: SharedFolder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = _RefusesResponses(tmp_path)
    store.refuse = 99
    shared.store = store
    assert origins(shared.run([ITEMS[0]])) == ["bedrock"]
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR"]
    assert "may be paid for again" in caplog.text
    # Its URL may contain a secret.
    assert all(item_id(ITEMS[0]) in record.message for record in caplog.records)
    assert ITEMS[0].url not in caplog.text


class _RefusesClaims(FolderStore):
    def put_if_absent(self, key: str, body: bytes) -> str | None:
        raise StoreError(f"{key}: cannot be written: AccessDenied")


def test_a_response_that_another_run_stored_first_is_used(shared: SharedFolder) -> None:
    def answer(_: str) -> dict[str, Any]:
        # Our claim expires, and another run claims the item and stores a response.
        shared.clock.now += 2 * ATTEMPT
        shared.others_claim(ITEMS[0])
        shared.others_answer(ITEMS[0])
        return tool_answer(extraction())

    shared.answer = answer
    report = shared.run(ITEMS[:1])
    assert report.values[0]["item"].summary == "theirs"
    assert origins(report) == ["bedrock"], "this run has paid, too"
    assert (report.attempts, len(shared.requests)) == (1, 1)


def test_an_item_that_cannot_be_claimed_is_not_paid_for(shared: SharedFolder, tmp_path: Path) -> None:
    shared.store = _RefusesClaims(tmp_path)
    report = shared.run(ITEMS[:2])
    assert [outcome.status for outcome in report.outcomes] == ["failed", "failed"]
    assert all(isinstance(outcome.error, StoreError) for outcome in report.failed)
    assert {outcome.reason for outcome in report.failed} == {"not claimed, so no request was sent"}
    assert (report.attempts, shared.requests) == (0, [])


class _RefusesChanges(FolderStore):
    def put_if_unchanged(self, key: str, body: bytes, version: str) -> str | None:
        raise StoreError(f"{key}: cannot be written: AccessDenied")

    def delete_if_unchanged(self, key: str, version: str) -> bool:
        raise StoreError(f"{key}: cannot be removed: AccessDenied")


def test_a_claim_that_cannot_be_released_expires(
    shared: SharedFolder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shared.store = _RefusesChanges(tmp_path)

    def refuse(_: str) -> dict[str, Any]:
        raise client_error("ValidationException")

    shared.answer = refuse
    with caplog.at_level(logging.WARNING, "vectora_normalize.normalize.deduplicated_batch"):
        assert len(shared.run([ITEMS[0]]).failed) == 1
    assert "a claim could not be released and expires at 2026-11-21 06:32:07" in caplog.text


def test_after_the_deadline_claims_are_not_released_and_expire(
    shared: SharedFolder, caplog: pytest.LogCaptureFixture
) -> None:
    def answer(_: str) -> dict[str, Any]:
        shared.clock.now += 60
        raise client_error("ValidationException")

    shared.answer = answer
    report = shared.run(ITEMS[:1], deadline=Deadline(shared.clock.now + 30, attempt=20))
    assert len(report.failed) == 1
    assert "a claim could not be released and expires at 2026-11-21 06:32:07+00:00: deadline" in caplog.text


def test_a_response_that_cannot_be_used_fails_only_its_item(
    shared: SharedFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared.run(ITEMS[:2])

    def build_with_error(self: Normalizer, item: RawItem, *args: object, **options: object) -> object:
        if item == ITEMS[0]:
            raise KeyError("mistake")
        return build_item(self, item, *args, **options)  # type: ignore[arg-type]  # as it was called

    build_item = Normalizer.build_item
    monkeypatch.setattr(Normalizer, "build_item", build_with_error)
    report = shared.run(ITEMS[:2])
    assert [outcome.status for outcome in report.outcomes] == ["failed", "succeeded"]
    assert isinstance(report.outcomes[0].error, KeyError)
    assert report.outcomes[0].fault is Fault.UNKNOWN


def test_an_unreadable_store_ends_the_batch_before_any_request(shared: SharedFolder, tmp_path: Path) -> None:
    class _Unreadable(FolderStore):
        def get(self, key: str) -> bytes:
            raise StoreError(f"{key}: cannot be read")

    shared.store = _Unreadable(tmp_path)
    with pytest.raises(StoreError):
        shared.run()
    assert shared.requests == []


class _FlakyReads(FolderStore):
    """The claimed item cannot be read for a while."""

    failures = 0

    def get(self, key: str) -> bytes:
        if self.failures > 0:
            self.failures -= 1
            raise StoreError(f"{key}: cannot be read: SlowDown")
        return super().get(key)


@pytest.mark.parametrize(("failures", "status"), [(3, "succeeded"), (99, "failed")])
def test_a_response_of_another_run_that_cannot_be_read_costs_that_item_at_most(
    tmp_path: Path, failures: int, status: str
) -> None:
    shared = SharedFolder(tmp_path)
    store = shared.store = _FlakyReads(tmp_path)
    shared.others_claim(ITEMS[0])

    def begin() -> None:
        shared.others_answer(ITEMS[0])
        store.failures = failures

    shared.clock.meanwhile = [begin]
    report = shared.run(ITEMS[:2])
    assert [outcome.status for outcome in report.outcomes] == [status, "succeeded"]
    if status == "failed":
        assert report.failed[0].reason == "the response of another run could not be read"


class _CannotRenew(FolderStore):
    """Fails the first renewal of a claim."""

    failures = 1

    def put_if_unchanged(self, key: str, body: bytes, version: str) -> str | None:
        if b'"claim"' in body and self.failures:
            self.failures -= 1
            raise StoreError(f"{key}: cannot be written: SlowDown")
        return super().put_if_unchanged(key, body, version)


def test_a_claim_that_cannot_be_renewed_sends_no_request_and_counts_none(shared: SharedFolder, tmp_path: Path) -> None:
    shared.store = _CannotRenew(tmp_path)

    def throttle(_: str) -> dict[str, Any]:
        raise client_error("ThrottlingException", status=429)

    shared.answer = throttle
    slow = RetryPolicy(base_delay=60.0, max_delay=60.0)
    report = shared.run([ITEMS[0]], policy=slow)
    (outcome,) = report.failed
    assert outcome.reason == "its claim could not be renewed, so no request was sent"
    assert str(outcome.error).endswith("cannot be written: SlowDown")
    assert (report.attempts, report.retries, report.throttles, len(shared.requests)) == (1, 1, 1, 1)
    assert shared.claims() == []
