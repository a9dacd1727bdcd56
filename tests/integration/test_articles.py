"""The job over a newsroom of the shape that the deployed catalogue has: what an editor would keep is kept."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest

from support.newsroom import CLIENT, ENTRIES, LICENCE, write_newsroom
from vectora_normalize.cli.job import Job, run_job

if TYPE_CHECKING:
    from pathlib import Path

NOW = dt.datetime(2026, 11, 28, 6, tzinfo=dt.UTC)


def run(folder: Path, request_id: str) -> dict[str, Any]:
    outcome = run_job(Job(local=folder, out=folder / "out"), {}, now=NOW, request_id=request_id)
    assert outcome.status == 200
    assert outcome.summary is not None
    report: dict[str, Any] = dict(outcome.summary.report)
    return report


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("newsroom")
    write_newsroom(path, NOW.date())
    return path


@pytest.fixture(scope="module")
def report(folder: Path) -> dict[str, Any]:
    return run(folder, "first")


def test_a_dry_run_fetches_the_articles_and_leaves_none(tmp_path: Path) -> None:
    write_newsroom(tmp_path, NOW.date())
    job = Job(local=tmp_path, out=tmp_path / "out", dry_run=True)
    outcome = run_job(job, {}, now=NOW, request_id="dry")
    assert outcome.summary is not None
    assert outcome.summary.items_ingested == 67
    assert sum(source["articles"]["fetched"] for source in outcome.summary.report["sources"]) > 0
    assert [path.name for path in (tmp_path / "out").rglob("*.json")] == ["run-dry.json"]


def test_every_entry_is_found_and_most_are_kept(report: dict[str, Any]) -> None:
    counts = {source["source_key"]: source["counts"] for source in report["sources"]}
    assert {key: of_source["entries"] for key, of_source in counts.items()} == ENTRIES
    assert {key: of_source["kept"] for key, of_source in counts.items()} == {
        key: 0 if key in {"journal_a", "journal_b"} else entries for key, entries in ENTRIES.items()
    }
    assert sum(of_source["kept"] for of_source in counts.values()) == 67


def test_the_licence_agreement_is_kept_with_the_text_of_its_article(folder: Path, report: dict[str, Any]) -> None:
    assert report["items_normalized"] == 67
    (file,) = (folder / "out/normalized" / CLIENT).rglob("items.json")
    (item,) = [item for item in json.loads(file.read_text("utf-8")) if item["title"] == LICENCE]
    assert item["url"] == "https://buttons.example/news/0.html"
    assert item["published_at"] == "2026-11-27"
    assert 300 < len(item["content"]) <= 2000
    assert "attachment" not in item["content"]
    assert "cookies" not in item["content"]


@pytest.mark.usefixtures("report")
def test_the_dates_of_a_listing_without_dates_are_those_of_its_articles(folder: Path) -> None:
    (raw,) = (folder / "out/raw" / CLIENT / "undated").rglob("raw.json")
    days = {item["published_at"] for item in json.loads(raw.read_text("utf-8"))}
    assert days == {str(NOW.date() - dt.timedelta(days=1 + 2 * number)) for number in range(12)}


def test_what_is_dropped_is_reported_by_reason_with_examples(report: dict[str, Any]) -> None:
    (source,) = [source for source in report["sources"] if source["source_key"] == "journal_a"]
    assert source["counts"]["too_short"] == 9
    assert len(source["dropped"]["too_short"]) == 5
    assert source["dropped"]["too_short"][0] == {
        "title": "Two announces topline results of its phase 3 trial",
        "url": "https://journal_a.example/news/0.html",
        "published_at": "2026-11-27",
    }


def test_a_second_run_takes_the_articles_from_the_cache_and_a_lost_article_keeps_its_item(
    folder: Path, report: dict[str, Any]
) -> None:
    assert {source["articles"]["fetched"] for source in report["sources"]} == {0, 10, 12, 13}
    (folder / "sources/cards.example/news/0.html").unlink()
    again = run(folder, "second")
    assert {source["articles"]["fetched"] for source in again["sources"]} == {0}
    assert sum(source["articles"]["stored"] for source in again["sources"]) == 67
    assert again["work"]["reused"] == 67
