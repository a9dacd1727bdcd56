"""Check the language of pages, docstrings, comments, the command line's help, and error and log texts.

Use: ``prose.py [--root DIRECTORY] [--limit NUMBER] [PATH...]``. Without a path it reads everything that ``prose.toml``
names. It prints one line for each finding, ``file:line: rule: text -> replacement (reason)``, then the number of
findings. It fails above the limit, and when an exception of ``prose.toml`` no longer matches anything.

The rules follow the Google developer documentation style. They are data: see ``prose.toml`` beside this file.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import sys
import tokenize
import tomllib
from collections import Counter
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

RULES_FILE: Final = Path(__file__).with_name("prose.toml")
PROSE: Final = frozenset({"heading", "page", "docstring", "comment", "help", "message"})
KINDS: Final = PROSE | {"raw"}

_FENCE: Final = re.compile(r"^\s*(`{3,}|~{3,})")
_COMMENT: Final = re.compile(r"<!--.*?-->", re.DOTALL)
_CODE: Final = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
_LINK_TARGET: Final = re.compile(r"\]\([^)]*\)|\]\[[^\]]*\]|\{[.:#][^}]*\}|<[^<>\s][^<>]*>|https?://\S+")
_LIST_ITEM: Final = re.compile(r"^\s*(?:[-*+]|\d+[.)])\s+")
_ADMONITION: Final = re.compile(r"^\s*(?:!!!|\?\?\?\+?|===)\s*[\w-]*\s*\"?")
_SECTION: Final = re.compile(r"^\s*(?:Args|Attributes|Example|Examples|Note|Raises|Returns|Yields|Warns):\s*$")
_ENTRY: Final = re.compile(r"^\s*(?:\*{0,2}[A-Za-z_][\w.]*(?:\[[^\]]*\])?(?: \([^)]*\))?|\x00+):\s")
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])[)\"*_]*\s+(?=[\"(*_]*(?:[A-Z0-9\x00]))|\x01")
_CODE_LIST: Final = re.compile(r"\x00+(?:(?:,|,? and|,? or)?\s+\x00+)+")
_DIRECTIVE: Final = re.compile(r"#\s*(?:noqa|type:|pyright:|pragma:|!)")
_LOG_METHODS: Final = frozenset({"debug", "info", "warning", "warn", "error", "exception", "critical", "echo", "print"})
_HELP_ARGUMENTS: Final = frozenset({"help", "epilog", "short_help", "description"})


@dataclass(frozen=True, slots=True)
class Unit:
    """One paragraph, heading, cell or string: its kind, and its text with code blanked out."""

    kind: str
    line: int
    text: str

    def line_of(self, offset: int) -> int:
        """The line of the file in which the character at `offset` is."""
        return self.line + self.text.count("\n", 0, offset)


@dataclass(frozen=True, slots=True)
class Rule:
    """One pattern that the text must not have."""

    name: str
    pattern: re.Pattern[str]
    use: str
    reason: str
    kinds: frozenset[str]

    def findings(self, unit: Unit) -> Iterator[tuple[int, str]]:
        """The offset and the text of each match."""
        if unit.kind in self.kinds:
            for match in self.pattern.finditer(unit.text):
                yield match.start(), _shown(match[0])


@dataclass(frozen=True, slots=True)
class Allowance:
    """One text that may stand although a rule matches it, and why."""

    files: str
    rule: str
    text: str
    reason: str

    def covers(self, found: Finding) -> bool:
        """Whether this exception is about that finding."""
        return fnmatch(found.path, self.files) and self.rule in {found.rule, "*"} and self.text in found.context


@dataclass(frozen=True, slots=True)
class Finding:
    """One place that breaks a rule."""

    path: str
    line: int
    rule: str
    text: str
    use: str
    reason: str
    context: str

    def __str__(self) -> str:
        replacement = f" -> {self.use}" if self.use else ""
        return f"{self.path}:{self.line}: {self.rule}: {self.text!r}{replacement} ({self.reason})"


@dataclass(frozen=True, slots=True)
class Style:
    """All rules, the exceptions, and the files that are read."""

    rules: tuple[Rule, ...]
    exceptions: tuple[Allowance, ...]
    names: frozenset[str]
    max_words: int
    limit: int
    files: tuple[str, ...]


def load(path: Path = RULES_FILE) -> Style:
    """Read the rules, and refuse one without a reason.

    Raises:
        ValueError: a rule or an exception lacks its reason, or names an unknown kind of text.
    """
    data: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
    rules = [_rule(entry) for entry in data["rule"]]
    exceptions = [Allowance(**entry) for entry in data.get("exception", [])]
    for entry in exceptions:
        if not entry.reason.strip() or not entry.text.strip():
            raise ValueError(f"{path.name}: an exception for {entry.files} needs a text and a reason")
    return Style(
        tuple(rules),
        tuple(exceptions),
        frozenset(data["names"]),
        data["max_words"],
        data["limit"],
        tuple(data["files"]),
    )


def _rule(entry: dict[str, Any]) -> Rule:
    if not entry["reason"].strip():
        raise ValueError(f"rule {entry['name']}: it needs a reason")
    kinds = frozenset(entry.get("kinds", PROSE))
    if kinds - KINDS:
        raise ValueError(f"rule {entry['name']}: kinds: got {sorted(kinds - KINDS)}; accepted: {sorted(KINDS)}")
    flags = 0 if entry.get("case") else re.IGNORECASE
    # A space of the pattern matches a line break, too.
    pattern = re.compile(entry["pattern"].replace(" ", r"\s+"), flags)
    return Rule(entry["name"], pattern, entry.get("use", ""), entry["reason"], kinds)


def _blank(text: str) -> str:
    """The text without its code, link targets and tags; each keeps its length, and code still counts as one word."""
    text = _COMMENT.sub(_spaces, text)
    text = _CODE.sub(lambda match: re.sub(r"[^\n]", "\x00", match[0]), text)
    return _LINK_TARGET.sub(_spaces, text)


def _shown(text: str) -> str:
    """The text on one line, with a short mark for each piece of code."""
    return " ".join(re.sub("\x00[\x00\\s]*\x00|\x00", "`...`", text).split())


def _spaces(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", match[0])


def units_of_markdown(text: str) -> Iterator[Unit]:
    """The headings, paragraphs, list items and table cells of a page; fenced code and front matter are left out."""
    lines = _without_fences(_COMMENT.sub(_spaces, text).splitlines())
    paragraph: list[str] = []
    start = 1
    for number, line in enumerate([*lines, ""], 1):
        heading = re.match(r"^#{1,6}\s+(.*?)\s*$", line)
        row = line.lstrip().startswith("|")
        begins = bool(_LIST_ITEM.match(line) or _ADMONITION.match(line))
        if paragraph and (not line.strip() or heading or row or begins):
            yield Unit("page", start, _blank("\n".join(paragraph)))
            paragraph = []
        if heading:
            yield Unit("heading", number, _blank(heading[1]))
        elif row:
            yield from _cells(number, line)
        elif line.strip():
            start = start if paragraph else number
            paragraph.append(_ADMONITION.sub("", _LIST_ITEM.sub("", line)))


def _cells(number: int, line: str) -> Iterator[Unit]:
    for cell in re.split(r"(?<!\\)\|", _blank(line)):
        if cell.strip(" -:"):
            yield Unit("page", number, cell.strip())


def _without_fences(lines: list[str]) -> list[str]:
    """The same lines, with those of fenced code and of the front matter empty."""
    kept: list[str] = []
    fence = "---" if lines[:1] == ["---"] else ""
    for number, line in enumerate(lines):
        match = _FENCE.match(line)
        if fence:
            closes = line.strip() == fence if number else False
            fence = "" if closes else fence
            kept.append("")
        elif match:
            fence = match[1]
            kept.append("")
        else:
            kept.append("" if line.lstrip().startswith((":::", "--8<--")) else line)
    return kept


def units_of_docstring(text: str, line: int) -> Iterator[Unit]:
    """The paragraphs and entries of a docstring; doctests and literal blocks are left out."""
    paragraph: list[str] = []
    start = line
    literal: int | None = None
    doctest = False
    text = _CODE.sub(lambda match: re.sub(r"[^\n]", "\x00", match[0]), text)
    for number, raw in enumerate([*text.splitlines(), ""], line):
        indent = len(raw) - len(raw.lstrip())
        doctest = bool(raw.strip()) and (doctest or raw.lstrip().startswith(">>>"))
        if literal is not None and raw.strip() and indent <= literal:
            literal = None
        code = doctest or literal is not None or raw.lstrip().startswith("|")
        starts = bool(_LIST_ITEM.match(raw) or _ENTRY.match(raw))
        if paragraph and (not raw.strip() or code or starts or _SECTION.match(raw)):
            yield Unit("docstring", start, _blank("\n".join(paragraph)))
            paragraph = []
        if code or not raw.strip() or _SECTION.match(raw):
            continue
        if raw.rstrip().endswith("::"):
            literal = indent
        start = start if paragraph else number
        paragraph.append(_ENTRY.sub("", _LIST_ITEM.sub("", raw)))


def units_of_comments(text: str) -> Iterator[Unit]:
    """The comments of a module; those on consecutive lines are one. Directives to tools are left out."""
    block: list[str] = []
    start = end = 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type != tokenize.COMMENT or _DIRECTIVE.match(token.string):
            continue
        alone = not token.line[: token.start[1]].strip()
        if block and not (alone and token.start[0] == end + 1):
            yield Unit("comment", start, _blank("\n".join(block)))
            block = []
        start = start if block else token.start[0]
        end = token.start[0] if alone else -1
        block.append(token.string.lstrip("#: "))
    if block:
        yield Unit("comment", start, _blank("\n".join(block)))


def units_of_python(text: str) -> Iterator[Unit]:
    """The docstrings, comments, help texts, and error and log texts of a module."""
    yield from units_of_comments(text)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node, clean=False)
            if docstring:
                yield from units_of_docstring(docstring, node.body[0].lineno)
        elif isinstance(node, ast.Raise) and node.exc is not None:
            yield from _strings(node.exc, "message")
        elif isinstance(node, ast.Call):
            yield from _texts_of_call(node)


def _texts_of_call(node: ast.Call) -> Iterator[Unit]:
    if isinstance(node.func, ast.Attribute) and node.func.attr in _LOG_METHODS:
        for argument in node.args:
            yield from _strings(argument, "message")
    for keyword in node.keywords:
        if keyword.arg in _HELP_ARGUMENTS:
            yield from _strings(keyword.value, "help")


def _strings(node: ast.AST, kind: str) -> Iterator[Unit]:
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str) and " " in node.value:
            yield Unit(kind, node.lineno, _blank(node.value))
    elif isinstance(node, ast.JoinedStr):
        parts = [part.value if isinstance(part, ast.Constant) else "\x00" for part in node.values]
        yield Unit(kind, node.lineno, _blank("".join(str(part) for part in parts)))
    else:
        for child in ast.iter_child_nodes(node):
            yield from _strings(child, kind)


def check_text(path: str, text: str, style: Style) -> list[Finding]:
    """All findings of one file, exceptions included."""
    units = units_of_python(text) if path.endswith((".py", ".pyi")) else units_of_markdown(text)
    raw = (Unit("raw", number, line) for number, line in enumerate(text.splitlines(), 1))
    found: dict[Finding, None] = {}
    for unit in (*units, *raw):
        for finding in _check_unit(path, unit, style):
            found.setdefault(finding)
    return sorted(found, key=lambda finding: (finding.line, finding.rule))


def _check_unit(path: str, unit: Unit, style: Style) -> Iterator[Finding]:
    context = " ".join(unit.text.split())
    for rule in style.rules:
        for offset, text in rule.findings(unit):
            yield Finding(path, unit.line_of(offset), rule.name, text, rule.use, rule.reason, context)
    if unit.kind == "heading":
        yield from _check_heading(path, unit, style)
    elif unit.kind in PROSE:
        yield from _check_length(path, unit, style)


def _check_length(path: str, unit: Unit, style: Style) -> Iterator[Finding]:
    offset = 0
    for sentence in _SENTENCE_END.split(unit.text):
        counted = _CODE_LIST.sub("\x00", sentence)  # a list of names is read as one
        words = sum(bool(re.search(r"[\w\x00]", word)) for word in counted.split())
        offset = unit.text.find(sentence, offset)
        if words > style.max_words:
            beginning = " ".join(_shown(sentence).split()[:6])
            yield Finding(
                path,
                unit.line_of(offset),
                "sentence-length",
                f"{beginning} ...",
                f"at most {style.max_words} words",
                f"it has {words}; one idea a sentence",
                " ".join(unit.text.split()),
            )


def _check_heading(path: str, unit: Unit, style: Style) -> Iterator[Finding]:
    """A heading is in sentence case: after its first word, only names and abbreviations have a capital letter."""
    text = re.sub(r"[*_\[\]()\"“”,;]", " ", unit.text)
    for name in sorted(style.names, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "", text)
    words = [word for part in re.split(r"[:.?] +", text) for word in part.split()[1:]]
    wrong = [word for word in words if re.fullmatch(r"[A-Z][a-z]+(?:[-'/][A-Za-z]+)*", word)]
    if wrong:
        reason = "a heading is in sentence case; a name belongs in `names` of prose.toml"
        yield Finding(path, unit.line, "heading-case", " ".join(wrong), "lower case", reason, unit.text)


def files_of(root: Path, style: Style, paths: Sequence[str]) -> list[Path]:
    """The files to read: those of `paths`, or all that the style names."""
    if not paths:
        return sorted({path for pattern in style.files for path in root.glob(pattern) if path.is_file()})
    found: list[Path] = []
    for text in paths:
        path = Path(text)
        found += sorted(p for p in path.rglob("*") if p.suffix in {".md", ".py"}) if path.is_dir() else [path]
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the findings and return the exit status."""
    parser = argparse.ArgumentParser(description="Check the language of pages and source files.")
    parser.add_argument("--root", type=Path, default=Path(__file__).parents[1], help="directory of the repository")
    parser.add_argument(
        "--limit", type=int, help="findings that are accepted; by default that of prose.toml, 0 with paths"
    )
    parser.add_argument("--quiet", action="store_true", help="print the numbers alone")
    parser.add_argument("paths", nargs="*", help="pages, modules or directories; everything by default")
    options = parser.parse_args(arguments)
    style = load()
    root: Path = options.root.resolve()
    used: Counter[Allowance] = Counter()
    findings: list[Finding] = []
    for path in files_of(root, style, options.paths):
        resolved = path.resolve()
        name = str(resolved.relative_to(root)) if resolved.is_relative_to(root) else str(path)
        for finding in check_text(name, path.read_text("utf-8"), style):
            covering = [entry for entry in style.exceptions if entry.covers(finding)]
            used.update(covering)
            if not covering:
                findings.append(finding)
    if not options.quiet:
        for finding in findings:
            print(finding)
    return _conclude(findings, options, style, used)


def _conclude(findings: list[Finding], options: argparse.Namespace, style: Style, used: Counter[Allowance]) -> int:
    by_rule = ", ".join(f"{name} {number}" for name, number in Counter(f.rule for f in findings).most_common())
    limit = options.limit if options.limit is not None else (0 if options.paths else style.limit)
    print(f"{len(findings)} findings, {limit} accepted" + (f": {by_rule}" if by_rule else ""))
    stale = [] if options.paths else [entry for entry in style.exceptions if not used[entry]]
    for entry in stale:
        print(f"prose.toml: the exception {entry.text!r} for {entry.files} matches nothing; remove it")
    return 1 if len(findings) > limit or stale else 0


if __name__ == "__main__":
    sys.exit(main())
