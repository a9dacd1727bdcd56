"""What one fetch may use up: seconds, bytes, redirects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from vectora_normalize.sources.errors import FetchError, FetchErrorKind

if TYPE_CHECKING:
    from bedrock_resilience.clock import Clock

MEBIBYTE = 1024 * 1024


class FetchLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of fetching; seconds and bytes.

    Args:
        max_bytes: Of a body, once decompressed. What is kept in memory of one source at most.
        max_wire_bytes: Received in one fetch, headers and redirects included.
        max_header_bytes: Received of one answer before its body begins.
        total_seconds: From the first look-up to the last byte, redirects and the one retry included.
        connect_seconds: For one name look-up, one connection, one TLS handshake.
        idle_seconds: Without a byte received.
        max_redirects: Redirects that are followed.
        workers: Sources that are fetched at once.
        per_host: Of those, how many from one host.
    """

    max_bytes: int = 4 * MEBIBYTE
    max_wire_bytes: int = 4 * MEBIBYTE
    max_header_bytes: int = 64 * 1024
    total_seconds: float = 20.0
    connect_seconds: float = 5.0
    idle_seconds: float = 10.0
    max_redirects: int = 5
    workers: int = 8
    per_host: int = 2

    def __post_init__(self) -> None:
        """Refuse limits that no fetch could keep.

        Raises:
            ValueError: A limit that is not above zero (`max_redirects` may be zero).
        """
        for name in self.__struct_fields__:
            value = getattr(self, name)
            least = 0 if name == "max_redirects" else 1 if isinstance(value, int) else 0.001
            if not value >= least:
                raise ValueError(f"FetchLimits.{name}: got {value!r}; accepted: a number from {least}")


class FetchBudget:
    """What one fetch has used up so far; asked before each wait and told of each byte.

    Args:
        limits: The limits that it keeps.
        clock: Where the time comes from.
        until: Instant of the clock at which the fetch ends, if that is before its own limit.
    """

    def __init__(self, limits: FetchLimits, clock: Clock, until: float | None = None) -> None:
        self._limits = limits
        self._clock = clock
        self._start = clock.monotonic()
        end = self._start + limits.total_seconds
        self._end = end if until is None else min(end, until)
        self._header_start: int | None = None
        self.received = 0

    @property
    def elapsed(self) -> float:
        """Seconds since the fetch began."""
        return self._clock.monotonic() - self._start

    def timeout(self, longest: float) -> float:
        """Seconds that the next wait may take: `longest`, or what is left of the fetch.

        Raises:
            FetchError: TOO_SLOW, if nothing is left.
        """
        left = self._end - self._clock.monotonic()
        if left <= 0:
            raise FetchError(FetchErrorKind.TOO_SLOW, f"not complete after {self.elapsed:.1f} s")
        return min(longest, left)

    def fits(self, seconds: float) -> bool:
        """Whether a wait of so many seconds would end before the fetch must."""
        return self._clock.monotonic() + seconds < self._end

    def header_begins(self) -> None:
        """From now on, what is received counts as header."""
        self._header_start = self.received

    def header_ends(self) -> None:
        """From now on, what is received counts as body."""
        self._header_start = None

    def count(self, received: int) -> None:
        """Count bytes that came over the wire.

        Raises:
            FetchError: TOO_LARGE.
        """
        self.received += received
        limits = self._limits
        if self.received > limits.max_wire_bytes:
            raise FetchError(FetchErrorKind.TOO_LARGE, f"more than {limits.max_wire_bytes} bytes on the wire")
        if self._header_start is not None and self.received - self._header_start > limits.max_header_bytes:
            raise FetchError(FetchErrorKind.TOO_LARGE, f"more than {limits.max_header_bytes} bytes of headers")
