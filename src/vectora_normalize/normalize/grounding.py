"""Whether a text contains a name, and whether a client watches it.

A model may report a company that the text does not mention. Such a name is dropped: every name in ``<kind>_detected``
is in the title or text of the item.

Two spellings are the same name when they differ in case, accents, Unicode form, a trademark sign (``UZEDY®``,
``UZEDY (R)``), or in hyphens and spaces (``long-acting``, ``long acting``, ``PharmaShell`` for ``Pharma Shell``). They
are different names when a word is missing or added: ``Merck`` is not ``Merck & Co``, because ``Merck KGaA`` is another
company. For the same reason legal forms (``Inc``, ``SA``, ``AB``) are not cut off.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# Before NFKD, which would turn the sign ™ into the letters TM.
_TRADEMARK = re.compile("[®™℠©]|\\((?:r|tm|sm|c)\\)", re.IGNORECASE)
_GAP = re.compile(r"[\s_\-\u2010-\u2015\u2212\u00b7]+")
_CURLY = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"'})
_EDGE = " .,;:!?'\"()[]"


def fold(text: str) -> str:
    """Return the text in one line without differences that do not make another name; single spaces separate words."""
    text = unicodedata.normalize("NFKD", _TRADEMARK.sub("", text).translate(_CURLY)).casefold()
    # Combining marks are accents; format characters are soft hyphens and joiners that nobody sees.
    visible = "".join(char for char in text if unicodedata.category(char) not in {"Mn", "Cf"})
    return _GAP.sub(" ", visible).strip()


@functools.lru_cache(maxsize=8192)
def name_key(name: str) -> str:
    """Return a key that is equal for all spellings of one name; empty for a name without a letter or digit."""
    folded = fold(name).strip(_EDGE)
    return folded.replace(" ", "") if any(map(str.isalnum, folded)) else ""


class Text:
    """A text in which names are looked up; folded once, because it is searched hundreds of times."""

    def __init__(self, *sections: str) -> None:
        # A line break is folded into a gap, so the sections are separated by a sign that no name contains.
        self._folded = " | ".join(map(fold, sections))

    def contains(self, name: str) -> bool:
        """Return whether the text contains the name as whole words."""
        words = _name_words(name)
        # A search for the words alone is some twenty times faster than the pattern, and decides nearly every case.
        if not words or not all(word in self._folded for word in words):
            return False
        return _pattern(words).search(self._folded) is not None


@functools.lru_cache(maxsize=8192)
def _name_words(name: str) -> tuple[str, ...]:
    return tuple(fold(name).strip(_EDGE).split(" ")) if name_key(name) else ()


@functools.lru_cache(maxsize=8192)
def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    spaced = " ?".join(map(re.escape, words))
    return re.compile(rf"(?<!\w){spaced}(?!\w)")


class Watchlist:
    """The names of one kind that a client watches, each in the spelling of its scope file.

    Where a scope lists several spellings of one name (``Uzedy``, ``UZEDY``, ``UZEDY®``), the first is the one reported.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._spelling: dict[str, str] = {}
        for name in names:
            if key := name_key(name):
                self._spelling.setdefault(key, name)

    def spelling(self, name: str) -> str | None:
        """Return the client's spelling of that name; None where the client does not watch it."""
        return self._spelling.get(name_key(name))

    def found_in(self, text: Text) -> list[str]:
        """Return the names that the text contains, in the order of the scope."""
        return [name for name in self._spelling.values() if text.contains(name)]


def ground(names: Iterable[str], text: Text, watchlist: Watchlist) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return those of a model's names that may be reported.

    Args:
        names: The names of one kind that the model reported.
        text: The title and text of the item.
        watchlist: The client's names of that kind.

    Returns:
        The names that the text contains, each once, in the client's spelling where the client watches it and else in
        the model's; and those of them that the client watches.
    """
    detected: dict[str, str] = {}
    watched: dict[str, str] = {}
    for name in names:
        if not text.contains(name):
            continue
        key, spelling = name_key(name), watchlist.spelling(name)
        detected.setdefault(key, spelling or " ".join(name.split()))
        if spelling:
            watched.setdefault(key, spelling)
    return tuple(detected.values()), tuple(watched.values())
