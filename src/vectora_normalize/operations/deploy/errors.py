"""What AWS and boto3 raise, as one line with what to do about it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from botocore.exceptions import ClientError

_WHO_AM_I: Final = "`aws sts get-caller-identity` tells who you are to AWS"
_NO_CREDENTIALS: Final = f"no valid AWS credentials; set AWS_PROFILE or log in ({_WHO_AM_I})"
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
    """A deployment, or the try at its end, failed.

    Args:
        message: One line, with what to do about it.
        log: The end of the function's log, where there is one.
    """

    def __init__(self, message: str, *, log: Sequence[str] = ()) -> None:
        super().__init__(" ".join(message.split()))
        self.log = tuple(log)


@contextlib.contextmanager
def wrap_aws_errors(doing: str) -> Generator[None]:
    """Turn what the block raises into a `DeployError` that begins with what was being done.

    An error that the caller knows better has been caught inside of the block.
    """
    from botocore import exceptions  # noqa: PLC0415 - a dry look at the options needs no AWS

    try:
        yield
    except exceptions.ClientError as error:
        code, message = code_of(error), error.response.get("Error", {}).get("Message", "")
        if code in _CREDENTIAL_CODES:
            raise DeployError(f"{doing}: {_NO_CREDENTIALS}: {code}: {message}") from error
        if code in {"AccessDenied", "AccessDeniedException", "403"}:
            raise DeployError(f"{doing}: not allowed: {message} ({_WHO_AM_I})") from error
        raise DeployError(f"{doing}: {code}: {message}") from error
    except (exceptions.NoCredentialsError, exceptions.CredentialRetrievalError, exceptions.ProfileNotFound) as error:
        raise DeployError(f"{doing}: {_NO_CREDENTIALS}: {error}") from error
    except (exceptions.ConnectionError, exceptions.HTTPClientError) as error:
        raise DeployError(f"{doing}: AWS was not reached: {error}") from error
    except exceptions.BotoCoreError as error:
        raise DeployError(f"{doing}: {error}") from error


def code_of(error: ClientError) -> str:
    """The code of an answer that refuses; an answer without a body has its status there."""
    return error.response.get("Error", {}).get("Code", "")
