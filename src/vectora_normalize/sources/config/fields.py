"""Typed access to the fields of a configuration file; all faults are collected and reported at once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, cast

from vectora_normalize.contract import show
from vectora_normalize.sources.config.safeyaml import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_INDEX: Final = re.compile(r"\[\d+\]")
_MAX_KEY_CHARACTERS: Final = 80  # of a key in a message
# They tell people something, and a program nothing.
_DESCRIPTIVE_KEYS: Final = frozenset({"notes", "description", "metadata", "_metadata"})
_ACCEPTED_STRING = "a string (in quotes, if it looks like a number, a date or yes/no)"


class Faults:
    """The faults of one file, or of one entry of it.

    Args:
        file: The name of the file.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self._texts: list[str] = []

    @property
    def texts(self) -> tuple[str, ...]:
        """The faults, in the order in which they were found."""
        return tuple(self._texts)

    def add(self, field: str, given: object, accepted: str) -> None:
        """Record that the value of a field is not accepted."""
        self._texts.append(f"{self.file}: {field}: got {show(given)}; accepted: {accepted}")

    def extend(self, texts: Iterable[str]) -> None:
        """Record faults that were found elsewhere."""
        self._texts.extend(texts)

    def raise_if_any(self) -> None:
        """Raise one exception with all faults; do nothing if there is none.

        Raises:
            ConfigurationError: There is at least one fault.
        """
        if self._texts:
            raise ConfigurationError(*self._texts)


class Fields:
    """A mapping of a configuration file; its fields are read with a check of their type.

    A field that is missing or null reads as its default. A field of a wrong type is recorded as a fault and also reads
    as its default, so that the other fields are checked as well.

    Args:
        values: The mapping.
        faults: Where faults are recorded.
        path: The path of the mapping in its file, such as ``sources[2].``.
    """

    def __init__(self, values: Mapping[str, Any], faults: Faults, path: str = "") -> None:
        self._values = values
        self._faults = faults
        self._path = path
        self._known: set[str] = set()
        self._children: list[Fields] = []

    @property
    def faults(self) -> tuple[str, ...]:
        """The faults that were found so far, if this mapping records them."""
        return self._faults.texts

    def unread(self) -> Iterator[str]:
        """Yield the path of each value that was not read, such as ``sources[].tags``, once for all entries of a list.

        Values that are empty, and keys that only describe something, are left out.
        """
        found: dict[str, None] = {}
        for key, value in self._values.items():
            if key not in self._known and key not in _DESCRIPTIVE_KEYS and value not in (None, "", [], {}):
                found[_INDEX.sub("[]", self._path) + str(key)[:_MAX_KEY_CHARACTERS]] = None
        for child in self._children:
            found.update(dict.fromkeys(child.unread()))
        yield from found

    def refuse(self, name: str, given: object, accepted: str) -> None:
        """Record that the value of a field is not accepted."""
        self._faults.add(self._path + name, given, accepted)

    def string(self, name: str, default: str = "") -> str:
        """Return a string, stripped."""
        value = self._value(name)
        if value is None:
            return default
        if not isinstance(value, str):
            self.refuse(name, value, _ACCEPTED_STRING)
            return default
        return value.strip()

    def required_string(self, name: str) -> str:
        """Return a string that is neither missing nor empty."""
        value = self._value(name)
        string = self.string(name)
        if not string and (value is None or isinstance(value, str)):
            self.refuse(name, value, "a string that is not empty")
        return string

    def boolean(self, name: str, *, default: bool) -> bool:
        """Return true or false."""
        value = self._value(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.refuse(name, value, "true or false")
            return default
        return value

    def integer(self, name: str, default: int, *, least: int, most: int) -> int:
        """Return a whole number from ``least`` to ``most``."""
        value = self._value(name)
        if value is None:
            return default
        # bool is a subclass of int.
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self.refuse(name, value, f"a whole number from {least} to {most}")
            return default
        return value

    def strings(self, name: str) -> tuple[str, ...]:
        """Return a list of strings, stripped, without empty ones and without duplicates."""
        value = self._value(name)
        return () if value is None else read_strings(value, self._path + name, self._faults)

    def mapping(self, name: str) -> Fields:
        """Return a nested mapping; an empty one if it is missing."""
        value = self._value(name)
        mapping = _as_mapping(value)
        if mapping is None and value is not None:
            self.refuse(name, value, "a mapping")
        return self._child(mapping or {}, self._faults, f"{self._path}{name}.")

    def mappings(self, name: str, *, separate: bool = False) -> Iterator[Fields]:
        """Yield the mappings of a list; none if it is missing.

        Args:
            name: The field.
            separate: Whether each mapping records its faults on its own (``Fields.faults``), and not with those of the
                file.
        """
        value = self._value(name)
        members = _as_list(value)
        if members is None and value is not None:
            self.refuse(name, value, "a list of mappings")
        for number, member in enumerate(members or ()):
            path = f"{self._path}{name}[{number}]"
            mapping = _as_mapping(member)
            if mapping is None:
                self._faults.add(path, member, "a mapping")
            else:
                faults = Faults(self._faults.file) if separate else self._faults
                yield self._child(mapping, faults, f"{path}.")

    def _value(self, name: str) -> object:
        self._known.add(name)
        return self._values.get(name)

    def _child(self, values: Mapping[str, Any], faults: Faults, path: str) -> Fields:
        child = Fields(values, faults, path)
        self._children.append(child)
        return child


def read_strings(value: object, field: str, faults: Faults) -> tuple[str, ...]:
    """Return a list of strings, stripped, without empty ones and duplicates; record anything else as a fault."""
    members = _as_list(value)
    if members is None:
        faults.add(field, value, "a list of strings")
        return ()
    strings: dict[str, None] = {}
    for number, member in enumerate(members):
        if not isinstance(member, str):
            faults.add(f"{field}[{number}]", member, _ACCEPTED_STRING)
        elif stripped := member.strip():
            strings[stripped] = None
    return tuple(strings)


def _as_list(value: object) -> list[object] | None:
    return cast("list[object]", value) if isinstance(value, list) else None


def _as_mapping(value: object) -> Mapping[str, Any] | None:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None
