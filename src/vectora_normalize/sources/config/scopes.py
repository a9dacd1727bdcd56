"""Scopes: the names that a client watches, from its watch domains and the scope files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from vectora_normalize.items import Scopes  # noqa: TC001 - msgspec reads the annotations
from vectora_normalize.sources.config.fields import Faults, read_strings
from vectora_normalize.sources.config.safeyaml import ConfigurationError, read_mapping

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from vectora_normalize.sources.config.catalog import ClientConfig

KIND_OF_FIELD: Final = {
    "company_scope": "companies",
    "molecule_scope": "molecules",
    "technology_scope": "technologies",
    "trademark_scope": "trademarks",
    "indication_scope": "indications",
}
"""Field of a watch domain to the kind of names in its scope."""

_NEGATIVE_TERMS: Final = "negative_terms"  # the list of a scope with terms that rule a match out; they are not watched


def scope_key(field: str) -> str:
    """Return the object key, in ``CONFIG_BUCKET``, of the scopes of a field such as ``company_scope``."""
    return f"canonical/scopes/{field}s.yaml"


def scope_files(config: ClientConfig) -> dict[str, str]:
    """Return the files that contain the scopes of a client: field of a watch domain to object key."""
    return {field: scope_key(field) for field, _ in config.scope_names}


class WatchedNames(msgspec.Struct, frozen=True):
    """The names that a client watches.

    Args:
        by_kind: Kind to names.
        unsupported: The parts of its scopes that are not used, such as ``negative_terms``.
    """

    by_kind: Scopes
    unsupported: tuple[str, ...] = ()


def resolve_scopes(config: ClientConfig, files: Mapping[str, bytes]) -> WatchedNames:
    """Return the names that a client watches, by kind, in the order and spelling of the scope files, each once.

    A scope is a list of names or a mapping of such lists. Of a mapping, ``negative_terms`` and keys that begin with
    ``_`` are ignored.

    Args:
        config: The configuration of the client.
        files: Field of a watch domain to the content of the file of ``scope_files``.

    Raises:
        ConfigurationError: Lists the faults of all files: invalid YAML, a missing scope, a name that is not a string.
    """
    scopes: dict[str, tuple[str, ...]] = dict.fromkeys(KIND_OF_FIELD.values(), ())
    problems: list[str] = []
    unsupported: dict[str, None] = {}
    for field, names in config.scope_names:
        file = scope_key(field)
        faults = Faults(file)
        try:
            available = read_mapping(files[field], file)
            watched = [name for scope in names for name in _read_scope(available, scope, faults)]
            ignored = (f"{file}: {scope}.{key}" for scope in names for key in _ignored(available.get(scope)))
            unsupported.update(dict.fromkeys(ignored))
            faults.raise_if_any()
        except ConfigurationError as error:
            problems.extend(error.faults)
        else:
            scopes[KIND_OF_FIELD[field]] = tuple(dict.fromkeys(watched))
    if problems:
        raise ConfigurationError(*problems)
    return WatchedNames(scopes, tuple(unsupported))


def _ignored(scope: object) -> Iterable[str]:
    """Yield the keys of a scope's lists that are not watched."""
    keys = map(str, cast("dict[object, object]", scope)) if isinstance(scope, dict) else ()
    return (key for key in keys if key == _NEGATIVE_TERMS)


def _read_scope(available: Mapping[str, Any], scope: str, faults: Faults) -> Iterable[str]:
    if scope not in available:
        faults.add("watch_domains", scope, "a scope of this file: " + ", ".join(map(str, available)))
        return ()
    value = available[scope]
    if not isinstance(value, dict):
        return () if value is None else read_strings(value, scope, faults)
    lists = {str(key): names for key, names in cast("dict[object, object]", value).items()}
    return [
        name
        for key, names in lists.items()
        if names is not None and key != _NEGATIVE_TERMS and not key.startswith("_")
        for name in read_strings(names, f"{scope}.{key}", faults)
    ]
