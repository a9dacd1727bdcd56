"""A listing page gives its articles as entries, dated by markup, patterns, text or JSON-LD."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

import pytest

from vectora_normalize.sources.errors import ParseError
from vectora_normalize.sources.parse.pages import parse_page
from vectora_normalize.sources.window import Window

if TYPE_CHECKING:
    from vectora_normalize.sources.parse.entries import Document

BASE = "https://example.com/news/"
ROW = '<li><h3><a href="/{0}">Number {0} of the news</a></h3>{1}</li>'


def page(source: str, *patterns: str, base: str = BASE) -> Document:
    return parse_page(source.encode(), base=base, date_patterns=patterns)


def dates(document: Document) -> list[str]:
    return [str(entry.published) for entry in document.entries]


def test_links_are_absolute_and_without_fragment() -> None:
    document = page('<li><a href="a/b#c">A title of some length</a> 2026-11-20</li>')
    assert [entry.link for entry in document.entries] == ["https://example.com/news/a/b"]


def test_the_base_element_is_used() -> None:
    document = page('<base href="https://b.example/x/"><li><a href="a">A title of some length</a> 2026-11-20</li>')
    assert [entry.link for entry in document.entries] == ["https://b.example/x/a"]
    document = page('<base href="javascript:x"><li><a href="a">A title of some length</a> 2026-11-20</li>')
    assert [entry.link for entry in document.entries] == ["https://example.com/news/a"]


def test_a_link_to_the_page_itself_is_not_an_article() -> None:
    document = page(
        '<li><a href="#top">Back to the top of page</a></li><li><a href="/1">A title of some length</a></li>'
    )
    assert [entry.link for entry in document.entries] == ["https://example.com/1"]


def test_texts_are_escaped_because_an_entry_is_markup() -> None:
    document = page("<li><a href=/1>Doses &lt; 5 mg &amp;amp; more</a> 2026-11-20 <p>x &lt;b&gt;</p></li>")
    (entry,) = document.entries
    assert entry.title == "Doses &lt; 5 mg &amp;amp; more"
    assert entry.summary == "x &lt;b&gt;"


def test_patterns_take_precedence_over_the_text() -> None:
    source = ROW.format(1, "Meeting on 3 May 2026. Published: 2026-11-20")
    assert dates(page(source)) == ["2026-05-03"]
    assert dates(page(source, r"Published:\s*(\d{4}-\d{2}-\d{2})")) == ["2026-11-20"]
    assert dates(page(source, r"Published: [\d-]+")) == ["2026-11-20"]
    assert dates(page(source, r"nothing (\w+)", r"(\w+)\. Published")) == ["2026-05-03"]


def test_unusable_patterns_are_reported_and_skipped() -> None:
    document = page(ROW.format(1, "20 Nov 2026 " + "a" * 60 + "!"), "(", "(a|aa)+$")
    assert dates(document) == ["2026-11-20"]
    assert len(document.problems) == 2
    assert "date_extraction_patterns[0]: skipped" in document.problems[0]
    assert "date_extraction_patterns[1]: timed out after" in document.problems[1]


def test_numeric_dates_are_read_in_the_order_of_the_page() -> None:
    source = ROW.format(1, "05/11/2026") + ROW.format(2, "{}")
    assert dates(page(source.format("20/11/2026"))) == ["2026-11-05", "2026-11-20"]
    assert dates(page(source.format("11/20/2026"))) == ["2026-05-11", "2026-11-20"]


def ld(number: int, **more: str) -> str:
    fields = {"@type": "NewsArticle", "headline": f"LD {number}", "url": f"/{number}", **more}
    return f'<script type="application/ld+json">{json.dumps(fields)}</script>'


def test_json_ld_completes_the_articles_of_the_page() -> None:
    document = page(
        ld(1, datePublished="2026-11-20", description="What it is about.", inLanguage="sv") + ROW.format(1, "x")
    )
    (entry,) = document.entries
    assert entry.title == "Number 1 of the news"
    assert entry.summary == "What it is about."
    assert entry.published == dt.date(2026, 11, 20)
    assert entry.language == "sv"


def test_json_ld_adds_articles_that_are_not_on_the_page() -> None:
    document = page(
        ROW.format(1, "2026-11-20") + ld(2, datePublished="2026-11-19") + ld(3) + ld(4, headline="", datePublished="x")
    )
    assert [(entry.title, str(entry.published)) for entry in document.entries] == [
        ("Number 1 of the news", "2026-11-20"),
        ("LD 2", "2026-11-19"),
    ]


@pytest.mark.parametrize(
    "source", ["", "plain text", "<p>no links</p>", "<a href='javascript:x'>A title of some length</a>"]
)
def test_a_page_without_links_is_refused(source: str) -> None:
    with pytest.raises(ParseError, match="not a page with links"):
        page(source)


@pytest.mark.parametrize("charset", ["", "euc-kr", "iso-8859-1"])
def test_encodings_are_detected(charset: str) -> None:
    source = f'<meta charset="euc-kr">{ROW.format(1, "2026.11.20 펩트론 임상")}'
    document = parse_page(source.encode("euc_kr"), base=BASE, charset=charset)
    assert dates(document) == ["2026-11-20"]
    if charset != "iso-8859-1":
        assert "펩트론" in document.entries[0].summary


def test_problems_of_the_page_are_reported() -> None:
    assert page(ROW.format(1, "2026-11-20") + "<div>" * 200).problems == (
        "elements nested more than 100 levels deep; their tags were removed",
    )


def test_the_text_that_is_searched_for_dates_is_limited() -> None:
    rows = "".join(ROW.format(number, "no date, but 7 " + "word " * 380) for number in range(300))
    document = page(rows + ROW.format(999, "2026-11-20"))
    assert "only its first 400000 characters were searched for dates" in document.problems
    assert len(document.entries) == 301


def test_entries_outside_the_window_are_returned_too() -> None:
    document = page(ROW.format(1, "1 May 2001"))
    assert document.entries[0].published is not None
    assert not Window(dt.date(2026, 1, 1), dt.date(2026, 12, 31)).contains(document.entries[0].published)
