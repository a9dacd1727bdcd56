"""Events: what each kind says, and how they compare."""

from __future__ import annotations

import dataclasses
import typing

import pytest

from bedrock_resilience._fault import Fault
from bedrock_resilience._stop_reason import StopReason
from bedrock_resilience.retrying import _events as events
from bedrock_resilience.retrying._events import CallFailed, CallSucceeded, Event, PacingWait, RetryScheduled

KINDS: tuple[type, ...] = (RetryScheduled, PacingWait, CallSucceeded, CallFailed)


def test_an_event_is_one_of_four_kinds() -> None:
    assert typing.get_args(Event) == KINDS


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_events_are_frozen_small_and_made_by_name(kind: type) -> None:
    assert kind.__dataclass_params__.frozen  # type: ignore[attr-defined]  # a dataclass's own record
    assert hasattr(kind, "__slots__")
    assert all(field.kw_only for field in dataclasses.fields(kind))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_their_types_can_be_asked_for(kind: type) -> None:
    assert set(typing.get_type_hints(kind, dict(vars(events)))) == {field.name for field in dataclasses.fields(kind)}


def test_events_are_compared_by_what_they_say() -> None:
    error = TimeoutError()
    failed = CallFailed(
        attempts=4,
        backoff_seconds=3.5,
        pacing_seconds=0.0,
        reason=StopReason.RETRIES_EXHAUSTED,
        fault=Fault.THROTTLING,
        error=error,
    )
    assert failed == dataclasses.replace(failed)
    assert failed != dataclasses.replace(failed, attempts=3)
    assert PacingWait(seconds=1.0) == PacingWait(seconds=1.0)
