"""What error codes, HTTP statuses, messages and exception classes mean, as data.

Sources: the service model of bedrock-runtime in botocore, and "Troubleshooting Amazon Bedrock API error codes" (AWS).
    "Errors" (Claude API) and "Error codes" (OpenAI API). The exception modules of the packages named in ``BY_CLASS``.
    Measurements with boto3 1.43 and 1.44.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bedrock_resilience._fault import Fault

if TYPE_CHECKING:
    from collections.abc import Mapping


def _by_word(table: Mapping[Fault, str]) -> dict[str, Fault]:
    # mutmut selects a mutant after this module is imported, which is when this function runs.
    pairs = ((word, fault) for fault, words in table.items() for word in words.split())  # pragma: no mutate - as above
    return {word.lower(): fault for word, fault in pairs}  # pragma: no mutate - as above


# Codes in any spelling: streams write them in lower camel case (throttlingException), Anthropic and OpenAI in snake
# case.
BY_CODE = _by_word(
    {
        # The throttling codes of all AWS services, so that the policy serves calls of other services, too.
        Fault.THROTTLING: "ThrottlingException Throttling ThrottledException RequestThrottled "
        "RequestThrottledException TooManyRequests TooManyRequestsException ProvisionedThroughputExceededException "
        "RequestLimitExceeded BandwidthLimitExceeded LimitExceededException SlowDown PriorRequestNotComplete "
        "EC2ThrottledException TransactionInProgressException rate_limit_error rate_limit_exceeded",
        Fault.MODEL_NOT_READY: "ModelNotReadyException",
        Fault.SERVICE_UNAVAILABLE: "ServiceUnavailableException ServiceUnavailable",
        Fault.OVERLOADED: "overloaded_error OverloadedError OverloadedException",
        Fault.INTERNAL_SERVER: "InternalServerException InternalServerError InternalFailure InternalError",
        Fault.BAD_GATEWAY: "BadGateway",
        Fault.GATEWAY_TIMEOUT: "GatewayTimeout timeout_error",
        Fault.REQUEST_TIMEOUT: "RequestTimeout RequestTimeoutException",
        Fault.MODEL_TIMEOUT: "ModelTimeoutException",
        Fault.MODEL_ERROR: "ModelErrorException",
        Fault.MODEL_STREAM_ERROR: "ModelStreamErrorException",
        Fault.VALIDATION: "ValidationException ValidationError request_too_large context_length_exceeded",
        Fault.CONFLICT: "ConflictException",
        Fault.ACCESS_DENIED: "AccessDeniedException AccessDenied UnauthorizedOperation FTUFormNotFilled "
        "MPAgreementBeingCreated OptInRequired SubscriptionRequiredException permission_error",
        Fault.NOT_FOUND: "ResourceNotFoundException ResourceNotFound not_found_error model_not_found",
        Fault.CREDENTIALS: "ExpiredToken ExpiredTokenException UnrecognizedClientException InvalidClientTokenId "
        "InvalidSignatureException SignatureDoesNotMatch IncompleteSignature IncompleteSignatureException "
        "MissingAuthenticationToken MissingAuthenticationTokenException InvalidAccessKeyId RequestExpired "
        "RequestTimeTooSkewed AuthFailure NotAuthorized InvalidIdentityToken authentication_error invalid_api_key",
        Fault.SERVICE_QUOTA: "ServiceQuotaExceededException billing_error insufficient_quota",
    }
)

# Codes that say less than the HTTP status of the same response: they count if the status is unknown.
BY_GENERIC_CODE = _by_word(
    {
        Fault.INTERNAL_SERVER: "api_error server_error",
        Fault.VALIDATION: "invalid_request_error",
    }
)

BY_STATUS = {
    400: Fault.VALIDATION,
    401: Fault.CREDENTIALS,
    403: Fault.ACCESS_DENIED,
    404: Fault.NOT_FOUND,
    407: Fault.CONFIGURATION,  # the proxy requires credentials
    408: Fault.REQUEST_TIMEOUT,
    409: Fault.CONFLICT,
    424: Fault.MODEL_ERROR,
    429: Fault.THROTTLING,
    500: Fault.INTERNAL_SERVER,
    502: Fault.BAD_GATEWAY,
    503: Fault.SERVICE_UNAVAILABLE,
    504: Fault.GATEWAY_TIMEOUT,
    509: Fault.THROTTLING,  # "Bandwidth Limit Exceeded", as botocore's legacy mode reads it
    529: Fault.OVERLOADED,
}
BY_STATUS_CLASS = {4: Fault.VALIDATION, 5: Fault.INTERNAL_SERVER}

# What a message adds to the fault that a code or a status names. Wording is not a contract: if AWS changes it, the
# fault is the one on the left again, and a run with a wrong model id costs one call an item.
BY_MESSAGE: Mapping[Fault, tuple[tuple[str, Fault], ...]] = {
    Fault.THROTTLING: (("per day", Fault.TOKENS_PER_DAY), ("daily", Fault.TOKENS_PER_DAY)),
    Fault.VALIDATION: (
        # The model, its region or its lifecycle: every other item fails the same way.
        ("model identifier is invalid", Fault.NOT_FOUND),
        ("model id is invalid", Fault.NOT_FOUND),
        ("on-demand throughput isn", Fault.NOT_FOUND),  # "... isn't supported", with either apostrophe
        ("support on-demand throughput", Fault.NOT_FOUND),
        ("id or arn of an inference profile", Fault.NOT_FOUND),
        ("end of its life", Fault.NOT_FOUND),
        ("end of life", Fault.NOT_FOUND),
        ("marked by provider as legacy", Fault.NOT_FOUND),
        ("has been retired", Fault.NOT_FOUND),
        ("has been deprecated", Fault.NOT_FOUND),
        ("supported in this region", Fault.NOT_FOUND),
        ("available in this region", Fault.NOT_FOUND),
        ("supported in your region", Fault.NOT_FOUND),
        ("available in your region", Fault.NOT_FOUND),
        ("is not available for this model", Fault.NOT_FOUND),
        # The account or an agreement.
        ("operation not allowed", Fault.ACCESS_DENIED),
        ("account is not authorized", Fault.ACCESS_DENIED),
        ("not authorized to", Fault.ACCESS_DENIED),
        ("use case details", Fault.ACCESS_DENIED),
        ("agreement", Fault.ACCESS_DENIED),
        ("payment instrument", Fault.ACCESS_DENIED),
        ("unsupported countries", Fault.ACCESS_DENIED),
        ("unsupported country", Fault.ACCESS_DENIED),
        ("have access to the model", Fault.ACCESS_DENIED),
        ("account is suspended", Fault.ACCESS_DENIED),
        # Signatures and clocks.
        ("signature expired", Fault.CREDENTIALS),
        ("signature not yet current", Fault.CREDENTIALS),
        ("clock skew", Fault.CREDENTIALS),
        ("security token", Fault.CREDENTIALS),
        # Billing, by Anthropic.
        ("credit balance is too low", Fault.SERVICE_QUOTA),
    ),
    Fault.ACCESS_DENIED: (
        ("signature expired", Fault.CREDENTIALS),
        ("signature not yet current", Fault.CREDENTIALS),
        ("clock skew", Fault.CREDENTIALS),
        ("security token", Fault.CREDENTIALS),
        ("request signature", Fault.CREDENTIALS),
    ),
    Fault.CONNECTION_FAILED: (
        (" 407 ", Fault.CONFIGURATION),  # "407 Proxy Authentication Required"; a proxy may change the text
        ("proxy authentication", Fault.CONFIGURATION),
    ),
}

_HTTPX = _by_word(
    {
        Fault.CONNECTION_FAILED: "ConnectError ConnectTimeout PoolTimeout ProxyError",
        Fault.READ_TIMEOUT: "ReadTimeout TimeoutException",
        # A write that breaks may have delivered the whole request.
        Fault.CONNECTION_LOST: "ReadError WriteError WriteTimeout CloseError NetworkError RemoteProtocolError "
        "ProtocolError TransportError",
        Fault.MALFORMED_RESPONSE: "DecodingError",
        Fault.STREAM_INTERRUPTED: "StreamError StreamConsumed StreamClosed",
        Fault.CONFIGURATION: "UnsupportedProtocol InvalidURL LocalProtocolError",
    }
)

# Exceptions without a response, by top-level package and class name; a class is looked up before its bases.
BY_CLASS = {
    "botocore": _by_word(
        {
            Fault.CONNECTION_FAILED: "ConnectionError EndpointConnectionError ConnectTimeoutError "
            "ProxyConnectionError SSLError",
            Fault.READ_TIMEOUT: "ReadTimeoutError",
            Fault.CONNECTION_LOST: "ConnectionClosedError HTTPClientError ResponseStreamingError IncompleteReadError",
            Fault.STREAM_INTERRUPTED: "EventStreamError ParserError",  # ParserError: of botocore.eventstream
            Fault.MALFORMED_RESPONSE: "ResponseParserError ChecksumError FlexibleChecksumError",
            Fault.CREDENTIALS: "NoCredentialsError PartialCredentialsError CredentialRetrievalError "
            "TokenRetrievalError SSOError LoginError ProfileNotFound NoAuthTokenError MetadataRetrievalError "
            "RefreshWithMFAUnsupportedError UnknownCredentialError InfiniteLoopConfigError UnknownTokenProviderError",
            Fault.VALIDATION: "ParamValidationError ValidationError",
            Fault.CONFIGURATION: "NoRegionError InvalidRegionError InvalidEndpointConfigurationError "
            "EndpointProviderError UnknownServiceError UnknownEndpointError EndpointVariantError "
            "InvalidRetryConfigurationError InvalidProxiesConfigError DataNotFoundError UnknownSignatureVersionError "
            "InvalidConfigError ConfigParseError ConfigNotFound UnknownRegionError InvalidIMDSEndpointError "
            "UnknownFIPSEndpointError ServiceNotInRegionError UnsupportedSignatureVersionError InvalidDefaultsMode "
            "MissingDependencyException",
        }
    ),
    "urllib3": _by_word(
        {
            Fault.READ_TIMEOUT: "ReadTimeoutError",
            Fault.CONNECTION_FAILED: "ConnectTimeoutError NewConnectionError MaxRetryError ProxyError SSLError "
            "ClosedPoolError EmptyPoolError",
            Fault.STREAM_INTERRUPTED: "ProtocolError IncompleteRead DecodeError InvalidChunkLength",
            Fault.CONFIGURATION: "LocationValueError LocationParseError URLSchemeUnknown ProxySchemeUnknown",
        }
    ),
    "requests": _by_word(
        {
            Fault.CONNECTION_FAILED: "ConnectTimeout ProxyError SSLError",
            Fault.READ_TIMEOUT: "ReadTimeout Timeout",
            Fault.CONNECTION_LOST: "ConnectionError",
            Fault.STREAM_INTERRUPTED: "ChunkedEncodingError",
            Fault.MALFORMED_RESPONSE: "ContentDecodingError JSONDecodeError InvalidJSONError",
            Fault.CONFIGURATION: "MissingSchema InvalidSchema InvalidURL InvalidProxyURL InvalidHeader",
        }
    ),
    "httpx": _HTTPX,
    "httpx2": _HTTPX,
    "httpcore": _HTTPX,
    "httpcore2": _HTTPX,
    "h11": _by_word({Fault.CONNECTION_LOST: "RemoteProtocolError"}),
    "aiohttp": _by_word(
        {
            Fault.CONNECTION_FAILED: "ClientConnectorError ClientConnectorDNSError ClientProxyConnectionError "
            "ClientHttpProxyError "
            "ClientConnectorSSLError ClientConnectorCertificateError ClientSSLError ConnectionTimeoutError "
            "UnixClientConnectorError",
            Fault.READ_TIMEOUT: "ServerTimeoutError SocketTimeoutError",
            Fault.CONNECTION_LOST: "ClientOSError ServerDisconnectedError ServerConnectionError "
            "ClientConnectionError ClientConnectionResetError",
            Fault.STREAM_INTERRUPTED: "ClientPayloadError TransferEncodingError ContentLengthError",
            Fault.MALFORMED_RESPONSE: "ContentTypeError BadHttpMessage BadStatusLine LineTooLong",
            Fault.CONFIGURATION: "InvalidURL NonHttpUrlClientError InvalidUrlClientError",
        }
    ),
    # Only if nothing clearer is wrapped: see UNWRAPPED_FIRST.
    "anthropic": _by_word(
        {
            Fault.READ_TIMEOUT: "APITimeoutError",
            Fault.CONNECTION_LOST: "APIConnectionError",
            Fault.MALFORMED_RESPONSE: "APIResponseValidationError",
        }
    ),
    "openai": _by_word(
        {
            Fault.READ_TIMEOUT: "APITimeoutError",
            Fault.CONNECTION_LOST: "APIConnectionError",
            Fault.MALFORMED_RESPONSE: "APIResponseValidationError",
            Fault.INCOMPLETE_RESPONSE: "LengthFinishReasonError",
        }
    ),
    # A body that the caller's own function could not read: truncated, or the HTML page of a proxy.
    "json": _by_word({Fault.MALFORMED_RESPONSE: "JSONDecodeError"}),
    "http": _by_word({Fault.CONNECTION_LOST: "IncompleteRead RemoteDisconnected BadStatusLine"}),
    "urllib": _by_word({Fault.CONNECTION_FAILED: "URLError"}),
    "socket": _by_word({Fault.CONNECTION_FAILED: "gaierror herror"}),
    "ssl": _by_word({Fault.CONNECTION_FAILED: "SSLCertVerificationError SSLError"}),
    "builtins": _by_word(
        {
            Fault.CONNECTION_FAILED: "ConnectionRefusedError",
            Fault.CONNECTION_LOST: "ConnectionError",
            Fault.READ_TIMEOUT: "TimeoutError",
            Fault.CANCELLED: "KeyboardInterrupt SystemExit GeneratorExit",
        }
    ),
    "asyncio": _by_word({Fault.CANCELLED: "CancelledError"}),
    "concurrent": _by_word({Fault.CANCELLED: "CancelledError"}),
    "trio": _by_word({Fault.CANCELLED: "Cancelled"}),
}

# Names of Bedrock's exceptions that no other package uses, so that a class of that name is read as one wherever it is
# defined. AccessDenied, InternalError, ValidationException and the like are names of many packages and not among them.
ONLY_BEDROCKS = frozenset(
    {
        "ThrottlingException",
        "ModelNotReadyException",
        "ModelTimeoutException",
        "ModelErrorException",
        "ModelStreamErrorException",
    }
)

# Classes that report a failure of a layer below: what they wrap is clearer than their name.
UNWRAPPED_FIRST = {
    # aiobotocore reports a connection that was lost after the request as an EndpointConnectionError, too.
    "botocore": frozenset({"HTTPClientError", "ProxyConnectionError", "EndpointConnectionError"}),
    "urllib3": frozenset({"MaxRetryError", "ProtocolError", "ProxyError"}),
    "requests": frozenset({"ConnectionError", "ProxyError"}),
    "urllib": frozenset({"URLError"}),
    "anthropic": frozenset({"APIConnectionError", "APITimeoutError"}),
    "openai": frozenset({"APIConnectionError", "APITimeoutError"}),
}

# errno values of an OSError that mean that no connection was made: ENETDOWN, ENETUNREACH, EHOSTDOWN, EHOSTUNREACH,
# EADDRNOTAVAIL, by their names, because the numbers differ between systems.
NEVER_CONNECTED = frozenset({"ENETDOWN", "ENETUNREACH", "EHOSTDOWN", "EHOSTUNREACH", "EADDRNOTAVAIL"})

# If a timeout strikes while a connection is being made, the request was not sent: functions, by name, that do only
# that in ssl, urllib3, http.client, httpcore and aiohttp.
CONNECTING = frozenset(
    {
        "do_handshake",
        "_tunnel",
        "_validate_conn",
        "_prepare_proxy",
        "start_tls",
        "_wrap_create_connection",
        "_create_proxy_connection",
    }
)
