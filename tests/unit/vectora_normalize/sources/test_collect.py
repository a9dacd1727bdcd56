"""Sources to the items of a window: cleaned, filtered, without duplicates; every entry is counted."""

from __future__ import annotations

import datetime as dt
import json
import re
import threading
from typing import TYPE_CHECKING, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectora_normalize.items import hash_content
from vectora_normalize.sources.collect import Counts, IngestResult, Window, ingest
from vectora_normalize.sources.config.catalog import ContentEnrichment, ContentFilters, Source
from vectora_normalize.sources.errors import FetchError, FetchErrorKind
from vectora_normalize.sources.http.fetch import Fetcher, FetchResult
from vectora_normalize.sources.parse.entries import Document

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

Parsed = TypeVar("Parsed")

TODAY = dt.date(2026, 11, 21)
WEEK = Window.last_days(TODAY, 7)
ALL = ContentFilters()


class FakeFetcher(Fetcher):
    """A fetcher with prepared documents, which arrive in a chosen order.

    Args:
        documents: URL to body, or to the failure of fetching it.
        order: URLs in the order in which their documents arrive; all others arrive after them.
    """

    def __init__(self, documents: dict[str, bytes | FetchError], order: Sequence[str] = ()) -> None:
        super().__init__()
        self._documents = documents
        self._order = order
        self.requested_urls: list[str] = []

    def fetch_all(
        self,
        urls: Sequence[str],
        parse: Callable[[int, FetchResult | FetchError], Parsed],
        *,
        until: float | None = None,
    ) -> list[Parsed]:
        self.requested_urls.extend(urls)
        arrival = sorted(urls, key=lambda url: self._order.index(url) if url in self._order else len(self._order))
        done = {url: parse(list(urls).index(url), self._document(url)) for url in arrival}
        return [done[url] for url in urls]

    def _document(self, url: str) -> FetchResult | FetchError:
        document = self._documents[url]
        if isinstance(document, FetchError):
            return document
        return FetchResult(
            url=url, status=200, body=document, received_bytes=len(document), elapsed=0.25, truncated=b"CUT" in document
        )


def source(key: str = "a", **fields: object) -> Source:
    values = {"source_key": key, "source_type": "press", "rss_url": f"https://{key}.example/feed", **fields}
    return Source(**values)  # type: ignore[arg-type]  # the values of the fields


def feed(*items: dict[str, str]) -> bytes:
    return json.dumps({"version": "https://jsonfeed.org/version/1.1", "items": items}).encode()


def item(title: str = "Title", text: str = "Some text.", date: str = "2026-11-20", **more: str) -> dict[str, str]:
    return {"title": title, "content_html": text, "date_published": date, "url": "/1", **more}


def run(*bodies: bytes | FetchError, filters: ContentFilters = ALL, **fields: object) -> IngestResult:
    sources = [source(key, **fields) for key, _ in zip("abcdef", bodies, strict=False)]
    return ingest(
        sources, WEEK, filters, FakeFetcher({each.url: body for each, body in zip(sources, bodies, strict=True)})
    )


def test_a_window_of_the_last_days_has_one_day_more_for_other_time_zones() -> None:
    assert Window(dt.date(2026, 11, 14), TODAY, future_days=1) == WEEK
    days = [TODAY + dt.timedelta(days=offset) for offset in (-8, -7, 0, 1, 2)]
    assert [WEEK.contains(day) for day in days] == [False, True, True, True, False]


def test_a_window_of_given_dates_is_exact() -> None:
    window = Window(TODAY, TODAY)
    assert [window.contains(TODAY + dt.timedelta(days=offset)) for offset in (-1, 0, 1)] == [False, True, False]


def test_an_item_has_the_fields_of_source_and_entry() -> None:
    (found,) = run(feed(item("A &amp; B", "<p>Text &amp; <b>more</b>.</p>")), company_id="camurus").items
    assert found.title == "A & B"
    assert found.content == "A & B. Text & more."
    assert found.content_hash == hash_content(found.content)
    assert found.url == "https://a.example/1"
    assert found.published_at == dt.date(2026, 11, 20)
    assert (found.source_key, found.source_type, found.company_id) == ("a", "press", "camurus")


@pytest.mark.parametrize(
    ("title", "text", "content"),
    [
        ("T.", "Text", "T. Text"),
        ("T?", "Text", "T? Text"),
        ("T", "", "T"),
        ("T", "T is the beginning", "T is the beginning"),
        ("", "Only text", "Only text"),
    ],
)
def test_the_content_is_title_and_text(title: str, text: str, content: str) -> None:
    assert run(feed(item(title, text))).items[0].content == content


def test_an_entry_without_a_title_gets_one_from_its_text() -> None:
    (found,) = run(feed(item("<b></b>", "word " * 60))).items
    assert found.title == ("word " * 20).strip()
    assert found.content.startswith(found.title)


def test_a_text_is_truncated_to_the_length_of_its_source() -> None:
    (found,) = run(feed(item("Title", "word " * 1000)), max_content_length=100).items
    assert 80 <= len(found.content) <= 100
    assert found.content.startswith("Title. word word")


@pytest.mark.parametrize(
    ("language", "expected"),
    [("fr-CA", "fr"), ("KO", "ko"), ("", "sv"), ("english", "sv"), ("x", "sv"), ("日本", "sv")],
)
def test_the_language_is_that_of_the_item_or_else_of_the_source(language: str, expected: str) -> None:
    assert run(feed(item(language=language)), default_language="sv").items[0].language == expected


def test_an_item_without_a_link_has_the_url_of_the_homepage() -> None:
    nowhere = feed(item(url="javascript:x"))
    assert run(nowhere, homepage_url="https://home.example/").items[0].url == "https://home.example/"
    assert run(nowhere).items[0].url == ""


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


def test_all_failed_is_false_without_sources() -> None:
    assert run(b"no feed", b"no feed").all_failed
    assert not ingest([], WEEK, ALL, FakeFetcher({})).all_failed


def test_a_source_without_a_url_is_not_fetched() -> None:
    fetcher = FakeFetcher({"https://b.example/feed": feed(item())})
    ingested = ingest([source("a", ingestion_mode="html"), source("b")], WEEK, ALL, fetcher)
    assert fetcher.requested_urls == ["https://b.example/feed"]
    assert ingested.sources[0].failure is FetchErrorKind.MISSING_URL
    assert ingested.sources[0].message == "the catalog gives no URL for ingestion_mode html"
    assert ingested.sources[0].url == ""
    assert len(ingested.items) == 1


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


def test_an_exclude_pattern_that_times_out_is_reported_once_and_excludes_nothing() -> None:
    body = feed(*(item(f"Title {number}", "a" * 250 + "!") for number in range(5)))
    ingested = run(body, filters=ContentFilters(exclude_patterns=("(a|aa)+$",)))
    assert len(ingested.items) == 5
    assert ingested.problems == (
        "source_config.content_filters.exclude_patterns[0]: timed out after 0.25 s; skipped from then on",
    )


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


def test_a_crash_of_the_fetcher_is_raised() -> None:
    class Crashing(Fetcher):
        def fetch(self, url: str, *, until: float | None = None, validators: object = None) -> FetchResult:
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


LONG = "Nordlai has signed a licence agreement with a larger company for three long-acting products. " * 8
ABOUT = "A licence agreement for products"


class ArticleFetcher(FakeFetcher):
    """A fetcher that also has the pages of articles; all others are NOT_FOUND."""

    def fetch(self, url: str, *, until: float | None = None, validators: object = None) -> FetchResult:
        document = self._documents.get(url)
        if not isinstance(document, bytes):
            raise FetchError(FetchErrorKind.NOT_FOUND, f"{url}: not found")
        self.requested_urls.append(url)
        return FetchResult(url=url, status=200, body=document)


def article(text: str = LONG, head: str = "") -> bytes:
    return f"<head>{head}</head><body><h1>{ABOUT}</h1><p>{text}</p></body>".encode()


def enriched(
    body: bytes,
    pages: dict[str, bytes],
    mode: ContentEnrichment = ContentEnrichment.FULL_ARTICLE,
    filters: ContentFilters = ALL,
    **fields: object,
) -> tuple[IngestResult, ArticleFetcher]:
    fetcher = ArticleFetcher({"https://a.example/feed": body, **pages})
    return ingest([source("a", content_enrichment=mode, **fields)], WEEK, filters, fetcher, until=1e12), fetcher


def test_the_text_of_an_item_is_that_of_its_article_and_the_filters_see_all_of_it() -> None:
    filters = ContentFilters(min_word_count=50, exclude_patterns=("larger company",))
    pages = {"https://a.example/1": article(f"{'A sentence that comes before it in the text. ' * 8}{LONG}")}
    ingested, _ = enriched(feed(item(ABOUT, "Teaser.")), pages, filters=filters, max_content_length=60)
    (found,) = ingested.items
    assert found.content == "A licence agreement for products. A sentence that comes"
    assert ingested.sources[0].articles.fetched == 1


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


def test_a_title_that_is_cut_off_is_completed_from_the_page() -> None:
    pages = {"https://a.example/1": article(head=f"<title>{ABOUT} in Europe</title>")}
    ingested, _ = enriched(feed(item("A licence agreement for…")), pages)
    assert ingested.items[0].title == f"{ABOUT} in Europe"
    ingested, _ = enriched(feed(item("Another agreement for…")), pages)
    assert ingested.items[0].title == "Another agreement for…"


def test_a_run_has_a_limit_of_articles_that_no_source_takes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vectora_normalize.sources.collect.MAX_ARTICLES", 3)
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


def test_the_examples_of_what_was_dropped_are_few() -> None:
    body = feed(*(item(f"Old title {number}", date="2020-01-01", url=f"/{number}") for number in range(9)))
    (report,) = run(body).sources
    assert report.counts.outside_window == 9
    assert [example["title"] for example in report.dropped["outside_window"]] == [f"Old title {n}" for n in range(5)]
