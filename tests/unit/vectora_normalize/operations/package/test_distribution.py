"""What a package is told of this distribution is what is imported now."""

from __future__ import annotations

import email
import importlib.metadata
import tomllib
from typing import TYPE_CHECKING

import bedrock_resilience
import vectora_normalize
from support.pages import ROOT
from vectora_normalize.operations.package import distribution as own
from vectora_normalize.operations.package.dependencies import requirements
from vectora_normalize.operations.package.target import Target

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def declared() -> set[str]:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    return set(extras["normalize"])


def test_a_clone_is_asked_for_what_it_declares_now() -> None:
    assert {str(asked) for asked in own.asked_for()} == declared()


def test_an_installed_wheel_is_asked_for_what_its_metadata_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    site = tmp_path / "site-packages"
    monkeypatch.setattr(vectora_normalize, "__file__", str(site / "vectora_normalize" / "__init__.py"))
    requires = ["plain>=1", "a>=2; extra == 'normalize'", "c; extra == 'cli'"]
    monkeypatch.setattr(importlib.metadata, "requires", {own.DISTRIBUTION: requires}.get)
    assert [asked.name for asked in own.asked_for()] == ["plain", "a", "c"]
    assert requirements(Target()) == ["a>=2", "plain>=1"]


def test_the_code_is_all_of_both_packages() -> None:
    code = dict(own.code())
    for module in (vectora_normalize, bedrock_resilience):
        assert code[f"{module.__name__}/__init__.py"].samefile(module.__file__ or "")
    assert "vectora_normalize/operations/package/distribution.py" in code
    assert {name.partition("/")[0] for name in code} == {"bedrock_resilience", "vectora_normalize"}


def test_the_metadata_name_the_version() -> None:
    name, text = own.metadata_file()
    assert name == f"bedrock_resilience-{bedrock_resilience.__version__}.dist-info/METADATA"
    message = email.message_from_bytes(text)
    assert (message["Name"], message["Version"]) == ("bedrock-resilience", bedrock_resilience.__version__)
