"""RSS, Atom and JSON Feed, well-formed and malformed, give their entries; other documents are refused."""

from __future__ import annotations

import datetime as dt
import logging
from typing import TYPE_CHECKING

import pytest

from vectora_normalize.sources.errors import ParseError
from vectora_normalize.sources.parse.entries import DocumentEntry
from vectora_normalize.sources.parse.feeds import parse_feed

if TYPE_CHECKING:
    from pathlib import Path

BASE = "https://example.com/news/feed.xml"
NOV_20 = dt.date(2026, 11, 20)


def entries(source: str | bytes, **arguments: str) -> tuple[DocumentEntry, ...]:
    body = source.encode() if isinstance(source, str) else source
    return parse_feed(body, base=BASE, **arguments).entries


def rss(items: str, channel: str = "") -> str:
    return f'<?xml version="1.0"?><rss version="2.0"><channel><title>c</title>{channel}{items}</channel></rss>'


def test_rss_2() -> None:
    source = rss(
        "<item><title>Camurus &amp; Co</title><link>/a</link><description>Short.</description>"
        "<pubDate>Fri, 20 Nov 2026 08:00:00 +0100</pubDate><guid isPermaLink='false'>17</guid></item>",
        "<language>sv-SE</language>",
    )
    assert entries(source) == (
        DocumentEntry(
            title="Camurus & Co", summary="Short.", link="https://example.com/a", published=NOV_20, language="sv-SE"
        ),
    )


@pytest.mark.parametrize(
    "source",
    [
        "<rss version='0.91'><channel><item><title>T</title><link>https://e.org/1</link></item></channel></rss>",
        "<rss version='0.92'><channel><item><title>T</title><link>https://e.org/1</link></item></channel></rss>",
        "<channel><item><title>T</title><link>https://e.org/1</link></item></channel>",
        (
            '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"><channel/>'
            '<item rdf:about="https://e.org/1"><title>T</title><link>https://e.org/1</link></item></rdf:RDF>'
        ),
        '<feed xmlns="http://www.w3.org/2005/Atom"><entry><title>T</title><link href="https://e.org/1"/></entry></feed>',
        (
            '<feed version="0.3" xmlns="http://purl.org/atom/ns#"><entry><title>T</title>'
            '<link rel="alternate" type="text/html" href="https://e.org/1"/></entry></feed>'
        ),
        '{"version": "https://jsonfeed.org/version/1.1", "items": [{"title": "T", "url": "https://e.org/1"}]}',
        '\ufeff  {"version": "https://jsonfeed.org/version/1", "items": [{"title": "T", "url": "https://e.org/1"}]}',
    ],
)
def test_every_format_is_parsed(source: str) -> None:
    assert entries(source) == (DocumentEntry(title="T", summary="", link="https://e.org/1"),)


def test_atom_with_base_language_and_types_of_text() -> None:
    source = (
        '<feed xmlns="http://www.w3.org/2005/Atom" xml:base="https://b.example/x/" xml:lang="fr"><entry>'
        '<title type="html">&lt;b&gt;T&lt;/b&gt;</title><link rel="self" href="self"/><link href="y"/>'
        "<updated>2026-11-21T00:30:00+02:00</updated><summary>S</summary>"
        '<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>Longer <b>text</b></p></div></content>'
        "</entry></feed>"
    )
    (entry,) = entries(source)
    assert entry.link == "https://b.example/x/y"
    assert entry.published == NOV_20
    assert entry.language == "fr"
    assert entry.title == "<b>T</b>"
    assert "<p>Longer <b>text</b></p>" in entry.summary


def test_the_summary_is_the_longest_text() -> None:
    source = rss(
        "<item><description>Short.</description>"
        "<content:encoded><![CDATA[<p>Much longer text.</p>]]></content:encoded></item>"
        "<item><description>Here the description is longer.</description><content:encoded>x</content:encoded></item>"
    )
    assert [entry.summary for entry in entries(source)] == [
        "<p>Much longer text.</p>",
        "Here the description is longer.",
    ]


@pytest.mark.parametrize(
    ("item", "link"),
    [
        ("<link>a b</link>", "https://example.com/news/a%20b"),
        ("<guid>https://e.org/guid</guid>", "https://e.org/guid"),
        ("<guid isPermaLink='false'>abc</guid>", ""),
        ("<link>javascript:alert(1)</link><guid>https://e.org/g</guid>", "https://e.org/g"),
        ("<link>javascript:alert(1)</link>", ""),
        ("<link>https://user:pass@e.org/</link>", ""),
        ("<atom:link rel='alternate' href='/alt'/>", "https://example.com/alt"),
        ("", ""),
    ],
)
def test_links_are_absolute_or_empty(item: str, link: str) -> None:
    (entry,) = entries(rss(f"<item><title>T</title>{item}</item>"))
    assert entry.link == link


@pytest.mark.parametrize(
    ("item", "published"),
    [
        ("<pubDate>Fri, 20 Nov 2026 10:00:00 GMT</pubDate>", NOV_20),
        ("<pubDate>2026-11-20</pubDate>", NOV_20),
        ("<pubDate>20 novembre 2026</pubDate>", NOV_20),
        ("<pubDate>20/11/2026</pubDate>", NOV_20),
        ("<dc:date>2026-11-20T10:00:00Z</dc:date>", NOV_20),
        ("<pubDate>soon</pubDate><dc:date>2026-11-20</dc:date>", NOV_20),
        ("<pubDate>\u03a0\u03b1\u03c1, 20 \u039d\u03bf\u03ad 2026 10:00:00 +0200</pubDate>", NOV_20),
        ("<pubDate>soon</pubDate>", None),
        ("", None),
    ],
)
def test_dates_in_every_format_or_none(item: str, published: dt.date | None) -> None:
    (entry,) = entries(rss(f"<item><title>T</title>{item}</item>"))
    assert entry.published == published


def test_one_unambiguous_date_determines_the_order_of_the_others() -> None:
    items = "<item><pubDate>11/05/2026</pubDate></item><item><pubDate>{}</pubDate></item>"
    american, european = entries(rss(items.format("11/20/2026"))), entries(rss(items.format("20/11/2026")))
    assert american[0].published == dt.date(2026, 11, 5)
    assert european[0].published == dt.date(2026, 5, 11)


@pytest.mark.parametrize("charset", ["", "utf-8", "windows-1252"])
def test_wrong_declarations_of_the_encoding_are_corrected(charset: str) -> None:
    source = f'<?xml version="1.0" encoding="iso-8859-1"?>{rss("<item><title>Åsa Norén</title></item>")[21:]}'
    assert entries(source.encode(), charset=charset)[0].title == "Åsa Norén"
    assert entries(source.encode("latin-1"), charset=charset)[0].title == "Åsa Norén"
    assert entries(source.encode("utf-16"), charset=charset)[0].title == "Åsa Norén"


def test_a_malformed_feed_gives_its_entries_and_its_problems() -> None:
    document = parse_feed(
        b"<rss><channel><item><title>One & <b>two</title></item><item><title>Three</title><desc", base=BASE
    )
    assert [entry.title for entry in document.entries][1] == "Three"
    assert document.entries[0].title.startswith("One &")
    assert document.problems == (
        "the document is incomplete: some elements are not closed",
        "not well-formed XML: 1 tags were repaired",
    )


def test_an_entity_bomb_stays_text() -> None:
    source = f'<!DOCTYPE r [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>{rss("<item><title>&b;</title></item>")[21:]}'
    assert entries(source)[0].title == "&b;"


def test_external_entities_and_files_are_never_opened(tmp_path: Path) -> None:
    secret = tmp_path / "secret.xml"
    secret.write_text("<rss><channel><item><title>hunter2</title></item></channel></rss>")
    with pytest.raises(ParseError):
        entries(str(secret))
    source = f'<!DOCTYPE r [<!ENTITY x SYSTEM "file://{secret}">]>{rss("<item><title>&x;</title></item>")[21:]}'
    assert "hunter2" not in entries(source)[0].title


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("", "it has no elements"),
        ("Not Found", "it has no elements"),
        ("<!DOCTYPE html><html><body>x</body></html>", "its root element is 'html'"),
        ("<error>no</error>", "its root element is 'error'"),
        ("{}", "not a JSON Feed"),
    ],
)
def test_other_documents_are_refused_with_a_reason(source: str, says: str) -> None:
    with pytest.raises(ParseError, match=says):
        entries(source)


def test_a_feed_may_have_no_items() -> None:
    assert parse_feed(rss("").encode(), base=BASE).entries == ()


def test_a_crash_of_feedparser_is_a_parse_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object, **__: object) -> None:
        raise RecursionError

    monkeypatch.setattr("feedparser.parse", crash)
    with pytest.raises(ParseError, match=r"feedparser failed on it \(RecursionError\)"):
        entries(rss(""))


def test_unexpected_results_of_feedparser_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    odd = {"title": None, "links": [None, 3], "content": "x", "summary_detail": [], "published_parsed": "x"}

    def parse(*_: object, **__: object) -> object:
        return {"entries": [odd, 7], "feed": None}

    monkeypatch.setattr("feedparser.parse", parse)
    assert entries(rss("")) == (DocumentEntry(title="", summary="", link=""),)


def test_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        entries(rss("<item><title>x</title>"))
    assert caplog.records == []
