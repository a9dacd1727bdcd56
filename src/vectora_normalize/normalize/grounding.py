"""Whether a text contains a name, and whether a client watches it.

A model may report a company that the text does not mention. Such a name is dropped: what `<kind>_detected` lists can
be found in the title or text of the item by anyone who looks.

Two spellings are the same name when they differ in case, accents, Unicode form, a trademark sign (`UZEDY®`, `UZEDY
(R)`), or in hyphens and spaces (`long-acting`, `long acting`, `PharmaShell` for `Pharma Shell`). They are different
names when a word is missing or added: `Merck` is not `Merck & Co`, because `Merck KGaA` is another company. For the
same reason legal forms (`Inc`, `SA`, `AB`) are not cut off.
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
    """The text without the differences that do not make another name: one line, words parted by single spaces."""
    text = unicodedata.normalize("NFKD", _TRADEMARK.sub("", text).translate(_CURLY)).casefold()
    # Combining marks are accents; format characters are soft hyphens and joiners that nobody sees.
    visible = "".join(char for char in text if unicodedata.category(char) not in {"Mn", "Cf"})
    return _GAP.sub(" ", visible).strip()


@functools.lru_cache(maxsize=8192)
def name_key(name: str) -> str:
    """What two spellings of one name have in common; empty for a name without a letter or digit."""
    folded = fold(name).strip(_EDGE)
    return folded.replace(" ", "") if any(map(str.isalnum, folded)) else ""


class Text:
    """A text that can be asked for names; folded once, since it is asked hundreds of times."""

    def __init__(self, *parts: str) -> None:
        # A line break is folded into a gap, so the parts are kept apart by a sign that no name holds.
        self._folded = " | ".join(map(fold, parts))

    def contains(self, name: str) -> bool:
        """Whether the name stands in the text as whole words."""
        parts = _name_parts(name)
        # A look for the parts alone is some twenty times faster than the pattern, and settles nearly every question.
        if not parts or not all(part in self._folded for part in parts):
            return False
        return _pattern(parts).search(self._folded) is not None


@functools.lru_cache(maxsize=8192)
def _name_parts(name: str) -> tuple[str, ...]:
    return tuple(fold(name).strip(_EDGE).split(" ")) if name_key(name) else ()


@functools.lru_cache(maxsize=8192)
def _pattern(parts: tuple[str, ...]) -> re.Pattern[str]:
    words = " ?".join(map(re.escape, parts))
    return re.compile(rf"(?<!\w){words}(?!\w)")


class Watchlist:
    """The names of one kind that a client watches, each in the spelling of its scope file.

    Where a scope lists several spellings of one name (`Uzedy`, `UZEDY`, `UZEDY®`), the first is the one reported.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._spelling: dict[str, str] = {}
        for name in names:
            if key := name_key(name):
                self._spelling.setdefault(key, name)

    def spelling(self, name: str) -> str | None:
        """The client's spelling of that name; None where the client does not watch it."""
        return self._spelling.get(name_key(name))

    def found_in(self, text: Text) -> list[str]:
        """Those of the names that the text contains, in the order of the scope."""
        return [name for name in self._spelling.values() if text.contains(name)]


def ground(names: Iterable[str], text: Text, watchlist: Watchlist) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What of a model's names may be reported.

    Args:
        names: What the model named, of one kind.
        text: The text it was given.
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
