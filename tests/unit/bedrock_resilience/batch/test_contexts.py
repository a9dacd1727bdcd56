"""Context variables of one item do not reach the next."""

from __future__ import annotations

import asyncio
import contextvars

import pytest

from bedrock_resilience import BoundedExecutor
from bedrock_resilience.batch._contexts import run_in

TENANT: contextvars.ContextVar[str] = contextvars.ContextVar("TENANT", default="nobody")


def sync_item(item: int) -> str:
    before = TENANT.get()
    TENANT.set(f"tenant {item}")
    return before


async def async_item(item: int) -> str:
    before = TENANT.get()
    TENANT.set(f"tenant {item}")
    await asyncio.sleep(0)  # noqa: TID251 - a turn of the loop
    assert TENANT.get() == f"tenant {item}"
    return before


async def test_every_item_starts_with_the_callers_variables() -> None:
    TENANT.set("caller")
    executor = BoundedExecutor(2)
    assert executor.run(sync_item, range(20)).values == ["caller"] * 20
    assert (await executor.arun(async_item, range(20))).values == ["caller"] * 20
    assert TENANT.get() == "caller"


async def test_a_coroutine_in_another_context_is_cancelled_like_any_other() -> None:
    cleaned: list[str] = []

    async def work() -> None:
        TENANT.set("work")
        try:
            await asyncio.sleep(60)  # noqa: TID251 - cancelled at once
        except asyncio.CancelledError:
            cleaned.append(TENANT.get())
            raise

    task = asyncio.ensure_future(run_in(contextvars.copy_context(), work()))
    await asyncio.sleep(0)  # noqa: TID251 - a turn of the loop
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cleaned == ["work"]
    assert TENANT.get() == "nobody"
