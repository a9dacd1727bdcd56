"""Scopes: the names that a client watches, resolved from its watch domains and the scope files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from vectora_normalize.sources.config.fields import Faults, read_texts
from vectora_normalize.sources.config.safeyaml import ConfigurationError, read_mapping

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from vectora_normalize.items import Scopes
    from vectora_normalize.sources.config.catalog import ClientConfig

KIND_OF_FIELD: Final = {
    "company_scope": "companies",
    "molecule_scope": "molecules",
    "technology_scope": "technologies",
    "trademark_scope": "trademarks",
    "indication_scope": "indications",
}
"""Field of a watch domain to the kind of names that its scope holds."""

_AGAINST: Final = "negative_terms"  # words that speak against a match; nobody watches them


def scope_key(field: str) -> str:
    """Where the scopes of a field are, in CONFIG_BUCKET: `company_scope` is in `company_scopes.yaml`."""
    return f"canonical/scopes/{field}s.yaml"


def scope_files(config: ClientConfig) -> dict[str, str]:
    """The files that a client's scopes are in: field of a watch domain to key."""
    return {field: scope_key(field) for field, _ in config.scope_names}


def resolve_scopes(config: ClientConfig, files: Mapping[str, bytes]) -> Scopes:
    """The names that a client watches, by kind, in the order and spelling of the scope files, each once.

    A scope is a list of names or a mapping of such lists, of which those whose name begins with `_` and
    `negative_terms` are left out.

    Args:
        config: The client.
        files: Field of a watch domain to the file of its scopes; see `scope_files`.

    Raises:
        ConfigurationError: With every fault of every file: no YAML, a scope that is missing, a name that is no text.
    """
    scopes: dict[str, tuple[str, ...]] = dict.fromkeys(KIND_OF_FIELD.values(), ())
    problems: list[str] = []
    for field, names in config.scope_names:
        file = scope_key(field)
        faults = Faults(file)
        try:
            known = read_mapping(files[field], file)
            found = [name for scope in names for name in _read_scope(known, scope, faults)]
            faults.raise_any()
        except ConfigurationError as error:
            problems.extend(error.faults)
        else:
            scopes[KIND_OF_FIELD[field]] = tuple(dict.fromkeys(found))
    if problems:
        raise ConfigurationError(*problems)
    return scopes


def _read_scope(known: Mapping[str, Any], scope: str, faults: Faults) -> Iterable[str]:
    if scope not in known:
        faults.add("watch_domains", scope, "a scope of this file: " + ", ".join(map(str, known)))
        return ()
    value = known[scope]
    if not isinstance(value, dict):
        return () if value is None else read_texts(value, scope, faults)
    lists = cast("dict[object, object]", value)
    kept = {str(name): each for name, each in lists.items() if not str(name).startswith("_") and name != _AGAINST}
    return [
        text for name, each in kept.items() if each is not None for text in read_texts(each, f"{scope}.{name}", faults)
    ]
