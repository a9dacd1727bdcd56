"""The summary of a model as plain text that a newsletter may print without a check.

A model repeats what an item contains: tags, links, invisible characters, or the delimiters of the prompt. The text of a
source is cleaned before the model reads it; its summary is cleaned in the same way, and further, because a model also
writes markup of its own (Markdown).
"""

from __future__ import annotations

import re
from typing import Final

from vectora_normalize.sources.parse.text import clean_markup, truncate

MAX_SUMMARY_CHARACTERS: Final = 1000
"""Characters of a summary. Three plain sentences have some 500."""

_MAX_PASSES: Final = 8  # an entity may contain markup, whose text contains an entity, and so on
_MAX_READ: Final = 8 * MAX_SUMMARY_CHARACTERS  # characters of a model's summary that are processed
_LINK: Final = re.compile(r"!?\[([^\[\]]*)\]\((?:[^()]|\([^()]*\))*\)")  # Markdown; its text stays
_ADDRESS: Final = re.compile(
    r"<?\b(?:[a-z][a-z0-9+.-]{1,15}://|www\.|mailto:)[^\s<>]*[^\s<>.,;:!?)\]]>?", re.IGNORECASE
)
_EMPTY_BRACKETS: Final = re.compile(r"\(\s*\)|\[\s*\]")
_DELIMITER: Final = re.compile(r"<\s*/?\s*item\b[^<>]*>?|/?\bitem-[0-9a-f]{16}>?", re.IGNORECASE)
_TAG: Final = re.compile(r"<(?=[a-z/!?])", re.IGNORECASE)  # "p < 0.05" is none
_EMPHASIS: Final = re.compile(r"(\*{1,3}|_{2,3}|`{1,3}|~~)(?=\S)(.+?)(?<=\S)\1")
_FENCE: Final = re.compile(r"`{3,}\w*")
_LINE_MARK: Final = re.compile(r"^[ \t]*(?:#{1,6}|[-*+>])[ \t]+", re.MULTILINE)
_SPACE_BEFORE: Final = re.compile(r"\s+([.,;:!?])")


def plain_summary(text: str) -> str:
    """Return a summary on one line, without markup, links, invisible characters and the prompt's delimiters.

    Args:
        text: The summary as the model wrote it.

    Returns:
        At most ``MAX_SUMMARY_CHARACTERS`` characters; empty if nothing is left.
    """
    text = _LINE_MARK.sub("", text[:_MAX_READ])
    for _ in range(_MAX_PASSES):
        before = text
        text = _without_marks(_DELIMITER.sub(" ", clean_markup(text, _MAX_READ)))
        if text == before:
            break
    return truncate(_TAG.sub("\u2039", text), MAX_SUMMARY_CHARACTERS)


def _without_marks(text: str) -> str:
    text = _ADDRESS.sub("", _LINK.sub(r"\1", text))
    text = _EMPHASIS.sub(r"\2", _FENCE.sub("", text))
    return " ".join(_SPACE_BEFORE.sub(r"\1", _EMPTY_BRACKETS.sub("", text)).split())
