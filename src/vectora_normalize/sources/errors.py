"""Why a source gave nothing: the kinds of failure that the run report and the metrics count."""

from __future__ import annotations

from enum import StrEnum


class FetchErrorKind(StrEnum):
    """What stood between us and the items of a source."""

    NO_ADDRESS = "no_address"
    """The catalogue gives no URL for the source's ingestion mode."""
    INVALID_URL = "invalid_url"
    """Not an absolute http or https URL of the accepted form."""
    REFUSED_ADDRESS = "refused_address"
    """The host is, or resolves to, an address that this function must not reach."""
    REFUSED_REDIRECT = "refused_redirect"
    """A redirect without a target, or from https to http."""
    TOO_MANY_REDIRECTS = "too_many_redirects"
    UNRESOLVED_NAME = "unresolved_name"
    CONNECTION_FAILED = "connection_failed"
    """No connection, or it broke before an answer came."""
    REFUSED_CERTIFICATE = "refused_certificate"
    """TLS could not be agreed upon, or the certificate is not the host's."""
    TOO_SLOW = "too_slow"
    """The time of the fetch was over, or nothing came for too long."""
    TOO_LARGE = "too_large"
    """More bytes than accepted: headers, body on the wire, or body once decompressed."""
    BROKEN_ANSWER = "broken_answer"
    """Not HTTP, or a compression that cannot be undone."""
    WRONG_TYPE = "wrong_type"
    """A picture, a film, an archive: nothing that holds items."""
    NOT_MODIFIED = "not_modified"
    """304, although every request asks for the whole document."""
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    THROTTLED = "throttled"
    SERVER_ERROR = "server_error"
    UNEXPECTED_STATUS = "unexpected_status"
    EMPTY = "empty"
    """An answer without a body."""
    UNREADABLE = "unreadable"
    """The body is no feed, and no page, of which anything could be read."""
    READER_CRASHED = "reader_crashed"
    """The document found a bug in the reader; the message says where."""
    NOT_STARTED = "not_started"
    """The run's time was over before the source's turn came."""


class FetchError(Exception):
    """A source could not be fetched.

    Args:
        kind: What kind of failure it is.
        message: One sentence for an operator. It never holds credentials or the query of a URL.
        status: The HTTP status, where there was an answer.
        retry_after: Seconds that the server asked to wait, where it did.
        received: Bytes that came over the wire, headers included.
        elapsed: Seconds that it took.
    """

    def __init__(
        self,
        kind: FetchErrorKind,
        message: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
        received: int = 0,
        elapsed: float = 0.0,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.status = status
        self.retry_after = retry_after
        self.received = received
        self.elapsed = elapsed


class ParseError(Exception):
    """A document of which nothing can be read.

    Args:
        message: One sentence for an operator.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
