"""The articles behind entries: for the sources that ask for them, within the limit of the run."""

from __future__ import annotations

import pytest

from support.ingestion import ABOUT, ALL, LONG, WEEK, ArticleFetcher, article, enriched, feed, item, source
from vectora_normalize.sources.collect import ingest
from vectora_normalize.sources.config.catalog import ContentEnrichment


def test_a_failed_article_keeps_the_excerpt_and_is_reported() -> None:
    ingested, _ = enriched(feed(item(ABOUT, "The excerpt."), item("No link at all", url="")), {})
    assert [found.content for found in ingested.items] == [f"{ABOUT}. The excerpt.", "No link at all. Some text."]
    counted = ingested.sources[0].articles
    assert (counted.wanted, counted.failed, counted.failures) == (1, 1, {"not_found": 1})
    assert counted.examples == (
        {
            "title": ABOUT,
            "url": "https://a.example/1",
            "failure": "not_found",
            "message": "https://a.example/1: not found",
        },
    )


@pytest.mark.parametrize(
    ("title", "page"),
    [
        (ABOUT, b"<p>Short</p>"),
        ("Something entirely different happened yesterday", article("We use cookies to improve your visit. " * 9)),
    ],
)
def test_a_page_that_is_not_the_article_is_not_used(title: str, page: bytes) -> None:
    ingested, _ = enriched(feed(item(title, "The excerpt.")), {"https://a.example/1": page})
    assert ingested.items[0].content == f"{title}. The excerpt."
    assert ingested.sources[0].articles.failures == {"no_text": 1}


def test_summary_only_takes_the_description_of_the_page_where_it_is_longer() -> None:
    description = "A summary that the page declares, and that is longer than the teaser of the feed."
    pages = {"https://a.example/1": article(head=f'<meta name=description content="{description}">')}
    ingested, _ = enriched(feed(item(ABOUT, "Teaser.")), pages, ContentEnrichment.SUMMARY_ONLY)
    assert ingested.items[0].content == f"{ABOUT}. {description}"
    ingested, fetcher = enriched(feed(item(ABOUT, LONG)), pages, ContentEnrichment.SUMMARY_ONLY)
    assert ingested.items[0].content == f"{ABOUT}. {LONG.strip()}"
    assert fetcher.requested_urls == ["https://a.example/feed"]


def test_without_enrichment_no_article_is_fetched() -> None:
    ingested, fetcher = enriched(feed(item(ABOUT), item(ABOUT, date="")), {}, ContentEnrichment.NONE)
    assert (ingested.sources[0].counts.kept, ingested.sources[0].counts.undated) == (1, 1)
    assert fetcher.requested_urls == ["https://a.example/feed"]


def test_a_run_has_a_limit_of_articles_that_no_source_takes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vectora_normalize.sources.enrichment.MAX_ARTICLES", 3)
    bodies = [
        feed(*(item(f"Title {key} {number}", date=date, url=f"/{number}") for number in range(3)))
        for key, date in (("a", ""), ("b", "2026-11-20"), ("c", "2026-11-20"))
    ]
    sources = [source(key, content_enrichment=ContentEnrichment.FULL_ARTICLE) for key in "abc"]
    fetcher = ArticleFetcher({each.url: body for each, body in zip(sources, bodies, strict=True)})
    reports = ingest(sources, WEEK, ALL, fetcher).sources
    assert [report.articles.failures for report in reports] == [
        {"not_started": 3},
        {"not_found": 2, "not_started": 1},
        {"not_found": 1, "not_started": 2},
    ]
