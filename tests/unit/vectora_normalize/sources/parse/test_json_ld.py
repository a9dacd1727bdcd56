"""The JSON-LD of a page gives its articles, as far as it is valid."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from vectora_normalize.sources.parse.entries import MAX_ENTRIES, DocumentEntry
from vectora_normalize.sources.parse.json_ld import DescribedPage, describe_page, read_json_ld

BASE = "https://example.com/news"


def read(*values: object) -> list[DocumentEntry]:
    return read_json_ld([json.dumps(value) for value in values], base=BASE)


ARTICLE = {
    "@type": "NewsArticle",
    "headline": "T",
    "url": "/1",
    "datePublished": "2026-11-20T08:00:00Z",
    "description": "D",
    "inLanguage": "sv",
}
ENTRY = DocumentEntry(
    title="T", summary="D", link="https://example.com/1", published=dt.date(2026, 11, 20), language="sv"
)


@pytest.mark.parametrize(
    "value",
    [
        ARTICLE,
        [ARTICLE],
        {"@graph": [{"@type": "WebSite"}, ARTICLE]},
        {"@type": "ItemList", "itemListElement": [{"@type": "ListItem", "item": ARTICLE}]},
        {**ARTICLE, "@type": ["Thing", "BlogPosting"]},
        {**ARTICLE, "url": None, "mainEntityOfPage": {"@id": "https://example.com/1"}},
        {**ARTICLE, "url": 3, "mainEntityOfPage": "https://example.com/1"},
        {**ARTICLE, "url": "", "@id": "/1"},
        {**ARTICLE, "headline": None, "name": "T"},
        {**ARTICLE, "@type": "https://schema.org/NewsArticle"},
        {**ARTICLE, "@type": "schema:NewsArticle"},
        {**ARTICLE, "datePublished": None, "dateModified": "2026-11-20"},
    ],
)
def test_an_article_is_found_at_any_depth(value: object) -> None:
    assert read(value) == [ENTRY]


@pytest.mark.parametrize(
    "value",
    [
        {"@type": "Organization", "url": "/1"},
        {"@type": 7, "url": "/1"},
        {**ARTICLE, "url": "javascript:x"},
        {"@type": "NewsArticle"},
        [],
        "NewsArticle",
        None,
    ],
)
def test_an_object_that_is_not_an_article_with_a_url_is_ignored(value: object) -> None:
    assert read(value) == []


def test_the_first_article_of_a_url_is_kept() -> None:
    assert read(ARTICLE, {**ARTICLE, "headline": "other"}) == [ENTRY]


def test_an_invalid_script_is_ignored() -> None:
    scripts = ["{", "[" * 100_000, json.dumps(ARTICLE)]
    assert read_json_ld(scripts, base=BASE) == [ENTRY]


@pytest.mark.parametrize(
    "script",
    [
        "<!-- {} -->",
        "//<![CDATA[\n{}\n//]]>",
        "/* <![CDATA[ */ {} /* ]]> */",
        "<![CDATA[{}",
    ],
)
def test_a_script_may_be_inside_a_comment(script: str) -> None:
    assert read_json_ld([script.replace("{}", json.dumps(ARTICLE))], base=BASE) == [ENTRY]


def test_a_string_may_have_line_breaks() -> None:
    described = json.dumps({**ARTICLE, "abstract": "two lines"}).replace("two lines", "two\n\tlines")
    assert read_json_ld([described], base=BASE) == [ENTRY]


def test_articles_characters_and_values_are_limited() -> None:
    many = [{**ARTICLE, "url": f"/{number}"} for number in range(MAX_ENTRIES + 10)]
    assert len(read(many)) == MAX_ENTRIES
    assert read_json_ld([" " * 1_000_001, json.dumps(ARTICLE)], base=BASE) == []
    assert read([0] * 20_000 + [ARTICLE]) == []


def described(*values: object) -> DescribedPage | None:
    return describe_page([json.dumps(value) for value in values], url="https://example.com/1")


OTHER = {**ARTICLE, "url": "/2", "headline": "Other"}
HERE = {"@type": "WebPage", "@id": "https://example.com/1/#page", "name": "W", "datePublished": "2026-11-19"}


def test_the_description_of_a_page_is_that_of_its_own_article() -> None:
    assert described(OTHER, ARTICLE, HERE) == DescribedPage(ENTRY)
    without_url = {name: value for name, value in ARTICLE.items() if name != "url"}
    found = described(OTHER, {**without_url, "articleBody": "The text."})
    assert found is not None
    assert (found.entry.title, found.body) == ("T", "The text.")


def test_a_web_page_is_second_best_and_an_article_of_another_url_the_last_resort() -> None:
    found = described(OTHER, {**HERE, "@id": "https://example.com/1"})
    assert found is not None
    assert found.entry.title == "W"
    found = described(OTHER, {"@type": "WebPage", "url": "/3"}, {"@type": "Person"})
    assert found is not None
    assert found.entry.title == "Other"
    assert described({"@type": "Person"}) is None


def test_the_date_of_the_last_change_is_no_date_of_publication() -> None:
    found = described({"@type": "WebPage", "dateModified": "2026-11-25"})
    assert found is not None
    assert (found.entry.published, found.modified) == (None, dt.date(2026, 11, 25))


def test_what_has_a_date_is_preferred() -> None:
    found = described(HERE, {"@type": "Article", "headline": "Undated", "articleBody": 7})
    assert found is not None
    assert found.entry.title == "W"
