"""Client configurations and the catalogue are parsed into values with all faults listed; sources are selected."""

from __future__ import annotations

import pytest

from vectora_normalize.contract import ErrorType, RunRefusedError
from vectora_normalize.sources.config.catalog import (
    CATALOG_KEY,
    DEFAULT_MAX_CONTENT_LENGTH,
    Catalog,
    ClientConfig,
    ContentFilters,
    Source,
    client_key,
    disabled_sources,
    parse_catalog,
    parse_client_config,
    select_sources,
)
from vectora_normalize.sources.config.safeyaml import ConfigurationError

CLIENT = """
client_profile: {name: LAI Weekly, client_id: lai_weekly, active: true, language: fr, tone: executive}
pipeline: {newsletter_mode: latest_run_only, default_period_days: 30}
watch_domains:
  - {id: a, company_scope: companies, technology_scope: keywords, indication_scope: ""}
  - {id: b, company_scope: companies, molecule_scope: molecules, enabled: true}
  - {id: c, trademark_scope: brands, enabled: false}
source_config:
  source_bouquets_enabled: [corporate, press, corporate]
  sources_extra_enabled: [extra]
  content_filters:
    min_word_count: 50
    exclude_patterns: ["Download attachment", "we are.*hiring"]
scoring_config: {anything: [1, 2, {goes: here}]}
"""

CATALOG = """
sources:
  - source_key: a
    source_type: press_corporate
    company_id: camurus
    ingestion_mode: html
    html_url: https://a.example/news/
    homepage_url: https://a.example/
    default_language: sv
    date_extraction_patterns: ['(\\d{4})']
    max_content_length: 2000
    tags: [LAI]
  - {source_key: b, ingestion_mode: rss, rss_url: "https://b.example/rss", html_url: ""}
  - {source_key: resting, rss_url: "https://off.example/", enabled: false}
  - {source_key: extra, rss_url: "https://extra.example/rss"}
bouquets:
  - {bouquet_id: corporate, source_keys: [a, resting], description: x}
  - {bouquet_id: press, source_keys: [b, a]}
  - {bouquet_id: empty}
"""


def client(text: str = CLIENT) -> ClientConfig:
    return parse_client_config(text.encode(), "clients/lai_weekly.yaml")


def catalog(text: str = CATALOG) -> Catalog:
    return parse_catalog(text.encode())


def faults_of(text: str, *, of_client: bool) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        client(text) if of_client else catalog(text)
    return caught.value.faults


def test_a_client_configuration_is_parsed() -> None:
    assert client() == ClientConfig(
        client_id="lai_weekly",
        name="LAI Weekly",
        language="fr",
        active=True,
        default_period_days=30,
        bouquets=("corporate", "press"),
        extra_sources=("extra",),
        content_filters=ContentFilters(min_word_count=50, exclude_patterns=("Download attachment", "we are.*hiring")),
        scope_names=(
            ("company_scope", ("companies",)),
            ("molecule_scope", ("molecules",)),
            ("technology_scope", ("keywords",)),
        ),
    )


def test_everything_but_the_client_id_has_a_default() -> None:
    assert client("client_profile: {client_id: c}") == ClientConfig(client_id="c")


def test_all_faults_of_a_client_are_listed_with_file_field_given_and_accepted() -> None:
    text = """
client_profile: {client_id: 7, active: "yes", language: ~}
pipeline: {default_period_days: 0}
watch_domains: [{company_scope: 3}]
source_config:
  source_bouquets_enabled: corporate
  content_filters: {min_word_count: -1, exclude_patterns: ["fine", "("]}
"""
    quoted = "a string (in quotes, if it looks like a number, a date or yes/no)"
    expression = (
        "a regular expression that Python's re module accepts (missing ), unterminated subpattern at position 0)"
    )
    file = "clients/lai_weekly.yaml"
    assert sorted(faults_of(text, of_client=True)) == [
        f"{file}: client_profile.active: got 'yes'; accepted: true or false",
        f"{file}: client_profile.client_id: got 7; accepted: {quoted}",
        f"{file}: pipeline.default_period_days: got 0; accepted: a whole number from 1 to 3650",
        f"{file}: source_config.content_filters.exclude_patterns[1]: got '('; accepted: {expression}",
        f"{file}: source_config.content_filters.min_word_count: got -1; accepted: a whole number from 0 to 10000",
        f"{file}: source_config.source_bouquets_enabled: got 'corporate'; accepted: a list of strings",
        f"{file}: watch_domains[0].company_scope: got 3; accepted: {quoted}",
    ]


def test_the_catalogue_is_parsed() -> None:
    read = catalog()
    assert list(read.sources) == ["a", "b", "resting", "extra"]
    assert read.sources["a"] == Source(
        source_key="a",
        source_type="press_corporate",
        ingestion_mode="html",
        html_url="https://a.example/news/",
        homepage_url="https://a.example/",
        company_id="camurus",
        default_language="sv",
        date_extraction_patterns=(r"(\d{4})",),
        max_content_length=2000,
    )
    assert read.sources["b"] == Source(source_key="b", rss_url="https://b.example/rss")
    assert read.sources["b"].max_content_length == DEFAULT_MAX_CONTENT_LENGTH
    assert read.bouquets == {"corporate": ("a", "resting"), "press": ("b", "a"), "empty": ()}


def test_the_url_of_a_source_depends_on_its_mode() -> None:
    both = {"source_key": "x", "rss_url": "https://e.org/rss", "html_url": "https://e.org/news"}
    assert Source(**both, ingestion_mode="rss").url == "https://e.org/rss"  # type: ignore[arg-type]  # texts, all of them
    assert Source(**both, ingestion_mode="html").url == "https://e.org/news"  # type: ignore[arg-type]  # as above
    assert Source(source_key="x", html_url="https://e.org/news").url == ""


def test_all_faults_of_a_catalogue_are_listed() -> None:
    text = """
sources:
  - {source_key: "", ingestion_mode: ftp}
  - {source_key: b, max_content_length: 10, enabled: 1}
  - {source_key: b}
  - 5
bouquets: [{bouquet_id: x, source_keys: b}, {bouquet_id: x}]
"""
    assert sorted(fault.removeprefix(f"{CATALOG_KEY}: ") for fault in faults_of(text, of_client=False)) == [
        "bouquets[0].source_keys: got 'b'; accepted: a list of strings",
        "bouquets[].bouquet_id: got 'x'; accepted: a name that no other entry has",
        "sources[0].ingestion_mode: got 'ftp'; accepted: rss or html",
        "sources[0].source_key: got ''; accepted: a string that is not empty",
        "sources[1].enabled: got 1; accepted: true or false",
        "sources[1].max_content_length: got 10; accepted: a whole number from 50 to 100000",
        "sources[3]: got 5; accepted: a mapping",
        "sources[].source_key: got 'b'; accepted: a name that no other entry has",
    ]


def test_a_catalogue_may_be_empty() -> None:
    assert catalog("sources: []") == Catalog({}, {})


def keys(sources: tuple[Source, ...]) -> list[str]:
    return [source.source_key for source in sources]


def test_the_selection_has_bouquets_and_extra_sources_without_duplicates() -> None:
    assert keys(select_sources(client(), catalog())) == ["a", "b", "extra"]
    assert disabled_sources(client(), catalog()) == ("resting",)


def test_the_event_replaces_the_selection() -> None:
    assert keys(select_sources(client(), catalog(), ["b", "resting", "b"])) == ["b"]
    assert disabled_sources(client(), catalog(), ["b", "resting"]) == ("resting",)
    assert select_sources(client(), catalog(), []) == ()


def test_an_empty_bouquet_adds_nothing() -> None:
    assert select_sources(ClientConfig(client_id="c", bouquets=("empty",)), catalog()) == ()


def test_unknown_sources_of_an_event_are_refused_with_the_known_ones() -> None:
    with pytest.raises(RunRefusedError) as caught:
        select_sources(client(), catalog(), ["b", "x", "y"])
    assert caught.value.error_type is ErrorType.UNKNOWN_SOURCE
    assert caught.value.faults == ("sources: got ['x', 'y']; accepted: a, b, resting, extra",)


def test_all_unknown_names_in_the_configuration_are_listed() -> None:
    config = ClientConfig(client_id="c", bouquets=("nope", "broken"), extra_sources=("x",))
    broken = Catalog({"a": Source(source_key="a")}, {"broken": ("a", "gone")})
    with pytest.raises(ConfigurationError) as caught:
        select_sources(config, broken)
    assert caught.value.faults == (
        "source_config.source_bouquets_enabled: got ['nope']; accepted: broken",
        "source_config.sources_extra_enabled: got ['x']; accepted: a",
        f"{CATALOG_KEY}: bouquet broken: source_keys: got ['gone']; accepted: a",
    )
    with pytest.raises(ConfigurationError, match="accepted: none; the catalogue is empty"):
        select_sources(config, Catalog({}, {"nope": (), "broken": ()}))


def test_the_object_key_of_a_client() -> None:
    assert client_key("lai_weekly") == "clients/lai_weekly.yaml"
