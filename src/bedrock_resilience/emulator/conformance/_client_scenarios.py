"""Failures that every client can meet, and what ``classify`` should make of the exceptions that they raise.

What is expected is written out here, as in ``_scenarios``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from bedrock_resilience._fault import Fault
from bedrock_resilience.emulator.conformance._raw_server import RawReply, http_reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bedrock_resilience.emulator.conformance._clients._client import Api, Client

Route: TypeAlias = Literal[
    "direct", "refused", "unknown-host", "tls", "silent-tls", "proxy", "silent-proxy", "no-proxy"
]
"""How the client reaches the service: over HTTP, not at all, over TLS, or over TLS and a proxy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientScenario:
    """One way to fail, and what is expected of every client.

    Attributes:
        name: The name of the row.
        faults: The expected faults; more than one if clients cannot distinguish two of them.
        faults_without_body: The same for clients whose exceptions carry no body; None if it makes no difference.
        api: The API whose clients meet it; None for all.
        route: How the client reaches the service.
        reply: What a raw server sends; None for the emulator.
        error: The fault to inject into the emulator, as for ``BedrockEmulator.fail_next``.
        details: The details of that fault.
        stream: Whether the response is streamed.
        decoder: Whether only clients that decode the events of a stream meet it, or only those that do not; None for
            both.
        malformed: Whether it is a 200 that is not a response.
        retry_after: The seconds that the response asks to wait, or None.
    """

    name: str
    faults: frozenset[Fault]
    faults_without_body: frozenset[Fault] | None = None
    api: Api | None = None
    route: Route = "direct"
    reply: RawReply | None = None
    error: str | int | None = None
    details: Mapping[str, Any] = field(default_factory=dict[str, Any])
    stream: bool = False
    decoder: bool | None = None
    malformed: bool = False
    retry_after: float | None = None

    def applies_to(self, client: Client) -> bool:
        """Whether this client can meet the failure."""
        return (
            self.api in {None, client.api}
            and (client.checks_responses or not self.malformed)
            and (client.streams or not self.stream)
            and self.decoder in {None, client.decodes_streams}
            and (client.takes_proxy or not self.route.endswith("proxy"))
        )

    def expected(self, client: Client) -> frozenset[Fault]:
        """Return the expected faults for this client."""
        if self.name in client.limits:
            return frozenset({client.limits[self.name]})
        if client.keeps_error_body or self.faults_without_body is None:
            return self.faults
        return self.faults_without_body


def _faults(*faults: Fault) -> frozenset[Fault]:
    return frozenset(faults)


def _on_the_way(name: str, *faults: Fault, route: Route = "direct", reply: RawReply | None = None) -> ClientScenario:
    return ClientScenario(name=name, faults=_faults(*faults), route=route, reply=reply or RawReply())


_BROKEN: Final = (Fault.CONNECTION_LOST, Fault.STREAM_INTERRUPTED)  # each is retried once, because both may be billed
_HTML: Final = b"<html><body><h1>Please sign in to the network</h1></body></html>"
_AS_HTML: Final = {"Content-Type": "text/html"}
_HALF: Final = b'{"type": "message", "content": [{"type": "te'

_TRANSPORT: Final = (
    _on_the_way("connection refused", Fault.CONNECTION_FAILED, route="refused"),
    _on_the_way("host name that does not exist", Fault.CONNECTION_FAILED, route="unknown-host"),
    _on_the_way("TLS handshake that hangs", Fault.CONNECTION_FAILED, route="silent-tls"),
    _on_the_way(
        "TLS with a server that has none",
        Fault.CONNECTION_FAILED,
        route="tls",
        reply=RawReply(b"HTTP/1.1 400 Bad Request\r\n\r\n", reads_request=False),
    ),
    _on_the_way("proxy that refuses the connection", Fault.CONNECTION_FAILED, route="no-proxy"),
    _on_the_way("proxy whose CONNECT hangs", Fault.CONNECTION_FAILED, route="silent-proxy"),
    _on_the_way(
        "proxy whose CONNECT is answered with 503", Fault.CONNECTION_FAILED, route="proxy", reply=http_reply(503)
    ),
    _on_the_way("proxy that requires credentials, 407", Fault.CONFIGURATION, route="proxy", reply=http_reply(407)),
    _on_the_way(
        "connection reset while the request is sent",
        Fault.CONNECTION_LOST,
        reply=RawReply(ending="reset", reads_request=False),
    ),
    _on_the_way("connection reset after the request", Fault.CONNECTION_LOST, reply=RawReply(ending="reset")),
    _on_the_way("connection closed after the request", Fault.CONNECTION_LOST, reply=RawReply()),
    _on_the_way("no byte for the read timeout", Fault.READ_TIMEOUT, reply=RawReply(ending="silence")),
    _on_the_way(
        "body that stalls", Fault.READ_TIMEOUT, reply=http_reply(200, _HALF, missing_bytes=100, ending="silence")
    ),
    _on_the_way("chunked body that is cut", *_BROKEN, reply=http_reply(200, _HALF, chunked=True)),
    _on_the_way("chunked body that is reset", *_BROKEN, reply=http_reply(200, _HALF, chunked=True, ending="reset")),
    _on_the_way(
        "bytes that are not HTTP",
        *_BROKEN,
        Fault.MALFORMED_RESPONSE,
        reply=RawReply(b"\x00\x01 this is not HTTP\r\n\r\n"),
    ),
)

_BODIES: Final = tuple(
    ClientScenario(name=name, faults=_faults(*faults), reply=reply, malformed=True)
    for name, faults, reply in (
        (
            "body shorter than its Content-Length",
            (*_BROKEN, Fault.MALFORMED_RESPONSE),
            http_reply(200, _HALF, missing_bytes=100),
        ),
        ("200 with the HTML of a proxy", (Fault.MALFORMED_RESPONSE,), http_reply(200, _HTML, _AS_HTML)),
        ("200 with HTML that calls itself JSON", (Fault.MALFORMED_RESPONSE,), http_reply(200, _HTML)),
        ("200 with no body", (Fault.MALFORMED_RESPONSE,), http_reply(200)),
        ("200 with half of the JSON", (Fault.MALFORMED_RESPONSE,), http_reply(200, _HALF)),
    )
)

_BY_STATUS: Final = {
    401: Fault.CREDENTIALS,
    403: Fault.ACCESS_DENIED,
    404: Fault.NOT_FOUND,
    408: Fault.REQUEST_TIMEOUT,
    413: Fault.VALIDATION,
    429: Fault.THROTTLING,
    500: Fault.INTERNAL_SERVER,
    502: Fault.BAD_GATEWAY,
    503: Fault.SERVICE_UNAVAILABLE,
    504: Fault.GATEWAY_TIMEOUT,
    520: Fault.INTERNAL_SERVER,
    529: Fault.OVERLOADED,
}

_STATUSES: Final = tuple(
    _on_the_way(f"{status} {text}", fault, reply=http_reply(status, body, headers))
    for status, fault in _BY_STATUS.items()
    for text, body, headers in (
        ("with the HTML of a proxy", _HTML, _AS_HTML),
        ("without a body", b"", {"Content-Type": "application/json"}),
    )
)

_DATES: Final = {"Date": "Sat, 28 Nov 2026 10:00:00 GMT", "Retry-After": "Sat, 28 Nov 2026 10:00:30 GMT"}
_WAITS: Final = tuple(
    ClientScenario(
        name=f"{status} with {text}",
        faults=_faults(_BY_STATUS[status]),
        reply=http_reply(status, b"{}", headers),
        retry_after=seconds,
    )
    for status in (429, 503, 529)
    for text, headers, seconds in (
        ("Retry-After in seconds", {"Retry-After": "7"}, 7.0),
        ("Retry-After as a date", _DATES, 30.0),
        ("retry-after-ms", {"retry-after-ms": "1500", "Retry-After": "2"}, 1.5),
    )
)


def _bedrock(
    fault: Fault,
    error: str | int,
    name: str | None = None,
    *,
    without_body: Fault | None = None,
    **details: Any,  # noqa: ANN401 - the fields of any fault
) -> ClientScenario:
    return ClientScenario(
        name=name or str(error),
        api="bedrock",
        faults=_faults(fault),
        faults_without_body=None if without_body is None else _faults(without_body),
        error=error,
        details=details,
    )


_BEDROCK: Final = (
    _bedrock(Fault.THROTTLING, "ThrottlingException"),
    _bedrock(
        Fault.TOKENS_PER_DAY, "tokens-per-day", "ThrottlingException, tokens per day", without_body=Fault.THROTTLING
    ),
    _bedrock(Fault.MODEL_NOT_READY, "ModelNotReadyException"),
    _bedrock(Fault.SERVICE_UNAVAILABLE, "ServiceUnavailableException"),
    _bedrock(Fault.INTERNAL_SERVER, "InternalServerException"),
    _bedrock(Fault.MODEL_TIMEOUT, "ModelTimeoutException"),
    _bedrock(Fault.MODEL_ERROR, "ModelErrorException"),
    _bedrock(Fault.VALIDATION, "ValidationException"),
    _bedrock(
        Fault.NOT_FOUND,
        "ValidationException",
        "ValidationException, wrong model id",
        without_body=Fault.VALIDATION,
        message="The provided model identifier is invalid.",
    ),
    _bedrock(
        Fault.ACCESS_DENIED,
        "ValidationException",
        "ValidationException, account not allowed",
        without_body=Fault.VALIDATION,
        message="Operation not allowed",
    ),
    _bedrock(Fault.CONFLICT, "ConflictException"),
    _bedrock(Fault.NOT_FOUND, "ResourceNotFoundException"),
    _bedrock(Fault.ACCESS_DENIED, "AccessDeniedException"),
    _bedrock(Fault.ACCESS_DENIED, "MPAgreementBeingCreated"),
    _bedrock(Fault.ACCESS_DENIED, "FTUFormNotFilled"),
    _bedrock(Fault.CREDENTIALS, "ExpiredTokenException"),
    _bedrock(Fault.CREDENTIALS, "UnrecognizedClientException"),
    _bedrock(Fault.CREDENTIALS, "InvalidSignatureException", status=403, message="Signature expired"),
    _bedrock(Fault.SERVICE_QUOTA, "ServiceQuotaExceededException"),
)

_BEDROCK_STREAMS: Final = tuple(
    ClientScenario(
        name=f"{name} in a stream",
        api="bedrock",
        faults=_faults(*faults),
        error=error,
        details=details,
        stream=True,
        decoder=True,
    )
    for name, error, faults, details in (
        ("throttlingException", "stream-exception", (Fault.THROTTLING,), {}),
        (
            "throttlingException, tokens per day,",
            "stream-exception",
            (Fault.TOKENS_PER_DAY,),
            {"message": "Too many tokens per day, please wait before trying again."},
        ),
        (
            "modelStreamErrorException",
            "stream-exception",
            (Fault.MODEL_STREAM_ERROR, Fault.MODEL_ERROR),  # frameworks that keep the status 424 alone
            {"exception": "modelStreamErrorException"},
        ),
        (
            "internalServerException",
            "stream-exception",
            (Fault.INTERNAL_SERVER,),
            {"exception": "internalServerException"},
        ),
        (
            "serviceUnavailableException",
            "stream-exception",
            (Fault.SERVICE_UNAVAILABLE,),
            {"exception": "serviceUnavailableException"},
        ),
        ("validationException", "stream-exception", (Fault.VALIDATION,), {"exception": "validationException"}),
        ("error frame", "stream-error", (Fault.INTERNAL_SERVER,), {}),
        ("cut event", "stream-cut", _BROKEN, {}),
        ("damaged event", "stream-corruption", _BROKEN, {}),
        ("silence", "stream-stall", (Fault.READ_TIMEOUT,), {}),
    )
)


def _raw(api: Api, fault: Fault, status: int, name: str, error: Mapping[str, object]) -> ClientScenario:
    body = {"type": "error", "error": error} if api == "anthropic" else {"error": error}
    reply = http_reply(status, json.dumps(body).encode())
    return ClientScenario(name=f"{status} {name}", api=api, faults=_faults(fault), reply=reply)


def _anthropic(fault: Fault, status: int, kind: str, message: str = "Error", name: str | None = None) -> ClientScenario:
    return _raw("anthropic", fault, status, name or kind, {"type": kind, "message": message})


_ANTHROPIC: Final = (
    _anthropic(Fault.THROTTLING, 429, "rate_limit_error"),
    _anthropic(Fault.OVERLOADED, 529, "overloaded_error"),
    _anthropic(Fault.INTERNAL_SERVER, 500, "api_error"),
    _anthropic(Fault.GATEWAY_TIMEOUT, 504, "timeout_error"),
    _anthropic(Fault.VALIDATION, 400, "invalid_request_error"),
    _anthropic(Fault.VALIDATION, 413, "request_too_large"),
    _anthropic(Fault.CREDENTIALS, 401, "authentication_error"),
    _anthropic(Fault.ACCESS_DENIED, 403, "permission_error"),
    _anthropic(Fault.NOT_FOUND, 404, "not_found_error", "model: claude-none"),
    _anthropic(Fault.SERVICE_QUOTA, 402, "billing_error"),
    _anthropic(
        Fault.SERVICE_QUOTA,
        400,
        "invalid_request_error",
        "Your credit balance is too low to access the Anthropic API.",
        "invalid_request_error, no credit",
    ),
)


def _openai(fault: Fault, status: int, code: str | None, kind: str, name: str | None = None) -> ClientScenario:
    return _raw("openai", fault, status, name or code or kind, {"message": "Error", "type": kind, "code": code})


_OPENAI: Final = (
    _openai(Fault.THROTTLING, 429, "rate_limit_exceeded", "requests"),
    _openai(Fault.THROTTLING, 429, "rate_limit_exceeded", "tokens", "rate_limit_exceeded for tokens"),
    _openai(Fault.SERVICE_QUOTA, 429, "insufficient_quota", "insufficient_quota"),
    _openai(Fault.INTERNAL_SERVER, 500, None, "server_error"),
    _openai(Fault.SERVICE_UNAVAILABLE, 503, None, "server_error", "server_error"),
    _openai(Fault.VALIDATION, 400, None, "invalid_request_error"),
    _openai(Fault.VALIDATION, 400, "context_length_exceeded", "invalid_request_error"),
    _openai(Fault.CREDENTIALS, 401, "invalid_api_key", "invalid_request_error"),
    _openai(Fault.ACCESS_DENIED, 403, "unsupported_country_region_territory", "request_forbidden"),
    _openai(Fault.NOT_FOUND, 404, "model_not_found", "invalid_request_error"),
)


_SSE_START: Final = {
    "anthropic": 'event: message_start\ndata: {"type": "message_start", "message": {"id": "msg", "type": "message", '
    '"role": "assistant", "model": "m", "content": [], "stop_reason": null, "stop_sequence": null, '
    '"usage": {"input_tokens": 1, "output_tokens": 1}}}\n\n',
    "openai": 'data: {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": '
    '[{"index": 0, "delta": {"role": "assistant", "content": "C"}, "finish_reason": null}]}\n\n',
}


def _event_stream(api: Api, name: str, faults: tuple[Fault, ...], text: str, **ending: Any) -> ClientScenario:  # noqa: ANN401 - as for http_reply
    body = (_SSE_START[api] + text).encode()
    reply = http_reply(200, body, {"Content-Type": "text/event-stream"}, **ending)
    return ClientScenario(name=f"{name} in a stream", api=api, faults=frozenset(faults), reply=reply, stream=True)


def _error_event(api: Api, fault: Fault, kind: str) -> ClientScenario:
    if api == "anthropic":
        data = json.dumps({"type": "error", "error": {"type": kind, "message": "Error"}})
        return _event_stream(api, kind, (fault,), f"event: error\ndata: {data}\n\n")
    data = json.dumps({"error": {"message": "Error", "type": kind, "code": kind}})
    return _event_stream(api, kind, (fault,), f"data: {data}\n\n")


_EVENT_STREAMS: Final = (
    _error_event("anthropic", Fault.OVERLOADED, "overloaded_error"),
    _error_event("anthropic", Fault.THROTTLING, "rate_limit_error"),
    _error_event("anthropic", Fault.INTERNAL_SERVER, "api_error"),
    _error_event("anthropic", Fault.VALIDATION, "invalid_request_error"),
    _error_event("openai", Fault.THROTTLING, "rate_limit_exceeded"),
    _error_event("openai", Fault.INTERNAL_SERVER, "server_error"),
    _error_event("openai", Fault.SERVICE_QUOTA, "insufficient_quota"),
    *(
        scenario
        for api in ("anthropic", "openai")
        for scenario in (
            _event_stream(api, "cut", _BROKEN, "", chunked=True),
            _event_stream(api, "reset", _BROKEN, "", chunked=True, ending="reset"),
            _event_stream(api, "silence", (Fault.READ_TIMEOUT,), "", chunked=True, ending="silence"),
        )
    ),
)

_STREAMED_BYTES: Final = (
    *(
        ClientScenario(
            name=f"{name} in a stream of bytes", faults=_faults(*faults), reply=reply, stream=True, decoder=False
        )
        for name, faults, reply in (
            ("cut", _BROKEN, http_reply(200, _HALF, chunked=True)),
            ("reset", _BROKEN, http_reply(200, _HALF, chunked=True, ending="reset")),
            ("silence", (Fault.READ_TIMEOUT,), http_reply(200, _HALF, chunked=True, ending="silence")),
        )
    ),
    *(
        ClientScenario(
            name=f"{status} with Retry-After in place of a stream",
            faults=_faults(_BY_STATUS[status]),
            reply=http_reply(status, b"{}", {"Retry-After": "7"}),
            stream=True,
            retry_after=7.0,
        )
        for status in (429, 503, 529)
    ),
)

CLIENT_SCENARIOS: Final[tuple[ClientScenario, ...]] = (
    *_TRANSPORT,
    *_BODIES,
    *_STATUSES,
    *_WAITS,
    *_BEDROCK,
    *_BEDROCK_STREAMS,
    *_ANTHROPIC,
    *_OPENAI,
    *_EVENT_STREAMS,
    *_STREAMED_BYTES,
)
"""All failures; each client meets those of its API."""
