"""One row of the table: a failure is provoked three times, and what happens is compared with what is right."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience._errors import StreamInterruptedError
from bedrock_resilience._fault import Fault
from bedrock_resilience.batch._executor import BoundedExecutor
from bedrock_resilience.bedrock import BedrockRuntime
from bedrock_resilience.emulator.conformance._scenarios import Means, Setting
from bedrock_resilience.retrying._events import CallFailed
from bedrock_resilience.retrying._faults import classify, error_code
from bedrock_resilience.retrying._jitter import NoJitter
from bedrock_resilience.retrying._policy import RetryPolicy
from bedrock_resilience.retrying._retrier import Retrier

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bedrock_resilience.emulator import BedrockEmulator
    from bedrock_resilience.emulator.conformance._scenarios import Case
    from bedrock_resilience.retrying._events import Event

MODEL_ID: Final = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
POLICY: Final = RetryPolicy(max_retries=3, base_delay=0.0, jitter=NoJitter(), retry_on="transient")
WORKERS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What became of a failure.

    Attributes:
        case: The failure, and what is right.
        boto3: What boto3 itself raised, or "no error".
        raised: What ``BedrockRuntime`` raised, or "no error".
        fault: What that meant.
        attempts: Attempts that ``BedrockRuntime`` made.
        requests: Requests that the emulator counted for them.
        run_requests: Requests that it counted for a run of 8 such items (4, where each waits for a read timeout) on 4
            workers.
        wrong: Everything that is not as it should be; empty where the row is right.
    """

    case: Case
    boto3: str
    raised: str
    fault: Fault | None
    attempts: int
    requests: int
    run_requests: int
    wrong: tuple[str, ...]

    @property
    def right(self) -> bool:
        """Is everything as it should be?"""
        return not self.wrong

    def to_dict(self) -> dict[str, object]:
        """The row for JSON."""
        fault = self.fault
        return {
            "failure": self.case.name,
            "call": self.case.call,
            "boto3": self.boto3,
            "raised": self.raised,
            "fault": None if fault is None else fault.value,
            "retryable": fault is not None and fault.retryable,
            "backpressure": fault is not None and fault.backpressure,
            "fatal": fault is not None and fault.fatal,
            "attempts": self.attempts,
            "requests": self.requests,
            "run_requests": self.run_requests,
            "right": self.right,
            "wrong": list(self.wrong),
        }


def attempt(case: Case, emulator: BedrockEmulator, client: Any) -> Row:  # noqa: ANN401 - a boto3 client
    """Provoke the failure for boto3 alone, for ``BedrockRuntime``, and for a run of many such items."""
    _script(emulator, case)
    try:
        _raw(client, case)
        alone = "no error"
    except Exception as error:  # noqa: BLE001 - whatever boto3 raises is what is shown
        alone = _name(error)

    _script(emulator, case)
    events: list[Event] = []
    runtime = BedrockRuntime(client, Retrier(POLICY, listeners=[events.append]))
    caught: Exception | None = None
    try:
        _call(runtime, case)
    except Exception as error:  # noqa: BLE001 - as above
        caught = error
    attempts = sum(event.attempts for event in events if isinstance(event, CallFailed))
    requests = emulator.requests
    hidden = any(sent > 1 for sent in emulator.requests_by_invocation.values())

    _script(emulator, case)
    # The thin client is the one retry layer, so the executor's own policy retries nothing.
    executor = BoundedExecutor(WORKERS, policy=POLICY.replace(max_retries=0))
    executor.run(lambda _: _call(runtime, case), range(_items(case)))

    row = Row(
        case=case,
        boto3=alone,
        raised="no error" if caught is None else _name(caught),
        fault=None if caught is None else classify(caught),
        attempts=attempts,
        requests=requests,
        run_requests=emulator.requests,
        wrong=("botocore has retried by itself",) if hidden else (),
    )
    return replace(row, wrong=(*row.wrong, *_judge(row, caught)))


def _judge(row: Row, caught: Exception | None) -> Iterator[str]:
    case, fault = row.case, row.fault
    if fault is None or fault not in case.faults:
        right = " or ".join(sorted(right.name for right in case.faults))
        yield f"fault: {fault}; right: {right}"
    elif (fault.retryable, fault.backpressure, fault.fatal) != case.means.value:
        yield f"{fault.name} does not mean {case.means.name}"
    if row.attempts != case.attempts:
        yield f"attempts: {row.attempts}; right: {case.attempts}"
    if row.requests != (case.attempts if case.arrives else 0):
        yield f"requests: {row.requests}; right: {case.attempts if case.arrives else 0}"
    most = WORKERS if case.means is Means.END_THE_RUN else _items(case) * case.attempts
    least = 1 if case.means is Means.END_THE_RUN else most
    if case.arrives and not least <= row.run_requests <= most:
        yield f"requests of a run: {row.run_requests}; right: {least} to {most}"
    if case.delivered and not (isinstance(caught, StreamInterruptedError) and caught.text):
        yield "the failure does not carry the text that was delivered"


def _items(case: Case) -> int:
    return WORKERS if case.setting is Setting.IMPATIENT else 2 * WORKERS


def _script(emulator: BedrockEmulator, case: Case) -> None:
    emulator.reset()
    if case.error is not None:
        emulator.fail_next(None, case.error, **case.details)


def _request(case: Case) -> dict[str, Any]:
    text = "Camurus announces results of its trial. " * 5
    if case.call.startswith("converse"):
        return {
            "modelId": MODEL_ID,
            "messages": [{"role": "user", "content": [{"text": text}]}],
            "inferenceConfig": {"maxTokens": 1_000},
            **case.changes,
        }
    body = {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 1_000,
        "messages": [{"role": "user", "content": text}],
        **case.changes,
    }
    return {"modelId": MODEL_ID, "body": body}


def _call(runtime: BedrockRuntime, case: Case) -> None:
    answer = getattr(runtime, case.call)(**_request(case))
    if case.call.endswith("_stream"):
        list(answer)


def _raw(client: Any, case: Case) -> None:  # noqa: ANN401 - as above
    """The same call of boto3 itself, with its answer read to the end."""
    request = _request(case)
    if "body" in request:
        request["body"] = json.dumps(request["body"])
    match case.call:
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
    """The class of an error, with its code where it has one."""
    name = type(error).__name__
    code = error_code(error)
    return name if code == name else f"{name} ({code})"
