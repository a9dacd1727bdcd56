"""HTML listing pages to entries."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import msgspec

from vectora_normalize.sources.config.patterns import Patterns
from vectora_normalize.sources.errors import ParseError
from vectora_normalize.sources.parse import charsets
from vectora_normalize.sources.parse.dates import find_date, writes_day_first
from vectora_normalize.sources.parse.entries import MAX_ENTRIES, Document, DocumentEntry
from vectora_normalize.sources.parse.linkeddata import read_linked_data
from vectora_normalize.sources.parse.listing import Article, find_articles
from vectora_normalize.sources.parse.outline import Outline
from vectora_normalize.sources.parse.sanitize_html import sanitize_html
from vectora_normalize.sources.parse.text import plain
from vectora_normalize.sources.urls import absolute_link

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

_DATED_TEXT = 2_000  # characters of an article's text in which its date is looked for
_MOST_READ = 400_000  # characters of a page in which dates are looked for, all articles together


def parse_page(body: bytes, *, base: str, charset: str = "", date_patterns: Sequence[str] = ()) -> Document:
    """The articles that a listing page names.

    A date comes from a `time` element, else from the configured patterns, else from the text, else from JSON-LD.

    Args:
        body: The document.
        base: Its URL, for relative links.
        charset: Charset of the `Content-Type` header.
        date_patterns: Regular expressions from configuration whose first group (or whole match) is a date.

    Raises:
        ParseError: It is no page with links.
    """
    sanitized = sanitize_html(charsets.decode(body, charset))
    base = absolute_link(sanitized.base, base) or base
    outline = Outline(sanitized.html)
    links = _links(outline, base)
    if not any(links):
        raise ParseError("no page with links")
    dates = _DateReader(outline, date_patterns)
    listed = [_entry(article) for article in find_articles(outline, links, dates.read)]
    entries = _complete(listed, read_linked_data(sanitized.linked_data, base=base))
    return Document(tuple(entries[:MAX_ENTRIES]), (*sanitized.problems, *dates.problems))


class _DateReader:
    """Reads the dates of a page: by the configured patterns, then by its own."""

    def __init__(self, outline: Outline, patterns: Sequence[str]) -> None:
        self._patterns = Patterns(patterns, field="date_extraction_patterns")
        texts = [text for text in outline.texts if len(text) <= _DATED_TEXT]
        self._day_first = writes_day_first(" ".join(texts)) is not False
        self._left = _MOST_READ

    @property
    def problems(self) -> tuple[str, ...]:
        spent = (f"dates were looked for in its first {_MOST_READ} characters only",) if self._left < 0 else ()
        return (*self._patterns.problems, *spent)

    def read(self, text: str) -> dt.date | None:
        text = text[:_DATED_TEXT]
        if not any(character.isdigit() for character in text):
            return None
        self._left -= len(text)
        if self._left < 0:
            return None
        found = (find_date(plain(each), day_first=self._day_first) for each in self._patterns.find(text))
        return next(filter(None, found), None) or find_date(text, day_first=self._day_first)


def _links(outline: Outline, base: str) -> list[str]:
    """The absolute address of each link; empty for other nodes, and for links to places on the page itself."""
    here = base.partition("#")[0]
    links: list[str] = []
    for tag, value in zip(outline.tags, outline.values, strict=True):
        link = absolute_link(value, base).partition("#")[0] if tag == "a" else ""
        links.append("" if link == here else link)
    return links


def _entry(article: Article) -> DocumentEntry:
    # Escaped, because an entry's texts are markup; its entities are decoded once, and these already were.
    return DocumentEntry(
        title=html.escape(article.title, quote=False),
        summary=html.escape(article.summary, quote=False),
        link=article.link,
        published=article.published,
    )


def _complete(listed: list[DocumentEntry], described: list[DocumentEntry]) -> list[DocumentEntry]:
    """The listed articles, with what JSON-LD knows of them, and behind them those that only JSON-LD names."""
    known = {entry.link.partition("#")[0]: entry for entry in described}
    entries: list[DocumentEntry] = []
    for entry in listed:
        more = known.pop(entry.link, None)
        if more is not None:
            entry = msgspec.structs.replace(  # noqa: PLW2901 - the same entry, completed
                entry,
                published=entry.published or more.published,
                summary=max(entry.summary, more.summary, key=len),
                language=more.language,
            )
        entries.append(entry)
    return entries + [entry for entry in known.values() if entry.published and entry.title]
