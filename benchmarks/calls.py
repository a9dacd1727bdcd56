"""What a call costs under a policy, beside the loop one would write by hand and the neighbours; and an item of a batch.

Run it by `make bench`. Each number is the best of several rounds, so that what else the machine does stays out of it.
"""

from __future__ import annotations

import time
import timeit
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import backoff
import stamina
import tenacity

from bedrock_resilience import BoundedExecutor, NoJitter, RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ROUNDS = 7
CALLS = 20_000
ITEMS = 20_000
WORKERS = 4


class ThrottlingException(Exception):  # noqa: N818 - the name that Bedrock gives it
    """Bedrock's answer to a rate that is too high, as boto3 raises it."""

    response = {"Error": {"Code": "ThrottlingException", "Message": "Too many requests"}}  # noqa: RUF012 - as in boto3


def answer() -> int:
    """A call that succeeds at once."""
    return 42


def by_hand(fn: Callable[[], int]) -> int:
    """The loop one would write for a single call."""
    for attempt in range(4):
        try:
            return fn()
        except ThrottlingException:
            if attempt == 3:
                raise
            time.sleep(0.0)  # as the others do; giving up the processor is most of what a retry costs
    raise AssertionError


def throttled_once() -> Callable[[], int]:
    """A function that is throttled at every other call."""
    calls = 0

    def fn() -> int:
        nonlocal calls
        calls += 1
        if calls % 2:
            raise ThrottlingException
        return 42

    return fn


def cost(run: Callable[[], object], times: int) -> float:
    """Microseconds for each of `times` runs."""
    return min(timeit.repeat(run, repeat=ROUNDS, number=times)) / times * 1e6


def table(title: str, rows: Iterable[tuple[str, float]], baseline: str) -> None:
    """Print microseconds, and how many times the baseline that is."""
    costs = dict(rows)
    print(f"\n{title}")
    for name, microseconds in costs.items():
        print(f"  {name:<34}{microseconds:>9.2f} µs{microseconds / costs[baseline]:>8.1f} x")


def neighbours(fn: Callable[[], int], policy: RetryPolicy) -> dict[str, Callable[[], object]]:
    """The same call under each library, with as many retries and no delay."""
    hand = "by hand"
    return {
        hand: lambda: by_hand(fn),
        "bedrock_resilience": lambda: policy.call(fn),
        "backoff": backoff.on_exception(backoff.constant, ThrottlingException, max_tries=4, interval=0, jitter=None)(
            fn
        ),
        "tenacity": tenacity.Retrying(
            stop=tenacity.stop_after_attempt(4), retry=tenacity.retry_if_exception_type(ThrottlingException)
        ).wraps(fn),
        "stamina": stamina.retry(on=ThrottlingException, attempts=4, wait_initial=0, wait_max=0, wait_jitter=0)(fn),
    }


def main() -> None:
    """Print the tables."""
    stamina.instrumentation.set_on_retry_hooks([])  # its log line for each retry would be most of what is measured
    policy = RetryPolicy(base_delay=0.0, jitter=NoJitter())
    succeeds = neighbours(answer, policy)
    table("A call that succeeds at once", ((name, cost(run, CALLS)) for name, run in succeeds.items()), "by hand")
    retried = neighbours(throttled_once(), policy)
    table(
        "A call that is throttled once, no delay",
        ((name, cost(run, CALLS // 20)) for name, run in retried.items()),
        "by hand",
    )
    executor = BoundedExecutor(WORKERS, policy=policy)
    with ThreadPoolExecutor(WORKERS) as pool:
        batches: dict[str, Callable[[], object]] = {
            "ThreadPoolExecutor.map": lambda: list(pool.map(abs, range(ITEMS))),
            "BoundedExecutor.run": lambda: executor.run(abs, range(ITEMS)),
        }
        table(
            f"An item of a batch of {ITEMS:,}, {WORKERS} workers",
            ((name, cost(run, 1) / ITEMS) for name, run in batches.items()),
            "ThreadPoolExecutor.map",
        )


if __name__ == "__main__":
    main()
