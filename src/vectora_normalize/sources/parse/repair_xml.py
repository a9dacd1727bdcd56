"""Feeds as they come, made into well-formed XML: small, shallow, without a DTD.

Every feed is rewritten, not only the broken ones. So there is one path for all of them, the parser behind it never has
to guess (its forgiving mode is quadratic on some documents), and no entity declaration ever reaches it: the five of
XML and those of HTML are decoded here, all others stay text.
"""

from __future__ import annotations

import re
from typing import Final
from xml.sax.saxutils import escape, quoteattr

import msgspec

from vectora_normalize.sources.parse.element_stack import MAX_DEPTH, MAX_ELEMENTS, MAX_TOKENS, ElementStack
from vectora_normalize.sources.parse.entries import MAX_ENTRIES
from vectora_normalize.sources.parse.markup import Dialect, Kind, Token, read_attributes, tokens, unescape

MAX_ENTRY_TEXT: Final = 500_000
"""Characters of an item, all its elements together; a novel has so many. The parser behind holds them in pieces."""

_ENTRY_NAMES: Final = frozenset({"item", "entry"})
_NAME: Final = re.compile(r"[A-Za-z_][\w.-]*+(?::[A-Za-z_][\w.-]*+)?", re.ASCII)
# What XML 1.0, production 2, leaves out; surrogates and the like cannot be written at all.
_NO_XML: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_XMLNS: Final = "http://www.w3.org/2000/xmlns/"
_XML: Final = "http://www.w3.org/XML/1998/namespace"
# What feeds mean by a prefix that they forgot to declare.
_USUAL: Final = {
    "atom": "http://www.w3.org/2005/Atom",
    "content": "http://purl.org/rss/1.0/modules/content/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "dcterms": "http://purl.org/dc/terms/",
    "media": "http://search.yahoo.com/mrss/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "xhtml": "http://www.w3.org/1999/xhtml",
}


class RepairedXml(msgspec.Struct, frozen=True):
    """A feed that any XML parser accepts.

    Args:
        xml: The document; empty where there was no element in it.
        root: Name of its outermost element, in lower case, without prefix.
        problems: What had to be left out, one sentence each.
    """

    xml: str
    root: str
    problems: tuple[str, ...]


def repair_xml(source: str) -> RepairedXml:
    """The feed as well-formed XML with the same elements, attributes and text, as far as the limits go.

    Args:
        source: The document, decoded.
    """
    return _Repairer().repair_xml(source)


class _Repairer:
    def __init__(self) -> None:
        self._out: list[str] = []
        self._elements = ElementStack()
        self._prefixes: list[frozenset[str]] = [frozenset({"xml"})]  # in scope, one entry for each open element
        self._root = ""
        self._entries = 0
        self._text_left = MAX_ENTRY_TEXT
        self._too_long = False
        self._repairs = 0
        self._problems: list[str] = []

    def repair_xml(self, source: str) -> RepairedXml:
        for number, token in enumerate(tokens(source, Dialect.XML), 1):
            self._take(token)
            if limit := self._reached_limit(number):
                self._problems.append(f"more than {limit}; the rest was not read")
                break
        unclosed = self._elements.end_all()
        self._close(unclosed)
        if unclosed and not self._problems:
            self._problems.append("it ends in the middle: some elements are never closed")
        if self._repairs:
            self._problems.append(f"not well-formed XML: {self._repairs} tags had to be repaired")
        if self._too_long:
            self._problems.append(f"items with more than {MAX_ENTRY_TEXT} characters; they were cut")
        if self._elements.too_deep:
            self._problems.append(f"elements more than {MAX_DEPTH} deep; their tags were left out")
        return RepairedXml("".join(self._out), self._root, tuple(self._problems))

    def _reached_limit(self, number: int) -> str:
        if self._entries > MAX_ENTRIES:
            return f"{MAX_ENTRIES} items"
        if number >= MAX_TOKENS:
            return f"{MAX_TOKENS} tags and texts"
        return f"{MAX_ELEMENTS} elements" if self._elements.full else ""

    def _take(self, token: Token) -> None:
        match token.kind:
            case Kind.START:
                self._start(token)
            case Kind.END:
                self._end(token.name)
            case _ if self._elements.depth:  # text outside of the root element is what remains of a DTD
                self._text(token.text if token.kind is Kind.CDATA else unescape(token.text))
            case _:
                pass

    def _text(self, text: str) -> None:
        self._too_long |= len(text) > self._text_left
        text = text[: self._text_left]
        self._text_left -= len(text)
        self._out.append(escape(_NO_XML.sub("", text)))

    def _start(self, token: Token) -> None:
        name = token.name
        local = name.rpartition(":")[2].lower()
        if local in _ENTRY_NAMES:
            self._entries += 1
            self._text_left = MAX_ENTRY_TEXT
            if self._elements.is_open(name):  # items hold no items: the one before was not closed
                self._repairs += 1
                self._close(self._elements.end(name))
            if self._entries > MAX_ENTRIES:
                return
        second_root = self._root and not self._elements.depth
        if second_root or name.startswith("xmlns:") or not _NAME.fullmatch(name):
            self._repairs += 1
            return
        if not self._elements.start(name):
            return
        self._root = self._root or local
        attributes = self._attributes(token)
        self._out.append(f"<{name}{''.join(f' {key}={quoteattr(value)}' for key, value in attributes.items())}>")
        if token.closed:
            self._close(self._elements.end(name))

    def _end(self, name: str) -> None:
        closed = self._elements.end(name)
        self._repairs += len(closed) != 1
        self._close(closed)

    def _close(self, names: list[str]) -> None:
        for name in names:
            self._out.append(f"</{name}>")
            self._prefixes.pop()

    def _attributes(self, token: Token) -> dict[str, str]:
        """The attributes that XML accepts, with a declaration for each prefix that has none."""
        attributes = {
            name: _NO_XML.sub("", value)
            for name, value in read_attributes(token.attributes).items()
            if _NAME.fullmatch(name) and _is_acceptable(name, value)
        }
        prefixes = self._prefixes[-1] | {name[6:] for name in attributes if name.startswith("xmlns:")}
        for name in (token.name, *attributes):
            prefix = name.rpartition(":")[0]
            if prefix and prefix not in prefixes and prefix != "xmlns":
                attributes = {**attributes, f"xmlns:{prefix}": _USUAL.get(prefix.lower(), f"urn:undeclared:{prefix}")}
                prefixes |= {prefix}
        self._prefixes.append(prefixes)
        return attributes


def _is_acceptable(name: str, value: str) -> bool:
    """Whether XML namespaces accept the attribute: a prefix must not be bound to nothing, nor to what is reserved."""
    if name == "xmlns":
        return value not in {_XML, _XMLNS}
    if not name.startswith("xmlns:"):
        return True
    return name not in {"xmlns:xml", "xmlns:xmlns"} and value.strip() not in {"", _XML, _XMLNS}
