"""What a run reports on its sources: the counts of their entries and articles, and why a source failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from vectora_normalize.items import RawItem
    from vectora_normalize.sources.errors import FetchErrorKind


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
