"""What an item of a batch costs, beside the thread pool of the standard library."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from benchmarks.core.calls import POLICY
from benchmarks.core.measuring import Measured, typical

from bedrock_resilience import BoundedExecutor

if TYPE_CHECKING:
    from collections.abc import Callable

WORKERS = 4
MAP = "ThreadPoolExecutor.map"
RUN = "BoundedExecutor.run"
STREAM = "BoundedExecutor.stream"


def an_item(items: int = 20_000, rounds: int = 15) -> Measured:
    """An item of which nothing is done but ``abs``, 4 workers."""
    executor = BoundedExecutor(WORKERS, policy=POLICY)

    def consume_stream() -> None:
        deque(executor.stream(abs, range(items)), maxlen=0)

    with ThreadPoolExecutor(WORKERS) as pool:

        def by_map() -> None:
            deque(pool.map(abs, range(items)), maxlen=0)

        ways: dict[str, Callable[[], object]] = {
            MAP: by_map,
            RUN: lambda: executor.run(abs, range(items)),
            STREAM: consume_stream,
        }
        costs = {name: seconds / items * 1e6 for name, seconds in typical(ways, 1, rounds).items()}
    return Measured(f"An item of a batch of {items:,} that does nothing, {WORKERS} workers", "µs", costs, MAP)
