"""What is written in two places agrees, and every suppression has its reason."""

from __future__ import annotations

import ast
import doctest
import hashlib
import importlib
import importlib.metadata
import re
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement

import bedrock_resilience
from support.pages import ROOT
from vectora_normalize.operations.package import Target
from vectora_normalize.operations.package.dependencies import pinned_requirements, requirements

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SRC = ROOT / "src"
MODULES = sorted(SRC.rglob("*.py"))
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
LOCK = [line for line in (ROOT / "lock.txt").read_text("utf-8").splitlines() if not line.lstrip().startswith("#")]
APACHE_2_0 = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"

# A reason stands behind the codes on the same line, after a dash or a second hash; the next line may share it.
SUPPRESSION = re.compile(
    r"#\s*(?P<what>noqa|type: ignore|pyright: ignore|pragma: no cover|pragma: no branch|pragma: no mutate)"
    r"(?P<codes>: *[A-Z]+\d+(?:, *[A-Z]+\d+)*|\[[\w, -]+\])?(?P<reason>.*)"
)


def modules_of(package: str) -> set[str]:
    """The modules and packages directly inside a package."""
    found = {path.stem for path in (SRC / package).glob("*.py")}
    found |= {path.parent.name for path in (SRC / package).glob("*/__init__.py")}
    return found - {"__init__"}


def layers_of(package: str) -> list[set[str]]:
    """The layers of import-linter's contract, the lowest first."""
    contracts = PROJECT["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract.get("containers") == [package]]
    return [set(re.findall(r"\w+", layer)) for layer in reversed(layers)]


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(SRC).with_suffix("").parts).removesuffix(".__init__")


def canonical(requirement: str) -> str:
    """The name of a distribution, without extras and versions, as the package index spells it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", requirement)[0]).lower()


def statements(block: ast.AST) -> Iterator[ast.AST]:
    """All statements of a block and of the blocks in it, without their expressions, which are most of the nodes."""
    for field in ("body", "orelse", "handlers", "finalbody", "cases"):
        for node in getattr(block, field, ()):
            yield node
            yield from statements(node)


def imported(path: Path) -> set[str]:
    """The top-level packages that a file imports, wherever in it."""
    names: set[str] = set()
    for node in statements(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def test_the_version_is_written_once() -> None:
    assert importlib.metadata.version("bedrock-resilience") == bedrock_resilience.__version__
    assert "version" in PROJECT["project"]["dynamic"]


def test_the_changelog_tells_of_this_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    section = re.search(
        rf"^## {re.escape(bedrock_resilience.__version__)} — (unreleased|\d{{4}}-\d\d-\d\d)$", changelog, re.MULTILINE
    )
    assert section is not None


def test_the_license_is_apache_2_0_to_the_letter() -> None:
    assert hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest() == APACHE_2_0
    assert PROJECT["project"]["license"] == "Apache-2.0"


@pytest.mark.parametrize("package", ["bedrock_resilience", "vectora_normalize"])
def test_the_architecture_page_lists_the_layers_that_import_linter_checks(package: str) -> None:
    page = (ROOT / "docs" / "explanation" / "architecture.md").read_text("utf-8")
    table = page.partition(f"### {package}\n")[2].partition("\n#")[0]
    listed = {module: int(layer) for layer, module in re.findall(r"^\| (\d+) \| `(\w+)` \|", table, re.MULTILINE)}
    assert set(listed) == modules_of(package) - {"_version"}
    numbers = sorted(set(listed.values()))
    assert [{module for module in listed if listed[module] == number} for number in numbers] == layers_of(package)


def test_every_public_module_is_in_the_reference() -> None:
    pages = [page.read_text("utf-8") for page in (ROOT / "docs" / "reference").glob("*.md")]
    described = {name for page in pages for name in re.findall(r"^::: ([\w.]+)$", page, re.MULTILINE)}
    public = {name for path in MODULES if not re.search(r"\._", name := module_name(path))}
    expected = {name for name in public if name.startswith("bedrock_resilience.")}
    # The command line describes itself; what the shared pace exports is on the page of its package.
    assert described == expected - {"bedrock_resilience.cli", "bedrock_resilience.pacing.shared"}


def test_the_reference_tells_where_each_name_of_the_package_is_described() -> None:
    index = (ROOT / "docs" / "reference" / "index.md").read_text("utf-8")
    table = index.partition("| page | names |")[2]
    for page, names in re.findall(r"^\| \[(\w+)\]\(\w+\.md\) \| (.*) \|$", table, re.MULTILINE):
        module = importlib.import_module(f"bedrock_resilience.{page}")
        assert [name for name in re.findall(r"`(\w+)`", names) if not hasattr(module, name)] == []
    assert set(re.findall(r"`(\w+)`", table)) == set(bedrock_resilience.__all__) - {"__version__"}


@pytest.mark.parametrize("path", [path for path in MODULES if ">>>" in path.read_text("utf-8")], ids=module_name)
def test_the_examples_in_docstrings_are_true(path: Path) -> None:
    tested = doctest.testmod(importlib.import_module(module_name(path)), optionflags=doctest.ELLIPSIS)
    assert tested.attempted > 0
    assert tested.failed == 0


def test_every_suppression_in_the_source_has_its_reason() -> None:
    bare: list[str] = []
    for path in MODULES:
        explained = None
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            found = SUPPRESSION.search(line)
            if found is None:
                explained = None
            elif re.search(r"\w", found["reason"]):
                explained = found["what"], found["codes"]
            elif explained != (found["what"], found["codes"]):
                bare.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert bare == []


def test_the_guide_of_the_tests_lists_those_that_run_every_night_only() -> None:
    guide = (ROOT / "tests" / "README.md").read_text("utf-8").partition("## Nightly\n")[2].partition("\n## ")[0]
    listed = set(re.findall(r"^\| `([\w/]+\.py)`", guide, re.MULTILINE))
    marked = {
        path.relative_to(ROOT / "tests").as_posix()
        for path in (ROOT / "tests").rglob("*.py")
        if re.search(r"\bmark\.nightly\b", path.read_text("utf-8"))
    }
    # The extras are marked where their fixture is defined.
    assert {name.replace("conftest.py", "test_extras.py") for name in marked} == listed


def declared_requirements() -> list[str]:
    """The requirements of all extras and of all dependency groups."""
    lists = [*PROJECT["project"]["optional-dependencies"].values(), *PROJECT["dependency-groups"].values()]
    return [requirement for requirements in lists for requirement in requirements if isinstance(requirement, str)]


def test_every_package_that_is_imported_is_declared() -> None:
    provided = importlib.metadata.packages_distributions()
    declared = {canonical(requirement) for requirement in declared_requirements()}
    undeclared: set[str] = set()
    for path in [*MODULES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]:
        for name in imported(path) & provided.keys():
            if not {canonical(distribution) for distribution in provided[name]} & declared:
                undeclared.add(f"{path.relative_to(ROOT)}: {name}")
    assert undeclared == set()


def test_the_lock_names_one_version_of_each_package_and_no_place_to_get_it_from() -> None:
    assert [line for line in LOCK if not re.fullmatch(r"[\w.-]+==[\w.!+]+( ; [\w.'\"*<>=!() ]+)?", line)] == []
    unmarked = [canonical(line) for line in LOCK if ";" not in line]
    assert len(unmarked) == len(set(unmarked))


def test_the_lock_has_a_version_for_every_declared_requirement() -> None:
    versions: dict[str, list[str]] = {}
    for line in LOCK:
        name, _, version = line.partition(" ;")[0].partition("==")
        versions.setdefault(name, []).append(version)
    site = PROJECT["dependency-groups"]["site"]  # `make site` adds it, every night: the gate has no browser
    for requirement in map(Requirement, [text for text in declared_requirements() if text not in site]):
        locked = versions.get(canonical(requirement.name), [])
        assert locked, requirement
        assert all(version in requirement.specifier for version in locked), requirement


def test_the_requirements_of_the_package_are_those_of_the_lock_with_hashes() -> None:
    for python in ("3.11", "3.12", "3.13", "3.14"):
        lines = pinned_requirements(ROOT / "infra" / "requirements.txt", Target(python))
        assert {line.partition(" ")[0] for line in lines} <= {line.partition(" ")[0] for line in LOCK}
        names = {canonical(line) for line in lines}
        assert {canonical(text) for text in requirements(Target(python))} <= names


def test_only_lower_bounds_are_asked_of_users() -> None:
    extras = [text for texts in PROJECT["project"]["optional-dependencies"].values() for text in texts]
    operators = {bound.operator for text in extras for bound in Requirement(text).specifier}
    assert operators == {">="}


def test_the_application_imports_public_places_of_the_library_only() -> None:
    private = re.compile(r"^bedrock_resilience(\.\w+)*\._(?!version)")
    found = [
        f"{path.relative_to(ROOT)}: {node.module}"
        for path in (SRC / "vectora_normalize").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module and private.match(node.module)
    ]
    assert found == []
