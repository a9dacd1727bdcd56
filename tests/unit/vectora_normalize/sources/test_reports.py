"""What a run reports on its sources: without secrets, and whether all of them failed."""

from __future__ import annotations

import json

from support.ingestion import ALL, WEEK, FakeFetcher, feed, item, run, source
from vectora_normalize.sources.collect import ingest


def test_all_failed_is_false_without_sources() -> None:
    assert run(b"no feed", b"no feed").all_failed
    assert not ingest([], WEEK, ALL, FakeFetcher({})).all_failed


def test_a_report_is_json_without_secrets() -> None:
    ingested = ingest(
        [source("a", rss_url="https://a.example/feed?token=hunter2")],
        WEEK,
        ALL,
        FakeFetcher({"https://a.example/feed?token=hunter2": feed(item())}),
    )
    written = json.dumps(ingested.sources[0].to_dict())
    assert "hunter2" not in written
    assert json.loads(written) == {
        "source_key": "a",
        "url": "https://a.example/feed?...",
        "failure": None,
        "message": "",
        "problems": [],
        "counts": {
            "entries": 1,
            "kept": 1,
            "outside_window": 0,
            "undated": 0,
            "duplicate": 0,
            "too_short": 0,
            "excluded": 0,
            "invalid": 0,
        },
        "dropped": {},
        "articles": {
            "wanted": 0,
            "fetched": 0,
            "unchanged": 0,
            "stored": 0,
            "failed": 0,
            "failures": {},
            "examples": [],
        },
        "received_bytes": len(feed(item())),
        "fetch_seconds": 0.25,
    }
