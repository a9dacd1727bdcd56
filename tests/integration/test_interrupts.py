"""Ctrl-C, a second Ctrl-C and cancellation at random moments: no finished item is lost, nothing is left running.

Each case runs in a process of its own, which sends the signals to itself. Cancellation is ``Task.cancel`` for the
asynchronous forms, and the stop event for the others. ``INTERRUPT_ROUNDS`` sets how many rounds each case has (50 in
the nightly workflow).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

ROUNDS = int(os.environ.get("INTERRUPT_ROUNDS", "2"))  # one of each kind: before the first item, and after it

PROGRAM = """
import asyncio, json, os, random, signal, sys, threading, time
from bedrock_resilience import BoundedExecutor, RetryPolicy
from bedrock_resilience.batch import report_of

way, action, seed = sys.argv[1], sys.argv[2], int(sys.argv[3])
times = 2 if action.startswith("double") else 1
chance = random.Random(seed)
finished, delivered = [], []
begun = threading.Event()
stop = threading.Event()
executor = BoundedExecutor(4, policy=RetryPolicy(max_retries=0), stop_event=stop)
signal.signal(signal.SIGINT, signal.default_int_handler)

def act(cancel):
    if seed % 2:  # the other half of the rounds begins with the run, which may take longer to start
        begun.wait(10)
    for _ in range(times):
        time.sleep(chance.uniform(0.0, 0.03))
        cancel() if action.endswith("cancel") else os.kill(os.getpid(), signal.SIGINT)

def work(item):
    time.sleep(0.001)
    begun.set()
    finished.append(item)  # atomic, and the last thing that the item does
    return item

async def awork(item):
    await asyncio.sleep(0.001)
    begun.set()
    finished.append(item)
    return item

def start(cancel):
    threading.Thread(target=act, args=(cancel,), daemon=True).start()

def start_in_loop():
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    start(lambda: loop.call_soon_threadsafe(task.cancel))

reports = []

def run():
    start(stop.set)
    reports.append(executor.run(work, range(2_000)))

def stream():
    start(stop.set)
    with executor.stream(work, range(2_000)) as outcomes:
        for outcome in outcomes:
            delivered.append(outcome.index)
            sum(range(200))  # the body of the loop takes its time, too

async def arun():
    start_in_loop()
    reports.append(await executor.arun(awork, range(20_000)))

async def astream():
    start_in_loop()
    async with executor.astream(awork, range(20_000)) as outcomes:
        async for outcome in outcomes:
            delivered.append(outcome.index)
            await asyncio.sleep(0)

errors, tasks = [], []

async def awaited(function):
    try:
        await function()
    except BaseException as error:
        errors.append(error)
        raise
    finally:
        tasks.extend(task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task())

try:
    if way in ("run", "stream"):
        globals()[way]()
    else:
        asyncio.run(awaited(globals()[way]))
except (KeyboardInterrupt, asyncio.CancelledError, RuntimeError) as interrupt:
    # asyncio.run raises the KeyboardInterrupt of a second Ctrl-C without a link to the exception of the task, and a
    # RuntimeError ("Event loop stopped before Future completed") if the task has just ended.
    errors.insert(0, interrupt)
signal.signal(signal.SIGINT, signal.SIG_IGN)
reports += [report for error in errors if (report := report_of(error)) is not None]
deadline = time.monotonic() + 5  # after a second Ctrl-C, the calls in flight end by themselves
while time.monotonic() < deadline and any(t.name.startswith("bedrock-resilience") for t in threading.enumerate()):
    time.sleep(0.01)
kept = set(delivered) | {o.index for report in reports for o in report.succeeded}
print(json.dumps({
    "errors": [type(error).__name__ for error in errors],
    "lost": sorted(set(finished) - kept),
    "finished": len(finished),
    "reported": bool(reports),
    "threads": [t.name for t in threading.enumerate() if t.name.startswith("bedrock-resilience")],
    "tasks": tasks,
}), flush=True)
os._exit(0)
"""


@pytest.mark.timeout(60 * ROUNDS)
@pytest.mark.parametrize("action", ["ctrl-c", "double ctrl-c", "cancel", "double cancel"])
@pytest.mark.parametrize("way", ["run", "stream", "arun", "astream"])
def test_no_finished_item_is_lost_and_nothing_is_left(way: str, action: str) -> None:
    for seed in range(ROUNDS):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, way, action, str(seed)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        result = json.loads(done.stdout)
        assert result["threads"] == [], (seed, result)
        assert result["tasks"] == [], (seed, result)
        # After a second Ctrl-C the calls in flight are left to end by themselves: at most one for each worker.
        assert len(result["lost"]) <= (4 if action == "double ctrl-c" else 0), (seed, result)
        # The signal may come before the first item.
        assert result["reported"] or result["finished"] == 0 or way.endswith("stream"), (seed, result)
