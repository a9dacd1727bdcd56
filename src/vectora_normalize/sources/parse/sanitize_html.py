"""Pages as they come, made into a small, balanced, shallow piece of HTML that holds what a listing is made of.

What the tree builder sees is written here, token by token, so a page has nothing to say about how deep, how wide or how
odd its input gets. Only the tags that shape a listing are kept, and of their attributes only an address or a date.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Final

from vectora_normalize.sources.parse.element_stack import MAX_DEPTH, MAX_ELEMENTS, MAX_TOKENS, ElementStack
from vectora_normalize.sources.parse.markup import (
    EMPTY_ELEMENTS,
    INLINE_ELEMENTS,
    Dialect,
    Kind,
    Token,
    read_attributes,
    tokens,
    unescape,
)
from vectora_normalize.sources.urls import LONGEST_URL

_TABLE: Final = frozenset({"table", "tbody", "td", "tfoot", "th", "thead", "tr"})
_BLOCKS: Final = _TABLE | {
    *("article", "aside", "blockquote", "body", "dd", "div", "dl", "dt", "footer", "form", "header", "html", "li"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "main", "nav", "ol", "p", "section", "ul"),
}
_KEPT: Final = _BLOCKS | {"a", "span", "time"}
_KEPT_ATTRIBUTE: Final = {"a": "href", "time": "datetime"}
_CELLS: Final = frozenset({"table", "td", "th"})
# An element that cannot stand inside another of its kind closes the one before (<li>one<li>two), unless one of these
# was opened in between (<li><ul><li>).
_SIBLINGS: Final = {
    "a": (("a",), frozenset[str]()),
    "dd": (("dd", "dt"), frozenset({"dl"})),
    "dt": (("dd", "dt"), frozenset({"dl"})),
    "li": (("li",), frozenset({"ol", "ul"})),
    "p": (("p",), _BLOCKS - {"p"}),
    "td": (("td", "th"), frozenset({"table"})),
    "th": (("td", "th"), frozenset({"table"})),
    "time": (("time",), frozenset[str]()),
    "tr": (("tr",), frozenset({"table"})),
}


@dataclass(frozen=True, slots=True)
class SanitizedHtml:
    """What is left of a page.

    Args:
        html: The page.
        base: What its `base` element says; empty where it has none.
        linked_data: The contents of its JSON-LD scripts.
        problems: What had to be left out, one sentence each.
    """

    html: str
    base: str
    linked_data: tuple[str, ...]
    problems: tuple[str, ...]


def sanitize_html(source: str) -> SanitizedHtml:
    """The page, reduced to what a listing is made of.

    Args:
        source: The document, decoded.
    """
    return _Sanitizer().sanitize_html(source)


class _Sanitizer:
    def __init__(self) -> None:
        self._out: list[str] = []
        self._elements = ElementStack()
        self._base = ""
        self._linked_data: list[str] = []

    def sanitize_html(self, source: str) -> SanitizedHtml:
        problems: list[str] = []
        for number, token in enumerate(tokens(source, Dialect.HTML), 1):
            self._take(token)
            if self._elements.full or number >= MAX_TOKENS:
                limit = f"{MAX_ELEMENTS} elements" if self._elements.full else f"{MAX_TOKENS} tags and texts"
                problems.append(f"more than {limit}; the rest was not read")
                break
        self._close(self._elements.end_all())
        if self._elements.too_deep:
            problems.append(f"elements more than {MAX_DEPTH} deep; their tags were left out")
        return SanitizedHtml("".join(self._out), self._base, tuple(self._linked_data), tuple(problems))

    def _take(self, token: Token) -> None:
        match token.kind:
            case Kind.TEXT:
                self._out.append(html.escape(unescape(token.text), quote=False))
            case Kind.CDATA:
                self._out.append(html.escape(token.text, quote=False))
            case Kind.START:
                self._start(token)
            case Kind.END:
                self._end(token.name.lower())
            case _:  # a raw element
                if "ld+json" in token.attributes:
                    self._linked_data.append(token.text)

    def _start(self, token: Token) -> None:
        name = token.name.lower()
        if name in INLINE_ELEMENTS:
            return
        if name in EMPTY_ELEMENTS:
            if name == "base" and not self._base:
                self._base = read_attributes(token.attributes).get("href", "")
            self._out.append(" ")
            return
        name = name if name in _KEPT else "div"  # what we know nothing of is taken for a box
        siblings, inside = _SIBLINGS.get(name, ((), frozenset[str]()))
        for sibling in siblings:
            self._close(self._elements.end(sibling, inside=inside))
        if not self._elements.start(name):
            return
        kept = _KEPT_ATTRIBUTE.get(name)
        value = read_attributes(token.attributes).get(kept, "") if kept else ""
        shown = f' {kept}="{html.escape(value)}"' if value and len(value) <= LONGEST_URL else ""
        self._out.append(f"<{name}{shown}>")

    def _end(self, name: str) -> None:
        if name in INLINE_ELEMENTS or name in EMPTY_ELEMENTS:
            return
        name = name if name in _KEPT else "div"
        self._close(self._elements.end(name, inside=frozenset() if name in _TABLE else _CELLS))

    def _close(self, names: list[str]) -> None:
        self._out.extend(f"</{name}>" for name in names)
