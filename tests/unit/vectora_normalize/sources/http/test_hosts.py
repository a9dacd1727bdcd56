"""Each index is handed out once, and no host is asked by more workers at once than it is allowed."""

from __future__ import annotations

import threading
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectora_normalize.sources.http.hosts import PerHostQueue


def test_a_full_host_is_passed_over_for_the_next() -> None:
    queue = PerHostQueue(["a", "a", "a", "b"], per_host=2)
    worker = iter(queue)
    assert [next(worker) for _ in range(3)] == [0, 1, 3]
    queue.task_done(0)
    assert next(worker) == 2
    assert list(worker) == []


def test_a_worker_waits_for_room_and_gets_it() -> None:
    queue = PerHostQueue(["a", "a"], per_host=1)
    first = iter(queue)
    assert next(first) == 0
    got: list[int] = []
    waiting = threading.Thread(target=lambda: got.extend(queue))
    waiting.start()
    waiting.join(0.05)
    assert waiting.is_alive()
    queue.task_done(0)
    waiting.join()
    assert got == [1]


def test_an_abandoned_queue_hands_out_nothing_and_wakes_who_waits() -> None:
    queue = PerHostQueue(["a", "a"], per_host=1)
    assert next(iter(queue)) == 0
    waiting = threading.Thread(target=lambda: list(queue))
    waiting.start()
    queue.close()
    waiting.join()
    assert list(queue) == []


@given(st.lists(st.sampled_from("abc"), max_size=40), st.integers(1, 3), st.integers(1, 6))
def test_every_index_comes_out_once_and_no_host_is_crowded(hosts: list[str], per_host: int, workers: int) -> None:
    queue = PerHostQueue(hosts, per_host)
    lock = threading.Lock()
    out: Counter[str] = Counter()
    taken: list[int] = []
    crowded: list[str] = []

    def work() -> None:
        for index in queue:
            with lock:
                taken.append(index)
                out[hosts[index]] += 1
                if out[hosts[index]] > per_host:
                    crowded.append(hosts[index])
            with lock:
                out[hosts[index]] -= 1
            queue.task_done(index)

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(len(hosts)))
    assert crowded == []


def test_without_indices_there_is_nothing_to_do() -> None:
    with pytest.raises(StopIteration):
        next(iter(PerHostQueue([], per_host=2)))
