"""A run stores its results at every step, and its report rows for every item."""

from __future__ import annotations

import _thread
import datetime as dt
import json
import random
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
from support.ticking import Ticking
from vectora_normalize.contract import ErrorType, RunRefusedError, RunRequest
from vectora_normalize.pipeline import Dependencies, Invocation, RunSummary, run
from vectora_normalize.settings import OnConcurrentRun, Settings
from vectora_normalize.storage.objects import BucketMissingError, FolderStore, StoreError, TransientStoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from bedrock_resilience.batch._progress import Progress

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
class System:
    """The stores, the sources and the Bedrock client of runs."""

    root: Path
    answer: Callable[[str], dict[str, Any]] = agree
    pages: dict[str, bytes] = field(default_factory=lambda: dict(PAGES))

    requests: list[str] = field(default_factory=list[str])

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
        self.requests.append(text)
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
        """The keys that readers use; the state that runs share is left out."""
        ours = ("normalized/small/items/", "normalized/small/outstanding/", "normalized/small/sources.json")
        return [key for key in self.data.list("") if not key.startswith(ours)]

    def cached(self) -> list[str]:
        return list(self.data.list("normalized/small/items/"))

    def backlog(self) -> list[dict[str, Any]]:
        """The entries of all backlogs."""
        lists = [self.load(key) for key in self.data.list("normalized/small/outstanding/")]
        return [entry for one in lists for entry in one["entries"]]


@pytest.fixture
def system(tmp_path: Path) -> System:
    return System(tmp_path)


def test_a_run_stores_raw_items_normalised_items_and_its_report(system: System) -> None:
    summary = system.run()
    assert system.stored() == [
        ITEMS,
        REPORT,
        f"raw/small/one/{DAY}/raw.json",
        f"raw/small/two/{DAY}/raw.json",
    ]
    assert (summary.items_key, summary.report_key) == (ITEMS, REPORT)
    assert system.load(REPORT) == summary.report
    assert summary.answer()["statusCode"] == 200
    assert (summary.items_ingested, summary.items_normalized) == (3, 3)
    found = {item["title"]: item["companies_in_scopes"] for item in system.load(ITEMS)}
    assert found == {"Camurus grows": ["Camurus"], "Teva grows": ["Teva"], "Uzedy grows": []}
    assert {item["ingested_at"] for item in system.load(ITEMS)} == {"2026-11-21T06:30:00Z"}


def test_the_summary_is_requested_in_the_language_of_the_client(system: System) -> None:
    requests: list[Any] = []

    class _Recording(FunctionClient):
        def converse(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401 - as boto3's
            requests.append(request)
            return super().converse(**request)

    dependencies = system.dependencies()
    msgspec.structs.force_setattr(dependencies, "bedrock", _Recording(agree))
    run(RunRequest(client_id="small"), dependencies, Invocation(now=NOW, request_id="r-1"))
    assert all("Write the summary in French" in request["system"][0]["text"] for request in requests)
    assert {request["modelId"] for request in requests} == {dependencies.settings.model_id}


def test_a_dry_run_fetches_and_counts_and_writes_only_its_report(system: System) -> None:
    system.data.put("normalized/small/lease.json", b"{}")
    summary = system.run(dry_run=True)
    assert system.requests == []
    assert list(system.data.list("")) == [REPORT, "normalized/small/lease.json"]
    assert summary.answer()["body"] == {
        "client_id": "small",
        "items_ingested": 3,
        "items_normalized": 0,
        "execution_time_seconds": summary.answer()["body"]["execution_time_seconds"],
    }
    assert summary.items_key is None
    assert {item["reason"] for item in summary.report["items"]} == {"dry run"}
    assert summary.report["request"]["dry_run"] is True
    assert (summary.counts, summary.by_source) == ({"DryRuns": 1.0}, {})


def test_a_dry_run_counts_what_earlier_runs_left_and_leaves_it(system: System) -> None:
    system.answer = _refuse_validation
    system.run()
    backlog = system.backlog()
    assert system.run(dry_run=True, sources=("one",)).items_ingested == 3
    assert system.backlog() == backlog


def test_a_dry_run_whose_sources_all_fail_is_a_502(system: System) -> None:
    system.pages.clear()
    summary = system.run(dry_run=True)
    assert summary.answer()["body"]["error_type"] == "AllSourcesFailed"


def test_the_configuration_is_judged_in_the_report(system: System) -> None:
    key = "canonical/sources/source_catalog.yaml"
    system.config.put(key, system.config.get(key).replace(b"source_key: idle", b"tags: [x], source_key: 7"))
    report = system.run(sources=("one",)).report
    assert report["warnings"][0].startswith(f"{key}: sources[2].source_key: got 7; accepted: ")
    assert report["unsupported"] == [f"{key}: sources[].tags"]
    assert report["skipped_sources"] == []


def _refuse_validation(_: str) -> dict[str, Any]:
    raise client_error("ValidationException")


class _BusyFolder(FolderStore):
    """Refuses a share of all requests, as S3 does where it answers 503."""

    share = 0.6

    def __init__(self, root: Path, seed: int) -> None:
        super().__init__(root)
        self._rng = random.Random(seed)

    def _path(self, key: str) -> Path:
        if self._rng.random() < self.share:
            raise TransientStoreError(f"{key}: cannot be read or written: SlowDown")
        return super()._path(key)


@pytest.mark.parametrize("seed", range(5))
def test_a_store_that_refuses_most_requests_costs_items_at_most(system: System, seed: int) -> None:
    healthy, clock = system.data, Ticking()
    dependencies = system.dependencies()
    changes = {"data": _BusyFolder(system.root / "data", seed), "config": _BusyFolder(system.root / "config", seed)}
    busy = msgspec.structs.replace(dependencies, clock=clock, **changes)
    summary = run(RunRequest(client_id="small"), busy, Invocation(now=NOW, request_id="r-1"))
    assert summary.answer()["statusCode"] == 200
    stored: list[dict[str, Any]] = json.loads(healthy.get(ITEMS)) if summary.items_normalized else []
    assert len(stored) == summary.items_normalized
    unfinished = {entry["item"]["content_hash"] for entry in system.backlog()}
    assert {item["content_hash"] for item in stored}.isdisjoint(unfinished)
    assert len(stored) + len(unfinished) == summary.items_ingested == 3
    later = Invocation(now=NOW + dt.timedelta(hours=1), request_id="r-2")  # a claim that was left behind has expired
    assert run(RunRequest(client_id="small"), system.dependencies(), later).items_normalized == 3


class _DeniedFolder(FolderStore):
    """Refuses one object, as S3 does where a policy or a key does not allow it."""

    denied = ""

    def get(self, key: str) -> bytes:
        if key == self.denied:
            raise StoreError(f"{key}: cannot be read: AccessDenied") from client_error("AccessDenied")
        return super().get(key)


def test_a_stored_response_that_may_not_be_read_costs_its_item_and_is_no_refusal_by_bedrock(system: System) -> None:
    system.run()
    store = _DeniedFolder(system.root / "data")
    store.denied = next(store.list("normalized/small/items/"))
    dependencies = msgspec.structs.replace(system.dependencies(), data=store)
    summary = run(RunRequest(client_id="small"), dependencies, Invocation(now=NOW, request_id="r-2"))
    assert summary.answer()["statusCode"] == 200
    assert (summary.items_ingested, summary.items_normalized) == (3, 2)
    assert summary.report["bedrock"]["faults"] == {"unknown": 1}


def test_before_the_process_is_killed_no_attempt_begins(system: System) -> None:
    clock = Ticking()
    busy = _BusyFolder(system.root / "data", 1)
    busy.share = 1.0
    dependencies = msgspec.structs.replace(system.dependencies(), clock=clock, data=busy)
    invocation = Invocation(now=NOW, request_id="r-1", killed_at=NOW + dt.timedelta(seconds=8))
    with pytest.raises(TransientStoreError):
        run(RunRequest(client_id="small"), dependencies, invocation)
    assert sum(clock.slept) < 8


def test_the_report_has_every_step(system: System) -> None:
    report = system.run(period_days=7, ignored=("perod",)).report
    assert report["client_id"] == "small"
    assert report["request_id"] == "r-1"
    assert report["started_at"] == "2026-11-21T06:30:00Z"
    assert report["request"] == {
        "period_days": 7,
        "sources": None,
        "from_date": None,
        "to_date": None,
        "dry_run": False,
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
        "advised_max_tokens": None,  # three responses are too few for advice
        "reserved": 5_100,
        "settled": 3_600.0,
        "over_reserved": 1_500.0,
        "unused_share": 0.2941,
    }
    assert list(report["seconds"]) == ["configuration", "ingest", "normalize", "store", "total"]
    assert report["settings"]["policy"]["BEDROCK_MAX_RETRIES"] == "1"
    row = report["items"][0]
    assert row["title"] == "Camurus grows"
    assert (row["status"], row["attempts"], row["fault"]) == ("succeeded", 1, None)
    assert (row["tokens_reserved"], row["tokens_settled"]) == (1_700, 1_200.0)


def test_the_counts_are_those_of_the_metrics(system: System) -> None:
    def answer(text: str) -> dict[str, Any]:
        if "Teva" in text:
            raise client_error("ThrottlingException", status=429)
        return agree(text)

    system.answer = answer
    del system.pages["https://two.example/feed"]
    counts = dict(system.run().counts)
    assert counts.pop("DurationSeconds") > 0
    assert counts.pop("BackoffSeconds") >= 0
    assert counts == {
        "Attempts": 3,
        "Retries": 1,
        "Throttles": 2,
        "RetryRate": pytest.approx(100 / 3),
        "FailureRate": 50.0,
        "ItemsAsked": 2,
        "ItemsGivenUp": 0,
        "EntriesFound": 2,
        "EntriesKept": 2,
        "ItemsIngested": 2,
        "ItemsNormalized": 1,
        "ItemsFailed": 1,
        "ItemsUnstarted": 0,
        "ItemsReused": 0,
        "ItemsResumed": 0,
        "ItemsQueued": 0,
        "SourcesRead": 1,
        "SourcesFailed": 1,
        "SourcesFailingRepeatedly": 0,
        "RunsNothingKept": 0,
        "RunsRefused": 0,
        "RunsCompleted": 1,
        "InputTokens": 700,
        "OutputTokens": 100,
        "TokensReserved": 1_700,
        "TokensOverReserved": 500,
        "PacingSeconds": 0,
    }


def test_the_report_has_what_the_run_used(system: System) -> None:
    invocation = Invocation(now=NOW, request_id="r-1", memory_megabytes=512)
    report = run(RunRequest(client_id="small"), system.dependencies(), invocation).report
    cost = report["cost"]
    assert cost["bedrock"] == {
        "requests": 3,
        "input_tokens": 2_100,
        "output_tokens": 300,
        "requests_of_unknown_usage": 0,
    }
    # Three responses, with a look-up, a claim and a write each, and what the run itself reads and writes.
    assert cost["s3"]["reads"] > 3
    assert cost["s3"]["writes"] > 6
    assert cost["lambda"]["memory_megabytes"] == 512
    assert cost["lambda"]["gigabyte_seconds"] == pytest.approx(cost["lambda"]["seconds"] / 2, abs=0.001)
    again = system.run().report["cost"]
    assert again["bedrock"] == {**dict.fromkeys(cost["bedrock"], 0)}
    assert again["lambda"]["gigabyte_seconds"] is None


def test_a_failed_item_is_reported_with_its_fault_and_its_cost(system: System) -> None:
    def answer(text: str) -> dict[str, Any]:
        return tool_answer({}) if "Teva" in text else agree(text)

    system.answer = answer
    summary = system.run()
    assert (summary.items_ingested, summary.items_normalized) == (3, 2)
    (failed,) = [row for row in summary.report["items"] if row["status"] == "failed"]
    assert failed["title"] == "Teva grows"
    assert failed["fault"] == "malformed_response"
    assert "missing required field" in failed["error"]
    assert (failed["attempts"], failed["retries"], failed["backoff_seconds"]) == (1, 0, 0.0)
    assert failed["tokens_settled"] == 1_200.0, "a malformed response has used its tokens"
    assert (summary.counts["OutputTokens"], summary.report["bedrock"]["tokens"]["output_tokens"]) == (200, 300)


def test_where_all_sources_fail_there_is_a_report_and_no_items(system: System) -> None:
    system.pages.clear()
    summary = system.run()
    assert summary.refusal is not None
    assert summary.refusal.error_type is ErrorType.ALL_SOURCES_FAILED
    assert summary.refusal.faults == (
        "sources: all 2 of them failed",
        "one: https://one.example/feed: the server answered 404",
        "two: https://two.example/feed: the server answered 404",
    )
    assert summary.answer()["statusCode"] == 502
    assert summary.items_key is None
    assert system.stored() == [REPORT]


def test_where_bedrock_refuses_the_run_the_raw_items_are_stored(system: System) -> None:
    def refuse(_: str) -> dict[str, Any]:
        raise client_error("AccessDeniedException", "no", 403)

    system.answer = refuse
    summary = system.run()
    assert summary.answer()["body"]["message"].startswith("Bedrock refused the run: access_denied: ")
    assert system.stored() == [REPORT, f"raw/small/one/{DAY}/raw.json", f"raw/small/two/{DAY}/raw.json"]
    assert [row["status"] for row in summary.report["items"]] == ["failed", "unstarted", "unstarted"]


def test_items_normalised_before_a_refusal_make_a_partial_success(system: System) -> None:
    def answer(text: str) -> dict[str, Any]:
        if "Teva" in text:
            raise client_error("ThrottlingException", "Too many tokens per day, please wait.", 429)
        return agree(text)

    system.answer = answer
    summary = system.run()
    assert summary.refusal is None
    assert [item["title"] for item in system.load(ITEMS)] == ["Camurus grows"]
    assert [row["status"] for row in summary.report["items"]] == ["succeeded", "failed", "unstarted"]


def test_a_run_in_which_every_item_fails_by_itself_is_a_200(system: System) -> None:
    system.answer = lambda _: tool_answer({})
    summary = system.run()
    assert summary.answer()["statusCode"] == 200
    assert system.load(ITEMS) == []


def test_a_programming_error_is_raised_after_storing(system: System) -> None:
    def answer(text: str) -> dict[str, Any]:
        if "Teva" in text:
            raise KeyError("mistake")
        return agree(text)

    system.answer = answer
    with pytest.raises(KeyError, match="mistake") as caught:
        system.run()
    assert len(system.load(ITEMS)) == 2
    rows = system.load(REPORT)["items"]
    assert [row["fault"] for row in rows] == [None, "unknown", None]
    # Not its URL, which may contain a secret.
    assert f"raised while normalizing {rows[1]['item_id']}" in caught.value.__notes__


def test_an_error_of_the_sdk_is_not_a_programming_error(system: System) -> None:
    def answer(_: str) -> dict[str, Any]:
        raise BotoCoreError

    system.answer = answer
    summary = system.run()
    assert summary.answer()["statusCode"] == 200
    assert {row["fault"] for row in summary.report["items"]} == {"unknown"}


def test_an_interruption_loses_no_finished_item(system: System) -> None:
    def answer(text: str) -> dict[str, Any]:
        if "Teva" in text:
            _thread.interrupt_main()  # as Ctrl-C does it
        return agree(text)

    system.answer = answer
    with pytest.raises(KeyboardInterrupt):
        system.run()
    assert "Camurus grows" in {item["title"] for item in system.load(ITEMS)}
    assert len(system.load(REPORT)["items"]) == 3


def test_after_the_deadline_nothing_is_started(system: System) -> None:
    summary = system.run(deadline=Deadline(SYSTEM_CLOCK.monotonic() + 5.0, attempt=10.0))
    assert summary.answer()["body"]["items_normalized"] == 0
    assert {row["status"] for row in summary.report["items"]} == {"unstarted"}


def test_progress_is_reported(system: System) -> None:
    updates: list[int] = []
    system.run(on_progress=lambda progress: updates.append(progress.done))
    assert updates == [1, 2, 3]


def test_a_refused_request_writes_nothing(system: System) -> None:
    with pytest.raises(RunRefusedError):
        system.run(sources=("gone",))
    assert system.stored() == []


class _NoBucket(FolderStore):
    def put_if_absent(self, key: str, body: bytes) -> str | None:
        raise BucketMissingError(f"s3://data/{key}: no such bucket")


def test_a_missing_bucket_is_an_invalid_configuration(system: System) -> None:
    system.data = _NoBucket(system.root / "data")
    with pytest.raises(RunRefusedError) as caught:
        system.run()
    assert caught.value.error_type is ErrorType.INVALID_CONFIGURATION
    assert str(caught.value) == "CONFIG_BUCKET or DATA_BUCKET: s3://data/normalized/small/lease.json: no such bucket"


class TestPaidOnce:
    def test_a_second_run_sends_no_request_and_changes_nothing(self, system: System) -> None:
        system.run()
        before = system.data.get(ITEMS)
        system.requests.clear()
        summary = system.run()
        assert (summary.items_ingested, summary.items_normalized) == (3, 3)
        assert system.requests == []
        assert system.data.get(ITEMS) == before
        assert summary.report["work"] == {
            "invoked": 0,
            "reused": 3,
            "joined": 0,
            "queued": 0,
            "resumed": 0,
            "given_up": 0,
        }
        assert {row["origin"] for row in summary.report["items"]} == {"store"}
        assert (summary.counts["ItemsReused"], summary.counts["Attempts"], summary.counts["InputTokens"]) == (3, 0, 0)
        assert summary.report["bedrock"]["tokens"] is None
        assert "TokensReserved" not in summary.counts

    def test_a_day_later_the_items_are_listed_again_and_not_paid_for_again(self, system: System) -> None:
        system.run()
        system.requests.clear()
        tomorrow = NOW + dt.timedelta(days=1)
        run(RunRequest(client_id="small"), system.dependencies(), Invocation(now=tomorrow, request_id="r-2"))
        listed = system.load("normalized/small/2026/11/22/items.json")
        assert len(listed) == 3
        assert {item["ingested_at"] for item in listed} == {"2026-11-21T06:30:00Z"}
        assert system.requests == []

    def test_a_scope_change_without_effect_on_items_sends_no_request(self, system: System) -> None:
        system.run()
        system.requests.clear()
        configure(system.config, company_scopes="companies: [Camurus, Teva, Nobody At All]")
        assert system.run().report["work"]["reused"] == 3
        assert system.requests == []

    def test_items_with_a_name_removed_from_a_scope_are_requested_again(self, system: System) -> None:
        system.run()
        system.requests.clear()
        configure(system.config, company_scopes="companies: [Camurus]")
        assert system.run().report["work"]["reused"] == 2
        assert len(system.requests) == 1
        assert "Teva" in system.requests[0]
        found = {item["title"]: item["companies_in_scopes"] for item in system.load(ITEMS)}
        assert found == {"Camurus grows": ["Camurus"], "Teva grows": [], "Uzedy grows": []}

    def test_another_model_is_requested_again(self, system: System) -> None:
        system.run()
        system.requests.clear()
        dependencies = system.dependencies()
        msgspec.structs.force_setattr(dependencies.settings, "model_id", "successor")
        run(RunRequest(client_id="small"), dependencies, Invocation(now=NOW, request_id="r-2"))
        assert len(system.requests) == 3
        assert len(system.cached()) == 6


class TestBacklog:
    def refuse_teva(self, system: System, code: str = "ValidationException") -> None:
        def answer(text: str) -> dict[str, Any]:
            if "Teva" in text:
                raise client_error(code, "no")
            return agree(text)

        system.answer = answer

    def test_failed_items_are_tried_again_by_the_next_run_whatever_its_window(self, system: System) -> None:
        self.refuse_teva(system)
        system.run()
        (entry,) = system.backlog()
        assert (entry["item"]["title"], entry["status"], entry["fault"]) == ("Teva grows", "failed", "validation")
        assert (entry["attempts"], entry["failures"]) == (1, 1)
        system.answer = agree
        system.requests.clear()
        summary = system.run(from_date=dt.date(2001, 1, 1), to_date=dt.date(2001, 1, 2))
        assert (summary.items_ingested, summary.items_normalized) == (1, 1)
        assert summary.report["work"]["resumed"] == 1
        assert len(system.requests) == 1
        assert system.backlog() == []
        assert {item["title"] for item in system.load(ITEMS)} == {"Camurus grows", "Teva grows", "Uzedy grows"}

    def test_unstarted_items_are_started_by_the_next_run(self, system: System) -> None:
        deadline = Deadline(SYSTEM_CLOCK.monotonic() + 5.0, attempt=10.0)
        system.run(deadline=deadline)
        assert {entry["status"] for entry in system.backlog()} == {"unstarted"}
        assert {entry["reason"] for entry in system.backlog()} == {"deadline"}
        system.pages = {url: feed() for url in PAGES}
        assert system.run().items_normalized == 3
        assert system.backlog() == []

    def test_the_next_run_resumes_all_items_of_a_killed_run(self, system: System) -> None:
        system.data = _KilledAtList(system.data.root)
        with pytest.raises(MemoryError):
            system.run()
        system.data = FolderStore(system.data.root)
        assert len(system.cached()) == 3
        assert {entry["status"] for entry in system.backlog()} == {"open"}
        assert not system.data.exists(ITEMS)
        system.requests.clear()
        system.pages = {url: feed() for url in PAGES}  # the feeds do not have the items any more
        assert system.run().report["work"] == {
            "invoked": 0,
            "reused": 3,
            "joined": 0,
            "queued": 0,
            "resumed": 3,
            "given_up": 0,
        }
        assert system.requests == []
        assert len(system.load(ITEMS)) == 3
        assert system.backlog() == []

    def test_an_item_that_keeps_failing_is_given_up_and_reported(self, system: System) -> None:
        self.refuse_teva(system)
        for _ in range(3):
            system.run()
        system.requests.clear()
        summary = system.run()
        assert system.requests == []
        assert (summary.items_ingested, summary.items_normalized) == (3, 2)
        (given_up,) = [row for row in summary.report["items"] if row["status"] == "failed"]
        assert (given_up["title"], given_up["attempts"], given_up["fault"]) == ("Teva grows", 0, "validation")
        assert given_up["reason"].startswith("given up: failed in 3 runs")
        assert summary.report["work"]["given_up"] == 1
        assert len(system.backlog()) == 1
        # It stays in the backlog, also while no source has it.
        system.pages = {"https://one.example/feed": feed("Camurus grows"), "https://two.example/feed": feed()}
        assert system.run().items_ingested == 1
        assert len(system.backlog()) == 1

    def test_temporary_failures_are_tried_in_every_run(self, system: System) -> None:
        self.refuse_teva(system, "ThrottlingException")
        for _ in range(5):
            system.run()
        system.requests.clear()
        system.run()
        assert len([text for text in system.requests if "Teva" in text]) == 2  # one retry
        system.answer = agree
        assert system.run().items_normalized == 3
        assert system.backlog() == []

    def test_after_a_refused_run_all_items_are_tried_again(self, system: System) -> None:
        def refuse(_: str) -> dict[str, Any]:
            raise client_error("AccessDeniedException", "no", 403)

        system.answer = refuse
        for _ in range(4):
            system.run()
        assert len(system.backlog()) == 3
        system.answer = agree
        assert system.run().items_normalized == 3

    def test_where_all_sources_fail_the_backlog_stays(self, system: System) -> None:
        self.refuse_teva(system)
        system.run()
        system.pages.clear()
        assert system.run().refusal is not None
        assert len(system.backlog()) == 1


class TestOneRunAtATime:
    def test_a_run_has_the_lease_until_its_end(self, system: System) -> None:
        held: list[bool] = []

        def answer(text: str) -> dict[str, Any]:
            held.append(system.data.exists("normalized/small/lease.json"))
            return agree(text)

        system.answer = answer
        system.run()
        assert held == [True] * 3
        assert not system.data.exists("normalized/small/lease.json")

    def test_a_refused_second_run_writes_nothing(self, system: System) -> None:
        lease = {"owner": "other", "expires_at": (NOW + dt.timedelta(seconds=60)).isoformat()}
        system.data.put("normalized/small/lease.json", json.dumps(lease).encode())
        dependencies = system.dependencies()
        msgspec.structs.force_setattr(dependencies.settings, "on_concurrent_run", OnConcurrentRun.REFUSE)
        with pytest.raises(RunRefusedError) as caught:
            run(RunRequest(client_id="small"), dependencies, Invocation(now=NOW, request_id="r-1"))
        assert caught.value.error_type is ErrorType.CONCURRENT_RUN
        assert list(system.data.list("")) == ["normalized/small/lease.json"]

    def test_a_run_that_joins_another_names_it_in_its_report(self, system: System) -> None:
        lease = {"owner": "other", "expires_at": (NOW + dt.timedelta(seconds=60)).isoformat()}
        system.data.put("normalized/small/lease.json", json.dumps(lease).encode())
        assert system.run().report["shared_with"] == "other"
        assert system.data.exists("normalized/small/lease.json")  # theirs

    def test_the_lease_is_released_after_an_error(self, system: System) -> None:
        def answer(_: str) -> dict[str, Any]:
            raise KeyError("mistake")

        system.answer = answer
        with pytest.raises(KeyError):
            system.run()
        assert not system.data.exists("normalized/small/lease.json")

    def test_rows_staged_by_killed_workers_are_added_by_the_next_run(self, system: System) -> None:
        system.run()
        (row, *_) = system.load(ITEMS)
        system.data.put("normalized/small/parts/2026-11-20/dead-1.json", json.dumps([row]).encode())
        system.run()
        assert system.load("normalized/small/2026/11/20/items.json") == [row]
        assert list(system.data.list("normalized/small/parts")) == []


class _KilledAtList(FolderStore):
    """The process is killed when it writes the list of the day."""

    def put_if_absent(self, key: str, body: bytes) -> str | None:
        if key == ITEMS:
            raise MemoryError
        return super().put_if_absent(key, body)
