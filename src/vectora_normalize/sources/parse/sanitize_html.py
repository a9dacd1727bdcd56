"""Pages rewritten as a small, balanced and shallow piece of HTML, for the search for articles and for their texts.

The input of the tree builders is written here, token by token, so a page cannot make it deep, wide or unusual. Of a
listing, only elements that structure it are kept, and of their attributes only ``href`` and ``datetime``. Of an
article, the names of classes and the like are kept as well, by which the extraction recognizes navigation and comments.
"""

from __future__ import annotations

import html
import re
from typing import Final

import msgspec

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
from vectora_normalize.sources.parse.text import is_call_to_action, limit_marks
from vectora_normalize.sources.urls import MAX_URL_LENGTH

_TABLE: Final = frozenset({"table", "tbody", "td", "tfoot", "th", "thead", "tr"})
_BLOCKS: Final = _TABLE | {
    *("article", "aside", "blockquote", "body", "dd", "div", "dl", "dt", "footer", "form", "header", "html", "li"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "main", "nav", "ol", "p", "section", "ul"),
}
_ALLOWED_ELEMENTS: Final = _BLOCKS | {"a", "span", "time"}
_ALLOWED_ATTRIBUTE: Final = {"a": "href", "time": "datetime"}
_CELLS: Final = frozenset({"table", "td", "th"})
# The names of elements that are kept in an article: an unknown one may be inline, so it must not become a block.
_ELEMENT_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,30}")
_ARTICLE_ATTRIBUTES: Final = (
    *("class", "id", "role", "itemprop", "itemtype", "href", "datetime", "style", "aria-hidden", "data-testid", "rel"),
)
# The extraction takes quadratic time in these. Of the 311 pages of docs/lambda/sources.md, 99 % have at most
# 2,300 elements, 34 levels, 75 line breaks and 180,000 characters.
MAX_ARTICLE_ELEMENTS: Final = 4_000
"""Start tags of an article page that are read."""

MAX_ARTICLE_DEPTH: Final = 60
"""Levels of nested elements of an article page."""

MAX_ARTICLE_CHARACTERS: Final = 300_000
"""Characters of text of an article page that are read."""

_MAX_LINE_BREAKS: Final = 500  # of an article page; further ones are spaces
_MAX_ATTRIBUTE_LENGTH: Final = 300  # characters of an attribute that is not a URL
_MAX_META_LENGTH: Final = 5_000  # characters of the content of a ``meta`` element
_MAX_TITLE_LENGTH: Final = 1_000  # characters of the ``title`` element
_MAX_LINK_PIECES: Final = 50  # tags and texts of a link that may be a call to action
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


class SanitizedHtml(msgspec.Struct, frozen=True):
    """A sanitized page.

    Args:
        html: The page.
        base: The ``href`` of its ``base`` element; empty if it has none.
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


class SanitizedArticle(msgspec.Struct, frozen=True):
    """A sanitized article page.

    Args:
        page: The page.
        title: The text of its ``title`` element, entities decoded.
        meta: The content of its ``meta`` elements, by their name, property or ``itemprop`` in lower case.
    """

    page: SanitizedHtml
    title: str = ""
    meta: dict[str, str] = msgspec.field(default_factory=dict[str, str])


def sanitize_article(source: str) -> SanitizedArticle:
    """Return a page reduced to the elements and attributes by which the text of its article is found.

    Links that only call to an action, such as "Read more" and "Download attachment", are left out.

    Args:
        source: The decoded document.
    """
    sanitizer = _ArticleSanitizer()
    page = sanitizer.sanitize(source)
    return SanitizedArticle(page, sanitizer.title, sanitizer.meta)


class _Sanitizer:
    def __init__(self, elements: ElementStack | None = None) -> None:
        self._pieces: list[str] = []
        self._elements = elements or ElementStack()
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
                self._text(unescape(token.text))
            case TokenKind.CDATA:
                self._text(token.text)
            case TokenKind.START:
                self._start(token)
            case TokenKind.END:
                self._end(token.name.lower())
            case _:
                self._raw_text(token)

    def _text(self, text: str) -> None:
        self._pieces.append(html.escape(text, quote=False))

    def _raw_text(self, token: Token) -> None:
        if "ld+json" in token.attributes.lower():
            self._json_ld.append(token.text)

    def _start(self, token: Token) -> None:
        name = token.name.lower()
        if name in INLINE_ELEMENTS:
            return
        if name in VOID_ELEMENTS:
            if name == "base" and not self._base:
                self._base = read_attributes(token.attributes).get("href", "")
            self._void(name, token)
            return
        name = self._known(name)
        siblings, scope = _IMPLIED_ENDS.get(name, ((), frozenset[str]()))
        for sibling in siblings:
            self._close(self._elements.end(sibling, scope=scope))
        if self._elements.start(name):
            self._open(name, token)

    def _known(self, name: str) -> str:
        return name if name in _ALLOWED_ELEMENTS else "div"  # unknown elements are treated as block elements

    def _void(self, name: str, token: Token) -> None:  # noqa: ARG002 - another sanitizer reads some of them
        self._pieces.append(" ")

    def _open(self, name: str, token: Token) -> None:
        attribute = _ALLOWED_ATTRIBUTE.get(name)
        value = read_attributes(token.attributes).get(attribute, "") if attribute else ""
        written = f' {attribute}="{html.escape(value)}"' if value and len(value) <= MAX_URL_LENGTH else ""
        self._pieces.append(f"<{name}{written}>")

    def _end(self, name: str) -> None:
        if name in INLINE_ELEMENTS or name in VOID_ELEMENTS:
            return
        name = self._known(name)
        self._close(self._elements.end(name, scope=frozenset() if name in _TABLE else _CELLS))

    def _close(self, names: list[str]) -> None:
        self._pieces.extend(f"</{name}>" for name in names)


class _ArticleSanitizer(_Sanitizer):
    def __init__(self) -> None:
        super().__init__(ElementStack(max_depth=MAX_ARTICLE_DEPTH, max_elements=MAX_ARTICLE_ELEMENTS))
        self._remaining_text = MAX_ARTICLE_CHARACTERS
        self._line_breaks = 0
        self._link_start = -1  # the index in the pieces of the open link
        self.title = ""
        self.meta: dict[str, str] = {}

    def _known(self, name: str) -> str:
        return name if _ELEMENT_NAME.fullmatch(name) else "div"

    def _raw_text(self, token: Token) -> None:
        super()._raw_text(token)
        if token.name.lower() == "title" and not self.title:  # of the page; an image has one as well
            self.title = unescape(token.text[:_MAX_TITLE_LENGTH])

    def _text(self, text: str) -> None:
        text = limit_marks(text[: self._remaining_text])
        self._remaining_text -= len(text)
        super()._text(text)

    def _void(self, name: str, token: Token) -> None:
        is_break = name in {"br", "hr"} and self._line_breaks < _MAX_LINE_BREAKS
        self._line_breaks += is_break
        self._pieces.append("<br>" if is_break else " ")
        if name != "meta":
            return
        attributes = read_attributes(token.attributes)
        content = attributes.get("content", "")
        for attribute in ("property", "name", "itemprop"):
            if key := attributes.get(attribute, "").strip().lower():
                self.meta.setdefault(key[:_MAX_ATTRIBUTE_LENGTH], content[:_MAX_META_LENGTH])

    def _open(self, name: str, token: Token) -> None:
        if name == "a":
            self._link_start = len(self._pieces)
        attributes = read_attributes(token.attributes)
        kept = ((key, attributes[key]) for key in _ARTICLE_ATTRIBUTES if attributes.get(key))
        written = "".join(
            f' {key}="{html.escape(value[: MAX_URL_LENGTH if key == "href" else _MAX_ATTRIBUTE_LENGTH])}"'
            for key, value in kept
        )
        self._pieces.append(f"<{name}{written}>")

    def _close(self, names: list[str]) -> None:
        for name in names:
            self._pieces.append(f"</{name}>")
            if name == "a":
                pieces = self._pieces[self._link_start :]
                text = " ".join(html.unescape(piece) for piece in pieces if not piece.startswith("<"))
                if len(pieces) <= _MAX_LINK_PIECES and is_call_to_action(text):
                    del self._pieces[self._link_start :]
