"""Options become an event and dependencies; a refusal is answered as by the Lambda."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest

from support.folders import small_folder
from vectora_normalize.cli.job import Job, Outcome, run_job

if TYPE_CHECKING:
    from pathlib import Path

    from bedrock_resilience.batch._progress import Progress

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return small_folder(tmp_path / "small").path


def run(job: Job, **environ: str) -> Outcome:
    return run_job(job, environ, now=NOW, request_id="r1")


def message(outcome: Outcome) -> str:
    assert outcome.status == 400
    assert outcome.summary is None
    assert outcome.files == ()
    return f"{outcome.answer['body']['error_type']}: {outcome.answer['body']['message']}"


def test_a_folder_is_run_and_its_files_are_named(small: Path, tmp_path: Path) -> None:
    updates: list[Progress] = []
    job = Job(local=small, out=tmp_path / "out", workers=2)
    outcome = run_job(job, {}, now=NOW, request_id="r1", on_progress=updates.append)
    body = outcome.answer["body"]
    assert (outcome.status, body["client_id"], body["items_ingested"], body["items_normalized"]) == (200, "small", 3, 3)
    items, report = (tmp_path / "out/normalized/small/2026/03/01" / name for name in ("items.json", "run-r1.json"))
    assert [line.split(maxsplit=1) for line in outcome.files] == [["items", str(items)], ["report", str(report)]]
    assert len(json.loads(items.read_bytes())) == 3
    assert json.loads(report.read_bytes())["settings"]["max_workers"] == 2
    assert updates[-1].succeeded == 3


def test_results_go_to_out_and_the_client_by_default(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(Job(local=small)).status == 200
    assert (tmp_path / "out/small/normalized/small/2026/03/01/items.json").is_file()


def test_options_take_precedence_over_the_event(small: Path, tmp_path: Path) -> None:
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"client_id": "other", "period_days": 1, "sources": ["x"], "detail": "y"}))
    job = Job(local=small, event=event, client="small", period_days=2, sources=("press__one",), out=tmp_path)
    outcome = run(job)
    assert outcome.answer["body"]["items_ingested"] == 2
    assert outcome.summary is not None
    assert outcome.summary.report["request"]["period_days"] == 2


def test_the_event_is_used_where_there_is_no_option(small: Path, tmp_path: Path) -> None:
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"client_id": "small", "period_days": 1}))
    assert run(Job(local=small, event=event, out=tmp_path)).answer["body"]["items_ingested"] == 1


def test_a_quota_throttles_and_a_pacer_waits_for_it(small: Path, tmp_path: Path) -> None:
    throttled = run(Job(local=small, out=tmp_path / "a", rpm=1, workers=1), BEDROCK_MAX_RETRIES="0")
    assert throttled.status == 200
    assert throttled.answer["body"]["items_normalized"] == 1
    paced = run(Job(local=small, out=tmp_path / "b", rpm=600, workers=1), BEDROCK_REQUESTS_PER_MINUTE="600")
    assert paced.answer["body"]["items_normalized"] == 3
    assert paced.summary is not None
    assert paced.summary.report["settings"]["pacing"] == "quota"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "cannot be read: No such file"),
        ("{not json", "is not JSON"),
        ("[1]", 'InvalidEvent: event: got [1]; accepted: a JSON object such as {"client_id": "lai_weekly"}'),
        ('{"client_id": "small", "period_days": true}', "period_days: got True"),
        ('{"client_id": "none"}', "UnknownClient: client_id: got 'none'"),
    ],
)
def test_an_event_that_cannot_be_run_is_a_400(small: Path, tmp_path: Path, content: str | None, expected: str) -> None:
    event = tmp_path / "event.json"
    if content is not None:
        event.write_text(content)
    assert expected in message(run(Job(local=small, event=event, out=tmp_path / "out")))
    assert not (tmp_path / "out").exists()


def test_all_faults_of_the_options_are_reported_at_once(small: Path) -> None:
    text = message(run(Job(local=small, period_days=-1, sources=("",))))
    assert "period_days: got -1" in text
    assert "sources: got ['']" in text


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        (Job(), "client_id: missing"),
        (Job(client="small"), "CONFIG_BUCKET: missing"),
        (Job(client="small", rpm=3), "--rpm: got it without --local"),
        (Job(client="small", rpm=3, out="x"), "--out and --rpm: got it without --local"),  # type: ignore[arg-type]  # any value does
    ],
)
def test_missing_settings_of_a_run_on_aws_are_reported(job: Job, expected: str) -> None:
    assert expected in message(run(job))


def test_a_missing_folder_is_a_400(tmp_path: Path) -> None:
    assert "which is not a folder" in message(run(Job(local=tmp_path / "none")))
    assert "which is not a folder" in message(run(Job(local=tmp_path / "none", client="small")))


def test_a_run_in_which_every_source_failed_is_a_502_with_a_report(small: Path, tmp_path: Path) -> None:
    (small / "sources/press.example/feed.xml").unlink()
    outcome = run(Job(local=small, out=tmp_path / "out"))
    body: dict[str, Any] = outcome.answer["body"]
    assert (outcome.status, body["error_type"]) == (502, "AllSourcesFailed")
    assert str(small / "sources/press.example/feed.xml") in body["message"]
    assert [line.split(maxsplit=1)[0] for line in outcome.files] == ["report"]
