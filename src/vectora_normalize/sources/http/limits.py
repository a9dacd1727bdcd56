"""Limits of a fetch: seconds, bytes, redirects."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from vectora_normalize.sources.errors import FetchError, FetchErrorKind

if TYPE_CHECKING:
    from bedrock_resilience.clock import Clock

MEBIBYTE = 1024 * 1024


class FetchLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of fetching.

    Args:
        max_bytes: Bytes of a decompressed body; the most that is kept in memory for one source.
        max_wire_bytes: Bytes received in one fetch, headers and redirects included.
        max_header_bytes: Bytes received of one response before its body.
        total_seconds: Seconds of one fetch, from the name lookup to the last byte, redirects and the retry included.
        connect_seconds: Seconds of one name lookup, of one connection, and of one TLS handshake.
        idle_seconds: Seconds without a received byte.
        max_redirects: Redirects that are followed; may be 0.
        workers: Sources that are fetched at the same time.
        per_host: The most of those from the same host.

    Raises:
        TypeError: A value of the wrong type.
        ValueError: A value that is out of range.
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
        """Check all values and refuse all wrong ones at once."""
        problems = [problem for name in self.__struct_fields__ if (problem := _problem(name, getattr(self, name)))]
        if problems:
            error = TypeError if any(error is TypeError for error, _ in problems) else ValueError
            raise error(f"FetchLimits: {'; '.join(text for _, text in problems)}")


def _problem(name: str, given: object) -> tuple[type[TypeError | ValueError], str] | None:
    """Return the error class and the text for a value that is not accepted, in the form of the library's refusals."""
    is_time, least = name.endswith("_seconds"), 0 if name == "max_redirects" else 1
    accepted = "a finite number of seconds > 0" if is_time else f"a whole number >= {least}"
    text = f"{name}: got {given!r}; accepted: {accepted}"
    if isinstance(given, bool) or not isinstance(given, (int, float) if is_time else int):
        return TypeError, text
    in_range = 0 < given < math.inf if is_time else given >= least
    return None if in_range else (ValueError, text)


class FetchBudget:
    """What one fetch has used of its limits.

    Args:
        limits: The limits.
        clock: The source of time.
        until: Instant of the clock at which the fetch ends, if that is before its own limit.
    """

    def __init__(self, limits: FetchLimits, clock: Clock, until: float | None = None) -> None:
        self._limits = limits
        self._clock = clock
        self._start = clock.monotonic()
        end = self._start + limits.total_seconds
        self._end = end if until is None else min(end, until)
        self._header_start: int | None = None
        self.received_bytes = 0

    @property
    def elapsed(self) -> float:
        """Seconds since the fetch began."""
        return self._clock.monotonic() - self._start

    def timeout(self, longest: float) -> float:
        """Return the seconds that the next wait may take: ``longest``, or the rest of the fetch.

        Raises:
            FetchError: TIMEOUT: no time is left.
        """
        remaining = self._end - self._clock.monotonic()
        if remaining <= 0:
            raise FetchError(FetchErrorKind.TIMEOUT, f"not complete after {self.elapsed:.1f} s")
        return min(longest, remaining)

    def fits(self, seconds: float) -> bool:
        """Return whether a wait of so many seconds ends before the fetch must."""
        return self._clock.monotonic() + seconds < self._end

    def start_header(self) -> None:
        """Count the bytes that are received from now on as header."""
        self._header_start = self.received_bytes

    def end_header(self) -> None:
        """Count the bytes that are received from now on as body."""
        self._header_start = None

    def add_received(self, count: int) -> None:
        """Add received bytes.

        Raises:
            FetchError: TOO_LARGE.
        """
        self.received_bytes += count
        limits = self._limits
        if self.received_bytes > limits.max_wire_bytes:
            raise FetchError(FetchErrorKind.TOO_LARGE, f"more than {limits.max_wire_bytes} bytes on the wire")
        if self._header_start is not None and self.received_bytes - self._header_start > limits.max_header_bytes:
            raise FetchError(FetchErrorKind.TOO_LARGE, f"more than {limits.max_header_bytes} bytes of headers")
