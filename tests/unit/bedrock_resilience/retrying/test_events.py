"""Events: what each states, and when each is emitted."""

from __future__ import annotations

import asyncio
import dataclasses
import typing
from contextlib import suppress
from typing import Any, NoReturn

import pytest

from bedrock_resilience import BoundedExecutor, NoJitter, Quota, QuotaPacer, Retrier, RetryPolicy
from bedrock_resilience._fault import Fault
from bedrock_resilience._stop_reason import StopReason
from bedrock_resilience.pacing import PacerStatus
from bedrock_resilience.quotas import RequestTokens
from bedrock_resilience.retrying._callables import UnusableResultError
from bedrock_resilience.retrying._events import (
    AttemptStarting,
    CallCancelled,
    CallEvent,
    CallFailed,
    CallInfo,
    CallStarted,
    CallSucceeded,
    Event,
    PacingWait,
    RetryScheduled,
    StreamOpened,
)
from bedrock_resilience.testing import FakeClock, ascripted, scripted, throttling_error
from support.pacers import RecordingPacer

KINDS: tuple[type, ...] = (
    CallStarted,
    RetryScheduled,
    PacingWait,
    StreamOpened,
    CallSucceeded,
    CallFailed,
    CallCancelled,
)
PLAIN = RetryPolicy(jitter=NoJitter())
INFO = CallInfo(operation="Converse", model="eu.anthropic.claude", region="eu-west-3")


def test_an_event_is_one_of_these_kinds() -> None:
    assert typing.get_args(Event) == KINDS
    assert all(issubclass(kind, CallEvent) for kind in (*KINDS, AttemptStarting))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_events_are_frozen_small_and_made_by_name(kind: type) -> None:
    assert kind.__dataclass_params__.frozen  # type: ignore[attr-defined]  # a dataclass's own record
    assert not hasattr(kind, "__dict__") or "__slots__" in vars(kind)
    assert all(field.kw_only for field in dataclasses.fields(kind))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_types_of_their_fields_can_be_read(kind: type) -> None:
    assert set(typing.get_type_hints(kind)) == {field.name for field in dataclasses.fields(kind)}


def test_events_are_equal_where_all_but_the_call_id_is_equal() -> None:
    error = TimeoutError()
    failed = CallFailed(
        attempts=4, backoff_seconds=3.5, reason=StopReason.RETRIES_EXHAUSTED, fault=Fault.THROTTLING, error=error
    )
    assert failed == dataclasses.replace(failed, call_id="1")
    assert failed != dataclasses.replace(failed, attempts=3)


class TestCallInfo:
    def test_every_event_states_it(self) -> None:
        seen: list[Event] = []
        starting: list[AttemptStarting] = []
        retrier = Retrier(PLAIN, clock=FakeClock(), listeners=[seen.append], before_attempt=starting.append, info=INFO)
        retrier.call(scripted(throttling_error(), "answer"))
        assert {(event.operation, event.model, event.region) for event in [*seen, *starting]} == {
            ("Converse", "eu.anthropic.claude", "eu-west-3")
        }

    def test_a_function_of_the_arguments_makes_it(self) -> None:
        seen: list[Event] = []

        def info(model: str) -> CallInfo:
            return CallInfo(model=model)

        BoundedExecutor(1, listeners=[seen.append], info=info).run(len, ["a", "b"])
        assert [event.model for event in seen] == ["a", "a", "b", "b"]

    def test_without_listeners_the_function_is_not_called(self) -> None:
        def info(_: str) -> NoReturn:
            pytest.fail("called")

        assert Retrier(info=info).call(len, "abc") == 3

    @pytest.mark.parametrize("info", ["Converse", 5])
    def test_anything_else_is_refused(self, info: Any) -> None:  # noqa: ANN401 - of a wrong type
        with pytest.raises(TypeError, match=r"Retrier: info: got .*; accepted: a CallInfo"):
            Retrier(info=info)

    def test_so_is_what_the_function_returns(self) -> None:
        def info(text: str) -> Any:  # noqa: ANN401 - of a wrong type
            return text

        with pytest.raises(TypeError, match="Retrier: info: got 'abc'; accepted: a CallInfo"):
            Retrier(listeners=[print], info=info).call(len, "abc")


class TestCallId:
    def test_it_is_that_of_one_call(self) -> None:
        seen: list[Event] = []
        retrier = Retrier(PLAIN, clock=FakeClock(), listeners=[seen.append])
        retrier.call(scripted(throttling_error(), "answer"))
        retrier.call(scripted("answer"))
        first, second = {event.call_id for event in seen[:3]}, {event.call_id for event in seen[3:]}
        assert len(first) == len(second) == 1
        assert first != second
        assert "" not in first | second


class TestNumbers:
    def test_tokens_reserved_and_used(self) -> None:
        seen: list[Event] = []
        answer = {"usage": {"inputTokens": 100, "outputTokens": 20, "totalTokens": 120}}
        tokens = RequestTokens(100, 200, burndown=5)
        Retrier(PLAIN, clock=FakeClock(), listeners=[seen.append], tokens=tokens).call(
            scripted(throttling_error(), answer)
        )
        assert {event.tokens_reserved for event in seen} == {300}
        assert [event.token_usage for event in seen[:2]] == [None, None]
        assert seen[2].token_usage == tokens.settled(None).__class__(
            answers=1,
            input_tokens=100,
            output_tokens=20,
            reserved=300,
            settled=200.0,
            unused=100.0,
            max_tokens=200,
            largest_output=20,
        )

    def test_the_pacer_states_what_it_knows(self) -> None:
        seen: list[Event] = []
        pacer = QuotaPacer(Quota(requests_per_minute=60))
        Retrier(PLAIN, clock=FakeClock(), listeners=[seen.append], pacer=pacer).call(scripted("answer"))
        assert seen[-1].pacer == PacerStatus(requests_per_minute=60, request_limit=60, confidence=1.0)

    def test_the_waits_so_far(self) -> None:
        seen: list[Event] = []
        pacer = QuotaPacer(Quota(requests_per_minute=60, burst=1))
        retrier = Retrier(PLAIN, clock=FakeClock(), listeners=[seen.append], pacer=pacer)
        retrier.call(scripted(throttling_error(), "answer"))
        started, retry, pacing, succeeded = seen
        assert (started.backoff_seconds, started.pacing_seconds) == (0.0, 0.0)
        assert isinstance(retry, RetryScheduled)
        assert isinstance(pacing, PacingWait)
        assert (pacing.attempt, pacing.backoff_seconds) == (2, retry.delay)
        assert succeeded.pacing_seconds == pacing.seconds > 0


class TestCancelled:
    def test_by_ctrl_c_in_an_attempt(self) -> None:
        seen: list[Event] = []
        error = KeyboardInterrupt()
        with pytest.raises(KeyboardInterrupt):
            Retrier(PLAIN, clock=FakeClock(), listeners=[seen.append]).call(scripted(throttling_error(), error))
        assert seen[-1] == CallCancelled(
            attempts=2, retries=1, throttles=1, fault=Fault.CANCELLED, backoff_seconds=0.5, error=error
        )

    async def test_by_the_cancellation_of_the_task(self) -> None:
        seen: list[Event] = []

        async def hang() -> None:
            await asyncio.Event().wait()

        task = asyncio.create_task(Retrier(PLAIN, listeners=[seen.append]).acall(hang))
        await asyncio.sleep(0)  # noqa: TID251 - one turn of the loop
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert [type(event) for event in seen] == [CallStarted, CallCancelled]

    async def test_by_a_part_of_the_call(self) -> None:
        def broken(_: BaseException) -> NoReturn:
            raise LookupError("no such error")

        seen: list[Event] = []
        with pytest.raises(LookupError) as raised:
            await Retrier(PLAIN, listeners=[seen.append], classify=broken).acall(ascripted(throttling_error()))
        assert seen[-1] == CallCancelled(attempts=1, fault=Fault.UNKNOWN, error=raised.value)

    def test_a_loop_that_ends_inside_an_attempt(self) -> None:
        seen: list[Event] = []
        attempts = iter(Retrier(PLAIN, listeners=[seen.append]))
        attempt = next(attempts)
        with pytest.raises(KeyboardInterrupt), attempt:
            raise KeyboardInterrupt
        assert [type(event) for event in seen] == [CallStarted, CallCancelled]

    def test_a_loop_that_is_left_before_its_attempt(self) -> None:
        seen: list[Event] = []
        for _ in Retrier(PLAIN, listeners=[seen.append]):
            break
        assert [type(event) for event in seen] == [CallStarted, CallCancelled]

    def test_a_loop_with_a_result_that_is_refused(self) -> None:
        seen: list[Event] = []
        pacer = RecordingPacer()
        attempts = iter(Retrier(PLAIN, listeners=[seen.append], pacer=pacer))
        attempt = next(attempts)
        with pytest.raises(UnusableResultError) as raised, attempt:
            attempt.set_result(number for number in range(3))
        assert [type(event) for event in seen] == [CallStarted, CallCancelled]
        assert seen[-1] == CallCancelled(attempts=1, fault=Fault.UNKNOWN, error=raised.value)
        assert pacer.open == []
