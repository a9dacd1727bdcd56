"""Text as readers see it: no markup, nothing invisible, nothing that turns other text around.

What is left is what the model gets and what the hash is made of, so it must not depend on how a source happened to
wrap it, and a reader must be able to see all of it: invisible characters are how text says one thing to people and
another to machines.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from vectora_normalize.sources.parse.markup import INLINE_ELEMENTS, Dialect, Kind, tokens, unescape

DEFAULT_MAX_LENGTH: Final = 20_000
"""Characters of an item's text, where its source sets no limit."""

_MOST_TOKENS = 20_000  # of one item; an article has hundreds
_MARKUP_PER_TEXT = 4  # characters of markup that are looked at for each character of text that may be kept
_LEAST_MARKUP = 10_000

# Elements that may stand in the middle of a word; all others end the line that they stand on.
_INLINE: Final = INLINE_ELEMENTS | {"a", "span", "time"}
_CONTROL = r"\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f"
_INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufffb\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_NO_CHARACTERS = "\ud800-\udfff\ue000-\uf8ff\ufdd0-\ufdef\ufffe\uffff\U000f0000-\U0010ffff"
_DROPPED: Final = re.compile(f"[{_CONTROL}{_INVISIBLE}{_NO_CHARACTERS}]+")
_SPACE: Final = re.compile(r"[\s\u2800]+")  # U+2800, the braille pattern without dots, is blank
# Combining marks are neither word characters nor space. Their order is normalised by insertion sort, quadratic in the
# length of the run; Unicode's own stream-safe format (UAX #15) stops at 30.
_MARKS: Final = re.compile(r"[^\w\s]{31,}")
_MOST_MARKS = 30
_WORD: Final = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]|\w+")
_PROMPT: Final = (
    r"(?:read|learn|view|see|find\s+out)\s+(?:more|the\s+full\s+\w+)|read\s+on|continue\s+reading|full\s+(?:story|article)"
    r"|lire\s+la\s+suite|en\s+savoir\s+plus|weiterlesen|mehr\s+(?:lesen|erfahren)|leer\s+m\u00e1s|leggi\s+tutto"
    r"|l\u00e4s\s+mer|lue\s+lis\u00e4\u00e4"
)
_ARROWS: Final = r"[\s.\u2026\u00bb\u203a>\u2192\u2190\[\]()&|:-]*"
_IS_PROMPT: Final = re.compile(rf"{_ARROWS}(?:{_PROMPT}){_ARROWS}", re.IGNORECASE)


def clean_markup(source: str, max_length: int = DEFAULT_MAX_LENGTH) -> str:
    """The text of a piece of HTML, or of plain text: one line, entities decoded once, cut to length.

    Links that only ask the reader to read on are left out, since they are no part of what is said.

    Args:
        source: HTML or plain text.
        max_length: Characters that are kept at most; the cut is made between words.
    """
    source = _beginning(source, max(_LEAST_MARKUP, max_length * _MARKUP_PER_TEXT))
    if "<" not in source:
        return cut(plain(unescape(source)), max_length)
    pieces: list[str] = []
    link = -1  # where the link that is open begins in `pieces`
    for number, token in enumerate(tokens(source, Dialect.HTML)):
        if number >= _MOST_TOKENS:
            break
        name = token.name.lower()
        if token.kind is Kind.TEXT:
            pieces.append(unescape(token.text))
        elif token.kind is Kind.CDATA:
            pieces.append(token.text)
        elif name == "a":
            if link >= 0 and is_prompt("".join(pieces[link:])):
                del pieces[link:]
            link = len(pieces) if token.kind is Kind.START else -1
        elif name not in _INLINE:
            pieces.append(" ")
    return cut(plain("".join(pieces)), max_length)


def plain(text: str) -> str:
    """Text without anything invisible, in NFC, with each run of white space made one space. Idempotent."""
    text = _DROPPED.sub("", text)
    if not text.isascii():
        text = unicodedata.normalize("NFC", _MARKS.sub(_drop_surplus_marks, text))
    return _SPACE.sub(" ", text).strip()


def cut(text: str, max_length: int) -> str:
    """The text, not longer than so many characters; cut between words where that costs less than a fifth of it."""
    if len(text) <= max_length:
        return text
    end = text.rfind(" ", max_length * 4 // 5, max_length + 1)
    return text[: end if end >= 0 else max_length].rstrip()


def count_words(text: str) -> int:
    """How many words a text has; in scripts without spaces each character counts as one."""
    return sum(1 for _ in _WORD.finditer(text))


def is_prompt(text: str) -> bool:
    """Whether a text only asks to read on ("Read more »")."""
    return len(text) < 60 and _IS_PROMPT.fullmatch(text) is not None  # noqa: PLR2004 - no such phrase is longer


def _beginning(source: str, length: int) -> str:
    """So many characters of a piece of markup, less the tag that they end in."""
    if len(source) <= length:
        return source
    last = source.rfind("<", 0, length)
    return source[: last if last > source.rfind(">", 0, length) else length]


def _drop_surplus_marks(found: re.Match[str]) -> str:
    kept: list[str] = []
    run = 0
    for character in found[0]:
        run = run + 1 if unicodedata.combining(character) else 0
        if run <= _MOST_MARKS:
            kept.append(character)
    return "".join(kept)
