"""The smallest folder that a local run accepts: one client, one source, three items."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vectora_normalize.local.run import LocalFolder

if TYPE_CHECKING:
    from pathlib import Path

_CLIENT = """
client_profile: {client_id: small, name: Small, language: en, active: true}
pipeline: {default_period_days: 7}
watch_domains: [{id: all, molecule_scope: molecules}]
source_config: {sources_extra_enabled: [press__one]}
"""
_CATALOG = """
sources:
  - source_key: press__one
    source_type: press_sector
    ingestion_mode: rss
    rss_url: "https://press.example/feed.xml"
    enabled: true
    default_language: en
"""
_ITEM = """
<item><title>Item {number}</title><link>/{number}</link><pubDate>{{{{ date -{number}d rfc822 }}}}</pubDate>
<description>Item {number} is about risperidone and says so in one sentence.</description></item>
"""


def small_folder(path: Path, *, clients: tuple[str, ...] = ("small",)) -> LocalFolder:
    """A folder with three items of the last three days."""
    files = {
        "config/canonical/sources/source_catalog.yaml": _CATALOG,
        "config/canonical/scopes/molecule_scopes.yaml": "molecules: [risperidone]",
        "sources/press.example/feed.xml": f"<rss><channel>{''.join(map(_item, (1, 2, 3)))}</channel></rss>",
        **{f"config/clients/{client}.yaml": _CLIENT.replace("small", client) for client in clients},
    }
    for name, text in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text, "utf-8")
    return LocalFolder(path)


def _item(number: int) -> str:
    return _ITEM.format(number=number)
