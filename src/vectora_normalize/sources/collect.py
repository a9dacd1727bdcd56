"""From sources to the items of a window: fetch, parse, clean and filter; every entry is counted.

If a source asks for it, the articles behind its entries are fetched as well. Fetching is concurrent, but everything
that compares sources runs in the order of the sources. So the items of a run do not depend on which source answers
first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vectora_normalize.sources.drafts import SourceResult
from vectora_normalize.sources.enrichment import fetch_articles
from vectora_normalize.sources.errors import FetchErrorKind
from vectora_normalize.sources.filters import ItemFilter
from vectora_normalize.sources.reading import read_source
from vectora_normalize.sources.reports import IngestResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vectora_normalize.sources.article_cache import ArticleCache
    from vectora_normalize.sources.config.catalog import ContentFilters, Source
    from vectora_normalize.sources.http.fetch import Fetcher
    from vectora_normalize.sources.window import Window


def ingest(
    sources: Sequence[Source],
    window: Window,
    filters: ContentFilters,
    fetcher: Fetcher,
    *,
    until: float | None = None,
    cache: ArticleCache | None = None,
) -> IngestResult:
    """Return the items that the sources published in the window.

    It never raises for a source: a failure is in the report of its source and does not affect the others.

    Args:
        sources: The sources; of two equal items, the one of the earlier source is kept.
        window: The days.
        filters: The client's content filters.
        fetcher: Fetches the documents.
        until: Instant of the fetcher's clock at which fetching ends.
        cache: The articles of earlier runs; None: every article is fetched.
    """
    with_url = [source for source in sources if source.url]
    parsed = fetcher.fetch_all(
        [source.url for source in with_url],
        lambda index, fetched: read_source(with_url[index], fetched, window),
        until=until,
    )
    by_key = {result.source.source_key: result for result in parsed}
    results = [by_key.get(source.source_key) or _missing_url(source) for source in sources]
    problems = fetch_articles(results, fetcher, cache, until)
    item_filter = ItemFilter(filters)
    items = [item for result in results for item in item_filter.apply(result, window)]
    reports = tuple(result.report() for result in results)
    return IngestResult(tuple(items), reports, (*problems, *item_filter.problems))


def _missing_url(source: Source) -> SourceResult:
    message = f"the catalog gives no URL for ingestion_mode {source.ingestion_mode}"
    return SourceResult(source=source, failure=FetchErrorKind.MISSING_URL, message=message)
