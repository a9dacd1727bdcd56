"""What mkdocs adds to the site for programs that read text: the Markdown source of every page, and ``llms-full.txt``.

``docs/llms.txt`` is a file of the documentation, which ``make reference`` writes. Zensical runs no hooks: the site that
it builds has ``llms.txt``, and neither of these.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig


def on_post_build(config: MkDocsConfig) -> None:
    """Copy the sources beside the pages, and write all of them into one file.

    Args:
        config: The configuration of the site.
    """
    docs, site = Path(config.docs_dir), Path(config.site_dir)
    texts: list[str] = []
    for source in sorted(docs.rglob("*.md")):
        name = source.relative_to(docs)
        text = source.read_text("utf-8")
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(text, "utf-8")
        texts.append(f"<!-- {name.as_posix()} -->\n\n{text.strip()}\n")
    (site / "llms-full.txt").write_text("\n\n".join(texts), "utf-8")
