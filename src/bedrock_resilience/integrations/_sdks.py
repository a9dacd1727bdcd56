"""The SDKs of Anthropic and OpenAI: their HTTP client is protected, and their own retries are off.

All their clients have the same base classes, which keep an httpx or httpx2 client in ``_client`` and the number of
their own retries in ``max_retries``. The HTTP client shows the protection in its ``repr``; the layout of the SDKs'
classes does not allow a subclass for one object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from bedrock_resilience._checks import refuse, wrong_value
from bedrock_resilience.integrations import _httpx
from bedrock_resilience.integrations._http_call import operation_of

if TYPE_CHECKING:
    from typing import TypeAlias

    from bedrock_resilience.integrations._protection import Protection

    SdkClient: TypeAlias = Any  # of an SDK, which is not needed here

# What ``detach`` restores, by protected client.
_max_retries: WeakKeyDictionary[Any, int] = WeakKeyDictionary()


def attach(target: SdkClient, protection: Protection) -> None:
    """Protect the HTTP client of an SDK's client, and turn its own retries off.

    Raises:
        ValueError: The client does not call Bedrock.
    """
    if not _calls_bedrock(target):
        accepted = (
            "a URL of Bedrock: it ends in /openai/v1 or /anthropic, and is not another provider's, or its host is "
            "bedrock-mantle"
        )
        refuse("protect", wrong_value("target.base_url", str(target.base_url), accepted))
    _httpx.attach(target._client, protection)  # noqa: SLF001 - the SDKs have no public name for it
    _max_retries.setdefault(target, target.max_retries)
    target.max_retries = 0


def detach(target: SdkClient) -> None:
    """Restore the transports of the HTTP client, and the retries of the SDK's client."""
    if target in _max_retries:
        target.max_retries = _max_retries.pop(target)
        _httpx.detach(target._client)  # noqa: SLF001 - as in attach


def attached(target: SdkClient) -> Protection | None:
    """Return the protection of the client; None if its own retries are on."""
    return _httpx.attached(target._client) if target in _max_retries and target.max_retries == 0 else None  # noqa: SLF001 - as in attach


def _calls_bedrock(target: SdkClient) -> bool:
    if any("Bedrock" in cls.__name__ for cls in type(target).__mro__):
        return True
    base = target.base_url
    urls = (base.copy_with(path=base.path.rstrip("/") + path) for path in ("/chat/completions", "/v1/messages"))
    return any(operation_of("POST", url) is not None for url in urls)
