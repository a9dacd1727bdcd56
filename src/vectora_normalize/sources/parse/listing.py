"""Where the articles of a listing page are.

Listings are built in a hundred ways, but for a reader each article is a link with a title, a date near it, and perhaps
a few sentences. So the links are where it starts: those that read like titles. The box of an article is the largest
element around its link that holds no other article. Its date stands in that box; on pages without boxes (a heading, a
date, a paragraph, the next heading) it stands in the gap before or behind.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from vectora_normalize.sources.parse.dates import find_date, locate_date
from vectora_normalize.sources.parse.entries import MAX_ENTRIES
from vectora_normalize.sources.parse.text import count_words, is_prompt

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Sequence

    from vectora_normalize.sources.parse.outline import Outline

    ReadDate = Callable[[str], dt.date | None]

_HEADINGS: Final = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_ITEMS: Final = frozenset({"article", "li", "tr"})
_FURNITURE: Final = frozenset({"footer", "nav"})
_NEVER_A_BOX: Final = frozenset({"body", "html", "main", "-document"})
_LEAST_WORDS: Final = 3
_LEAST_LENGTH: Final = 20
_LEAST_CHARACTERS: Final = 8
_LONGEST_TITLE: Final = 300
_LONGEST_BOX: Final = 6_000  # characters; what is larger holds more than one article that we fail to see
_LONGEST_ITEM: Final = 2_000
_LEVELS_TO_HEADING: Final = 4
# Nodes of an element that is looked through for each link in it; without a limit, that is the square of a page.
_MOST_NODES: Final = 100
# What may stand before a date without saying more than that it is one.
_LABEL: Final = re.compile(
    r"\W*(?:(?:published|posted|released|updated|date)(?: on)?\W*)?(?:(?:mon|tues?|wed|thu|fri|sat|sun)[a-z]*\W*)?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Article:
    """An article of a listing.

    Args:
        title: Its title.
        link: Its address, absolute.
        summary: Whatever else the listing says of it; may be empty.
        published: Its date; None where none could be read.
    """

    title: str
    link: str
    summary: str
    published: dt.date | None


@dataclass(slots=True)
class _Candidate:
    """A link that reads like a title, while its article is being found."""

    link: str
    title: str
    node: int
    """The element that holds the title."""
    anchor: int
    """The link element."""
    box: int = 0
    gap: tuple[int, ...] = ()
    """Text nodes outside of the box that belong to the article."""
    published: dt.date | None = None


def find_articles(outline: Outline, links: Sequence[str], read_date: ReadDate) -> list[Article]:
    """The articles of a page, in the order in which they stand there.

    Args:
        outline: The page.
        links: The absolute address of each node that is a link; empty for others.
        read_date: The date that a text holds, if any.
    """
    candidates = _candidates(outline, links)
    _find_boxes(outline, candidates)
    for candidate in candidates:
        candidate.published = _date_inside(outline, candidate, read_date)
    _look_into_gaps(outline, candidates, read_date)
    return [_article(outline, candidate) for candidate in _plausible(outline, candidates)]


def _candidates(outline: Outline, links: Sequence[str]) -> list[_Candidate]:
    """The links that read like titles; one for each address, the one with the best title."""
    best: dict[str, _Candidate] = {}
    for anchor, link in enumerate(links):
        if not link or any(outline.tags[node] in _FURNITURE for node in outline.ancestors(anchor)):
            continue
        found = _title(outline, anchor)
        if found is None:
            continue
        title, node = found
        known = best.get(link)
        if known is None or (outline.tags[node] in _HEADINGS and outline.tags[known.node] not in _HEADINGS):
            best[link] = _Candidate(link, title, node, anchor)
        if len(best) >= MAX_ENTRIES:
            break
    ordered = sorted(best.values(), key=lambda candidate: candidate.anchor)
    return _one_for_each_item(outline, ordered)


def _title(outline: Outline, anchor: int) -> tuple[str, int] | None:
    """The title that a link stands for and the element that holds it; None if the link does not read like one."""
    heading = next((node for node in outline.inside(anchor) if outline.tags[node] in _HEADINGS), None)
    if heading is None:
        around = (node for node in outline.ancestors(anchor)[:2] if outline.size(node) <= _MOST_NODES)
        heading = next((node for node in around if outline.tags[node] in _HEADINGS), None)
    if heading is not None:
        text = outline.text(heading)
        return (text[:_LONGEST_TITLE], heading) if _is_title(text, words=2, length=8) else None
    text = outline.text(anchor)
    if is_prompt(text) or not text:
        return _heading_beside(outline, anchor)
    if len(text) > _LONGEST_TITLE:  # a whole card inside of a link: its first line is the title
        lines = ((outline.texts[node], node) for node in outline.inside(anchor))
        return next(((text, node) for text, node in lines if _is_title(text) and len(text) <= _LONGEST_TITLE), None)
    return (text, anchor) if _is_title(text) else None


def _heading_beside(outline: Outline, anchor: int) -> tuple[str, int] | None:
    """The heading that a "read more" belongs to: one without a link of its own, in the same box."""
    for node in outline.ancestors(anchor)[:_LEVELS_TO_HEADING]:
        if outline.size(node) > _MOST_NODES or outline.tags[node] in _NEVER_A_BOX:
            return None
        headings = [inner for inner in outline.inside(node) if outline.tags[inner] in _HEADINGS]
        if len(headings) > 1:
            return None
        if headings:
            text = outline.text(headings[0])
            linked = any(outline.tags[inner] == "a" for inner in outline.inside(headings[0]))
            return (text[:_LONGEST_TITLE], headings[0]) if text and not linked else None
    return None


def _is_title(text: str, *, words: int = _LEAST_WORDS, length: int = _LEAST_LENGTH) -> bool:
    counted = count_words(text)
    # Where each character is a word, as in Japanese, a title is shorter.
    long_enough = len(text) >= length or 2 * counted > len(text) >= _LEAST_CHARACTERS
    return counted >= words and long_enough and not is_prompt(text)


def _one_for_each_item(outline: Outline, candidates: Iterable[_Candidate]) -> list[_Candidate]:
    """Without the links inside of an item (of a list, of a table) that are not its title."""
    chosen: dict[int, _Candidate] = {}
    for candidate in candidates:
        item = next(
            (node for node in outline.ancestors(candidate.anchor) if _is_item(outline, node)), -candidate.anchor
        )
        rival = chosen.get(item)
        if rival is None or (_has_heading(outline, candidate) and not _has_heading(outline, rival)):
            chosen[item] = candidate
    return sorted(chosen.values(), key=lambda candidate: candidate.anchor)


def _has_heading(outline: Outline, candidate: _Candidate) -> bool:
    return outline.tags[candidate.node] in _HEADINGS


def _is_item(outline: Outline, node: int) -> bool:
    """Whether a list item or table row is one item, and not the frame of a whole page, as tables were once used."""
    if (
        outline.tags[node] not in {"li", "tr"}
        or outline.length(node) > _LONGEST_ITEM
        or outline.size(node) > _MOST_NODES
    ):
        return False
    return sum(outline.tags[inner] in _HEADINGS for inner in outline.inside(node)) <= 1


def _find_boxes(outline: Outline, candidates: Sequence[_Candidate]) -> None:
    """Give each candidate the largest element around it that holds no other."""
    low, high = [len(candidates)] * len(outline), [-1] * len(outline)
    for number, candidate in enumerate(candidates):
        for node in {candidate.anchor, candidate.node}:
            low[node] = high[node] = number
    for node in range(len(outline) - 1, 0, -1):
        parent = outline.parents[node]
        low[parent], high[parent] = min(low[parent], low[node]), max(high[parent], high[node])
    for number, candidate in enumerate(candidates):
        candidate.box = min(candidate.anchor, candidate.node)
        for node in outline.ancestors(candidate.anchor):  # pragma: no branch - `body` ends it at the latest
            alone = low[node] == high[node] == number
            if not alone or outline.tags[node] in _NEVER_A_BOX or outline.length(node) > _LONGEST_BOX:
                break
            candidate.box = node
            if outline.tags[node] in _ITEMS:
                break


def _date_inside(outline: Outline, candidate: _Candidate, read_date: ReadDate) -> dt.date | None:
    """The date in the box: from a `time` element, from what is not the title, at last from the title itself."""
    for node in outline.inside(candidate.box):
        if outline.tags[node] == "time" and (date := _instant(outline, node, read_date)):
            return date
    title = outline.inside(candidate.node)
    around = " ".join(
        text for node in outline.inside(candidate.box) if node not in title and (text := outline.texts[node])
    )
    return read_date(around) or read_date(candidate.title)


def _look_into_gaps(outline: Outline, candidates: Sequence[_Candidate], read_date: ReadDate) -> None:
    """Find dates outside of boxes: in what stands between a box and its neighbours under the same parent."""
    rows: dict[int, list[_Candidate]] = {}
    for candidate in candidates:
        rows.setdefault(outline.parents[candidate.box], []).append(candidate)
    for parent, row in rows.items():
        if any(candidate.published for candidate in row):
            continue
        ends = [outline.ends[candidate.box] for candidate in row]
        begins = [candidate.box for candidate in row]
        before = [
            _texts(outline, last + 1, begin, read_date) for last, begin in zip([parent, *ends], begins, strict=False)
        ]
        behind = [*before[1:], _texts(outline, ends[-1] + 1, outline.ends[parent] + 1, read_date)]
        # If there is a date before the first article, then dates stand before articles.
        date_leads = any(date for _, date in before[0])
        for candidate, lead, trail in zip(row, before, behind, strict=True):
            dated = [position for position, (_, date) in enumerate(lead if date_leads else trail) if date]
            if not dated:
                continue
            texts = lead if date_leads else trail
            candidate.published = texts[dated[-1 if date_leads else 0]][1]
            after_last = next((position for position, (_, date) in enumerate(trail) if date), len(trail))
            mine = trail[:after_last] if date_leads and candidate is not row[-1] else trail
            candidate.gap = tuple(node for node, _ in mine)


def _texts(outline: Outline, start: int, stop: int, read_date: ReadDate) -> list[tuple[int, dt.date | None]]:
    """The texts and `time` elements between two places, each with the date that it holds."""
    found: list[tuple[int, dt.date | None]] = []
    for node in range(start, stop):
        if outline.tags[node] == "time":
            found.append((node, _instant(outline, node, read_date)))
        elif outline.texts[node] and not _in_time(outline, node):
            found.append((node, read_date(outline.texts[node])))
    return found


def _instant(outline: Outline, node: int, read_date: ReadDate) -> dt.date | None:
    """The date of a `time` element."""
    return find_date(outline.values[node]) or read_date(outline.text(node))


def _in_time(outline: Outline, node: int) -> bool:
    return outline.tags[outline.parents[node]] == "time"


def _plausible(outline: Outline, candidates: Sequence[_Candidate]) -> list[_Candidate]:
    """The candidates that are articles: those with a date, and those that are built like one that has a date."""

    def shape(candidate: _Candidate) -> tuple[str, int, str]:
        parent = outline.parents[candidate.box]
        return outline.tags[candidate.box], parent if outline.tags[parent] != "div" else 0, outline.tags[candidate.node]

    shapes = {shape(candidate) for candidate in candidates if candidate.published}
    return [c for c in candidates if c.published or not shapes or shape(c) in shapes]


def _article(outline: Outline, candidate: _Candidate) -> Article:
    title = outline.inside(candidate.node)
    nodes = (*(node for node in outline.inside(candidate.box) if node not in title), *candidate.gap)
    texts = (outline.texts[node] for node in nodes if not _in_time(outline, node))
    summary = " ".join(text for text in texts if text and not _is_aside(text))
    return Article(candidate.title, candidate.link, _without_leading_date(summary), candidate.published)


def _without_leading_date(text: str) -> str:
    """The text without the date that it begins with, as it does where day, month and year are elements of their own."""
    found = locate_date(text)
    return text[found[2] :].lstrip(" ,.:|-\u2013\u2014") if found and found[1] == 0 else text


def _is_aside(text: str) -> bool:
    """Whether a text says nothing of the article: it is its date, or asks to read on."""
    if is_prompt(text):
        return True
    found = locate_date(text)
    return found is not None and _LABEL.fullmatch(text[: found[1]]) is not None and not text[found[2] :].strip(" .,)|")
