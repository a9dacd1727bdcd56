"""The example is what its README says: enough items inside a week, whatever the day, and every kind of dirt."""

from __future__ import annotations

import calendar
import datetime as dt
import email.utils
import html
import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final, cast

import feedparser  # pyright: ignore[reportMissingTypeStubs] - it ships none
import pytest
import yaml
from selectolax.lexbor import LexborHTMLParser

from support.pages import ROOT
from vectora_normalize.local.rendering import render

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLE: Final = ROOT / "examples/lai_weekly"
SOURCES: Final = sorted(path for path in (EXAMPLE / "sources").rglob("*") if path.is_file())
CONFIGURATION: Final = sorted((EXAMPLE / "config").rglob("*.yaml"))
WEEK: Final = 7
# Month ends, leap days, year ends, and both ends of a week.
DAYS: Final = [
    dt.date(2026, 3, 1),
    dt.date(2026, 12, 31),
    dt.date(2027, 1, 3),
    dt.date(2028, 2, 29),
    dt.date(2028, 3, 4),
    dt.date(2100, 3, 2),
]

# One item as the test reads it: title, text, and its day where it has one.
Item = tuple[str, str, dt.date | None]


def plain(markup: str) -> str:
    without = re.sub(r"<script.*?</script>|<style.*?</style>", " ", markup, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", without)).split())


def read_feed(body: bytes) -> list[Item]:
    parsed = cast("Any", feedparser).parse(body)
    items: list[Item] = []
    for entry in parsed.entries:
        when = entry.get("published_parsed") or entry.get("updated_parsed")
        text = entry["content"][0]["value"] if "content" in entry else entry.get("summary", "")
        items.append((plain(entry.title), plain(text), dt.date(*when[:3]) if when else None))
    return items


def read_json_feed(body: bytes) -> list[Item]:
    items: list[Item] = []
    for entry in json.loads(body)["items"]:
        when = entry["date_published"]
        day = dt.datetime.fromisoformat(when).astimezone(dt.UTC).date() if when else None
        items.append((entry["title"], plain(entry.get("content_html", entry.get("content_text"))), day))
    return items


def read_page(body: bytes) -> list[Item]:
    items: list[Item] = []
    for block in LexborHTMLParser(body).css("li.news-item, article.card"):
        heading, text, when = block.css_first("h2, h3"), block.css_first("p, .teaser"), block.css_first(".date, time")
        assert heading is not None
        assert text is not None
        items.append((plain(heading.text()), plain(text.text()), read_words(when.text() if when else "")))
    return items


def read_words(text: str) -> dt.date | None:
    """A day written as `12 March 2026` or `March 12, 2026`."""
    words = dict.fromkeys(re.findall(r"\w+", text))
    months = [number for number, name in enumerate(calendar.month_name) if name and name in words]
    numbers = [int(word) for word in words if word.isdecimal()]
    return dt.date(max(numbers), months[0], min(numbers)) if months else None


@cache
def items_on(today: dt.date) -> dict[str, list[Item]]:
    """The items of each source, by the name of its host, as served on a day."""
    read = {".json": read_json_feed, ".html": read_page, ".xml": read_feed}
    return {
        path.relative_to(EXAMPLE / "sources").parts[0]: read[path.suffix](render(path.read_bytes(), today))
        for path in SOURCES
    }


def in_window(today: dt.date) -> list[Item]:
    first = today - dt.timedelta(days=WEEK - 1)
    return [item for items in items_on(today).values() for item in items if item[2] and first <= item[2] <= today]


@pytest.mark.parametrize("path", CONFIGURATION, ids=lambda path: path.stem)
def test_the_configuration_is_yaml_with_something_in_it(path: Path) -> None:
    assert yaml.safe_load(path.read_text("utf-8"))


def test_there_are_as_many_items_as_the_readme_says() -> None:
    readme = (EXAMPLE / "README.md").read_text("utf-8")
    stated = dict(re.findall(r"^\| `([\w.-]+)` \| [^|]+ \| (\d+) \|", readme, re.MULTILINE))
    counted = {host: len(items) for host, items in items_on(DAYS[0]).items()}
    assert {host: int(number) for host, number in stated.items()} == counted
    assert f"seven sources and {sum(counted.values())} items" in readme
    assert len(counted) == 7
    assert sum(counted.values()) >= 120


@pytest.mark.parametrize("today", DAYS, ids=str)
def test_a_week_holds_the_same_items_whatever_the_day(today: dt.date) -> None:
    texts = {text for _, text, _ in in_window(today)}
    assert len(texts) >= 110
    assert texts == {text for _, text, _ in in_window(DAYS[0])}


@pytest.mark.parametrize("host", ["wire-mirror.example"])
def test_enough_is_left_without_the_broken_source(host: str) -> None:
    others = {text for name, items in items_on(DAYS[0]).items() if name != host for _, text, day in items if day}
    assert len(others) >= 110


@pytest.mark.parametrize("today", DAYS, ids=str)
def test_no_item_of_the_week_stands_at_its_edge(today: dt.date) -> None:
    # So that neither the hour of the run nor a midnight in the middle of it moves an item out of the window.
    ages = {(today - day).days for _, _, day in in_window(today) if day}
    assert min(ages) >= 1
    assert max(ages) <= WEEK - 1


def test_nothing_but_placeholders_dates_an_item() -> None:
    for path in SOURCES:
        dated = re.findall(rb"<(?:pubDate|published|time[^>]*|span class=\"date\")>([^<]+)<", path.read_bytes())
        assert all(b"{{ date" in text or text == b"Every Thursday" for text in dated), path


def test_the_items_read_like_news_and_not_like_a_form() -> None:
    texts = sorted({text for _, text, _ in in_window(DAYS[0])})
    lengths = [len(text.split()) for text in texts]
    assert sum(length >= 60 for length in lengths) >= 0.95 * len(lengths)
    openings = {" ".join(text.split()[:3]) for text in texts}
    assert len(openings) >= 0.95 * len(texts)


def test_every_item_of_the_week_has_a_title_of_its_own() -> None:
    by_title: dict[str, set[str]] = {}
    for title, text, _ in in_window(DAYS[0]):
        by_title.setdefault(title, set()).add(text)
    assert [title for title, texts in by_title.items() if len(texts) > 1] == []


def test_the_dirt_of_the_real_world_is_there() -> None:
    raw = {path.parent.name if path.name != "index.html" else "nordlai.example": path.read_bytes() for path in SOURCES}
    items = items_on(DAYS[0])
    texts = [text for _, text, _ in in_window(DAYS[0])]
    every = [item for found in items.values() for item in found]
    assert len(texts) - len(set(texts)) >= 5, "copies across sources"
    assert sum(day is None for _, _, day in every) >= 4, "items without a date"
    assert sum(day is not None and day < DAYS[0] - dt.timedelta(days=WEEK) for _, _, day in every) >= 4, "old items"
    assert b"<script>" in raw["depot-dispatch.example"]
    assert b"<![CDATA[" in raw["depot-dispatch.example"]
    assert b"&#8220;" in raw["depot-dispatch.example"]
    assert b"<link>/stories/" in raw["depot-dispatch.example"], "a relative link"
    assert b'encoding="ISO-8859-1"' in raw["lettre-depot.example"]
    assert "é".encode("latin-1") in raw["lettre-depot.example"]
    assert not raw["wire-mirror.example"].rstrip().endswith(b"</rss>"), "cut off"
    with pytest.raises(UnicodeDecodeError):
        raw["wire-mirror.example"].decode("utf-8")
    for name in ("Łódź", "에스티팜", "Öström", "Стоян", "Almería", "Żeleński"):
        assert any(name in title or name in text for title, text, _ in every), name


def test_one_item_tries_to_give_orders() -> None:
    assert sum("ignore all previous instructions" in text for _, text, _ in in_window(DAYS[0])) == 1


def test_the_example_says_that_it_is_invented() -> None:
    for path in SOURCES:
        body = path.read_bytes()
        assert b"Invented items for an example" in body or "inventés".encode("latin-1") in body, path
    assert "**The items are invented.**" in (EXAMPLE / "README.md").read_text("utf-8")


def test_a_date_of_a_feed_is_a_date_of_its_standard() -> None:
    body = render((EXAMPLE / "sources/depot-dispatch.example/feed.xml").read_bytes(), DAYS[0]).decode()
    stamps = re.findall(r"<pubDate>([^<]+)</pubDate>", body)
    assert stamps
    assert all(email.utils.parsedate_to_datetime(stamp) for stamp in stamps)
