"""The articles of a listing page.

Listings are built in many ways, but to a reader each article is a link with a title, a date near it, and perhaps a few
sentences. So the search begins with the links whose text reads like a title. The container of an article is the largest
element around its link that contains no other article. Its date is in the container; on pages without containers (a
heading, a date, a paragraph, the next heading) it is in the gap before or after it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from vectora_normalize.sources.parse.dates import find_date, locate_date
from vectora_normalize.sources.parse.entries import MAX_ENTRIES
from vectora_normalize.sources.parse.text import count_words, is_call_to_action, is_read_more

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Sequence

    from vectora_normalize.sources.parse.document_tree import DocumentTree

    ReadDate = Callable[[str], dt.date | None]

_HEADINGS: Final = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_ITEM_ELEMENTS: Final = frozenset({"article", "li", "tr"})
_BOILERPLATE: Final = frozenset({"footer", "nav"})
_PAGE_ELEMENTS: Final = frozenset({"body", "html", "main", "-document"})
_MIN_TITLE_WORDS: Final = 3
_MIN_TITLE_LENGTH: Final = 20  # characters
_MIN_TITLE_LENGTH_WITHOUT_SPACES: Final = 8  # characters, in scripts like Japanese
_MAX_TITLE_LENGTH: Final = 300  # characters
_MAX_CONTAINER_LENGTH: Final = 6_000  # characters; a larger element has further articles that were not recognized
_MAX_ITEM_LENGTH: Final = 2_000  # characters
_MAX_LEVELS_TO_HEADING: Final = 4
# Nodes of an element that is searched once for each link in it; without a limit the time is quadratic in the page.
_MAX_NODES: Final = 100
_MAX_INNER_LINKS: Final = 3  # links in the text of an article with a heading; more are articles below a heading
_MIN_WORDS_AROUND: Final = 4  # words around a link that is part of a sentence
_INLINE_TAGS: Final = frozenset({"a", "span"})
_FILES: Final = (".doc", ".docx", ".pdf", ".ppt", ".pptx", ".xls", ".xlsx", ".zip")
# Text before a date that only labels it, such as "Published on: Friday, ".
_DATE_LABEL: Final = re.compile(
    r"\W*(?:(?:published|posted|released|updated|date)(?: on)?\W*)?(?:(?:mon|tues?|wed|thu|fri|sat|sun)[a-z]*\W*)?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Article:
    """An article of a listing.

    Args:
        title: The title.
        link: The absolute URL.
        summary: The other text of the article on the page; may be empty.
        published: The date; None if none could be read.
    """

    title: str
    link: str
    summary: str
    published: dt.date | None


@dataclass(slots=True)
class _Candidate:
    """A link whose text reads like a title, and what is known of its article so far."""

    link: str
    title: str
    node: int
    """The element with the title."""
    anchor: int
    """The link element."""
    container: int = 0
    gap: tuple[int, ...] = ()
    """Text nodes outside the container that belong to the article."""
    published: dt.date | None = None


def find_articles(tree: DocumentTree, links: Sequence[str], read_date: ReadDate) -> list[Article]:
    """Return the articles of a page, in the order of the page.

    Args:
        tree: The page.
        links: The absolute URL of each node that is a link; empty for other nodes.
        read_date: Returns the date in a text, or None.
    """
    candidates = _candidates(tree, links)
    _find_containers(tree, candidates)
    for candidate in candidates:
        candidate.published = _date_in_container(tree, candidate, read_date)
    _find_dates_in_gaps(tree, candidates, read_date)
    return [_article(tree, candidate) for candidate in _select_articles(tree, candidates)]


def _candidates(tree: DocumentTree, links: Sequence[str]) -> list[_Candidate]:
    """Return the links whose text reads like a title; for each URL the one with the best title."""
    best: dict[str, _Candidate] = {}
    for anchor, link in enumerate(links):
        if not link or any(tree.tags[node] in _BOILERPLATE for node in tree.ancestors(anchor)):
            continue
        located = _title(tree, anchor, links)
        if located is None:
            continue
        title, node = located
        current = best.get(link)
        if current is None or (tree.tags[node] in _HEADINGS and tree.tags[current.node] not in _HEADINGS):
            best[link] = _Candidate(link, title, node, anchor)
        if len(best) >= MAX_ENTRIES:
            break
    ordered = sorted(best.values(), key=lambda candidate: candidate.anchor)
    return _without_inner_links(tree, _one_per_item(tree, _one_per_title(ordered)))


def _title(tree: DocumentTree, anchor: int, links: Sequence[str]) -> tuple[str, int] | None:
    """Return the title of a link and the element with the title; None if the link has no text like a title."""
    heading = next((node for node in tree.subtree(anchor) if tree.tags[node] in _HEADINGS), None)
    if heading is None:
        nearest = (node for node in tree.ancestors(anchor)[:2] if tree.size(node) <= _MAX_NODES)
        heading = next((node for node in nearest if tree.tags[node] in _HEADINGS), None)
    if heading is not None:
        text = tree.text(heading)
        return (text[:_MAX_TITLE_LENGTH], heading) if _is_title(text, words=2, length=8) else None
    text = tree.text(anchor)
    if is_read_more(text) or not text:
        return _heading_nearby(tree, anchor)
    if is_call_to_action(text) or (tree.tags[_block(tree, anchor)] == "p" and _is_in_sentence(tree, anchor)):
        heading_of_link = _heading_nearby(tree, anchor, links)
        if heading_of_link is not None and _is_title(heading_of_link[0]):
            return heading_of_link
    if len(text) > _MAX_TITLE_LENGTH:  # the link contains a card; the first line of the card is the title
        lines = ((tree.texts[node], node) for node in tree.subtree(anchor))
        return next(((text, node) for text, node in lines if _is_title(text) and len(text) <= _MAX_TITLE_LENGTH), None)
    return (text, anchor) if _is_title(text) else None


def _heading_nearby(tree: DocumentTree, anchor: int, links: Sequence[str] | None = None) -> tuple[str, int] | None:
    """Return the heading of a "Read more" link: one near it that contains no link.

    Args:
        tree: The page.
        anchor: The link.
        links: The URLs of the links, if the heading must have this one only: that of a section has several.
    """
    for node in tree.ancestors(anchor)[:_MAX_LEVELS_TO_HEADING]:
        if tree.size(node) > _MAX_NODES or tree.tags[node] in _PAGE_ELEMENTS:
            return None
        headings = [inner for inner in tree.subtree(node) if tree.tags[inner] in _HEADINGS]
        if len(headings) > 1:
            return None
        if headings:
            if links is not None and {links[inner] for inner in tree.subtree(node)} - {"", links[anchor]}:
                return None
            text = tree.text(headings[0])
            linked = any(tree.tags[inner] == "a" for inner in tree.subtree(headings[0]))
            return (text[:_MAX_TITLE_LENGTH], headings[0]) if text and not linked else None
    return None


def _is_title(text: str, *, words: int = _MIN_TITLE_WORDS, length: int = _MIN_TITLE_LENGTH) -> bool:
    word_count = count_words(text)
    # If each character counts as a word, as in Japanese, titles are shorter.
    long_enough = len(text) >= length or 2 * word_count > len(text) >= _MIN_TITLE_LENGTH_WITHOUT_SPACES
    return word_count >= words and long_enough and not is_read_more(text)


def _one_per_title(candidates: Iterable[_Candidate]) -> list[_Candidate]:
    """Return one candidate for each title: the first link to a page, not that to an attachment."""
    chosen: dict[int, _Candidate] = {}
    for candidate in candidates:
        current = chosen.get(candidate.node)
        if current is None or (_is_file(current.link) and not _is_file(candidate.link)):
            chosen[candidate.node] = candidate
    return sorted(chosen.values(), key=lambda candidate: candidate.anchor)


def _is_file(link: str) -> bool:
    return link.partition("?")[0].lower().endswith(_FILES)


def _without_inner_links(tree: DocumentTree, candidates: Sequence[_Candidate]) -> list[_Candidate]:
    """Return the candidates without the links inside the text of an article that has a heading with a link."""
    headings, others = [0] * len(tree), [0] * len(tree)
    for candidate in candidates:
        (headings if _has_heading(tree, candidate) else others)[candidate.anchor] += 1
    for node in range(len(tree) - 1, 0, -1):
        headings[tree.parents[node]] += headings[node]
        others[tree.parents[node]] += others[node]

    def is_inner(candidate: _Candidate) -> bool:
        if _has_heading(tree, candidate):
            return False
        for node in tree.ancestors(candidate.anchor):
            if tree.tags[node] in _PAGE_ELEMENTS or tree.text_length(node) > _MAX_CONTAINER_LENGTH:
                return False
            if headings[node]:
                if headings[node] > 1 or others[node] > _MAX_INNER_LINKS:
                    return False
                if tree.tags[node] == "article" or _is_in_sentence(tree, candidate.anchor):
                    return True
                # One of several cards, of which a paragraph has all other links. Below the heading of a section, each
                # link has a paragraph of its own.
                block = _block(tree, candidate.anchor)
                is_card = headings[tree.parents[node]] > 1
                return is_card and tree.tags[block] == "p" and others[block] == others[node]
        return False

    return [candidate for candidate in candidates if not is_inner(candidate)]


def _is_in_sentence(tree: DocumentTree, anchor: int) -> bool:
    """Return whether a link has text around it that is more than a date."""
    block = _block(tree, anchor)
    if tree.size(block) > _MAX_NODES:
        return False
    link = tree.subtree(anchor)
    text = " ".join(text for node in tree.subtree(block) if node not in link and (text := tree.texts[node]))
    return count_words(text) >= _MIN_WORDS_AROUND and find_date(text) is None


def _block(tree: DocumentTree, anchor: int) -> int:
    """Return the element around a link that is no inline element, such as its paragraph."""
    return next((node for node in tree.ancestors(anchor) if tree.tags[node] not in _INLINE_TAGS), anchor)


def _one_per_item(tree: DocumentTree, candidates: Iterable[_Candidate]) -> list[_Candidate]:
    """Return one candidate for each article, list item or table row: its title, not the other links inside it."""
    chosen: dict[int, _Candidate] = {}
    for candidate in candidates:
        item = next((node for node in tree.ancestors(candidate.anchor) if _is_item(tree, node)), -candidate.anchor)
        current = chosen.get(item)
        if current is None or (_has_heading(tree, candidate) and not _has_heading(tree, current)):
            chosen[item] = candidate
    return sorted(chosen.values(), key=lambda candidate: candidate.anchor)


def _has_heading(tree: DocumentTree, candidate: _Candidate) -> bool:
    return tree.tags[candidate.node] in _HEADINGS


def _is_item(tree: DocumentTree, node: int) -> bool:
    """Return whether an article, list item or table row is one item; tables can also be the layout of a page."""
    if (
        tree.tags[node] not in _ITEM_ELEMENTS
        or tree.text_length(node) > _MAX_ITEM_LENGTH
        or tree.size(node) > _MAX_NODES
    ):
        return False
    return sum(tree.tags[inner] in _HEADINGS for inner in tree.subtree(node)) <= 1


def _find_containers(tree: DocumentTree, candidates: Sequence[_Candidate]) -> None:
    """Set the container of each candidate: the largest element around it that contains no other candidate."""
    # The lowest and the highest number of the candidates in each node.
    low, high = [len(candidates)] * len(tree), [-1] * len(tree)
    for number, candidate in enumerate(candidates):
        for node in {candidate.anchor, candidate.node}:
            low[node] = high[node] = number
    for node in range(len(tree) - 1, 0, -1):
        parent = tree.parents[node]
        low[parent], high[parent] = min(low[parent], low[node]), max(high[parent], high[node])
    for number, candidate in enumerate(candidates):
        candidate.container = min(candidate.anchor, candidate.node)
        for node in tree.ancestors(candidate.anchor):  # pragma: no branch - it ends at ``body`` at the latest
            only_one = low[node] == high[node] == number
            if not only_one or tree.tags[node] in _PAGE_ELEMENTS or tree.text_length(node) > _MAX_CONTAINER_LENGTH:
                break
            candidate.container = node
            if tree.tags[node] in _ITEM_ELEMENTS:
                break


def _date_in_container(tree: DocumentTree, candidate: _Candidate, read_date: ReadDate) -> dt.date | None:
    """Return the date in the container: of a ``time`` element, else of the text around the title, else of the title."""
    for node in tree.subtree(candidate.container):
        if tree.tags[node] == "time" and (date := _date_of_time_element(tree, node, read_date)):
            return date
    title = tree.subtree(candidate.node)
    text_around = " ".join(
        text for node in tree.subtree(candidate.container) if node not in title and (text := tree.texts[node])
    )
    return read_date(text_around) or read_date(candidate.title)


def _find_dates_in_gaps(tree: DocumentTree, candidates: Sequence[_Candidate], read_date: ReadDate) -> None:
    """Set dates from the gaps: the nodes between a container and its neighbors under the same parent."""
    rows: dict[int, list[_Candidate]] = {}
    for candidate in candidates:
        rows.setdefault(tree.parents[candidate.container], []).append(candidate)
    for parent, row in rows.items():
        if not any(candidate.published for candidate in row):
            _find_dates_in_row(tree, parent, row, read_date)


def _find_dates_in_row(tree: DocumentTree, parent: int, row: Sequence[_Candidate], read_date: ReadDate) -> None:
    """Set the dates of candidates whose containers have the same parent, from the gaps before or after them."""
    starts = [candidate.container for candidate in row]
    stops = [tree.last_descendants[container] + 1 for container in starts]
    before = [_texts(tree, stop, start, read_date) for stop, start in zip([parent + 1, *stops], starts, strict=False)]
    after = [*before[1:], _texts(tree, stops[-1], tree.last_descendants[parent] + 1, read_date)]
    # A date before the first article means that dates come before their articles.
    date_first = any(date for _, date in before[0])
    for candidate, gap_before, gap_after in zip(row, before, after, strict=True):
        gap = gap_before if date_first else gap_after
        dates = [date for _, date in gap if date]
        if not dates:
            continue
        candidate.published = dates[-1 if date_first else 0]
        own = gap_after
        if date_first and candidate is not row[-1]:  # the next date belongs to the next article
            own = gap_after[: next((position for position, (_, date) in enumerate(gap_after) if date), len(gap_after))]
        candidate.gap = tuple(node for node, _ in own)


def _texts(tree: DocumentTree, start: int, stop: int, read_date: ReadDate) -> list[tuple[int, dt.date | None]]:
    """Return the texts and ``time`` elements between two nodes, each with its date or None."""
    texts: list[tuple[int, dt.date | None]] = []
    for node in range(start, stop):
        if tree.tags[node] == "time":
            texts.append((node, _date_of_time_element(tree, node, read_date)))
        elif tree.texts[node] and not _is_in_time(tree, node):
            texts.append((node, read_date(tree.texts[node])))
    return texts


def _date_of_time_element(tree: DocumentTree, node: int, read_date: ReadDate) -> dt.date | None:
    """Return the date of a ``time`` element."""
    return find_date(tree.values[node]) or read_date(tree.text(node))


def _is_in_time(tree: DocumentTree, node: int) -> bool:
    return tree.tags[tree.parents[node]] == "time"


def _is_action(tree: DocumentTree, node: int) -> bool:
    """Return whether a text is a link that calls to an action, such as "Download the report"."""
    if not is_call_to_action(tree.texts[node]):
        return False
    parent = tree.parents[node]
    return "a" in {tree.tags[parent], tree.tags[tree.parents[parent]]}


def _select_articles(tree: DocumentTree, candidates: Sequence[_Candidate]) -> list[_Candidate]:
    """Return the candidates that are articles: those with a date, and those with the same structure as one of them."""

    def structure(candidate: _Candidate) -> tuple[str, int, str]:
        parent = tree.parents[candidate.container]
        return tree.tags[candidate.container], parent if tree.tags[parent] != "div" else 0, tree.tags[candidate.node]

    structures = {structure(candidate) for candidate in candidates if candidate.published}
    return [c for c in candidates if c.published or not structures or structure(c) in structures]


def _article(tree: DocumentTree, candidate: _Candidate) -> Article:
    title = tree.subtree(candidate.node)
    nodes = (*(node for node in tree.subtree(candidate.container) if node not in title), *candidate.gap)
    texts = (tree.texts[node] for node in nodes if not _is_in_time(tree, node) and not _is_action(tree, node))
    summary = " ".join(text for text in texts if text and not _is_date_or_read_more(text))
    return Article(candidate.title, candidate.link, _without_leading_date(summary), candidate.published)


def _without_leading_date(text: str) -> str:
    """Remove the date at the beginning of a text; day, month and year may be separate elements."""
    located = locate_date(text)
    return text[located[2] :].lstrip(" ,.:|-\u2013\u2014") if located and located[1] == 0 else text


def _is_date_or_read_more(text: str) -> bool:
    """Return whether a text is only a date, perhaps with a label such as "Published on", or a "Read more"."""
    if is_read_more(text):
        return True
    located = locate_date(text)
    if located is None:
        return False
    _, start, stop = located
    return _DATE_LABEL.fullmatch(text[:start]) is not None and not text[stop:].strip(" .,)|")
