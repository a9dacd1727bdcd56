"""Client configurations and the source catalogue: YAML files to frozen values, and the sources that a run reads.

Real files hold many more sections (matching, scoring, newsletter). What is not read here is ignored, never a fault.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import msgspec

from vectora_normalize.contract import MAX_PERIOD_DAYS, ErrorType, RunRefusedError, show
from vectora_normalize.sources.config.fields import Faults, Fields
from vectora_normalize.sources.config.safeyaml import ConfigurationError, read_mapping
from vectora_normalize.sources.parse.text import DEFAULT_MAX_LENGTH

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

CATALOG_KEY: Final = "canonical/sources/source_catalog.yaml"
"""Where the catalogue is, in CONFIG_BUCKET."""

_LEAST_CONTENT_LENGTH = 50
_MOST_CONTENT_LENGTH = 100_000
_MOST_WORDS = 10_000
_MOST_LISTED = 200  # accepted names that a message lists
SCOPE_FIELDS: Final = ("company_scope", "molecule_scope", "technology_scope", "trademark_scope", "indication_scope")
"""The fields of a watch domain that name a scope."""


class ContentFilters(msgspec.Struct, frozen=True, kw_only=True):
    """Which items are left out for what they say.

    Args:
        min_word_count: Items with fewer words are left out.
        exclude_patterns: Items in whose title or text one of these regular expressions is found are left out.
    """

    min_word_count: int = 0
    exclude_patterns: tuple[str, ...] = ()


class ClientConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What a run needs to know of a client.

    Args:
        client_id: As the file says; it need not be the name of the file.
        name: For people.
        language: Of the newsletter, such as `en`.
        active: Whether runs are wanted.
        default_period_days: Window of a run whose event names none; None where the client has none either.
        bouquets: Bouquets of sources that are enabled.
        extra_sources: Keys of sources that are enabled beside them.
        content_filters: Which items are left out.
        scope_names: Field of a watch domain (see `SCOPE_FIELDS`) to the scopes that the client's domains name in it.
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


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """One source of the catalogue.

    Args:
        source_key: Its name.
        source_type: Such as `press_corporate`.
        ingestion_mode: `rss` for feeds of any format, `html` for listing pages.
        rss_url: Where its feed is.
        html_url: Where its listing page is.
        homepage_url: Where people find it.
        company_id: Whose news they are, for corporate sources.
        enabled: Whether it is read at all.
        default_language: Language of items that name none.
        date_extraction_patterns: Regular expressions for the dates of its pages.
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
    max_content_length: int = DEFAULT_MAX_LENGTH

    @property
    def url(self) -> str:
        """What is fetched; empty where the catalogue gives no URL for the ingestion mode."""
        return self.rss_url if self.ingestion_mode == "rss" else self.html_url


class Catalog(msgspec.Struct, frozen=True):
    """All sources, and the bouquets that clients choose them by.

    Args:
        sources: Source key to source.
        bouquets: Bouquet id to source keys.
    """

    sources: dict[str, Source]
    bouquets: dict[str, tuple[str, ...]]


def client_key(client_id: str) -> str:
    """Where a client's configuration is, in CONFIG_BUCKET."""
    return f"clients/{client_id}.yaml"


def parse_client_config(data: bytes, file: str) -> ClientConfig:
    """The configuration of a client.

    Args:
        data: The file.
        file: Its name, for messages.

    Raises:
        ConfigurationError: With every fault of the file.
    """
    faults = Faults(file)
    root = Fields(read_mapping(data, file), faults)
    profile, sources = root.group("client_profile"), root.group("source_config")
    period = root.group("pipeline").number("default_period_days", 0, least=1, most=MAX_PERIOD_DAYS)
    config = ClientConfig(
        client_id=profile.required("client_id"),
        name=profile.text("name"),
        language=profile.text("language") or "en",
        active=profile.flag("active", default=True),
        default_period_days=period or None,
        bouquets=sources.texts("source_bouquets_enabled"),
        extra_sources=sources.texts("sources_extra_enabled"),
        content_filters=_read_filters(sources.group("content_filters")),
        scope_names=_read_scope_names(root.groups("watch_domains")),
    )
    faults.raise_any()
    return config


def parse_catalog(data: bytes, file: str = CATALOG_KEY) -> Catalog:
    """The source catalogue.

    Args:
        data: The file.
        file: Its name, for messages.

    Raises:
        ConfigurationError: With every fault of the file.
    """
    faults = Faults(file)
    root = Fields(read_mapping(data, file), faults)
    sources = [_read_source(fields) for fields in root.groups("sources")]
    bouquets = [(fields.required("bouquet_id"), fields.texts("source_keys")) for fields in root.groups("bouquets")]
    for field, names in (
        ("sources[].source_key", [source.source_key for source in sources]),
        ("bouquets[].bouquet_id", [name for name, _ in bouquets]),
    ):
        for name in sorted(name for name, times in Counter(names).items() if times > 1 and name):
            faults.add(field, name, "each of them once")
    faults.raise_any()
    return Catalog({source.source_key: source for source in sources}, dict(bouquets))


def select_sources(config: ClientConfig, catalog: Catalog, override: Sequence[str] | None = None) -> tuple[Source, ...]:
    """The enabled sources that a run reads, in the order in which they are named, each once.

    Args:
        config: The client, whose bouquets and extra sources are read.
        catalog: The catalogue.
        override: The event's `sources`, which replace the client's.

    Raises:
        RunRefusedError: UNKNOWN_SOURCE, if the event names a source that the catalogue does not have.
        ConfigurationError: If the client's configuration, or one of its bouquets, does.
    """
    return tuple(source for source in _chosen(config, catalog, override) if source.enabled)


def disabled_sources(config: ClientConfig, catalog: Catalog, override: Sequence[str] | None = None) -> tuple[str, ...]:
    """The keys of the sources that `select_sources` leaves out because the catalogue disables them."""
    return tuple(source.source_key for source in _chosen(config, catalog, override) if not source.enabled)


def _chosen(config: ClientConfig, catalog: Catalog, override: Sequence[str] | None) -> list[Source]:
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
    listed = ", ".join(accepted[:_MOST_LISTED]) or "none, the catalogue is empty"
    return [f"{field}: got {show(unknown)}; accepted: {listed}"]


def _read_filters(fields: Fields) -> ContentFilters:
    patterns = fields.texts("exclude_patterns")
    if patterns:
        from vectora_normalize.sources.config.patterns import fault_of  # noqa: PLC0415 - imports regex, which few clients need

        for number, pattern in enumerate(patterns):
            if fault := fault_of(pattern):
                fields.refuse(f"exclude_patterns[{number}]", pattern, fault)
    words = fields.number("min_word_count", 0, least=0, most=_MOST_WORDS)
    return ContentFilters(min_word_count=words, exclude_patterns=patterns)


def _read_scope_names(domains: Iterable[Fields]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The scopes of all domains that are enabled, by field."""
    names: dict[str, dict[str, None]] = {field: {} for field in SCOPE_FIELDS}
    for domain in domains:
        enabled = domain.flag("enabled", default=True)
        for field in SCOPE_FIELDS:
            name = domain.text(field)
            if name and enabled:
                names[field][name] = None
    return tuple((field, tuple(found)) for field, found in names.items() if found)


def _read_source(fields: Fields) -> Source:
    mode = fields.text("ingestion_mode") or "rss"
    if mode not in {"rss", "html"}:
        fields.refuse("ingestion_mode", mode, "rss or html")
    return Source(
        source_key=fields.required("source_key"),
        source_type=fields.text("source_type"),
        ingestion_mode=mode,
        rss_url=fields.text("rss_url"),
        html_url=fields.text("html_url"),
        homepage_url=fields.text("homepage_url"),
        company_id=fields.text("company_id") or None,
        enabled=fields.flag("enabled", default=True),
        default_language=fields.text("default_language") or "en",
        date_extraction_patterns=fields.texts("date_extraction_patterns"),
        max_content_length=fields.number(
            "max_content_length", DEFAULT_MAX_LENGTH, least=_LEAST_CONTENT_LENGTH, most=_MOST_CONTENT_LENGTH
        ),
    )
