"""An event loop whose time jumps."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from bedrock_resilience.simulation._virtual_time import SimulationStalledError, run_virtually

if TYPE_CHECKING:
    from bedrock_resilience.clock import Clock


def test_a_sleep_takes_exactly_its_time_and_no_time_at_all() -> None:
    async def sleep_a_week(clock: Clock) -> list[float]:
        times = [clock.monotonic()]
        for seconds in (0.1, 3_600.0, 7 * 86_400.0):
            await clock.asleep(seconds)
            times.append(clock.monotonic())
        return times

    assert run_virtually(sleep_a_week) == [0.0, 0.1, 3_600.1, 608_400.1]


def test_sleepers_wake_in_the_order_of_their_time_and_then_of_their_start() -> None:
    async def race(clock: Clock) -> list[str]:
        woken: list[str] = []

        async def sleeper(name: str, seconds: float) -> None:
            await clock.asleep(seconds)
            woken.append(name)

        await asyncio.gather(sleeper("late", 2.0), sleeper("first", 1.0), sleeper("second", 1.0))
        return woken

    assert run_virtually(race) == ["first", "second", "late"]


def test_waiting_without_a_timer_is_an_error_and_does_not_hang() -> None:
    async def wait_for_nothing(_: Clock) -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(SimulationStalledError, match="no timer is set"):
        run_virtually(wait_for_nothing)


def test_a_blocking_sleep_is_refused() -> None:
    async def block(clock: Clock) -> None:
        clock.sleep(1.0)

    with pytest.raises(RuntimeError, match=r"^sleep\(1.0\) in virtual time: await clock.asleep\(\) instead$"):
        run_virtually(block)


def test_the_repr_of_the_clock() -> None:
    async def show(clock: Clock) -> str:
        return repr(clock)

    assert run_virtually(show) == "VirtualClock()"


def test_inside_a_running_loop_it_has_a_thread_of_its_own() -> None:
    async def where(clock: Clock) -> str:
        await clock.asleep(5.0)
        return threading.current_thread().name

    async def outer() -> str:
        return run_virtually(where)

    assert asyncio.run(outer()) == "bedrock-resilience-simulation"


def test_inside_a_running_loop_an_error_comes_out() -> None:
    async def fail(_: Clock) -> None:
        raise LookupError("inner")

    async def outer() -> None:
        run_virtually(fail)

    with pytest.raises(LookupError, match="inner"):
        asyncio.run(outer())
