"""One HTTP exchange with an address that has been vetted: connect to it, ask, read within the limits.

Built on `http.client` rather than on a client library, for three reasons. The connection goes to the address that was
vetted and to no other, so that a second look-up cannot answer differently (DNS rebinding), while certificate and `Host`
are those of the name. Every byte passes through the budget, so that neither a header nor a body that drips for ever
outlives its time. And nothing here writes a log: libraries quote URLs in theirs.
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

_CHUNK: Final = 64 * 1024


class HttpExchange:
    """A request that has been answered. Close it; it is a context manager that does.

    Args:
        target: What is asked for; its name decides `Host`, SNI and the certificate.
        addresses: Numeric addresses to connect to, tried in turn.
        headers: Request headers.
        limits: How long to wait for what.
        budget: Counts what this costs.
        tls: Context for https targets.

    Raises:
        FetchError: No connection, no answer, or a limit is reached.
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
            budget.header_begins()
            connection.request("GET", target.path, headers={"Host": target.authority, **headers})
            self._response = connection.getresponse()
            budget.header_ends()
        except (OSError, http.client.HTTPException, ValueError) as error:
            connection.close()
            raise _translate(error, budget) from None  # the original may quote the URL
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        self.status = self._response.status
        self.length = self._response.length
        """Bytes of the body, as the headers announce it; None where they do not."""
        self.cut_short = False
        """Whether the body ended before the length that its headers announced."""

    def header(self, name: str) -> str:
        """A header of the answer; an empty string where it has none."""
        return self._response.getheader(name) or ""

    def chunks(self) -> Generator[bytes]:
        """The body as it comes over the wire, piece by piece, still compressed.

        Raises:
            FetchError: A limit is reached, or the connection broke before the first byte.
        """
        left = self.length
        try:
            while left != 0:
                # The length is counted here, because before Python 3.13 read1() does not count it down.
                chunk = self._response.read1(_CHUNK if left is None else min(_CHUNK, left))
                if not chunk:
                    break
                left = None if left is None else left - len(chunk)
                yield chunk
            self.cut_short = bool(left)
        except http.client.IncompleteRead:
            self.cut_short = True
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _translate(error, self._budget) from None

    def close(self) -> None:
        """Close the connection, whatever is left unread."""
        self._response.close()
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _MeteredSocket:
    """As much of a socket as `http.client` uses; what is read from it passes through the budget."""

    def __init__(self, sock: socket.socket, limits: FetchLimits, budget: FetchBudget) -> None:
        self._sock = sock
        self._limits = limits
        self._budget = budget

    def sendall(self, data: bytes) -> None:
        self._sock.settimeout(self._budget.timeout(self._limits.idle_seconds))
        self._sock.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        # The raw file keeps the socket open after close(), as http.client expects of a connection that will close.
        raw = self._sock.makefile("rb", buffering=0)
        return io.BufferedReader(_MeteredFile(raw, self._sock, self._limits, self._budget))

    def close(self) -> None:
        self._sock.close()


class _MeteredFile(io.RawIOBase):
    """The receiving side of a socket: no read waits longer than is left, and every byte is counted."""

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
        received = self._raw.readinto(cast("Any", buffer)) or 0
        self._budget.count(received)
        return received

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
    """A socket to the first address that accepts one; with TLS on it where the scheme says so."""
    failed: OSError | None = None
    for address in addresses:
        try:
            sock = socket.create_connection((address, target.port), timeout=budget.timeout(limits.connect_seconds))
        except OSError as error:
            failed = error
            continue
        if target.scheme == "http":
            return sock
        try:
            assert tls is not None  # noqa: S101 - the fetcher makes one for every https target
            sock.settimeout(budget.timeout(limits.connect_seconds))  # for the whole handshake
            return tls.wrap_socket(sock, server_hostname=target.host.removesuffix("."))
        except BaseException:
            sock.close()
            raise
    raise failed or OSError("no address")


def _translate(error: Exception, budget: FetchBudget) -> FetchError:
    """The failure that an error of the transport amounts to. Its own message is dropped: it may quote URL and bytes."""
    if isinstance(error, http.client.RemoteDisconnected):
        return FetchError(FetchErrorKind.CONNECTION_FAILED, "the connection was closed without an answer")
    if isinstance(error, TimeoutError):
        return FetchError(FetchErrorKind.TOO_SLOW, f"nothing came for too long; given up after {budget.elapsed:.1f} s")
    if isinstance(error, ssl.SSLCertVerificationError):
        return FetchError(FetchErrorKind.REFUSED_CERTIFICATE, f"the certificate is refused: {error.verify_message}")
    if isinstance(error, ssl.SSLError):
        return FetchError(
            FetchErrorKind.REFUSED_CERTIFICATE, f"no agreement on TLS ({error.reason or 'no reason given'})"
        )
    if isinstance(error, OSError):
        return FetchError(FetchErrorKind.CONNECTION_FAILED, f"no connection: {error.strerror or type(error).__name__}")
    return FetchError(FetchErrorKind.BROKEN_ANSWER, f"the answer is not HTTP ({type(error).__name__})")
