"""What a call costs under a policy, beside the loop one would write by hand, and beside the neighbours."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, cast

import backoff
import stamina
import tenacity
from benchmarks.core.measuring import Measured, best, in_microseconds, sleepless
from botocore.exceptions import ClientError

from bedrock_resilience import Deadline, NoJitter, Retrier, RetryBudget, RetryPolicy, retry

if TYPE_CHECKING:
    from collections.abc import Callable

BY_HAND = "by hand"
OURS = "bedrock_resilience, policy.call"
TENACITY = "tenacity"
BACKOFF = "backoff"
STAMINA = "stamina"

ATTEMPTS = 4
POLICY = RetryPolicy(max_retries=ATTEMPTS - 1, base_delay=0.0, jitter=NoJitter())
THROTTLED: Any = {
    "Error": {"Code": "ThrottlingException", "Message": "Too many requests, please wait before trying again."},
    "ResponseMetadata": {
        "HTTPStatusCode": 429,
        "HTTPHeaders": {"content-type": "application/json"},
        "RetryAttempts": 0,
    },
}


def answer() -> int:
    """A call that succeeds at once."""
    return 42


def throttled_once() -> Callable[[], int]:
    """A function that is throttled at every other call, as boto3 tells it."""
    calls = 0

    def fn() -> int:
        nonlocal calls
        calls += 1
        if calls % 2:
            raise ClientError(THROTTLED, "Converse")
        return 42

    return fn


def is_throttling(error: BaseException) -> bool:
    """The settings that each of the others needs."""
    return isinstance(error, ClientError) and cast("Any", error).response["Error"]["Code"] == "ThrottlingException"


def by_hand(fn: Callable[[], int]) -> int:
    """The loop one would write for a single call."""
    for attempt in range(ATTEMPTS):
        try:
            return fn()
        except ClientError as error:
            if attempt == ATTEMPTS - 1 or not is_throttling(error):
                raise
            time.sleep(0.0)
    raise AssertionError


def ways(fn: Callable[[], int]) -> dict[str, Callable[[], object]]:
    """The same call in each way, with as many retries and no delay."""
    full = Retrier(POLICY, deadline=Deadline.after(3600), budget=RetryBudget(share=1.0), listeners=[lambda _: None])
    stamina.instrumentation.set_on_retry_hooks([])  # its log line for each retry would be most of what is measured
    give_up: Callable[[Exception], bool] = lambda error: not is_throttling(error)  # noqa: E731 - as backoff wants it
    on_exception = cast("Any", backoff).on_exception
    return {
        BY_HAND: lambda: by_hand(fn),
        OURS: lambda: POLICY.call(fn),
        "bedrock_resilience, decorated": retry(POLICY)(fn),
        "the same with deadline, budget and a listener": lambda: full.call(fn),
        BACKOFF: on_exception(
            backoff.constant, ClientError, max_tries=ATTEMPTS, interval=0, jitter=None, giveup=give_up, logger=None
        )(fn),
        TENACITY: tenacity.Retrying(
            stop=tenacity.stop_after_attempt(ATTEMPTS), retry=tenacity.retry_if_exception(is_throttling)
        ).wraps(fn),
        STAMINA: stamina.retry(
            on=is_throttling, attempts=ATTEMPTS, wait_initial=0, wait_max=0, wait_jitter=0, timeout=None
        )(fn),
    }


def succeeding(calls: int = 20_000, rounds: int = 15) -> Measured:
    """A call that succeeds at once."""
    costs = in_microseconds(best(ways(answer), calls, rounds))
    return Measured("A call that succeeds at once", "µs", costs, BY_HAND)


def retried(calls: int = 2_000, rounds: int = 15) -> Measured:
    """A call that is throttled once, with no delay."""
    with sleepless():
        costs = in_microseconds(best(ways(throttled_once()), calls, rounds))
    return Measured("A call that is throttled once, with no delay", "µs", costs, BY_HAND)
