"""The entries of one source that may become items, and what became of all others."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import msgspec

from vectora_normalize.sources.articles import ArticleOrigin
from vectora_normalize.sources.parse.text import clean_markup
from vectora_normalize.sources.reports import ArticleCounts, Counts, SourceReport
from vectora_normalize.sources.urls import redact_url

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

    from vectora_normalize.sources.articles import FetchedArticle
    from vectora_normalize.sources.config.catalog import Source
    from vectora_normalize.sources.errors import FetchError, FetchErrorKind
    from vectora_normalize.sources.parse.entries import DocumentEntry

FIRST_LINES: Final = 300
"""Characters at the beginning of a text in which exclude patterns are searched."""

MAX_TITLE_LENGTH: Final = 300
"""Characters of a title that are used."""

_MAX_EXAMPLES = 5  # dropped entries, and failed articles, that the report of a source shows for each reason
_MAX_EXAMPLE_LENGTH = 200  # characters of a title or a message in the report


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
        is_public: Whether its document comes from a public address.
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
    is_public: bool = False

    def drop(self, reason: str, entry: DocumentEntry, published: dt.date | None = None) -> None:
        """Count an entry that becomes no item, and keep it as an example."""
        self.counts[reason] += 1
        examples = self.dropped.setdefault(reason, [])
        if len(examples) < _MAX_EXAMPLES:
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
            for entry, error in failed[:_MAX_EXAMPLES]
        ),
    )
