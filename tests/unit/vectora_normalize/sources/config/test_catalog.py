"""Client configurations and the catalogue are parsed into values with all faults listed; sources are selected."""

from __future__ import annotations

import pytest

from vectora_normalize.contract import ErrorType, RunRefusedError
from vectora_normalize.sources.config.catalog import (
    CATALOG_KEY,
    DEFAULT_MAX_CONTENT_LENGTH,
    Catalog,
    ClientConfig,
    ContentEnrichment,
    ContentFilters,
    Source,
    client_key,
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
        unsupported=tuple(
            f"clients/lai_weekly.yaml: {path}"
            for path in ("scoring_config", "client_profile.tone", "pipeline.newsletter_mode", "watch_domains[].id")
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


def test_the_faults_of_a_disabled_domain_are_warnings() -> None:
    text = CLIENT + "\nmetadata: {made: by hand}"
    text = text.replace("trademark_scope: brands", "trademark_scope: 7")
    (warning,) = client(text).warnings
    assert warning.startswith("clients/lai_weekly.yaml: watch_domains[2].trademark_scope: got 7; accepted: a string")


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
    assert Source(source_key="x", homepage_url="https://e.org/", ingestion_mode="html").url == "https://e.org/"
    assert Source(source_key="x", homepage_url="https://e.org/").url == ""


BROKEN = """
sources:
  - {source_key: "", ingestion_mode: ftp}
  - {source_key: b, max_content_length: 0, enabled: 1}
  - {source_key: b}
  - 5
  - {source_key: asleep, max_content_length: 0, enabled: false}
  - {source_key: pubmed, ingestion_mode: api, tags: [x], notes: "no feed"}
  - {source_key: retired, ingestion_mode: none, tags: [y]}
  - {source_key: fine, rss_url: "https://fine.example/rss", tags: []}
bouquets:
  - {bouquet_id: x, source_keys: b}
  - {bouquet_id: x}
  - {source_keys: [fine]}
  - {bouquet_id: gaps, source_keys: [fine, gone]}
  - {bouquet_id: good, source_keys: [fine, pubmed], description: "what is left"}
"""


def without_file(faults: tuple[str, ...]) -> list[str]:
    return [fault.removeprefix(f"{CATALOG_KEY}: ") for fault in faults]


@pytest.mark.parametrize("mode", list(ContentEnrichment))
def test_the_enrichment_of_a_source_is_read(mode: str) -> None:
    text = "sources: [{source_key: a, rss_url: 'https://e.org/rss', content_enrichment: %s}]"
    assert catalog(text % mode).sources["a"].content_enrichment == mode
    assert catalog(text % "null").sources["a"].content_enrichment is ContentEnrichment.NONE


def test_the_faults_of_what_a_run_does_not_use_are_warnings() -> None:
    selection = select_sources(ClientConfig(client_id="c", bouquets=("good",)), catalog(BROKEN))
    assert (keys(selection.sources), selection.skipped, selection.disabled) == (["fine"], ("pubmed",), ())
    length = "accepted: a whole number from 50 to 100000"
    assert without_file(selection.warnings) == [
        "sources[3]: got 5; accepted: a mapping",
        "sources[0].ingestion_mode: got 'ftp'; accepted: rss or html; sources with api or none are not read",
        "sources[0].source_key: got ''; accepted: a string that is not empty",
        "bouquets[2].bouquet_id: got None; accepted: a string that is not empty",
        "sources[1].enabled: got 1; accepted: true or false",
        f"sources[1].max_content_length: got 0; {length}",
        "sources[2].source_key: got 'b'; accepted: a name that no other entry has",
        f"sources[4].max_content_length: got 0; {length}",
        "bouquets[0].source_keys: got 'b'; accepted: a list of strings",
        "bouquets[1].bouquet_id: got 'x'; accepted: a name that no other entry has",
        "bouquet gaps: source_keys: got ['gone']; accepted: b, asleep, pubmed, retired, fine",
        "ingestion_mode: api and none are not read: pubmed, retired",
    ]


@pytest.mark.parametrize(
    ("bouquets", "extra", "faults"),
    [
        (("x",), (), ["bouquets[0].source_keys", "bouquets[1].bouquet_id"]),
        (("gaps",), (), ["bouquet gaps"]),
        ((), ("b",), ["sources[1].enabled", "sources[1].max_content_length", "sources[2].source_key"]),
    ],
)
def test_the_faults_of_what_a_run_uses_end_it(
    bouquets: tuple[str, ...], extra: tuple[str, ...], faults: list[str]
) -> None:
    config = ClientConfig(client_id="c", bouquets=bouquets, extra_sources=extra)
    with pytest.raises(ConfigurationError) as caught:
        select_sources(config, catalog(BROKEN))
    assert [fault.partition(": ")[0] for fault in without_file(caught.value.faults)] == faults


def test_a_disabled_source_ends_no_run() -> None:
    assert select_sources(ClientConfig(client_id="c"), catalog(BROKEN), ["asleep", "fine"]).disabled == ("asleep",)


def test_what_the_catalogue_says_and_nobody_reads_is_listed_once() -> None:
    assert without_file(catalog(BROKEN).unsupported) == ["sources[].tags"]


@pytest.mark.parametrize("text", ["sources: 7", "sources: [7]"])
def test_a_catalogue_without_any_source_that_can_be_read_is_refused(text: str) -> None:
    assert "sources" in faults_of(text, of_client=False)[0]


def test_a_catalogue_may_be_empty() -> None:
    assert catalog("sources: []") == Catalog({}, {})


def keys(sources: tuple[Source, ...]) -> list[str]:
    return [source.source_key for source in sources]


def test_the_selection_has_bouquets_and_extra_sources_without_duplicates() -> None:
    selection = select_sources(client(), catalog())
    assert keys(selection.sources) == ["a", "b", "extra"]
    assert selection.disabled == ("resting",)
    assert selection.warnings == ()


def test_the_event_replaces_the_selection() -> None:
    selection = select_sources(client(), catalog(), ["b", "resting", "b"])
    assert keys(selection.sources) == ["b"]
    assert selection.disabled == ("resting",)


def test_an_empty_bouquet_adds_nothing() -> None:
    assert select_sources(ClientConfig(client_id="c", bouquets=("empty",)), catalog()).sources == ()


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
    with pytest.raises(ConfigurationError, match="accepted: none; the catalog is empty"):
        select_sources(config, Catalog({}, {"nope": (), "broken": ()}))


def test_the_object_key_of_a_client() -> None:
    assert client_key("lai_weekly") == "clients/lai_weekly.yaml"
