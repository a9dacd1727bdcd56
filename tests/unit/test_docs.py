"""The documentation runs: its code is executed, its data parsed, its links followed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from types import ModuleType
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest
import yaml

from bedrock_resilience.emulator import BedrockEmulator
from support.pages import ROOT, Block, anchors, blocks, links, pages
from support.service_quotas import RECORDED, service_quotas

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PAGES = pages()
BLOCKS = [block for page in PAGES for block in blocks(page)]
# A block in any other spelling ("py", "sh") would slip through unread. Mermaid would fetch its renderer from elsewhere.
LANGUAGES = {"bash", "ini", "json", "powershell", "python", "text", "toml", "yaml"}


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def of_language(*languages: str) -> list[Block]:
    return [block for block in BLOCKS if block.language in languages and block.no_run is None]


EMULATOR_PAGE = ROOT / "docs" / "how-to" / "emulator.md"
# The lines that a reader without an AWS account runs before those of another page. Pages send the reader there.
START_THE_EMULATOR = next(block for block in blocks(EMULATOR_PAGE) if block.language == "python")
HINT = "emulator.md#run-the-examples-of-the-other-pages"


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[BedrockEmulator]:
    """What a reader without an AWS account has: the emulator of ``START_THE_EMULATOR``, and no other credentials."""
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(variable, raising=False)
    names: dict[str, Any] = {}  # not those of the page, which may be read alone
    with patch.dict(os.environ):
        exec(START_THE_EMULATOR.code, names)  # noqa: S102 - our own page
        with names["emulator"] as emulator:
            yield emulator


@pytest.fixture(scope="module")
def service_quotas_url() -> Iterator[str]:
    """A Service Quotas on loopback, for the same reason."""
    with service_quotas() as services:
        services.applied.update(RECORDED)
        yield services.url


@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(b.language == "python" for b in blocks(page))], ids=name
)
def test_the_python_of_a_page_runs_from_top_to_bottom(
    page: Path, emulator: BedrockEmulator, service_quotas_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_ENDPOINT_URL_SERVICE_QUOTAS", service_quotas_url)
    if page == EMULATOR_PAGE:  # it says that its clients need no credentials
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    module = ModuleType("documentation_page")  # types defined in a block look their module up by name
    monkeypatch.setitem(sys.modules, module.__name__, module)
    with patch.dict(os.environ):  # a page may set variables
        for block in blocks(page):
            if block.language == "python" and block.no_run is None and block != START_THE_EMULATOR:
                padded = "\n" * (block.line - 1) + block.code  # so that a traceback names the page's own line
                exec(compile(padded, str(page), "exec"), module.__dict__)  # noqa: S102 - running our own pages is the point
    for started in vars(module).values():
        if isinstance(started, BedrockEmulator):
            started.stop()
    if emulator.requests and page.parent == EMULATOR_PAGE.parent:
        assert HINT in page.read_text("utf-8"), "say what a reader without an AWS account does first"


def test_a_page_defines_the_names_that_its_code_uses(tmp_path: Path) -> None:
    """Also in the blocks that no test runs."""
    for page in PAGES:
        code = "\n".join(block.code for block in blocks(page) if block.language == "python")
        included = re.search(r'^--8<-- "', code, re.MULTILINE)  # files of the examples, which have tests of their own
        if included is None:
            (tmp_path / f"{name(page).replace(os.sep, '+')}.py").write_text(code, "utf-8")
    checked = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", "--select=F821", "--output-format=concise"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_says_what_it_is_and_why_it_is_not_run(block: Block) -> None:
    assert block.language in LANGUAGES
    assert block.no_run != "", "no-run needs a reason"


# compose() reads the structure without knowing the tags (CloudFormation's !Ref and !Sub).
PARSERS: dict[str, Callable[[str], object]] = {
    "json": json.loads,
    "toml": tomllib.loads,
    "yaml": lambda text: list(yaml.compose_all(text, yaml.SafeLoader)),
}


@pytest.mark.parametrize("block", of_language(*PARSERS), ids=str)
def test_data_parses(block: Block) -> None:
    assert PARSERS[block.language](block.code)


@pytest.mark.parametrize("block", of_language("bash"), ids=str)
def test_the_shell_understands_bash_blocks(block: Block) -> None:
    checked = subprocess.run(["bash", "-n"], input=block.code, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_within_the_project_lead_somewhere(page: Path) -> None:
    broken: list[str] = []
    for line, target in links(page):
        if "://" in target or target.startswith("mailto:") or "#bedrock_resilience." in target:
            continue  # mkdocstrings makes the last ones, and the strict build checks them
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        if not linked.exists() or (anchor and linked.suffix == ".md" and anchor not in anchors(linked)):
            broken.append(f"{name(page)}:{line}: {target}")
    assert broken == []


def test_the_readme_has_exactly_two_set_up_commands() -> None:
    commands = [block.code.strip() for block in blocks(ROOT / "README.md") if block.language == "bash"]
    assert len(commands) == 2
    run, test = commands
    assert "\n" not in run
    assert "\n" not in test
    assert run.endswith("vectora-normalize run --local examples/lai_weekly")
    assert test.startswith("python3 -m venv ")
    assert "/pytest" in test
