"""Elements that are opened and closed in pairs, however the document did it: the skeleton of both clean-ups.

An end tag closes what was opened inside of it, one that fits nothing is dropped, and at the end everything is closed.
Depth and number of elements are limited here, because parsers slow down with the square of either.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

MAX_DEPTH: Final = 100
"""Elements within one another. Real pages reach 40."""

MAX_ELEMENTS: Final = 25_000
"""Start tags of a document. A feed of 1,000 items has some 10,000, a long page 5,000."""

MAX_TOKENS: Final = 150_000
"""Tags and texts of a document, tags without effect included."""


class ElementStack:
    """The elements that are open, and whether the document keeps to the limits."""

    def __init__(self) -> None:
        self._open: list[str] = []
        self._counts: Counter[str] = Counter()
        self._started = 0
        self.too_deep = False
        """Whether an element was left out because it lay too deep."""

    @property
    def full(self) -> bool:
        """Whether the document has had as many elements as it may have."""
        return self._started >= MAX_ELEMENTS

    @property
    def depth(self) -> int:
        """How many elements are open."""
        return len(self._open)

    def is_open(self, name: str) -> bool:
        """Whether an element of this name is open."""
        return self._counts[name] > 0

    def start(self, name: str) -> bool:
        """Open an element; False if it lies too deep and must be left out."""
        self._started += 1
        if len(self._open) >= MAX_DEPTH:
            self.too_deep = True
            return False
        self._open.append(name)
        self._counts[name] += 1
        return True

    def end(self, name: str, *, inside: frozenset[str] = frozenset()) -> list[str]:
        """Close the innermost element of this name.

        Args:
            name: Name of the element.
            inside: Names of elements that shield what is around them: beyond the innermost of them nothing is closed.

        Returns:
            The names of the elements to close, innermost first; empty if none of this name is open.
        """
        if inside and next((open_ for open_ in reversed(self._open) if open_ == name or open_ in inside), "") != name:
            return []
        closed: list[str] = []
        while self.is_open(name):
            innermost = self._open.pop()
            self._counts[innermost] -= 1
            closed.append(innermost)
            if innermost == name:
                break
        return closed

    def end_all(self) -> list[str]:
        """Close everything; the names, innermost first."""
        closed = self._open[::-1]
        self._open.clear()
        self._counts.clear()
        return closed
