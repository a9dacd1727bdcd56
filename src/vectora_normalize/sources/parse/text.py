"""Converts markup to visible text: no tags, no invisible characters, no bidirectional controls.

The text goes to the model and into the content hash. It must not depend on the formatting of a source, and all of it
must be visible: with invisible characters, a text can state one thing to people and another to a model.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final

from vectora_normalize.sources.parse.markup import INLINE_ELEMENTS, Dialect, TokenKind, tokenize, unescape

if TYPE_CHECKING:
    from collections.abc import Callable

_MAX_TOKENS = 20_000  # of one item; an article has hundreds
_MARKUP_PER_TEXT = 4  # characters of markup that are processed for each character of text that may be kept
_MIN_MARKUP = 10_000  # characters of markup that are processed at least

# Elements that may occur inside a word; all others separate words.
_INLINE: Final = INLINE_ELEMENTS | {"a", "span", "time"}
_CONTROL = r"\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f"
_INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufffb\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_PRIVATE_AND_NONCHARACTERS = "\ud800-\udfff\ue000-\uf8ff\ufdd0-\ufdef\ufffe\uffff\U000f0000-\U0010ffff"
_REMOVED: Final = re.compile(f"[{_CONTROL}{_INVISIBLE}{_PRIVATE_AND_NONCHARACTERS}]+")
_SPACE: Final = re.compile(r"[\s\u2800]+")  # U+2800, the braille pattern without dots, looks like a space
# Combining marks are neither word characters nor space. Normalization sorts them by insertion, which is quadratic in
# the length of the sequence; the Stream-Safe Text Format of Unicode (UAX #15) allows 30.
_MARKS: Final = re.compile(r"[^\w\s]{31,}")
_MAX_MARKS = 30
_WORD: Final = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]|\w+")
_READ_MORE: Final = (
    r"(?:read|learn|view|see|find\s+out)\s+(?:more|the\s+full\s+\w+)|read\s+on|continue\s+reading|full\s+(?:story|article)"
    r"|lire\s+la\s+suite|en\s+savoir\s+plus|weiterlesen|mehr\s+(?:lesen|erfahren)|leer\s+m\u00e1s|leggi\s+tutto"
    r"|l\u00e4s\s+mer|lue\s+lis\u00e4\u00e4"
    r"|(?:download|view|open|see)\s+(?:(?:the|this|as|full|all|press|attached|related)\s+)*"
    r"(?:attachments?|files?|pdf|documents?|press\s+releases?|releases?|reports?)(?:\s+(?:as|in)\s+pdf)?|attachments?"
    r"|t\u00e9l\u00e9charger(?:\s+(?:le|la|en))?(?:\s+(?:pdf|fichier|communiqu\u00e9|pi\u00e8ce\s+jointe))?"
)
# Those of the pattern above. Few texts end in a sentence that begins so; the others need no pattern.
_FIRST_WORDS: Final = (
    *("attachment", "continue", "download", "en", "find", "full", "learn", "leer", "leggi", "lire", "lue", "l\u00e4s"),
    *("mehr", "open", "read", "see", "t\u00e9l\u00e9charger", "view", "weiterlesen"),
)
_DECORATION: Final = r"[\s.\u2026\u00bb\u203a>\u2192\u2190\[\]()&|:-]*"
# Compiled (and cached by ``re``) where they are used, because few texts need the first two: each takes some ms.
_IS_READ_MORE: Final = rf"{_DECORATION}(?:{_READ_MORE}){_DECORATION}"
_MAX_READ_MORE_LENGTH = 60  # characters
_CALL_TO_ACTION: Final = rf"{_DECORATION}(?:{_READ_MORE}|download)\b"
_MAX_CALL_TO_ACTION_LENGTH = 100  # characters
# At the end of a text, after the end of a sentence, an ellipsis or a bracket.
_SENTENCE_ENDS: Final = ".!?\u2026])"
_DECORATION_CHARACTERS: Final = " .\u2026\u00bb\u203a>\u2192\u2190[]()&|:-"
_TRAILING_READ_MORE: Final = rf"(?<=[.!?\u2026\])])\s*(?:{_READ_MORE}){_DECORATION}\Z"


def clean_markup(source: str, max_length: int, *, is_left_out: Callable[[str], bool] | None = None) -> str:
    """Return the text of HTML or plain text on one line, entities decoded once, truncated to a length.

    Links that only say "Read more" or "Download attachment" are left out, because they are not part of the text.

    Args:
        source: HTML or plain text.
        max_length: The most characters of the result; it is truncated between words.
        is_left_out: Returns whether a link with such a text is left out; None: ``is_read_more``.
    """
    is_left_out = is_left_out or is_read_more
    source = _truncate_markup(source, max(_MIN_MARKUP, max_length * _MARKUP_PER_TEXT))
    if "<" not in source:
        return truncate(clean_text(unescape(source)), max_length)
    pieces: list[str] = []
    link = -1  # index in pieces at which the open link begins
    for number, token in enumerate(tokenize(source, Dialect.HTML)):
        if number >= _MAX_TOKENS:
            break
        name = token.name.lower()
        if token.kind is TokenKind.TEXT:
            pieces.append(unescape(token.text))
        elif token.kind is TokenKind.CDATA:
            pieces.append(token.text)
        elif name == "a":
            if link >= 0 and is_left_out("".join(pieces[link:])):
                del pieces[link:]
            link = len(pieces) if token.kind is TokenKind.START else -1
        elif name not in _INLINE:
            pieces.append(" ")
    return truncate(clean_text("".join(pieces)), max_length)


def clean_text(text: str) -> str:
    """Return text without invisible characters, in NFC, with single spaces. Idempotent."""
    text = _REMOVED.sub("", text)
    if not text.isascii():
        text = unicodedata.normalize("NFC", limit_marks(text))
    return _SPACE.sub(" ", text).strip()


def limit_marks(text: str) -> str:
    """Return text with the first 30 marks of each run of combining marks."""
    return text if text.isascii() else _MARKS.sub(_limit_marks, text)


def truncate(text: str, max_length: int) -> str:
    """Return the text truncated to a length; between words, if that removes less than a fifth of the length."""
    if len(text) <= max_length:
        return text
    end = text.rfind(" ", max_length * 4 // 5, max_length + 1)
    return text[: end if end >= 0 else max_length].rstrip()


def count_words(text: str) -> int:
    """Return the number of words; in scripts without spaces each character counts as one."""
    return sum(1 for _ in _WORD.finditer(text))


def is_read_more(text: str) -> bool:
    """Return whether a text only says "Read more", or the same in another language."""
    return len(text) < _MAX_READ_MORE_LENGTH and re.fullmatch(_IS_READ_MORE, text, re.IGNORECASE) is not None


def is_call_to_action(text: str) -> bool:
    """Return whether the text of a link begins like "Read more about it" or "Download the report", and is short."""
    text = text.strip()
    if len(text) >= _MAX_CALL_TO_ACTION_LENGTH:
        return False
    return re.match(_CALL_TO_ACTION, text, re.IGNORECASE) is not None


def without_read_more(text: str) -> str:
    """Return a text without a "Read more" at its end."""
    start = max(0, len(text) - _MAX_READ_MORE_LENGTH)
    last = text[start:].rstrip(_DECORATION_CHARACTERS)
    sentence = last[max(map(last.rfind, _SENTENCE_ENDS)) + 1 :].lstrip()
    if not sentence.casefold().startswith(_FIRST_WORDS):
        return text
    match = re.compile(_TRAILING_READ_MORE, re.IGNORECASE).search(text, start)
    return text[: match.start()] if match else text


def _truncate_markup(source: str, length: int) -> str:
    """Return the beginning of a piece of markup, without the tag in which it would end."""
    if len(source) <= length:
        return source
    last = source.rfind("<", 0, length)
    return source[: last if last > source.rfind(">", 0, length) else length]


def _limit_marks(match: re.Match[str]) -> str:
    """Return a sequence of marks with the first ``_MAX_MARKS`` of each run of combining marks."""
    kept: list[str] = []
    run = 0
    for character in match[0]:
        run = run + 1 if unicodedata.combining(character) else 0
        if run <= _MAX_MARKS:
            kept.append(character)
    return "".join(kept)
