"""YAML files from untrusted hands: plain data within limits.

No tags that build objects. Size, depth, aliases and merges are limited before anything is built, so that a file of a
kilobyte cannot become a gigabyte.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final, cast

from vectora_normalize.contract import ErrorType, RunRefusedError

MAX_BYTES: Final = 1024 * 1024
"""Bytes of a file. Real ones have some ten kilobytes."""

MAX_DEPTH: Final = 40
"""Levels of nested lists and mappings."""

MAX_ALIASES: Final = 100
"""Aliases (references to an anchor) in a file."""

MAX_MERGED: Final = 10_000
"""Keys of a mapping after its merge keys are resolved. PyYAML merges equal keys once (6.0.4), but sets no limit: a
large mapping merged into ``MAX_ALIASES`` others would multiply a file."""


class ConfigurationError(RunRefusedError):
    """A configuration file that cannot be used, with all its faults.

    Args:
        faults: One sentence each: the file, the field, what was given, what is accepted.
    """

    def __init__(self, *faults: str) -> None:
        super().__init__(ErrorType.INVALID_CONFIGURATION, *faults)


def read_mapping(data: bytes, file: str) -> dict[str, Any]:
    """Return the mapping of a YAML file.

    Args:
        data: The content of the file.
        file: The name of the file, for messages.

    Raises:
        ConfigurationError: Not valid YAML, not a mapping, or beyond a limit.
    """
    import yaml  # noqa: PLC0415 - loaded by the first file

    if len(data) > MAX_BYTES:
        raise ConfigurationError(f"{file}: got {len(data)} bytes; accepted: at most {MAX_BYTES}")
    try:
        _check_structure(data, file)
        value: object = yaml.load(data, Loader=_loader())  # noqa: S506 - a SafeLoader, further restricted
    except yaml.MarkedYAMLError as error:
        where = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigurationError(f"{file}: invalid YAML{where}: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: for example the date 2026-13-45
        raise ConfigurationError(f"{file}: invalid YAML: {str(error)[:200]}") from None
    if not isinstance(value, dict):
        raise ConfigurationError(f"{file}: got {type(value).__name__}; accepted: a mapping")
    return cast("dict[str, Any]", value)


def _check_structure(data: bytes, file: str) -> None:
    """Check depth and number of aliases from the events of the parser, before anything is built."""
    import yaml  # noqa: PLC0415 - as above

    depth = aliases = 0
    for event in yaml.parse(data, Loader=_base_loader()):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.AliasEvent):
            aliases += 1
        if depth > MAX_DEPTH:
            raise ConfigurationError(f"{file}: nested too deeply; accepted: {MAX_DEPTH} levels")
        if aliases > MAX_ALIASES:
            raise ConfigurationError(f"{file}: too many aliases; accepted: {MAX_ALIASES}")


def _base_loader() -> Any:  # noqa: ANN401 - two classes without a common base
    import yaml  # noqa: PLC0415 - as above

    return yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader


@cache
def _loader() -> Any:  # noqa: ANN401 - a class that is made at run time
    """Return the safe loader with a limit on merge keys (``<<``)."""
    import yaml  # noqa: PLC0415 - as above

    class Loader(_base_loader()):  # type: ignore[misc]  # the base is chosen at run time
        def flatten_mapping(self, node: yaml.MappingNode) -> None:
            super().flatten_mapping(node)  # pyright: ignore[reportUnknownMemberType] - as above
            if len(node.value) > MAX_MERGED:
                raise yaml.constructor.ConstructorError(
                    None, None, f"more than {MAX_MERGED} keys after merging", node.start_mark
                )

    return Loader
