"""Whether a text contains a name, and whether a client watches it.

A model may report a company that the text does not mention. Such a name is dropped: every name in ``<kind>_detected``
is in the title or text of the item. And a model may overlook a name. Those that the client watches are therefore also
searched for in the text.

Two spellings are the same name when they differ in case, accents, Unicode form, a trademark sign (``UZEDY®``,
``UZEDY (R)``), or in hyphens and spaces (``long-acting``, ``long acting``, ``PharmaShell`` for ``Pharma Shell``). They
are different names when a word is missing or added: ``Merck`` is not ``Merck & Co``, because ``Merck KGaA`` is another
company. For the same reason legal forms (``Inc``, ``SA``, ``AB``) are not cut off.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import TYPE_CHECKING, Final

from vectora_normalize.items import FoundBy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Before NFKD, which would turn the sign ™ into the letters TM.
_TRADEMARK = re.compile("[®™℠©]|\\((?:r|tm|sm|c)\\)", re.IGNORECASE)
_GAP = re.compile(r"[\s_\-\u2010-\u2015\u2212\u00b7]+")
_CURLY = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"'})
_EDGE = " .,;:!?'\"()[]"
_INVISIBLE: Final = frozenset({"Mn", "Cf"})  # accents; soft hyphens and joiners, which are invisible
_MAX_NAME_CHARACTERS: Final = 120
_MAX_ACRONYM_CHARACTERS: Final = 4


def fold(text: str) -> str:
    """Return the text in one line, without differences that do not make another name, and with single spaces."""
    text = unicodedata.normalize("NFKD", _TRADEMARK.sub("", text).translate(_CURLY)).casefold()
    visible = "".join(char for char in text if unicodedata.category(char) not in _INVISIBLE)
    return _GAP.sub(" ", visible).strip()


@functools.lru_cache(maxsize=8192)
def name_key(name: str) -> str:
    """Return a key that is equal for all spellings of one name; empty for a name without a letter or digit."""
    folded = fold(name).strip(_EDGE)
    return folded.replace(" ", "") if any(map(str.isalnum, folded)) else ""


class Text:
    """A text in which names are looked up; folded once, because it is searched hundreds of times."""

    def __init__(self, *sections: str) -> None:
        self._sections = sections
        # A line break is folded into a gap, so a sign that no name contains separates the sections.
        self._folded = " | ".join(map(fold, sections))

    def contains(self, name: str) -> bool:
        """Return whether the text contains the name as whole words."""
        words = _name_words(name)
        # A search for the words alone is some twenty times faster than the pattern, and decides nearly every case.
        if not words or not all(word in self._folded for word in words):
            return False
        return _pattern(words).search(self._folded) is not None

    def contains_watched(self, name: str) -> bool:
        """Return whether the text contains a name that only the rule has found.

        An acronym of up to four letters must be in capitals: ``LAI`` is not the French ``lai``, and ``PEG`` is not a
        peg.
        """
        if not self.contains(name):
            return False
        acronym = _TRADEMARK.sub("", name).strip(_EDGE)
        if len(acronym) > _MAX_ACRONYM_CHARACTERS or not acronym.isupper():
            return True
        as_written = re.compile(rf"(?<!\w){re.escape(acronym)}(?!\w)")
        return any(as_written.search(section) for section in self._sections)

    def spelling(self, name: str) -> str | None:
        """Return a name as the source wrote it; None if the text does not contain it."""
        words = _name_words(name)
        for folded, positions, section in self._mapped if words else ():
            if (found := _pattern(words).search(folded)) is not None:
                return " ".join(section[positions[found.start()] : positions[found.end() - 1] + 1].split())
        return None

    @functools.cached_property
    def _mapped(self) -> list[tuple[str, list[int], str]]:
        """The folded sections, each with the position in the section of every folded character."""
        return [(*_fold_with_positions(section), section) for section in self._sections]


def _fold_with_positions(text: str) -> tuple[str, list[int]]:
    """Return ``fold(text)``, without its last step (spaces at the ends), and where each of its characters stands."""
    folded: list[str] = []
    positions: list[int] = []
    for position, character in _without_trademarks(text):
        for char in unicodedata.normalize("NFKD", character.translate(_CURLY)).casefold():
            if unicodedata.category(char) in _INVISIBLE:
                continue
            is_gap = _GAP.fullmatch(char) is not None
            if not (is_gap and folded and folded[-1] == " "):
                folded.append(" " if is_gap else char)
                positions.append(position)
    return "".join(folded), positions


def _without_trademarks(text: str) -> Iterator[tuple[int, str]]:
    start = 0
    for match in (*_TRADEMARK.finditer(text), None):
        end = len(text) if match is None else match.start()
        yield from ((position, text[position]) for position in range(start, end))
        start = end if match is None else match.end()


@functools.lru_cache(maxsize=8192)
def _name_words(name: str) -> tuple[str, ...]:
    return tuple(fold(name).strip(_EDGE).split(" ")) if name_key(name) else ()


@functools.lru_cache(maxsize=8192)
def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    spaced = " ?".join(map(re.escape, words))
    return re.compile(rf"(?<!\w){spaced}(?!\w)")


class Watchlist:
    """The names of one kind that a client watches, each in the spelling of its scope file.

    If a scope lists several spellings of one name (``Uzedy``, ``UZEDY``, ``UZEDY®``), the first is the one reported.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._spelling: dict[str, str] = {}
        for name in names:
            if key := name_key(name):
                self._spelling.setdefault(key, name)

    def spelling(self, name: str) -> str | None:
        """Return the client's spelling of that name; None if the client does not watch it."""
        return self._spelling.get(name_key(name))

    def found_in(self, text: Text) -> list[str]:
        """Return the names that the text contains, in the order of the scope."""
        return [name for name in self._spelling.values() if text.contains_watched(name)]


def ground(
    names: Iterable[str], text: Text, watchlist: Watchlist
) -> tuple[tuple[str, ...], tuple[str, ...], dict[str, FoundBy]]:
    """Return the names of an item: those of a model that may be reported, and the watched ones that the text contains.

    Args:
        names: The names of one kind that the model reported.
        text: The title and text of the item.
        watchlist: The client's names of that kind.

    Returns:
        Three values. The names that the text contains, each once, those of the model first, in the client's spelling if
        the client watches the name, else in that of the source. Those of them that the client watches. How each was
        found.
    """
    spellings: dict[str, str] = {}
    found_by: dict[str, FoundBy] = {}
    watched: dict[str, None] = {}
    for name in names:
        key = name_key(name)
        if len(name) > _MAX_NAME_CHARACTERS or key in spellings or not text.contains(name):
            continue
        spelling = watchlist.spelling(name)
        if spelling is not None:
            watched[spelling] = None
        spellings[key] = spelling or text.spelling(name) or name
        found_by[spellings[key]] = FoundBy.MODEL
    for name in watchlist.found_in(text):
        found_by[name] = FoundBy.BOTH if spellings.setdefault(name_key(name), name) in found_by else FoundBy.RULE
        watched[name] = None
    return tuple(spellings.values()), tuple(watched), found_by
