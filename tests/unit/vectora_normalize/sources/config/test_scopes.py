"""The watched names are those of the client's domains in the scope files, each once."""

from __future__ import annotations

import pytest

from vectora_normalize.items import KINDS
from vectora_normalize.sources.config.catalog import ClientConfig
from vectora_normalize.sources.config.safeyaml import ConfigurationError
from vectora_normalize.sources.config.scopes import resolve_scopes, scope_files, scope_key


def config(**names: tuple[str, ...]) -> ClientConfig:
    return ClientConfig(client_id="c", scope_names=tuple(names.items()))


def test_lists_are_joined_without_duplicates() -> None:
    data = b"one: [MedinCell, ' Camurus ', MedinCell]\ntwo:\n  - Camurus\n  - DelSiTech\nother: [Pfizer]\n"
    scopes = resolve_scopes(config(company_scope=("one", "two")), {"company_scope": data}).by_kind
    assert scopes["companies"] == ("MedinCell", "Camurus", "DelSiTech")
    assert set(scopes) == set(KINDS)
    assert all(names == () for kind, names in scopes.items() if kind != "companies")


def test_a_scope_may_be_a_mapping_of_lists() -> None:
    data = b"""
keywords:
  _metadata: {profile: complex, description: not names}
  core_phrases: [depot injection, long-acting]
  generic_terms: [PEG, depot injection]
  nothing: ~
  negative_terms: [oral tablet]
"""
    watched = resolve_scopes(config(technology_scope=("keywords",)), {"technology_scope": data})
    assert watched.by_kind["technologies"] == ("depot injection", "long-acting", "PEG")
    assert watched.unsupported == (f"{scope_key('technology_scope')}: keywords.negative_terms",)


def test_a_scope_may_be_empty() -> None:
    watched = resolve_scopes(config(indication_scope=("x", "y")), {"indication_scope": b"x: []\ny:\n"})
    assert watched.by_kind["indications"] == ()
    assert watched.unsupported == ()


def test_a_client_without_scopes_needs_no_file() -> None:
    assert scope_files(config()) == {}
    assert set(resolve_scopes(config(), {}).by_kind.values()) == {()}


def test_only_the_required_files_are_listed() -> None:
    assert scope_files(config(company_scope=("a",), trademark_scope=("b",))) == {
        "company_scope": "canonical/scopes/company_scopes.yaml",
        "trademark_scope": "canonical/scopes/trademark_scopes.yaml",
    }


def test_the_faults_of_all_files_are_listed() -> None:
    domains = config(company_scope=("gone",), molecule_scope=("m",), technology_scope=("t",), trademark_scope=("b",))
    files = {
        "company_scope": b"one: [a]\ntwo: [b]",
        "molecule_scope": b"m: [aspirin, 7]",
        "technology_scope": b"t: {x: [a], y: no list}",
        "trademark_scope": b"b: [",
    }
    with pytest.raises(ConfigurationError) as caught:
        resolve_scopes(domains, files)
    company, molecule, technology, trademark = caught.value.faults
    assert (
        company == f"{scope_key('company_scope')}: watch_domains: got 'gone'; accepted: a scope of this file: one, two"
    )
    assert molecule.startswith(f"{scope_key('molecule_scope')}: m[1]: got 7; accepted: a string")
    assert technology == f"{scope_key('technology_scope')}: t.y: got 'no list'; accepted: a list of strings"
    assert trademark.startswith(f"{scope_key('trademark_scope')}: invalid YAML in line ")
