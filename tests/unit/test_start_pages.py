"""The pages for a start say what happens: their outputs are real, and their lists are those of the package."""

from __future__ import annotations

import contextlib
import io
import os
import re
import tomllib
from unittest.mock import patch

from bedrock_resilience import Fault
from support.pages import ROOT, blocks


def test_the_quickstart_prints_what_it_shows() -> None:
    page = ROOT / "docs" / "start" / "quickstart.md"
    names: dict[str, object] = {}
    previous = ""
    shown = 0
    with patch.dict(os.environ):
        os.environ.pop("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", None)
        for block in blocks(page):
            if block.language == "python":
                printed = io.StringIO()
                with contextlib.redirect_stdout(printed):
                    exec(compile(block.code, str(block), "exec"), names)  # noqa: S102 - running our own page is the point
                previous = printed.getvalue()
            elif previous:
                assert block.code == previous, str(block)
                previous, shown = "", shown + 1
    assert shown == 4


def test_the_page_on_installing_has_every_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    page = (ROOT / "docs" / "start" / "install.md").read_text("utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == set(project["optional-dependencies"])


def test_the_glossary_is_sorted_and_links_every_term() -> None:
    page = (ROOT / "docs" / "reference" / "glossary.md").read_text("utf-8")
    entries = re.findall(r"^\*\*(.+)\*\*\n:((?:.+\n)+)", page, re.MULTILINE)
    terms = [term.casefold() for term, _ in entries]
    assert terms == sorted(terms)
    assert [term for term, text in entries if "](" not in text] == []


def test_the_pages_count_the_faults() -> None:
    for name in ("README.md", "docs/index.md", "docs/reference/glossary.md"):
        assert re.findall(r"(\d+) (?:faults|values)", (ROOT / name).read_text("utf-8")) == [str(len(Fault))], name


def test_the_first_screen_of_the_readme_is_that_of_the_site() -> None:
    readme, home = (
        re.search(r"```text\n.+?\n## ", (ROOT / name).read_text("utf-8"), re.DOTALL)
        for name in ("README.md", "docs/index.md")
    )
    assert readme is not None
    assert home is not None
    # The site gives the picture a caption of its own; GitHub has none.
    without_caption = re.sub(r"<figcaption.*</figcaption>\n\n|</?figure.*>\n\n", "", home[0])
    assert without_caption != home[0]
    assert readme[0].replace("(docs/", "(") == without_caption
