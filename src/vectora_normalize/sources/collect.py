"""From sources to the items of a window: fetch, parse, clean and filter; every entry is counted.

Fetching is concurrent, but everything that compares sources runs in the order of the sources. So the items of a run do
not depend on which source answers first.
"""

from __future__ import annotations

import datetime as dt
import re
import traceback
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from vectora_normalize.items import RawItem, hash_content
from vectora_normalize.sources.errors import FetchError, FetchErrorKind, ParseError
from vectora_normalize.sources.parse.text import clean_markup, count_words, truncate
from vectora_normalize.sources.patterns import Patterns
from vectora_normalize.sources.urls import absolute_link, redact_url

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vectora_normalize.sources.config.catalog import ContentFilters, Source
    from vectora_normalize.sources.http.fetch import Fetcher, FetchResult
    from vectora_normalize.sources.parse.entries import Document, DocumentEntry

FUTURE_DAYS: Final = 1
"""Days after the day of the run on which an item may be dated: in other time zones it may already be tomorrow."""

_MAX_TITLE_LENGTH = 300  # characters
_MAX_GENERATED_TITLE = 100  # characters of a title that is made from the text, for an entry without a title
_EXCLUDE_BUDGET_SECONDS = 5.0  # for a client's exclude patterns, in one run
_LANGUAGE = re.compile(r"[a-z]{2,3}(?![a-z])")
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
        """Return the window from ``period_days`` before today to today, and one day more for other time zones."""
        return cls(today - dt.timedelta(days=period_days), today, future_days=FUTURE_DAYS)

    def contains(self, day: dt.date) -> bool:
        """Return whether a day is in the window."""
        return self.from_date <= day <= self.to_date + dt.timedelta(days=self.future_days)


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the entries of a source; ``entries`` is the sum of all other counts.

    Args:
        entries: Entries in the document.
        kept: Items of the run.
        outside_window: Dated before or after the window.
        undated: Without a readable date.
        duplicate: With the text of an item of an earlier source, or of an earlier entry.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceReport:
    """The part of the run report for one source.

    Args:
        source_key: The key of the source.
        url: The fetched URL, redacted; empty where the catalogue gives none.
        failure: Why the source gave no items; None where its document was parsed.
        message: The failure as a sentence; empty where the document was parsed.
        problems: One sentence for each defect of a document that was parsed.
        counts: What became of the entries.
        received_bytes: Bytes received.
        fetch_seconds: Seconds that the fetch took.
    """

    source_key: str
    url: str
    failure: FetchErrorKind | None = None
    message: str = ""
    problems: tuple[str, ...] = ()
    counts: Counts
    received_bytes: int = 0
    fetch_seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON types."""
        return {**asdict(self), "problems": list(self.problems), "fetch_seconds": round(self.fetch_seconds, 3)}


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
) -> IngestResult:
    """Return the items that the sources published in the window.

    It never raises for a source: a failure is in the report of its source and does not affect the others.

    Args:
        sources: The sources; of two equal items, the one of the earlier source is kept.
        window: The days.
        filters: The client's content filters.
        fetcher: Fetches the documents.
        until: Instant of the fetcher's clock at which fetching ends.
    """
    with_url = [source for source in sources if source.url]
    parsed = fetcher.fetch_all(
        [source.url for source in with_url],
        lambda index, fetched: read_source(with_url[index], fetched, window),
        until=until,
    )
    by_key = {result.source.source_key: result for result in parsed}
    item_filter = _Filter(filters)
    items: list[RawItem] = []
    reports: list[SourceReport] = []
    for source in sources:
        result = by_key.get(source.source_key) or _missing_url(source)
        items.extend(item_filter.apply(result.items, result.counts))
        reports.append(result.report())
    return IngestResult(tuple(items), tuple(reports), tuple(item_filter.problems))


class SourceResult(msgspec.Struct, kw_only=True):
    """The result of one source, before it is compared with the others.

    Args:
        source: The source.
        items: Its items in the window.
        counts: What became of its entries, by the names of ``Counts``.
        failure: Why the source gave no items; None where its document was parsed.
        message: The failure as a sentence.
        problems: One sentence for each defect of the document.
        received_bytes: Bytes received.
        fetch_seconds: Seconds that the fetch took.
    """

    source: Source
    items: list[RawItem] = msgspec.field(default_factory=list[RawItem])
    counts: Counter[str] = msgspec.field(default_factory=Counter[str])
    failure: FetchErrorKind | None = None
    message: str = ""
    problems: tuple[str, ...] = ()
    received_bytes: int = 0
    fetch_seconds: float = 0.0

    def report(self) -> SourceReport:
        """Return everything but the items."""
        return SourceReport(
            source_key=self.source.source_key,
            url=redact_url(self.source.url) if self.source.url else "",
            failure=self.failure,
            message=self.message,
            problems=self.problems,
            counts=Counts(**self.counts),
            received_bytes=self.received_bytes,
            fetch_seconds=self.fetch_seconds,
        )


def _missing_url(source: Source) -> SourceResult:
    message = f"the catalogue gives no URL for ingestion_mode {source.ingestion_mode}"
    return SourceResult(source=source, failure=FetchErrorKind.MISSING_URL, message=message)


def read_source(source: Source, fetched: FetchResult | FetchError, window: Window) -> SourceResult:
    """Return the items of one source in the window, with everything that does not depend on other sources.

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
    for entry in document.entries:
        if not (entry.title.strip() or entry.summary.strip()):
            result.counts["invalid"] += 1
        elif entry.published is None:
            result.counts["undated"] += 1
        elif not window.contains(entry.published):
            result.counts["outside_window"] += 1
        elif (item := _to_item(source, entry)) is None:
            result.counts["invalid"] += 1
        else:
            result.items.append(item)
    return result


def _parse(source: Source, fetched: FetchResult) -> Document:
    if source.ingestion_mode == "html":
        from vectora_normalize.sources.parse.pages import parse_page  # noqa: PLC0415 - loaded by the first page

        patterns = source.date_extraction_patterns
        return parse_page(fetched.body, base=fetched.url, charset=fetched.charset, date_patterns=patterns)
    from vectora_normalize.sources.parse.feeds import parse_feed  # noqa: PLC0415 - loaded by the first feed

    return parse_feed(fetched.body, base=fetched.url, charset=fetched.charset)


def _to_item(source: Source, entry: DocumentEntry) -> RawItem | None:
    """Return the item of an entry; None where no text is left after cleaning."""
    title = clean_markup(entry.title, _MAX_TITLE_LENGTH)
    summary = clean_markup(entry.summary, source.max_content_length)
    title = title or truncate(summary, _MAX_GENERATED_TITLE)
    if not title:
        return None
    content = truncate(_join(title, summary), source.max_content_length)
    language = _LANGUAGE.match(entry.language.strip().lower())
    return RawItem(
        source_key=source.source_key,
        source_type=source.source_type,
        title=title,
        url=entry.link or absolute_link(source.homepage_url, ""),
        published_at=entry.published,
        language=language[0] if language else source.default_language,
        content=content,
        content_hash=hash_content(content),
        company_id=source.company_id,
    )


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

    @property
    def problems(self) -> list[str]:
        return self._excluded.problems if self._excluded else []

    def apply(self, items: Sequence[RawItem], counts: Counter[str]) -> list[RawItem]:
        """Return the items that are kept; add each item to one of the counts."""
        kept: list[RawItem] = []
        for item in items:
            if count_words(item.content) < self._min_words:
                counts["too_short"] += 1
            elif self._excluded and self._excluded.match_any(item.content):
                counts["excluded"] += 1
            elif item.content_hash in self._known_hashes:
                counts["duplicate"] += 1
            else:
                counts["kept"] += 1
                self._known_hashes.add(item.content_hash)
                kept.append(item)
        return kept
