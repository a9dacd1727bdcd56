"""The pages of environment variables, commands, metrics and events: see ``support.reference``."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import inspect
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

from bedrock_resilience import LoggingListener, RetryPolicy, retrying
from bedrock_resilience.retrying._events import CallEvent
from bedrock_resilience.telemetry._measurements import INSTRUMENTS
from vectora_normalize.contract import RunRefusedError
from vectora_normalize.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

SRC: Final = Path(__file__).parents[2] / "src"
TABLE: Final[dict[str, Any]] = tomllib.loads(Path(__file__).with_name("reference.toml").read_text("utf-8"))


class ReadVariables(Mapping[str, str]):
    """An empty environment that records which variables are read."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - as the mapping
        self.names.add(name)
        return default

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def variables_of_the_lambda() -> set[str]:
    """The variables that ``Settings.from_env`` reads, without those of the policy."""
    environ = ReadVariables()
    with contextlib.suppress(RunRefusedError):  # two of them are required
        Settings.from_env(environ)
    return environ.names - RetryPolicy().to_env().keys()


def environment(made: str) -> str:
    """The page of the environment variables."""
    text = f"# Environment variables\n\n{made}An empty variable counts as not set.\n"
    text += "\n## Retry policy\n\n`RetryPolicy.from_env()` reads them, with another prefix where you give one. "
    text += "The commands and the Lambda read them, too.\n\n"
    policy = RetryPolicy().to_env()
    text += _variables({name: (policy[name], TABLE["environment"]["policy"][name]["meaning"]) for name in policy})
    text += "\n## Lambda\n\nThe Lambda `vectora_normalize` reads them and the variables of the retry policy. "
    text += "One answer reports all errors.\n\n"
    text += _variables(_described("lambda"))
    text += "\n## AWS\n\nboto3 and Lambda define many more. These change what the library does.\n\n"
    return text + _variables(_described("aws"))


def _described(group: str) -> dict[str, tuple[str, str]]:
    return {name: (entry.get("default", ""), entry["meaning"]) for name, entry in TABLE["environment"][group].items()}


def _variables(rows: Mapping[str, tuple[str, str]]) -> str:
    text = "| variable | default | meaning |\n|---|---|---|\n"
    for name, (default, meaning) in rows.items():
        text += f"| `{name}` | {f'`{default}`' if default else 'none'} | {meaning} |\n"
    return text


def commands(made: str) -> str:
    """The page of both command lines, from their help."""
    import typer  # noqa: PLC0415 - an extra

    from bedrock_resilience.cli._app import app as library  # noqa: PLC0415 - it needs Typer
    from vectora_normalize.cli.app import app as function  # noqa: PLC0415 - as above

    text = f"# Commands\n\n{made}Each command prints this text with `--help`.\n"
    for name, app, extra in (
        ("bedrock-resilience", library, "cli"),
        ("vectora-normalize", function, "normalize,cli"),
    ):
        text += f"\n## {name}\n\n```text\npip install 'bedrock-resilience[{extra}]'\n```\n"
        for path, command in _leaves(name, typer.main.get_command(app)):
            text += f"\n### {path}\n\n{_help(command)}\n\n```text\n{_usage(path, command)}\n```\n"
            text += _options(command)
    return text


def _leaves(path: str, command: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - Typer's own copy of Click
    children: Mapping[str, Any] = getattr(command, "commands", {})
    if not children:
        yield path, command
    for name, child in children.items():
        yield from _leaves(f"{path} {name}", child)


def _help(command: Any) -> str:  # noqa: ANN401 - as above
    paragraphs = inspect.cleandoc(command.help or "").replace("\b", "").replace("``", "`").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs if paragraph.strip())


def _usage(path: str, command: Any) -> str:  # noqa: ANN401 - as above
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    names = [str(each.name).upper() if each.required else f"[{str(each.name).upper()}]" for each in arguments]
    return " ".join((path, "[OPTIONS]", *names))


def _options(command: Any) -> str:  # noqa: ANN401 - as above
    rows: list[str] = []
    for each in command.params:
        if getattr(each, "hidden", False):
            continue
        argument = each.param_type_name == "argument"
        name = str(each.name).upper() if argument else ", ".join([*each.opts, *each.secondary_opts])
        default = "" if each.default in {None, False, ()} or callable(each.default) else each.default
        shown = "required" if each.required else f"`{getattr(default, 'value', default)}`" if default != "" else "none"
        meaning = " ".join(str(each.help or "").split()).replace("|", "\\|").replace("<", "&lt;")
        rows.append(f"| `{name}` | {shown} | {meaning} |\n")
    return "\n| argument or option | default | meaning |\n|---|---|---|\n" + "".join(rows) if rows else ""


def metrics(made: str) -> str:
    """The page of events, metrics and log lines."""
    text = f"# Metrics and events\n\n{made}How to export them: [Export metrics](../how-to/metrics.md).\n"
    text += "\n## Events of a call\n\nA listener receives them.\n\n| event | when | fields |\n|---|---|---|\n"
    common = {field.name for field in dataclasses.fields(CallEvent)}
    for event in get_args(retrying.Event):
        own = ", ".join(f"`{field.name}`" for field in dataclasses.fields(event) if field.name not in common)
        text += f"| `{event.__name__}` | {_first(event.__doc__)} | {own or 'none'} |\n"
    text += "\nEvery event also has these fields:\n\n| field | meaning |\n|---|---|\n"
    for name, meaning in attributes(CallEvent).items():
        text += f"| `{name}` | {meaning} |\n"
    text += "\n## OpenTelemetry and Prometheus\n\n`OpenTelemetryListener` and `PrometheusListener` write them.\n\n"
    text += "| metric | Prometheus | kind | unit | meaning | attributes |\n|---|---|---|---|---|---|\n"
    for each in INSTRUMENTS:
        unit = "s" if each.unit == "s" else each.unit.strip("{}").replace("_", " ")
        shown = ", ".join(f"`{name}`" for name in each.attributes)
        text += f"| `{each.name}` | `{_prometheus(each)}` | {each.kind} | {unit} | {each.description} | {shown} |\n"
    text += (
        "\n## CloudWatch\n\n`EmfListener` writes one line for each call, with the dimensions `service`, `Model` and "
    )
    text += "`Operation`:\n\n" + "".join(f"- `{name}`\n" for name in emf_metrics())
    text += "\n## Log lines\n\n`LoggingListener` writes them. They are %-formats, which a subclass can change.\n\n"
    formats = (LoggingListener.retry_format, LoggingListener.abandoned_format, LoggingListener.pacing_format)
    text += "".join(f"{line}\n" for line in ("```text", *formats, "```"))
    text += "\n## Metrics of the Lambda\n\nHow to watch them: [Operate](../lambda/operate.md).\n\n"
    text += "| metric | meaning |\n|---|---|\n"
    for name, meaning in TABLE["metric"].items():
        text += f"| `{name}` | {meaning} |\n"
    return text


def _prometheus(instrument: Any) -> str:  # noqa: ANN401 - a private type
    name = instrument.name.replace(".", "_") + ("_seconds" if instrument.unit == "s" else "")
    return f"{name}_total" if instrument.kind == "counter" else name


def _first(docstring: str | None) -> str:
    return " ".join((docstring or "").strip().split("\n\n")[0].split()).replace("``", "`")


def attributes(cls: type) -> dict[str, str]:
    """The section ``Attributes:`` of a class."""
    found: dict[str, str] = {}
    name = ""
    for line in inspect.cleandoc(cls.__doc__ or "").partition("Attributes:")[2].splitlines()[1:]:
        if line.startswith("     "):
            found[name] += " " + line.strip()
        elif ": " in line:
            name, _, found[name] = line.strip().partition(": ")
    return {key: value.replace("``", "`") for key, value in found.items()}


def emf_metrics() -> list[str]:
    """The metrics of ``EmfListener``."""
    return _keys("bedrock_resilience/telemetry/_emf.py", "_numbers")


def metrics_of_the_lambda() -> set[str]:
    """The metrics that a run and the worker write."""
    names = ("counts", "worker_counts", "_batch_counts")
    return {key for name in names for key in _keys("vectora_normalize/pipeline/summary.py", name)}


def _keys(path: str, function: str) -> list[str]:
    """The keys of the dictionaries that a function makes."""
    tree = ast.parse((SRC / path).read_text("utf-8"))
    (found,) = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == function)
    keys = [key for node in ast.walk(found) if isinstance(node, ast.Dict) for key in node.keys]
    return [str(key.value) for key in keys if isinstance(key, ast.Constant)]
