"""The plan of a run: reads and checks request and configuration before anything is fetched or paid for."""

from __future__ import annotations

from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Final

import msgspec

from vectora_normalize.contract import DEFAULT_PERIOD_DAYS, ErrorType, RunRefusedError
from vectora_normalize.sources.config import catalog
from vectora_normalize.sources.config.scopes import resolve_scopes, scope_files
from vectora_normalize.sources.window import FUTURE_DAYS, Window
from vectora_normalize.storage.objects import NotFoundError, StoreError

if TYPE_CHECKING:
    import datetime as dt

    from vectora_normalize.contract import RunRequest
    from vectora_normalize.items import Scopes
    from vectora_normalize.sources.config.scopes import WatchedNames
    from vectora_normalize.storage.objects import ObjectStore

_MAX_LISTED_CLIENTS: Final = 50  # in the message about an unknown client


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The plan of a run.

    Args:
        client: The client's configuration.
        sources: The sources to read, in this order.
        disabled: Keys of sources that were selected, but are disabled in the catalog.
        skipped: Keys of sources that were selected, but are not read: their ingestion mode is ``api`` or ``none``.
        window: The days whose items are kept.
        scopes: The client's names by kind.
        warnings: Faults in parts of the configuration that this run does not use.
        unsupported: Settings of the configuration that this project does not read, each path once.
    """

    client: catalog.ClientConfig
    sources: tuple[catalog.Source, ...]
    disabled: tuple[str, ...]
    skipped: tuple[str, ...] = ()
    window: Window
    scopes: Scopes
    warnings: tuple[str, ...] = ()
    unsupported: tuple[str, ...] = ()


class ClientContext(msgspec.Struct, frozen=True):
    """What the configuration says of the client whose items are normalized.

    Args:
        client: The client's configuration.
        scopes: The client's names by kind.
    """

    client: catalog.ClientConfig
    scopes: Scopes


def load_client_context(client_id: str, config: ObjectStore) -> ClientContext:
    """Read the configuration of a client and its scopes.

    Args:
        client_id: The client.
        config: The configuration bucket.

    Raises:
        RunRefusedError: The client is unknown or inactive, or the configuration is wrong.
        StoreError: The configuration could not be read.
    """
    client = _read_client(config, client_id)
    return ClientContext(client, _read_scopes(client, config).by_kind)


def make_plan(request: RunRequest, config: ObjectStore, *, today: dt.date) -> Plan:
    """Make the plan of a run.

    Args:
        request: The parsed event.
        config: The configuration bucket.
        today: Day of the run, UTC.

    Raises:
        RunRefusedError: The client is unknown or inactive, the event names a source that is not in the catalog, or
            the configuration is wrong.
        StoreError: The configuration could not be read.
    """
    client = _read_client(config, request.client_id)
    known = catalog.parse_catalog(_read(config, catalog.CATALOG_KEY))
    selection = catalog.select_sources(client, known, request.sources)
    if not selection.sources:
        raise _no_sources_error(request, selection)
    watched = _read_scopes(client, config)
    return Plan(
        client=client,
        sources=selection.sources,
        disabled=selection.disabled,
        skipped=selection.skipped,
        window=_window(request, client, today),
        scopes=watched.by_kind,
        warnings=(*client.warnings, *selection.warnings),
        unsupported=(*client.unsupported, *known.unsupported, *watched.unsupported),
    )


def _read_scopes(client: catalog.ClientConfig, config: ObjectStore) -> WatchedNames:
    return resolve_scopes(client, {field: _read(config, key) for field, key in scope_files(client).items()})


def _read_client(config: ObjectStore, client_id: str) -> catalog.ClientConfig:
    key = catalog.client_key(client_id)
    try:
        data = config.get(key)
    except NotFoundError:
        known = f"; known: {', '.join(_known_clients(config))}"
        raise RunRefusedError(
            ErrorType.UNKNOWN_CLIENT,
            f"client_id: got {client_id!r}; accepted: a client whose configuration is in {key}{known}",
        ) from None
    client = catalog.parse_client_config(data, key)
    if not client.active:
        raise RunRefusedError(
            ErrorType.INACTIVE_CLIENT,
            f"client_id: got {client_id!r}, which is inactive; accepted: a client with active: true in {key}",
        )
    return client


def _known_clients(config: ObjectStore) -> list[str]:
    names: list[str] = []
    with suppress(StoreError):  # a role without s3:ListBucket can still run known clients
        keys = (key.removeprefix("clients/") for key in config.list("clients/"))
        found = (key.removesuffix(".yaml") for key in keys if key.endswith(".yaml") and "/" not in key)
        names.extend(islice(found, _MAX_LISTED_CLIENTS))
    return names or ["none"]


def _read(config: ObjectStore, key: str) -> bytes:
    try:
        return config.get(key)
    except NotFoundError as error:
        raise RunRefusedError(ErrorType.INVALID_CONFIGURATION, f"{error}; required by the configuration") from None


def _no_sources_error(request: RunRequest, selection: catalog.Selection) -> RunRefusedError:
    given = [f"{key}, disabled in the catalog" for key in selection.disabled]
    given += [f"{key}, whose ingestion_mode is not read" for key in selection.skipped]
    if request.sources is not None:
        return RunRefusedError(
            ErrorType.UNKNOWN_SOURCE,
            f"sources: got {'; '.join(given)}; accepted: at least one source with enabled: true and "
            "ingestion_mode rss or html",
        )
    only = f" (it selects {'; '.join(given)})" if given else ""
    return RunRefusedError(
        ErrorType.INVALID_CONFIGURATION,
        f"{catalog.client_key(request.client_id)}: source_config: selects no source that the catalog enables{only}; "
        "required: at least one with ingestion_mode rss or html, by source_bouquets_enabled or sources_extra_enabled",
    )


def _window(request: RunRequest, client: catalog.ClientConfig, today: dt.date) -> Window:
    if request.from_date is None:
        days = request.period_days or client.default_period_days or DEFAULT_PERIOD_DAYS
        return Window.last_days(today, days)
    if request.to_date is None:
        return Window(request.from_date, today, future_days=FUTURE_DAYS)
    return Window(request.from_date, request.to_date)
