"""A batch takes what is kept, asks about the rest, and waits for what others ask about; its account is to the call."""

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

    from bedrock_resilience.batch._report import BatchReport, Progress
    from vectora_normalize.items import RawItem
    from vectora_normalize.normalize.normalizer import Normalized
    from vectora_normalize.storage.objects import ObjectStore

NOW = dt.datetime(2026, 11, 21, 6, 30, tzinfo=dt.UTC)
ITEMS = [raw_item(f"Camurus reports on item number {number}.", number=number) for number in range(5)]
ATTEMPT = 100.0
AT_ONCE = RetryPolicy(base_delay=0.0)


class Clock(Ticking):
    """Does something at each sleep, as the world does."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: list[Callable[[], object]] = []

    def sleep(self, seconds: float, /) -> None:
        super().sleep(seconds)
        if self.meanwhile:
            self.meanwhile.pop(0)()


class Shop:
    """A folder that several runs share, and a Bedrock that remembers what it was asked."""

    def __init__(self, root: Path) -> None:
        self.clock = Clock()
        self.run_clock = RunClock(NOW, self.clock)
        self.store: ObjectStore = FolderStore(root)
        self.asked: list[str] = []
        self.answer: Callable[[str], dict[str, Any]] = lambda _: tool_answer(extraction(companies=["Camurus"]))

    def cache(self, run: str = "ours") -> ResponseCache:
        return ResponseCache(self.store, "small", run_id=run, run_clock=self.run_clock, attempt_seconds=ATTEMPT)

    def normalizer(self) -> Normalizer:
        def answer(text: str) -> dict[str, Any]:
            self.asked.append(text)
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
        given: dict[str, Any] = {"cache": self.cache(), "clock": self.clock, "policy": AT_ONCE, "max_workers": 1}
        given |= options
        return normalize_items_batch(items, self.normalizer(), **given)

    def claims(self) -> list[str]:
        return [key for key in self.store.list("") if b'"claim"' in self.store.get(key)]


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def origins(report: BatchReport[RawItem, Normalized]) -> list[str]:
    return [value["origin"] for value in report.values]


def test_what_was_answered_is_never_asked_again(shop: Shop) -> None:
    first = shop.run()
    assert origins(first) == ["bedrock"] * 5
    assert (first.attempts, len(shop.asked)) == (5, 5)
    second = shop.run()
    assert origins(second) == ["store"] * 5
    assert (second.attempts, len(shop.asked)) == (0, 5)
    assert [value["item"] for value in second.values] == [value["item"] for value in first.values]
    assert [outcome.item for outcome in second.outcomes] == ITEMS
    assert sum(value["usage"].get("inputTokens", 0) for value in second.values) == 0


def test_only_what_is_missing_is_asked_about(shop: Shop) -> None:
    shop.run([ITEMS[1], ITEMS[3]])
    report = shop.run()
    assert origins(report) == ["bedrock", "store", "bedrock", "store", "bedrock"]
    assert [outcome.index for outcome in report.outcomes] == [0, 1, 2, 3, 4]
    assert report.attempts == 3
    assert shop.claims() == []


def test_progress_is_that_of_the_whole_batch(shop: Shop) -> None:
    shop.run([ITEMS[1], ITEMS[3]])
    told: list[Progress] = []
    shop.run(on_progress=told.append)
    assert [(progress.done, progress.total) for progress in told] == [(2, 5), (3, 5), (4, 5), (5, 5)]
    assert all(
        progress.submitted == progress.succeeded + progress.failed + progress.unstarted + progress.in_flight
        for progress in told
    )


def test_what_others_ask_about_is_collected_from_them(shop: Shop) -> None:
    shop.others_claim(ITEMS[2])
    shop.clock.meanwhile = [lambda: None, lambda: shop.others_answer(ITEMS[2])]
    report = shop.run()
    assert origins(report) == ["bedrock", "bedrock", "another run", "bedrock", "bedrock"]
    assert (report.attempts, len(shop.asked)) == (4, 4)
    assert report.values[2]["item"].summary == "theirs"
    assert shop.clock.slept == [pytest.approx(0.1), pytest.approx(0.15)]


def test_what_others_answer_while_we_are_at_work_is_not_asked_about(shop: Shop) -> None:
    def answer(text: str) -> dict[str, Any]:
        if "number 0" in text:
            shop.others_answer(ITEMS[4])
        return tool_answer(extraction())

    shop.answer = answer
    report = shop.run()
    assert origins(report) == ["bedrock"] * 4 + ["another run"]
    assert report.attempts == 4


def test_what_others_let_go_of_is_asked_about(shop: Shop) -> None:
    theirs = shop.others_claim(ITEMS[2])
    shop.clock.meanwhile = [lambda: shop.cache("theirs").release(theirs)]
    report = shop.run()
    assert origins(report) == ["bedrock"] * 5
    assert report.values[2]["item"].url == ITEMS[2].url
    assert (report.attempts, len(shop.asked)) == (5, 5)


def test_what_a_dead_run_has_claimed_is_waited_for_and_asked_about(shop: Shop) -> None:
    shop.others_claim(ITEMS[0])
    report = shop.run()
    assert origins(report) == ["bedrock"] * 5
    lasted = 1.25 * ATTEMPT + 3 * FolderStore.clock_skew
    assert lasted < sum(shop.clock.slept) < lasted + 2.5
    assert max(shop.clock.slept) == 2.0


def test_what_others_do_not_answer_in_time_is_unstarted(shop: Shop) -> None:
    shop.others_claim(ITEMS[1])
    report = shop.run(deadline=Deadline(shop.clock.now + 30, attempt=20))
    (left,) = report.unstarted
    assert (left.item, left.reason, left.attempts) == (ITEMS[1], BUSY_ELSEWHERE, 0)
    assert report.stopped == BUSY_ELSEWHERE
    assert len(report.succeeded) == 4
    assert 8 < sum(shop.clock.slept) < 10
    assert len(shop.claims()) == 1


def test_the_same_text_twice_is_asked_about_once(shop: Shop) -> None:
    report = shop.run([ITEMS[0], ITEMS[1], ITEMS[0]])
    assert origins(report) == ["bedrock", "bedrock", "another run"]
    assert report.attempts == 2


def test_a_failing_item_is_given_back(shop: Shop) -> None:
    def answer(text: str) -> dict[str, Any]:
        if "number 2" in text:
            raise client_error("ValidationException", "too long")
        return tool_answer(extraction())

    shop.answer = answer
    report = shop.run()
    assert [outcome.fault for outcome in report.failed] == [Fault.VALIDATION]
    assert shop.claims() == []
    assert len(list(shop.store.list(""))) == 4


def test_a_run_that_bedrock_refuses_stops_and_leaves_no_claim(shop: Shop) -> None:
    shop.others_claim(ITEMS[0])

    def refuse(_: str) -> dict[str, Any]:
        raise client_error("AccessDeniedException", "no", 403)

    shop.answer = refuse
    report = shop.run()
    assert [outcome.status for outcome in report.outcomes] == [
        "unstarted",
        "failed",
        "unstarted",
        "unstarted",
        "unstarted",
    ]
    assert report.outcomes[0].reason == BUSY_ELSEWHERE
    assert report.stopped == "access_denied: every other item would fail the same way"
    assert len(shop.asked) == 1
    assert len(shop.claims()) == 1  # theirs
    assert shop.clock.slept == []  # nobody waits for others in a run that is refused


def test_an_interruption_loses_nothing_and_leaves_no_claim(shop: Shop) -> None:
    def answer(text: str) -> dict[str, Any]:
        if "number 1" in text:
            _thread.interrupt_main()
        return tool_answer(extraction())

    shop.answer = answer
    with pytest.raises(BatchInterrupted) as caught:
        shop.run()
    report = caught.value.report
    assert report.submitted == 5
    assert len(report.succeeded) == len(shop.asked) >= 2
    assert {outcome.reason for outcome in report.unstarted} <= {"interrupted"}
    assert shop.claims() == []
    assert origins(shop.run())[:2] == ["store", "store"]


def test_an_interruption_while_waiting_for_others_keeps_what_is_done(shop: Shop) -> None:
    shop.others_claim(ITEMS[4])

    def interrupt() -> None:
        raise KeyboardInterrupt

    shop.clock.meanwhile = [interrupt]
    with pytest.raises(BatchInterrupted) as caught:
        shop.run()
    assert len(caught.value.report.succeeded) == 4
    assert caught.value.report.stopped == "interrupted"


class _Slow(NoPacer):
    """Lets the first item wait until its claim is over and somebody else has it."""

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


def test_a_claim_that_ran_out_while_pacing_is_not_asked_under(shop: Shop) -> None:
    def take_over() -> None:
        shop.others_claim(ITEMS[0])

    # A pacer is asked again every 20 s.
    shop.clock.meanwhile = [*[lambda: None] * 9, take_over, lambda: shop.others_answer(ITEMS[0])]
    report = shop.run(pacer=_Slow(take_over, wait=2 * ATTEMPT))
    assert origins(report) == ["another run"] + ["bedrock"] * 4
    assert (report.attempts, len(shop.asked)) == (4, 4)
    assert report.outcomes[0].attempts == 0
    assert report.outcomes[0].pacing_seconds == 2 * ATTEMPT
    assert report.outcomes[0].tokens == TokenUsage(), "no request was sent, so none is unknown"
    assert report.tokens is not None
    assert (report.tokens.answers, report.tokens.unknown) == (4, 0)


def test_what_was_spent_before_an_item_was_lost_stays_on_its_account(shop: Shop) -> None:
    def answer(text: str) -> dict[str, Any]:
        if "number 0" in text and len(shop.asked) == 1:
            shop.clock.meanwhile = [lambda: shop.others_claim(ITEMS[0]), lambda: shop.others_answer(ITEMS[0])]
            raise client_error("ThrottlingException", status=429)
        return tool_answer(extraction())

    shop.answer = answer
    report = shop.run([ITEMS[0]], policy=RetryPolicy(base_delay=2 * ATTEMPT, max_delay=2 * ATTEMPT))
    (outcome,) = report.outcomes
    assert (outcome.status, outcome.attempts, outcome.retries, outcome.throttles) == ("succeeded", 1, 1, 1)
    assert outcome.backoff_seconds > 1.9 * ATTEMPT
    assert len(shop.asked) == 1


def test_tokens_of_all_rounds_stay_on_the_account_of_their_item(shop: Shop) -> None:
    def answer(text: str) -> dict[str, Any]:
        if "number 0" in text and len(shop.asked) == 1:
            # Its claim runs out while it backs off; the run that takes it over lets go of it.
            shop.clock.meanwhile = [lambda: taken.append(shop.others_claim(ITEMS[0])), let_go]
            raise client_error("InternalServerException", status=500)
        return tool_answer(extraction())

    def let_go() -> None:
        shop.cache("theirs").release(taken.pop())

    taken: list[ItemClaim] = []
    shop.answer = answer
    patient = RetryPolicy(base_delay=2 * ATTEMPT, max_delay=2 * ATTEMPT, retry_on="transient")
    (outcome,) = shop.run([ITEMS[0]], policy=patient).outcomes
    assert (outcome.status, outcome.attempts, len(shop.asked)) == ("succeeded", 2, 2)
    assert outcome.tokens is not None
    assert (outcome.tokens.answers, outcome.tokens.unknown, outcome.tokens.reserved) == (1, 1, 1_700)


class _Stubborn(FolderStore):
    """Keeps no answer, for a while or for good."""

    refuse = 1

    def put_if_unchanged(self, key: str, body: bytes, version: str) -> str | None:
        if self.refuse:
            self.refuse -= 1
            raise StoreError(f"{key}: cannot be written: SlowDown")
        return super().put_if_unchanged(key, body, version)


def test_an_answer_that_cannot_be_kept_is_kept_later(
    shop: Shop, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shop.store = _Stubborn(tmp_path)
    report = shop.run([ITEMS[0]])
    assert origins(report) == ["bedrock"]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "its response could not be stored yet" in caplog.text
    assert origins(shop.run([ITEMS[0]])) == ["store"]


def test_an_answer_that_can_never_be_kept_is_used_all_the_same(
    shop: Shop, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = _Stubborn(tmp_path)
    store.refuse = 99
    shop.store = store
    assert origins(shop.run([ITEMS[0]])) == ["bedrock"]
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR"]
    assert "may be paid for again" in caplog.text
    # Its URL may hold a secret.
    assert all(item_id(ITEMS[0]) in record.message for record in caplog.records)
    assert ITEMS[0].url not in caplog.text


class _Unclaimable(FolderStore):
    def put_if_absent(self, key: str, body: bytes) -> str | None:
        raise StoreError(f"{key}: cannot be written: AccessDenied")


def test_what_others_kept_before_us_is_what_stands(shop: Shop) -> None:
    def answer(_: str) -> dict[str, Any]:
        shop.clock.now += 2 * ATTEMPT  # our claim is over, and another run has taken the item and been faster
        shop.others_claim(ITEMS[0])
        shop.others_answer(ITEMS[0])
        return tool_answer(extraction())

    shop.answer = answer
    report = shop.run(ITEMS[:1])
    assert report.values[0]["item"].summary == "theirs"
    assert origins(report) == ["bedrock"], "we have paid as well"
    assert (report.attempts, len(shop.asked)) == (1, 1)


def test_an_item_that_cannot_be_claimed_is_not_paid_for(shop: Shop, tmp_path: Path) -> None:
    shop.store = _Unclaimable(tmp_path)
    report = shop.run(ITEMS[:2])
    assert [outcome.status for outcome in report.outcomes] == ["failed", "failed"]
    assert all(isinstance(outcome.error, StoreError) for outcome in report.failed)
    assert {outcome.reason for outcome in report.failed} == {"not claimed, so no request was sent"}
    assert (report.attempts, shop.asked) == (0, [])


class _Clinging(FolderStore):
    def delete_if_unchanged(self, key: str, version: str) -> bool:
        raise StoreError(f"{key}: cannot be removed: AccessDenied")


def test_a_claim_that_cannot_be_given_back_ends_by_itself(
    shop: Shop, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shop.store = _Clinging(tmp_path)

    def refuse(_: str) -> dict[str, Any]:
        raise client_error("ValidationException")

    shop.answer = refuse
    with caplog.at_level(logging.WARNING, "vectora_normalize.normalize.deduplicated_batch"):
        assert len(shop.run([ITEMS[0]]).failed) == 1
    assert "a claim could not be released and expires at 2026-11-21 06:32:07" in caplog.text


def test_a_batch_whose_time_is_up_leaves_its_claims_to_end_by_themselves(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    def answer(_: str) -> dict[str, Any]:
        shop.clock.now += 60
        raise client_error("ValidationException")

    shop.answer = answer
    report = shop.run(ITEMS[:1], deadline=Deadline(shop.clock.now + 30, attempt=20))
    assert len(report.failed) == 1
    assert "a claim could not be released and expires at 2026-11-21 06:32:07+00:00: deadline" in caplog.text


def test_an_answer_that_cannot_be_used_fails_its_item_alone(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.run(ITEMS[:2])

    def mistaken(self: Normalizer, item: RawItem, *args: object, **options: object) -> object:
        if item == ITEMS[0]:
            raise KeyError("mistake")
        return build_item(self, item, *args, **options)  # type: ignore[arg-type]  # as it was called

    build_item = Normalizer.build_item
    monkeypatch.setattr(Normalizer, "build_item", mistaken)
    report = shop.run(ITEMS[:2])
    assert [outcome.status for outcome in report.outcomes] == ["failed", "succeeded"]
    assert isinstance(report.outcomes[0].error, KeyError)
    assert report.outcomes[0].fault is Fault.UNKNOWN


def test_a_store_that_cannot_be_read_ends_the_batch_before_anything_is_paid(shop: Shop, tmp_path: Path) -> None:
    class _Unreadable(FolderStore):
        def get(self, key: str) -> bytes:
            raise StoreError(f"{key}: cannot be read")

    shop.store = _Unreadable(tmp_path)
    with pytest.raises(StoreError):
        shop.run()
    assert shop.asked == []
