"""The document of one source to its drafts; a document with defects, or that crashes the parser."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

from support.ingestion import feed, item, run
from vectora_normalize.sources.errors import FetchError, FetchErrorKind
from vectora_normalize.sources.parse.entries import Document
from vectora_normalize.sources.reports import Counts

if TYPE_CHECKING:
    import pytest


def test_a_failure_of_one_source_does_not_affect_the_others() -> None:
    refused = FetchError(FetchErrorKind.NOT_FOUND, "https://a.example/feed: 404", received_bytes=120, elapsed=0.5)
    ingested = run(refused, b"no feed at all", feed(item()))
    failed, unreadable, good = ingested.sources
    assert (failed.failure, failed.message) == (FetchErrorKind.NOT_FOUND, "https://a.example/feed: 404")
    assert (failed.received_bytes, failed.fetch_seconds, failed.counts) == (120, 0.5, Counts())
    assert unreadable.failure is FetchErrorKind.PARSE_ERROR
    assert unreadable.message == "https://b.example/feed: neither RSS, Atom nor JSON Feed: it has no elements"
    assert (good.failure, good.message, good.counts.kept) == (None, "", 1)
    assert (good.received_bytes, good.fetch_seconds) == (len(feed(item())), 0.25)
    assert not ingested.all_failed


def test_pages_are_parsed_with_the_patterns_of_their_source() -> None:
    body = b'<li><a href="/n">A title of some length</a> Meeting 3 May 2026, published 2026-11-20 and (</li>'
    ingested = run(
        body,
        ingestion_mode="html",
        html_url="https://a.example/news",
        date_extraction_patterns=(r"published ([\d-]+)", "("),
    )
    assert [found.published_at for found in ingested.items] == [dt.date(2026, 11, 20)]
    assert ingested.sources[0].problems[0].startswith("date_extraction_patterns[1]: skipped")


def test_defects_of_a_document_are_reported() -> None:
    cut = b"<rss><channel><item><title>CUT</title><pubDate>2026-11-20</pubDate>"
    (report,) = run(cut).sources
    assert report.problems == (
        "the connection ended before the document did",
        "the document is incomplete: some elements are not closed",
    )
    assert report.failure is None
    assert report.counts.kept == 1


def test_a_crash_of_the_parser_fails_its_source_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(body: bytes, **_: object) -> Document:
        if b"evil" in body:
            raise IndexError("secret")
        return Document(())

    monkeypatch.setattr("vectora_normalize.sources.parse.feeds.parse_feed", crash)
    evil, good = run(b"evil", b"good").sources
    assert evil.failure is FetchErrorKind.PARSER_CRASHED
    assert re.fullmatch(r"https://a.example/feed: IndexError in crash, line \d+", evil.message)
    assert good.failure is None
