"""Article pages to their text, description and date.

Like every document, the page is rewritten first, so that the extraction gets a balanced and shallow tree of limited
size. trafilatura finds the text. The page declares the date and the description.
"""

from __future__ import annotations

import importlib
import re
from typing import TYPE_CHECKING, Any, Final

from vectora_normalize.sources.errors import ParseError
from vectora_normalize.sources.parse import charsets
from vectora_normalize.sources.parse.dates import find_date, writes_day_first
from vectora_normalize.sources.parse.entries import ArticlePage
from vectora_normalize.sources.parse.json_ld import describe_page
from vectora_normalize.sources.parse.markup import unescape
from vectora_normalize.sources.parse.sanitize_html import sanitize_article
from vectora_normalize.sources.parse.text import clean_markup, clean_text, is_call_to_action
from vectora_normalize.sources.patterns import Patterns

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping, Sequence

MAX_ARTICLE_TEXT: Final = 100_000
"""Characters of an article's text that are kept."""

# Names of ``meta`` elements, the most specific first.
_DATE_NAMES: Final = (
    *("article:published_time", "og:article:published_time", "og:published_time", "datepublished", "publishdate"),
    *("publish_date", "publish-date", "publication_date", "publicationdate", "pubdate", "pub_date", "parsely-pub-date"),
    *("sailthru.date", "citation_publication_date", "citation_date", "dc.date.issued", "dcterms.issued"),
    *("dcterms.created", "dc.date.created", "dcterms.date", "dc.date", "date", "cxenseparse:recs:publishtime"),
    "datecreated",
)
_MODIFIED_NAMES: Final = ("article:modified_time", "og:updated_time", "datemodified")
_DESCRIPTION_NAMES: Final = ("og:description", "description", "twitter:description", "dc.description")
_TITLE_NAMES: Final = ("og:title", "twitter:title", "dc.title")
_MAX_TITLE_LENGTH: Final = 300  # characters
_AFTER_HEADLINE: Final = 600  # characters of text after the headline that are searched for a date
_BEFORE_HEADLINE: Final = 200  # the same before it
_MARKUP_NEAR_HEADLINE: Final = 10_000  # characters of markup that contain this text
_HEADLINE: Final = re.compile(r"<h1\b")
_TIME: Final = re.compile(r"<time\b([^>]*)>([^<]*)")
_DATETIME: Final = re.compile(r'\bdatetime="([^"]*)"')
_TAG: Final = re.compile(r"<[^>]*>")


def parse_article(body: bytes, *, base: str, charset: str = "", date_patterns: Sequence[str] = ()) -> ArticlePage:
    """Return the text, the description and the date of an article page.

    A date comes from a ``meta`` element, else from JSON-LD, else from a ``time`` element or the text near the headline,
    else from the first ``time`` element of the page. If there is none, it is the declared date of the last change.

    Args:
        body: The document.
        base: The URL of the document.
        charset: Charset of the ``Content-Type`` header.
        date_patterns: Regular expressions of the configuration, for dates near the headline.

    Raises:
        ParseError: The document is not a page, or its text cannot be extracted.
    """
    source = charsets.decode(body, charset)
    if source[:5] == "%PDF-" or "<" not in source:
        raise ParseError("not a page")
    sanitized = sanitize_article(source)
    meta, html = sanitized.meta, sanitized.page.html
    described = describe_page(sanitized.page.json_ld, url=base)
    text = _extract_text(html)
    if described is not None and len(text) < len(described.body) // 2:  # a script inserts the text into the page
        text = clean_lines(described.body)
    descriptions = [*_values(meta, _DESCRIPTION_NAMES), described.entry.summary if described else ""]
    titles = [*_values(meta, _TITLE_NAMES), described.entry.title if described else "", sanitized.title]
    return ArticlePage(
        text=text[:MAX_ARTICLE_TEXT],
        title=next((title for raw in titles if (title := clean_markup(raw, _MAX_TITLE_LENGTH))), ""),
        description=max((clean_markup(raw, MAX_ARTICLE_TEXT) for raw in descriptions), key=len),
        published=_declared_date(meta, _DATE_NAMES)
        or (described.entry.published if described else None)
        or _date_on_page(html, Patterns(date_patterns, field="date_extraction_patterns"))
        or _declared_date(meta, _MODIFIED_NAMES)
        or (described.modified if described else None),
    )


def clean_lines(text: str) -> str:
    """Return text with each line cleaned, without empty lines and lines that only call to an action."""
    lines = (clean_text(line).strip("| ") for line in text.splitlines())  # bars: the extraction marks cells of tables
    return "\n".join(line for line in lines if line and not is_call_to_action(line))


def _extract_text(html: str) -> str:
    """Return the text of the article in a sanitized page."""
    import trafilatura  # noqa: PLC0415 - loaded by the first article; it takes half a second

    lxml_html: Any = importlib.import_module("lxml.html")  # has no types
    parser = lxml_html.HTMLParser(no_network=True, huge_tree=False, remove_comments=True, remove_pis=True)
    try:
        tree = lxml_html.document_fromstring(html, parser=parser)
        text = trafilatura.extract(tree, include_comments=False, with_metadata=False)
    except Exception as error:  # a bug of either library fails this article, not the run
        raise ParseError(f"the text extraction failed on it ({type(error).__name__})") from error
    return clean_lines(text or "")


def _values(meta: Mapping[str, str], names: Iterable[str]) -> list[str]:
    return [meta[name] for name in names if meta.get(name)]


def _declared_date(meta: Mapping[str, str], names: Iterable[str]) -> dt.date | None:
    return next(filter(None, map(find_date, _values(meta, names))), None)


def _date_on_page(html: str, patterns: Patterns) -> dt.date | None:
    """Return the date after the headline, else that before it, else that of the first ``time`` element."""
    headline = _HEADLINE.search(html)
    start = headline.start() if headline else 0
    after = _plain(html[start : start + _MARKUP_NEAR_HEADLINE])[:_AFTER_HEADLINE]
    before = _plain(html[max(0, start - _MARKUP_NEAR_HEADLINE) : start])[-_BEFORE_HEADLINE:]
    for text in (after, before):
        if date := _first_date(text, patterns):
            return date
    times = (find_date(_time_value(match)) for match in _TIME.finditer(html))
    return next(filter(None, times), None)


def _first_date(text: str, patterns: Patterns) -> dt.date | None:
    day_first = writes_day_first(text) is not False
    dates = (find_date(match, day_first=day_first) for match in patterns.find(text))
    return next(filter(None, dates), None) or find_date(text, day_first=day_first)


def _plain(html: str) -> str:
    """Return the text of a piece of sanitized HTML, with the machine-readable dates of ``time`` elements."""
    dated = _TIME.sub(lambda match: f" {_time_value(match)} ", html)
    return clean_text(unescape(_TAG.sub(" ", dated)))


def _time_value(match: re.Match[str]) -> str:
    value = _DATETIME.search(match[1])
    return value[1] if value and find_date(value[1]) else match[2]
