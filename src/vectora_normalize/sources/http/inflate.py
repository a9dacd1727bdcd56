"""Decompression that stops at a limit, however little was sent.

A few hundred kilobytes of gzip can hold gigabytes. Output is asked for in pieces, and the first byte beyond the limit
ends it, so a bomb costs the limit and not its size.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

from vectora_normalize.sources.errors import FetchError, FetchErrorKind

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Protocol

    class _Decompressor(Protocol):
        """What zlib.decompressobj() returns."""

        @property
        def eof(self) -> bool: ...

        @property
        def unused_data(self) -> bytes: ...

        @property
        def unconsumed_tail(self) -> bytes: ...

        def decompress(self, data: bytes, /, max_length: int = 0) -> bytes: ...


ACCEPTED: Final = "gzip, deflate"
"""What requests offer. Brotli and zstd would each be one more decompressor to trust, for documents this small."""

_GZIP = 16 + zlib.MAX_WBITS
_BARE = -zlib.MAX_WBITS
_GZIP_MAGIC = b"\x1f\x8b"
_MOST_MEMBERS = 100  # each costs an allocation, and a member of 20 bytes may hold nothing


def inflate(chunks: Iterable[bytes], encoding: str, max_bytes: int) -> tuple[bytes, bool]:
    """The body that the chunks hold, with its content encoding undone, and whether it came to its end.

    Args:
        chunks: The body as it came.
        encoding: The `Content-Encoding` header.
        max_bytes: Most bytes of the result.

    Raises:
        FetchError: TOO_LARGE beyond the limit; BROKEN_ANSWER for an encoding that was not offered, or data that is not
            what the header says.
    """
    names = [name for part in encoding.lower().split(",") if (name := part.strip()) not in {"", "identity"}]
    if not names:
        return _join(chunks, max_bytes), True
    if names[0] not in {"gzip", "x-gzip", "deflate"} or len(names) > 1:
        shown = ", ".join(names)[:40]
        raise FetchError(
            FetchErrorKind.BROKEN_ANSWER, f"content encoding {shown!r} was not asked for; accepted: {ACCEPTED}"
        )
    inflater = _Inflater(names[0], max_bytes)
    try:
        for chunk in chunks:
            inflater.feed(chunk)
    except zlib.error:
        raise FetchError(FetchErrorKind.BROKEN_ANSWER, f"the body is not the {names[0]} that its header says") from None
    return bytes(inflater.body), inflater.complete


class _Inflater:
    """One compressed body. A gzip body may have several members; whatever follows the last stream is not looked at."""

    def __init__(self, name: str, max_bytes: int) -> None:
        self._is_gzip = name != "deflate"
        self._max_bytes = max_bytes
        self._members = 0
        self._stream: _Decompressor | None = None
        self.body = bytearray()

    @property
    def complete(self) -> bool:
        return self._stream is None or self._stream.eof

    def feed(self, data: bytes) -> None:
        while data and (stream := self._next_stream(data)):
            self.body += stream.decompress(data, self._max_bytes + 1 - len(self.body))
            _check(len(self.body), self._max_bytes)
            data = stream.unused_data if stream.eof else stream.unconsumed_tail

    def _next_stream(self, data: bytes) -> _Decompressor | None:
        """The stream that reads this data; None if it comes after the end of the body."""
        if self._stream is not None and not self._stream.eof:
            return self._stream
        another = self._is_gzip and _GZIP_MAGIC.startswith(data[:2]) and self._members < _MOST_MEMBERS
        if self._members and not another:
            return None
        self._members += 1
        # RFC 9110 means zlib by "deflate", some servers send the bare stream; a zlib stream begins with method 8.
        bare = data[0] & 0x0F != 8  # noqa: PLR2004 - RFC 1950, CM = 8
        self._stream = zlib.decompressobj(_GZIP if self._is_gzip else _BARE if bare else zlib.MAX_WBITS)
        return self._stream


def _join(chunks: Iterable[bytes], max_bytes: int) -> bytes:
    body = bytearray()
    for chunk in chunks:
        body += chunk
        _check(len(body), max_bytes)
    return bytes(body)


def _check(size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise FetchError(FetchErrorKind.TOO_LARGE, f"more than {max_bytes} bytes once decompressed")
