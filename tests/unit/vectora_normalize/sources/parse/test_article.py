"""Article pages to text, title, description and date."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from support.hostile import bomb
from support.stopwatch import Stopwatch, machine_slowness
from vectora_normalize.sources.errors import ParseError
from vectora_normalize.sources.parse.article import clean_lines, parse_article
from vectora_normalize.sources.parse.entries import ArticlePage

URL = "https://depot.example/news/1"
DAY = dt.date(2026, 11, 20)
SENTENCES = (
    "Nordlai has signed a licence agreement with a larger company for three long-acting products.",
    "The upfront payment is three million euros, and royalties are paid on net sales in all countries.",
    "A phase 2 trial of the first product began in Turku in September and includes ninety patients.",
    "The board expects first results of the monthly formulation in the second quarter of next year.",
)
TEXT = "\n".join(SENTENCES)
PARAGRAPHS = "".join(f"<p>{sentence}</p>" for sentence in SENTENCES)
NAVIGATION = "<nav><ul><li><a href='/a'>About the company</a><li><a href='/b'>All of our products</a></ul></nav>"
FOOTER = "<footer><p>Subscribe to our newsletter to receive every press release by e-mail.</p></footer>"


def page(article: str, head: str = "") -> bytes:
    return f"<html><head>{head}</head><body>{NAVIGATION}{article}{FOOTER}</body></html>".encode()


def parse(article: str = "", head: str = "", patterns: tuple[str, ...] = ()) -> ArticlePage:
    body = page(f"<article><h1>Nordlai signs a licence</h1>{article}{PARAGRAPHS}</article>", head)
    return parse_article(body, base=URL, date_patterns=patterns)


def script(described: dict[str, str]) -> str:
    return f'<script type="application/ld+json">{json.dumps(described)}</script>'


@pytest.mark.parametrize(
    "markup",
    [
        "<main><article><h1>Nordlai signs a licence</h1><div class=entry-content>{}</div></article></main>",
        "<div id=content><div class=post><h2>Nordlai signs a licence</h2>{}</div></div>",
        "<table><tr><td><h1>Nordlai signs a licence</h1></td></tr><tr><td>{}</td></tr></table>",
        "<div><div><span>Press</span><div>{}</div></div></div>",
    ],
)
def test_the_text_is_that_of_the_article(markup: str) -> None:
    text = parse_article(page(markup.format(PARAGRAPHS)), base=URL).text
    assert [sentence for sentence in SENTENCES if sentence in text] == list(SENTENCES)
    assert "Subscribe" not in text
    assert "All of our products" not in text


@pytest.mark.parametrize("link", ["Download attachment", "Read more", "Read more about the trial", "View the PDF"])
def test_links_that_call_to_an_action_are_no_text(link: str) -> None:
    assert link not in parse(f"<p><a class=button href=/x.pdf><b>{link}</b></a></p>").text


def test_a_link_in_a_sentence_is_text() -> None:
    assert "the trial in Turku" in parse("<p>More results of <a href=/x>the trial in Turku</a> follow in May.</p>").text


@pytest.mark.parametrize(
    "head",
    [
        '<meta property="article:published_time" content="2026-11-20T08:00:00+01:00">',
        '<meta name="DC.date.issued" content="2026-11-20">',
        '<meta itemprop="datePublished" content="20 November 2026">',
        '<meta name=pubdate content=2026-11-20><meta property="article:modified_time" content="2026-11-25">',
        script({"@type": "NewsArticle", "datePublished": "2026-11-20"}),
        script({"@type": "NewsArticle", "datePublished": "2026-11-20"}).replace("ld+json", "LD+JSON"),
        script({"@type": "WebPage", "url": URL, "datePublished": "2026-11-20"}),
    ],
)
def test_the_date_is_what_the_page_declares(head: str) -> None:
    assert parse("<time datetime=2025-01-01>1 January 2025</time>", head).published == DAY


MODIFIED = [
    '<meta property="article:modified_time" content="2026-11-25">',
    script({"@type": "WebPage", "dateModified": "2026-11-25"}),
]


@pytest.mark.parametrize("head", MODIFIED)
def test_the_date_of_the_last_change_counts_only_if_there_is_no_other(head: str) -> None:
    published = script({"@type": "NewsArticle", "datePublished": "2026-11-20"})
    assert parse(head=head + published).published == DAY
    assert parse("<time datetime=2026-11-20>Friday</time>", head).published == DAY
    assert parse(head=head).published == dt.date(2026, 11, 25)


@pytest.mark.parametrize(
    "markup",
    [
        "<time datetime=2026-11-20>Friday</time>",
        "<time>20 November 2026</time>",
        "<time datetime=yesterday>20 November 2026</time>",
        "<p>Turku, 20 November 2026</p>",
        "<p>20.11.2026</p>",
    ],
)
def test_a_date_near_the_headline_is_read(markup: str) -> None:
    assert parse(markup).published == DAY


def test_a_date_before_the_headline_is_read() -> None:
    body = page(f"<span>November 20, 2026</span><h1>Nordlai signs</h1>{PARAGRAPHS}")
    assert parse_article(body, base=URL).published == DAY


def test_the_last_resort_is_the_first_time_element_of_the_page() -> None:
    long = PARAGRAPHS * 3
    body = page(f"<article><h1>Nordlai signs</h1>{long}</article><p><time datetime=x></time><time datetime=2026-11-20>")
    assert parse_article(body, base=URL).published == DAY
    assert parse_article(page(f"<h1>Nordlai signs</h1>{long}"), base=URL).published is None


def test_date_patterns_come_before_other_dates_near_the_headline() -> None:
    markup = "<p>Call on 1 December 2026. Published: 20 November 2026</p>"
    assert parse(markup).published == dt.date(2026, 12, 1)
    assert parse(markup, patterns=(r"Published:\s*(\d+ \w+ \d+)", "(")).published == DAY


def test_title_and_description_are_what_the_page_declares() -> None:
    described = {"@type": "Article", "headline": "Of the script", "description": "d" * 30}
    found = parse(head='<title>A &amp; B</title><meta name=description content="x &lt;b&gt;y&lt;/b&gt;">')
    assert (found.title, found.description) == ("A & B", "x y")
    found = parse(head=f'{script(described)}<meta property="og:title" content="Of Open Graph"><title>t</title>')
    assert (found.title, found.description) == ("Of Open Graph", "d" * 30)
    assert parse(head=script(described)).title == "Of the script"


def test_a_text_that_a_script_inserts_is_taken_from_the_json_ld() -> None:
    described = {"@type": "NewsArticle", "url": URL, "articleBody": TEXT, "datePublished": "2026-11-20"}
    found = parse_article(page("<div id=app></div>", script(described)), base=URL)
    assert (found.text, found.published) == (TEXT, DAY)


@pytest.mark.parametrize("body", [b"%PDF-1.7 <x>", b"plain text", b"{}"])
def test_other_documents_are_refused(body: bytes) -> None:
    with pytest.raises(ParseError, match="not a page"):
        parse_article(body, base=URL)


def test_a_page_without_text_has_none() -> None:
    assert parse_article(b"<p></p>", base=URL) == ArticlePage(text="")


def test_a_bug_of_the_extraction_is_a_failure_of_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    import trafilatura  # noqa: PLC0415 - as the parser does

    def crash(*_: object, **__: object) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr(trafilatura, "extract", crash)
    with pytest.raises(ParseError, match=r"the text extraction failed on it \(ZeroDivisionError\)"):
        parse_article(page(""), base=URL)


def test_lines_are_cleaned() -> None:
    assert clean_lines(" a\u200b  b \n\n \nDownload attachment\n| c | d |\n||") == "a b\nc | d"


@pytest.mark.parametrize(
    "unit",
    ["<div>", "<table><tr><td>", "<br>", "<p>", "<a>", "\u0316\u0300", "<h2><a href='/x'>A title of news</a></h2>"],
)
def test_a_hostile_page_takes_a_limited_time(unit: str) -> None:
    body = bomb(unit, "<body>", "html", 120_000).body
    parse_article(b"<p>x</p>", base=URL)  # loads the libraries
    watch = Stopwatch()
    parse_article(body, base=URL)
    assert watch.seconds < 4 * machine_slowness()
