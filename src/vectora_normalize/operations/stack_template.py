"""Merges the runtime template into the template of a deployed stack that has other functions, too.

CloudFormation deletes what a new template of a stack does not name, so ``infra/s1-runtime.yaml`` alone would delete the
other functions. The merged template has all that the stack has, and what the runtime template adds.

Templates are merged as YAML nodes, not as values, so that tags such as ``!Ref`` and the style of each text stay.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias, cast

import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

FUNCTION: Final = "IngestNormalizeFunction"
"""The logical id of the function, in deployed stacks and in the runtime template."""

PREFIX: Final = "Normalize"
"""In front of all other logical ids that a merge adds."""

_Members: TypeAlias = "dict[str, yaml.Node]"

_RENAMED: Final = ("Mappings", "Conditions", "Resources", "Outputs")
_SECTIONS: Final = ("Parameters", *_RENAMED)
_MERGED_FROM: Final = "MergedFrom"  # in the metadata of what a merge added, so that a later merge replaces it
_LOG_GROUP: Final = "LogGroup"  # not merged: that of a deployed function exists, in the stack or outside of it
_CREATES_LOG_GROUP: Final = "CreatesLogGroup"  # the condition of it
_REPLACED_PROPERTY: Final = "Role"  # the roles of old stacks allow less than the code needs
_IN_SUB: Final = re.compile(r"\$\{(\w+)(?=[.}])")  # ``${!Literal}`` is none
_FUNCTION_NAME: Final = re.compile(r"(\$\{ProjectName\}|[\w-]+)-ingest-normalize-(\$\{Env\}|dev|stage|prod)")


class TemplateError(Exception):
    """A template that cannot be merged; the message has the field, what was found, and what is accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedTemplate:
    """A merged template, and what became of its parts.

    Args:
        text: The template, as YAML.
        kept: Logical ids of the stack that stay as they are.
        added: Logical ids that the merge adds, or that an earlier merge added.
        function_kept: Properties of the function that stay as they are.
        function_changed: Properties of the function that the merge adds, changes or extends.
        parameters_kept: Parameters that the stack declares, and that the additions read, too.
        parameters_required: Parameters that the merge adds and that have no default.
    """

    text: str
    kept: tuple[str, ...]
    added: tuple[str, ...]
    function_kept: tuple[str, ...]
    function_changed: tuple[str, ...]
    parameters_kept: tuple[str, ...]
    parameters_required: tuple[str, ...]


def merge_templates(deployed: bytes, runtime: bytes) -> MergedTemplate:
    """Merge the runtime template into the template of a deployed stack.

    The stack's own resources stay as they are. The function keeps the properties and the environment variables that it
    has, so that callers, code and settings stay; it gets the role of the runtime template, and the properties and
    variables that it lacks. All else that is added has ``Normalize`` in front of its logical id. Parameters that both
    templates have are declared as the stack declares them, so that their deployed values stay. No log group is added,
    because a deployed function has one.

    Args:
        deployed: The template of the stack, as YAML or JSON, or the response of ``aws cloudformation get-template``.
        runtime: The content of ``infra/s1-runtime.yaml``.

    Raises:
        TemplateError: One of them is not a template, the stack lacks the function, or a logical id is taken.
    """
    document = _template(deployed, "the deployed template")
    stack = {section: _members(document.get(section)) for section in _SECTIONS}
    theirs = stack["Resources"]
    before = _function_properties(theirs)
    ours, parameters = _prefixed(_template(runtime, "the runtime template"))
    after = _members(_members(ours["Resources"].pop(FUNCTION))["Properties"])
    after.pop("PackageType", None)  # of a container image: the function keeps its code
    kept = [name for name, node in theirs.items() if name != FUNCTION and not _is_merged(node)]
    if taken := sorted(ours["Resources"].keys() & kept):
        raise TemplateError(f"Resources: the stack has {', '.join(taken)} of its own; accepted: names that are free")
    for node in ours["Resources"].values():
        _put(node, "Metadata", _mapping({_MERGED_FROM: _scalar("infra/s1-runtime.yaml")}))
    function = _merged(before, after)
    _put(theirs[FUNCTION], "Properties", _mapping(function))
    resources = {name: theirs[name] for name in (*kept, FUNCTION)} | ours["Resources"]
    outputs = stack["Outputs"] | ours["Outputs"]
    conditions = stack["Conditions"] | _needed(ours["Conditions"], [*resources.values(), *outputs.values()])
    needed = _needed(parameters, [*conditions.values(), *resources.values(), *outputs.values()])
    own = {name: node for name, node in needed.items() if name not in stack["Parameters"]}
    merged = {
        "Parameters": stack["Parameters"] | own,
        "Mappings": stack["Mappings"] | ours["Mappings"],
        "Conditions": conditions,
        "Resources": resources,
        "Outputs": outputs,
    }
    whole = document | {section: _mapping(members) for section, members in merged.items() if members}
    unchanged = [name for name, node in before.items() if _text(node) == _text(function[name])]
    return MergedTemplate(
        text=_text(_mapping(whole)),
        kept=tuple(kept),
        added=tuple(ours["Resources"]),
        function_kept=tuple(unchanged),
        function_changed=tuple(name for name in function if name not in unchanged),
        parameters_kept=tuple(name for name in needed if name not in own),
        parameters_required=tuple(name for name, node in own.items() if "Default" not in _members(node)),
    )


def _template(data: bytes, name: str) -> _Members:
    """Return the sections of a template."""
    try:
        node = yaml.compose(data, Loader=yaml.SafeLoader)
        body = _members(node).get("TemplateBody", node)  # of a response of ``get-template``: a text, or an object
        if isinstance(body, yaml.ScalarNode):
            body = yaml.compose(body.value, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise TemplateError(f"{name}: neither YAML nor JSON: {' '.join(str(error).split())[:200]}") from None
    sections = _members(body)
    if not _members(sections.get("Resources")):
        raise TemplateError(f"{name}: has no Resources; accepted: a CloudFormation template")
    for one in _nodes([body] if body else []):
        if isinstance(one, yaml.CollectionNode):
            one.flow_style = False  # JSON would stay on one line
    return sections


def _function_properties(resources: Mapping[str, yaml.Node]) -> _Members:
    """Return the properties of the function in a deployed stack."""
    function = _members(resources.get(FUNCTION))
    properties = _members(function.get("Properties"))
    if not properties or _value(function.get("Type")) != "AWS::Lambda::Function":
        found = [name for name in resources if _value(_members(resources[name]).get("Type")) == "AWS::Lambda::Function"]
        raise TemplateError(
            f"Resources: the functions of the stack are {', '.join(found) or 'none'}; accepted: a stack with "
            f"{FUNCTION}. Deploy infra/s1-runtime.yaml as a stack of its own"
        )
    name = properties.get("FunctionName")
    text = _value(next(iter(_members(name).values()), None) if isinstance(name, yaml.MappingNode) else name)
    if not _FUNCTION_NAME.fullmatch(text):
        raise TemplateError(
            f"{FUNCTION}: FunctionName: got {text or 'none'}; accepted: a name that ends with -ingest-normalize-<env>, "
            "as the log group and the alarms have it"
        )
    return properties


def _prefixed(template: _Members) -> tuple[dict[str, _Members], _Members]:
    """Return the sections of the runtime template with prefixed names, and its parameters."""
    sections = {section: _members(template.get(section)) for section in _RENAMED}
    del sections["Resources"][_LOG_GROUP]
    names = {name: PREFIX + name for members in sections.values() for name in members if name != FUNCTION}
    for node in _nodes([part for members in sections.values() for part in members.values()]):
        _take_existing_log_group(node)
        _rename(node, names)
    renamed = {
        section: {names.get(name, name): node for name, node in members.items()}
        for section, members in sections.items()
    }
    return renamed, _members(template.get("Parameters"))


def _take_existing_log_group(node: yaml.Node) -> None:
    """Replace what a member is if the stack creates the log group by what it is otherwise."""
    if isinstance(node, yaml.MappingNode):
        node.value = [
            (key, part.value[2] if part.tag == "!If" and part.value[0].value == _CREATES_LOG_GROUP else part)
            for key, part in node.value
        ]


def _rename(node: yaml.Node, names: Mapping[str, str]) -> None:
    """Rename what one node refers to; separate calls rename the nodes in it."""
    if isinstance(node, yaml.ScalarNode):
        if node.tag in {"!Ref", "!Condition"}:
            node.value = names.get(node.value, node.value)
        elif node.tag == "!GetAtt":
            resource, _, attribute = node.value.partition(".")
            node.value = f"{names.get(resource, resource)}.{attribute}"
        elif node.tag == "!Sub":
            node.value = _IN_SUB.sub(lambda found: "${" + names.get(found[1], found[1]), node.value)
    elif isinstance(node, yaml.SequenceNode) and node.tag == "!If":
        _rename_value(node.value[0], names)
    elif isinstance(node, yaml.MappingNode):
        for key in {"Condition", "DependsOn"} & _members(node).keys():
            value = _members(node)[key]  # the conditions of a policy are a mapping, and refer to nothing
            for one in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                _rename_value(one, names)


def _rename_value(node: yaml.Node, names: Mapping[str, str]) -> None:
    if isinstance(node, yaml.ScalarNode):
        node.value = names.get(node.value, node.value)


def _merged(before: Mapping[str, yaml.Node], after: Mapping[str, yaml.Node]) -> _Members:
    """Return members of which those of before stay, and mappings are merged."""
    merged = dict(after) | dict(before)
    for name in before.keys() & after.keys():
        both = before[name], after[name]
        if all(isinstance(node, yaml.MappingNode) for node in both) and name != "Code":
            merged[name] = _mapping(_merged(_members(both[0]), _members(both[1])))
    if _REPLACED_PROPERTY in after:
        merged[_REPLACED_PROPERTY] = after[_REPLACED_PROPERTY]
    return merged


def _needed(declared: Mapping[str, yaml.Node], readers: Iterable[yaml.Node]) -> _Members:
    """Return the declared members to which the readers refer, and those to which these refer."""
    found: _Members = {}
    waiting = list(readers)
    while waiting:
        names = _references(waiting) & declared.keys() - found.keys()
        waiting = [declared[name] for name in names]
        found |= {name: declared[name] for name in names}
    return {name: node for name, node in declared.items() if name in found}


def _references(readers: Iterable[yaml.Node]) -> set[str]:
    """Return all names to which nodes refer, in the short form of functions and in the long one."""
    names: set[str] = set()
    for node in _nodes(readers):
        if isinstance(node, yaml.ScalarNode):
            names |= {node.value, *_IN_SUB.findall(node.value)}  # a text that only looks like a name does no harm
    return names


def _nodes(roots: Iterable[yaml.Node]) -> Iterator[yaml.Node]:
    """Yield the nodes and all nodes in them."""
    waiting = list(roots)
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, yaml.MappingNode):
            waiting += [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value


def _is_merged(resource: yaml.Node) -> bool:
    return _MERGED_FROM in _members(_members(resource).get("Metadata"))


def _members(node: yaml.Node | None) -> _Members:
    """Return the members of a mapping; none for any other node."""
    if not isinstance(node, yaml.MappingNode) or node.tag.startswith("!"):
        return {}
    pairs = cast("list[tuple[yaml.Node, yaml.Node]]", node.value)
    return {str(key.value): value for key, value in pairs}


def _value(node: yaml.Node | None) -> str:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else ""


def _put(mapping: yaml.Node, name: str, value: yaml.Node) -> None:
    mapping.value = _mapping(_members(mapping) | {name: value}).value


def _mapping(members: Mapping[str, yaml.Node]) -> yaml.MappingNode:
    pairs = [(_scalar(name, quoted=False), node) for name, node in members.items()]
    return yaml.MappingNode("tag:yaml.org,2002:map", pairs, flow_style=False)


def _scalar(text: str, *, quoted: bool = True) -> yaml.ScalarNode:
    return yaml.ScalarNode("tag:yaml.org,2002:str", text, style='"' if quoted else None)


def _text(node: yaml.Node) -> str:
    serialize = cast("Callable[..., str]", yaml.serialize)  # pyright: ignore[reportUnknownMemberType]  # untyped stubs
    return serialize(node, Dumper=yaml.SafeDumper, allow_unicode=True, width=120)
