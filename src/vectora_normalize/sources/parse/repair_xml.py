"""Feeds rewritten as well-formed XML: small, shallow, without a DTD.

All feeds are rewritten, not only malformed ones. So there is one path for all of them. The parser never needs its
lenient mode, which is quadratic on some documents, and it never gets an entity declaration: the entities of XML and
HTML are decoded here, others are kept as text.
"""

from __future__ import annotations

import re
from typing import Final
from xml.sax.saxutils import escape, quoteattr

import msgspec

from vectora_normalize.sources.parse.element_stack import MAX_DEPTH, MAX_ELEMENTS, MAX_TOKENS, ElementStack
from vectora_normalize.sources.parse.entries import MAX_ENTRIES
from vectora_normalize.sources.parse.markup import Dialect, Token, TokenKind, read_attributes, tokenize, unescape

MAX_ENTRY_TEXT: Final = 500_000
"""Characters of an item, all its elements together; about the length of a novel. feedparser keeps them in pieces."""

_ENTRY_NAMES: Final = frozenset({"item", "entry"})
_NAME: Final = re.compile(r"[A-Za-z_][\w.-]*+(?::[A-Za-z_][\w.-]*+)?", re.ASCII)
# Characters that production 2 of XML 1.0 excludes.
_INVALID_CHARACTERS: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_XMLNS_NAMESPACE: Final = "http://www.w3.org/2000/xmlns/"
_XML_NAMESPACE: Final = "http://www.w3.org/XML/1998/namespace"
# The namespaces of prefixes that feeds often use without a declaration.
_WELL_KNOWN_NAMESPACES: Final = {
    "atom": "http://www.w3.org/2005/Atom",
    "content": "http://purl.org/rss/1.0/modules/content/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "dcterms": "http://purl.org/dc/terms/",
    "media": "http://search.yahoo.com/mrss/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "xhtml": "http://www.w3.org/1999/xhtml",
}


class RepairedXml(msgspec.Struct, frozen=True):
    """A feed as well-formed XML.

    Args:
        xml: The document; empty if it has no element.
        root: Name of the root element, in lower case, without prefix.
        problems: One sentence for each kind of change.
    """

    xml: str
    root: str
    problems: tuple[str, ...]


def repair_xml(source: str) -> RepairedXml:
    """Return a feed as well-formed XML with the same elements, attributes and text, within the limits.

    Args:
        source: The decoded document.
    """
    return _Repairer().repair(source)


class _Repairer:
    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._elements = ElementStack()
        self._prefixes: list[frozenset[str]] = [frozenset({"xml"})]  # declared prefixes, for each open element
        self._root = ""
        self._entries = 0
        self._remaining_text = MAX_ENTRY_TEXT
        self._too_long = False
        self._repairs = 0
        self._problems: list[str] = []

    def repair(self, source: str) -> RepairedXml:
        for number, token in enumerate(tokenize(source, Dialect.XML), 1):
            self._add(token)
            if limit := self._reached_limit(number):
                self._problems.append(f"more than {limit}; the rest was not read")
                break
        unclosed = self._elements.end_all()
        self._close(unclosed)
        if unclosed and not self._problems:
            self._problems.append("the document is incomplete: some elements are not closed")
        if self._repairs:
            self._problems.append(f"not well-formed XML: {self._repairs} tags were repaired")
        if self._too_long:
            self._problems.append(f"items with more than {MAX_ENTRY_TEXT} characters; their text was truncated")
        if self._elements.too_deep:
            self._problems.append(f"elements nested more than {MAX_DEPTH} levels deep; their tags were removed")
        return RepairedXml("".join(self._pieces), self._root, tuple(self._problems))

    def _reached_limit(self, number: int) -> str:
        if self._entries > MAX_ENTRIES:
            return f"{MAX_ENTRIES} items"
        if number >= MAX_TOKENS:
            return f"{MAX_TOKENS} tags and texts"
        return f"{MAX_ELEMENTS} elements" if self._elements.full else ""

    def _add(self, token: Token) -> None:
        match token.kind:
            case TokenKind.START:
                self._start(token)
            case TokenKind.END:
                self._end(token.name)
            case _ if self._elements.depth:  # text outside the root element is the rest of a DTD
                self._text(token.text if token.kind is TokenKind.CDATA else unescape(token.text))
            case _:
                pass

    def _text(self, text: str) -> None:
        self._too_long |= len(text) > self._remaining_text
        text = text[: self._remaining_text]
        self._remaining_text -= len(text)
        self._pieces.append(escape(_INVALID_CHARACTERS.sub("", text)))

    def _start(self, token: Token) -> None:
        name = token.name
        local = name.rpartition(":")[2].lower()
        if local in _ENTRY_NAMES:
            self._entries += 1
            self._remaining_text = MAX_ENTRY_TEXT
            if self._elements.is_open(name):  # items are not nested: the previous one was not closed
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
        self._pieces.append(f"<{name}{''.join(f' {key}={quoteattr(value)}' for key, value in attributes.items())}>")
        if token.self_closing:
            self._close(self._elements.end(name))

    def _end(self, name: str) -> None:
        closed = self._elements.end(name)
        self._repairs += len(closed) != 1
        self._close(closed)

    def _close(self, names: list[str]) -> None:
        for name in names:
            self._pieces.append(f"</{name}>")
            self._prefixes.pop()

    def _attributes(self, token: Token) -> dict[str, str]:
        """Return the valid attributes, and a declaration for each prefix that has none."""
        attributes = {
            name: _INVALID_CHARACTERS.sub("", value)
            for name, value in read_attributes(token.attributes).items()
            if _NAME.fullmatch(name) and _is_valid_declaration(name, value)
        }
        prefixes = self._prefixes[-1] | {name[6:] for name in attributes if name.startswith("xmlns:")}
        for name in (token.name, *attributes):
            prefix = name.rpartition(":")[0]
            if prefix and prefix not in prefixes and prefix != "xmlns":
                namespace = _WELL_KNOWN_NAMESPACES.get(prefix.lower(), f"urn:undeclared:{prefix}")
                attributes = {**attributes, f"xmlns:{prefix}": namespace}
                prefixes |= {prefix}
        self._prefixes.append(prefixes)
        return attributes


def _is_valid_declaration(name: str, value: str) -> bool:
    """Return False for a namespace declaration that is not allowed: without a namespace, or of a reserved one."""
    if name == "xmlns":
        return value not in {_XML_NAMESPACE, _XMLNS_NAMESPACE}
    if not name.startswith("xmlns:"):
        return True
    return name not in {"xmlns:xml", "xmlns:xmlns"} and value.strip() not in {"", _XML_NAMESPACE, _XMLNS_NAMESPACE}
