"""Failures of a source: the kinds that the run report and the metrics count, and the exceptions."""

from __future__ import annotations

from enum import StrEnum


class FetchErrorKind(StrEnum):
    """Why a source gave no items; ``failure`` in the run report."""

    MISSING_URL = "missing_url"
    """The catalog gives no URL for the source's ingestion mode."""
    INVALID_URL = "invalid_url"
    """Not an absolute http or https URL of the accepted form."""
    BLOCKED_ADDRESS = "blocked_address"
    """The host is, or resolves to, an address or port that the fetcher must not connect to."""
    INVALID_REDIRECT = "invalid_redirect"
    """A redirect without a target, or from https to http."""
    TOO_MANY_REDIRECTS = "too_many_redirects"
    DNS_ERROR = "dns_error"
    """The host name has no address, or the resolver did not answer in time."""
    CONNECTION_ERROR = "connection_error"
    """The connection could not be opened, or broke before the response was complete."""
    TLS_ERROR = "tls_error"
    """The TLS handshake failed, or the certificate is not valid for the host."""
    TIMEOUT = "timeout"
    """The time limit of the fetch, of the connection or of silence was reached."""
    TOO_LARGE = "too_large"
    """More bytes than accepted: headers, body on the wire, or decompressed body."""
    INVALID_RESPONSE = "invalid_response"
    """Not HTTP, or a content encoding that cannot be decoded."""
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    """An image, a video, an archive: a type that cannot contain items."""
    NOT_MODIFIED = "not_modified"
    """304 to a request that was not conditional."""
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    THROTTLED = "throttled"
    SERVER_ERROR = "server_error"
    UNEXPECTED_STATUS = "unexpected_status"
    EMPTY_RESPONSE = "empty_response"
    """A response without a body."""
    PARSE_ERROR = "parse_error"
    """The body is not a feed, or not a page with links."""
    PARSER_CRASHED = "parser_crashed"
    """The document triggered a bug of the parser; the message names the place."""
    NOT_STARTED = "not_started"
    """The time of the run was over before the fetch started; of an article also: the limit of articles was reached, or
    its host kept failing."""
    DISALLOWED = "disallowed"
    """The robots.txt of the host disallows the article, or could not be read."""
    NO_TEXT = "no_text"
    """The page of an article has less text than its entry in the feed or listing."""


class FetchError(Exception):
    """A source could not be fetched.

    Args:
        kind: The kind of failure.
        message: One sentence for an operator. It never contains credentials or the query of a URL.
        status: The HTTP status; None without a response.
        retry_after: Seconds that the server asked to wait; None if it did not.
        received_bytes: Bytes received, headers included.
        elapsed: Seconds that the fetch took.
    """

    def __init__(
        self,
        kind: FetchErrorKind,
        message: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
        received_bytes: int = 0,
        elapsed: float = 0.0,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.status = status
        self.retry_after = retry_after
        self.received_bytes = received_bytes
        self.elapsed = elapsed


class ParseError(Exception):
    """A document that cannot be parsed.

    Args:
        message: One sentence for an operator.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
