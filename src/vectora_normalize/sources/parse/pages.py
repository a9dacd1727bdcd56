"""HTML listing pages to entries."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import msgspec

from vectora_normalize.sources.errors import ParseError
from vectora_normalize.sources.parse import charsets
from vectora_normalize.sources.parse.dates import find_date, writes_day_first
from vectora_normalize.sources.parse.document_tree import DocumentTree
from vectora_normalize.sources.parse.entries import MAX_ENTRIES, Document, DocumentEntry
from vectora_normalize.sources.parse.json_ld import read_json_ld
from vectora_normalize.sources.parse.listing import Article, find_articles
from vectora_normalize.sources.parse.sanitize_html import sanitize_html
from vectora_normalize.sources.parse.text import clean_text
from vectora_normalize.sources.patterns import Patterns
from vectora_normalize.sources.urls import absolute_link

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

_MAX_DATE_TEXT = 2_000  # characters of an article's text that are searched for a date
_MAX_SEARCHED = 400_000  # characters of a page that are searched for dates, in all its articles


def parse_page(body: bytes, *, base: str, charset: str = "", date_patterns: Sequence[str] = ()) -> Document:
    """Return the articles of a listing page.

    A date comes from a ``time`` element, else from the configured patterns, else from the text, else from JSON-LD.

    Args:
        body: The document.
        base: The URL of the document, for relative links.
        charset: Charset of the ``Content-Type`` header.
        date_patterns: Regular expressions of the configuration; the first group, or else the match, is a date.

    Raises:
        ParseError: The document is not a page with links.
    """
    sanitized = sanitize_html(charsets.decode(body, charset))
    base = absolute_link(sanitized.base, base) or base
    tree = DocumentTree(sanitized.html)
    links = _links(tree, base)
    if not any(links):
        raise ParseError("not a page with links")
    dates = _DateReader(tree, date_patterns)
    listed = [_entry(article) for article in find_articles(tree, links, dates.read)]
    entries = _add_json_ld(listed, read_json_ld(sanitized.json_ld, base=base))
    return Document(tuple(entries[:MAX_ENTRIES]), (*sanitized.problems, *dates.problems))


class _DateReader:
    """Finds the dates of a page: first with the configured patterns, then with ``find_date``."""

    def __init__(self, tree: DocumentTree, patterns: Sequence[str]) -> None:
        self._patterns = Patterns(patterns, field="date_extraction_patterns")
        texts = [text for text in tree.texts if len(text) <= _MAX_DATE_TEXT]
        self._day_first = writes_day_first(" ".join(texts)) is not False
        self._remaining = _MAX_SEARCHED

    @property
    def problems(self) -> tuple[str, ...]:
        limit = (f"only its first {_MAX_SEARCHED} characters were searched for dates",) if self._remaining < 0 else ()
        return (*self._patterns.problems, *limit)

    def read(self, text: str) -> dt.date | None:
        text = text[:_MAX_DATE_TEXT]
        if not any(character.isdigit() for character in text):
            return None
        self._remaining -= len(text)
        if self._remaining < 0:
            return None
        matches = self._patterns.find(text)
        dates = (find_date(clean_text(match), day_first=self._day_first) for match in matches)
        return next(filter(None, dates), None) or find_date(text, day_first=self._day_first)


def _links(tree: DocumentTree, base: str) -> list[str]:
    """Return the absolute URL of each link; empty for other nodes and for links to the page itself."""
    page = base.partition("#")[0]
    links: list[str] = []
    for tag, value in zip(tree.tags, tree.values, strict=True):
        link = absolute_link(value, base).partition("#")[0] if tag == "a" else ""
        links.append("" if link == page else link)
    return links


def _entry(article: Article) -> DocumentEntry:
    # Escaped, because the texts of an entry are markup, and the entities of these are already decoded.
    return DocumentEntry(
        title=html.escape(article.title, quote=False),
        summary=html.escape(article.summary, quote=False),
        link=article.link,
        published=article.published,
    )


def _add_json_ld(listed: list[DocumentEntry], described: list[DocumentEntry]) -> list[DocumentEntry]:
    """Return the listed articles, completed from the JSON-LD, followed by those that occur in the JSON-LD only."""
    by_link = {entry.link.partition("#")[0]: entry for entry in described}
    entries: list[DocumentEntry] = []
    for entry in listed:
        more = by_link.pop(entry.link, None)
        if more is not None:
            entry = msgspec.structs.replace(  # noqa: PLW2901 - the same entry, completed
                entry,
                published=entry.published or more.published,
                summary=max(entry.summary, more.summary, key=len),
                language=more.language,
            )
        entries.append(entry)
    return entries + [entry for entry in by_link.values() if entry.published and entry.title]
