"""Each index is yielded once, and the indices in flight of one host are limited."""

from __future__ import annotations

import threading
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectora_normalize.sources.http.hosts import PerHostQueue


def test_a_host_at_its_limit_is_skipped() -> None:
    queue = PerHostQueue(["a", "a", "a", "b"], per_host=2)
    worker = iter(queue)
    assert [next(worker) for _ in range(3)] == [0, 1, 3]
    queue.task_done(0)
    assert next(worker) == 2
    assert list(worker) == []


def test_a_worker_waits_until_a_task_of_the_host_is_done() -> None:
    queue = PerHostQueue(["a", "a"], per_host=1)
    first = iter(queue)
    assert next(first) == 0
    received: list[int] = []
    waiting = threading.Thread(target=lambda: received.extend(queue))
    waiting.start()
    waiting.join(0.05)
    assert waiting.is_alive()
    queue.task_done(0)
    waiting.join()
    assert received == [1]


def test_close_ends_waiting_workers() -> None:
    queue = PerHostQueue(["a", "a"], per_host=1)
    assert next(iter(queue)) == 0
    waiting = threading.Thread(target=lambda: list(queue))
    waiting.start()
    queue.close()
    waiting.join()
    assert list(queue) == []


@given(st.lists(st.sampled_from("abc"), max_size=40), st.integers(1, 3), st.integers(1, 6))
def test_every_index_is_yielded_once_and_no_host_exceeds_its_limit(
    hosts: list[str], per_host: int, workers: int
) -> None:
    queue = PerHostQueue(hosts, per_host)
    lock = threading.Lock()
    in_flight: Counter[str] = Counter()
    yielded: list[int] = []
    exceeded: list[str] = []

    def work() -> None:
        for index in queue:
            with lock:
                yielded.append(index)
                in_flight[hosts[index]] += 1
                if in_flight[hosts[index]] > per_host:
                    exceeded.append(hosts[index])
            with lock:
                in_flight[hosts[index]] -= 1
            queue.task_done(index)

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(yielded) == list(range(len(hosts)))
    assert exceeded == []


def test_an_empty_queue_yields_nothing() -> None:
    with pytest.raises(StopIteration):
        next(iter(PerHostQueue([], per_host=2)))
