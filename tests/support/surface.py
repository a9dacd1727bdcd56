"""The public surface of ``bedrock_resilience`` as text: every public name with its signature and attributes.

``python -m support.surface`` writes the record that ``tests/unit/test_surface.py`` compares with (``make surface``).
"""

from __future__ import annotations

import dataclasses
import enum
import importlib
import inspect
import pkgutil
import re
from pathlib import Path
from typing import Any

import bedrock_resilience

RECORD = Path(__file__).parents[1] / "surface.txt"

# Characters of a default in a signature.
_MAX_DEFAULT = 60
# Modules that need a package which the record must not depend on.
OPTIONAL = {"bedrock_resilience.testing.strategies", "bedrock_resilience.testing.plugin"}


def modules() -> list[str]:
    """The public modules: those without an underscore anywhere in their name."""
    found = [bedrock_resilience.__name__]
    below = pkgutil.walk_packages(bedrock_resilience.__path__, "bedrock_resilience.")
    found += [module.name for module in below if "._" not in module.name]
    return sorted(found)


def names(module: str) -> list[str]:
    """The names that a public module exports."""
    return sorted(importlib.import_module(module).__all__)


def record() -> str:
    """The surface, one line for each name and attribute."""
    lines: list[str] = []
    for module in modules():
        lines.append(f"{module}")
        if module in OPTIONAL:
            continue
        for name in names(module):
            thing = getattr(importlib.import_module(module), name)
            lines += [f"  {line}" for line in _described(name, thing)]
    return "\n".join(lines) + "\n"


def _described(name: str, thing: Any) -> list[str]:  # noqa: ANN401 - anything may be exported
    if inspect.isclass(thing):
        return [f"class {name}{_signature(thing)}", *(f"  {line}" for line in _members(thing))]
    if callable(thing) and not isinstance(thing, type):
        return [f"def {name}{_signature(thing)}"]
    return [f"{name}: {type(thing).__name__}"]


def _members(cls: type[Any]) -> list[str]:
    if issubclass(cls, enum.Enum):
        return [f"{member.name} = {member.value!r}" for member in cls] + _attributes(cls, (enum.Enum,))
    return _attributes(cls, ())


def _attributes(cls: type[Any], without: tuple[type, ...]) -> list[str]:
    ignored = {name for base in (object, BaseException, Exception, *without) for name in dir(base)}
    found = {name for name in dir(cls) if not name.startswith("_")} - ignored
    found |= {name for name in _annotated(cls) if not name.startswith("_")}
    if dataclasses.is_dataclass(cls):
        found |= {field.name for field in dataclasses.fields(cls) if not field.name.startswith("_")}
    lines: list[str] = []
    for name in sorted(found):
        attribute = inspect.getattr_static(cls, name, None)
        if isinstance(attribute, enum.Enum):
            continue
        if isinstance(attribute, (staticmethod, classmethod)):
            lines.append(f"def {name}{_signature(getattr(cls, name))}")
        elif inspect.isfunction(attribute):
            lines.append(
                f"{'async ' if inspect.iscoroutinefunction(attribute) else ''}def {name}{_signature(attribute)}"
            )
        else:
            lines.append(name)
    return lines


def _annotated(cls: type) -> set[str]:
    """The attributes that a class declares, in its body or with a type in its ``__init__``."""
    declared = {name for base in cls.__mro__ for name in vars(base).get("__annotations__", {})}
    for base in cls.__mro__:
        init = inspect.unwrap(vars(base).get("__init__", base))
        if inspect.isfunction(init) and "<string>" not in init.__code__.co_filename:
            declared |= set(re.findall(r"^\s+self\.([a-z]\w*): ", inspect.getsource(init), re.MULTILINE))
    return declared


class _Default:
    """A default as it stands in the record: a long one, or one without a readable text, as dots."""

    def __init__(self, value: object) -> None:
        text = re.sub(r"^<(?:function|class) '?([\w.]+)'?(?: at 0x[0-9a-f]+)?>$", r"\1", repr(value))
        self._text = "..." if len(text) > _MAX_DEFAULT or " at 0x" in text else text

    def __repr__(self) -> str:
        return self._text


def _signature(thing: Any) -> str:  # noqa: ANN401 - as above
    try:
        signature = inspect.signature(thing)
    except (TypeError, ValueError):
        return ""
    parameters = [
        parameter if parameter.default is parameter.empty else parameter.replace(default=_Default(parameter.default))
        for parameter in signature.parameters.values()
    ]
    return str(signature.replace(parameters=parameters)).replace("'", "")


if __name__ == "__main__":
    RECORD.write_text(record(), "utf-8")
