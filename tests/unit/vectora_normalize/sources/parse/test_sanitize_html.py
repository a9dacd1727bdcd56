"""A page is reduced to balanced, shallow HTML with the elements of a listing only."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectora_normalize.sources.parse.element_stack import MAX_DEPTH, MAX_ELEMENTS, MAX_TOKENS
from vectora_normalize.sources.parse.sanitize_html import (
    MAX_ARTICLE_CHARACTERS,
    MAX_ARTICLE_DEPTH,
    MAX_ARTICLE_ELEMENTS,
    sanitize_article,
    sanitize_html,
)


@pytest.mark.parametrize(
    ("source", "html"),
    [
        ("<p>a &amp; b &lt;c&gt;</p>", "<p>a &amp; b &lt;c&gt;</p>"),
        ("<div class=x style=y onclick=z>a</div>", "<div>a</div>"),
        ("<A href='/x?a=1&amp;b=2' class=y>t</A>", '<a href="/x?a=1&amp;b=2">t</a>'),
        ("<a name=x>t</a>", "<a>t</a>"),
        ("<time datetime='2026-11-20' class=x>t</time>", '<time datetime="2026-11-20">t</time>'),
        ('<a href=\'"><script>\'>t</a>', '<a href="&quot;&gt;&lt;script&gt;">t</a>'),
        ("Medi<b>cell</b><br>x<img src=y>z", "Medicell x z"),
        ("<news-card>t</news-card>", "<div>t</div>"),
        ("<figure><figcaption>t</figure>", "<div><div>t</div></div>"),
        ("<script>x<p></script><style>y</style><title>z</title>t", "t"),
        ("<!-- x --><![CDATA[<p>]]>t", "&lt;p&gt;t"),
        ("<li>one<li>two", "<li>one</li><li>two</li>"),
        ("<ul><li>one<ul><li>in</ul><li>two</ul>", "<ul><li>one<ul><li>in</li></ul></li><li>two</li></ul>"),
        ("<p>one<p>two<div><p>three</div>", "<p>one</p><p>two<div><p>three</p></div></p>"),
        ("<dl><dt>a<dd>b<dt>c</dl>", "<dl><dt>a</dt><dd>b</dd><dt>c</dt></dl>"),
        ("<table><tr><td>a<td>b<tr><td>c</table>", "<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>"),
        ("<a href=x>t<a href=y>u", '<a href="x">t</a><a href="y">u</a>'),
        ("<div><table><tr><td></div>x</table>y</div>", "<div><table><tr><td>x</td></tr></table>y</div>"),
        ("</div>t</b></br>", "t"),
        ("<div/>t", "<div>t</div>"),
    ],
)  # fmt: skip
def test_sanitized_pages(source: str, html: str) -> None:
    assert sanitize_html(source).html == html


def test_a_link_that_is_too_long_is_removed() -> None:
    assert sanitize_html(f"<a href='/{'x' * 3000}'>t</a>").html == "<a>t</a>"


def test_base_and_json_ld_are_returned_separately() -> None:
    source = (
        "<base href='https://b.example/'><base href='https://c.example/'>"
        "<script type='application/ld+json'>{\"a\": 1}</script>"
        "<script>no</script><script type=application/ld+json>[]</script>"
    )
    sanitized = sanitize_html(source)
    assert sanitized.base == "https://b.example/"
    assert sanitized.json_ld == ('{"a": 1}', "[]")
    assert sanitized.html.strip() == ""


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("<div>" * 300, f"elements nested more than {MAX_DEPTH} levels deep; their tags were removed"),
        ("<i>x</i><div></div>" * MAX_ELEMENTS, f"more than {MAX_ELEMENTS} elements; the rest was not read"),
        ("</b>" * (MAX_TOKENS + 1), f"more than {MAX_TOKENS} tags and texts; the rest was not read"),
    ],
)
def test_reached_limits_are_reported(source: str, problem: str) -> None:
    assert sanitize_html(source).problems == (problem,)


def test_a_page_within_the_limits_has_no_problems() -> None:
    assert sanitize_html("<p>x</p>").problems == ()


TAGS = [
    "a href=x",
    "b",
    "br",
    "dd",
    "div",
    "dl",
    "dt",
    "h2",
    "li",
    "p",
    "script",
    "span",
    "table",
    "td",
    "time",
    "tr",
    "ul",
    "x-y",
]


@given(st.lists(st.sampled_from([*(f"<{t}>" for t in TAGS), *(f"</{t.split()[0]}>" for t in TAGS), "t", "<!--", "<"])))
def test_the_result_is_always_balanced(pieces: list[str]) -> None:
    opened: list[str] = []
    for closing, name in re.findall(r"<(/?)([a-z0-9]+)[^>]*>", sanitize_html("".join(pieces)).html):
        if closing:
            assert opened.pop() == name
        else:
            opened.append(name)
    assert opened == []
    assert len(opened) <= MAX_DEPTH


@pytest.mark.parametrize(
    ("source", "html"),
    [
        ('<div class=x id=y onclick=z><p style="a">t</p></div>', '<div class="x" id="y"><p style="a">t</p></div>'),
        ('<svg><path d="M0"/></svg><figure>t', "<svg><path></path></svg><figure>t</figure>"),
        ("<a0:x>t</a0:x><news-card>u</news-card>", "<div>t</div><news-card>u</news-card>"),
        ("one<br>two<hr>three<img src=x>four <b>five</b>", "one<br>two<br>three four five"),
        ('<a href="/x" rel=y>a link</a>', '<a href="/x" rel="y">a link</a>'),
        ("a <a href=/x><b>Read more</b> about it</a> b", "a  b"),
        ("<a href=/x><div>Download</div></a>t</a>", "t"),
        ("<script>x</script><iframe>y</iframe>t", "t"),
    ],
)  # fmt: skip
def test_sanitized_articles(source: str, html: str) -> None:
    assert sanitize_article(source).page.html == html


def test_a_long_link_is_no_call_to_an_action() -> None:
    source = f"<a href=/x>Read more{'<span></span>' * 30}</a>"
    assert "Read more" in sanitize_article(source).page.html


def test_title_and_meta_of_an_article() -> None:
    found = sanitize_article(
        "<base href='/b/'><title>A &amp; B</title><meta name=Description content='x &amp; y'>"
        "<meta property='og:title' name=t content=z><meta name=description content=second><meta charset=utf-8>"
        "<svg><title>icon</title></svg>"
    )
    assert found.title == "A & B"
    assert found.meta == {"description": "x & y", "og:title": "z", "t": "z"}
    assert found.page.base == "/b/"


def test_the_limits_of_an_article() -> None:
    assert sanitize_article("<p>x</p>" * 10_000).page.html.count("<p>") == MAX_ARTICLE_ELEMENTS
    assert sanitize_article("<div>" * 200).page.html.count("<div>") == MAX_ARTICLE_DEPTH
    assert len(sanitize_article("x" * 400_000).page.html) == MAX_ARTICLE_CHARACTERS
    assert sanitize_article("<br>" * 1_000).page.html.count("<br>") == 500
    assert sanitize_article("\u0316" * 1_000).page.html == "\u0316" * 30
