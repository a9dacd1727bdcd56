"""Runs scenarios: provokes each failure three times, and compares what happens with what is expected."""

from __future__ import annotations

import importlib
import json
import socket
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience._errors import StreamInterruptedError
from bedrock_resilience.batch._executor import BoundedExecutor
from bedrock_resilience.bedrock import BedrockRuntime, bedrock_runtime_client
from bedrock_resilience.emulator._emulator import BedrockEmulator
from bedrock_resilience.emulator.conformance._scenarios import FAILURE_SCENARIOS, ClientSetup, Expectation
from bedrock_resilience.retrying._events import CallFailed
from bedrock_resilience.retrying._faults import classify, error_code
from bedrock_resilience.retrying._jitter import NoJitter
from bedrock_resilience.retrying._policy import RetryPolicy
from bedrock_resilience.retrying._retrier import Retrier

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bedrock_resilience._fault import Fault
    from bedrock_resilience.emulator.conformance._scenarios import FailureScenario
    from bedrock_resilience.retrying._events import Event

_MODEL_ID: Final = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
_POLICY: Final = RetryPolicy(max_retries=3, base_delay=0.0, jitter=NoJitter(), retry_on="transient")
_WORKERS: Final = 4
_READ_TIMEOUT_SECONDS: Final = 10.0
_SHORT_READ_TIMEOUT_SECONDS: Final = 0.5  # enough for an emulator on a busy machine to begin its response


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioResult:
    """What happened in a scenario.

    Attributes:
        scenario: The failure, and what is expected.
        boto3: What boto3 itself raised, or "no error".
        raised: What ``BedrockRuntime`` raised, or "no error".
        fault: The fault of that error.
        attempts: Attempts that ``BedrockRuntime`` made.
        requests: Requests that the emulator counted for them.
        batch_requests: Requests that it counted for a batch of 8 such items (4, where each waits for a read timeout)
            on 4 workers.
        mismatches: Every difference from what is expected; empty if the scenario passed.
    """

    scenario: FailureScenario
    boto3: str
    raised: str
    fault: Fault | None
    attempts: int
    requests: int
    batch_requests: int
    mismatches: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether everything is as expected."""
        return not self.mismatches

    def to_dict(self) -> dict[str, object]:
        """The result as JSON."""
        fault = self.fault
        return {
            "scenario": self.scenario.name,
            "call": self.scenario.call,
            "boto3": self.boto3,
            "raised": self.raised,
            "fault": None if fault is None else fault.value,
            "retryable": fault is not None and fault.retryable,
            "backpressure": fault is not None and fault.backpressure,
            "fatal": fault is not None and fault.fatal,
            "attempts": self.attempts,
            "requests": self.requests,
            "batch_requests": self.batch_requests,
            "passed": self.passed,
            "mismatches": list(self.mismatches),
        }


def run_conformance(scenarios: Iterable[FailureScenario] = FAILURE_SCENARIOS) -> list[ScenarioResult]:
    """Provoke every failure on an emulator, and compare each with what is expected. Needs the extra ``[aws]``.

    Takes some seconds, most of them for read timeouts.
    """
    return list(iter_conformance(scenarios))


def iter_conformance(scenarios: Iterable[FailureScenario] = FAILURE_SCENARIOS) -> Iterator[ScenarioResult]:
    """The results of ``run_conformance``, one at a time."""
    with ExitStack() as stack:
        emulator = stack.enter_context(BedrockEmulator())
        clients: dict[ClientSetup, Any] = {}
        for scenario in scenarios:
            setup = scenario.client_setup
            if setup not in clients:
                clients[setup] = stack.enter_context(closing(_client(setup, emulator)))
            yield _run(scenario, emulator, clients[setup])


def _run(scenario: FailureScenario, emulator: BedrockEmulator, client: Any) -> ScenarioResult:  # noqa: ANN401 - a boto3 client
    """Provoke the failure for boto3 alone, for ``BedrockRuntime``, and for a batch of such items."""
    _inject(emulator, scenario)
    try:
        _call_boto3(client, scenario)
        alone = "no error"
    except Exception as error:  # noqa: BLE001 - whatever boto3 raises is reported
        alone = _name(error)

    _inject(emulator, scenario)
    events: list[Event] = []
    runtime = BedrockRuntime(client, Retrier(_POLICY, listeners=[events.append]))
    caught: Exception | None = None
    try:
        _call(runtime, scenario)
    except Exception as error:  # noqa: BLE001 - as above
        caught = error
    attempts = sum(event.attempts for event in events if isinstance(event, CallFailed))
    requests = emulator.requests
    hidden_retry = any(sent > 1 for sent in emulator.requests_by_invocation.values())

    _inject(emulator, scenario)
    # BedrockRuntime is the one retry layer, so the executor's own policy retries nothing.
    executor = BoundedExecutor(_WORKERS, policy=_POLICY.replace(max_retries=0))
    executor.run(lambda _: _call(runtime, scenario), range(_batch_size(scenario)))

    result = ScenarioResult(
        scenario=scenario,
        boto3=alone,
        raised="no error" if caught is None else _name(caught),
        fault=None if caught is None else classify(caught),
        attempts=attempts,
        requests=requests,
        batch_requests=emulator.requests,
        mismatches=("botocore retried by itself",) if hidden_retry else (),
    )
    return replace(result, mismatches=(*result.mismatches, *_compare(result, caught)))


def _compare(result: ScenarioResult, caught: Exception | None) -> Iterator[str]:
    scenario, fault = result.scenario, result.fault
    if fault is None or fault not in scenario.faults:
        expected = " or ".join(sorted(expected.name for expected in scenario.faults))
        yield f"fault: got {fault}; expected: {expected}"
    elif (fault.retryable, fault.backpressure, fault.fatal) != scenario.expectation.value:
        yield f"{fault.name} does not mean {scenario.expectation.name}"
    if result.attempts != scenario.attempts:
        yield f"attempts: got {result.attempts}; expected: {scenario.attempts}"
    requests = scenario.attempts if scenario.reaches_service else 0
    if result.requests != requests:
        yield f"requests: got {result.requests}; expected: {requests}"
    ends_batch = scenario.expectation is Expectation.END_BATCH
    most = _WORKERS if ends_batch else _batch_size(scenario) * scenario.attempts
    least = 1 if ends_batch else most
    if scenario.reaches_service and not least <= result.batch_requests <= most:
        yield f"requests of a batch: got {result.batch_requests}; expected: {least} to {most}"
    if scenario.delivers_text and not (isinstance(caught, StreamInterruptedError) and caught.text):
        yield "the error does not carry the text that was delivered"


def _batch_size(scenario: FailureScenario) -> int:
    return _WORKERS if scenario.client_setup is ClientSetup.SHORT_READ_TIMEOUT else 2 * _WORKERS


def _inject(emulator: BedrockEmulator, scenario: FailureScenario) -> None:
    emulator.reset()
    if scenario.error is not None:
        emulator.fail_next(None, scenario.error, **scenario.details)


def _request(scenario: FailureScenario) -> dict[str, Any]:
    text = "Camurus announces results of its trial. " * 5
    if scenario.call.startswith("converse"):
        return {
            "modelId": _MODEL_ID,
            "messages": [{"role": "user", "content": [{"text": text}]}],
            "inferenceConfig": {"maxTokens": 1_000},
            **scenario.request_changes,
        }
    body = {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 1_000,
        "messages": [{"role": "user", "content": text}],
        **scenario.request_changes,
    }
    return {"modelId": _MODEL_ID, "body": body}


def _call(runtime: BedrockRuntime, scenario: FailureScenario) -> None:
    response = getattr(runtime, scenario.call)(**_request(scenario))
    if scenario.call.endswith("_stream"):
        list(response)


def _call_boto3(client: Any, scenario: FailureScenario) -> None:  # noqa: ANN401 - as above
    """The same call of boto3 itself, with its response read to the end."""
    request = _request(scenario)
    if "body" in request:
        request["body"] = json.dumps(request["body"])
    match scenario.call:
        case "converse":
            client.converse(**request)
        case "invoke_model":
            with closing(client.invoke_model(**request)["body"]) as body:
                body.read()
        case "converse_stream":
            with closing(client.converse_stream(**request)["stream"]) as events:
                list(events)
        case _:
            with closing(client.invoke_model_with_response_stream(**request)["body"]) as events:
                list(events)


def _name(error: Exception) -> str:
    """The class of an error, with its code if it has one."""
    name = type(error).__name__
    code = error_code(error)
    return name if code == name else f"{name} ({code})"


def _client(setup: ClientSetup, emulator: BedrockEmulator) -> Any:  # noqa: ANN401 - as above
    keys: dict[str, Any] = {"aws_access_key_id": "emulator", "aws_secret_access_key": "emulator"}
    without = setup is ClientSetup.WITHOUT_CREDENTIALS
    short = setup is ClientSetup.SHORT_READ_TIMEOUT
    return bedrock_runtime_client(
        "eu-west-3",
        endpoint_url=_unused_url() if setup is ClientSetup.UNREACHABLE else emulator.endpoint_url,
        read_timeout=_SHORT_READ_TIMEOUT_SECONDS if short else _READ_TIMEOUT_SECONDS,
        session=_session_without_credentials() if without else None,
        # Not from the environment: boto3 sends no bearer token over HTTP, and the requests must not use a proxy.
        signature_version="v4",
        proxies={},
        **({} if without else keys),
    )


def _unused_url() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return f"http://127.0.0.1:{port}"


def _session_without_credentials() -> Any:  # noqa: ANN401 - a boto3 session
    session = importlib.import_module("botocore.session").Session()
    resolver = importlib.import_module("botocore.credentials").CredentialResolver([])
    session.register_component("credential_provider", resolver)
    return importlib.import_module("boto3.session").Session(botocore_session=session)
