"""URLs: validation, redaction for logs, and resolution of the links of a document.

Two parsers that disagree about a URL can be used to bypass a check. So the forms on which parsers are known to disagree
(userinfo, backslashes, control characters, unusual notations of IP addresses) are refused, not interpreted.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import SplitResult, quote, urljoin, urlsplit

import msgspec

from vectora_normalize.sources.errors import FetchError, FetchErrorKind

MAX_URL_LENGTH: Final = 2_000
"""Characters of a URL; browsers, proxies and servers support about this many."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_MAX_NAME_LENGTH = 253  # RFC 1035
_DNS_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
# The "ends in a number" check of the WHATWG URL Standard: such a host is an IPv4 address in an unusual notation, or an
# error.
_NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")
_CONTROL = re.compile(r"[\x00-\x20\x7f\\]")
_SAFE_IN_PATH = "/:@!$&'()*+,;=~-._%?#[]"  # characters of a path or query that are not percent-encoded


class RequestTarget(msgspec.Struct, frozen=True):
    """The parts of a valid URL that a request needs.

    Args:
        scheme: ``http`` or ``https``.
        host: Name or address in lower-case ASCII, without brackets.
        port: TCP port.
        path: Path and query, percent-encoded, as in the request line.
    """

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """Host and port for the ``Host`` header; the default port of the scheme is left out."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The absolute URL."""
        return f"{self.scheme}://{self.authority}{self.path}"


def parse_target(url: str) -> RequestTarget:
    """Return the request target of a URL.

    Raises:
        FetchError: INVALID_URL: not an absolute http or https URL, or one that parsers read differently.
    """
    url = url.strip()
    if len(url) > MAX_URL_LENGTH:
        raise _invalid(url, f"longer than {MAX_URL_LENGTH} characters")
    if _CONTROL.search(url):
        raise _invalid(url, "contains a space, a backslash or a control character")
    parts = _split(url)
    if parts is None:
        raise _invalid(url, "cannot be parsed")
    if parts.scheme not in _DEFAULT_PORTS:
        raise _invalid(url, f"has the scheme {parts.scheme!r}; accepted: http, https")
    if "@" in parts.netloc:
        raise _invalid(url, "contains a user name or password; accepted: a URL without them")
    host = _parse_host(parts)
    if host is None:
        raise _invalid(url, "has no host that is a domain name or an IP address in standard notation")
    path = quote(parts.path or "/", safe=_SAFE_IN_PATH)
    query = f"?{quote(parts.query, safe=_SAFE_IN_PATH)}" if parts.query else ""
    return RequestTarget(parts.scheme, host, _port(parts), path + query)


def redact_url(url: str) -> str:
    """Return a URL for messages and logs: without userinfo, query and fragment, which may be secrets."""
    parts = _split(url[:MAX_URL_LENGTH].strip())
    if parts is None or not parts.netloc:
        return "(not a URL)"
    redacted = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    redacted = re.sub(r"[^\x21-\x7e]", "", redacted)
    return f"{redacted}?..." if parts.query else redacted


def absolute_link(link: str, base: str) -> str:
    """Return a link of a document as an absolute http or https URL; an empty string if it is not a usable link."""
    link = link.strip()
    if not link or len(link) > MAX_URL_LENGTH:
        return ""
    try:
        joined = urljoin(base, re.sub(r"[\t\r\n]", "", link))
    except ValueError:  # for example an IPv6 address without its closing bracket
        return ""
    joined = joined.replace(" ", "%20")
    parts = _split(joined)
    if parts is None or parts.scheme not in _DEFAULT_PORTS or "@" in parts.netloc or _parse_host(parts) is None:
        return ""
    return "" if _CONTROL.search(joined) or len(joined) > MAX_URL_LENGTH else joined


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port, parts.hostname  # properties that validate on access
    except ValueError:
        return None
    return parts


def _port(parts: SplitResult) -> int:
    return _DEFAULT_PORTS[parts.scheme] if parts.port is None else parts.port


def _parse_host(parts: SplitResult) -> str | None:
    """Return the host in lower-case ASCII; None if it is neither a domain name nor a standard IP address."""
    name = parts.hostname
    if not name:
        return None
    if "[" in parts.netloc:
        return name if ":" in name and "%" not in name and _is_address(name) else None
    try:
        # IDNA also maps full-width digits and dots to ASCII, so it comes before all other checks of the name.
        name = name.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return None
    labels = name.removesuffix(".").split(".")
    if _NUMERIC_LABEL.fullmatch(labels[-1]):
        return name if _is_address(name) else None
    valid = len(name) <= _MAX_NAME_LENGTH and all(_DNS_LABEL.fullmatch(label) for label in labels)
    return name if valid else None


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _invalid(url: str, reason: str) -> FetchError:
    return FetchError(FetchErrorKind.INVALID_URL, f"{redact_url(url)}: {reason}")
