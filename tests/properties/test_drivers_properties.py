"""The synchronous and asynchronous drivers, the loops and both executors treat a call alike."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from bedrock_resilience import BoundedExecutor, Fault, Retrier, RetryPolicy
from bedrock_resilience.retrying._budget import RetryBudget
from bedrock_resilience.retrying._deadline import Deadline
from bedrock_resilience.testing import FakeClock, ascripted, error_of, scripted
from bedrock_resilience.testing.strategies import faults, retry_policies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bedrock_resilience.retrying._events import Event


class Observed(NamedTuple):
    """Everything that a caller can observe of a call."""

    calls: int
    sleeps: list[float]
    events: list[str]
    result: str
    notes: list[str]
    end: float


class CallSpec(NamedTuple):
    """A call: its settings, and the outcomes of its attempts; None is a success."""

    policy: RetryPolicy
    script: list[Fault | None]
    seed: int
    deadline: float
    reserve: int
    latency: float
    rejecting: bool

    def outcomes(self) -> list[object]:
        return [f"answer {number}" if fault is None else error_of(fault) for number, fault in enumerate(self.script)]

    def settings(self, clock: FakeClock, listen: Callable[[Event], None]) -> dict[str, object]:
        return {
            "clock": clock,
            "rng": random.Random(self.seed),
            "deadline": Deadline(self.deadline),
            "budget": RetryBudget(0.0, self.reserve),
            "listeners": [listen],
            "retry_on_result": ("answer 0".__eq__ if self.rejecting else None),
        }


CASES = st.builds(
    CallSpec,
    policy=retry_policies(),
    script=st.lists(st.none() | faults(), min_size=1, max_size=8),
    seed=st.integers(0, 1_000),
    deadline=st.floats(0, 10_000) | st.floats(0, 100),
    reserve=st.integers(0, 8),
    latency=st.floats(0, 20),
    rejecting=st.booleans(),
)


def describe_event(event: Event) -> str:
    """An event without its error and answer, which are other objects in every run, and without the id of its call."""
    left_out = {"error", "answer", "call_id"}
    fields = {name: getattr(event, name) for name in type(event).__dataclass_fields__ if name not in left_out}
    return f"{type(event).__name__} {fields}"


def described(result: object) -> tuple[str, list[str]]:
    if isinstance(result, BaseException):
        return type(result).__name__, getattr(result, "__notes__", [])
    return str(result), []


def synchronous(spec: CallSpec) -> Observed:
    clock, events = FakeClock(), list[str]()
    fn = scripted(*spec.outcomes(), then="answer", clock=clock, latency=spec.latency)
    retrier = Retrier(spec.policy, **spec.settings(clock, lambda event: events.append(describe_event(event))))  # type: ignore[arg-type]  # by name
    try:
        result: object = retrier.call(fn)
    except Exception as error:  # noqa: BLE001 - whatever the script says
        result = error
    return Observed(fn.calls, clock.sleeps, events, *described(result), clock.monotonic())


def asynchronous(spec: CallSpec) -> Observed:
    clock, events = FakeClock(), list[str]()
    fn = ascripted(*spec.outcomes(), then="answer", clock=clock, latency=spec.latency)
    retrier = Retrier(spec.policy, **spec.settings(clock, lambda event: events.append(describe_event(event))))  # type: ignore[arg-type]  # by name

    async def call() -> object:
        try:
            return await retrier.acall(fn)
        except Exception as error:  # noqa: BLE001 - whatever the script says
            return error

    result = asyncio.run(call())
    return Observed(fn.calls, clock.sleeps, events, *described(result), clock.monotonic())


def executed(spec: CallSpec) -> Observed:
    clock, events = FakeClock(), list[str]()
    fn = scripted(*spec.outcomes(), then="answer", clock=clock, latency=spec.latency)
    settings = spec.settings(clock, lambda event: events.append(describe_event(event)))
    report = BoundedExecutor(1, policy=spec.policy, **settings).run(fn, [0])  # type: ignore[arg-type]  # by name
    (outcome,) = report.outcomes
    result = outcome.error if outcome.error is not None else outcome.value
    return Observed(fn.calls, clock.sleeps, events, *described(result), clock.monotonic())


def executed_asynchronously(spec: CallSpec) -> Observed:
    clock, events = FakeClock(), list[str]()
    fn = ascripted(*spec.outcomes(), then="answer", clock=clock, latency=spec.latency)
    settings = spec.settings(clock, lambda event: events.append(describe_event(event)))
    report = asyncio.run(BoundedExecutor(1, policy=spec.policy, **settings).arun(fn, [0]))  # type: ignore[arg-type]  # by name
    (outcome,) = report.outcomes
    result = outcome.error if outcome.error is not None else outcome.value
    return Observed(fn.calls, clock.sleeps, events, *described(result), clock.monotonic())


def looped(spec: CallSpec) -> Observed:
    clock, events = FakeClock(), list[str]()
    fn = scripted(*spec.outcomes(), then="answer", clock=clock, latency=spec.latency)
    retrier = Retrier(spec.policy, **spec.settings(clock, lambda event: events.append(describe_event(event))))  # type: ignore[arg-type]  # by name
    result: object = None
    try:
        for attempt in retrier:
            with attempt:
                result = fn()
                attempt.set_result(result)
    except Exception as error:  # noqa: BLE001 - whatever the script says
        result = error
    return Observed(fn.calls, clock.sleeps, events, *described(result), clock.monotonic())


def looped_asynchronously(spec: CallSpec) -> Observed:
    clock, events = FakeClock(), list[str]()
    fn = ascripted(*spec.outcomes(), then="answer", clock=clock, latency=spec.latency)
    retrier = Retrier(spec.policy, **spec.settings(clock, lambda event: events.append(describe_event(event))))  # type: ignore[arg-type]  # by name

    async def call() -> object:
        result: object = None
        try:
            async for attempt in retrier:
                with attempt:
                    result = await fn()
                    attempt.set_result(result)
        except Exception as error:  # noqa: BLE001 - whatever the script says
            return error
        return result

    result = asyncio.run(call())
    return Observed(fn.calls, clock.sleeps, events, *described(result), clock.monotonic())


def generated(spec: CallSpec) -> Observed:
    clock, events = FakeClock(), list[str]()
    fn = scripted(*spec.outcomes(), then="answer", clock=clock, latency=spec.latency)
    retrier = Retrier(spec.policy, **spec.settings(clock, lambda event: events.append(describe_event(event))))  # type: ignore[arg-type]  # by name

    @retrier
    def generate() -> Iterator[object]:
        yield fn()

    try:
        result: object = next(generate())
    except Exception as error:  # noqa: BLE001 - whatever the script says
        result = error
    return Observed(fn.calls, clock.sleeps, events, *described(result), clock.monotonic())


@given(CASES)
def test_loops_and_generators_behave_like_a_call(spec: CallSpec) -> None:
    course = synchronous(spec)
    assert looped(spec) == course
    assert looped_asynchronously(spec) == course
    assert generated(spec) == course


@given(CASES)
def test_the_asynchronous_driver_behaves_like_the_synchronous_one(spec: CallSpec) -> None:
    assert asynchronous(spec) == synchronous(spec)


@given(CASES)
def test_the_executors_behave_like_the_drivers(spec: CallSpec) -> None:
    course = synchronous(spec)
    if course.calls:
        assert executed(spec) == course
        assert executed_asynchronously(spec) == course
    else:  # an item that was never begun has no error; the executor says in the report why
        assert executed(spec).calls == executed_asynchronously(spec).calls == 0


@given(CASES)
def test_a_call_can_be_repeated_exactly(spec: CallSpec) -> None:
    assert synchronous(spec) == synchronous(spec)
