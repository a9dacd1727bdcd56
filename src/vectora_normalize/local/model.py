"""A language model on this machine in place of the emulator's extractor: any server of OpenAI's chat completions.

Ollama, llama.cpp, vLLM and LM Studio serve them. The run itself does not change: it calls Bedrock's Converse, and the
emulator passes each call on. The server is asked for JSON output under the schema of the tool, because few local
servers can force a tool. A response that is not that JSON fails its item, as on Bedrock.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit, urlunsplit

from bedrock_resilience.emulator import OpenAIBackend
from vectora_normalize.contract import ErrorType, RunRefusedError, show

if TYPE_CHECKING:
    from urllib.parse import SplitResult

READ_TIMEOUT_SECONDS: Final = 300
"""Seconds that a local model has for one response, unless BEDROCK_READ_TIMEOUT says otherwise: without a graphics card
an item takes from ten seconds to some minutes."""

_PROBE_SECONDS: Final = 10.0
_MAX_PROBE_BYTES: Final = 1_000_000
_DEFAULT_NAME: Final = "default"  # for servers that have one model, and no list
_ACCEPTED: Final = "the address of a server of OpenAI's chat completions, such as http://127.0.0.1:11434/v1"
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9-]+")
_MAX_NAME_CHARACTERS: Final = 48
# This timeout is shorter than that of the client of Bedrock, so that the failure is reported as the model's.
_EARLIER_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A model of a server.

    Args:
        url: The base address, which ends in ``/v1`` or the like.
        name: The name of the model on that server.
    """

    url: str
    name: str

    @property
    def model_id(self) -> str:
        """The model id of the run. Responses of different models are stored separately."""
        return f"local.{_UNSAFE.sub('-', self.name).strip('-')[:_MAX_NAME_CHARACTERS] or _DEFAULT_NAME}"

    def responder(self, read_timeout: float) -> OpenAIBackend:
        """Return what generates the emulator's responses.

        Args:
            read_timeout: Seconds that the client of Bedrock waits for a response.
        """
        timeout = max(read_timeout - _EARLIER_SECONDS, 1.0)
        return OpenAIBackend(self.url, self.name, timeout=timeout, json_output=True)


def find_model(url: str, name: str | None = None) -> LocalModel:
    """Return the model to use, after the server has answered.

    Args:
        url: The address of the server, with or without ``/v1``.
        name: The name of the model; None: the first of the server's list, or ``default`` if it has none.

    Raises:
        RunRefusedError: INVALID_CONFIGURATION: the address is not valid, or no server answers there.
    """
    parts = urlsplit(url.strip())
    path = parts.path.rstrip("/").removesuffix("/chat/completions")
    base = parts._replace(path=path or "/v1", query="", fragment="")
    try:
        names = _served_models(base)
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = f"which cannot be reached ({error})" if parts.scheme in {"http", "https"} else "which is no address"
        raise RunRefusedError(
            ErrorType.INVALID_CONFIGURATION, f"--model: got {show(url)}, {reason}; accepted: {_ACCEPTED}"
        ) from None
    if name is not None and names and name not in names:
        raise RunRefusedError(
            ErrorType.INVALID_CONFIGURATION, f"--model-name: got {show(name)}; accepted: {', '.join(names[:20])}"
        )
    return LocalModel(urlunsplit(base), name or (names[0] if names else _DEFAULT_NAME))


def _served_models(base: SplitResult) -> list[str]:
    """Return the names of the server's models; none if it has no list.

    Raises:
        OSError: No server answers.
        HTTPException: What answers is no HTTP server.
        ValueError: The address is none.
    """
    if base.scheme not in {"http", "https"} or not base.hostname:
        raise ValueError(base.geturl())
    kind = http.client.HTTPSConnection if base.scheme == "https" else http.client.HTTPConnection
    with contextlib.closing(kind(base.hostname, base.port, timeout=_PROBE_SECONDS)) as connection:
        connection.request("GET", f"{base.path}/models")
        response = connection.getresponse()
        body = response.read(_MAX_PROBE_BYTES)
    try:
        listed: object = json.loads(body)
    except (ValueError, RecursionError):
        return []
    entries: object = cast("dict[str, object]", listed).get("data") if isinstance(listed, dict) else None
    members = cast("list[object]", entries) if isinstance(entries, list) else []
    names = [cast("dict[str, Any]", member).get("id") for member in members if isinstance(member, dict)]
    return [name for name in names if isinstance(name, str) and name]
