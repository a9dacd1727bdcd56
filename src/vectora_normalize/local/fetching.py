"""The fetcher of a local run: the real one, with the web behind it replaced by a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from vectora_normalize.local.sources import LOOPBACK
from vectora_normalize.sources.errors import FetchError, FetchErrorKind
from vectora_normalize.sources.http.addresses import AddressPolicy
from vectora_normalize.sources.http.fetch import Fetcher, FetchResult
from vectora_normalize.sources.urls import parse_target, show_url

if TYPE_CHECKING:
    from vectora_normalize.local.sources import SourceServer


class LocalFetcher(Fetcher):
    """Asks a `SourceServer` for whatever URL it is asked for, and nobody else.

    What it returns carries the URL of the source, not that of the server, whose port differs from run to run: links and
    item ids stay the same.

    Args:
        sources: The running server.
    """

    def __init__(self, sources: SourceServer) -> None:
        super().__init__(
            addresses=AddressPolicy(allowed=(f"{LOOPBACK}/32",), ports=None), resolver=lambda _host, _port: (LOOPBACK,)
        )
        self._sources = sources

    def fetch(self, url: str, *, until: float | None = None) -> FetchResult:
        """The document at a URL; see `Fetcher.fetch`."""
        target = parse_target(url)
        path = f"/{target.host}{target.path}"
        try:
            found = super().fetch(f"{self._sources.base_url}{path}", until=until)
        except FetchError as error:
            where = f" (in a local run it is the file {self._sources.file_of(path)})"
            missing = error.kind is FetchErrorKind.NOT_FOUND
            error.message = f"{show_url(url)}: {error.message.partition(': ')[2]}{where if missing else ''}"
            error.args = (error.message,)
            raise
        return msgspec.structs.replace(found, url=target.url)
