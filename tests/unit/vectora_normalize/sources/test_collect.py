"""Sources to the items of a window: cleaned, filtered, without duplicates; every entry is counted."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.ingestion import ALL, WEEK, FakeFetcher, feed, item, run, source
from vectora_normalize.sources.collect import ingest
from vectora_normalize.sources.config.catalog import ContentFilters
from vectora_normalize.sources.errors import FetchErrorKind
from vectora_normalize.sources.http.fetch import Fetcher, FetchResult
from vectora_normalize.sources.reports import Counts

if TYPE_CHECKING:
    import random


def test_every_entry_is_counted_once() -> None:
    body = feed(
        item("Kept one", "with enough words in it"),
        item("Kept two", "with enough words in it"),
        item("Kept one", "with enough words in it"),
        item("Old", date="2026-11-13"),
        item("Future", date="2026-11-23"),
        item("Undated", date="soon"),
        item("Short", ""),
        item("Excluded", "We are HIRING people these days"),
        item("", "", date=""),
        item("<script>x</script>", "<style>y</style>"),
    )
    filters = ContentFilters(min_word_count=4, exclude_patterns=("we are.*hiring",))
    ingested = run(body, filters=filters)
    (report,) = ingested.sources
    assert report.counts == Counts(
        entries=10, kept=2, outside_window=2, undated=1, duplicate=1, too_short=1, excluded=1, invalid=2
    )
    assert report.counts.balanced
    assert [found.title for found in ingested.items] == ["Kept one", "Kept two"]


def test_of_duplicates_the_first_source_is_kept_whatever_the_order_of_responses() -> None:
    both = {url: feed(item("Same", "text")) for url in ("https://a.example/feed", "https://b.example/feed")}
    for order in (list(both), list(both)[::-1]):
        ingested = ingest([source("a"), source("b")], WEEK, ALL, FakeFetcher(dict(both), order))
        assert [found.source_key for found in ingested.items] == ["a"]
        assert [report.counts.duplicate for report in ingested.sources] == [0, 1]


def test_items_are_in_the_order_of_the_sources() -> None:
    documents = {f"https://{key}.example/feed": feed(item(f"From {key}")) for key in "abc"}
    ingested = ingest([source(key) for key in "cab"], WEEK, ALL, FakeFetcher(dict(documents), sorted(documents)))
    assert [found.title for found in ingested.items] == ["From c", "From a", "From b"]


def test_a_source_without_a_url_is_not_fetched() -> None:
    fetcher = FakeFetcher({"https://b.example/feed": feed(item())})
    ingested = ingest([source("a", ingestion_mode="html"), source("b")], WEEK, ALL, fetcher)
    assert fetcher.requested_urls == ["https://b.example/feed"]
    assert ingested.sources[0].failure is FetchErrorKind.MISSING_URL
    assert ingested.sources[0].message == "the catalog gives no URL for ingestion_mode html"
    assert ingested.sources[0].url == ""
    assert len(ingested.items) == 1


def test_a_crash_of_the_fetcher_is_raised() -> None:
    class Crashing(Fetcher):
        def fetch(
            self,
            url: str,
            *,
            until: float | None = None,
            validators: object = None,
            from_public: bool = False,
        ) -> FetchResult:
            raise ZeroDivisionError

    before = threading.active_count()
    with pytest.raises(ZeroDivisionError):
        ingest([source("a"), source("b")], WEEK, ALL, Crashing())
    assert threading.active_count() == before


ENTRY = st.fixed_dictionaries(
    {
        "title": st.sampled_from(["", "One", "Two", "<b></b>", "excluded"]),
        "content_html": st.sampled_from(["", "some words in here", "<i></i>"]),
        "date_published": st.sampled_from(["", "2026-11-20", "2026-11-20", "2020-01-01", "2026-11-22", "x"]),
    }
)


@given(st.lists(st.lists(ENTRY, max_size=6), min_size=1, max_size=4), st.integers(0, 4), st.randoms())
def test_the_counts_are_balanced_whatever_the_order_of_responses(
    documents: list[list[dict[str, str]]], words: int, rng: random.Random
) -> None:
    sources = [source(key) for key, _ in zip("abcd", documents, strict=False)]
    bodies = {each.url: feed(*entries) for each, entries in zip(sources, documents, strict=True)}
    filters = ContentFilters(min_word_count=words, exclude_patterns=("excluded",))
    order = list(bodies)
    rng.shuffle(order)
    ingested = ingest(sources, WEEK, filters, FakeFetcher(dict(bodies), order))
    assert ingested == ingest(sources, WEEK, filters, FakeFetcher(dict(bodies)))
    assert all(report.counts.balanced for report in ingested.sources)
    assert [report.counts.entries for report in ingested.sources] == [len(entries) for entries in documents]
    assert sum(report.counts.kept for report in ingested.sources) == len(ingested.items)
    assert len({found.content_hash for found in ingested.items}) == len(ingested.items)
    assert all(found.published_at and WEEK.contains(found.published_at) for found in ingested.items)
