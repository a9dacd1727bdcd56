"""A run stores what it has at every step, and tells what became of the rest."""

from __future__ import annotations

import _thread
import json
from dataclasses import dataclass, field
from pathlib import Path  # noqa: TC003 - dataclasses read the annotations
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import BotoCoreError

from bedrock_resilience.clock import SYSTEM_CLOCK
from bedrock_resilience.deadline import Deadline
from bedrock_resilience.policy import RetryPolicy
from support.answering import FunctionClient, client_error, extraction, tool_answer
from support.clients import NOW, FixedFetcher, configure, feed
from vectora_normalize.contract import ErrorType, RunRefused, RunRequest
from vectora_normalize.pipeline import Invocation, Parts, RunSummary, run
from vectora_normalize.settings import Settings
from vectora_normalize.stores import BucketMissing, FolderStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from bedrock_resilience.report import Progress

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

    def __post_init__(self) -> None:
        self.config = FolderStore(self.root / "config")
        self.data = FolderStore(self.root / "data")
        configure(self.config)

    def parts(self) -> Parts:
        policy = RetryPolicy(max_retries=1, base_delay=0.0)
        return Parts(
            settings=Settings(config_bucket="c", data_bucket="d", policy=policy, max_workers=1),
            config=self.config,
            data=self.data,
            fetcher=FixedFetcher(self.pages),
            bedrock=FunctionClient(self.answer),
        )

    def run(
        self,
        *,
        deadline: Deadline | None = None,
        on_progress: Callable[[Progress], object] | None = None,
        **fields: object,
    ) -> RunSummary:
        request = RunRequest(**{"client_id": "small", **fields})  # type: ignore[arg-type]  # the fields of a request
        invocation = Invocation(now=NOW, request_id="r-1", deadline=deadline, on_progress=on_progress)
        return run(request, self.parts(), invocation)

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

    parts = world.parts()
    object.__setattr__(parts, "bedrock", _Remembering(agree))
    run(RunRequest(client_id="small"), parts, Invocation(now=NOW, request_id="r-1"))
    assert all("Write the summary in French" in request["system"][0]["text"] for request in asked)
    assert {request["modelId"] for request in asked} == {parts.settings.model_id}


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
    assert report["window"] == {"from_date": "2026-11-14", "to_date": "2026-11-21", "slack": 1}
    assert report["disabled_sources"] == ["idle"]
    assert {source["source_key"]: source["counts"]["duplicate"] for source in report["sources"]} == {"one": 0, "two": 1}
    assert report["bedrock"]["calls"] == 3
    assert report["bedrock"]["input_tokens"] == 2100
    assert report["bedrock"]["output_tokens"] == 300
    assert list(report["seconds"]) == ["configuration", "ingest", "normalize", "store", "total"]
    assert report["settings"]["policy"]["BEDROCK_MAX_RETRIES"] == "1"
    account = report["items"][0]
    assert account["title"] == "Camurus grows"
    assert (account["status"], account["calls"], account["fault"]) == ("succeeded", 1, None)


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
        "Calls": 3,
        "Retries": 1,
        "Throttles": 2,
        "RetryRate": pytest.approx(100 / 3),
        "FailureRate": 50.0,
        "ItemsIngested": 2,
        "ItemsNormalized": 1,
        "ItemsFailed": 1,
        "ItemsUnstarted": 0,
        "ItemsReused": 0,
        "ItemsRetaken": 0,
        "ItemsQueued": 0,
        "SourcesRead": 1,
        "SourcesFailed": 1,
        "InputTokens": 700,
        "OutputTokens": 100,
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
    assert failed["fault"] == "malformed_answer"
    assert "missing required field" in failed["error"]
    assert (failed["calls"], failed["retries"], failed["waited"]) == (1, 0, 0.0)


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
    assert "met while normalising https://one.example/1" in caught.value.__notes__
    assert len(world.load(ITEMS)) == 2
    assert [account["fault"] for account in world.load(REPORT)["items"]] == [None, "unknown", None]


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
    with pytest.raises(RunRefused):
        world.run(sources=("gone",))
    assert world.stored() == []


class _NoBucket(FolderStore):
    def put_if_absent(self, key: str, body: bytes) -> str | None:
        raise BucketMissing(f"s3://data/{key}: no such bucket")


def test_a_bucket_that_is_not_there_is_a_wrong_configuration(world: World) -> None:
    world.data = _NoBucket(world.root / "data")
    with pytest.raises(RunRefused) as caught:
        world.run()
    assert caught.value.error_type is ErrorType.INVALID_CONFIGURATION
    assert str(caught.value) == "CONFIG_BUCKET or DATA_BUCKET: s3://data/normalized/small/lease.json: no such bucket"
