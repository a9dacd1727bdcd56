"""Sources whose documents are prepared, and runs over them."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, TypeVar

from vectora_normalize.sources.collect import ingest
from vectora_normalize.sources.config.catalog import ContentEnrichment, ContentFilters, Source
from vectora_normalize.sources.errors import FetchError, FetchErrorKind
from vectora_normalize.sources.http.fetch import Fetcher, FetchResult
from vectora_normalize.sources.window import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vectora_normalize.sources.reports import IngestResult

Parsed = TypeVar("Parsed")

TODAY = dt.date(2026, 11, 21)
WEEK = Window.last_days(TODAY, 7)
ALL = ContentFilters()
LONG = "Nordlai has signed a licence agreement with a larger company for three long-acting products. " * 8
ABOUT = "A licence agreement for products"


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


class ArticleFetcher(FakeFetcher):
    """A fetcher that also has the pages of articles; all others are NOT_FOUND."""

    def fetch(
        self,
        url: str,
        *,
        until: float | None = None,
        validators: object = None,
        from_public: bool = False,
    ) -> FetchResult:
        document = self._documents.get(url)
        if not isinstance(document, bytes):
            raise FetchError(FetchErrorKind.NOT_FOUND, f"{url}: not found")
        self.requested_urls.append(url)
        return FetchResult(url=url, status=200, body=document)


def source(key: str = "a", **fields: object) -> Source:
    values = {"source_key": key, "source_type": "press", "rss_url": f"https://{key}.example/feed", **fields}
    return Source(**values)  # type: ignore[arg-type]  # the values of the fields


def feed(*items: dict[str, str]) -> bytes:
    return json.dumps({"version": "https://jsonfeed.org/version/1.1", "items": items}).encode()


def item(title: str = "Title", text: str = "Some text.", date: str = "2026-11-20", **more: str) -> dict[str, str]:
    return {"title": title, "content_html": text, "date_published": date, "url": "/1", **more}


def article(text: str = LONG, head: str = "") -> bytes:
    return f"<head>{head}</head><body><h1>{ABOUT}</h1><p>{text}</p></body>".encode()


def run(*bodies: bytes | FetchError, filters: ContentFilters = ALL, **fields: object) -> IngestResult:
    sources = [source(key, **fields) for key, _ in zip("abcdef", bodies, strict=False)]
    return ingest(
        sources, WEEK, filters, FakeFetcher({each.url: body for each, body in zip(sources, bodies, strict=True)})
    )


def enriched(
    body: bytes,
    pages: dict[str, bytes],
    mode: ContentEnrichment = ContentEnrichment.FULL_ARTICLE,
    filters: ContentFilters = ALL,
    **fields: object,
) -> tuple[IngestResult, ArticleFetcher]:
    fetcher = ArticleFetcher({"https://a.example/feed": body, **pages})
    return ingest([source("a", content_enrichment=mode, **fields)], WEEK, filters, fetcher, until=1e12), fetcher
