"""A call of Bedrock over HTTP: the operation of its request, and the meaning of its responses."""

from __future__ import annotations

import json
import re
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast
from urllib.parse import unquote

from bedrock_resilience._errors import ClientConfigurationError, MalformedResponseError
from bedrock_resilience.integrations._protection import ProtectedCall
from bedrock_resilience.retrying._deadline import Deadline

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from typing import TypeAlias

    from bedrock_resilience.integrations._protection import Protection
    from bedrock_resilience.retrying._events import CallInfo

    # Objects of httpx or httpx2, whichever the client belongs to. Neither is needed here.
    Request: TypeAlias = Any
    Response: TypeAlias = Any
    URL: TypeAlias = Any

# A request signed with Signature Version 4 must arrive within five minutes of its time stamp (AWS, "Elements of an AWS
# API request signature"). It is signed before a transport gets it, so that all attempts carry one time stamp. The
# other half minute is for the transfer, and for clocks that differ.
_SIGNATURE_SECONDS: Final = 270.0

# The SDKs of Anthropic and OpenAI state in the first header how often they have repeated a request, and obey the second
# one in a response.
_SDK_RETRIES_HEADER: Final = "x-stainless-retry-count"
_SDK_SHOULD_RETRY_HEADER: Final = "x-should-retry"

FIRST_ERROR_STATUS: Final = 400
"""The HTTP statuses from this one on report an error."""


class ModelRequest(NamedTuple):
    """The operation and the model of a request to Bedrock.

    Attributes:
        name: The operation, named as the documentation of Bedrock names it.
        model_id: The model in its path; None if its body names the model.
        paced: Whether it counts against the quotas of InvokeModel; CountTokens does not.
    """

    name: str
    model_id: str | None
    paced: bool


# The operations of bedrock-runtime, by the last part of their paths; a gateway may have a path of its own before them.
_NAMES: Final = {
    "converse": "Converse",
    "converse-stream": "ConverseStream",
    "invoke": "InvokeModel",
    "invoke-with-response-stream": "InvokeModelWithResponseStream",
    "count-tokens": "CountTokens",
    "messages": "Messages",
    "messages/count_tokens": "CountTokens",
    "chat/completions": "ChatCompletions",
    "responses": "Responses",
}
_MODEL_PATH: Final = re.compile(
    r"/model/([^/]+)/(converse|converse-stream|invoke|invoke-with-response-stream|count-tokens)$"
)
# Messages, Chat Completions and Responses, on bedrock-runtime and bedrock-mantle, and the short paths of the latter: by
# its host, or below the path that the emulator has for it.
_API_PATH: Final = re.compile(
    r"/(?:anthropic|openai|bedrock-mantle)/v1/(messages|messages/count_tokens|chat/completions|responses)$"
)
# Other providers that have the same paths: Azure (OpenAI, and Claude in Foundry), Groq, and the providers and gateways
# that serve the Messages API below /anthropic. The list is not complete: Bedrock's own hosts would be, but its requests
# also go to the hosts of VPC endpoints, gateways and emulators.
_OTHER_PROVIDERS: Final = (
    ".aliyuncs.com",
    ".azure.cn",
    ".azure.com",
    ".azure.us",
    ".bigmodel.cn",
    ".deepseek.com",
    ".gateway.ai.cloudflare.com",
    ".groq.com",
    ".minimax.io",
    ".minimaxi.com",
    ".moonshot.ai",
    ".moonshot.cn",
    ".z.ai",
)
_MANTLE_PATH: Final = re.compile(r"/v1/(chat/completions|responses)$")
_MANTLE_HOST: Final = "bedrock-mantle."
_REGION: Final = re.compile(r"^bedrock-(?:runtime|mantle)(?:-fips)?\.([a-z0-9-]+)\.")


def operation_of(method: str, url: URL) -> ModelRequest | None:
    """Return what a request asks Bedrock for; None for a request that calls no model of Bedrock."""
    if method != "POST":
        return None
    path = url.raw_path.decode("ascii", "replace").partition("?")[0]
    if found := _MODEL_PATH.search(path):
        return ModelRequest(_NAMES[found[2]], unquote(found[1]), paced=found[2] != "count-tokens")
    if (found := _API_PATH.search(path)) and not f".{url.host}".endswith(_OTHER_PROVIDERS):
        return ModelRequest(_NAMES[found[1]], None, paced=found[1] != "messages/count_tokens")
    if url.host.startswith(_MANTLE_HOST) and (found := _MANTLE_PATH.search(path)):
        return ModelRequest(_NAMES[found[1]], None, paced=True)
    return None


def is_for_mantle(url: URL) -> bool:
    """Return whether a request is to ``bedrock-mantle``, or below the path that the emulator has for it."""
    return url.host.startswith(_MANTLE_HOST) or b"/bedrock-mantle/" in url.raw_path.partition(b"?")[0]


class HttpCall:
    """One call of a protected client: what its attempts share, and what each response means.

    Args:
        protection: The protection of the client.
        request: The request, whose body has been read.
        operation: What it asks for.

    Attributes:
        protected: Waits before the attempts, and decides about them.
        response: The last response, as the client is to get it.
    """

    def __init__(self, protection: Protection, request: Request, operation: ModelRequest) -> None:
        _refuse_second_layer(protection, request)
        self._request = request
        self._failure: Exception | None = None  # what the last response means
        self.response: Response = None
        mantle = is_for_mantle(request.url)
        protection = protection.of_mantle if mantle else protection
        paced = protection if operation.paced else replace(protection, pacer=None, mantle_pacer=None)
        fields: dict[str, Any] = {}
        if paced.pacer is not None or paced.listeners:
            fields = _fields(request.content, operation.model_id)
            if mantle:
                fields["endpoint"] = "bedrock-mantle"
        info = _info(request, operation, fields) if paced.listeners else None
        with _within_signature(protection, request):
            self.protected: ProtectedCall = ProtectedCall(paced, fields, info)

    def received(self, response: Response, raw: bytes, failure: Exception | None) -> dict[str, Any]:
        """Return the content of a response that was read to its end, in the shape of boto3's.

        Args:
            response: The response, whose stream has been replaced by its body.
            raw: The body.
            failure: What it means, if that is known already.

        Raises:
            Exception: It reports a failure, or is not a response of Bedrock.
        """
        self.response = response
        try:
            if failure is not None:
                raise failure  # noqa: TRY301 - as if it was found here
            body = self._body(response, raw)
        except Exception as error:
            self._failure = error
            raise
        fields = cast("dict[str, Any]", body) if isinstance(body, dict) else {"body": body}
        metadata = {"HTTPStatusCode": response.status_code, "HTTPHeaders": dict(response.headers.items())}
        return {**fields, "ResponseMetadata": metadata}

    def _body(self, response: Response, raw: bytes) -> object:
        """Return the JSON of a success, and None for a redirect; raise for everything else."""
        is_error = response.status_code >= FIRST_ERROR_STATUS
        if is_error or "content-encoding" in response.headers:
            # The client reads the response itself, and may stream it. This is a copy that has been read.
            copy = type(response)(response.status_code, headers=response.headers, content=raw, request=self._request)
            raw = copy.content
            if is_error:
                copy.raise_for_status()
        return _parse(raw) if response.is_success else None

    def ended(self, error: Exception) -> Response:
        """Return the response of the call after the last attempt has failed.

        Raises:
            Exception: There is none: the last attempt raised ``error``.
        """
        final = self.protected.final_error()
        failure, self._failure = self._failure, None  # its traceback refers to this call
        if error is not failure:
            raise final
        if _SDK_RETRIES_HEADER in self._request.headers:
            self.response.headers[_SDK_SHOULD_RETRY_HEADER] = "false"
        return self.response


def _refuse_second_layer(protection: Protection, request: Request) -> None:
    if request.headers.get(_SDK_RETRIES_HEADER, "0") != "0":
        attempts = 1 + protection.policy.max_retries
        raise ClientConfigurationError(
            f"two retry layers: the SDK repeats a call that the policy sends up to {attempts} times. This multiplies "
            f"the attempts by {attempts}. Make the SDK's client with max_retries=0, or protect it in place of its "
            "http_client"
        )


def _within_signature(protection: Protection, request: Request) -> AbstractContextManager[object]:
    """Return the context in which a call begins: a signed request is not sent after its signature has expired."""
    if not request.headers.get("authorization", "").startswith("AWS4-"):
        return nullcontext()
    return Deadline(protection.clock.monotonic() + _SIGNATURE_SECONDS).apply()


def _fields(content: bytes, model_id: str | None) -> dict[str, Any]:
    """Return a request in the shape of boto3's parameters, as far as its tokens depend on it."""
    try:
        body: object = json.loads(content)
    except (ValueError, RecursionError):
        body = None
    fields = cast("dict[str, Any]", body) if isinstance(body, dict) else {}
    return {"modelId": fields.get("model", "") if model_id is None else model_id, "body": fields}


def _info(request: Request, operation: ModelRequest, fields: dict[str, Any]) -> CallInfo:
    from bedrock_resilience.retrying._call_info import CallInfo  # noqa: PLC0415 - a call without listeners needs none

    model, region = fields["modelId"], _REGION.search(request.url.host)
    return CallInfo(
        operation=operation.name,
        model=model if isinstance(model, str) and model else None,
        region=None if region is None else region[1],
    )


def _parse(content: bytes) -> object:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise MalformedResponseError(f"not JSON: it starts with {content[:40]!r}", content) from None
