"""Pages rewritten as a small, balanced and shallow piece of HTML, for the search for articles.

The input of the tree builder is written here, token by token, so a page cannot make it deep, wide or unusual. Only
elements that structure a listing are kept, and of their attributes only ``href`` and ``datetime``.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Final

from vectora_normalize.sources.parse.element_stack import MAX_DEPTH, MAX_ELEMENTS, MAX_TOKENS, ElementStack
from vectora_normalize.sources.parse.markup import (
    INLINE_ELEMENTS,
    VOID_ELEMENTS,
    Dialect,
    Token,
    TokenKind,
    read_attributes,
    tokenize,
    unescape,
)
from vectora_normalize.sources.urls import MAX_URL_LENGTH

_TABLE: Final = frozenset({"table", "tbody", "td", "tfoot", "th", "thead", "tr"})
_BLOCKS: Final = _TABLE | {
    *("article", "aside", "blockquote", "body", "dd", "div", "dl", "dt", "footer", "form", "header", "html", "li"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "main", "nav", "ol", "p", "section", "ul"),
}
_ALLOWED_ELEMENTS: Final = _BLOCKS | {"a", "span", "time"}
_ALLOWED_ATTRIBUTE: Final = {"a": "href", "time": "datetime"}
_CELLS: Final = frozenset({"table", "td", "th"})
# Implied end tags: an element that cannot be nested in another of its kind ends the previous one (<li>one<li>two),
# unless an element that limits the scope was opened in between (<li><ul><li>).
_IMPLIED_ENDS: Final = {
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
    """A sanitized page.

    Args:
        html: The page.
        base: The ``href`` of its ``base`` element; empty where it has none.
        json_ld: The content of its JSON-LD scripts.
        problems: One sentence for each limit that was reached.
    """

    html: str
    base: str
    json_ld: tuple[str, ...]
    problems: tuple[str, ...]


def sanitize_html(source: str) -> SanitizedHtml:
    """Return a page reduced to the elements that structure a listing.

    Args:
        source: The decoded document.
    """
    return _Sanitizer().sanitize(source)


class _Sanitizer:
    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._elements = ElementStack()
        self._base = ""
        self._json_ld: list[str] = []

    def sanitize(self, source: str) -> SanitizedHtml:
        problems: list[str] = []
        for number, token in enumerate(tokenize(source, Dialect.HTML), 1):
            self._add(token)
            if self._elements.full or number >= MAX_TOKENS:
                limit = f"{MAX_ELEMENTS} elements" if self._elements.full else f"{MAX_TOKENS} tags and texts"
                problems.append(f"more than {limit}; the rest was not read")
                break
        self._close(self._elements.end_all())
        if self._elements.too_deep:
            problems.append(f"elements nested more than {MAX_DEPTH} levels deep; their tags were removed")
        return SanitizedHtml("".join(self._pieces), self._base, tuple(self._json_ld), tuple(problems))

    def _add(self, token: Token) -> None:
        match token.kind:
            case TokenKind.TEXT:
                self._pieces.append(html.escape(unescape(token.text), quote=False))
            case TokenKind.CDATA:
                self._pieces.append(html.escape(token.text, quote=False))
            case TokenKind.START:
                self._start(token)
            case TokenKind.END:
                self._end(token.name.lower())
            case _:  # a raw text element
                if "ld+json" in token.attributes:
                    self._json_ld.append(token.text)

    def _start(self, token: Token) -> None:
        name = token.name.lower()
        if name in INLINE_ELEMENTS:
            return
        if name in VOID_ELEMENTS:
            if name == "base" and not self._base:
                self._base = read_attributes(token.attributes).get("href", "")
            self._pieces.append(" ")
            return
        name = name if name in _ALLOWED_ELEMENTS else "div"  # unknown elements are treated as block elements
        siblings, scope = _IMPLIED_ENDS.get(name, ((), frozenset[str]()))
        for sibling in siblings:
            self._close(self._elements.end(sibling, scope=scope))
        if not self._elements.start(name):
            return
        attribute = _ALLOWED_ATTRIBUTE.get(name)
        value = read_attributes(token.attributes).get(attribute, "") if attribute else ""
        written = f' {attribute}="{html.escape(value)}"' if value and len(value) <= MAX_URL_LENGTH else ""
        self._pieces.append(f"<{name}{written}>")

    def _end(self, name: str) -> None:
        if name in INLINE_ELEMENTS or name in VOID_ELEMENTS:
            return
        name = name if name in _ALLOWED_ELEMENTS else "div"
        self._close(self._elements.end(name, scope=frozenset() if name in _TABLE else _CELLS))

    def _close(self, names: list[str]) -> None:
        self._pieces.extend(f"</{name}>" for name in names)
