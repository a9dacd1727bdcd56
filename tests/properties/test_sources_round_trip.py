"""Items that are written as a feed or page are parsed to the same items, and any input is parsed or refused."""

from __future__ import annotations

import datetime as dt
import json
from html import escape
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectora_normalize.sources.errors import ParseError
from vectora_normalize.sources.parse.feeds import parse_feed
from vectora_normalize.sources.parse.pages import parse_page
from vectora_normalize.sources.parse.text import clean_markup, clean_text

if TYPE_CHECKING:
    from vectora_normalize.sources.parse.entries import Document, DocumentEntry

BASE = "https://example.com/news/"


class WrittenItem(NamedTuple):
    """The content of an item, before it is written as a feed or page."""

    title: str
    text: str
    path: str
    day: dt.date


def words(least: int, most: int) -> st.SearchStrategy[str]:
    """Texts of several words in many scripts, with characters that must be escaped in markup."""
    letters = st.characters(categories=["Lu", "Ll", "Lo"], include_characters="<>&'\"-")
    return (
        st.lists(st.text(letters, min_size=4, max_size=9), min_size=least, max_size=most).map(" ".join).map(clean_text)
    )


WRITTEN_ITEM = st.builds(
    WrittenItem,
    # On a page only a text that reads like a title is one.
    title=words(4, 6).filter(lambda title: sum(map(str.isalpha, title)) > 30),
    text=words(3, 30),
    path=st.from_regex(r"[a-z0-9]{1,12}", fullmatch=True),
    day=st.dates(dt.date(2020, 1, 1), dt.date(2030, 12, 31)),
)
ITEMS = st.lists(WRITTEN_ITEM, min_size=1, max_size=6, unique_by=lambda item: item.path)


def read_back(document: Document) -> list[tuple[str, str, str, dt.date | None]]:
    return [
        (clean_markup(e.title, 20_000), clean_markup(e.summary, 20_000), e.link, e.published) for e in document.entries
    ]


def expected(items: list[WrittenItem]) -> list[tuple[str, str, str, dt.date | None]]:
    return [(item.title, item.text, f"https://example.com/{item.path}", item.day) for item in items]


def escaped_twice(text: str) -> str:
    """A text as HTML inside XML."""
    return escape(escape(text))


@pytest.mark.nightly  # six seconds; the gate takes JSON Feed
@given(ITEMS)
def test_rss_round_trip(items: list[WrittenItem]) -> None:
    rows = "".join(
        f"<item><title>{escaped_twice(item.title)}</title><link>/{item.path}</link><description>{escaped_twice(item.text)}</description>"
        f"<pubDate>{item.day:%a, %d %b %Y} 12:00:00 +0000</pubDate></item>"
        for item in items
    )
    document = parse_feed(f"<rss version='2.0'><channel>{rows}</channel></rss>".encode(), base=BASE)
    assert read_back(document) == expected(items)
    assert document.problems == ()


@pytest.mark.nightly  # ten seconds; the gate takes JSON Feed
@given(ITEMS)
def test_atom_round_trip(items: list[WrittenItem]) -> None:
    rows = "".join(
        f'<entry><title type="html"><![CDATA[{escape(item.title)}]]></title><link href="/{item.path}"/>'
        f'<content type="html">{escaped_twice(item.text)}</content><updated>{item.day}T12:00:00Z</updated></entry>'
        for item in items
    )
    source = f'<feed xmlns="http://www.w3.org/2005/Atom">{rows}</feed>'
    assert read_back(parse_feed(source.encode("utf-16"), base=BASE, charset="iso-8859-1")) == expected(items)


@given(ITEMS)
def test_json_feed_round_trip(items: list[WrittenItem]) -> None:
    rows = [
        {
            "title": escape(item.title),
            "content_html": escape(item.text),
            "url": f"/{item.path}",
            "date_published": f"{item.day}T12:00:00Z",
        }
        for item in items
    ]
    source = json.dumps({"version": "https://jsonfeed.org/version/1.1", "items": rows})
    assert read_back(parse_feed(source.encode(), base=BASE)) == expected(items)


@pytest.mark.nightly  # eight seconds; the gate takes JSON Feed
@given(ITEMS)
def test_page_round_trip(items: list[WrittenItem]) -> None:
    rows = "".join(
        f'<li><h3><a href="/{item.path}">{escape(item.title)}</a></h3><time datetime="{item.day}">then</time>'
        f"<p>{escape(item.text)}</p></li>"
        for item in items
    )
    document = parse_page(f"<ul>{rows}</ul>".encode(), base=BASE)
    assert [entry[0::2] for entry in read_back(document)] == [(e[0], e[2]) for e in expected(items)]
    assert read_back(document) == expected(items)


TOKENS = st.sampled_from(
    [
        *("<rss>", "<channel>", "<item>", "</item>", "<title>", "</title>", "<entry>", "<link>", "<pubDate>", "<feed>"),
        *(
            "<a href=/x>",
            "</a>",
            "<li>",
            "<h2>",
            "<time datetime=2026-11-20>",
            "<table>",
            "<td>",
            "<p>",
            "<div>",
            "</div>",
        ),
        *(
            "<![CDATA[",
            "]]>",
            "<!--",
            "-->",
            "<script type=application/ld+json>",
            "</script>",
            "{",
            "[",
            '"@type":',
            "}",
        ),
        *(
            "Some longer title here ",
            "2026-11-20",
            "20 Nov 2026",
            "&amp;",
            "&",
            "<",
            ">",
            "'",
            '"',
            "\x00",
            "\u202e",
            "é",
        ),
        *(
            '{"version":"https://jsonfeed.org/version/1.1","items":[',
            '{"title":"x"},',
            "]}",
            "<base href=//b/>",
            "\ud800",
        ),
    ]
)
TAG_SOUP = st.lists(TOKENS, max_size=60).map("".join).map(lambda text: text.encode("utf-8", "surrogatepass"))


def assert_usable(entries: tuple[DocumentEntry, ...]) -> None:
    for entry in entries:
        assert entry.link == "" or entry.link.startswith(("http://", "https://"))
        clean_markup(entry.title, 20_000).encode()
        clean_markup(entry.summary, 20_000).encode()


@given(TAG_SOUP | st.binary(max_size=400))
def test_any_feed_is_parsed_or_refused(body: bytes) -> None:
    for wrapped in (body, b"<rss><channel>" + body):
        try:
            assert_usable(parse_feed(wrapped, base=BASE).entries)
        except ParseError as problem:
            assert problem.message  # noqa: PT017 - both outcomes are valid


@given(TAG_SOUP | st.binary(max_size=400))
def test_any_page_is_parsed_or_refused(body: bytes) -> None:
    for wrapped in (body, b"<a href=/x>Some title of news</a>" + body):
        try:
            assert_usable(parse_page(wrapped, base=BASE).entries)
        except ParseError as problem:
            assert problem.message  # noqa: PT017 - both outcomes are valid
