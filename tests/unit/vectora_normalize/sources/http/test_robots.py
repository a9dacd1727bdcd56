"""The rules of a robots.txt for this crawler (RFC 9309)."""

from __future__ import annotations

import pytest

from vectora_normalize.sources.http.robots import ALLOW_ALL, DISALLOW_ALL, RobotsRules, parse_robots


def allows(text: str, path: str) -> bool:
    return parse_robots(text).allows(path)


@pytest.mark.parametrize(
    ("rules", "path", "allowed"),
    [
        ("", "/x", True),
        ("Disallow:", "/x", True),
        ("Disallow: /", "/x", False),
        ("disallow : /news # a comment", "/news/1", False),
        ("Disallow: /news", "/old/news", True),
        ("Disallow: /news\nAllow: /news/press", "/news/press/1", True),
        ("Allow: /news\nDisallow: /news", "/news", True),
        ("Disallow: /*.pdf$", "/a/b.pdf", False),
        ("Disallow: /*.pdf$", "/a/b.pdf?x", True),
        ("Disallow: /a*b*c", "/axxbyyc/z", False),
        ("Disallow: /a*b*c", "/axxcyyb", True),
        ("Disallow: /a*b*c", "/axx", True),
        ("Disallow: /a$", "/a", False),
        ("Disallow: /a$", "/ab", True),
        ("Disallow: *?print", "/x?print=1", False),
        ("Disallow: /caf%C3%A9", "/café", False),
        ("Disallow: news", "/news", True),
        ("<html>: /", "/x", True),
        (f"Disallow: /{'*' * 50}", "/x", True),
    ],
)
def test_rules(rules: str, path: str, allowed: bool) -> None:  # noqa: FBT001 - the expectation
    assert allows(f"User-agent: *\n{rules}", path) is allowed


def test_the_rules_for_this_crawler_replace_those_for_all() -> None:
    text = (
        "User-agent: *\nDisallow: /\n\nUser-agent: other\nUser-agent: Vectora-Normalize/1.0\nDisallow: /x\n"
        "Crawl-delay: 2.5"
    )
    rules = parse_robots(text)
    assert rules == RobotsRules((("/x", False),), crawl_delay=2.5)
    assert rules.allows("/y")
    assert not allows("\ufeffUser-agent: *\nDisallow: /", "/y")
    assert allows("User-agent: other\nDisallow: /", "/y")


def test_groups_for_the_same_crawler_are_combined() -> None:
    text = "User-agent: *\nDisallow: /a\nUser-agent: *\nDisallow: /b\nCrawl-delay: soon"
    assert parse_robots(text) == RobotsRules((("/a", False), ("/b", False)))


def test_the_beginning_of_an_endless_file_is_read() -> None:
    assert allows("x: y\n" * 10_000 + "User-agent: *\nDisallow: /", "/x")


def test_missing_and_unreadable_rules() -> None:
    assert ALLOW_ALL.allows("/x")
    assert not DISALLOW_ALL.allows("/x")
