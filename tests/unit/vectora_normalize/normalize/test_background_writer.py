"""Responses are stored in the background, and all of them before the batch ends."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from vectora_normalize.normalize.background_writer import BackgroundWriter


def test_submitting_does_not_wait_for_the_write() -> None:
    stored: list[int] = []
    go = threading.Event()

    def store() -> None:
        assert go.wait(10)
        stored.append(1)

    with BackgroundWriter(2) as writer:
        writer.submit(store)
        writer.submit(store)
        assert stored == []
        go.set()
    assert stored == [1, 1]


def test_submitting_more_than_the_limit_waits() -> None:
    go = threading.Event()
    with BackgroundWriter(1) as writer, ThreadPoolExecutor(1) as pool:
        writer.submit(lambda: assert_(go.wait(10)))
        second = pool.submit(writer.submit, lambda: None)
        with pytest.raises(TimeoutError):
            second.result(timeout=0.05)
        go.set()
        second.result(timeout=10)


def test_without_a_thread_the_caller_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    stored: list[int] = []
    with BackgroundWriter(1) as writer:
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", refuse)
            writer.submit(lambda: stored.append(1))
        assert stored == [1]
        writer.submit(lambda: stored.append(2))
    assert stored == [1, 2]


def assert_(condition: bool) -> None:  # noqa: FBT001 - an assertion as an expression
    assert condition
