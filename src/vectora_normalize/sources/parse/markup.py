"""Markup as a stream of tokens, in one pass whose time is linear in the document, whatever the document is.

Parsers for real documents are quadratic on some hostile ones (a megabyte of `<a<a<a`, of unclosed comments, of nested
elements). So nothing hostile reaches them: this reads the document first, and what is built from its tokens is small,
balanced and shallow.

Why it is linear: possessive quantifiers never give back what they took, and a tag that turns out not to end is read
again from its next `<` only. Such readings cannot pile up. Each is outside of quotes, inside single or inside double
ones; a quote moves no two of them into the same state, and a `<` ends the one that is outside; so three are alive at
most.
"""

from __future__ import annotations

import html
import re
from enum import Enum, auto
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator


class Kind(Enum):
    """What a token is."""

    TEXT = auto()
    """Character data; its entities are not decoded yet."""
    CDATA = auto()
    """Character data that has no entities."""
    START = auto()
    END = auto()
    RAW = auto()
    """A whole element whose content is no markup, such as a script."""


class Token(NamedTuple):
    """A piece of a document.

    Args:
        kind: What it is.
        text: Character data, or the content of a raw element; empty for tags.
        name: Name of the element, as written.
        attributes: The source of its attributes, see `read_attributes`.
        closed: Whether a start tag closes its own element (`<br/>`).
    """

    kind: Kind
    text: str = ""
    name: str = ""
    attributes: str = ""
    closed: bool = False


class Dialect(Enum):
    """How the two markup languages differ for a reader of tokens."""

    XML = auto()
    """An attribute value holds no `<`, so a forgotten quote costs one tag and not the document."""
    HTML = auto()
    """Attribute values hold anything; `script`, `style` and their like hold no markup."""


RAW_ELEMENTS: Final = frozenset(
    {"script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes", "template"}
)
"""Elements of HTML whose content is no markup to a reader of news (`template`: markup that is not shown)."""

INLINE_ELEMENTS: Final = frozenset(
    {
        *("abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i", "ins"),
        *("kbd", "label", "mark", "nobr", "q", "s", "samp", "small", "strike", "strong", "sub", "sup", "tt", "u"),
        *("var", "wbr"),
    }
)
"""Elements of HTML that may stand in the middle of a word and shape nothing."""

EMPTY_ELEMENTS: Final = frozenset(
    {
        *("area", "base", "basefont", "br", "col", "embed", "frame", "hr", "img", "input", "keygen", "link", "meta"),
        *("param", "source", "track"),
    }
)
"""Elements of HTML without content, which have no end tag."""

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
_MOST_ATTRIBUTES = 50
_RAW_ENDS: Final = {name: re.compile(rf"</{name}\b", re.IGNORECASE) for name in RAW_ELEMENTS}
# Bounded, because int() refuses long digit strings and html.unescape() does not expect that.
_ENTITY: Final = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});?")


def tokens(source: str, dialect: Dialect) -> Iterator[Token]:
    """The tokens of a document, in order. Comments, declarations and processing instructions are left out.

    A `<` that begins nothing is text; so is a start tag that never ends.
    """
    pattern, end = _TOKENS[dialect], 0
    while found := pattern.search(source, end):
        if found.start() > end:
            yield Token(Kind.TEXT, source[end : found.start()])
        end = found.end()
        match found.lastgroup:
            case "attributes":
                token = _start(found)
                name = token.name.lower()
                if dialect is Dialect.HTML and name in RAW_ELEMENTS and not token.closed:
                    close = _RAW_ENDS[name].search(source, end)
                    stop = close.start() if close else len(source)
                    token, end = token._replace(kind=Kind.RAW, text=source[end:stop]), stop
                yield token
            case "end":
                yield Token(Kind.END, name=found["end"])
            case "cdata":
                yield Token(Kind.CDATA, found["cdata"])
            case _:
                pass
    if end < len(source):
        yield Token(Kind.TEXT, source[end:])


def read_attributes(source: str) -> dict[str, str]:
    """The attributes of a start tag, entities decoded; the first of those with the same name counts.

    Args:
        source: `Token.attributes`.
    """
    attributes: dict[str, str] = {}
    for found in _ATTRIBUTE.finditer(source):
        attributes.setdefault(found[1], unescape(found[2] or found[3] or found[4] or ""))
        if len(attributes) >= _MOST_ATTRIBUTES:
            break
    return attributes


def unescape(text: str) -> str:
    """The text with its entities decoded once; unknown ones stay as they are."""
    return _ENTITY.sub(lambda found: _unescape_entity(found[0]), text) if "&" in text else text


# A document that is escaped as a whole repeats few entities; entities are short, so the cache is small.
_unescape_entity = lru_cache(maxsize=1_024)(html.unescape)


def _start(found: re.Match[str]) -> Token:
    attributes = found["attributes"]
    closed = attributes.endswith("/")
    return Token(Kind.START, name=found["start"], attributes=attributes.removesuffix("/"), closed=closed)
