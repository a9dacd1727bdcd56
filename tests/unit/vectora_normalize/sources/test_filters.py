"""Which entries become items: those in the window, without an excluded text, and no duplicates."""

from __future__ import annotations

import pytest

from support.ingestion import ABOUT, ALL, LONG, WEEK, ArticleFetcher, article, enriched, feed, item, run, source
from vectora_normalize.sources.collect import ingest
from vectora_normalize.sources.config.catalog import ContentEnrichment, ContentFilters


def test_an_exclude_pattern_that_times_out_is_reported_once_and_excludes_nothing() -> None:
    body = feed(*(item(f"Title {number}", "a" * 250 + "!") for number in range(5)))
    ingested = run(body, filters=ContentFilters(exclude_patterns=("(a|aa)+$",)))
    assert len(ingested.items) == 5
    assert ingested.problems == (
        "source_config.content_filters.exclude_patterns[0]: timed out after 0.25 s; skipped from then on",
    )


@pytest.mark.parametrize(
    ("title", "text", "kept"),
    [
        ("Download attachment", LONG, 0),
        (ABOUT, f"Download attachment {LONG}", 0),
        (ABOUT, f"{LONG}Download attachment", 1),
        (ABOUT, f"<a href=/x>Download attachment now</a> {LONG}", 1),
        (ABOUT, "Short text. Download attachment", 1),
    ],
)
def test_exclude_patterns_are_searched_in_title_and_first_lines_and_never_in_links(
    title: str, text: str, kept: int
) -> None:
    filters = ContentFilters(exclude_patterns=("Download attachment",))
    assert len(run(feed(item(title, text)), filters=filters).items) == kept


def test_entries_of_one_article_are_one_item_though_it_could_not_be_fetched() -> None:
    feeds = {
        "https://a.example/feed": feed(item(ABOUT, "The excerpt of one feed.", url="https://x.example/1")),
        "https://b.example/feed": feed(
            item(ABOUT.upper(), "What the other feed says.", url="https://x.example/1"),
            item("Another title on the same page", "What the other feed says of it.", url="https://x.example/1"),
        ),
    }
    sources = [source(key, content_enrichment=ContentEnrichment.FULL_ARTICLE) for key in "ab"]
    ingested = ingest(sources, WEEK, ALL, ArticleFetcher(dict(feeds)), until=1e12)
    assert [found.title for found in ingested.items] == [ABOUT, "Another title on the same page"]
    assert [report.counts.duplicate for report in ingested.sources] == [0, 1]
    without = [source(key, content_enrichment=ContentEnrichment.NONE) for key in "ab"]
    assert len(ingest(without, WEEK, ALL, ArticleFetcher(dict(feeds)), until=1e12).items) == 3  # none is missing


def test_an_entry_without_a_date_gets_that_of_its_article() -> None:
    head = '<meta property="article:published_time" content="{}">'
    pages = {
        "https://a.example/1": article(head=head.format("2026-11-19")),
        "https://a.example/2": article(head=head.format("2024-01-01")),
        "https://a.example/3": article(),
    }
    body = feed(*(item(f"{ABOUT} {number}", date="", url=f"/{number}") for number in (1, 2, 3)))
    ingested, _ = enriched(body, pages)
    assert [str(found.published_at) for found in ingested.items] == ["2026-11-19"]
    counts = ingested.sources[0].counts
    assert (counts.outside_window, counts.undated, counts.balanced) == (1, 1, True)
    assert ingested.sources[0].dropped["outside_window"][0]["published_at"] == "2024-01-01"
