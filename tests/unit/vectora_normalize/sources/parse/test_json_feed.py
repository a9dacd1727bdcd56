"""Items of a JSON Feed are decoded separately, so that a malformed item does not fail the feed."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectora_normalize.sources.errors import ParseError
from vectora_normalize.sources.parse.entries import MAX_ENTRIES, DocumentEntry
from vectora_normalize.sources.parse.json_feed import MAX_VALUES, parse_json_feed

BASE = "https://example.com/feed.json"
VERSION = "https://jsonfeed.org/version/1.1"


def feed(*items: object, **more: object) -> str:
    return json.dumps({"version": VERSION, "items": items, **more})


def read(*items: object, **more: object) -> tuple[DocumentEntry, ...]:
    return parse_json_feed(feed(*items, **more), base=BASE).entries


def test_an_item_with_all_fields() -> None:
    item = {
        "id": "1",
        "url": "/a",
        "title": "T",
        "summary": "s",
        "content_html": "<p>longest</p>",
        "content_text": "longer",
        "date_published": "2026-11-20T10:00:00Z",
        "language": "ko",
        "unknown": {"is": "ignored"},
    }
    assert read(item, language="en") == (
        DocumentEntry(
            title="T",
            summary="<p>longest</p>",
            link="https://example.com/a",
            published=dt.date(2026, 11, 20),
            language="ko",
        ),
    )


@pytest.mark.parametrize(
    ("item", "link"),
    [
        ({"external_url": "https://e.org/x"}, "https://e.org/x"),
        ({"url": "javascript:x", "external_url": "/x"}, "https://example.com/x"),
        ({"id": "https://e.org/id"}, "https://e.org/id"),
        ({"id": "tag:1"}, ""),
        ({"id": 17}, ""),
    ],
)
def test_the_link_is_the_first_usable_url(item: dict[str, Any], link: str) -> None:
    assert read(item)[0].link == link


def test_the_date_of_modification_is_the_fallback() -> None:
    assert read({"date_published": "?", "date_modified": "2026-11-19"})[0].published == dt.date(2026, 11, 19)
    assert read({})[0].published is None


def test_the_language_of_the_feed_is_the_default_of_its_items() -> None:
    assert read({}, language="fr")[0].language == "fr"


def test_a_malformed_item_becomes_an_empty_entry() -> None:
    document = parse_json_feed(feed({"title": 3}, 7, {"title": "good"}), base=BASE)
    assert [entry.title for entry in document.entries] == ["", "", "good"]
    assert document.problems == ("2 items are not valid items of a JSON Feed",)


def test_the_number_of_items_is_limited() -> None:
    document = parse_json_feed(feed(*[{"title": "x"}] * (MAX_ENTRIES + 1)), base=BASE)
    assert len(document.entries) == MAX_ENTRIES
    assert document.problems == (f"more than {MAX_ENTRIES} items; the rest was not read",)


@pytest.mark.parametrize("version", [VERSION, "http://jsonfeed.org/version/1", "https://www.jsonfeed.org/version/1"])
def test_all_versions_are_accepted(version: str) -> None:
    assert parse_json_feed(json.dumps({"version": version, "items": []}), base=BASE).entries == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not a JSON Feed: "),
        ("{}", "not a JSON Feed: .*version"),
        ('{"version": 1, "items": []}', "not a JSON Feed: "),
        ('{"version": "2.0", "items": []}', "not a JSON Feed: its version is '2.0'"),
        ('{"version": "https://jsonfeed.org/version/1.1", "items": {}}', "not a JSON Feed: "),
        ('{"version": "https://jsonfeed.org/version/1.1", "items": ' + "[" * 100_000, "not a JSON Feed: "),
        ("{" + "[]," * MAX_VALUES, f"JSON with more than {MAX_VALUES} values"),
    ],
)
def test_other_json_is_refused_with_a_reason(text: str, says: str) -> None:
    with pytest.raises(ParseError, match=says):
        parse_json_feed(text, base=BASE)


def test_a_deeply_nested_item_fails_itself_or_the_feed() -> None:
    deep = "[" * 50_000 + "]" * 50_000
    document = parse_json_feed(f'{{"version": "{VERSION}", "items": [{{"title": "a"}}]}}', base=BASE)
    assert len(document.entries) == 1
    try:
        document = parse_json_feed(f'{{"version": "{VERSION}", "items": [{{"title": {deep}}}]}}', base=BASE)
    except ParseError:
        return
    assert document.entries[0].title == ""


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["title", "url", "id", "x"]), inner),
    max_leaves=8,
)


@given(st.lists(JSON, max_size=5))
def test_any_item_becomes_an_entry(items: list[object]) -> None:
    assert len(read(*items)) == len(items)
