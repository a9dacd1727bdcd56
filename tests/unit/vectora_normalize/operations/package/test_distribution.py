"""A package has the code, requirements and version of the distribution that is imported now."""

from __future__ import annotations

import email
import importlib.metadata
import tomllib
from typing import TYPE_CHECKING

import bedrock_resilience
import vectora_normalize
from support.pages import ROOT
from vectora_normalize.operations.package import distribution
from vectora_normalize.operations.package.dependencies import requirements
from vectora_normalize.operations.package.target import Target

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def declared() -> set[str]:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    return set(extras["normalize"])


def test_in_a_clone_the_requirements_are_those_of_pyproject() -> None:
    assert {str(requirement) for requirement in distribution.declared_requirements()} == declared()


def test_in_an_installed_wheel_the_requirements_are_those_of_its_metadata(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    site = tmp_path / "site-packages"
    monkeypatch.setattr(vectora_normalize, "__file__", str(site / "vectora_normalize" / "__init__.py"))
    requires = ["plain>=1", "a>=2; extra == 'normalize'", "c; extra == 'cli'"]
    monkeypatch.setattr(importlib.metadata, "requires", {distribution.DISTRIBUTION: requires}.get)
    assert [requirement.name for requirement in distribution.declared_requirements()] == ["plain", "a", "c"]
    assert requirements(Target()) == ["a>=2", "plain>=1"]


def test_the_code_is_all_of_both_packages() -> None:
    code = dict(distribution.code())
    for module in (vectora_normalize, bedrock_resilience):
        assert code[f"{module.__name__}/__init__.py"].samefile(module.__file__ or "")
    assert "vectora_normalize/operations/package/distribution.py" in code
    assert {name.partition("/")[0] for name in code} == {"bedrock_resilience", "vectora_normalize"}


def test_the_metadata_have_name_and_version() -> None:
    name, text = distribution.metadata_file()
    assert name == f"bedrock_resilience-{bedrock_resilience.__version__}.dist-info/METADATA"
    message = email.message_from_bytes(text)
    assert (message["Name"], message["Version"]) == ("bedrock-resilience", bedrock_resilience.__version__)
