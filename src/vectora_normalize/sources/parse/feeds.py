"""Feeds to entries: RSS 0.9x, 1.0, 2.0 and Atom with feedparser, JSON Feed with the parser of this package.

The format is detected from the content, never from the ``Content-Type`` header, which is often wrong.
"""

from __future__ import annotations

import importlib
import io
import time
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from vectora_normalize.sources.errors import ParseError
from vectora_normalize.sources.parse import charsets
from vectora_normalize.sources.parse.dates import find_date, writes_day_first
from vectora_normalize.sources.parse.entries import Document, DocumentEntry
from vectora_normalize.sources.parse.repair_xml import RepairedXml, repair_xml
from vectora_normalize.sources.parse.text import clean_text
from vectora_normalize.sources.urls import absolute_link

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

    Fields: TypeAlias = dict[str, object]

_feedparser: Any = importlib.import_module("feedparser")  # has no types
_ROOTS: Final = frozenset({"rss", "rdf", "feed", "channel"})
_DECLARATION: Final = b"<?xml version='1.0' encoding='utf-8'?>"
# In order of preference; the date of an update is better than none.
_DATE_FIELDS: Final = ("published", "created", "updated")


def parse_feed(body: bytes, *, base: str, charset: str = "") -> Document:
    """Return the entries of a feed.

    Of a malformed feed, everything that can be recovered is returned; the problems say what is wrong with it.

    Args:
        body: The document.
        base: The URL of the document, for relative links.
        charset: Charset of the ``Content-Type`` header.

    Raises:
        ParseError: The document is not a feed.
    """
    text = charsets.decode(body, charset)
    if text.lstrip()[:1] == "{":
        from vectora_normalize.sources.parse.json_feed import parse_json_feed  # noqa: PLC0415 - few sources have one

        return parse_json_feed(text, base=base)
    repaired = repair_xml(text)
    if repaired.root not in _ROOTS:
        reason = f"its root element is {repaired.root[:40]!r}" if repaired.root else "it has no elements"
        raise ParseError(f"neither RSS, Atom nor JSON Feed: {reason}")
    return _parse_xml(repaired, base)


def _parse_xml(repaired: RepairedXml, base: str) -> Document:
    headers = {"content-location": base, "content-type": "application/xml; charset=utf-8"}
    # A stream, because feedparser treats a string as the name of a file or as a URL.
    stream = io.BytesIO(_DECLARATION + repaired.xml.encode())
    try:
        parsed: Fields = _feedparser.parse(
            stream, response_headers=headers, sanitize_html=False, resolve_relative_uris=False
        )
    except Exception as error:  # a bug of feedparser fails this source, not the run
        raise ParseError(f"feedparser failed on it ({type(error).__name__})") from error
    parsed_entries = _dicts(parsed, "entries")
    language = _text(_dict(parsed, "feed"), "language")
    day_first = writes_day_first(" ".join(date for entry in parsed_entries for date in _dates(entry)))
    entries = tuple(_entry(entry, base, language, day_first=day_first is not False) for entry in parsed_entries)
    return Document(entries, repaired.problems)


def _entry(entry: Fields, base: str, language: str, *, day_first: bool) -> DocumentEntry:
    contents = [_text(content, "value") for content in _dicts(entry, "content")]
    return DocumentEntry(
        title=_text(entry, "title"),
        summary=max((_text(entry, "summary"), *contents), key=len),
        link=_link(entry, base),
        published=_published(entry, day_first=day_first),
        language=next(filter(None, _languages(entry)), language),
    )


def _link(entry: Fields, base: str) -> str:
    """Return the URL of an entry: its link, or else its id if that is a URL."""
    alternates = [_text(link, "href") for link in _dicts(entry, "links") if _text(link, "rel") == "alternate"]
    candidates = (*alternates, _text(entry, "link"), _text(entry, "id"))
    # An id may be any text, which would resolve to a URL as a relative link.
    usable = (link for link in candidates if link and (link != candidates[-1] or link.startswith("http")))
    return next((absolute for link in usable if (absolute := absolute_link(link, base))), "")


def _published(entry: Fields, *, day_first: bool) -> dt.date | None:
    for field in _DATE_FIELDS:
        if date := find_date(clean_text(_text(entry, field)), day_first=day_first):
            return date
    # feedparser supports a few more formats (Greek, Hungarian); its result is checked like any other date.
    for field in _DATE_FIELDS:
        parsed = _get(entry, f"{field}_parsed")
        if isinstance(parsed, time.struct_time) and (date := find_date(time.strftime("%Y-%m-%d", parsed))):
            return date
    return None


def _dates(entry: Fields) -> Iterable[str]:
    return (_text(entry, field) for field in _DATE_FIELDS)


def _languages(entry: Fields) -> Iterable[str]:
    return (_text(_dict(entry, name), "language") for name in ("summary_detail", "title_detail"))


# The dictionaries of feedparser map names to other names, with warnings; these functions bypass that.
def _get(fields: Fields, name: str) -> object:
    return dict[str, object].get(fields, name)


def _text(fields: Fields, name: str) -> str:
    value = _get(fields, name)
    return value if isinstance(value, str) else ""


def _dict(fields: Fields, name: str) -> Fields:
    value = _get(fields, name)
    return cast("Fields", value) if isinstance(value, dict) else {}


def _dicts(fields: Fields, name: str) -> list[Fields]:
    value = _get(fields, name)
    members = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("Fields", member) for member in members if isinstance(member, dict)]
