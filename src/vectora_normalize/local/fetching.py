"""The fetcher of a local run: the real one, with a server of local files in place of the internet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from vectora_normalize.local.sources import LOOPBACK
from vectora_normalize.sources.errors import FetchError, FetchErrorKind
from vectora_normalize.sources.http.addresses import AddressPolicy
from vectora_normalize.sources.http.fetch import Fetcher, FetchResult
from vectora_normalize.sources.urls import parse_target, redact_url

if TYPE_CHECKING:
    from vectora_normalize.local.sources import SourceServer
    from vectora_normalize.sources.http.fetch import Validators


class LocalFetcher(Fetcher):
    """Fetches every URL from a ``SourceServer``.

    Results have the URL of the source, not that of the server, whose port differs from run to run. Links and item ids
    are therefore the same in each run.

    Args:
        sources: The running server.
    """

    def __init__(self, sources: SourceServer) -> None:
        super().__init__(
            addresses=AddressPolicy(allowed=(f"{LOOPBACK}/32",), ports=None), resolver=lambda _host, _port: (LOOPBACK,)
        )
        self._sources = sources

    def fetch(
        self,
        url: str,
        *,
        until: float | None = None,
        validators: Validators | None = None,
        from_public: bool = False,
    ) -> FetchResult:
        """Fetch the document at a URL; see ``Fetcher.fetch``."""
        target = parse_target(url)
        path = f"/{target.host}{target.path}"
        try:
            result = super().fetch(
                f"{self._sources.base_url}{path}", until=until, validators=validators, from_public=from_public
            )
        except FetchError as error:
            error.message = f"{redact_url(url)}: {error.message.partition(': ')[2]}"
            if error.kind is FetchErrorKind.NOT_FOUND:
                error.message += f" (in a local run it is the file {self._sources.file_of(path)})"
            error.args = (error.message,)
            raise
        return msgspec.structs.replace(result, url=target.url)
