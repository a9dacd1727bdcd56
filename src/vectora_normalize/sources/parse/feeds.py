"""Feeds to entries: RSS 0.9x, 1.0 and 2.0 and Atom through feedparser, JSON Feed by its own reader.

The format is told by the bytes, never by the `Content-Type`, which is wrong too often.
"""

from __future__ import annotations

import importlib
import io
import time
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from vectora_normalize.sources.errors import ParseError
from vectora_normalize.sources.parse import charsets, jsonfeed
from vectora_normalize.sources.parse.dates import find_date, writes_day_first
from vectora_normalize.sources.parse.entries import Document, DocumentEntry
from vectora_normalize.sources.parse.repair_xml import RepairedXml, repair_xml
from vectora_normalize.sources.parse.text import plain
from vectora_normalize.sources.urls import absolute_link

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

    Fields: TypeAlias = dict[str, object]

_ROOTS: Final = frozenset({"rss", "rdf", "feed", "channel"})
_DECLARATION: Final = b"<?xml version='1.0' encoding='utf-8'?>"
# In the order in which they tell when an item came out; an update is better than nothing.
_DATE_FIELDS: Final = ("published", "created", "updated")


def parse_feed(body: bytes, *, base: str, charset: str = "") -> Document:
    """The entries of a feed.

    A broken feed gives whatever can be recovered, and says what was wrong.

    Args:
        body: The document.
        base: Its URL, for relative links.
        charset: Charset of the `Content-Type` header.

    Raises:
        ParseError: It is no feed.
    """
    text = charsets.decode(body, charset)
    if text.lstrip()[:1] == "{":
        return jsonfeed.parse_json_feed(text, base=base)
    repaired = repair_xml(text)
    if repaired.root not in _ROOTS:
        found = f"its outermost element is {repaired.root[:40]!r}" if repaired.root else "it has no elements"
        raise ParseError(f"neither RSS, Atom nor JSON Feed: {found}")
    return _read(repaired, base)


def _read(repaired: RepairedXml, base: str) -> Document:
    feedparser: Any = importlib.import_module("feedparser")  # ships no types; and a cold start need not pay for it
    headers = {"content-location": base, "content-type": "application/xml; charset=utf-8"}
    # A stream, because feedparser opens a file or a URL where it is handed anything else.
    stream = io.BytesIO(_DECLARATION + repaired.xml.encode())
    try:
        parsed: Fields = feedparser.parse(
            stream, response_headers=headers, sanitize_html=False, resolve_relative_uris=False
        )
    except Exception as error:  # a bug of the parser costs its one source, not the run
        raise ParseError(f"feedparser failed on it ({type(error).__name__})") from error
    found = _dicts(parsed, "entries")
    language = _text(_dict(parsed, "feed"), "language")
    day_first = writes_day_first(" ".join(date for entry in found for date in _dates(entry)))
    entries = tuple(_entry(entry, base, language, day_first=day_first is not False) for entry in found)
    return Document(entries, repaired.problems)


def _entry(entry: Fields, base: str, language: str, *, day_first: bool) -> DocumentEntry:
    contents = [_text(content, "value") for content in _dicts(entry, "content")]
    return DocumentEntry(
        title=_text(entry, "title"),
        summary=max((_text(entry, "summary"), *contents), key=len),
        link=_link(entry, base),
        published=_published(entry, day_first=day_first),
        language=next((tongue for tongue in _languages(entry) if tongue), language),
    )


def _link(entry: Fields, base: str) -> str:
    """The entry's address: its link, or else its id where that is one."""
    alternates = [_text(link, "href") for link in _dicts(entry, "links") if _text(link, "rel") == "alternate"]
    candidates = (*alternates, _text(entry, "link"), _text(entry, "id"))
    # An id may be any text, which relative resolution would turn into an address.
    usable = (link for link in candidates if link and (link != candidates[-1] or link.startswith("http")))
    return next((absolute for link in usable if (absolute := absolute_link(link, base))), "")


def _published(entry: Fields, *, day_first: bool) -> dt.date | None:
    for field in _DATE_FIELDS:
        if date := find_date(plain(_text(entry, field)), day_first=day_first):
            return date
    # feedparser knows a few more forms (Greek, Hungarian); what it makes of them is checked like the rest.
    for field in _DATE_FIELDS:
        parsed = _get(entry, f"{field}_parsed")
        if isinstance(parsed, time.struct_time) and (date := find_date(time.strftime("%Y-%m-%d", parsed))):
            return date
    return None


def _dates(entry: Fields) -> Iterable[str]:
    return (_text(entry, field) for field in _DATE_FIELDS)


def _languages(entry: Fields) -> Iterable[str]:
    return (_text(_dict(entry, name), "language") for name in ("summary_detail", "title_detail"))


# feedparser's dictionaries map names onto others, with warnings; these read what is there and nothing else.
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
    each = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("Fields", one) for one in each if isinstance(one, dict)]
