"""robots.txt: what a host allows a crawler to fetch (RFC 9309)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

USER_AGENT: Final = "vectora-normalize"
"""The name by which the rules of a robots.txt address this crawler; also the name in its ``User-Agent`` header."""

MAX_BYTES: Final = 512_000
"""Bytes of a robots.txt that are read; RFC 9309 asks for at least 500 KiB."""

_MAX_RULES: Final = 5_000  # rules and user agents of a file that are read
_MAX_WILDCARDS: Final = 20  # of a rule; a rule with more is ignored


class RobotsRules(msgspec.Struct, frozen=True):
    """The rules of one host for this crawler.

    Args:
        rules: Path patterns, each with whether it allows or disallows.
        crawl_delay: Seconds between two requests that the host asks for; None if it asks for none.
    """

    rules: tuple[tuple[str, bool], ...] = ()
    crawl_delay: float | None = None

    def allows(self, path: str) -> bool:
        """Return whether a path with its query may be fetched: the longest matching rule decides, and allowing wins.

        Args:
            path: Path and query of the URL, as in the request line.
        """
        path = unquote(path)
        matching = ((len(pattern), allowed) for pattern, allowed in self.rules if _matches(pattern, path))
        return max(matching, default=(0, True))[1]


ALLOW_ALL: Final = RobotsRules()
"""The rules of a host without a robots.txt."""

DISALLOW_ALL: Final = RobotsRules((("/", False),))
"""The rules of a host whose robots.txt cannot be read."""


def parse_robots(text: str) -> RobotsRules:
    """Return the rules for this crawler: those of its groups, or else those for all crawlers.

    Args:
        text: The content of the robots.txt. Lines that are not understood are ignored.
    """
    own: list[tuple[str, str]] = []
    for_all: list[tuple[str, str]] = []
    addressed: list[list[tuple[str, str]]] = []
    has_own_group = in_agents = False
    for name, value in _records(text):
        if name == "user-agent":
            addressed = addressed if in_agents else []
            in_agents = True
            if value == "*":
                addressed.append(for_all)
            elif value.lower().partition("/")[0] == USER_AGENT:
                has_own_group = True
                addressed.append(own)
            continue
        in_agents = False
        for group in addressed:
            group.append((name, value))
    return _rules(own if has_own_group else for_all)


def _records(text: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines()):
        name, colon, value = line.partition("#")[0].partition(":")
        if number >= _MAX_RULES:
            return
        if colon:
            yield name.strip().lower(), value.strip()


def _rules(records: list[tuple[str, str]]) -> RobotsRules:
    rules: list[tuple[str, bool]] = []
    delay: float | None = None
    for name, value in records:
        if name in {"allow", "disallow"} and value[:1] in {"/", "*"} and value.count("*") <= _MAX_WILDCARDS:
            rules.append((unquote(value), name == "allow"))
        elif name == "crawl-delay" and value.replace(".", "", 1).isdecimal():
            delay = float(value)
    return RobotsRules(tuple(rules), delay)


def _matches(pattern: str, path: str) -> bool:
    """Return whether a path begins with a pattern; ``*`` matches any text, ``$`` at its end the path's end."""
    anchored = pattern.endswith("$")
    first, *others = pattern.removesuffix("$").split("*")
    if not path.startswith(first):
        return False
    position = len(first)
    if not others:
        return not anchored or position == len(path)
    *middle, last = others
    for piece in middle:  # the first occurrence leaves the most for the pieces after it
        position = path.find(piece, position)
        if position < 0:
            return False
        position += len(piece)
    return path[position:].endswith(last) if anchored else path.find(last, position) >= 0
