"""The check of the language finds what the style forbids, leaves code and what the style allows, and names the line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from support.ci_scripts import load_script
from support.pages import ROOT

if TYPE_CHECKING:
    from pathlib import Path


prose = load_script("prose")
STYLE = prose.load()


def found(text: str, path: str = "docs/page.md") -> list[tuple[int, str, str]]:
    return [(finding.line, finding.rule, finding.text) for finding in prose.check_text(path, text, STYLE)]


FORBIDDEN = {
    "first-person": ["We retry the call.", "It is our client.", "Let's begin.", "I retry the call."],
    "gender": ["The reader opens his console."],
    "future": ["The client will retry.", "It shall wait.", "It'll wait.", "The\nclient won't wait."],
    "passive": ["The error is raised by the client.", "Items are usually read by\nthe worker."],
    "filler": ["Please retry.", "You simply call it.", "It is just a call.", "It is easy.", "Note that it waits."],
    "latin": ["A client, e.g. boto3.", "A client, i.e. boto3.", "Retries, pauses, etc.", "boto3 vs. httpx."],
    "wordy": ["Wait in order to retry.", "It utilizes a thread.", "It allows you to wait."],
    "timeless": ["It currently waits.", "The retry comes soon."],
    "direction": ["See above.", "The table below lists them.", "Click here for more."],
    "inclusive": ["Add it to the whitelist.", "A dummy client."],
    "exclamation": ["It works!", "Call `retry`!"],
    "ampersand": ["Retry & wait."],
    "repeated-word": ["It waits for the the client."],
    "heading-end": ["# Retry a call."],
    "heading-case": ["# Retry Every Call", "## How the Pacer works", "### Share: The Pace of Lambda"],
    "spelling": [
        "The behaviour.",
        "A cancelled call.",
        "It serialises them.",
        "The centre.",
        "A web site.",
        "Towards it.",
    ],
    "term": [
        "Tokens reserved in vain.",
        "The message comes back.",
        "Nobody waits.",
        "The client knows it.",
        "A sieve.",
    ],
    "sentence-length": [f"{'word ' * 35}end."],
    "old-name": ["Read `slows_everyone`.", "```python\nx = TokenAccount()\n```"],
}


@pytest.mark.parametrize(("rule", "text"), [(rule, text) for rule, texts in FORBIDDEN.items() for text in texts])
def test_a_rule_finds_what_it_forbids(rule: str, text: str) -> None:
    assert rule in {name for _, name, _ in found(text)}


def test_every_rule_has_a_case() -> None:
    assert {rule.name for rule in STYLE.rules} | {"heading-case", "sentence-length"} == set(FORBIDDEN)


@pytest.mark.parametrize(
    "text",
    [
        "The client retries the call, and returns the response.",
        "The error is raised by default.",
        "It returns as soon as the lease expires.",
        "The US region.",
        "Use `will`, `please` and `behaviour` in code.",
        "Use ``[e for e in ours]`` in code.",
        "```text\nPlease simply wait!\n```",
        "~~~text\nPlease simply wait!\n~~~",
        "<!-- We wait, please. -->",
        "---\ntitle: We wait\n---\n\nIt waits.",
        "[the pacer](https://example.com/simply/behaviour.html)",
        "`a != b` and a != b",
        "::: bedrock_resilience.cancelled",
        "# Call Amazon Bedrock from LangChain with AWS Lambda",
        "# `Retrier` and Step Functions",
        "| We |".replace("We", "`we`"),
        "Mean of 2 ms. A " + "long sentence " * 17 + ".",
        "The codes are " + "`code`, " * 40 + "and `code`.",
        "- One item of many words " + "a word " * 8 + "\n- another item with " + "one word " * 10,
    ],
)
def test_what_the_style_allows_passes(text: str) -> None:
    assert found(text) == []


PAGE = """# Title

It waits,
and then please
retries.

```python
wait()
```

- one
- simply two

| a | b |
|---|---|
| c | we |
"""


def test_a_finding_names_its_line_and_what_to_write() -> None:
    assert [(line, rule) for line, rule, _ in found(PAGE)] == [(4, "filler"), (12, "filler"), (16, "first-person")]
    finding = prose.check_text("docs/page.md", PAGE, STYLE)[-1]
    assert re.fullmatch(r"docs/page.md:16: first-person: 'we' -> .+ \(second person\)", str(finding))


MODULE = '''"""We wait."""

import logging

LIMIT = 3  # please wait
TEXT = "we please will simply"


# The caller
# simply waits.
def wait(seconds):
    """Wait.

    Please wait.

    Args:
        seconds: How long we wait.

    >>> wait("we")

    Example::

        we_wait()  # we

    Raises:
        ValueError: `we` will not wait.
    """
    logging.getLogger().warning("We wait for %s", seconds)
    option(help="Please wait.")
    raise ValueError(f"seconds: got {seconds}; we " "wait")
'''


def test_a_module_is_read_where_people_read_it() -> None:
    assert [(line, rule) for line, rule, _ in found(MODULE, "src/module.py")] == [
        (1, "first-person"),
        (5, "filler"),
        (10, "filler"),
        (14, "filler"),
        (17, "first-person"),
        (26, "future"),
        (28, "first-person"),
        (29, "filler"),
        (30, "first-person"),
    ]


def test_directives_to_tools_are_no_comments() -> None:
    assert found("x = 1  # noqa: S101 - we simply wait\n", "src/module.py") == []


def run(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    status = prose.main(arguments)
    return status, capsys.readouterr().out.splitlines()


def test_single_files_must_have_no_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text("It waits.\n", "utf-8")
    assert run([str(page)], capsys) == (0, ["0 findings, 0 accepted"])
    page.write_text("Please wait.\n", "utf-8")
    status, lines = run([str(page)], capsys)
    assert status == 1
    assert lines[0].startswith(f"{page}:1: filler: 'Please'")
    assert lines[1] == "1 findings, 0 accepted: filler 1"
    assert run(["--limit", "1", "--quiet", str(tmp_path)], capsys) == (0, ["1 findings, 1 accepted: filler 1"])


def test_an_exception_covers_its_file_rule_and_text_and_must_match_something(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = (ROOT / ".ci" / "prose.toml").read_text("utf-8").partition("[[exception]]")[0]
    rules += '[[exception]]\nfiles = "docs/*.md"\nrule = "filler"\ntext = "Please wait"\nreason = "a quotation"\n'
    path = tmp_path / "prose.toml"
    path.write_text(re.sub(r"^limit = \d+", "limit = 0", rules, flags=re.MULTILINE), "utf-8")
    style = prose.load(path)
    monkeypatch.setattr(prose, "load", lambda: style)
    page = tmp_path / "docs" / "page.md"
    page.parent.mkdir()
    page.write_text("# Page\n\nPlease wait.\n", "utf-8")
    assert run(["--root", str(tmp_path)], capsys) == (0, ["0 findings, 0 accepted"])
    page.write_text("# Page\n\nPlease go.\n", "utf-8")
    status, lines = run(["--root", str(tmp_path), "--limit", "1"], capsys)
    assert status == 1
    assert lines[-1] == "prose.toml: the exception 'Please wait' for docs/*.md matches nothing; remove it"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ('[[rule]]\nname = "x"\npattern = "x"\nreason = " "\n', "rule x: it needs a reason"),
        (
            '[[rule]]\nname = "x"\npattern = "x"\nreason = "y"\nkinds = ["z"]\n',
            r"rule x: kinds: got \['z'\]; accepted: ",
        ),
        (
            '[[exception]]\nfiles = "x"\nrule = "x"\ntext = "x"\nreason = ""\n',
            "an exception for x needs a text and a reason",
        ),
    ],
)
def test_rules_and_exceptions_without_a_reason_are_refused(entry: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "prose.toml"
    head = 'limit = 0\nmax_words = 35\nfiles = []\nnames = []\n[[rule]]\nname = "a"\npattern = "a"\nreason = "a"\n'
    path.write_text(head + entry, "utf-8")
    with pytest.raises(ValueError, match=message):
        prose.load(path)
