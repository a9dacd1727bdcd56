"""A tokenizer for XML and HTML that takes linear time on every input.

Parsers are quadratic on some hostile documents (a megabyte of ``<a<a<a``, of unclosed comments, of nested elements). So
none of them gets the original document: it is tokenized here, and the document that is rebuilt from the tokens is
small, balanced and shallow.

Why the time is linear: possessive quantifiers do not backtrack, and after a tag that has no end the search continues at
its next ``<``. At most three such attempts overlap: each is outside of quotes, inside single or inside double quotes. A
quote moves no two of them into the same state, and a ``<`` ends the one outside of quotes.
"""

from __future__ import annotations

import html
import re
from enum import Enum, auto
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator


class TokenKind(Enum):
    """The kind of a token."""

    TEXT = auto()
    """Character data with its entities not yet decoded."""
    CDATA = auto()
    """Character data without entities."""
    START = auto()
    END = auto()
    RAW_TEXT = auto()
    """The start tag and the content of an element whose content is not markup, such as a script."""


class Token(NamedTuple):
    """A tag or a piece of text.

    Args:
        kind: The kind of the token.
        text: Character data, or the content of a raw text element; empty for tags.
        name: Name of the element, as written.
        attributes: The source of the attributes; see ``read_attributes``.
        self_closing: Whether a start tag ends its own element (``<br/>``).
    """

    kind: TokenKind
    text: str = ""
    name: str = ""
    attributes: str = ""
    self_closing: bool = False


class Dialect(Enum):
    """The two markup languages, as far as they differ for the tokenizer."""

    XML = auto()
    """Attribute values contain no ``<``, so a missing quote breaks one tag and not the document."""
    HTML = auto()
    """Attribute values may contain ``<``; the content of ``RAW_TEXT_ELEMENTS`` is not markup."""


RAW_TEXT_ELEMENTS: Final = frozenset(
    {"script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes", "template"}
)
"""Elements of HTML whose content is not tokenized (``template`` because its markup is not displayed)."""

INLINE_ELEMENTS: Final = frozenset(
    {
        *("abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i", "ins"),
        *("kbd", "label", "mark", "nobr", "q", "s", "samp", "small", "strike", "strong", "sub", "sup", "tt", "u"),
        *("var", "wbr"),
    }
)
"""Elements of HTML that may occur inside a word and do not affect the layout."""

VOID_ELEMENTS: Final = frozenset(
    {
        *("area", "base", "basefont", "br", "col", "embed", "frame", "hr", "img", "input", "keygen", "link", "meta"),
        *("param", "source", "track"),
    }
)
"""Void elements of HTML: they have no content and no end tag."""

_PATTERN: Final = r"""
    <(?:
        !--(?:-?>|(?P<comment>.*?)(?:--!?>|\Z))
      | !\[CDATA\[(?P<cdata>.*?)(?:\]\]>|\Z)
      | [!?][^>]*+>?
      | /(?P<end>[A-Za-z_][^\s/<>]*+)[^<>]*+>?
      | (?P<start>[A-Za-z_][^\s/<>"'=]*+)(?P<attributes>(?:[^"'<>]++|QUOTED)*+)>
    )
"""
_TOKENS: Final = {
    Dialect.XML: re.compile(_PATTERN.replace("QUOTED", r'"[^"<]*+"|' + r"'[^'<]*+'"), re.VERBOSE | re.DOTALL),
    Dialect.HTML: re.compile(_PATTERN.replace("QUOTED", r'"[^"]*+"|' + r"'[^']*+'"), re.VERBOSE | re.DOTALL),
}
_ATTRIBUTE: Final = re.compile(r"""([^\s"'<>/=]++)(?:\s*+=\s*+(?:"([^"]*+)"|'([^']*+)'|([^\s"'<>]++)))?""")
_MAX_ATTRIBUTES = 50  # of a tag
# Limited in length, because int() refuses long digit strings and html.unescape() does not handle that.
_ENTITY: Final = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});?")


def tokenize(source: str, dialect: Dialect) -> Iterator[Token]:
    """Yield the tokens of a document, without comments, declarations and processing instructions.

    A ``<`` that does not begin a tag is text, and so is a start tag without an end.
    """
    pattern, end = _TOKENS[dialect], 0
    while tag := pattern.search(source, end):
        if tag.start() > end:
            yield Token(TokenKind.TEXT, source[end : tag.start()])
        end = tag.end()
        match tag.lastgroup:
            case "attributes":
                token = _start(tag)
                name = token.name.lower()
                if dialect is Dialect.HTML and name in RAW_TEXT_ELEMENTS and not token.self_closing:
                    close = re.compile(rf"</{name}\b", re.IGNORECASE).search(source, end)
                    stop = close.start() if close else len(source)
                    token, end = token._replace(kind=TokenKind.RAW_TEXT, text=source[end:stop]), stop
                yield token
            case "end":
                yield Token(TokenKind.END, name=tag["end"])
            case "cdata":
                yield Token(TokenKind.CDATA, tag["cdata"])
            case _:
                pass
    if end < len(source):
        yield Token(TokenKind.TEXT, source[end:])


def read_attributes(source: str) -> dict[str, str]:
    """Return the attributes of a start tag, entities decoded; of equal names the first one counts.

    Args:
        source: ``Token.attributes``.
    """
    attributes: dict[str, str] = {}
    for match in _ATTRIBUTE.finditer(source):
        attributes.setdefault(match[1], unescape(match[2] or match[3] or match[4] or ""))
        if len(attributes) >= _MAX_ATTRIBUTES:
            break
    return attributes


def unescape(text: str) -> str:
    """Return the text with its entities decoded once; unknown ones are kept."""
    return _ENTITY.sub(lambda match: _unescape_entity(match[0]), text) if "&" in text else text


# Documents repeat few entities; entities are short, so the cache is small.
_unescape_entity = lru_cache(maxsize=1_024)(html.unescape)


def _start(tag: re.Match[str]) -> Token:
    attributes = tag["attributes"]
    return Token(
        TokenKind.START,
        name=tag["start"],
        attributes=attributes.removesuffix("/"),
        self_closing=attributes.endswith("/"),
    )
