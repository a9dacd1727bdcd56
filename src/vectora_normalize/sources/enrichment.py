"""The articles behind the drafts of a run, for the sources that ask for them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vectora_normalize.sources.articles import (
    ARTICLE_SECONDS,
    MAX_ARTICLES,
    MAX_SHARE,
    ArticleFetcher,
    ArticleRequest,
)
from vectora_normalize.sources.config.catalog import ContentEnrichment
from vectora_normalize.sources.drafts import MAX_TITLE_LENGTH
from vectora_normalize.sources.errors import FetchError, FetchErrorKind
from vectora_normalize.sources.parse.text import clean_markup, count_words
from vectora_normalize.sources.urls import redact_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vectora_normalize.sources.article_cache import ArticleCache
    from vectora_normalize.sources.config.catalog import Source
    from vectora_normalize.sources.drafts import Draft, SourceResult
    from vectora_normalize.sources.http.fetch import Fetcher
    from vectora_normalize.sources.parse.entries import ArticlePage

_SUMMARY_WORDS = 50  # of an excerpt that is long enough as a summary
_TITLE_WORD = re.compile(r"\w{4,}")
_MIN_TITLE_WORDS = 4  # words of a title by which its article is recognized


def fetch_articles(
    results: Sequence[SourceResult], fetcher: Fetcher, cache: ArticleCache | None, until: float | None
) -> tuple[str, ...]:
    """Set the articles of the drafts; return the problems that do not concern a single article.

    Args:
        results: The sources with their drafts.
        fetcher: Opens the connections.
        cache: The articles of earlier runs; None: every article is fetched.
        until: Instant of the fetcher's clock at which the run ends.
    """
    wanted = [list(_wanted(result)) for result in results]
    # The first entries of all sources come before the second ones, so that no source takes all articles of the run.
    # Those with a date come before all others, which may be links that are no articles.
    ranked = [
        (draft.entry.published is None, rank, number, draft)
        for number, drafts in enumerate(wanted)
        for rank, draft in enumerate(drafts)
    ]
    ranked.sort(key=lambda row: row[:3])
    for *_, draft in ranked[MAX_ARTICLES:]:
        draft.failure = FetchError(FetchErrorKind.NOT_STARTED, f"a run fetches {MAX_ARTICLES} articles at most")
    chosen = [(results[number], draft) for _, _, number, draft in ranked[:MAX_ARTICLES]]
    if not chosen:
        return ()
    now = fetcher.clock.monotonic()
    end = now + ARTICLE_SECONDS if until is None else now + min(ARTICLE_SECONDS, MAX_SHARE * (until - now))
    articles = ArticleFetcher(fetcher, cache, until=end)
    requests = [
        ArticleRequest(draft.entry.link, result.source.date_extraction_patterns, result.is_public)
        for result, draft in chosen
    ]
    for (result, draft), outcome in zip(chosen, articles.fetch_all(requests), strict=True):
        if isinstance(outcome, FetchError):
            draft.failure = outcome
        else:
            draft.article, draft.failure = outcome, _text_failure(result.source, draft, outcome.page)
    return tuple(articles.problems)


def _wanted(result: SourceResult) -> Iterator[Draft]:
    """Yield the drafts of a source whose articles are to be fetched."""
    enrichment = result.source.content_enrichment
    if enrichment is ContentEnrichment.NONE:
        return
    for draft in result.drafts:
        entry = draft.entry
        full = enrichment is ContentEnrichment.FULL_ARTICLE
        if entry.link and (full or entry.published is None or count_words(draft.excerpt) < _SUMMARY_WORDS):
            yield draft


def _text_failure(source: Source, draft: Draft, page: ArticlePage) -> FetchError | None:
    """Return NO_TEXT where the text of a page is not that of the entry's article; None where it is used."""
    if source.content_enrichment is ContentEnrichment.SUMMARY_ONLY:
        return None
    if count_words(page.text) <= count_words(draft.excerpt):
        reason = "the page has no longer text than the feed or listing"
    elif not _is_about(clean_markup(draft.entry.title, MAX_TITLE_LENGTH), f"{page.title} {page.text}"):
        reason = "the page does not contain the words of the title"
    else:
        return None
    return FetchError(FetchErrorKind.NO_TEXT, f"{redact_url(draft.entry.link)}: {reason}")


def _is_about(title: str, text: str) -> bool:
    """Return whether a text contains a quarter of the words of a title; consent pages and error pages do not."""
    words = set(_TITLE_WORD.findall(title.lower()))
    if len(words) < _MIN_TITLE_WORDS:
        return True
    return 4 * len(words & set(_TITLE_WORD.findall(text.lower()))) >= len(words)
