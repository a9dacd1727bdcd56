"""A plan is made of a request and the configuration, or refused before anything is fetched."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

from support.clients import configure
from vectora_normalize.contract import ErrorType, RunRefusedError, RunRequest
from vectora_normalize.pipeline.plan import Plan, make_plan
from vectora_normalize.sources.window import Window
from vectora_normalize.storage.objects import FolderStore, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TODAY = dt.date(2026, 11, 21)
CLIENT = "client_profile: {client_id: small}\nsource_config: {source_bouquets_enabled: [all]}\n"


@pytest.fixture
def config(tmp_path: Path) -> FolderStore:
    store = FolderStore(tmp_path)
    configure(store)
    return store


def plan(config: FolderStore, **fields: object) -> Plan:
    request = RunRequest(**{"client_id": "small", **fields})  # type: ignore[arg-type]  # the fields of a request
    return make_plan(request, config, today=TODAY)


def refusal(config: FolderStore, **fields: object) -> RunRefusedError:
    with pytest.raises(RunRefusedError) as caught:
        plan(config, **fields)
    return caught.value


def test_a_plan_has_what_the_client_selects(config: FolderStore) -> None:
    made = plan(config)
    assert [source.source_key for source in made.sources] == ["one", "two"]
    assert made.disabled == ("idle",)
    assert made.scopes["companies"] == ("Camurus", "Teva")
    assert made.scopes["trademarks"] == ("Uzedy",)
    assert made.scopes["molecules"] == ()
    assert made.client.language == "fr"


def test_the_sources_of_the_event_replace_those_of_the_client(config: FolderStore) -> None:
    made = plan(config, sources=("two", "idle"))
    assert [source.source_key for source in made.sources] == ["two"]
    assert made.disabled == ("idle",)


@pytest.mark.parametrize(
    ("client", "fields", "window"),
    [
        (CLIENT, {}, Window.last_days(TODAY, 7)),
        (CLIENT + "pipeline: {default_period_days: 30}", {}, Window.last_days(TODAY, 30)),
        (CLIENT + "pipeline: {default_period_days: 30}", {"period_days": 2}, Window.last_days(TODAY, 2)),
        (CLIENT, {"from_date": dt.date(2026, 11, 1)}, Window(dt.date(2026, 11, 1), TODAY, future_days=1)),
        (
            CLIENT + "pipeline: {default_period_days: 30}",
            {"from_date": dt.date(2026, 11, 1), "to_date": dt.date(2026, 11, 2)},
            Window(dt.date(2026, 11, 1), dt.date(2026, 11, 2)),
        ),
    ],
)
def test_the_window_is_the_events_else_the_clients_else_a_week(
    tmp_path: Path, client: str, fields: dict[str, object], window: Window
) -> None:
    store = FolderStore(tmp_path)
    configure(store, small=client)
    assert plan(store, **fields).window == window


def test_the_refusal_of_an_unknown_client_lists_the_known_ones(config: FolderStore) -> None:
    config.put("clients/another.yaml", b"")
    config.put("clients/notes.txt", b"")
    config.put("clients/old/retired.yaml", b"")
    refused = refusal(config, client_id="nobody")
    assert refused.error_type is ErrorType.UNKNOWN_CLIENT
    assert str(refused) == (
        "client_id: got 'nobody'; accepted: a client whose configuration is in clients/nobody.yaml; "
        "known: another, small"
    )


def test_without_clients_the_refusal_lists_none(tmp_path: Path) -> None:
    assert str(refusal(FolderStore(tmp_path))).endswith("known: none")


class _UnlistedStore(FolderStore):
    def list(self, prefix: str) -> Iterator[str]:
        raise StoreError(f"{prefix}: cannot be listed: AccessDenied")


def test_a_bucket_that_may_not_be_listed_still_refuses_an_unknown_client(tmp_path: Path) -> None:
    assert refusal(_UnlistedStore(tmp_path)).error_type is ErrorType.UNKNOWN_CLIENT


def test_an_inactive_client_is_refused(config: FolderStore) -> None:
    configure(config, small="client_profile: {client_id: small, active: false}")
    refused = refusal(config)
    assert refused.error_type is ErrorType.INACTIVE_CLIENT
    assert "active: true in clients/small.yaml" in str(refused)


def test_sources_that_are_all_disabled_are_refused(config: FolderStore) -> None:
    refused = refusal(config, sources=("idle",))
    assert refused.error_type is ErrorType.UNKNOWN_SOURCE
    assert str(refused).startswith("sources: got idle, disabled in the catalog")


def test_sources_that_are_not_read_are_skipped_with_a_warning(config: FolderStore) -> None:
    key = "canonical/sources/source_catalog.yaml"
    config.put(key, config.get(key).replace(b"source_key: two", b"ingestion_mode: api, source_key: two"))
    made = plan(config)
    assert [source.source_key for source in made.sources] == ["one"]
    assert made.skipped == ("two",)
    assert made.warnings == (f"{key}: ingestion_mode: api and none are not read: two",)
    refused = refusal(config, sources=("two", "idle"))
    assert refused.error_type is ErrorType.UNKNOWN_SOURCE
    assert "two, whose ingestion_mode is not read" in str(refused)
    configure(config, small="client_profile: {client_id: small}\nsource_config: {sources_extra_enabled: [idle]}")
    assert "(it selects idle, disabled in the catalog)" in str(refusal(config))


def test_what_the_files_say_and_nobody_reads_is_in_the_plan(config: FolderStore) -> None:
    configure(config, small=CLIENT + "scoring_config: {weight: 2}\n")
    assert plan(config).unsupported[0] == "clients/small.yaml: scoring_config"


def test_a_client_that_selects_nothing_is_refused(config: FolderStore) -> None:
    configure(config, small="client_profile: {client_id: small}")
    refused = refusal(config)
    assert refused.error_type is ErrorType.INVALID_CONFIGURATION
    assert "clients/small.yaml: source_config: selects no source" in str(refused)


@pytest.mark.parametrize("missing", ["source_catalog", "company_scopes"])
def test_a_missing_file_is_named(tmp_path: Path, missing: str) -> None:
    store = FolderStore(tmp_path)
    configure(store, **{missing: None})
    refused = refusal(store)
    assert refused.error_type is ErrorType.INVALID_CONFIGURATION
    assert f"{missing}.yaml: no such object; required by the configuration" in str(refused)


def test_scopes_that_no_domain_names_need_no_file(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    configure(store, small=CLIENT, company_scopes=None, trademark_scopes=None)
    assert set(plan(store).scopes.values()) == {()}
