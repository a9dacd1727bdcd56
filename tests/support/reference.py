"""The pages of the reference that are made of the code: names, errors, environment variables, commands, metrics.

``python -m support.reference`` writes them (``make reference``); ``tests/unit/test_reference.py`` compares them with
the code. They are files, and not made while the site is built, so that they can be read where the repository is.
"""

from __future__ import annotations

import ast
import asyncio
import importlib
import inspect
import re
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import griffe
import yaml

from bedrock_resilience import (
    THROTTLING,
    TRANSIENT,
    BatchReport,
    Deadline,
    Fault,
    ItemOutcome,
    NoJitter,
    Retrier,
    RetryPolicy,
    classify,
    errors,
)
from bedrock_resilience.bedrock import check_client
from bedrock_resilience.emulator._protocol.errors import ERRORS
from bedrock_resilience.testing import FakeClock, bedrock_error, scripted, throttling_errors
from support import reference_tables, surface

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ROOT: Final = Path(__file__).parents[2]
REFERENCE: Final = ROOT / "docs" / "reference"
SRC: Final = ROOT / "src"
TABLE: Final = reference_tables.TABLE
_MADE: Final = "<!-- Made of the code by `make reference`. Edit the code, or tests/support/. -->\n\n"

# Whoever searches for an error needs its page, before all others that name it.
_BOOST: Final = "---\nsearch:\n  boost: 4\n---\n\n"


@cache
def generated() -> dict[Path, str]:
    """The path of each page, and its content."""
    pages = {
        REFERENCE / "api-index.md": api_index(),
        REFERENCE / "environment.md": reference_tables.environment(_MADE),
        REFERENCE / "commands.md": reference_tables.commands(_MADE),
        REFERENCE / "metrics.md": reference_tables.metrics(_MADE),
        **{REFERENCE / "errors" / f"{page.name}.md": page.text() for page in error_pages()},
        REFERENCE / "errors" / "index.md": errors_index(),
        ROOT / "docs" / "llms.txt": llms(),
    }
    return {path: text.rstrip() + "\n" for path, text in pages.items()}


def llms() -> str:
    """The pages of the navigation, as https://llmstxt.org describes the file."""
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8").replace("!!python", "python"))["nav"]
    text = "# bedrock-resilience\n\n"
    text += "> Calls to Amazon Bedrock that survive throttling: retries, pacing below the quota, bounded concurrency, "
    text += "deadlines, an emulator and a test kit, for Python.\n\n"
    text += (
        "Agents that write code start with the [skill](skill/SKILL.md). `llms-full.txt` has all pages in one file.\n"
    )
    for part in nav:
        ((title, entries),) = part.items()
        text += f"\n## {title}\n\n"
        for name, path in _entries_of(entries):
            text += f"- [{name}]({path}): {_first_line(ROOT / 'docs' / path)}\n"
    return text


def _entries_of(entries: list[dict[str, Any] | str], above: str = "") -> Iterator[tuple[str, str]]:
    for entry in entries:
        # An entry without a title is the page of the section itself.
        for title, path in ({"Overview": entry} if isinstance(entry, str) else entry).items():
            name = f"{above}: {title}" if above else title
            if isinstance(path, str):
                yield name, path
            else:
                yield from _entries_of(path, title)


def _first_line(page: Path) -> str:
    """The first sentence of a page, or of the package whose docstrings it has, without markup."""
    package = re.search(r"^::: ([\w.]+)$", page.read_text("utf-8"), re.MULTILINE)
    if package:
        return _cell(_first_sentence(importlib.import_module(package[1]).__doc__ or ""))
    text = re.sub(r"\A---\n.*?\n---\n|<!--.*?-->", "", page.read_text("utf-8"), flags=re.DOTALL)
    for paragraph in re.split(r"\n\s*\n", text):
        if re.match(r"[A-Za-z`*\[]", paragraph):
            return _first_sentence(re.sub(r"\[([^\]]*)\]\([^)]*\)|\*\*", r"\1", paragraph))
    return "A file of the repository."


# The index of all public names.


def api_index() -> str:
    """Every public name with the first sentence of its documentation."""
    text = "# API index\n\n" + _MADE
    text += "Every public name, with its page. What is not listed here is private and may change at any time.\n"
    loaded = griffe.load("bedrock_resilience", search_paths=[str(SRC)], resolve_aliases=True)
    for module in surface.modules():
        names = surface.names(module) if module not in surface.OPTIONAL else []
        if not names or module == "bedrock_resilience":
            continue
        page = _page_of(module)
        text += f"\n## `{module}`\n\n| name | what it is |\n|---|---|\n"
        for name in names:
            summary = _summary(loaded[f"{module.removeprefix('bedrock_resilience.')}.{name}"])
            link = f"[`{name}`]({page}#{module}.{name})" if page else f"`{name}`"
            text += f"| {link} | {_cell(summary)} |\n"
    return text


def _page_of(module: str) -> str:
    for page in sorted(REFERENCE.glob("*.md")):
        if re.search(rf"^::: {re.escape(module)}$", page.read_text("utf-8"), re.MULTILINE):
            return page.name
    return ""


def _summary(thing: griffe.Object | griffe.Alias) -> str:
    docstring = thing.docstring.value if thing.docstring else ""
    return _first_sentence(docstring)


def _first_sentence(text: str) -> str:
    paragraph = " ".join(text.strip().split("\n\n")[0].split())
    return re.split(r"(?<=[a-z0-9)`»”\"])\. (?=[A-Z`])", paragraph)[0].rstrip(".:") + ("." if paragraph else "")


def _cell(text: str) -> str:
    return text.replace("``", "`").replace("|", "\\|").replace("\n", " ")


# The errors.


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """The page of one error."""

    name: str
    title: str
    kind: str
    meaning: str
    remedy: tuple[str, ...]
    links: tuple[tuple[str, str], ...]
    fault: Fault | None = None
    messages: tuple[str, ...] = ()
    details: str = ""
    code: str = ""

    def text(self) -> str:
        """The page in Markdown."""
        # The search weighs titles most, and users search for messages.
        message = _essence(self.messages[0]) if self.messages else ""
        title = f"{self.title}: `{message}`" if message else self.title
        text = f"{_BOOST}# {title}\n\n{_MADE}{self.kind} {self.meaning}\n"
        if self.messages:
            text += "\n## Message\n\n" + "".join(f"```text\n{message}\n```\n\n" for message in self.messages)
        code = f"```python\n{self.code.strip()}\n```\n\n" if self.code else ""
        text += f"\n## Remedy\n\n{code}" + "".join(f"- {sentence}\n" for sentence in self.remedy)
        if self.fault is not None:
            text += f"\n## What the library does\n\n{behavior(self.fault)}"
        if self.details:
            text += f"\n{self.details.strip()}\n"
        links = [("All errors", "reference/errors/index.md"), *self.links]
        if self.fault is not None and self.fault.value != self.name:
            links.insert(0, (f"The fault `{self.fault.value}`", f"reference/errors/{self.fault.value}.md"))
        text += "\n## See also\n\n" + "".join(f"- [{title}]({_relative(path)})\n" for title, path in links)
        return re.sub(r"\n{3,}", "\n\n", text)


def _essence(message: str) -> str:
    """The words of a message, without the name of the error and the operation, and what differs from case to case."""
    prefix = r"^(?:An error occurred \([^)]*\) when calling the \w+ operation(?: \([^)]*\))?|[\w.]+): "
    text = re.sub(prefix, "", message)
    text = re.split(r"; | \(past by ", text.removeprefix("bedrock_resilience: "))[0]
    return re.sub(r"\s*\"?https?://\S+", "", text).strip(" .:")[:100]


def _relative(path: str) -> str:
    return path.removeprefix("reference/errors/") if path.startswith("reference/errors/") else f"../../{path}"


def behavior(fault: Fault) -> str:
    """A table of what the policy, the pacers and the executor do about a fault."""
    limit = TRANSIENT.get(fault, 0)
    retries = {None: "as many retries as the policy has", 0: "not retried", 1: "one retry"}[limit]
    rows = {
        'The default policy (`retry_on="throttling"`)': "retried" if fault in THROTTLING else "not retried",
        'A policy with `retry_on="transient"`': retries,
        "A pacer": "sends less" if fault.backpressure else "does not change its rate",
        "A batch": "stops: every other item fails the same way" if fault.fatal else "goes on with the other items",
    }
    return "| part | what it does |\n|---|---|\n" + "".join(f"| {part} | {does} |\n" for part, does in rows.items())


def errors_index() -> str:
    """The table of all errors with their meaning and the first remedy."""
    text = "# Errors and remedies\n\n" + _MADE
    text += "Search this site for the name or the message of an error, or look it up here. Each name has a page.\n"
    groups = {
        "Faults": ("fault", "A fault is what a failure means, whichever client reports it. Logs and reports have it."),
        "Exceptions of the library": ("exception", "All are in [`bedrock_resilience.errors`](../errors.md)."),
        "Errors of Bedrock": ("service", "The `Code` of botocore's `ClientError`."),
        "Exceptions of boto3": ("client", "Of `botocore.exceptions`."),
        "Answers of the Lambda": ("lambda_error", "`error_type` in the body of an answer that is not a 200."),
        "Exceptions of the Lambda": ("lambda_exception", "Of `vectora_normalize`."),
    }
    pages = {(page_group, page.name): page for page_group, page in _pages_by_group()}
    for title, (group, introduction) in groups.items():
        text += f"\n## {title}\n\n{introduction}\n\n| name | meaning | remedy |\n|---|---|---|\n"
        for name in sorted(TABLE[group], key=str.lower):
            page = pages[group, name]
            text += f"| [`{page.title.strip('`')}`]({page.name}.md) | {page.meaning} | {page.remedy[0]} |\n"
    return text


@cache
def error_pages() -> list[ErrorPage]:
    """All pages."""
    return [page for _, page in _pages_by_group()]


def _pages_by_group() -> Iterator[tuple[str, ErrorPage]]:
    for name in TABLE["fault"]:
        yield "fault", _fault_page(Fault(name))
    for name in TABLE["exception"]:
        yield "exception", _exception_page(name)
    for name in TABLE["service"]:
        yield "service", _service_page(name)
    for name in TABLE["client"]:
        yield "client", _client_page(name)
    for name in TABLE["lambda_error"]:
        yield "lambda_error", _lambda_error_page(name)
    for name in TABLE["lambda_exception"]:
        yield "lambda_exception", _lambda_exception_page(name)


def _links(entry: Mapping[str, Any], fault: Fault | None = None) -> tuple[tuple[str, str], ...]:
    given: list[list[str]] = entry.get("links") or (TABLE["fault"][fault.value]["links"] if fault else [])
    return tuple((title, path) for title, path in given)


def _remedy(entry: Mapping[str, Any], fault: Fault | None = None) -> tuple[str, ...]:
    return tuple(entry.get("remedy") or TABLE["fault"][(fault or Fault.UNKNOWN).value]["remedy"])


def _fault_page(fault: Fault) -> ErrorPage:
    entry = TABLE["fault"][fault.value]
    tables = _fault_tables()
    details = ""
    codes = tables["BY_CODE"].get(fault.name, []) + tables["BY_GENERIC_CODE"].get(fault.name, [])
    classes = [
        f"`{package}.{name}`" for package, table in _class_tables().items() for name in table.get(fault.name, [])
    ]
    if codes:
        details += "## Error codes that mean it\n\n" + ", ".join(f"`{code}`" for code in codes) + "\n\n"
    if classes:
        details += "## Exceptions that mean it\n\n" + ", ".join(classes) + "\n"
    return ErrorPage(
        fault.value,
        f"`{fault.value}`",
        f"The fault `Fault.{fault.name}`.",
        attribute_docstrings("bedrock_resilience/_fault.py", "Fault")[fault.name],
        tuple(entry["remedy"]),
        _links(entry),
        fault,
        tuple(entry.get("messages", [])),
        details,
        entry.get("code", ""),
    )


def _exception_page(name: str) -> ErrorPage:
    entry = TABLE["exception"][name]
    cls = getattr(errors, name)
    documented = inspect.cleandoc(cls.__doc__ or "")
    fault = getattr(cls, "fault", None)
    details = ""
    if "Attributes:" in documented:
        details = "## Attributes\n\n| attribute | what it is |\n|---|---|\n"
        for attribute, what in _entries(documented, "Attributes:").items():
            details += f"| `{attribute}` | {_cell(what)} |\n"
    message = entry.get("message") or _messages_of_exceptions()[name]
    return ErrorPage(
        name,
        f"`{name}`",
        f"`bedrock_resilience.errors.{name}`, a subclass of `{cls.__mro__[1].__name__}`.",
        _cell(documented.split("\n\n")[0].replace("\n", " ")),
        _remedy(entry, fault),
        _links(entry, fault),
        fault if isinstance(fault, Fault) else None,
        (f"{name}: {message}",),
        details,
    )


def _service_page(code: str) -> ErrorPage:
    entry = TABLE["service"][code]
    status, message = (entry["status"], entry["message"]) if "message" in entry else ERRORS[code]
    error = bedrock_error(code, status, message)
    fault = classify(error)
    meaning = attribute_docstrings("bedrock_resilience/_fault.py", "Fault")[fault.name]
    described = f"HTTP status {status}. It means [`{fault.value}`]({fault.value}.md)."
    return ErrorPage(
        code,
        f"`{code}`",
        described,
        meaning,
        _remedy(entry, fault),
        _links(entry, fault),
        fault,
        (str(error), *entry.get("messages", [])),
        code=entry.get("code") or TABLE["fault"][fault.value].get("code", ""),
    )


def _client_page(name: str) -> ErrorPage:
    entry = TABLE["client"][name]
    value, module = entry.get("fault"), entry.get("module", "botocore.exceptions")
    known = next((fault for fault, names in _class_tables()["botocore"].items() if name in names), None)
    fault = Fault(value) if value else Fault[known or "UNKNOWN"]
    return ErrorPage(
        name,
        f"`{name}`",
        f"`{module}.{name}`. It means [`{fault.value}`]({fault.value}.md).",
        attribute_docstrings("bedrock_resilience/_fault.py", "Fault")[fault.name],
        _remedy(entry, fault),
        _links(entry, fault),
        fault,
        (f"{module}.{name}: {entry['message']}",),
    )


def _lambda_error_page(name: str) -> ErrorPage:
    from vectora_normalize.contract import ErrorType  # noqa: PLC0415 - its package needs more than the library

    entry, error = TABLE["lambda_error"][name], ErrorType(name)
    return ErrorPage(
        name,
        f"`{name}`",
        f'An answer of the Lambda with the status {error.status} and `"error_type": "{name}"`.',
        _LAMBDA_ERRORS[name],
        tuple(entry["remedy"]),
        _links(entry) or (("The Lambda", "lambda/index.md"), ("Operate", "lambda/operate.md")),
    )


_LAMBDA_ERRORS: Final = {
    "InvalidEvent": "The event has a field that is missing, wrong, or excludes another one. Nothing was written.",
    "InvalidConfiguration": "An environment variable or a file of the configuration is wrong. Nothing was written.",
    "UnknownClient": "The configuration bucket has no file for this `client_id`. Nothing was written.",
    "InactiveClient": "The file of the client says that it is not active. Nothing was written.",
    "UnknownSource": "The event or the client names a source that the catalog does not have. Nothing was written.",
    "AllSourcesFailed": "No source could be read, so that there is nothing to normalize.",
    "BedrockRefused": "Bedrock refused every item of the run. Items whose responses are stored are delivered.",
    "ConcurrentRun": "Another run of the client is in progress, and `ON_CONCURRENT_RUN` is `refuse`.",
}


def _lambda_exception_page(name: str) -> ErrorPage:
    entry = TABLE["lambda_exception"][name]
    module, cls = exceptions_of("vectora_normalize")[name]
    documented = inspect.cleandoc(ast.get_docstring(cls) or "")
    details = ""
    if name == "FetchError":
        details = "## Kinds\n\n| `failure` | meaning |\n|---|---|\n"
        meanings = attribute_docstrings("vectora_normalize/sources/errors.py", "FetchErrorKind")
        for member, value in _members("vectora_normalize/sources/errors.py", "FetchErrorKind").items():
            details += f"| `{value}` | {_cell(meanings.get(member) or _STATUSES[value])} |\n"
    return ErrorPage(
        name,
        f"`{name}`",
        f"`{module}.{name}`.",
        _cell(documented.split("\n\n")[0].replace("\n", " ")),
        tuple(entry["remedy"]),
        _links(entry) or (("The Lambda", "lambda/index.md"), ("Operate", "lambda/operate.md")),
        details=details,
    )


_STATUSES: Final = {
    "too_many_redirects": "More redirects than accepted follow each other.",
    "forbidden": "The status 401, 403 or 451.",
    "not_found": "The status 404 or 410.",
    "throttled": "The status 429.",
    "server_error": "A status of 500 or more.",
    "unexpected_status": "Any other status than 200.",
}


@cache
def exceptions_of(package: str) -> dict[str, tuple[str, ast.ClassDef]]:
    """The exceptions of a package without an underscore: their module and their definition.

    Args:
        package: The name of an import package below ``src``.
    """
    found: dict[str, tuple[str, ast.ClassDef]] = {}
    for path in sorted((SRC / package).rglob("*.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef) and node.name.endswith("Error") and not node.name.startswith("_"):
                module = ".".join(path.relative_to(SRC).with_suffix("").parts).removesuffix(".__init__")
                found[node.name] = (module, node)
    return found


@cache
def _members(path: str, name: str) -> dict[str, str]:
    tree = ast.parse((SRC / path).read_text("utf-8"))
    (cls,) = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)
    return {
        str(ast.unparse(node.targets[0])): ast.literal_eval(node.value)
        for node in cls.body
        if isinstance(node, ast.Assign)
    }


@cache
def attribute_docstrings(path: str, name: str) -> dict[str, str]:
    """The strings below the attributes of a class: what each of them means."""
    tree = ast.parse((SRC / path).read_text("utf-8"))
    (cls,) = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)
    found: dict[str, str] = {}
    for attribute, text in zip(cls.body, cls.body[1:], strict=False):
        if isinstance(attribute, ast.Assign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            found[ast.unparse(attribute.targets[0])] = " ".join(str(text.value.value).replace("``", "`").split())
    return found


def _entries(docstring: str, section: str) -> dict[str, str]:
    """The entries of a section of a docstring, such as ``Attributes:``."""
    found: dict[str, str] = {}
    name = ""
    for line in docstring.partition(section)[2].splitlines()[1:]:
        entry = re.match(r"^    (\w+): (.*)$", line)
        if entry:
            name = entry[1]
            found[name] = entry[2]
        elif line.startswith("     ") and name:
            found[name] += " " + line.strip()
        elif line.strip():
            break
    return found


@cache
def _fault_tables() -> dict[str, dict[str, list[str]]]:
    """The words of each fault in the tables of codes, as they are spelled: the tables are in lower case."""
    found: dict[str, dict[str, list[str]]] = {}
    for node in _assignments():
        if isinstance(node.value, ast.Call) and node.value.args and isinstance(node.value.args[0], ast.Dict):
            found[ast.unparse(node.targets[0])] = _words(node.value.args[0])
    return found


@cache
def _class_tables() -> dict[str, dict[str, list[str]]]:
    """The same of the classes: package to fault to names."""
    tables = _fault_tables()
    (node,) = (node for node in _assignments() if ast.unparse(node.targets[0]) == "BY_CLASS")
    assert isinstance(node.value, ast.Dict)
    found: dict[str, dict[str, list[str]]] = {}
    for key, value in zip(node.value.keys, node.value.values, strict=True):
        assert isinstance(key, ast.Constant)
        if isinstance(value, ast.Call) and isinstance(value.args[0], ast.Dict):
            found[str(key.value)] = _words(value.args[0])
        elif key.value == "httpx":  # its successors have the same names
            found["httpx"] = tables["_HTTPX"]
    return found


def _assignments() -> list[ast.Assign]:
    tree = ast.parse((SRC / "bedrock_resilience/retrying/_fault_tables.py").read_text("utf-8"))
    return [node for node in tree.body if isinstance(node, ast.Assign)]


def _words(table: ast.Dict) -> dict[str, list[str]]:
    return {
        ast.unparse(key).removeprefix("Fault."): str(ast.literal_eval(value)).split()
        for key, value in zip(table.keys, table.values, strict=True)
        if key is not None
    }


@cache
def _messages_of_exceptions() -> dict[str, str]:
    """The text of each exception of the library, as the code makes it."""
    unstarted: tuple[ItemOutcome[int, str], ...] = tuple(
        ItemOutcome(index=i, item=i, status="unstarted", reason="deadline") for i in range(3)
    )
    report: BatchReport[int, str] = BatchReport(unstarted)
    made: list[BaseException] = [
        errors.AttemptTimeoutError(5.0),
        errors.BatchInterrupted(report),
        errors.IncompleteResponseError("max_tokens", {}),
        errors.InputError(report, 7),
        errors.MalformedResponseError("the message of the response is empty"),
        errors.QuotaUnavailableError("amazon.nova-lite-v1:0", "eu-west-3", "no-permission", "AccessDeniedException"),
        errors.RejectedResultError({"items": []}),
        errors.StreamEventError({"Error": {"Code": "overloaded_error", "Message": "Overloaded"}}),
        errors.StreamInterruptedError("the stream ended without its last event"),
        *_raised(report),
    ]
    return {type(error).__name__: re.sub(r" at 0x\w+", "", str(error)) for error in made}


def _raised(report: BatchReport[int, str]) -> Iterator[BaseException]:
    """The exceptions whose text the code that raises them makes."""
    clock = FakeClock()
    expired = Deadline.after(1, clock=clock)
    clock.sleep(2)
    stop = threading.Event()
    stop.set()
    script = scripted("one", "two")
    script()
    script()
    policy = RetryPolicy(jitter=NoJitter())
    throttled = scripted(*throttling_errors(1 + policy.max_retries))
    raising: tuple[Callable[[], object], ...] = (
        lambda: Retrier(policy, clock=clock, raise_exhausted=True).call(throttled),
        lambda: Retrier(RetryPolicy(), deadline=expired, clock=clock).call(str),
        lambda: Retrier(RetryPolicy(), stop_event=stop, clock=clock).call(str),
        script,
        lambda: check_client(_RetryingClient(), policy=RetryPolicy()),
        report.raise_for_failures,
        lambda: Retrier(policy).call(_answer),
        lambda: asyncio.run(Retrier(policy).acall(dict)),  # type: ignore[arg-type]  # refused
    )
    for raises in raising:
        try:
            raises()
        except BaseExceptionGroup as group:
            yield group.exceptions[0]
        except Exception as error:  # noqa: BLE001 - the caller looks it up by its name
            yield error


async def _answer() -> str:
    raise NotImplementedError


class _RetryingClient:
    """As much of a boto3 client as ``check_client`` reads: one that sends each request up to five times."""

    class meta:  # noqa: N801 - boto3's own name
        class config:  # noqa: N801 - as above
            retries: Final = {"mode": "standard", "total_max_attempts": 5}
            read_timeout = 60
            connect_timeout = 60
            max_pool_connections = 10


def main() -> None:
    """Write all pages, and remove those of errors that are no more."""
    pages = generated()
    (REFERENCE / "errors").mkdir(exist_ok=True)
    for path in (REFERENCE / "errors").glob("*.md"):
        if path not in pages:
            path.unlink()
    for path, text in pages.items():
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
