"""What mkdocs adds to the site for programs that read text: the Markdown source of every page, and ``llms-full.txt``.

``docs/llms.txt`` is a file of the documentation, which ``make reference`` writes. Zensical runs no hooks: the site that
it builds has ``llms.txt``, and neither of these. They contain what the site generates: the files that a page includes,
and the names of a module with their signatures and docstrings.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import griffe

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig

_INCLUDED = re.compile(r'^--8<-- "([^"]+)"$', re.MULTILINE)
# Notes for the tests and for those who edit a page.
_NOTE = re.compile(r"^[ ]*<!-- (?:no-run:|Made of the code ).*?-->\n+", re.MULTILINE | re.DOTALL)
_DOCUMENTED = re.compile(r"^::: ([\w.]+)$", re.MULTILINE)


def on_config(config: MkDocsConfig) -> None:
    """Tell the footer (``.ci/theme``) that the sources stand beside the pages.

    Args:
        config: The configuration of the site.
    """
    config.extra["markdown"] = True


def on_post_build(config: MkDocsConfig) -> None:
    """Copy the sources beside the pages, and write all of them into one file.

    Args:
        config: The configuration of the site.
    """
    docs, site = Path(config.docs_dir), Path(config.site_dir)
    package = griffe.load(
        "bedrock_resilience",
        search_paths=[docs.parent / "src"],
        docstring_parser="google",
        resolve_aliases=True,
    )
    texts: list[str] = []
    for source in sorted(docs.rglob("*.md")):
        name = source.relative_to(docs)
        text = expanded(source.read_text("utf-8"), docs.parent, package)
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(text, "utf-8")
        texts.append(f"<!-- {name.as_posix()} -->\n\n{text.strip()}\n")
    (site / "llms-full.txt").write_text("\n\n".join(texts), "utf-8")


def expanded(text: str, root: Path, package: griffe.Object | griffe.Alias) -> str:
    """Put in what the site generates: the files that a page includes, and the documentation of a module.

    The notes for those who edit the page are left out.

    Args:
        text: The Markdown of a page.
        root: The root of the repository.
        package: The package whose modules are documented.
    """
    text = _INCLUDED.sub(lambda found: (root / found[1]).read_text("utf-8").rstrip(), text)
    text = _NOTE.sub("", text)
    return _DOCUMENTED.sub(lambda found: _module(package[found[1].removeprefix(f"{package.name}.")]), text)


def _module(module: Any) -> str:  # noqa: ANN401 - an object of griffe, or an alias of one; so are those below
    """The docstring of a module, and all that it exports."""
    exported = [_documented(module[name], name, "##") for name in sorted(map(str, module.exports))]
    return "\n\n".join([_docstring(module), *exported])


def _documented(thing: Any, name: str, heading: str) -> str:  # noqa: ANN401 - as above
    """A name: a heading, its signature, its docstring, and the public members of a class."""
    members = [member for member in _members(thing) if member.docstring or not member.is_attribute]
    blocks = [
        f"{heading} {name}",
        f"```python\n{_signature(thing)}\n```",
        f"Bases: {', '.join(f'`{base}`' for base in thing.bases)}" if thing.is_class and thing.bases else "",
        _docstring(thing),
        *(_documented(member, f"{name}.{member.name}", "###") for member in members),
    ]
    return "\n\n".join(block for block in blocks if block)


def _members(thing: Any) -> list[Any]:  # noqa: ANN401 - as above
    members = thing.all_members.values() if thing.is_class else []
    return [member for member in members if not member.name.startswith("_")]


def _signature(thing: Any) -> str:  # noqa: ANN401 - as above
    if thing.is_attribute:
        annotation = f": {thing.annotation}" if thing.annotation else ""
        # The expression that `__init__` assigns to an attribute says nothing without its other lines.
        has_value = thing.value is not None and thing.labels & {"class-attribute", "module-attribute"}
        value = f" = {thing.value}" if has_value else ""
        return f"{thing.name}{annotation}{value}"
    if thing.is_function:
        decorators = "".join(f"@{label}\n" for label in ("classmethod", "staticmethod") if label in thing.labels)
        return f"{decorators}{'async ' if 'async' in thing.labels else ''}def {thing.signature(return_type=True)}"
    decorator = "@dataclass\n" if "dataclass" in thing.labels else ""
    init = thing.all_members.get("__init__")
    # The fields of a dataclass are its parameters.
    shown = {parameter.name for parameter in init.parameters} if init and decorator else set()
    attributes = [
        f"\n    {_signature(member)}"
        for member in _members(thing)
        if member.is_attribute and not member.docstring and member.name not in shown
    ]
    return f"{decorator}class {init.signature(name=thing.name) if init else thing.name}" + "".join(attributes)


def _docstring(thing: Any) -> str:  # noqa: ANN401 - as above
    sections = thing.docstring.parsed if thing.docstring else []
    return "\n\n".join(
        section.value if isinstance(section.value, str) else _items(section.kind.value, section.value)
        for section in sections
    )


def _items(kind: str, items: list[Any]) -> str:
    """A section of a docstring as a list: parameters, attributes, and what is returned or raised."""
    lines: list[str] = []
    for item in items:
        name = f"`{item.name}` " if getattr(item, "name", "") else ""
        what = f"{name}(`{item.annotation}`)" if name and item.annotation else name.strip() or f"`{item.annotation}`"
        lines.append("- " + textwrap.indent(f"{what}: {item.description}", "  ").strip())
    return f"{kind.capitalize()}:\n\n" + "\n".join(lines)
