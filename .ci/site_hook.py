"""What mkdocs adds to the site for programs that read text: the Markdown source of every page, and ``llms-full.txt``.

``docs/llms.txt`` is a file of the documentation, which ``make reference`` writes. Zensical runs no hooks: the site that
it builds has ``llms.txt``, and neither of these. They contain what the site generates: the files that a page includes,
and the names of a module with their signatures.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

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
    texts: list[str] = []
    for source in sorted(docs.rglob("*.md")):
        name = source.relative_to(docs)
        text = expanded(source.read_text("utf-8"), docs.parent)
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(text, "utf-8")
        texts.append(f"<!-- {name.as_posix()} -->\n\n{text.strip()}\n")
    (site / "llms-full.txt").write_text("\n\n".join(texts), "utf-8")


def expanded(text: str, root: Path) -> str:
    """Put in what the site generates: the files that a page includes, and the signatures of a module.

    The notes for those who edit the page are left out.

    Args:
        text: The Markdown of a page.
        root: The root of the repository.
    """
    signatures = _signatures((root / "tests" / "surface.txt").read_text("utf-8"))
    text = _INCLUDED.sub(lambda found: (root / found[1]).read_text("utf-8").rstrip(), text)
    text = _NOTE.sub("", text)
    return _DOCUMENTED.sub(lambda found: signatures.get(found[1], found[0]), text)


def _signatures(surface: str) -> dict[str, str]:
    """Each module of ``tests/surface.txt``, with its names as a block of Markdown."""
    blocks = re.findall(r"^(\S+)\n((?:  .*\n)+)", surface, re.MULTILINE)
    return {
        module: f"The public names of `{module}`, with their signatures:\n\n```text\n{textwrap.dedent(names)}```"
        for module, names in blocks
    }
