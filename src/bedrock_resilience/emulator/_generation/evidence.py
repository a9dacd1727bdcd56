"""The input of the extractor: the text to read, and lists of names to look for in it."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bedrock_resilience.emulator._generation.words import stems

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bedrock_resilience.emulator._protocol.conversation import Conversation

Hints = tuple[tuple[str, tuple[str, ...]], ...]
"""Labelled lists: the label before the colon, and the members of the list after it."""

_LABELLED: Final = re.compile(r"^[\s>*#•-]*[\"'`*]*(?P<label>[^\n:.!?,]{2,80}?)[\"'`*]*\s*[:=][ \t]*(?P<rest>.*)$")
_BULLET: Final = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s+(?P<member>\S.*)$")
_TAGGED: Final = re.compile(r"<(?P<tag>[A-Za-z][\w.-]*)(?:\s[^<>]*)?>(?P<body>.*?)</(?P=tag)\s*>", re.DOTALL)
_TAG: Final = re.compile(r"</?[A-Za-z][^<>]*>")
_FENCED: Final = re.compile(
    r"^[ \t]*(?P<fence>```|\"\"\"|'''|-{3,}|={3,}|~{3,}|#{3,})[^\n]*\n(?P<body>.*?)^[ \t]*(?P=fence)",
    re.DOTALL | re.MULTILINE,
)
_BEGUN: Final = re.compile(r"^\W*(?:BEGIN|START)\b[^\n]*\n(?P<body>.*?)^\W*(?:END|STOP)\b", re.DOTALL | re.MULTILINE)
_TITLED: Final = re.compile(r"\s*(?:title|headline|subject)[ \t]*:[ \t]*(?P<title>[^\n]+)", re.IGNORECASE)
_QUOTES: Final = "\"'`[](){} \t."
_MAX_MEMBER_CHARACTERS: Final = 80
# A list within an undelimited text is a hint only if its label says so.
_HINTING: Final = re.compile(
    r"known|candidate|possible|allowed|accepted|hint|scope|vocabular|list of|watch", re.IGNORECASE
)
_CONTENT_TAGS: Final = frozenset(
    {"article", "body", "content", "data", "document", "input", "item", "news", "page", "passage", "source", "text"}
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a response may be made of.

    Attributes:
        text: The text to extract from.
        hints: The labelled lists of the prompt around it.
        title: The title, if the text begins with a ``Title:`` line; else empty.
    """

    text: str
    hints: Hints = ()
    title: str = ""

    @property
    def stems(self) -> frozenset[str]:
        """The stems of all words in the text."""
        return stems(self.text)


def evidence_of(conversation: Conversation) -> Evidence:
    """Split a conversation into text and hints.

    The text is the user's last message; if a part of it is delimited (XML tags, a fence, BEGIN and END), that part.
    The hints are those of the system prompt and of the text around the delimited part.
    """
    message = conversation.last_user_message.text
    text = _delimited(message)
    if text is not None:
        return _evidence(_untagged(text), _hints(conversation.system) + _hints(message.replace(text, "")))
    hinting, rest = _split_hints(message)
    return _evidence(rest, _hints(conversation.system) + _hints(hinting))


def _evidence(text: str, hints: Hints) -> Evidence:
    titled = _TITLED.match(text)
    if titled is None:
        return Evidence(text, hints)
    return Evidence(f"{titled['title']}\n{text[titled.end() :]}".strip(), hints, titled["title"])


def _delimited(message: str) -> str | None:
    tagged = [(_names_content(match["tag"]), match["body"]) for match in _TAGGED.finditer(message)]
    if tagged:
        return max(tagged, key=lambda found: (found[0], len(found[1])))[1]
    bodies = [match["body"] for pattern in (_BEGUN, _FENCED) for match in pattern.finditer(message)]
    return max(bodies, key=len) if bodies else None


def _names_content(tag: str) -> bool:
    """Whether a tag such as `item` or `item-3f2a` names its content as the material."""
    return re.split(r"[^a-z]", tag.lower())[0] in _CONTENT_TAGS


def _untagged(text: str) -> str:
    return _TAG.sub("\n", text).strip()


def _split_hints(message: str) -> tuple[str, str]:
    """The lines that give hints, and the others."""
    hinting: list[str] = []
    rest: list[str] = []
    for line in message.splitlines():
        labelled = _LABELLED.match(line)
        (hinting if labelled and _HINTING.search(labelled["label"]) else rest).append(line)
    return "\n".join(hinting), "\n".join(rest)


@functools.lru_cache(maxsize=64)  # the same system prompt comes with every item of a run
def _hints(prompt: str) -> Hints:
    return tuple((label, members) for label, members in _lists(prompt) if members)


def _lists(prompt: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    for match in _TAGGED.finditer(prompt):
        yield match["tag"], _members(_TAG.sub("\n", match["body"]).strip())
    label = ""
    bullets: list[str] = []
    for line in prompt.splitlines():
        bullet = _BULLET.match(line)
        labelled = _LABELLED.match(line)
        if labelled:
            yield label, tuple(bullets)
            label, bullets = labelled["label"], []
            yield label, _members(labelled["rest"])
        elif bullet and label:
            bullets += _members(bullet["member"])
    yield label, tuple(bullets)


def _members(text: str) -> tuple[str, ...]:
    # A name may contain a comma where something else separates the members.
    separator = next((separator for separator in ";|\n" if separator in text), ",")
    members = [member.strip(_QUOTES) for member in text.split(separator)]
    return tuple(dict.fromkeys(member for member in members if 1 < len(member) <= _MAX_MEMBER_CHARACTERS))
