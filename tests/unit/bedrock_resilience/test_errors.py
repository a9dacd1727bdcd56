"""Every exception survives a process boundary with all its facts."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from bedrock_resilience import BatchReport, Fault, ItemOutcome, StopReason, classify, errors

REPORT: BatchReport[str, int] = BatchReport((ItemOutcome(index=0, item="a", status="succeeded", value=1, attempts=1),))
EVENT = {"contentBlockDelta": {"delta": {"text": "Hel"}}}
EXAMPLES: dict[str, BaseException] = {
    "AttemptTimeoutError": errors.AttemptTimeoutError(30.0),
    "BatchInterrupted": errors.BatchInterrupted(REPORT),
    "CallStoppedError": errors.CallStoppedError("no attempt"),
    "ClientConfigurationError": errors.ClientConfigurationError("retries: got 5; accepted: 1"),
    "DeadlineExceededError": errors.DeadlineExceededError("no attempt"),
    "IncompleteResponseError": errors.IncompleteResponseError("max_tokens", {"output": {}}),
    "InputError": errors.InputError(REPORT, 1),
    "ItemsNotStartedError": errors.ItemsNotStartedError("3 items were not started: deadline"),
    "MalformedResponseError": errors.MalformedResponseError("no output", {}),
    "NotAwaitableError": errors.NotAwaitableError("fn: got <built-in function len>"),
    "QuotaUnavailableError": errors.QuotaUnavailableError("eu.model", "eu-west-3", "no-match", "no quota has its name"),
    "RejectedResultError": errors.RejectedResultError({"status": "pending"}),
    "RetriesExhaustedError": errors.RetriesExhaustedError(
        "gave up", 4, 3.5, StopReason.RETRIES_EXHAUSTED, Fault.THROTTLING, TimeoutError("slow")
    ),
    "ScriptExhaustedError": errors.ScriptExhaustedError("call number 3"),
    "StoreUnavailableError": errors.StoreUnavailableError("no answer"),
    "StreamEventError": errors.StreamEventError({"Error": {"Code": "overloaded_error", "Message": "busy"}}),
    "StreamInterruptedError": errors.StreamInterruptedError("cut", [EVENT], Fault.THROTTLING, "Hel"),
    "UnusableResultError": errors.UnusableResultError("fn returned a coroutine"),
}


def facts(error: BaseException) -> tuple[object, ...]:
    """The attributes of an exception, except other exceptions, which do not equal their copies."""
    attributes = {name: repr(value) for name, value in vars(error).items()}
    return type(error), str(error), attributes, classify(error)


def raise_again(error: BaseException) -> None:
    raise error


def test_every_exception_has_an_example() -> None:
    assert sorted(EXAMPLES) == sorted(errors.__all__)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_exception_survives_pickling_and_copying(name: str) -> None:
    error = EXAMPLES[name]
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301 - our own bytes
        assert facts(twin) == facts(error)


def test_a_process_pool_survives_all_of_them() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        for name, error in EXAMPLES.items():
            if not isinstance(error, KeyboardInterrupt):
                with pytest.raises(type(error)) as raised:
                    pool.submit(raise_again, error).result(timeout=60)
                assert str(raised.value) == str(error), name
        assert pool.submit(len, "alive").result(timeout=60) == 5
