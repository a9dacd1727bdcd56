"""All rows of the table, against one emulator."""

from __future__ import annotations

import importlib
import socket
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience.bedrock import bedrock_runtime_client
from bedrock_resilience.emulator import BedrockEmulator
from bedrock_resilience.emulator.conformance._runner import Row, attempt
from bedrock_resilience.emulator.conformance._scenarios import CASES, Setting

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bedrock_resilience.emulator.conformance._scenarios import Case

_PATIENCE: Final = {
    Setting.IMPATIENT: 0.5
}  # seconds; long enough for an emulator on a busy machine to begin its answer
_READ_TIMEOUT: Final = 10.0


def run_failures_table(cases: Iterable[Case] = CASES) -> list[Row]:
    """Provoke every failure on an emulator of its own, and say of each row whether it is right. Needs the extra [aws].

    Takes some seconds, most of them for read timeouts.
    """
    return list(iterate_failures_table(cases))


def iterate_failures_table(cases: Iterable[Case] = CASES) -> Iterator[Row]:
    """The rows of ``run_failures_table``, one at a time as they are known."""
    with ExitStack() as stack:
        emulator = stack.enter_context(BedrockEmulator())
        clients = {setting: stack.enter_context(closing(_client(setting, emulator))) for setting in Setting}
        for case in cases:
            yield attempt(case, emulator, clients[case.setting])


def _client(setting: Setting, emulator: BedrockEmulator) -> Any:  # noqa: ANN401 - a boto3 client
    keys: dict[str, Any] = {"aws_access_key_id": "emulator", "aws_secret_access_key": "emulator"}
    without = setting is Setting.WITHOUT_CREDENTIALS
    return bedrock_runtime_client(
        "eu-west-3",
        endpoint_url=_closed_port() if setting is Setting.UNREACHABLE else emulator.endpoint_url,
        read_timeout=_PATIENCE.get(setting, _READ_TIMEOUT),
        session=_session_without_credentials() if without else None,
        # Not what the environment may say: a bearer token is not sent over HTTP, and a proxy is in nobody's way here.
        signature_version="v4",
        proxies={},
        **({} if without else keys),
    )


def _closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return f"http://127.0.0.1:{port}"


def _session_without_credentials() -> Any:  # noqa: ANN401 - a boto3 session
    inner = importlib.import_module("botocore.session").Session()
    nobody = importlib.import_module("botocore.credentials").CredentialResolver([])
    inner.register_component("credential_provider", nobody)
    return importlib.import_module("boto3.session").Session(botocore_session=inner)
