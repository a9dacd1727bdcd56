"""The whole Lambda on real parts: from an event to stored items, and to the answers of the contract."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import logging
import re
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from bedrock_resilience.emulator import BedrockEmulator
from bedrock_resilience.quotas import Quota, QuotaAdmission, QuotaLedger, Usage
from bedrock_resilience.testing import FakeClock
from support.deployment import CATALOG, CLIENT, Context, Deployment, deployed, function_process
from support.schemas import conforms
from vectora_normalize.handler import lambda_handler
from vectora_normalize.items import KINDS, RawItem, items_schema
from vectora_normalize.normalize import extraction
from vectora_normalize.operations.rules import MIN_ITEMS
from vectora_normalize.pipeline import dependencies as wiring

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from bedrock_resilience.clock import Clock
    from vectora_normalize.settings import Settings

DEPOT = "press_sector__depot_dispatch"
NORDLAI = "press_corporate__nordlai"
RETRY_LINE = re.compile(r"ThrottlingException détectée \(tentative \d+/4\)\. Retry dans \d+\.\d\ds\.\.\.")
ABANDONED_LINE = "ThrottlingException - Échec après 4 tentatives. Abandon de l'appel Bedrock."


def event(**fields: object) -> dict[str, object]:
    return {"client_id": "lai_weekly", **fields}


def on_clock(clock: Clock) -> Callable[[Settings], wiring.Dependencies]:
    """The dependencies of the function, with another clock."""

    def dependencies(settings: Settings) -> wiring.Dependencies:
        return msgspec.structs.replace(wiring.aws_dependencies(settings), clock=clock)

    return dependencies


def logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@dataclass(frozen=True)
class Run:
    """A run that is done: its answer, and the deployment with what it has stored."""

    answer: dict[str, Any]
    deployment: Deployment


@pytest.fixture(scope="module")
def all_items(aws_url: str) -> Generator[Run]:
    """A run of all sources, ``1b7c4d``; it takes seconds, and is done once for the tests that only look at it."""
    with BedrockEmulator() as emulator, deployed(aws_url, emulator) as deployment:
        with function_process(deployment):
            answer = lambda_handler(event(period_days=7), Context("1b7c4d"))
        yield Run(answer, deployment)


class TestARunThatIsDone:
    def test_the_answer_has_exactly_the_four_keys(self, all_items: Run) -> None:
        assert set(all_items.answer) == {"statusCode", "body"}
        body = dict(all_items.answer["body"])
        assert isinstance(body.pop("execution_time_seconds"), float)
        assert all_items.answer["statusCode"] == 200
        assert body == {"client_id": "lai_weekly", "items_ingested": 112, "items_normalized": 112}
        assert all_items.deployment.emulator.requests == 112

    def test_the_items_conform_to_their_schema_and_are_grounded(self, all_items: Run) -> None:
        items = all_items.deployment.items()
        assert conforms(items, items_schema())
        assert len({item["content_hash"] for item in items}) == len(items) == 112
        for item in items:
            for kind in KINDS:
                assert set(item[f"{kind}_in_scopes"]) <= set(item[f"{kind}_detected"])
        assert sum(len(item["companies_in_scopes"]) for item in items) > 50
        assert len({item["event_type"] for item in items}) > 4

    def test_the_report_accounts_for_every_source_and_every_item(self, all_items: Run) -> None:
        answer, deployment = all_items.answer, all_items.deployment
        report = deployment.report("1b7c4d")
        assert len(report["sources"]) == 7
        assert report["disabled_sources"] == ["press_sector__depot_digest"]
        for source in report["sources"]:
            counts = source["counts"]
            assert counts["entries"] == sum(count for name, count in counts.items() if name != "entries") > 0
        kept = sum(source["counts"]["kept"] for source in report["sources"])
        assert kept == len(report["items"]) == answer["body"]["items_ingested"]
        assert {account["status"] for account in report["items"]} == {"succeeded"}
        assert {account["item_id"] for account in report["items"]} == {item["item_id"] for item in deployment.items()}
        assert report["status"] == 200
        assert report["bedrock"]["attempts"] == deployment.emulator.requests
        assert report["settings"]["model_id"] in deployment.emulator.model_ids
        assert list(report["seconds"]) == ["configuration", "ingest", "normalize", "store", "total"]

    def test_what_was_ingested_is_there_for_replay(self, deployment: Deployment) -> None:
        lambda_handler(event(sources=[NORDLAI, DEPOT]), Context())
        day = dt.datetime.now(dt.UTC).strftime("%Y/%m/%d")  # noqa: TID251 - as the handler
        raw = [RawItem.from_dict(row) for row in deployment.load(f"raw/lai_weekly/{NORDLAI}/{day}/raw.json")]
        assert len(raw) == 13
        assert {item.source_key for item in raw} == {NORDLAI}
        assert sorted(deployment.stored()) == [
            f"normalized/lai_weekly/{day}/items.json",
            f"normalized/lai_weekly/{day}/run-request-1.json",
            f"raw/lai_weekly/{NORDLAI}/{day}/raw.json",
            f"raw/lai_weekly/{DEPOT}/{day}/raw.json",
        ]

    def test_a_second_run_of_a_day_adds_to_the_first(self, deployment: Deployment) -> None:
        lambda_handler(event(sources=[NORDLAI]), Context("one"))
        lambda_handler(event(sources=[NORDLAI, DEPOT]), Context("two"))
        items = deployment.items()
        assert len(items) == 13 + 27
        assert {item["source_key"] for item in items} == {NORDLAI, DEPOT}
        assert deployment.report("one")["items_ingested"] == 13
        assert deployment.report("two")["items_ingested"] == 40

    def test_a_window_without_items_is_a_run_without_items(self, deployment: Deployment) -> None:
        answer = lambda_handler(event(from_date="2001-01-01", to_date="2001-01-31"), Context())
        assert (answer["body"]["items_ingested"], answer["body"]["items_normalized"]) == (0, 0)
        assert answer["statusCode"] == 200
        assert deployment.items() == []
        assert deployment.emulator.requests == 0

    def test_an_item_that_gives_orders_is_an_ordinary_item(self, all_items: Run) -> None:
        ordering = [item for item in all_items.deployment.items() if "ignore" in item["content"].lower()]
        assert len(ordering) >= 1
        for item in ordering:
            assert item["summary"]
            assert all(name.lower() in item["content"].lower() for name in item["trademarks_detected"])

    def test_what_a_scheduler_adds_does_no_harm(self, deployment: Deployment) -> None:
        answer = lambda_handler(event(sources=[NORDLAI], version="0", perod_days=3), Context())
        assert answer["statusCode"] == 200
        assert deployment.report("request-1")["request"]["ignored"] == ["perod_days", "version"]

    def test_without_a_context_the_run_names_itself(self, deployment: Deployment) -> None:
        assert lambda_handler(event(sources=[NORDLAI]), None)["statusCode"] == 200
        assert any(re.search(r"/run-[0-9a-f-]{36}\.json$", key) for key in deployment.stored())

    def test_clients_are_made_once_for_all_invocations(self, deployment: Deployment) -> None:
        for number in range(3):
            lambda_handler(event(sources=[NORDLAI], from_date="2001-01-01", to_date="2001-01-02"), Context(f"{number}"))
        assert wiring.aws_dependencies.cache_info().misses == 1
        assert len(deployment.stored()) == 4

    def test_the_window_of_the_event_comes_before_that_of_the_client(self, deployment: Deployment) -> None:
        def first_day(**fields: object) -> dt.date:
            lambda_handler(event(sources=[NORDLAI], **fields), Context("w"))
            return dt.date.fromisoformat(deployment.report("w")["window"]["from_date"])

        today = dt.datetime.now(dt.UTC).date()  # noqa: TID251 - as the handler
        client = deployment.config(CLIENT)
        assert first_day(period_days=3) == today - dt.timedelta(days=3)
        deployment.put_config(CLIENT, client.replace("default_period_days: 7", "default_period_days: 5"))
        assert first_day() == today - dt.timedelta(days=5)
        deployment.put_config(CLIENT, client.replace("default_period_days: 7", "notes: none"))
        assert first_day() == today - dt.timedelta(days=7)


class TestARunInPart:
    def test_failing_items_stand_beside_the_others(self, deployment: Deployment) -> None:
        deployment.emulator.fail_next(1, "ValidationException")
        deployment.emulator.fail_next(1, "unexpected-body")
        answer = lambda_handler(event(sources=[DEPOT]), Context())
        assert answer["statusCode"] == 200
        assert (answer["body"]["items_ingested"], answer["body"]["items_normalized"]) == (27, 25)
        report = deployment.report("request-1")
        failed = [account for account in report["items"] if account["status"] == "failed"]
        assert sorted(account["fault"] for account in failed) == ["malformed_response", "validation"]
        assert all(account["attempts"] == 1 and account["error"] for account in failed)
        assert len(deployment.items()) == 25

    def test_a_failing_source_fails_alone(self, deployment: Deployment) -> None:
        catalog = deployment.config(CATALOG)
        deployment.put_config(CATALOG, catalog.replace("/depot-dispatch.example/feed.xml", "/nobody.example/feed.xml"))
        answer = lambda_handler(event(sources=[DEPOT, NORDLAI]), Context())
        assert (answer["statusCode"], answer["body"]["items_ingested"]) == (200, 13)
        by_key = {source["source_key"]: source for source in deployment.report("request-1")["sources"]}
        assert by_key[DEPOT]["failure"] == "not_found"
        assert by_key[NORDLAI]["failure"] is None

    def test_the_tokens_of_the_day_may_end_a_run_halfway(self, deployment: Deployment) -> None:
        deployment.emulator.fail_next(None, "tokens-per-day", containing="Uzedy")
        answer = lambda_handler(event(sources=[NORDLAI, DEPOT]), Context())
        assert answer["statusCode"] == 200
        report = deployment.report("request-1")
        assert report["bedrock"]["faults"]["tokens_per_day"] >= 1
        assert report["bedrock"]["unstarted"] > 0
        assert len(deployment.items()) == answer["body"]["items_normalized"] > 0

    def test_a_run_stops_starting_items_before_its_time_is_up(self, deployment: Deployment) -> None:
        answer = lambda_handler(event(sources=[DEPOT]), Context(seconds=25.0))
        assert answer["statusCode"] == 200
        assert answer["body"]["items_ingested"] == 27
        assert answer["body"]["items_normalized"] == 0
        report = deployment.report("request-1")
        assert {account["status"] for account in report["items"]} == {"unstarted"}
        assert deployment.emulator.requests == 0

    def test_a_mistake_of_the_program_raises_after_the_others_are_stored(
        self, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def mistaken(item: RawItem, *args: object, **options: object) -> object:
            if item.url == stumbled:
                raise KeyError("mistake")
            return normalize(item, *args, **options)  # type: ignore[arg-type]

        normalize = extraction.normalize
        lambda_handler(event(sources=[NORDLAI]), Context("first"))
        stumbled, name = (deployment.items()[0][field] for field in ("url", "item_id"))
        monkeypatch.setattr("vectora_normalize.normalize.normalizer.normalize", mistaken)
        with pytest.raises(KeyError, match="mistake") as caught:
            lambda_handler(event(sources=[NORDLAI]), Context("second"))
        assert any(name in note for note in caught.value.__notes__)
        statuses = [account["status"] for account in deployment.report("second")["items"]]
        assert (statuses.count("succeeded"), statuses.count("failed")) == (12, 1)


class TestARunThatComesToNothing:
    def test_where_every_source_fails_the_answer_is_502(self, deployment: Deployment) -> None:
        catalog = deployment.config(CATALOG)
        deployment.put_config(CATALOG, re.sub(r"example/\S+(?=\")", "example/gone", catalog))
        answer = lambda_handler(event(), Context())
        assert answer["statusCode"] == 502
        assert set(answer["body"]) == {"client_id", "error_type", "message", "execution_time_seconds"}
        assert answer["body"]["error_type"] == "AllSourcesFailed"
        assert "press_sector__depot_dispatch: " in answer["body"]["message"]
        assert not any(key.endswith("items.json") for key in deployment.stored())
        assert deployment.report("request-1")["status"] == 502

    @pytest.mark.parametrize(
        ("error", "fault"),
        [
            ("AccessDeniedException", "access_denied"),
            ("ResourceNotFoundException", "not_found"),
            ("tokens-per-day", "tokens_per_day"),
        ],
    )
    def test_where_bedrock_refuses_the_run_the_answer_is_502(
        self, deployment: Deployment, error: str, fault: str
    ) -> None:
        deployment.emulator.fail_next(None, error)
        answer = lambda_handler(event(sources=[DEPOT]), Context())
        assert answer["statusCode"] == 502
        assert answer["body"]["error_type"] == "BedrockRefused"
        assert answer["body"]["client_id"] == "lai_weekly"
        assert answer["body"]["message"].startswith(f"Bedrock refused the run: {fault}: ")
        assert deployment.emulator.requests <= 4
        report = deployment.report("request-1")
        assert report["error_type"] == "BedrockRefused"
        assert len(report["items"]) == report["items_ingested"] == 27

    def test_throttling_alone_is_no_refusal(self, deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("BEDROCK_MAX_RETRIES", "0")
        deployment.emulator.fail_next(None)
        answer = lambda_handler(event(sources=[NORDLAI]), Context())
        assert (answer["statusCode"], answer["body"]["items_normalized"]) == (200, 0)


BAD_EVENTS: list[tuple[object, str, str]] = [
    ({"period_days": 7}, "InvalidEvent", r"^client_id: missing; required: 1 to 64 letters"),
    (event(period_days=-1), "InvalidEvent", r"^period_days: got -1; accepted: a whole number from 1 to 3650$"),
    (event(period_days="7"), "InvalidEvent", r"^period_days: got '7'; accepted: a whole number"),
    (event(period_days=True), "InvalidEvent", r"^period_days: got True; accepted: a whole number"),
    (event(sources=["press_sector__gone"]), "UnknownSource", rf"^sources: got \['press_sector__gone'\].*{DEPOT}"),
    (
        event(sources=["press_sector__depot_digest"]),
        "UnknownSource",
        r"^sources: got press_sector__depot_digest, disab",
    ),
    ({"client_id": "nobody"}, "UnknownClient", r"^client_id: got 'nobody'; .*clients/nobody\.yaml; known: lai_weekly$"),
    ({"client_id": "../lai_weekly"}, "InvalidEvent", r"^client_id: got '\.\./lai_weekly'; accepted"),
    ("lai_weekly", "InvalidEvent", r"^event: got 'lai_weekly'; accepted: a JSON object"),
    ([event()], "InvalidEvent", r"^event: got \["),
    (None, "InvalidEvent", r"^event: got None"),
    ({"period_days": 0, "from_date": "x"}, "InvalidEvent", r"^client_id: .*; period_days: got 0.*; from_date: got 'x'"),
]


class TestARefusal:
    @pytest.mark.parametrize(("wrong", "error_type", "message"), BAD_EVENTS)
    def test_a_bad_event_gets_a_400_that_names_its_faults_and_nothing_is_written(
        self, deployment: Deployment, wrong: object, error_type: str, message: str
    ) -> None:
        answer = lambda_handler(wrong, Context())
        assert answer["statusCode"] == 400
        assert set(answer["body"]) == {"client_id", "error_type", "message", "execution_time_seconds"}
        assert answer["body"]["error_type"] == error_type
        assert re.search(message, answer["body"]["message"])
        assert deployment.stored() == []
        assert deployment.emulator.requests == 0

    def test_an_inactive_client_is_refused(self, deployment: Deployment) -> None:
        deployment.put_config(CLIENT, deployment.config(CLIENT).replace("active: true", "active: false"))
        answer = lambda_handler(event(), Context())
        assert (answer["statusCode"], answer["body"]["error_type"]) == (400, "InactiveClient")
        assert deployment.stored() == []

    @pytest.mark.parametrize(
        ("key", "text", "message"),
        [
            (CLIENT, "client_profile: [", r"clients/lai_weekly\.yaml: invalid YAML"),
            (CLIENT, "client_profile: {client_id: lai_weekly}", r"source_config: selects no source"),
            (CATALOG, "sources: 3", r"source_catalog\.yaml: sources: got 3"),
            ("canonical/scopes/company_scopes.yaml", "{}", r"company_scopes\.yaml: watch_domains: got 'lai_companies'"),
        ],
    )
    def test_a_wrong_configuration_is_refused(self, deployment: Deployment, key: str, text: str, message: str) -> None:
        deployment.put_config(key, text)
        answer = lambda_handler(event(), Context())
        assert (answer["statusCode"], answer["body"]["error_type"]) == (400, "InvalidConfiguration")
        assert re.search(message, answer["body"]["message"])
        assert deployment.stored() == []

    def test_a_missing_file_of_the_configuration_is_named(self, deployment: Deployment) -> None:
        deployment.s3.delete_object(Bucket=deployment.config_bucket, Key=CATALOG)
        answer = lambda_handler(event(), Context())
        assert (answer["statusCode"], answer["body"]["error_type"]) == (400, "InvalidConfiguration")
        assert CATALOG in answer["body"]["message"]

    def test_wrong_variables_are_refused_all_at_once(
        self, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MAX_BEDROCK_WORKERS", "0")
        monkeypatch.setenv("BEDROCK_BASE_DELAY", "soon")
        answer = lambda_handler(event(), Context())
        assert (answer["statusCode"], answer["body"]["error_type"]) == (400, "InvalidConfiguration")
        assert "MAX_BEDROCK_WORKERS" in answer["body"]["message"]
        assert "BEDROCK_BASE_DELAY" in answer["body"]["message"]
        monkeypatch.undo()
        assert deployment.stored() == []

    @pytest.mark.parametrize("name", ["CONFIG_BUCKET", "DATA_BUCKET"])
    def test_a_bucket_that_does_not_exist_is_a_wrong_configuration(
        self, deployment: Deployment, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        monkeypatch.setenv(name, "no-such-bucket")
        answer = lambda_handler(event(sources=[NORDLAI]), Context())
        assert (answer["statusCode"], answer["body"]["error_type"]) == (400, "InvalidConfiguration")
        assert "no-such-bucket" in answer["body"]["message"]
        assert deployment.emulator.requests == 0


class TestWhatIsCounted:
    def test_lines_report_and_emulator_agree_to_the_call(
        self, deployment: Deployment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        emulator = deployment.emulator
        # 50 requests a minute for 12 workers; with short delays, what takes minutes otherwise is over in seconds.
        emulator.quota = Quota(requests_per_minute=50, burst=5)
        monkeypatch.setenv("MAX_BEDROCK_WORKERS", "12")
        monkeypatch.setenv("BEDROCK_BASE_DELAY", "0.01")
        answer = lambda_handler(event(), Context("counted"))
        output = capsys.readouterr().out
        report = deployment.report("counted")
        numbers = report["bedrock"]
        assert numbers["throttles"] > 100
        assert len(RETRY_LINE.findall(output)) == numbers["retries"]
        assert output.count(ABANDONED_LINE) == numbers["failed"] > 0
        assert numbers["attempts"] == emulator.requests == numbers["submitted"] + numbers["retries"]
        assert numbers["throttles"] == emulator.throttles == numbers["retries"] + numbers["failed"]
        assert len(emulator.invocation_ids) == emulator.requests
        assert answer["body"]["items_normalized"] == numbers["succeeded"] == len(deployment.items())
        assert numbers["retry_rate"] == round(numbers["retries"] / numbers["attempts"], 4)
        assert numbers["failure_rate"] == round(numbers["failed"] / 112, 4)
        levels = [json.loads(line).get("level") for line in output.splitlines()]
        assert levels.count("WARNING") == numbers["retries"]
        assert levels.count("ERROR") == numbers["failed"]

    def test_a_quota_that_is_known_is_kept_without_a_throttle(
        self, aws_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Function and emulator share a clock that stands still while they work: a slow machine changes nothing.
        clock = FakeClock()
        with (
            contextlib.ExitStack() as stack,
            BedrockEmulator(quota=Quota(requests_per_minute=100, burst=10), clock=clock) as emulator,
            deployed(aws_url, emulator) as deployment,
        ):
            deployment.environ.update(
                BEDROCK_PACING="quota", BEDROCK_REQUESTS_PER_MINUTE="100", MAX_BEDROCK_WORKERS="1"
            )
            stack.enter_context(function_process(deployment))
            monkeypatch.setattr("vectora_normalize.handler.aws_dependencies", on_clock(clock))
            answer = lambda_handler(event(sources=[NORDLAI]), SimpleNamespace(aws_request_id="paced"))
            numbers = deployment.report("paced")["bedrock"]
            assert answer["body"]["items_normalized"] == 13
            assert emulator.throttles == numbers["throttles"] == 0
            # Ten requests at once, the last of them 0.3 s later for connections that open, and three of 0.6 s each.
            assert numbers["pacing_seconds"] == 2.1
            assert numbers["backoff_seconds"] == 0

    def test_metrics_tell_what_the_report_tells(
        self, deployment: Deployment, capsys: pytest.CaptureFixture[str]
    ) -> None:
        deployment.emulator.fail_next(1, "ValidationException")
        lambda_handler(event(sources=[DEPOT]), Context("measured"))
        of_source, metrics = [line for line in logged(capsys) if "_aws" in line]
        numbers = deployment.report("measured")["bedrock"]
        assert (of_source["Source"], of_source["ItemsNormalized"], of_source["ItemsFailed"]) == (DEPOT, [26], [1])
        assert (of_source["SourcesFailed"], metrics["RunsRefused"]) == ([0], [0])
        assert metrics["Attempts"] == [numbers["attempts"]] == [27]
        assert metrics["ItemsFailed"] == [numbers["failed"]] == [1]
        assert metrics["InputTokens"] == [numbers["input_tokens"]]
        assert metrics["SourcesRead"] == [1]
        assert metrics["Environment"] == "dev"
        assert metrics["request_id"] == "measured"

    def test_tokens_are_those_that_the_service_reserved_and_settled(
        self, deployment: Deployment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        settled: list[tuple[float, float]] = []
        settle = QuotaLedger.settle

        def noted(ledger: QuotaLedger, admission: QuotaAdmission, now: float, usage: Usage | None) -> float:
            cost = settle(ledger, admission, now, usage)
            if cost:
                settled.append((admission.reserved, cost))
            return cost

        monkeypatch.setattr(QuotaLedger, "settle", noted)
        monkeypatch.setenv("BEDROCK_BASE_DELAY", "0.01")
        deployment.emulator.fail_next(3, "ThrottlingException")
        deployment.emulator.fail_next(1, "InternalServerException")
        lambda_handler(event(sources=[DEPOT]), Context("tokens"))
        report = deployment.report("tokens")
        tokens = report["bedrock"]["tokens"]
        # What was throttled reserved nothing; of what failed in the service nobody knows what it used.
        assert (tokens["answers"], tokens["unknown"], len(settled)) == (26, 1, 26)
        assert tokens["reserved"] == sum(reserved for reserved, _ in settled)
        assert tokens["settled"] == sum(cost for _, cost in settled)
        assert tokens["over_reserved"] == sum(max(0, reserved - cost) for reserved, cost in settled) > 0
        assert tokens["unused_share"] == round(tokens["over_reserved"] / tokens["reserved"], 4)
        assert tokens["max_tokens"] == 1000
        longest = max(entry.usage.output_tokens for entry in deployment.emulator.log if entry.usage)
        assert tokens["largest_output"] == longest
        assert 1.25 * longest <= tokens["advised_max_tokens"] < 1000
        assert sum(account["tokens_reserved"] or 0 for account in report["items"]) == tokens["reserved"]
        (metrics,) = [line for line in logged(capsys) if "TokensReserved" in line]
        assert metrics["TokensReserved"] == [tokens["reserved"]]
        assert metrics["TokensOverReserved"] == [tokens["over_reserved"]]

    def test_every_line_of_a_run_carries_its_request_and_its_client(
        self, deployment: Deployment, capsys: pytest.CaptureFixture[str]
    ) -> None:
        lambda_handler(event(sources=[NORDLAI]), Context("traced"))
        lines = [line for line in logged(capsys) if "_aws" not in line]
        assert {(line["request_id"], line["client_id"]) for line in lines} == {("traced", "lai_weekly")}
        assert [line["message"] for line in lines if line["message"].startswith("Normalized")] == [
            "Normalized: 13 succeeded, 0 failed, 0 not started"
        ]
        assert deployment.stored()

    def test_a_refusal_is_logged_and_counted(self, deployment: Deployment, capsys: pytest.CaptureFixture[str]) -> None:
        lambda_handler({"client_id": "a/b"}, Context("refused"))
        line, metrics = logged(capsys)
        assert (line["level"], line["request_id"]) == ("ERROR", "refused")
        assert line["message"].startswith("refused: InvalidEvent: client_id: got 'a/b'")
        assert metrics["RunsRefused"] == [1]
        assert deployment.stored() == []

    def test_a_run_that_came_to_nothing_is_counted_too(
        self, deployment: Deployment, capsys: pytest.CaptureFixture[str]
    ) -> None:
        # One of 112 items failed and the others were not started: too few were asked for a rate to say anything.
        deployment.emulator.fail_next(None, "AccessDeniedException")
        assert lambda_handler(event(), Context("nothing"))["statusCode"] == 502
        metrics = logged(capsys)[-1]
        assert (metrics["RunsRefused"], metrics["error_type"]) == ([1], "BedrockRefused")
        assert metrics["ItemsAsked"] == metrics["ItemsFailed"]
        assert metrics["ItemsAsked"][0] < MIN_ITEMS

    def test_the_level_of_the_log_is_the_one_of_the_environment(
        self, deployment: Deployment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("LOG_LEVEL", "WARNING")
        lambda_handler(event(sources=[NORDLAI]), Context())
        assert [line for line in logged(capsys) if "_aws" not in line] == []
        assert logging.getLogger("vectora_normalize").level == logging.WARNING
        assert deployment.stored()
