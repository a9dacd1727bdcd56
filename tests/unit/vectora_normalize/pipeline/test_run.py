"""A run stores what it has at every step, and tells what became of the rest."""

from __future__ import annotations

import _thread
import datetime as dt
import json
from dataclasses import dataclass, field
from pathlib import Path  # noqa: TC003 - dataclasses read the annotations
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from botocore.exceptions import BotoCoreError

from bedrock_resilience.clock import SYSTEM_CLOCK
from bedrock_resilience.retrying._deadline import Deadline
from bedrock_resilience.retrying._policy import RetryPolicy
from support.answering import FunctionClient, client_error, extraction, tool_answer
from support.clients import NOW, FixedFetcher, configure, feed
from vectora_normalize.contract import ErrorType, RunRefusedError, RunRequest
from vectora_normalize.pipeline import Dependencies, Invocation, RunSummary, run
from vectora_normalize.settings import OnConcurrentRun, Settings
from vectora_normalize.storage.objects import BucketMissingError, FolderStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from bedrock_resilience.batch._report import Progress

PAGES = {
    "https://one.example/feed": feed("Camurus grows", "Teva grows"),
    "https://two.example/feed": feed("Uzedy grows", "Camurus grows"),
}
DAY = "2026/11/21"
ITEMS = f"normalized/small/{DAY}/items.json"
REPORT = f"normalized/small/{DAY}/run-r-1.json"


def agree(_: str) -> dict[str, Any]:
    return tool_answer(extraction(companies=["Camurus", "Teva"], trademarks=["Uzedy"]))


@dataclass
class World:
    """Stores, web and Bedrock of a run."""

    root: Path
    answer: Callable[[str], dict[str, Any]] = agree
    pages: dict[str, bytes] = field(default_factory=lambda: dict(PAGES))

    asked: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self.config = FolderStore(self.root / "config")
        self.data = FolderStore(self.root / "data")
        configure(self.config)

    def dependencies(self) -> Dependencies:
        policy = RetryPolicy(max_retries=1, base_delay=0.0)
        return Dependencies(
            settings=Settings(config_bucket="c", data_bucket="d", policy=policy, max_workers=1),
            config=self.config,
            data=self.data,
            fetcher=FixedFetcher(self.pages),
            bedrock=FunctionClient(self.answer_text),
        )

    def answer_text(self, text: str) -> dict[str, Any]:
        self.asked.append(text)
        return self.answer(text)

    def run(
        self,
        *,
        deadline: Deadline | None = None,
        on_progress: Callable[[Progress], object] | None = None,
        **fields: object,
    ) -> RunSummary:
        request = RunRequest(**{"client_id": "small", **fields})  # type: ignore[arg-type]  # the fields of a request
        invocation = Invocation(now=NOW, request_id="r-1", deadline=deadline, on_progress=on_progress)
        return run(request, self.dependencies(), invocation)

    def load(self, key: str) -> Any:  # noqa: ANN401 - whatever JSON is there
        return json.loads(self.data.get(key))

    def stored(self) -> list[str]:
        """What readers look for; what runs keep for each other lies beside it."""
        ours = ("normalized/small/items/", "normalized/small/outstanding/")
        return [key for key in self.data.list("") if not key.startswith(ours)]

    def kept(self) -> list[str]:
        return list(self.data.list("normalized/small/items/"))

    def outstanding(self) -> list[dict[str, Any]]:
        """The entries of all lists of work that is left."""
        lists = [self.load(key) for key in self.data.list("normalized/small/outstanding/")]
        return [entry for one in lists for entry in one["entries"]]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_run_stores_what_it_ingested_what_it_normalised_and_its_report(world: World) -> None:
    summary = world.run()
    assert world.stored() == [
        ITEMS,
        REPORT,
        f"raw/small/one/{DAY}/raw.json",
        f"raw/small/two/{DAY}/raw.json",
    ]
    assert (summary.items_key, summary.report_key) == (ITEMS, REPORT)
    assert world.load(REPORT) == summary.report
    assert summary.answer()["statusCode"] == 200
    assert (summary.items_ingested, summary.items_normalized) == (3, 3)
    found = {item["title"]: item["companies_in_scopes"] for item in world.load(ITEMS)}
    assert found == {"Camurus grows": ["Camurus"], "Teva grows": ["Teva"], "Uzedy grows": []}
    assert {item["ingested_at"] for item in world.load(ITEMS)} == {"2026-11-21T06:30:00Z"}


def test_the_summary_is_asked_for_in_the_language_of_the_client(world: World) -> None:
    asked: list[Any] = []

    class _Remembering(FunctionClient):
        def converse(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401 - as boto3's
            asked.append(request)
            return super().converse(**request)

    dependencies = world.dependencies()
    msgspec.structs.force_setattr(dependencies, "bedrock", _Remembering(agree))
    run(RunRequest(client_id="small"), dependencies, Invocation(now=NOW, request_id="r-1"))
    assert all("Write the summary in French" in request["system"][0]["text"] for request in asked)
    assert {request["modelId"] for request in asked} == {dependencies.settings.model_id}


def test_the_report_tells_of_every_step(world: World) -> None:
    report = world.run(period_days=7, ignored=("perod",)).report
    assert report["client_id"] == "small"
    assert report["request_id"] == "r-1"
    assert report["started_at"] == "2026-11-21T06:30:00Z"
    assert report["request"] == {
        "period_days": 7,
        "sources": None,
        "from_date": None,
        "to_date": None,
        "ignored": ["perod"],
    }
    assert report["window"] == {"from_date": "2026-11-14", "to_date": "2026-11-21", "future_days": 1}
    assert report["disabled_sources"] == ["idle"]
    assert {source["source_key"]: source["counts"]["duplicate"] for source in report["sources"]} == {"one": 0, "two": 1}
    assert report["bedrock"]["attempts"] == 3
    assert report["bedrock"]["input_tokens"] == 2100
    assert report["bedrock"]["output_tokens"] == 300
    assert report["bedrock"]["tokens"] == {
        "answers": 3,
        "unknown": 0,
        "input_tokens": 2_100,
        "output_tokens": 300,
        "largest_output": 100,
        "max_tokens": 1_000,
        "advised_max_tokens": None,  # three answers are too few to tell
        "reserved": 5_100,
        "settled": 3_600.0,
        "over_reserved": 1_500.0,
        "unused_share": 0.2941,
    }
    assert list(report["seconds"]) == ["configuration", "ingest", "normalize", "store", "total"]
    assert report["settings"]["policy"]["BEDROCK_MAX_RETRIES"] == "1"
    account = report["items"][0]
    assert account["title"] == "Camurus grows"
    assert (account["status"], account["attempts"], account["fault"]) == ("succeeded", 1, None)
    assert (account["tokens_reserved"], account["tokens_settled"]) == (1_700, 1_200.0)


def test_what_is_counted_is_what_metrics_tell(world: World) -> None:
    def answer(text: str) -> dict[str, Any]:
        if "Teva" in text:
            raise client_error("ThrottlingException", status=429)
        return agree(text)

    world.answer = answer
    del world.pages["https://two.example/feed"]
    counts = dict(world.run().counts)
    assert counts.pop("DurationSeconds") > 0
    assert counts.pop("BackoffSeconds") >= 0
    assert counts == {
        "Attempts": 3,
        "Retries": 1,
        "Throttles": 2,
        "RetryRate": pytest.approx(100 / 3),
        "FailureRate": 50.0,
        "ItemsIngested": 2,
        "ItemsNormalized": 1,
        "ItemsFailed": 1,
        "ItemsUnstarted": 0,
        "ItemsReused": 0,
        "ItemsResumed": 0,
        "ItemsQueued": 0,
        "SourcesRead": 1,
        "SourcesFailed": 1,
        "RunsRefused": 0,
        "InputTokens": 700,
        "OutputTokens": 100,
        "TokensReserved": 1_700,
        "TokensOverReserved": 500,
        "PacingSeconds": 0,
    }


def test_a_failed_item_is_told_with_its_fault_and_what_it_cost(world: World) -> None:
    def answer(text: str) -> dict[str, Any]:
        return tool_answer({}) if "Teva" in text else agree(text)

    world.answer = answer
    summary = world.run()
    assert (summary.items_ingested, summary.items_normalized) == (3, 2)
    (failed,) = [account for account in summary.report["items"] if account["status"] == "failed"]
    assert failed["title"] == "Teva grows"
    assert failed["fault"] == "malformed_response"
    assert "missing required field" in failed["error"]
    assert (failed["attempts"], failed["retries"], failed["backoff_seconds"]) == (1, 0, 0.0)
    assert failed["tokens_settled"] == 1_200.0, "an answer that is of no use has used its tokens"
    assert (summary.counts["OutputTokens"], summary.report["bedrock"]["tokens"]["output_tokens"]) == (200, 300)


def test_where_all_sources_fail_there_is_a_report_and_no_list_of_items(world: World) -> None:
    world.pages.clear()
    summary = world.run()
    assert summary.refusal is not None
    assert summary.refusal.error_type is ErrorType.ALL_SOURCES_FAILED
    assert summary.refusal.faults == (
        "sources: all 2 of them failed",
        "one: https://one.example/feed: the server answered 404",
        "two: https://two.example/feed: the server answered 404",
    )
    assert summary.answer()["statusCode"] == 502
    assert summary.items_key is None
    assert world.stored() == [REPORT]


def test_where_bedrock_refuses_the_run_what_was_ingested_is_there(world: World) -> None:
    def refuse(_: str) -> dict[str, Any]:
        raise client_error("AccessDeniedException", "no", 403)

    world.answer = refuse
    summary = world.run()
    assert summary.answer()["body"]["message"].startswith("Bedrock refused the run: access_denied: ")
    assert world.stored() == [REPORT, f"raw/small/one/{DAY}/raw.json", f"raw/small/two/{DAY}/raw.json"]
    assert [account["status"] for account in summary.report["items"]] == ["failed", "unstarted", "unstarted"]


def test_what_was_normalised_before_the_refusal_makes_it_a_success_in_part(world: World) -> None:
    def answer(text: str) -> dict[str, Any]:
        if "Teva" in text:
            raise client_error("ThrottlingException", "Too many tokens per day, please wait.", 429)
        return agree(text)

    world.answer = answer
    summary = world.run()
    assert summary.refusal is None
    assert [item["title"] for item in world.load(ITEMS)] == ["Camurus grows"]
    assert [account["status"] for account in summary.report["items"]] == ["succeeded", "failed", "unstarted"]


def test_where_every_item_fails_on_its_own_account_the_run_was_done(world: World) -> None:
    world.answer = lambda _: tool_answer({})
    summary = world.run()
    assert summary.answer()["statusCode"] == 200
    assert world.load(ITEMS) == []


def test_a_mistake_of_the_program_is_raised_after_storing(world: World) -> None:
    def answer(text: str) -> dict[str, Any]:
        if "Teva" in text:
            raise KeyError("mistake")
        return agree(text)

    world.answer = answer
    with pytest.raises(KeyError, match="mistake") as caught:
        world.run()
    assert len(world.load(ITEMS)) == 2
    accounts = world.load(REPORT)["items"]
    assert [account["fault"] for account in accounts] == [None, "unknown", None]
    # Not its URL, which may hold a secret.
    assert f"raised while normalising {accounts[1]['item_id']}" in caught.value.__notes__


def test_an_error_of_the_sdk_is_no_mistake_of_the_program(world: World) -> None:
    def answer(_: str) -> dict[str, Any]:
        raise BotoCoreError

    world.answer = answer
    summary = world.run()
    assert summary.answer()["statusCode"] == 200
    assert {account["fault"] for account in summary.report["items"]} == {"unknown"}


def test_an_interruption_loses_nothing_that_was_finished(world: World) -> None:
    def answer(text: str) -> dict[str, Any]:
        if "Teva" in text:
            _thread.interrupt_main()  # as Ctrl-C does it
        return agree(text)

    world.answer = answer
    with pytest.raises(KeyboardInterrupt):
        world.run()
    assert "Camurus grows" in {item["title"] for item in world.load(ITEMS)}
    assert len(world.load(REPORT)["items"]) == 3


def test_a_deadline_that_is_over_starts_nothing(world: World) -> None:
    summary = world.run(deadline=Deadline(SYSTEM_CLOCK.monotonic() + 5.0, attempt=10.0))
    assert summary.answer()["body"]["items_normalized"] == 0
    assert {account["status"] for account in summary.report["items"]} == {"unstarted"}


def test_progress_is_told(world: World) -> None:
    seen: list[int] = []
    world.run(on_progress=lambda progress: seen.append(progress.done))
    assert seen == [1, 2, 3]


def test_a_refused_request_writes_nothing(world: World) -> None:
    with pytest.raises(RunRefusedError):
        world.run(sources=("gone",))
    assert world.stored() == []


class _NoBucket(FolderStore):
    def put_if_absent(self, key: str, body: bytes) -> str | None:
        raise BucketMissingError(f"s3://data/{key}: no such bucket")


def test_a_bucket_that_is_not_there_is_a_wrong_configuration(world: World) -> None:
    world.data = _NoBucket(world.root / "data")
    with pytest.raises(RunRefusedError) as caught:
        world.run()
    assert caught.value.error_type is ErrorType.INVALID_CONFIGURATION
    assert str(caught.value) == "CONFIG_BUCKET or DATA_BUCKET: s3://data/normalized/small/lease.json: no such bucket"


class TestPaidOnce:
    def test_a_second_run_asks_nothing_and_changes_nothing(self, world: World) -> None:
        world.run()
        before = world.data.get(ITEMS)
        world.asked.clear()
        summary = world.run()
        assert (summary.items_ingested, summary.items_normalized) == (3, 3)
        assert world.asked == []
        assert world.data.get(ITEMS) == before
        assert summary.report["work"] == {
            "invoked": 0,
            "reused": 3,
            "joined": 0,
            "queued": 0,
            "resumed": 0,
            "given_up": 0,
        }
        assert {account["origin"] for account in summary.report["items"]} == {"store"}
        assert (summary.counts["ItemsReused"], summary.counts["Attempts"], summary.counts["InputTokens"]) == (3, 0, 0)
        assert summary.report["bedrock"]["tokens"] is None
        assert "TokensReserved" not in summary.counts

    def test_a_day_later_the_items_are_listed_anew_and_paid_for_once(self, world: World) -> None:
        world.run()
        world.asked.clear()
        tomorrow = NOW + dt.timedelta(days=1)
        run(RunRequest(client_id="small"), world.dependencies(), Invocation(now=tomorrow, request_id="r-2"))
        listed = world.load("normalized/small/2026/11/22/items.json")
        assert len(listed) == 3
        assert {item["ingested_at"] for item in listed} == {"2026-11-21T06:30:00Z"}
        assert world.asked == []

    def test_a_scope_that_concerns_no_item_costs_nothing(self, world: World) -> None:
        world.run()
        world.asked.clear()
        configure(world.config, company_scopes="companies: [Camurus, Teva, Nobody At All]")
        assert world.run().report["work"]["reused"] == 3
        assert world.asked == []

    def test_a_name_that_leaves_a_scope_costs_the_items_that_hold_it_and_is_gone(self, world: World) -> None:
        world.run()
        world.asked.clear()
        configure(world.config, company_scopes="companies: [Camurus]")
        assert world.run().report["work"]["reused"] == 2
        assert len(world.asked) == 1
        assert "Teva" in world.asked[0]
        found = {item["title"]: item["companies_in_scopes"] for item in world.load(ITEMS)}
        assert found == {"Camurus grows": ["Camurus"], "Teva grows": [], "Uzedy grows": []}

    def test_another_model_is_another_answer(self, world: World) -> None:
        world.run()
        world.asked.clear()
        dependencies = world.dependencies()
        msgspec.structs.force_setattr(dependencies.settings, "model_id", "successor")
        run(RunRequest(client_id="small"), dependencies, Invocation(now=NOW, request_id="r-2"))
        assert len(world.asked) == 3
        assert len(world.kept()) == 6


class TestOutstanding:
    def refuse_teva(self, world: World, code: str = "ValidationException") -> None:
        def answer(text: str) -> dict[str, Any]:
            if "Teva" in text:
                raise client_error(code, "no")
            return agree(text)

        world.answer = answer

    def test_what_failed_is_taken_up_by_the_next_run_whatever_its_window(self, world: World) -> None:
        self.refuse_teva(world)
        world.run()
        (entry,) = world.outstanding()
        assert (entry["item"]["title"], entry["status"], entry["fault"]) == ("Teva grows", "failed", "validation")
        assert (entry["attempts"], entry["failures"]) == (1, 1)
        world.answer = agree
        world.asked.clear()
        summary = world.run(from_date=dt.date(2001, 1, 1), to_date=dt.date(2001, 1, 2))
        assert (summary.items_ingested, summary.items_normalized) == (1, 1)
        assert summary.report["work"]["resumed"] == 1
        assert len(world.asked) == 1
        assert world.outstanding() == []
        assert {item["title"] for item in world.load(ITEMS)} == {"Camurus grows", "Teva grows", "Uzedy grows"}

    def test_what_was_not_started_comes_back(self, world: World) -> None:
        deadline = Deadline(SYSTEM_CLOCK.monotonic() + 5.0, attempt=10.0)
        world.run(deadline=deadline)
        assert {entry["status"] for entry in world.outstanding()} == {"unstarted"}
        assert {entry["reason"] for entry in world.outstanding()} == {"deadline"}
        world.pages = {url: feed() for url in PAGES}
        assert world.run().items_normalized == 3
        assert world.outstanding() == []

    def test_a_run_that_dies_leaves_all_of_it_to_the_next(self, world: World) -> None:
        world.data = _Dying(world.data.root)
        with pytest.raises(MemoryError):
            world.run()
        world.data = FolderStore(world.data.root)
        assert len(world.kept()) == 3
        assert {entry["status"] for entry in world.outstanding()} == {"open"}
        assert not world.data.exists(ITEMS)
        world.asked.clear()
        world.pages = {url: feed() for url in PAGES}  # the feeds have moved on
        assert world.run().report["work"] == {
            "invoked": 0,
            "reused": 3,
            "joined": 0,
            "queued": 0,
            "resumed": 3,
            "given_up": 0,
        }
        assert world.asked == []
        assert len(world.load(ITEMS)) == 3
        assert world.outstanding() == []

    def test_an_item_that_keeps_failing_is_given_up_and_told_of(self, world: World) -> None:
        self.refuse_teva(world)
        for _ in range(3):
            world.run()
        world.asked.clear()
        summary = world.run()
        assert world.asked == []
        assert (summary.items_ingested, summary.items_normalized) == (3, 2)
        (given_up,) = [account for account in summary.report["items"] if account["status"] == "failed"]
        assert (given_up["title"], given_up["attempts"], given_up["fault"]) == ("Teva grows", 0, "validation")
        assert given_up["reason"].startswith("given up: failed in 3 runs")
        assert summary.report["work"]["given_up"] == 1
        assert len(world.outstanding()) == 1
        # It is known for good, also while no source offers it.
        world.pages = {"https://one.example/feed": feed("Camurus grows"), "https://two.example/feed": feed()}
        assert world.run().items_ingested == 1
        assert len(world.outstanding()) == 1

    def test_what_fails_for_the_moment_comes_back_for_ever(self, world: World) -> None:
        self.refuse_teva(world, "ThrottlingException")
        for _ in range(5):
            world.run()
        world.asked.clear()
        world.run()
        assert len([text for text in world.asked if "Teva" in text]) == 2  # one retry
        world.answer = agree
        assert world.run().items_normalized == 3
        assert world.outstanding() == []

    def test_where_bedrock_refuses_the_run_everything_comes_back(self, world: World) -> None:
        def refuse(_: str) -> dict[str, Any]:
            raise client_error("AccessDeniedException", "no", 403)

        world.answer = refuse
        for _ in range(4):
            world.run()
        assert len(world.outstanding()) == 3
        world.answer = agree
        assert world.run().items_normalized == 3

    def test_where_all_sources_fail_what_is_outstanding_stays(self, world: World) -> None:
        self.refuse_teva(world)
        world.run()
        world.pages.clear()
        assert world.run().refusal is not None
        assert len(world.outstanding()) == 1


class TestOneRunAtATime:
    def test_a_run_has_the_lease_while_it_works_and_not_longer(self, world: World) -> None:
        held: list[bool] = []

        def answer(text: str) -> dict[str, Any]:
            held.append(world.data.exists("normalized/small/lease.json"))
            return agree(text)

        world.answer = answer
        world.run()
        assert held == [True] * 3
        assert not world.data.exists("normalized/small/lease.json")

    def test_a_refused_second_run_writes_nothing(self, world: World) -> None:
        lease = {"owner": "other", "expires_at": (NOW + dt.timedelta(seconds=60)).isoformat()}
        world.data.put("normalized/small/lease.json", json.dumps(lease).encode())
        dependencies = world.dependencies()
        msgspec.structs.force_setattr(dependencies.settings, "on_concurrent_run", OnConcurrentRun.REFUSE)
        with pytest.raises(RunRefusedError) as caught:
            run(RunRequest(client_id="small"), dependencies, Invocation(now=NOW, request_id="r-1"))
        assert caught.value.error_type is ErrorType.CONCURRENT_RUN
        assert list(world.data.list("")) == ["normalized/small/lease.json"]

    def test_a_run_that_joins_another_says_whose_work_it_shares(self, world: World) -> None:
        lease = {"owner": "other", "expires_at": (NOW + dt.timedelta(seconds=60)).isoformat()}
        world.data.put("normalized/small/lease.json", json.dumps(lease).encode())
        assert world.run().report["shared_with"] == "other"
        assert world.data.exists("normalized/small/lease.json")  # theirs

    def test_a_lease_is_given_back_whatever_happens(self, world: World) -> None:
        def answer(_: str) -> dict[str, Any]:
            raise KeyError("mistake")

        world.answer = answer
        with pytest.raises(KeyError):
            world.run()
        assert not world.data.exists("normalized/small/lease.json")

    def test_what_killed_workers_put_aside_is_listed_by_the_next_run(self, world: World) -> None:
        world.run()
        (row, *_) = world.load(ITEMS)
        world.data.put("normalized/small/parts/2026-11-20/dead-1.json", json.dumps([row]).encode())
        world.run()
        assert world.load("normalized/small/2026/11/20/items.json") == [row]
        assert list(world.data.list("normalized/small/parts")) == []


class _Dying(FolderStore):
    """The process ends when the list of the day is to be written."""

    def put_if_absent(self, key: str, body: bytes) -> str | None:
        if key == ITEMS:
            raise MemoryError
        return super().put_if_absent(key, body)
