"""Errors of AWS and boto3 as one line each, with the remedy."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from botocore.exceptions import ClientError

_IDENTITY_HINT: Final = "`aws sts get-caller-identity` shows the identity in use"
_NO_CREDENTIALS: Final = f"no valid AWS credentials; set AWS_PROFILE or log in ({_IDENTITY_HINT})"
_CREDENTIAL_CODES: Final = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)


class DeployError(Exception):
    """A deployment, or the smoke test at its end, failed.

    Args:
        message: One line: the failure and the remedy.
        log: The last lines of the function's log; empty if there is none.
    """

    def __init__(self, message: str, *, log: Sequence[str] = ()) -> None:
        super().__init__(" ".join(message.split()))
        self.log = tuple(log)


@contextlib.contextmanager
def wrap_aws_errors(doing: str) -> Generator[None]:
    """Raise the exceptions of AWS and boto3 as ``DeployError``.

    The caller handles the error codes that it expects inside the block.

    Args:
        doing: The action, such as ``updating the function x``; the message begins with it.
    """
    from botocore import exceptions  # noqa: PLC0415 - commands that do not deploy work without botocore

    try:
        yield
    except exceptions.ClientError as error:
        code, message = code_of(error), error.response.get("Error", {}).get("Message", "")
        if code in _CREDENTIAL_CODES:
            raise DeployError(f"{doing}: {_NO_CREDENTIALS}: {code}: {message}") from error
        if code in {"AccessDenied", "AccessDeniedException", "403"}:
            raise DeployError(f"{doing}: not allowed: {message} ({_IDENTITY_HINT})") from error
        raise DeployError(f"{doing}: {code}: {message}") from error
    except (exceptions.NoCredentialsError, exceptions.CredentialRetrievalError, exceptions.ProfileNotFound) as error:
        raise DeployError(f"{doing}: {_NO_CREDENTIALS}: {error}") from error
    except (exceptions.ConnectionError, exceptions.HTTPClientError) as error:
        raise DeployError(f"{doing}: AWS could not be reached: {error}") from error
    except exceptions.BotoCoreError as error:
        raise DeployError(f"{doing}: {error}") from error


def code_of(error: ClientError) -> str:
    """Return the error code of a response; if the response has no body, this is its HTTP status."""
    return error.response.get("Error", {}).get("Code", "")
