"""The item of an entry: its title, text, language and link."""

from __future__ import annotations

import datetime as dt

import pytest

from support.ingestion import ABOUT, LONG, article, enriched, feed, item, run
from vectora_normalize.items import hash_content
from vectora_normalize.sources.config.catalog import ContentFilters


def test_an_item_has_the_fields_of_source_and_entry() -> None:
    (found,) = run(feed(item("A &amp; B", "<p>Text &amp; <b>more</b>.</p>")), company_id="camurus").items
    assert found.title == "A & B"
    assert found.content == "A & B. Text & more."
    assert found.content_hash == hash_content(found.content)
    assert found.url == "https://a.example/1"
    assert found.published_at == dt.date(2026, 11, 20)
    assert (found.source_key, found.source_type, found.company_id) == ("a", "press", "camurus")


@pytest.mark.parametrize(
    ("title", "text", "content"),
    [
        ("T.", "Text", "T. Text"),
        ("T?", "Text", "T? Text"),
        ("T", "", "T"),
        ("T", "T is the beginning", "T is the beginning"),
        ("", "Only text", "Only text"),
    ],
)
def test_the_content_is_title_and_text(title: str, text: str, content: str) -> None:
    assert run(feed(item(title, text))).items[0].content == content


def test_an_entry_without_a_title_gets_one_from_its_text() -> None:
    (found,) = run(feed(item("<b></b>", "word " * 60))).items
    assert found.title == ("word " * 20).strip()
    assert found.content.startswith(found.title)


def test_a_text_is_truncated_to_the_length_of_its_source() -> None:
    (found,) = run(feed(item("Title", "word " * 1000)), max_content_length=100).items
    assert 80 <= len(found.content) <= 100
    assert found.content.startswith("Title. word word")


@pytest.mark.parametrize(
    ("language", "expected"),
    [("fr-CA", "fr"), ("KO", "ko"), ("", "sv"), ("english", "sv"), ("x", "sv"), ("日本", "sv")],
)
def test_the_language_is_that_of_the_item_or_else_of_the_source(language: str, expected: str) -> None:
    assert run(feed(item(language=language)), default_language="sv").items[0].language == expected


def test_an_item_without_a_link_has_the_url_of_the_homepage() -> None:
    nowhere = feed(item(url="javascript:x"))
    assert run(nowhere, homepage_url="https://home.example/").items[0].url == "https://home.example/"
    assert run(nowhere).items[0].url == ""


def test_the_text_of_an_item_is_that_of_its_article_and_the_filters_see_all_of_it() -> None:
    filters = ContentFilters(min_word_count=50, exclude_patterns=("larger company",))
    pages = {"https://a.example/1": article(f"{'A sentence that comes before it in the text. ' * 8}{LONG}")}
    ingested, _ = enriched(feed(item(ABOUT, "Teaser.")), pages, filters=filters, max_content_length=60)
    (found,) = ingested.items
    assert found.content == "A licence agreement for products. A sentence that comes"
    assert ingested.sources[0].articles.fetched == 1


def test_a_title_that_is_cut_off_is_completed_from_the_page() -> None:
    pages = {"https://a.example/1": article(head=f"<title>{ABOUT} in Europe</title>")}
    ingested, _ = enriched(feed(item("A licence agreement for…")), pages)
    assert ingested.items[0].title == f"{ABOUT} in Europe"
    ingested, _ = enriched(feed(item("Another agreement for…")), pages)
    assert ingested.items[0].title == "Another agreement for…"
