"""Runs the client scenarios: real requests over a real socket, and ``classify`` on what the client raises."""

from __future__ import annotations

import socket
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bedrock_resilience.emulator._emulator import BedrockEmulator
from bedrock_resilience.emulator.conformance._client_scenarios import CLIENT_SCENARIOS
from bedrock_resilience.emulator.conformance._clients import installed_version
from bedrock_resilience.emulator.conformance._clients._client import ClientCall
from bedrock_resilience.emulator.conformance._family_scenarios import FAMILY_SCENARIOS
from bedrock_resilience.emulator.conformance._raw_server import raw_server
from bedrock_resilience.retrying._faults import classify, error_code
from bedrock_resilience.retrying._retry_after import retry_after

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bedrock_resilience._fault import Fault
    from bedrock_resilience.emulator.conformance._client_scenarios import ClientScenario
    from bedrock_resilience.emulator.conformance._clients._client import Client

_TIMEOUT_SECONDS: Final = 10.0
_SHORT_TIMEOUT_SECONDS: Final = 0.5  # enough for a server on a busy machine to begin its response
_SILENT_FAULTS: Final = frozenset({"stream-stall", "hang"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientResult:
    """What a client raised, and what ``classify`` made of it.

    Attributes:
        client: The client.
        version: The version of its package.
        scenario: The failure, and what is expected.
        raised: The exception's class, with its code if it has one, or "no error".
        fault: Its fault; None without an exception.
        retry_after: The seconds that it asks to wait, or None.
        mismatches: Every difference from what is expected; empty if the row passed.
    """

    client: Client
    version: str
    scenario: ClientScenario
    raised: str
    fault: Fault | None
    retry_after: float | None
    mismatches: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether everything is as expected."""
        return not self.mismatches

    def to_dict(self) -> dict[str, object]:
        """The result as JSON."""
        return {
            "client": self.client.name,
            "version": self.version,
            "scenario": self.scenario.name,
            "raised": self.raised,
            "fault": None if self.fault is None else self.fault.value,
            "retry_after": self.retry_after,
            "passed": self.passed,
            "mismatches": list(self.mismatches),
        }


def iter_client_conformance(
    clients: Iterable[Client], scenarios: Iterable[ClientScenario] = (*CLIENT_SCENARIOS, *FAMILY_SCENARIOS)
) -> Iterator[ClientResult]:
    """Provoke every failure with every installed client, and yield the results one at a time."""
    scenarios = tuple(scenarios)
    with ExitStack() as stack:
        servers = _Servers(stack)
        for client in clients:
            version = installed_version(client)
            for scenario in scenarios if version is not None else ():
                if scenario.applies_to(client):
                    yield _run(client, str(version), scenario, servers)


class _Servers:
    """The emulator, a raw server, one that never answers, and a port on which nothing listens."""

    def __init__(self, stack: ExitStack) -> None:
        self.emulator = stack.enter_context(BedrockEmulator())
        self.raw = stack.enter_context(raw_server())
        silent = stack.enter_context(closing(socket.create_server(("127.0.0.1", 0), backlog=512)))
        self.silent = f"127.0.0.1:{silent.getsockname()[1]}"
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.unused = f"127.0.0.1:{server.getsockname()[1]}"

    def prepare(self, scenario: ClientScenario) -> ClientCall:
        """Provoke the failure, and return the request that meets it."""
        if scenario.reply is None:
            self.emulator.reset()
            self.emulator.fail_next(None, scenario.error or "", **scenario.details)
            url = self.emulator.endpoint_url
        else:
            self.raw.set_reply(scenario.reply)
            url = f"http://{self.raw.address}"
        hosts = {"refused": self.unused, "unknown-host": "bedrock.invalid"}
        tls_hosts = {"tls": self.raw.address, "silent-tls": self.silent}
        proxies = {"proxy": self.raw.address, "silent-proxy": self.silent, "no-proxy": self.unused}
        if scenario.route in hosts:
            url = f"http://{hosts[scenario.route]}"
        elif scenario.route != "direct":
            url = f"https://{tls_hosts.get(scenario.route, 'bedrock.invalid')}"
        proxy = proxies.get(scenario.route)
        return ClientCall(
            url=url,
            stream=scenario.stream,
            timeout=_SHORT_TIMEOUT_SECONDS if _is_silent(scenario) else _TIMEOUT_SECONDS,
            proxy=None if proxy is None else f"http://{proxy}",
        )


def _is_silent(scenario: ClientScenario) -> bool:
    raw = scenario.reply is not None and scenario.reply.ending == "silence"
    return raw or scenario.route.startswith("silent") or scenario.error in _SILENT_FAULTS


def _run(client: Client, version: str, scenario: ClientScenario, servers: _Servers) -> ClientResult:
    call = servers.prepare(scenario)
    raised, fault, wait = "no error", None, None
    try:
        client.call(call)
    except Exception as error:  # noqa: BLE001 - whatever a client raises is reported
        name, code = f"{type(error).__module__.partition('.')[0]}.{type(error).__qualname__}", error_code(error)
        raised = name if code == type(error).__name__ else f"{name} ({code})"
        fault, wait = classify(error), retry_after(error)
    expected = scenario.expected(client)
    mismatches: list[str] = []
    if fault not in expected:
        mismatches.append(f"fault: got {fault}; expected: {' or '.join(sorted(one.name for one in expected))}")
    if wait != scenario.retry_after and scenario.retry_after is not None:
        mismatches.append(f"retry_after: got {wait}; expected: {scenario.retry_after}")
    return ClientResult(
        client=client,
        version=version,
        scenario=scenario,
        raised=raised,
        fault=fault,
        retry_after=wait,
        mismatches=tuple(mismatches),
    )
