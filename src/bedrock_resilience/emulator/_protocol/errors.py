"""The errors of Bedrock Runtime: code, status and message of the HTTP response.

Codes and statuses are those of the botocore service model and of "Troubleshooting Amazon Bedrock API error codes"; the
messages are those that users quote. AWS guarantees no wording.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience.quotas import Limit

if TYPE_CHECKING:
    from collections.abc import Mapping

TOO_MANY_REQUESTS: Final = "Too many requests, please wait before trying again."
TOO_MANY_TOKENS: Final = "Too many tokens, please wait before trying again."
TOO_MANY_TOKENS_PER_DAY: Final = "Too many tokens per day, please wait before trying again."

THROTTLE_MESSAGES: Final[Mapping[Limit, str]] = {
    Limit.REQUESTS_PER_MINUTE: TOO_MANY_REQUESTS,
    Limit.TOKENS_PER_MINUTE: TOO_MANY_TOKENS,
    Limit.TOKENS_PER_DAY: TOO_MANY_TOKENS_PER_DAY,
    Limit.INPUT_TOKENS_PER_MINUTE: TOO_MANY_TOKENS,
}

# Code -> status, message.
ERRORS: Final[Mapping[str, tuple[int, str]]] = {
    "AccessDeniedException": (403, "You don't have access to the model with the specified model ID."),
    "ConflictException": (409, "The request conflicts with another one that is being worked on."),
    "ExpiredTokenException": (403, "The security token included in the request is expired"),
    "FTUFormNotFilled": (404, "Model use case details have not been submitted for this account."),
    "InternalServerException": (500, "The system encountered an unexpected error during processing. Try again."),
    "ModelErrorException": (424, "The model returned an error while it was processing the request."),
    "ModelNotReadyException": (429, "The model is not ready for inference. Wait and try your request again."),
    "ModelStreamErrorException": (424, "The model returned an error while it was streaming the response."),
    "ModelTimeoutException": (408, "Model has timed out in processing the request. Try your request again."),
    "MPAgreementBeingCreated": (403, "The Marketplace agreement is being created. Try again in 15 minutes."),
    "RequestTimeout": (408, "Your socket connection to the server was not read from or written to in time."),
    "ResourceNotFoundException": (404, "Could not resolve the foundation model from the provided model identifier."),
    "SerializationException": (400, "The body of the request is not what the operation reads."),
    "ServiceQuotaExceededException": (400, "Your request exceeds the service quota for your account."),
    "ServiceUnavailableException": (503, "Bedrock is unable to process your request."),
    "ThrottlingException": (429, TOO_MANY_REQUESTS),
    "UnknownOperationException": (404, "There is no such operation."),
    "UnrecognizedClientException": (403, "The security token included in the request is invalid."),
    "ValidationException": (400, "The request is not valid."),
}

# Statuses of proxies and load balancers, and 529, which AWS documents without a code.
STATUS_MESSAGES: Final[Mapping[int, str]] = {
    429: "Too Many Requests",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    529: "Overloaded",
}


class ServiceError(Exception):
    """A response that is an error.

    Args:
        code: The value of ``x-amzn-errortype``; None for a response without a code, as of a proxy.
        message: The message in the body; by default that of the code.
        status: The HTTP status; by default that of the code.
        headers: Further headers, such as Retry-After.
        members: Further members of the body, such as ``originalStatusCode``.
    """

    def __init__(
        self,
        code: str | None,
        message: str | None = None,
        *,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        known_status, known_message = ERRORS.get(code or "", (500, "The service returned an error."))
        self.code = code
        self.status: int = known_status if status is None else status
        self.message: str = (
            (STATUS_MESSAGES.get(self.status, known_message) if code is None else known_message)
            if message is None
            else message
        )
        self.headers: dict[str, str] = dict(headers or {})
        self.members: dict[str, Any] = dict(members or {})
        super().__init__(f"{code or self.status}: {self.message}")


def invalid(message: str) -> ServiceError:
    """A ``ValidationException`` with this message."""
    return ServiceError("ValidationException", message)


def malformed(problem: str) -> ServiceError:
    """A ``ValidationException`` for a body that its model does not accept, in the words of the service."""
    return invalid(f"Malformed input request: {problem}, please reformat your input and try again.")
