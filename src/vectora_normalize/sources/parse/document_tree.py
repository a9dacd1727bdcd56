"""The tree of a page as flat lists: the nodes in document order, each with its parent and its last descendant.

The search for articles inspects thousands of elements several times; with flat lists each inspection is an index.
"""

from __future__ import annotations

from itertools import accumulate
from typing import Final

from vectora_normalize.sources.parse.text import clean_text

_TEXT: Final = "-text"  # the tag of text nodes in selectolax


class DocumentTree:
    """The nodes of a page, identified by their index in document order.

    Args:
        html: Balanced, shallow HTML, as ``sanitize_html`` returns it.

    Attributes:
        tags: The tag of each element; empty for a text node.
        parents: The index of each node's parent; 0, the root, is its own parent.
        last_descendants: The index of each node's last descendant; its own index if it has none.
        texts: The cleaned text of each text node; empty for elements.
        values: The ``href`` of each link and the ``datetime`` of each ``time`` element; empty for other nodes.
    """

    def __init__(self, html: str) -> None:
        from selectolax.lexbor import LexborHTMLParser  # noqa: PLC0415 - not loaded by a cold start without pages

        self.tags: list[str] = []
        self.parents: list[int] = []
        self.texts: list[str] = []
        self.values: list[str] = []
        root = LexborHTMLParser(html).root
        index_of: dict[int, int] = {}
        for node in root.traverse(include_text=True) if root else ():
            tag = node.tag or ""
            text = clean_text(node.text_lexbor()) if tag == _TEXT else ""
            if tag == _TEXT and not text:
                continue
            index_of[node.mem_id] = len(self.tags)
            parent = node.parent
            self.parents.append(index_of.get(parent.mem_id, 0) if parent else 0)
            self.tags.append("" if tag == _TEXT else tag)
            self.texts.append(text)
            self.values.append(node.attributes.get("href" if tag == "a" else "datetime") or "" if tag != _TEXT else "")
        self.last_descendants = list(range(len(self.tags)))
        for index in range(len(self.tags) - 1, 0, -1):
            parent_index = self.parents[index]
            self.last_descendants[parent_index] = max(self.last_descendants[parent_index], self.last_descendants[index])
        self._lengths = list(accumulate((len(text) for text in self.texts), initial=0))

    def __len__(self) -> int:
        return len(self.tags)

    def subtree(self, index: int) -> range:
        """Return the indices of an element and of its descendants."""
        return range(index, self.last_descendants[index] + 1)

    def size(self, index: int) -> int:
        """Return the number of nodes of an element's subtree."""
        return self.last_descendants[index] + 1 - index

    def text_length(self, index: int) -> int:
        """Return the number of characters in the texts of an element."""
        return self._lengths[self.last_descendants[index] + 1] - self._lengths[index]

    def text(self, index: int) -> str:
        """Return the text of an element."""
        return " ".join(text for node in self.subtree(index) if (text := self.texts[node]))

    def ancestors(self, index: int) -> list[int]:
        """Return the ancestors of a node, innermost first, without the root."""
        ancestors: list[int] = []
        while (index := self.parents[index]) > 0:
            ancestors.append(index)
        return ancestors
