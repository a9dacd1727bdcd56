"""Fields of a configuration file, read one by one, with every fault collected: an operator learns of all at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from vectora_normalize.contract import show
from vectora_normalize.sources.config.safeyaml import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Faults:
    """The faults of one file.

    Args:
        file: Its name.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self._found: list[str] = []

    def add(self, field: str, given: object, accepted: str) -> None:
        """Record that a field holds what is not accepted."""
        self._found.append(f"{self.file}: {field}: got {show(given)}; accepted: {accepted}")

    def raise_any(self) -> None:
        """End the reading.

        Raises:
            ConfigurationError: There was a fault.
        """
        if self._found:
            raise ConfigurationError(*self._found)


class Fields:
    """A mapping of a configuration file, whose fields are read with a check of their type.

    A field that is missing or null reads as its default. One of a wrong type is a fault, and reads as its default too,
    so that reading goes on.

    Args:
        values: The mapping.
        faults: Where faults go.
        path: Where the mapping stands in its file, such as `sources[2].`.
    """

    def __init__(self, values: Mapping[str, Any], faults: Faults, path: str = "") -> None:
        self._values = values
        self._faults = faults
        self._path = path

    def refuse(self, name: str, given: object, accepted: str) -> None:
        """Record that a field holds what is not accepted."""
        self._faults.add(self._path + name, given, accepted)

    def text(self, name: str, default: str = "") -> str:
        """A text, stripped."""
        value = self._values.get(name)
        if value is None:
            return default
        if not isinstance(value, str):
            self.refuse(name, value, "a text (in quotes, if it looks like a number, a date or yes/no)")
            return default
        return value.strip()

    def required(self, name: str) -> str:
        """A text that must not be missing or empty."""
        value = self._values.get(name)
        text = self.text(name)
        if not text and (value is None or isinstance(value, str)):
            self.refuse(name, value, "a text that is not empty")
        return text

    def flag(self, name: str, *, default: bool) -> bool:
        """True or false."""
        value = self._values.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.refuse(name, value, "true or false")
            return default
        return value

    def number(self, name: str, default: int, *, least: int, most: int) -> int:
        """A whole number."""
        value = self._values.get(name)
        if value is None:
            return default
        # bool is an int to Python, and true is no number.
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self.refuse(name, value, f"a whole number from {least} to {most}")
            return default
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts, stripped, without the empty ones and without repetitions."""
        value = self._values.get(name)
        return () if value is None else read_texts(value, self._path + name, self._faults)

    def group(self, name: str) -> Fields:
        """A mapping; an empty one where it is missing."""
        value = self._values.get(name)
        mapping = _as_mapping(value)
        if mapping is None and value is not None:
            self.refuse(name, value, "a mapping")
        return Fields(mapping or {}, self._faults, f"{self._path}{name}.")

    def groups(self, name: str) -> Iterator[Fields]:
        """A list of mappings; an empty one where it is missing."""
        value = self._values.get(name)
        members = _as_list(value)
        if members is None and value is not None:
            self.refuse(name, value, "a list of mappings")
        for number, each in enumerate(members or ()):
            path = f"{self._path}{name}[{number}]"
            mapping = _as_mapping(each)
            if mapping is None:
                self._faults.add(path, each, "a mapping")
            else:
                yield Fields(mapping, self._faults, f"{path}.")


def read_texts(value: object, field: str, faults: Faults) -> tuple[str, ...]:
    """A list of texts, stripped, without the empty ones and without repetitions; anything else is a fault."""
    members = _as_list(value)
    if members is None:
        faults.add(field, value, "a list of texts")
        return ()
    texts: dict[str, None] = {}
    for number, each in enumerate(members):
        if not isinstance(each, str):
            faults.add(f"{field}[{number}]", each, "a text (in quotes, if it looks like a number, a date or yes/no)")
        elif stripped := each.strip():
            texts[stripped] = None
    return tuple(texts)


def _as_list(value: object) -> list[object] | None:
    return cast("list[object]", value) if isinstance(value, list) else None


def _as_mapping(value: object) -> Mapping[str, Any] | None:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None
