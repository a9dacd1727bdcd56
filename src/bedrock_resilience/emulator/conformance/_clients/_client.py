"""What an adapter of a client is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from bedrock_resilience._fault import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Api: TypeAlias = Literal["bedrock", "invoke-model", "anthropic", "openai"]
"""The API that a client calls, which decides the shape of errors; ``invoke-model`` with the bodies of every family."""

MODEL_ID: Final = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
MAX_TOKENS: Final = 1_000
PROMPT: Final = "Camurus announces results of its trial. " * 5
REGION: Final = "eu-west-3"
KEY: Final = "emulator"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCall:
    """One request.

    Attributes:
        url: The base URL of the service.
        stream: Whether the response is to be streamed.
        timeout: Seconds to wait for a connection, and for each byte.
        proxy: The URL of a proxy, or None.
    """

    url: str
    stream: bool
    timeout: float
    proxy: str | None

    @property
    def path(self) -> str:
        """The URL of InvokeModel, for clients without a service model."""
        return f"{self.url}/model/{MODEL_ID}/invoke{'-with-response-stream' if self.stream else ''}"

    @property
    def body(self) -> dict[str, object]:
        """The body of InvokeModel in Claude's form."""
        return {
            "anthropic_version": "bedrock-2023-05-31",
            "max_tokens": MAX_TOKENS,
            "messages": [{"role": "user", "content": PROMPT}],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A client, or one way to use it.

    Attributes:
        name: Its name in the table.
        package: The distribution that must be installed; None for the standard library.
        api: The API that it calls.
        call: Makes the request and raises what the client raises.
        streams: Whether the adapter can ask for a stream.
        decodes_streams: Whether it reads the events of a stream, and not only its bytes.
        keeps_error_body: Whether its exceptions carry the body of an error response.
        takes_proxy: Whether a proxy can be set for one client.
        checks_responses: Whether it notices that a 200 is not a response. If it does not, it returns an empty one,
            or fails with a KeyError or the like, which says nothing about Bedrock.
        limits: Rows in which the client itself reports another failure, and the fault of that.
    """

    name: str
    package: str | None
    api: Api = "bedrock"
    call: Callable[[ClientCall], object]
    streams: bool = True
    decodes_streams: bool = True
    keeps_error_body: bool = True
    takes_proxy: bool = True
    checks_responses: bool = True
    limits: Mapping[str, Fault] = field(default_factory=dict[str, Fault])
