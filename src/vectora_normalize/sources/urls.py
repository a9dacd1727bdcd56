"""URLs: which ones are accepted, how they are shown, and how the links of a document become absolute.

Where two parsers disagree about a URL, one of them is deceived. So the forms on which they are known to disagree
(userinfo, backslashes, control characters, numbers that are almost addresses) are refused, not interpreted.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import SplitResult, quote, urljoin, urlsplit

import msgspec

from vectora_normalize.sources.errors import FetchError, FetchErrorKind

LONGEST_URL: Final = 2_000
"""Characters; browsers, proxies and servers agree on about this many."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
# WHATWG URL, "ends in a number": such a host is an IPv4 address in disguise, or a mistake.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_CONTROL = re.compile(r"[\x00-\x20\x7f\\]")
_SAFE_IN_PATH = "/:@!$&'()*+,;=~-._%?#[]"  # what may stand in a path or query as it is; the rest is percent-encoded


class RequestTarget(msgspec.Struct, frozen=True):
    """A URL that may be asked for.

    Args:
        scheme: `http` or `https`.
        host: Lower-case ASCII name or address, without brackets.
        port: TCP port.
        path: Path and query, percent-encoded, as the request line holds them.
    """

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """Host and port as the `Host` header holds them: the port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The whole URL."""
        return f"{self.scheme}://{self.authority}{self.path}"


def parse_target(url: str) -> RequestTarget:
    """The target that a URL names.

    Raises:
        FetchError: INVALID_URL, if it is not an absolute http(s) URL, or one that parsers read differently.
    """
    url = url.strip()
    if len(url) > LONGEST_URL:
        raise _invalid(url, f"longer than {LONGEST_URL} characters")
    if _CONTROL.search(url):
        raise _invalid(url, "holds a space, a backslash or a control character")
    parts = _split(url)
    if parts is None:
        raise _invalid(url, "cannot be read")
    if parts.scheme not in _DEFAULT_PORTS:
        raise _invalid(url, f"has the scheme {parts.scheme!r}; accepted: http, https")
    if "@" in parts.netloc:
        raise _invalid(url, "holds a user name or password; accepted: a URL without")
    host = _read_host(parts)
    if host is None:
        raise _invalid(url, "names no host that is a domain name or a plain IP address")
    path = quote(parts.path or "/", safe=_SAFE_IN_PATH)
    query = f"?{quote(parts.query, safe=_SAFE_IN_PATH)}" if parts.query else ""
    return RequestTarget(parts.scheme, host, _port(parts), path + query)


def show_url(url: str) -> str:
    """A URL as messages and logs may hold it: without userinfo, query and fragment, which may be secrets."""
    parts = _split(url[:LONGEST_URL].strip())
    if parts is None or not parts.netloc:
        return "(not a URL)"
    shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    shown = re.sub(r"[^\x21-\x7e]", "", shown)
    return f"{shown}?..." if parts.query else shown


def absolute_link(link: str, base: str) -> str:
    """A link of a document as an absolute http(s) URL; an empty string where it is none that a reader could follow."""
    link = link.strip()
    if not link or len(link) > LONGEST_URL:
        return ""
    try:
        joined = urljoin(base, re.sub(r"[\t\r\n]", "", link))
    except ValueError:  # such as an IPv6 address without its bracket
        return ""
    joined = joined.replace(" ", "%20")
    parts = _split(joined)
    if parts is None or parts.scheme not in _DEFAULT_PORTS or "@" in parts.netloc or _read_host(parts) is None:
        return ""
    return "" if _CONTROL.search(joined) or len(joined) > LONGEST_URL else joined


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port, parts.hostname  # both are read late, and raise late
    except ValueError:
        return None
    return parts


def _port(parts: SplitResult) -> int:
    return _DEFAULT_PORTS[parts.scheme] if parts.port is None else parts.port


def _read_host(parts: SplitResult) -> str | None:
    """The host in lower-case ASCII; None where it is neither a domain name nor an address written in the usual way."""
    name = parts.hostname
    if not name:
        return None
    if "[" in parts.netloc:
        return name if ":" in name and "%" not in name and _is_address(name) else None
    try:
        # IDNA also turns full-width digits and dots into plain ones, so it comes before any other look at the name.
        name = name.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return None
    labels = name.removesuffix(".").split(".")
    if _NUMBER.fullmatch(labels[-1]):
        return name if _is_address(name) else None
    return name if len(name) <= 253 and all(_LABEL.fullmatch(label) for label in labels) else None  # noqa: PLR2004 - RFC 1035


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _invalid(url: str, why: str) -> FetchError:
    return FetchError(FetchErrorKind.INVALID_URL, f"{show_url(url)}: {why}")
