"""From sources to the items of a window: fetch, parse, clean and filter; every entry is counted.

If a source asks for it, the articles behind its entries are fetched as well. Fetching is concurrent, but everything
that compares sources runs in the order of the sources. So the items of a run do not depend on which source answers
first.
"""

from __future__ import annotations

import datetime as dt
import re
import traceback
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import msgspec

from vectora_normalize.items import RawItem, hash_content
from vectora_normalize.sources.articles import (
    ARTICLE_SECONDS,
    MAX_ARTICLES,
    MAX_SHARE,
    ArticleFetcher,
    ArticleOrigin,
    ArticleRequest,
    FetchedArticle,
)
from vectora_normalize.sources.config.catalog import ContentEnrichment
from vectora_normalize.sources.errors import FetchError, FetchErrorKind, ParseError
from vectora_normalize.sources.parse.text import (
    clean_markup,
    clean_text,
    count_words,
    is_call_to_action,
    truncate,
    without_read_more,
)
from vectora_normalize.sources.patterns import Patterns
from vectora_normalize.sources.urls import absolute_link, redact_url

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from vectora_normalize.sources.article_cache import ArticleCache
    from vectora_normalize.sources.config.catalog import ContentFilters, Source
    from vectora_normalize.sources.http.fetch import Fetcher, FetchResult
    from vectora_normalize.sources.parse.article import ArticlePage
    from vectora_normalize.sources.parse.entries import Document, DocumentEntry

FUTURE_DAYS: Final = 1
"""Days after the day of the run on which an item may be dated: in other time zones it may already be tomorrow."""

_MAX_TITLE_LENGTH = 300  # characters
_MAX_GENERATED_TITLE = 100  # characters of a title that is made from the text, for an entry without a title
_EXCLUDE_BUDGET_SECONDS = 5.0  # for a client's exclude patterns, in one run
MAX_EXAMPLES: Final = 5
"""Dropped entries, and failed articles, that the report of a source shows for each reason."""

FIRST_LINES: Final = 300
"""Characters at the beginning of a text in which exclude patterns are searched."""

_EXCERPT_LENGTH = 20_000  # characters of an excerpt that the filters see at least
_MAX_EXAMPLE_LENGTH = 200  # characters of a title or a message in the report
_SUMMARY_WORDS = 50  # of an excerpt that is long enough as a summary
_LANGUAGE = re.compile(r"[a-z]{2,3}(?![a-z])")
_TITLE_WORD = re.compile(r"\w{4,}")
_MIN_TITLE_WORDS = 4  # words of a title by which its article is recognized
_TRUNCATED_TITLE = re.compile(r"\s*(?:\u2026|\.\.\.|\[\u2026\]|\[\.\.\.\])\Z")
_ENDS_SENTENCE = (".", "!", "?", ":", "\u2026", "\u3002")


class Window(msgspec.Struct, frozen=True):
    """The days of a run's items.

    Args:
        from_date: First day.
        to_date: Last day, included.
        future_days: Days after the last one that are accepted as well.
    """

    from_date: dt.date
    to_date: dt.date
    future_days: int = 0

    @classmethod
    def last_days(cls, today: dt.date, period_days: int) -> Window:
        """Return the window from ``period_days`` before today to today, and a day more for other time zones."""
        return cls(today - dt.timedelta(days=period_days), today, future_days=FUTURE_DAYS)

    def contains(self, day: dt.date) -> bool:
        """Return whether a day is in the window."""
        return self.from_date <= day <= self.to_date + dt.timedelta(days=self.future_days)


class Counts(msgspec.Struct, frozen=True):
    """What became of the entries of a source; ``entries`` is the sum of all other counts.

    Args:
        entries: Entries in the document.
        kept: Items of the run.
        outside_window: Dated before or after the window.
        undated: Without a readable date.
        duplicate: With the text of an item of an earlier source, or of an earlier entry; or with its link and title,
            where the text of the article is missing.
        too_short: With fewer words than the client's minimum.
        excluded: With a match of one of the client's exclude patterns.
        invalid: Without title and text.
    """

    entries: int = 0
    kept: int = 0
    outside_window: int = 0
    undated: int = 0
    duplicate: int = 0
    too_short: int = 0
    excluded: int = 0
    invalid: int = 0

    @property
    def balanced(self) -> bool:
        """Whether every entry is counted exactly once."""
        dropped = self.outside_window + self.undated + self.duplicate + self.too_short + self.excluded + self.invalid
        return self.entries == self.kept + dropped


class ArticleCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the articles behind the entries of a source.

    Args:
        wanted: Entries whose article was to be fetched.
        fetched: Pages that were fetched.
        unchanged: Articles of earlier runs that have not changed since.
        stored: Articles of earlier runs that were used without a request, or because the request failed.
        failed: Entries that kept the text of the feed or listing.
        failures: Kind of failure to the number of articles.
        examples: Some of the failures, each with ``title``, ``url``, ``failure`` and ``message``.
    """

    wanted: int = 0
    fetched: int = 0
    unchanged: int = 0
    stored: int = 0
    failed: int = 0
    failures: dict[str, int] = msgspec.field(default_factory=dict[str, int])
    examples: tuple[dict[str, str], ...] = ()


class SourceReport(msgspec.Struct, frozen=True, kw_only=True):
    """The part of the run report for one source.

    Args:
        source_key: The key of the source.
        url: The fetched URL, redacted; empty where the catalog gives none.
        failure: Why the source gave no items; None where its document was parsed.
        message: The failure as a sentence; empty where the document was parsed.
        problems: One sentence for each defect of a document that was parsed.
        counts: What became of the entries.
        dropped: Name of a count to some of the entries in it, each with ``title``, ``url`` and ``published_at``.
        articles: What became of the articles behind the entries.
        received_bytes: Bytes received.
        fetch_seconds: Seconds that the fetch took.
    """

    source_key: str
    url: str
    failure: FetchErrorKind | None = None
    message: str = ""
    problems: tuple[str, ...] = ()
    counts: Counts
    dropped: dict[str, tuple[dict[str, str], ...]] = msgspec.field(
        default_factory=dict[str, "tuple[dict[str, str], ...]"]
    )
    articles: ArticleCounts = ArticleCounts()
    received_bytes: int = 0
    fetch_seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON types."""
        return {**msgspec.to_builtins(self), "fetch_seconds": round(self.fetch_seconds, 3)}


class IngestResult(msgspec.Struct, frozen=True):
    """The items of a run, and a report on its sources.

    Args:
        items: The items in the order of the sources, and of the entries of each source.
        sources: One report for each source, in the same order.
        problems: One sentence for each problem that does not concern a single source.
    """

    items: tuple[RawItem, ...]
    sources: tuple[SourceReport, ...]
    problems: tuple[str, ...] = ()

    @property
    def all_failed(self) -> bool:
        """Whether there is at least one source, and all of them failed."""
        return bool(self.sources) and all(report.failure for report in self.sources)


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
    problems = _fetch_articles(results, fetcher, cache, until)
    item_filter = _Filter(filters)
    items = [item for result in results for item in item_filter.apply(result, window)]
    reports = tuple(result.report() for result in results)
    return IngestResult(tuple(items), reports, (*problems, *item_filter.problems))


class Draft(msgspec.Struct):
    """An entry that may become an item, and its article.

    Args:
        entry: The entry of the feed or listing.
        excerpt: The text that it has there, cleaned.
        opening: The first lines of this text without links such as "Read more about it", for the exclude patterns.
        article: The article behind it; None where there is none.
        failure: Why the text of the article is not used; None if it is, or if no article was to be fetched.
    """

    entry: DocumentEntry
    excerpt: str = ""
    opening: str = ""
    article: FetchedArticle | None = None
    failure: FetchError | None = None


class SourceResult(msgspec.Struct, kw_only=True):
    """The result of one source, before it is compared with the others.

    Args:
        source: The source.
        drafts: Its entries in the window, and those whose date is in the article.
        counts: What became of its entries, by the names of ``Counts``.
        failure: Why the source gave no items; None where its document was parsed.
        message: The failure as a sentence.
        problems: One sentence for each defect of the document.
        dropped: Name of a count to examples of the entries in it.
        received_bytes: Bytes received.
        fetch_seconds: Seconds that the fetch took.
    """

    source: Source
    drafts: list[Draft] = msgspec.field(default_factory=list[Draft])
    counts: Counter[str] = msgspec.field(default_factory=Counter[str])
    failure: FetchErrorKind | None = None
    message: str = ""
    problems: tuple[str, ...] = ()
    dropped: dict[str, list[dict[str, str]]] = msgspec.field(default_factory=dict[str, "list[dict[str, str]]"])
    received_bytes: int = 0
    fetch_seconds: float = 0.0

    def drop(self, reason: str, entry: DocumentEntry, published: dt.date | None = None) -> None:
        """Count an entry that becomes no item, and keep it as an example."""
        self.counts[reason] += 1
        examples = self.dropped.setdefault(reason, [])
        if len(examples) < MAX_EXAMPLES:
            day = published or entry.published
            examples.append({**_example(entry), "published_at": str(day) if day else ""})

    def report(self) -> SourceReport:
        """Return everything but the items."""
        return SourceReport(
            source_key=self.source.source_key,
            url=redact_url(self.source.url) if self.source.url else "",
            failure=self.failure,
            message=self.message,
            problems=self.problems,
            counts=Counts(**self.counts),
            dropped={reason: tuple(examples) for reason, examples in self.dropped.items()},
            articles=_count_articles(self.drafts),
            received_bytes=self.received_bytes,
            fetch_seconds=self.fetch_seconds,
        )


def _example(entry: DocumentEntry) -> dict[str, str]:
    return {"title": clean_markup(entry.title, _MAX_EXAMPLE_LENGTH), "url": entry.link}


def _count_articles(drafts: Iterable[Draft]) -> ArticleCounts:
    wanted = [draft for draft in drafts if draft.article or draft.failure]
    failed = [(draft.entry, draft.failure) for draft in wanted if draft.failure]
    origins = Counter(draft.article.origin for draft in wanted if draft.article and not draft.failure)
    return ArticleCounts(
        wanted=len(wanted),
        fetched=origins[ArticleOrigin.FETCHED],
        unchanged=origins[ArticleOrigin.UNCHANGED],
        stored=origins[ArticleOrigin.STORED],
        failed=len(failed),
        failures=dict(Counter(str(error.kind) for _, error in failed)),
        examples=tuple(
            {**_example(entry), "failure": str(error.kind), "message": error.message[:_MAX_EXAMPLE_LENGTH]}
            for entry, error in failed[:MAX_EXAMPLES]
        ),
    )


def _missing_url(source: Source) -> SourceResult:
    message = f"the catalog gives no URL for ingestion_mode {source.ingestion_mode}"
    return SourceResult(source=source, failure=FetchErrorKind.MISSING_URL, message=message)


def read_source(source: Source, fetched: FetchResult | FetchError, window: Window) -> SourceResult:
    """Return the entries of one source that may become items.

    Args:
        source: The source.
        fetched: Its document, or why it could not be fetched.
        window: The days.
    """
    result = SourceResult(source=source, received_bytes=fetched.received_bytes, fetch_seconds=fetched.elapsed)
    if isinstance(fetched, FetchError):
        result.failure, result.message = fetched.kind, fetched.message
        return result
    try:
        document = _parse(source, fetched)
    except ParseError as error:
        result.failure, result.message = FetchErrorKind.PARSE_ERROR, f"{redact_url(fetched.url)}: {error.message}"
        return result
    except Exception as error:  # noqa: BLE001 - a document that triggers a bug must not fail the other sources
        *_, place = traceback.extract_tb(error.__traceback__)
        result.failure = FetchErrorKind.PARSER_CRASHED
        result.message = f"{redact_url(fetched.url)}: {type(error).__name__} in {place.name}, line {place.lineno}"
        return result
    truncated = ("the connection ended before the document did",) if fetched.truncated else ()
    result.problems = (*truncated, *document.problems)
    result.counts["entries"] = len(document.entries)
    enriched = source.content_enrichment is not ContentEnrichment.NONE
    for entry in document.entries:
        if not (entry.title.strip() or entry.summary.strip()):
            result.drop("invalid", entry)
        elif entry.published is None and not (enriched and entry.link):
            result.drop("undated", entry)
        elif entry.published is not None and not window.contains(entry.published):
            result.drop("outside_window", entry)
        else:
            result.drafts.append(_draft(source, entry))
    return result


def _draft(source: Source, entry: DocumentEntry) -> Draft:
    length = max(source.max_content_length, _EXCERPT_LENGTH)
    excerpt = without_read_more(clean_markup(entry.summary, length))
    if "<" in entry.summary:
        opening = clean_markup(entry.summary, FIRST_LINES, is_left_out=is_call_to_action)
    else:
        opening = excerpt[:FIRST_LINES]
    return Draft(entry, excerpt, opening)


def _parse(source: Source, fetched: FetchResult) -> Document:
    if source.ingestion_mode == "html":
        from vectora_normalize.sources.parse.pages import parse_page  # noqa: PLC0415 - loaded by the first page

        patterns = source.date_extraction_patterns
        return parse_page(fetched.body, base=fetched.url, charset=fetched.charset, date_patterns=patterns)
    from vectora_normalize.sources.parse.feeds import parse_feed  # noqa: PLC0415 - loaded by the first feed

    return parse_feed(fetched.body, base=fetched.url, charset=fetched.charset)


def _fetch_articles(
    results: Sequence[SourceResult], fetcher: Fetcher, cache: ArticleCache | None, until: float | None
) -> tuple[str, ...]:
    """Set the articles of the drafts; return the problems that do not concern a single article."""
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
    chosen = [(results[number].source, draft) for _, _, number, draft in ranked[:MAX_ARTICLES]]
    if not chosen:
        return ()
    now = fetcher.clock.monotonic()
    end = now + ARTICLE_SECONDS if until is None else now + min(ARTICLE_SECONDS, MAX_SHARE * (until - now))
    articles = ArticleFetcher(fetcher, cache, until=end)
    requests = [ArticleRequest(draft.entry.link, source.date_extraction_patterns) for source, draft in chosen]
    for (source, draft), outcome in zip(chosen, articles.fetch_all(requests), strict=True):
        if isinstance(outcome, FetchError):
            draft.failure = outcome
        else:
            draft.article, draft.failure = outcome, _text_failure(source, draft, outcome.page)
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
    elif not _is_about(clean_markup(draft.entry.title, _MAX_TITLE_LENGTH), f"{page.title} {page.text}"):
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


class _FilterInput(msgspec.Struct, frozen=True):
    """An item, and the whole text that the filters see.

    Args:
        item: The item; its content is truncated to the limit of the source.
        words: The words of the whole text.
        beginning: The title and the first lines of the text.
    """

    item: RawItem
    words: int
    beginning: str


def _to_filter_input(source: Source, draft: Draft, published: dt.date) -> _FilterInput | None:
    """Return the candidate of an entry; None where no text is left after cleaning."""
    entry, text = draft.entry, _text(source, draft)
    opening = draft.opening if text == draft.excerpt else text[:FIRST_LINES]
    title = _title(entry, draft.article) or truncate(text, _MAX_GENERATED_TITLE)
    if not title:
        return None
    whole = _join(title, text)
    content = truncate(whole, source.max_content_length)
    language = _LANGUAGE.match(entry.language.strip().lower())
    item = RawItem(
        source_key=source.source_key,
        source_type=source.source_type,
        title=title,
        url=entry.link or absolute_link(source.homepage_url, ""),
        published_at=published,
        language=language[0] if language else source.default_language,
        content=content,
        content_hash=hash_content(content),
        company_id=source.company_id,
    )
    return _FilterInput(item, count_words(whole), f"{title}\n{opening}")


def _text(source: Source, draft: Draft) -> str:
    """Return the text of an item, on one line: that of its article, or else that of the feed or listing."""
    if draft.article is None:
        return draft.excerpt
    if source.content_enrichment is ContentEnrichment.FULL_ARTICLE and draft.failure is None:
        return clean_text(draft.article.page.text)
    return max(draft.excerpt, draft.article.page.description, key=len)


def _title(entry: DocumentEntry, article: FetchedArticle | None) -> str:
    """Return the title of an entry; that of its page where the feed or listing has only the beginning of it."""
    title = clean_markup(entry.title, _MAX_TITLE_LENGTH)
    beginning = _TRUNCATED_TITLE.sub("", title)
    if article is not None and beginning != title and article.page.title.lower().startswith(beginning.lower()):
        return article.page.title
    return title


def _join(title: str, summary: str) -> str:
    """Return title and summary as one text; a summary that begins with the title is returned alone."""
    if summary.startswith(title):
        return summary
    return f"{title}{' ' if title.endswith(_ENDS_SENTENCE) else '. '}{summary}" if summary else title


class _Filter:
    """The client's content filters, and the removal of duplicates across sources."""

    def __init__(self, filters: ContentFilters) -> None:
        self._min_words = filters.min_word_count
        self._excluded: Patterns | None = None
        if filters.exclude_patterns:
            name = "source_config.content_filters.exclude_patterns"
            self._excluded = Patterns(filters.exclude_patterns, field=name, budget=_EXCLUDE_BUDGET_SECONDS)
        self._known_hashes: set[str] = set()
        self._known_links: dict[tuple[str, str], bool] = {}  # link and title to whether the article is missing

    @property
    def problems(self) -> list[str]:
        return self._excluded.problems if self._excluded else []

    def apply(self, result: SourceResult, window: Window) -> list[RawItem]:
        """Return the items of a source that are kept; count each of its drafts."""
        kept: list[RawItem] = []
        for draft in result.drafts:
            published = draft.entry.published or (draft.article.page.published if draft.article else None)
            if published is None or not window.contains(published):
                result.drop("undated" if published is None else "outside_window", draft.entry, published)
                continue
            candidate = _to_filter_input(result.source, draft, published)
            if candidate is None:
                result.drop("invalid", draft.entry, published)
            elif reason := self._reason_to_drop(candidate, draft):
                result.drop(reason, draft.entry, published)
            else:
                result.counts["kept"] += 1
                self._known_hashes.add(candidate.item.content_hash)
                self._known_links.setdefault(_link_and_title(candidate, draft), draft.failure is not None)
                kept.append(candidate.item)
        return kept

    def _reason_to_drop(self, candidate: _FilterInput, draft: Draft) -> str | None:
        """Return the count of a candidate that is dropped; None where it is kept."""
        if candidate.words < self._min_words:
            return "too_short"
        if self._excluded and self._excluded.match_any(candidate.beginning):
            return "excluded"
        return "duplicate" if self._is_known(candidate, draft) else None

    def _is_known(self, candidate: _FilterInput, draft: Draft) -> bool:
        """Return whether an earlier item has the same text, or the same article, of which one text is missing.

        Feeds excerpt one article differently. Its text would show that they are the same, if it could be fetched.
        """
        if candidate.item.content_hash in self._known_hashes:
            return True
        missing = self._known_links.get(_link_and_title(candidate, draft))
        return bool(draft.entry.link) and missing is not None and (missing or draft.failure is not None)


def _link_and_title(candidate: _FilterInput, draft: Draft) -> tuple[str, str]:
    return draft.entry.link, candidate.item.title.casefold()
