"""One HTTP request to a checked address, and its response, within the limits of a fetch.

It uses ``http.client`` rather than a client library, for three reasons. The connection goes to an address that was
checked, so that a second name lookup cannot return another one (DNS rebinding), while certificate and ``Host`` header
are those of the name. Every byte is counted, so that a header or body that is sent byte by byte ends at the time limit.
And it logs nothing: libraries log URLs, which may contain secrets.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
from typing import TYPE_CHECKING, Any, Final, cast

from vectora_normalize.sources.errors import FetchError, FetchErrorKind

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from typing import Self

    from typing_extensions import Buffer

    from vectora_normalize.sources.http.limits import FetchBudget, FetchLimits
    from vectora_normalize.sources.urls import RequestTarget

_CHUNK_BYTES: Final = 64 * 1024


class HttpExchange:
    """A request whose response has begun; a context manager that closes the connection.

    Args:
        target: The request target; its host name determines the ``Host`` header, SNI and the expected certificate.
        addresses: Numeric addresses to connect to, tried in order.
        headers: Request headers.
        limits: The limits of each wait.
        budget: The budget of the fetch.
        tls: The TLS context for https targets.

    Raises:
        FetchError: No connection, no response, or a limit is reached.
    """

    def __init__(
        self,
        target: RequestTarget,
        addresses: tuple[str, ...],
        headers: Mapping[str, str],
        *,
        limits: FetchLimits,
        budget: FetchBudget,
        tls: ssl.SSLContext | None,
    ) -> None:
        self._budget = budget
        self._limits = limits
        connection = http.client.HTTPConnection(target.host, target.port)
        try:
            connection.sock = cast(
                "Any", _MeteredSocket(_connect(target, addresses, limits, budget, tls), limits, budget)
            )
            budget.start_header()
            connection.request("GET", target.path, headers={"Host": target.authority, **headers})
            self._response = connection.getresponse()
            budget.end_header()
        except (OSError, http.client.HTTPException, ValueError) as error:
            connection.close()
            raise _fetch_error(error, budget) from None  # the text of the original may contain the URL
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        self.status = self._response.status
        self.content_length = self._response.length
        """Bytes of the body according to the headers; None if they do not say."""
        self.truncated = False
        """Whether the body ended before the length in its headers."""

    def header(self, name: str) -> str:
        """Return a header of the response; an empty string if it is missing."""
        return self._response.getheader(name) or ""

    def chunks(self) -> Generator[bytes]:
        """Yield the body in pieces as received, still compressed.

        Raises:
            FetchError: A limit is reached, or the connection broke.
        """
        remaining = self.content_length
        try:
            while remaining != 0:
                # The rest is counted here, because before Python 3.13 read1() does not subtract what it returns.
                chunk = self._response.read1(_CHUNK_BYTES if remaining is None else min(_CHUNK_BYTES, remaining))
                if not chunk:
                    break
                remaining = None if remaining is None else remaining - len(chunk)
                yield chunk
            self.truncated = bool(remaining)
        except http.client.IncompleteRead:
            self.truncated = True
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _fetch_error(error, self._budget) from None

    def close(self) -> None:
        """Close the connection, without reading the rest."""
        self._response.close()
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _MeteredSocket:
    """The part of a socket that ``http.client`` uses; bytes read from it are counted in the budget."""

    def __init__(self, sock: socket.socket, limits: FetchLimits, budget: FetchBudget) -> None:
        self._sock = sock
        self._limits = limits
        self._budget = budget

    def sendall(self, data: bytes) -> None:
        self._sock.settimeout(self._budget.timeout(self._limits.idle_seconds))
        self._sock.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        # The raw file keeps the socket open after close(), as http.client expects with "Connection: close".
        raw = self._sock.makefile("rb", buffering=0)
        return io.BufferedReader(_MeteredFile(raw, self._sock, self._limits, self._budget))

    def close(self) -> None:
        self._sock.close()


class _MeteredFile(io.RawIOBase):
    """The receiving side of a socket: each read has a timeout, and every byte is counted."""

    def __init__(self, raw: socket.SocketIO, sock: socket.socket, limits: FetchLimits, budget: FetchBudget) -> None:
        super().__init__()
        self._raw = raw
        self._sock = sock
        self._limits = limits
        self._budget = budget

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        self._sock.settimeout(self._budget.timeout(self._limits.idle_seconds))
        count = self._raw.readinto(cast("Any", buffer)) or 0
        self._budget.add_received(count)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


def _connect(
    target: RequestTarget,
    addresses: tuple[str, ...],
    limits: FetchLimits,
    budget: FetchBudget,
    tls: ssl.SSLContext | None,
) -> socket.socket:
    """Return a socket connected to the first address that accepts a connection, with TLS for https targets."""
    last_error: OSError | None = None
    for address in addresses:
        try:
            sock = socket.create_connection((address, target.port), timeout=budget.timeout(limits.connect_seconds))
        except OSError as error:
            last_error = error
            continue
        if target.scheme == "http":
            return sock
        try:
            assert tls is not None  # noqa: S101 - the fetcher passes one for every https target
            sock.settimeout(budget.timeout(limits.connect_seconds))  # for the handshake as a whole
            return tls.wrap_socket(sock, server_hostname=target.host.removesuffix("."))
        except BaseException:
            sock.close()
            raise
    raise last_error or OSError("no address")


def _fetch_error(error: Exception, budget: FetchBudget) -> FetchError:
    """Return the failure for an error of the transport, without its text, which may contain URL and received bytes."""
    if isinstance(error, http.client.RemoteDisconnected):
        return FetchError(FetchErrorKind.CONNECTION_ERROR, "the connection was closed without a response")
    if isinstance(error, TimeoutError):
        return FetchError(FetchErrorKind.TIMEOUT, f"timed out after {budget.elapsed:.1f} s")
    if isinstance(error, ssl.SSLCertVerificationError):
        return FetchError(FetchErrorKind.TLS_ERROR, f"invalid certificate: {error.verify_message}")
    if isinstance(error, ssl.SSLError):
        return FetchError(FetchErrorKind.TLS_ERROR, f"the TLS handshake failed ({error.reason or 'no reason given'})")
    if isinstance(error, OSError):
        reason = error.strerror or type(error).__name__
        return FetchError(FetchErrorKind.CONNECTION_ERROR, f"connection error: {reason}")
    return FetchError(FetchErrorKind.INVALID_RESPONSE, f"the response is not HTTP ({type(error).__name__})")
