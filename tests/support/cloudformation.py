"""CloudFormation templates as CloudFormation reads them: parameters, conditions and functions evaluated."""

from __future__ import annotations

import copy
import functools
import re
from typing import TYPE_CHECKING, Any, Final, cast

import yaml

from support.pages import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

TEMPLATES: Final = sorted((ROOT / "infra").glob("*.yaml"))
_NO_VALUE: Final = object()
_PSEUDO: Final[dict[str, Any]] = {
    "AWS::AccountId": "123456789012",
    "AWS::NoValue": _NO_VALUE,
    "AWS::Partition": "aws",
    "AWS::Region": "eu-west-3",
}


class _Loader(yaml.SafeLoader):
    """Reads ``!If [...]`` as ``{"Fn::If": [...]}``, and so on."""


def _long_form(loader: _Loader, tag: str, node: yaml.Node) -> dict[str, Any]:
    name = tag if tag in {"Ref", "Condition"} else f"Fn::{tag}"
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)
        value = loader.construct_mapping(node, deep=True)
    if tag == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {name: value}


cast("Any", _Loader).add_multi_constructor("!", _long_form)


def load(template: Path) -> dict[str, Any]:
    """A template as it is written, with its functions in their long form."""
    return copy.deepcopy(_parsed(template))


@functools.cache  # a second of processor time each, and dozens of tests read the same ones
def _parsed(template: Path) -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.load(template.read_text("utf-8"), _Loader)  # noqa: S506 - derived from the safe one
    return parsed


def resources(template: Path, **parameters: object) -> dict[str, Any]:
    """The resources that a stack would have; a parameter that is not given has its default.

    A resource that is referred to becomes ``<name>``, its attributes as ``<name.Attribute>``.
    """
    parsed = _parsed(template)
    declared: Mapping[str, Any] = parsed["Parameters"]
    assert set(parameters) <= set(declared)
    values = {name: parameters.get(name, declaration.get("Default")) for name, declaration in declared.items()}
    assert None not in values.values(), f"{template.name} needs {[name for name in values if values[name] is None]}"
    stack = _Stack(parsed, values)
    return {
        name: stack.value(resource)
        for name, resource in parsed["Resources"].items()
        if stack.is_true(resource.get("Condition"))
    }


class _Stack:
    def __init__(self, parsed: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        self._conditions = parsed.get("Conditions", {})
        self._mappings = parsed.get("Mappings", {})
        self._values = {**_PSEUDO, **{name: f"<{name}>" for name in parsed["Resources"]}, **values}

    def is_true(self, condition: str | None) -> bool:
        return condition is None or bool(self.value(self._conditions[condition]))

    def value(self, node: Any) -> Any:  # noqa: ANN401 - any part of a template
        if isinstance(node, list):
            values = map(self.value, cast("list[object]", node))
            return [part for part in values if part is not _NO_VALUE]
        if not isinstance(node, dict):
            return node
        members = cast("dict[str, Any]", node)
        if len(members) == 1 and (name := next(iter(members))) in _FUNCTIONS:
            return _FUNCTIONS[name](self, members[name])
        pairs = ((name, self.value(part)) for name, part in members.items())
        return {name: part for name, part in pairs if part is not _NO_VALUE}

    def ref(self, name: str) -> Any:  # noqa: ANN401 - as above
        return self._values[name]

    def sub(self, text: str) -> str:
        def put_in(found: re.Match[str]) -> str:
            name = found[1]
            return str(self._values[name]) if name in self._values else f"<{name}>"

        return re.sub(r"\$\{([^!}]+)\}", put_in, text)

    def choose(self, arguments: list[Any]) -> Any:  # noqa: ANN401 - as above
        return self.value(arguments[1] if self.is_true(arguments[0]) else arguments[2])

    def find(self, arguments: list[Any]) -> Any:  # noqa: ANN401 - as above
        mapping, first, second = map(self.value, arguments)
        return self._mappings[mapping][str(first)][second]

    def get_attribute(self, arguments: list[str]) -> str:
        return f"<{'.'.join(arguments)}>"

    def equal(self, arguments: list[Any]) -> bool:
        first, second = map(self.value, arguments)
        return str(first) == str(second)

    def every(self, arguments: list[Any]) -> bool:
        return all(map(self.value, arguments))

    def negate(self, arguments: list[Any]) -> bool:
        return not self.value(arguments[0])

    def join(self, arguments: list[Any]) -> str:
        return str(arguments[0]).join(map(str, self.value(arguments[1])))

    def select(self, arguments: list[Any]) -> Any:  # noqa: ANN401 - as above
        return self.value(arguments[1])[int(arguments[0])]

    def split(self, arguments: list[Any]) -> list[str]:
        return str(self.value(arguments[1])).split(str(arguments[0]))


_FUNCTIONS: Final[dict[str, Callable[[_Stack, Any], Any]]] = {
    "Ref": _Stack.ref,
    "Condition": _Stack.is_true,
    "Fn::And": _Stack.every,
    "Fn::Equals": _Stack.equal,
    "Fn::FindInMap": _Stack.find,
    "Fn::GetAtt": _Stack.get_attribute,
    "Fn::If": _Stack.choose,
    "Fn::Join": _Stack.join,
    "Fn::Not": _Stack.negate,
    "Fn::Select": _Stack.select,
    "Fn::Split": _Stack.split,
    "Fn::Sub": _Stack.sub,
}
