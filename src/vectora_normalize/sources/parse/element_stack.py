"""The stack of open elements, which makes the output of both rewriters (XML and HTML) balanced.

An end tag closes all elements that were opened after its start tag, an end tag without a start tag is dropped, and at
the end all open elements are closed. Depth and number of elements are limited, because parsers are quadratic in both.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

MAX_DEPTH: Final = 100
"""Levels of nested elements. Real pages reach 40."""

MAX_ELEMENTS: Final = 25_000
"""Start tags of a document. A feed of 1,000 items has some 10,000, a long page 5,000."""

MAX_TOKENS: Final = 150_000
"""Tags and texts of a document, including tags without effect."""


class ElementStack:
    """The open elements, and whether the document exceeds the limits.

    Args:
        max_depth: Levels of nested elements.
        max_elements: Start tags of the document.
    """

    def __init__(self, *, max_depth: int = MAX_DEPTH, max_elements: int = MAX_ELEMENTS) -> None:
        self._max_depth = max_depth
        self._max_elements = max_elements
        self._open: list[str] = []
        self._counts: Counter[str] = Counter()
        self._started = 0
        self.too_deep = False
        """Whether an element was left out because it was nested too deeply."""

    @property
    def full(self) -> bool:
        """Whether the document has reached the limit of elements."""
        return self._started >= self._max_elements

    @property
    def depth(self) -> int:
        """The number of open elements."""
        return len(self._open)

    def is_open(self, name: str) -> bool:
        """Return whether an element of this name is open."""
        return self._counts[name] > 0

    def start(self, name: str) -> bool:
        """Open an element; return False if it is nested too deeply and must be left out."""
        self._started += 1
        if len(self._open) >= self._max_depth:
            self.too_deep = True
            return False
        self._open.append(name)
        self._counts[name] += 1
        return True

    def end(self, name: str, *, scope: frozenset[str] = frozenset()) -> list[str]:
        """Close the innermost element of this name.

        Args:
            name: Name of the element.
            scope: Names of elements that limit the scope, as the HTML Standard calls it: elements outside the innermost
                of them are not closed.

        Returns:
            The names of the closed elements, innermost first; empty if no element of this name is in scope.
        """
        if scope and next((open_ for open_ in reversed(self._open) if open_ == name or open_ in scope), "") != name:
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
        """Close all elements and return their names, innermost first."""
        closed = self._open[::-1]
        self._open.clear()
        self._counts.clear()
        return closed
