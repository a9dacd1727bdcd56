"""Extracts single facts from a text: names of a kind, the option that matches, a number, a sentence."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from bedrock_resilience.emulator._generation.words import appears_in, names, sentences, shaped, stems, words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bedrock_resilience.emulator._generation.evidence import Evidence

MAX_NAMES: Final = 20
_MAX_SUMMARY_CHARACTERS: Final = 400
_MAX_NAME_CHARACTERS: Final = 80
_OTHER: Final = ("other", "others", "unknown", "none", "unspecified", "misc", "miscellaneous", "autre", "na", "n/a")
_NUMBER: Final = re.compile(r"(?<![\w.])-?\d+(?:[,\u202f ]\d{3})*(?:\.\d+)?")
_DATE: Final = re.compile(r"\b\d{4}-\d{2}-\d{2}\b")
_TITLE: Final = frozenset({"title", "headli", "subjec", "head"})
_NAMING: Final = frozenset(
    {"author", "brand", "compan", "drug", "molecu", "name", "organi", "person", "produc", "tradem"}
)
_DATED: Final = frozenset({"date", "day"})
_LANGUAGE: Final = frozenset({"langua", "locale"})


class TextReader:
    """Answers single questions about one text. A question is the name of the property to fill."""

    def __init__(self, evidence: Evidence) -> None:
        self.text: str = evidence.text
        self._title = evidence.title
        self._stems = evidence.stems
        self._hints = evidence.hints

    def mentions(self, question: str) -> bool:
        """Whether the text has every word of the question."""
        wanted = stems(" ".join(words(question)))
        return bool(wanted) and wanted <= self._stems

    def names(self, question: str, description: str = "") -> list[str]:
        """Names of the kind in question: those that hints list and the text contains, and those of a typical shape."""
        wanted = stems(" ".join(words(question)))
        overlaps = [len(stems(" ".join(words(label))) & wanted) for label, _ in self._hints]
        best = max(overlaps, default=0)
        candidates = [
            member
            for (_, members), overlap in zip(self._hints, overlaps, strict=True)
            if overlap == best > 0
            for member in members
        ]
        candidates += _listed_in(description)
        found = [name for name in dict.fromkeys(candidates) if appears_in(name, self.text)]
        by_shape = shaped(wanted, self.text)
        if by_shape is None:
            # Where the prompt lists names, other capitalised words would be noise beside them.
            by_shape = [] if candidates or self._hints else names(self.text)
        # ``Acme`` and ``Acme AB`` are one name; the prompt's spelling takes precedence over that of the text.
        listed = " | ".join(found)
        further = [name for name in by_shape if not appears_in(name, listed)]
        found += [name for name in further if not any(appears_in(known, name) for known in found)]
        return found[:MAX_NAMES]

    def choice(self, options: Sequence[str], question: str, explained: str = "") -> str:
        """The option with the highest score; without any, one that means ``other``; else the first."""
        scores = {option: self.score(option, explained) for option in options}
        best = max(options, key=lambda option: scores[option])
        if scores[best] > 0:
            return best
        if stems(" ".join(words(question))) & _LANGUAGE:
            return next((option for option in options if option.lower().startswith("en")), options[0])
        return next((option for option in options if option.lower() in _OTHER), options[0])

    def score(self, option: str, explained: str = "") -> float:
        """How well the text matches an option: 2 for all of its own words, 1 for each word that the prompt adds."""
        if option.lower() in _OTHER:
            return 0
        own = stems(" ".join(words(option)))
        listed = [members for label, members in self._hints if label.strip().casefold() == option.casefold()]
        match = re.search(rf"\b{re.escape(option)}\b[\"'`]*\s*[:=(]\s*([^;\n)]*)", explained)
        texts = [" ".join(members) for members in listed] + ([match.group(1)] if match else [])
        further = stems(" ".join(texts)) - own
        return 2 * len(own & self._stems) / max(1, len(own)) + len(further & self._stems)

    def number(self, question: str) -> float:
        """The first number in a sentence that has a word of the question; 0 without one."""
        wanted = stems(" ".join(words(question)))
        for sentence in sentences(self.text):
            number = _NUMBER.search(sentence)
            if number and wanted & stems(sentence):
                return float(re.sub(r"[^\d.-]", "", number.group()))
        return 0.0

    def phrase(self, question: str, description: str = "") -> str:
        """A text: a title, a date, a name or a language where the question names one, else the first sentences."""
        wanted = stems(" ".join(words(question)))
        found = sentences(self.text) or [""]
        if wanted & _TITLE:
            return self._title or found[0]
        if wanted & _DATED:
            date = _DATE.search(self.text)
            return date.group() if date else ""
        if wanted & _NAMING:
            return next(iter(self.names(question, description)), "")
        return "en" if wanted & _LANGUAGE else self.summary()

    def summary(self) -> str:
        """The first sentences; those after the title, if there are any."""
        found = sentences(self.text.removeprefix(self._title)) or sentences(self.text) or [""]
        summary = found[0]
        for sentence in found[1:]:
            if len(summary) + len(sentence) >= _MAX_SUMMARY_CHARACTERS:
                break
            summary = f"{summary} {sentence}"
        return summary[:_MAX_SUMMARY_CHARACTERS]


def _listed_in(description: str) -> list[str]:
    """Names that a description lists: after a colon, ``such as`` or ``e.g.``."""
    listed = re.search(r"(?::|such as|e\.g\.|one of|among)\s*(.+)", description)
    found = re.split(r"[,;|]|\bor\b|\band\b", listed.group(1)) if listed else []
    return [name for part in found if 1 < len(name := part.strip(" .\"'`()")) <= _MAX_NAME_CHARACTERS]
