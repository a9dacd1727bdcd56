"""The documentation as data: its pages, their code blocks and their links."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[2]

_FENCE: Final = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,})(?P<language>[^\s`{]*)(?P<rest>[^`]*)$")
_NO_RUN: Final = re.compile(r"<!--\s*no-run:(?P<reason>.*?)-->")
_LINK: Final = re.compile(
    r"(?<!!)\[[^\]]*\]\((?P<target>[^)\s]+)(?:\s+\"[^\"]*\")?\)|!\[[^\]]*\]\((?P<image>[^)\s]+)\)"
)
_HEADING: Final = re.compile(r"^#{1,6}\s+(?P<text>.+?)\s*(?:\{[^}]*#(?P<anchor>[\w-]+)[^}]*\})?$")
_INLINE_CODE: Final = re.compile(r"`[^`]*`")


@dataclass(frozen=True)
class Block:
    """One fenced block: where its first line of code stands, and the reason why it is not run, if it has one."""

    page: Path
    line: int
    language: str
    code: str
    no_run: str | None

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """Every page that readers are sent to."""
    guides = [
        ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "tests/README.md")
    ]
    return [*guides, *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in order, also those indented under a list or an admonition."""
    lines = page.read_text("utf-8").splitlines()
    number = 0
    while number < len(lines):
        opening = _FENCE.match(lines[number])
        number += 1
        if opening is None:
            continue
        start = number
        closing = re.compile(rf"^ *{opening['ticks']}\s*$")
        while number < len(lines) and not closing.match(lines[number]):
            number += 1
        indent = len(opening["indent"])
        code = "".join(f"{line[indent:]}\n" for line in lines[start:number])
        yield Block(page, start + 1, opening["language"], code, _reason_above(lines, start - 1))
        number += 1


def _reason_above(lines: list[str], fence: int) -> str | None:
    above = [line for line in lines[:fence] if line.strip()]
    marked = _NO_RUN.search(above[-1]) if above else None
    return marked["reason"].strip() if marked else None


def prose(page: Path) -> Iterator[tuple[int, str]]:
    """The lines outside fenced blocks, numbered from 1, without their inline code."""
    inside: str | None = None
    for number, line in enumerate(page.read_text("utf-8").splitlines(), 1):
        fence = _FENCE.match(line)
        if inside is None and fence is not None:
            inside = fence["ticks"]
        elif inside is not None:
            inside = None if line.strip() == inside else inside
        else:
            yield number, _INLINE_CODE.sub("", line)


def links(page: Path) -> Iterator[tuple[int, str]]:
    """Every link and image of a page, with its line."""
    for number, line in prose(page):
        for link in _LINK.finditer(line):
            yield number, link["target"] or link["image"]


def anchors(page: Path) -> frozenset[str]:
    """The anchors that the headings of a page get, on GitHub or in the built site."""
    found: set[str] = set()
    for line in page.read_text("utf-8").splitlines():
        heading = _HEADING.match(line)
        if heading is not None:
            plain = re.sub(r"[^\w\s-]", "", heading["text"]).strip().lower()
            found |= {re.sub(r"\s", "-", plain), re.sub(r"[-\s]+", "-", plain)}
            found |= {heading["anchor"]} if heading["anchor"] else set()
    return frozenset(found)
