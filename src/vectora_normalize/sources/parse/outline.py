"""The tree of a page as flat lists: elements and texts in document order, each with its parent and its last descendant.

Whoever looks for articles asks the same few questions of thousands of elements. Here each is a look into a list.
"""

from __future__ import annotations

from itertools import accumulate
from typing import Final

from vectora_normalize.sources.parse.text import plain

_TEXT: Final = "-text"  # as selectolax names text nodes


class Outline:
    """A page, read once.

    Args:
        html: Balanced, shallow HTML, as ``sanitize_html`` makes it.

    Attributes:
        tags: Name of each node; empty for a text.
        parents: Index of each node's parent; 0, the root, is its own.
        ends: Index of the last node inside of each, itself if there is none.
        texts: The cleaned text of each text node; empty for elements.
        values: Address of each link, instant of each `time`; empty for others.
    """

    def __init__(self, html: str) -> None:
        from selectolax.lexbor import LexborHTMLParser  # noqa: PLC0415 - a cold start without pages need not pay for it

        self.tags: list[str] = []
        self.parents: list[int] = []
        self.texts: list[str] = []
        self.values: list[str] = []
        root = LexborHTMLParser(html).root
        index_of: dict[int, int] = {}
        for node in root.traverse(include_text=True) if root else ():
            tag = node.tag or ""
            text = plain(node.text_lexbor()) if tag == _TEXT else ""
            if tag == _TEXT and not text:
                continue
            index_of[node.mem_id] = len(self.tags)
            parent = node.parent
            self.parents.append(index_of.get(parent.mem_id, 0) if parent else 0)
            self.tags.append("" if tag == _TEXT else tag)
            self.texts.append(text)
            self.values.append(node.attributes.get("href" if tag == "a" else "datetime") or "" if tag != _TEXT else "")
        self.ends = list(range(len(self.tags)))
        for index in range(len(self.tags) - 1, 0, -1):
            parent_index = self.parents[index]
            self.ends[parent_index] = max(self.ends[parent_index], self.ends[index])
        self._lengths = list(accumulate((len(text) for text in self.texts), initial=0))

    def __len__(self) -> int:
        return len(self.tags)

    def inside(self, index: int) -> range:
        """The nodes of an element, itself included."""
        return range(index, self.ends[index] + 1)

    def size(self, index: int) -> int:
        """How many nodes an element has, itself included."""
        return self.ends[index] + 1 - index

    def length(self, index: int) -> int:
        """How many characters the texts of an element have."""
        return self._lengths[self.ends[index] + 1] - self._lengths[index]

    def text(self, index: int) -> str:
        """The text of an element."""
        return " ".join(text for node in self.inside(index) if (text := self.texts[node]))

    def ancestors(self, index: int) -> list[int]:
        """What a node lies in, innermost first, without the root."""
        found: list[int] = []
        while (index := self.parents[index]) > 0:
            found.append(index)
        return found
