"""All sources to the items of a window: fetched, read, cleaned, filtered, each entry accounted for.

What a run keeps does not depend on which source answers first: fetching is parallel, but everything that looks at more
than one source is done in the order of the sources.
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
from vectora_normalize.sources.config.patterns import Patterns
from vectora_normalize.sources.errors import FetchError, FetchErrorKind, ParseError
from vectora_normalize.sources.parse.text import clean_markup, count_words, cut
from vectora_normalize.sources.urls import absolute_link, show_url

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vectora_normalize.sources.config.catalog import ContentFilters, Source
    from vectora_normalize.sources.http.fetch import Fetcher, FetchResult
    from vectora_normalize.sources.parse.entries import Document, DocumentEntry

FUTURE_DAYS: Final = 1
"""How far beyond the day of the run an item may be dated: its author's day may already be tomorrow."""

_TITLE_LENGTH = 300  # characters
_TITLE_FROM_TEXT = 100  # of a title that is made of the text, because the entry has none
_EXCLUDE_BUDGET = 5.0  # seconds that a client's patterns may take of a whole run
_LANGUAGE = re.compile(r"[a-z]{2,3}(?![a-z])")
_ENDS_SENTENCE = (".", "!", "?", ":", "\u2026", "\u3002")


class Window(msgspec.Struct, frozen=True):
    """The days whose items a run is about.

    Args:
        from_date: First day.
        to_date: Last day, included.
        slack: Days after the last that are accepted as well.
    """

    from_date: dt.date
    to_date: dt.date
    slack: int = 0

    @classmethod
    def back_from(cls, today: dt.date, period_days: int) -> Window:
        """The window of the last days: from `period_days` before today up to today, and a day for other time zones."""
        return cls(today - dt.timedelta(days=period_days), today, slack=FUTURE_DAYS)

    def holds(self, day: dt.date) -> bool:
        """Whether a day lies in the window."""
        return self.from_date <= day <= self.to_date + dt.timedelta(days=self.slack)


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the entries of a source. `found` is the sum of all the others.

    Args:
        found: Entries in the document.
        kept: Items that the run goes on with.
        outside_window: Dated before or after the window.
        undated: Without a date that could be read.
        duplicate: With the text of an item that an earlier source, or an earlier entry, already gave.
        too_short: With fewer words than the client wants.
        excluded: In which one of the client's patterns was found.
        invalid: Without title and text.
    """

    found: int = 0
    kept: int = 0
    outside_window: int = 0
    undated: int = 0
    duplicate: int = 0
    too_short: int = 0
    excluded: int = 0
    invalid: int = 0

    @property
    def balances(self) -> bool:
        """Whether every entry is accounted for."""
        rest = self.outside_window + self.undated + self.duplicate + self.too_short + self.excluded + self.invalid
        return self.found == self.kept + rest


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceReport:
    """How it went with one source.

    Args:
        source_key: The source.
        url: What was fetched, without its query; empty where the catalogue gives no URL.
        failure: Why nothing was read; None where the document was read.
        message: The same for people; empty where the document was read.
        problems: What was wrong with a document that was read all the same, one sentence each.
        counts: What became of its entries.
        received: Bytes that came over the wire.
        seconds: How long fetching took.
    """

    source_key: str
    url: str
    failure: FetchErrorKind | None = None
    message: str = ""
    problems: tuple[str, ...] = ()
    counts: Counts
    received: int = 0
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON types."""
        return {**asdict(self), "problems": list(self.problems), "seconds": round(self.seconds, 3)}


class Ingested(msgspec.Struct, frozen=True):
    """What a run has to work on.

    Args:
        items: In the order of the sources, and of the entries in each.
        sources: One report for each source, in the same order.
        problems: What was wrong beyond a single source, one sentence each.
    """

    items: tuple[RawItem, ...]
    sources: tuple[SourceReport, ...]
    problems: tuple[str, ...] = ()

    @property
    def all_failed(self) -> bool:
        """Whether there were sources and none of them could be read."""
        return bool(self.sources) and all(report.failure for report in self.sources)


def ingest(
    sources: Sequence[Source],
    window: Window,
    filters: ContentFilters,
    fetcher: Fetcher,
    *,
    until: float | None = None,
) -> Ingested:
    """The items that these sources published in the window.

    Nothing that a source does makes this fail: its failure stands in its report, and the others go on.

    Args:
        sources: What to read; their order decides which of two equal items is kept.
        window: The days.
        filters: What the client wants left out.
        fetcher: Opens the connections.
        until: Instant of the fetcher's clock at which fetching ends.
    """
    addressed = [source for source in sources if source.url]
    read = fetcher.fetch_all(
        [source.url for source in addressed],
        lambda index, fetched: read_source(addressed[index], fetched, window),
        until=until,
    )
    by_key = dict(zip((source.source_key for source in addressed), read, strict=True))
    item_filter = _Filter(filters)
    items: list[RawItem] = []
    reports: list[SourceReport] = []
    for source in sources:
        found = by_key.get(source.source_key) or _without_address(source)
        items.extend(item_filter.apply(found.items, found.counts))
        reports.append(found.report())
    return Ingested(tuple(items), tuple(reports), tuple(item_filter.problems))


class SourceResult(msgspec.Struct, kw_only=True):
    """What was read of one source, before it is compared with the others.

    Args:
        source: The source.
        items: Its items that lie in the window.
        counts: What became of its entries, by the names of `Counts`.
        failure: Why nothing was read.
        message: The same for people.
        problems: What was wrong with the document.
        received: Bytes that came over the wire.
        seconds: How long fetching took.
    """

    source: Source
    items: list[RawItem] = msgspec.field(default_factory=list[RawItem])
    counts: Counter[str] = msgspec.field(default_factory=Counter[str])
    failure: FetchErrorKind | None = None
    message: str = ""
    problems: tuple[str, ...] = ()
    received: int = 0
    seconds: float = 0.0

    def report(self) -> SourceReport:
        """All of it but the items."""
        return SourceReport(
            source_key=self.source.source_key,
            url=show_url(self.source.url) if self.source.url else "",
            failure=self.failure,
            message=self.message,
            problems=self.problems,
            counts=Counts(**self.counts),
            received=self.received,
            seconds=self.seconds,
        )


def _without_address(source: Source) -> SourceResult:
    message = f"the catalogue gives no URL for ingestion_mode {source.ingestion_mode}"
    return SourceResult(source=source, failure=FetchErrorKind.NO_ADDRESS, message=message)


def read_source(source: Source, fetched: FetchResult | FetchError, window: Window) -> SourceResult:
    """What a source gave, as items of the window; everything that concerns this source alone."""
    found = SourceResult(source=source, received=fetched.received, seconds=fetched.elapsed)
    if isinstance(fetched, FetchError):
        found.failure, found.message = fetched.kind, fetched.message
        return found
    try:
        document = _parse(source, fetched)
    except ParseError as problem:
        found.failure, found.message = FetchErrorKind.UNREADABLE, f"{show_url(fetched.url)}: {problem.message}"
        return found
    except Exception as error:  # noqa: BLE001 - a document that finds a bug in us must not cost the other sources
        *_, place = traceback.extract_tb(error.__traceback__)
        found.failure = FetchErrorKind.READER_CRASHED
        found.message = f"{show_url(fetched.url)}: {type(error).__name__} in {place.name}, line {place.lineno}"
        return found
    cut_short = ("the connection ended before the document did",) if fetched.cut_short else ()
    found.problems = (*cut_short, *document.problems)
    found.counts["found"] = len(document.entries)
    for entry in document.entries:
        if not (entry.title.strip() or entry.summary.strip()):
            found.counts["invalid"] += 1
        elif entry.published is None:
            found.counts["undated"] += 1
        elif not window.holds(entry.published):
            found.counts["outside_window"] += 1
        elif (item := _clean(source, entry)) is None:
            found.counts["invalid"] += 1
        else:
            found.items.append(item)
    return found


def _parse(source: Source, fetched: FetchResult) -> Document:
    if source.ingestion_mode == "html":
        from vectora_normalize.sources.parse.pages import parse_page  # noqa: PLC0415 - parsers are imported when needed

        patterns = source.date_extraction_patterns
        return parse_page(fetched.body, base=fetched.url, charset=fetched.charset, date_patterns=patterns)
    from vectora_normalize.sources.parse.feeds import parse_feed  # noqa: PLC0415 - as above

    return parse_feed(fetched.body, base=fetched.url, charset=fetched.charset)


def _clean(source: Source, entry: DocumentEntry) -> RawItem | None:
    """The item that an entry is; None if nothing of it is left once it is cleaned."""
    title = clean_markup(entry.title, _TITLE_LENGTH)
    summary = clean_markup(entry.summary, source.max_content_length)
    title = title or cut(summary, _TITLE_FROM_TEXT)
    if not title:
        return None
    content = cut(_join(title, summary), source.max_content_length)
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
    """Title and summary as one text; the title only once where the summary begins with it."""
    if summary.startswith(title):
        return summary
    return f"{title}{' ' if title.endswith(_ENDS_SENTENCE) else '. '}{summary}" if summary else title


class _Filter:
    """What the client wants left out, and what was there before."""

    def __init__(self, filters: ContentFilters) -> None:
        self._least_words = filters.min_word_count
        self._excluded: Patterns | None = None
        if filters.exclude_patterns:
            name = "source_config.content_filters.exclude_patterns"
            self._excluded = Patterns(filters.exclude_patterns, field=name, budget=_EXCLUDE_BUDGET)
        self._seen: set[str] = set()

    @property
    def problems(self) -> list[str]:
        return self._excluded.problems if self._excluded else []

    def apply(self, items: Sequence[RawItem], counts: Counter[str]) -> list[RawItem]:
        """The items that are kept; what becomes of each is counted."""
        kept: list[RawItem] = []
        for item in items:
            if count_words(item.content) < self._least_words:
                counts["too_short"] += 1
            elif self._excluded and self._excluded.match_any(item.content):
                counts["excluded"] += 1
            elif item.content_hash in self._seen:
                counts["duplicate"] += 1
            else:
                counts["kept"] += 1
                self._seen.add(item.content_hash)
                kept.append(item)
        return kept
