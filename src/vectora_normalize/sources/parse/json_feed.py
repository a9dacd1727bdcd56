"""JSON Feed 1.0 and 1.1 (https://www.jsonfeed.org/version/1.1/) to entries.

Each item is decoded separately, so that a value of a wrong type fails its item and not the feed.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from vectora_normalize.sources.errors import ParseError
from vectora_normalize.sources.parse.dates import find_date
from vectora_normalize.sources.parse.entries import MAX_ENTRIES, Document, DocumentEntry
from vectora_normalize.sources.urls import absolute_link

MAX_VALUES: Final = 300_000
"""Commas, brackets and braces of a document. Four megabytes of empty lists would take a hundred megabytes of memory."""

_VERSION = re.compile(r"https?://(www\.)?jsonfeed\.org/version/1\b")


class _Item(msgspec.Struct):
    id: str | int | float | None = None
    url: str | None = None
    external_url: str | None = None
    title: str | None = None
    summary: str | None = None
    content_html: str | None = None
    content_text: str | None = None
    date_published: str | None = None
    date_modified: str | None = None
    language: str | None = None


class _Feed(msgspec.Struct):
    version: str
    items: list[msgspec.Raw]
    language: str | None = None


def parse_json_feed(text: str, *, base: str) -> Document:
    """Return the entries of a JSON Feed.

    Args:
        text: The document.
        base: The URL of the document, for relative links.

    Raises:
        ParseError: Not JSON, or not a JSON Feed.
    """
    if sum(text.count(mark) for mark in ",[{") > MAX_VALUES:
        raise ParseError(f"JSON with more than {MAX_VALUES} values")
    try:
        feed = msgspec.json.decode(text.encode("utf-8", "replace"), type=_Feed)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ParseError(f"not a JSON Feed: {str(error)[:200]}") from None
    if not _VERSION.match(feed.version):
        raise ParseError(f"not a JSON Feed: its version is {feed.version[:60]!r}")
    problems: list[str] = []
    if len(feed.items) > MAX_ENTRIES:
        problems.append(f"more than {MAX_ENTRIES} items; the rest was not read")
    items = [_decode_item(raw) for raw in feed.items[:MAX_ENTRIES]]
    if malformed := sum(item is None for item in items):
        problems.append(f"{malformed} items are not valid items of a JSON Feed")
    # A malformed item becomes an empty entry, which is counted as invalid later.
    entries = (_entry(item or _Item(), feed.language or "", base) for item in items)
    return Document(tuple(entries), tuple(problems))


def _decode_item(raw: msgspec.Raw) -> _Item | None:
    try:
        return msgspec.json.decode(raw, type=_Item)
    except (msgspec.DecodeError, RecursionError):
        return None


def _entry(item: _Item, language: str, base: str) -> DocumentEntry:
    id_link = item.id if isinstance(item.id, str) and item.id.startswith("http") else ""
    links = (item.url, item.external_url, id_link)
    return DocumentEntry(
        title=item.title or "",
        summary=max(item.content_html or "", item.content_text or "", item.summary or "", key=len),
        link=next((absolute for link in links if link and (absolute := absolute_link(link, base))), ""),
        published=find_date(item.date_published or "") or find_date(item.date_modified or ""),
        language=item.language or language,
    )
