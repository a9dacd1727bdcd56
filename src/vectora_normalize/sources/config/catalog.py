"""Client configurations and the source catalog: YAML files to frozen values, and the selection of a run's sources.

Real files have many more sections (matching, scoring, newsletter). Unknown keys are not faults: the run report lists
each once. Neither are mistakes in parts of the catalog that a run does not use: they are warnings.
"""

from __future__ import annotations

from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, Final

import msgspec

from vectora_normalize.contract import MAX_PERIOD_DAYS, ErrorType, RunRefusedError, show
from vectora_normalize.sources.config.fields import Faults, Fields
from vectora_normalize.sources.config.safeyaml import ConfigurationError, read_mapping

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

CATALOG_KEY: Final = "canonical/sources/source_catalog.yaml"
"""Object key of the catalog, in ``CONFIG_BUCKET``."""

DEFAULT_MAX_CONTENT_LENGTH: Final = 20_000
"""Characters of an item's text that are kept if its source sets no limit."""

_MIN_CONTENT_LENGTH = 50
_MAX_CONTENT_LENGTH = 100_000
_MAX_WORD_COUNT = 10_000
_MAX_LISTED_NAMES = 200  # accepted names in a message
_READABLE_MODES: Final = ("rss", "html")
_SKIPPED_MODES: Final = ("api", "none")
SCOPE_FIELDS: Final = ("company_scope", "molecule_scope", "technology_scope", "trademark_scope", "indication_scope")
"""The fields of a watch domain that name a scope."""


class ContentEnrichment(StrEnum):
    """What is taken from the article behind an entry."""

    FULL_ARTICLE = "full_article"
    """Its text, which replaces the excerpt of the feed or listing."""
    SUMMARY_ONLY = "summary_only"
    """The summary that its page declares, if it is longer than the excerpt."""
    NONE = "none"
    """Nothing; the article is not fetched."""


class ContentFilters(msgspec.Struct, frozen=True, kw_only=True):
    """The content filters of a client.

    Args:
        min_word_count: Items with fewer words are dropped.
        exclude_patterns: Items with a match of one of these regular expressions in the title or at the beginning of the
            text are dropped.
    """

    min_word_count: int = 0
    exclude_patterns: tuple[str, ...] = ()


class ClientConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration of a client, as far as a run needs it.

    Args:
        client_id: The id in the file; it may differ from the name of the file.
        name: The display name.
        language: The language of the newsletter, such as ``en``.
        active: Whether runs are allowed.
        default_period_days: The window of a run whose event has none; None if the client sets none.
        bouquets: The ids of the enabled bouquets of sources.
        extra_sources: The keys of sources that are enabled in addition.
        content_filters: The filters for items.
        scope_names: Field of a watch domain (one of ``SCOPE_FIELDS``) to the scopes that the client's domains name.
        warnings: Faults in parts that a run does not use, such as a disabled watch domain.
        unsupported: Paths of the values that this project does not read.
    """

    client_id: str
    name: str = ""
    language: str = "en"
    active: bool = True
    default_period_days: int | None = None
    bouquets: tuple[str, ...] = ()
    extra_sources: tuple[str, ...] = ()
    content_filters: ContentFilters = ContentFilters()
    scope_names: tuple[tuple[str, tuple[str, ...]], ...] = ()
    warnings: tuple[str, ...] = ()
    unsupported: tuple[str, ...] = ()


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """One source of the catalog.

    Args:
        source_key: The unique name.
        source_type: The type, such as ``press_corporate``.
        ingestion_mode: ``rss`` for feeds of any format, ``html`` for listing pages; ``api`` and ``none`` are not read.
        rss_url: URL of the feed.
        html_url: URL of the listing page.
        homepage_url: URL of the website; the fallback for items without a link.
        company_id: The company of a corporate source; None for others.
        enabled: Whether runs read the source.
        default_language: Language of items that declare none.
        date_extraction_patterns: Regular expressions for the dates of the listing page.
        content_enrichment: Whether the article behind an entry is fetched, and what is taken from it.
        max_content_length: Characters of an item's text that are kept.
    """

    source_key: str
    source_type: str = ""
    ingestion_mode: str = "rss"
    rss_url: str = ""
    html_url: str = ""
    homepage_url: str = ""
    company_id: str | None = None
    enabled: bool = True
    default_language: str = "en"
    date_extraction_patterns: tuple[str, ...] = ()
    content_enrichment: ContentEnrichment = ContentEnrichment.NONE
    max_content_length: int = DEFAULT_MAX_CONTENT_LENGTH

    @property
    def url(self) -> str:
        """The URL to fetch; empty if the catalog gives none for the ingestion mode.

        The listing of a source without ``html_url`` is its home page.
        """
        return self.rss_url if self.ingestion_mode == "rss" else self.html_url or self.homepage_url


class Catalog(msgspec.Struct, frozen=True):
    """The source catalog.

    Args:
        sources: Source key to source, also of sources with faults.
        bouquets: Bouquet id to source keys; clients enable bouquets.
        source_faults: Source key to the faults of its entry; a run that selects the source fails with them.
        bouquet_faults: The same for bouquets.
        warnings: The faults of entries that no client can select, because they have no name.
        unsupported: Paths of the values that this project does not read.
    """

    sources: dict[str, Source]
    bouquets: dict[str, tuple[str, ...]]
    source_faults: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict[str, "tuple[str, ...]"])
    bouquet_faults: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict[str, "tuple[str, ...]"])
    warnings: tuple[str, ...] = ()
    unsupported: tuple[str, ...] = ()


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """The sources of a run.

    Args:
        sources: The sources to read, in the order of the configuration, without duplicates.
        disabled: Keys of selected sources that the catalog disables.
        skipped: Keys of selected sources whose ingestion mode is ``api`` or ``none``.
        warnings: The faults of the parts of the catalog that the run does not use, and one line for the sources that
            are skipped.
    """

    sources: tuple[Source, ...]
    disabled: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def client_key(client_id: str) -> str:
    """Return the object key of a client's configuration, in ``CONFIG_BUCKET``."""
    return f"clients/{client_id}.yaml"


def parse_client_config(data: bytes, file: str) -> ClientConfig:
    """Return the configuration of a client.

    Args:
        data: The content of the file.
        file: The name of the file, for messages.

    Raises:
        ConfigurationError: Lists all faults of the file.
    """
    faults = Faults(file)
    root = Fields(read_mapping(data, file), faults)
    profile, sources = root.mapping("client_profile"), root.mapping("source_config")
    period = root.mapping("pipeline").integer("default_period_days", 0, least=1, most=MAX_PERIOD_DAYS)
    scope_names, unused = _read_scope_names(root.mappings("watch_domains", separate=True), faults)
    config = ClientConfig(
        client_id=profile.required_string("client_id"),
        name=profile.string("name"),
        language=profile.string("language") or "en",
        active=profile.boolean("active", default=True),
        default_period_days=period or None,
        bouquets=sources.strings("source_bouquets_enabled"),
        extra_sources=sources.strings("sources_extra_enabled"),
        content_filters=_read_filters(sources.mapping("content_filters")),
        scope_names=scope_names,
        warnings=unused,
    )
    faults.raise_if_any()
    return msgspec.structs.replace(config, unsupported=_unsupported(root, file))


def parse_catalog(data: bytes, file: str = CATALOG_KEY) -> Catalog:
    """Return the source catalog; the faults of an entry concern only the runs that select it.

    Args:
        data: The content of the file.
        file: The name of the file, for messages.

    Raises:
        ConfigurationError: The file is not YAML, or has no list of sources.
    """
    faults = Faults(file)
    root = Fields(read_mapping(data, file), faults)
    sources: dict[str, Source] = {}
    bouquets: dict[str, tuple[str, ...]] = {}
    of_sources: dict[str, tuple[str, ...]] = {}
    of_bouquets: dict[str, tuple[str, ...]] = {}
    unnamed: list[str] = []
    for fields in root.mappings("sources", separate=True):
        source = _read_source(fields)
        known = sources.setdefault(source.source_key, source)
        _add_faults(fields, "source_key", source.source_key, of_sources, unnamed, repeated=known is not source)
    if not sources:
        faults.raise_if_any()
    for fields in root.mappings("bouquets", separate=True):
        name, members = fields.required_string("bouquet_id"), fields.strings("source_keys")
        repeated = name in bouquets
        bouquets.setdefault(name, members)
        _add_faults(fields, "bouquet_id", name, of_bouquets, unnamed, repeated=repeated)
    for unusable in (sources, bouquets, of_sources, of_bouquets):
        unusable.pop("", None)
    warnings = (*faults.texts, *unnamed)
    return Catalog(sources, bouquets, of_sources, of_bouquets, warnings, _unsupported(root, file))


def _add_faults(
    fields: Fields, field: str, name: str, known: dict[str, tuple[str, ...]], unnamed: list[str], *, repeated: bool
) -> None:
    """Record the faults of an entry under its name, or among those of the entries without one."""
    if repeated and name:
        fields.refuse(field, name, "a name that no other entry has")
    if not name:
        unnamed.extend(fields.faults)
    elif fields.faults:
        known[name] = known.get(name, ()) + fields.faults


def _unsupported(root: Fields, file: str) -> tuple[str, ...]:
    return tuple(f"{file}: {path}" for path in list(root.unread())[:_MAX_LISTED_NAMES])


def select_sources(config: ClientConfig, catalog: Catalog, override: Sequence[str] | None = None) -> Selection:
    """Return the sources of a run.

    Args:
        config: The client, with its bouquets and extra sources.
        catalog: The catalog.
        override: The ``sources`` of the event, which replace the client's selection.

    Raises:
        RunRefusedError: UNKNOWN_SOURCE: the event names a source that is not in the catalog.
        ConfigurationError: The client's configuration, or one of its bouquets, names such a source; or the entry of a
            source or bouquet that the run uses has a fault.
    """
    bouquets = config.bouquets if override is None else ()
    selected = _selected(config, catalog, override)
    enabled = [source for source in selected if source.enabled]
    sources = tuple(source for source in enabled if source.ingestion_mode not in _SKIPPED_MODES)
    faults = [fault for name in bouquets for fault in catalog.bouquet_faults.get(name, ())]
    faults += [fault for source in sources for fault in catalog.source_faults.get(source.source_key, ())]
    if faults:
        raise ConfigurationError(*faults)
    return Selection(
        sources=sources,
        disabled=tuple(source.source_key for source in selected if not source.enabled),
        skipped=tuple(source.source_key for source in enabled if source.ingestion_mode in _SKIPPED_MODES),
        warnings=tuple(islice(_warnings(catalog, used_bouquets=bouquets), _MAX_LISTED_NAMES)),
    )


def _warnings(catalog: Catalog, *, used_bouquets: Iterable[str]) -> Iterable[str]:
    """Yield the faults of everything that a run does not use; those of what it uses would have ended it."""
    yield from catalog.warnings
    for faults in (catalog.source_faults, catalog.bouquet_faults):
        for of_entry in faults.values():
            yield from of_entry
    for name, members in catalog.bouquets.items():
        if name not in used_bouquets:
            yield from _unknown(f"{CATALOG_KEY}: bouquet {name}: source_keys", members, catalog.sources)
    skipped = [source.source_key for source in catalog.sources.values() if source.ingestion_mode in _SKIPPED_MODES]
    if skipped:
        yield f"{CATALOG_KEY}: ingestion_mode: {' and '.join(_SKIPPED_MODES)} are not read: {', '.join(skipped)}"


def _selected(config: ClientConfig, catalog: Catalog, override: Sequence[str] | None) -> list[Source]:
    if override is not None:
        faults = _unknown("sources", override, catalog.sources)
        if faults:
            raise RunRefusedError(ErrorType.UNKNOWN_SOURCE, *faults)
        return [catalog.sources[key] for key in dict.fromkeys(override)]
    faults = _unknown("source_config.source_bouquets_enabled", config.bouquets, catalog.bouquets)
    faults += _unknown("source_config.sources_extra_enabled", config.extra_sources, catalog.sources)
    keys: dict[str, None] = {}
    for bouquet in config.bouquets:
        members = catalog.bouquets.get(bouquet, ())
        faults += _unknown(f"{CATALOG_KEY}: bouquet {bouquet}: source_keys", members, catalog.sources)
        keys.update(dict.fromkeys(members))
    if faults:
        raise ConfigurationError(*faults)
    keys.update(dict.fromkeys(config.extra_sources))
    return [catalog.sources[key] for key in keys]


def _unknown(field: str, names: Iterable[str], known: Iterable[str]) -> list[str]:
    accepted = list(known)
    unknown = [name for name in names if name not in accepted]
    if not unknown:
        return []
    listed = ", ".join(accepted[:_MAX_LISTED_NAMES]) or "none; the catalog is empty"
    return [f"{field}: got {show(unknown)}; accepted: {listed}"]


def _read_filters(fields: Fields) -> ContentFilters:
    patterns = fields.strings("exclude_patterns")
    if patterns:
        from vectora_normalize.sources.patterns import unmet_requirement  # noqa: PLC0415 - imports regex, which few clients need

        for number, pattern in enumerate(patterns):
            if requirement := unmet_requirement(pattern):
                fields.refuse(f"exclude_patterns[{number}]", pattern, requirement)
    words = fields.integer("min_word_count", 0, least=0, most=_MAX_WORD_COUNT)
    return ContentFilters(min_word_count=words, exclude_patterns=patterns)


def _read_scope_names(
    domains: Iterable[Fields], faults: Faults
) -> tuple[tuple[tuple[str, tuple[str, ...]], ...], tuple[str, ...]]:
    """Return the scopes of all enabled domains, by field, and the faults of the others."""
    names: dict[str, dict[str, None]] = {field: {} for field in SCOPE_FIELDS}
    unused: list[str] = []
    for domain in domains:
        enabled = domain.boolean("enabled", default=True)
        for field in SCOPE_FIELDS:
            name = domain.string(field)
            if name and enabled:
                names[field][name] = None
        if enabled:
            faults.extend(domain.faults)
        else:
            unused.extend(domain.faults)
    return tuple((field, tuple(scopes)) for field, scopes in names.items() if scopes), tuple(unused)


def _read_source(fields: Fields) -> Source:
    mode = fields.string("ingestion_mode") or "rss"
    if mode not in (*_READABLE_MODES, *_SKIPPED_MODES):
        fields.refuse("ingestion_mode", mode, "rss or html; sources with api or none are not read")
    enrichment = fields.string("content_enrichment") or ContentEnrichment.NONE
    if enrichment not in set(ContentEnrichment):
        fields.refuse("content_enrichment", enrichment, " or ".join(ContentEnrichment))
        enrichment = ContentEnrichment.NONE
    return Source(
        source_key=fields.required_string("source_key"),
        source_type=fields.string("source_type"),
        ingestion_mode=mode,
        rss_url=fields.string("rss_url"),
        html_url=fields.string("html_url"),
        homepage_url=fields.string("homepage_url"),
        company_id=fields.string("company_id") or None,
        enabled=fields.boolean("enabled", default=True),
        default_language=fields.string("default_language") or "en",
        date_extraction_patterns=fields.strings("date_extraction_patterns"),
        content_enrichment=ContentEnrichment(enrichment),
        max_content_length=fields.integer(
            "max_content_length", DEFAULT_MAX_CONTENT_LENGTH, least=_MIN_CONTENT_LENGTH, most=_MAX_CONTENT_LENGTH
        ),
    )
