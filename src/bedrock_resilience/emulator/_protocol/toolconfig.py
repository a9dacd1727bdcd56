"""The tools of a Converse request, and which of them must be used."""

from __future__ import annotations

from bedrock_resilience.emulator._protocol.blocks import TOOL_NAME
from bedrock_resilience.emulator._protocol.checks import check_pattern, not_accepted, require_list, require_object
from bedrock_resilience.emulator._protocol.errors import invalid
from bedrock_resilience.emulator._protocol.jsonvalues import JsonObject, as_list
from bedrock_resilience.emulator._protocol.schemas import check_strict


def check_tools(value: object, messages: object) -> None:
    """Check ``toolConfig``, which may only be missing if no message uses a tool.

    Raises:
        ServiceError: ``ValidationException`` for the first problem found.
    """
    if value is None:
        blocks = [block for turn in as_list(messages) or [] for block in turn["content"]]
        if any("toolUse" in block or "toolResult" in block for block in blocks):
            raise invalid("The toolConfig field must be defined when using toolUse and toolResult content blocks.")
        return
    config = require_object(value, "toolConfig")
    tools = require_list(config.get("tools"), "toolConfig.tools")
    if not tools:
        raise not_accepted("toolConfig.tools", tools, "a list of at least one tool")
    names = [name for index, tool in enumerate(tools) if (name := _check_tool(tool, f"toolConfig.tools.{index}"))]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise invalid(f"toolConfig.tools: the name {repeated[0]} is given to more than one tool")
    if config.get("toolChoice") is not None:
        _check_choice(require_object(config["toolChoice"], "toolConfig.toolChoice"), names)


def _check_tool(value: object, path: str) -> str | None:
    """Check one tool; the name of one that the caller defines, else None."""
    tool = require_object(value, path)
    if "toolSpec" not in tool:
        if tool.keys() & {"cachePoint", "systemTool"}:
            return None
        raise not_accepted(path, value, "an object with toolSpec, systemTool or cachePoint")
    spec = require_object(tool["toolSpec"], f"{path}.toolSpec")
    check_pattern(spec.get("name"), f"{path}.toolSpec.name", TOOL_NAME)
    where = f"{path}.toolSpec.inputSchema.json"
    schema = require_object(require_object(spec.get("inputSchema"), f"{path}.toolSpec.inputSchema").get("json"), where)
    if schema.get("type") != "object":
        raise not_accepted(f"{where}.type", schema.get("type"), "object")
    if spec.get("strict"):
        check_strict(schema, where)
    return str(spec["name"])


def _check_choice(choice: JsonObject, names: list[str]) -> None:
    kinds = sorted(choice.keys() & {"auto", "any", "tool"})
    if len(kinds) != 1:
        raise not_accepted("toolConfig.toolChoice", choice, "an object with exactly one of auto, any, tool")
    if kinds == ["tool"]:
        name = require_object(choice["tool"], "toolConfig.toolChoice.tool").get("name")
        if name not in names:
            accepted = f"the name of a tool of toolConfig.tools ({', '.join(names)})"
            raise not_accepted("toolConfig.toolChoice.tool.name", name, accepted)
