"""What a first outside reader of the core tripped over, and must not trip over again."""

from __future__ import annotations

import copy
import pickle
from typing import Any, cast

import pytest

from bedrock_resilience import (
    AdditiveJitter,
    BoundedExecutor,
    DecorrelatedJitter,
    Fault,
    FullJitter,
    NoJitter,
    Retrier,
    RetriesExhaustedError,
    RetryPolicy,
    classify,
)
from bedrock_resilience.pacing import Reservation
from bedrock_resilience.testing import FakeClock, bedrock_error, scripted
from support.refusals import refusal_of


def exhausted() -> RetriesExhaustedError:
    retrier = Retrier(RetryPolicy(max_retries=1), clock=FakeClock(), raise_exhausted=True)
    with pytest.raises(RetriesExhaustedError) as caught:
        retrier.call(_throttled)
    return caught.value


def _throttled() -> None:
    raise ThrottlingException("slow down")


class ThrottlingException(Exception):  # noqa: N818 - Bedrock's name
    """Told by its name alone, and picklable."""


def test_an_exhausted_call_can_be_pickled_and_copied() -> None:
    error = exhausted()
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301 - our own
        assert str(twin) == str(error)
        assert (twin.attempts, twin.backoff_seconds, twin.reason, twin.fault) == (
            error.attempts,
            error.backoff_seconds,
            error.reason,
            error.fault,
        )
        assert isinstance(twin.__cause__, ThrottlingException)


class FourMethods:
    """A pacer with the methods of the first days only."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def reserve(self, now: float, tokens: int = 0) -> Reservation:
        return Reservation(1.0, now + 1.0, tokens)

    def answered(self, reservation: Reservation, now: float, usage: object = None) -> None:
        self.told.append("answered")

    def throttled(self, reservation: Reservation, now: float) -> None:
        self.told.append("throttled")

    def abandoned(self, reservation: Reservation, now: float) -> None:
        self.told.append("abandoned")


def test_a_pacer_may_lack_due_and_overloaded() -> None:
    pacer = FourMethods()
    clock = FakeClock()
    retrier = Retrier(RetryPolicy(retry_on="transient", jitter=NoJitter()), clock=clock, pacer=cast("Any", pacer))
    unavailable = bedrock_error("ServiceUnavailableException", 503)
    assert retrier.call(scripted(unavailable, "answer")) == "answer"
    assert pacer.told == ["throttled", "answered"]
    assert clock.sleeps == [1.0, 0.5, 1.0]


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({"deadline": 30}, "deadline: got 30; accepted: a Deadline"),
        ({"budget": 0.2}, "budget: got 0.2; accepted: a RetryBudget"),
        ({"pacer": FourMethods}, "pacer: got <class"),
        ({"clock": 3}, "clock: got 3; accepted: a clock"),
        ({"listeners": print}, "listeners: got <built-in function print>; accepted: an iterable"),
    ],
)
def test_an_argument_of_the_wrong_type_is_refused_by_name(parts: dict[str, Any], told: str) -> None:
    for make in (Retrier, BoundedExecutor):
        with pytest.raises(TypeError) as caught:
            make(**parts)
        assert str(caught.value).startswith(f"{make.__name__}: {told}")


@pytest.mark.parametrize("tokens", [-1, 3.5, True, float("nan")])
def test_tokens_are_whole_numbers(tokens: Any) -> None:  # noqa: ANN401 - anything may be given
    accepted = "a whole number >= 0, a RequestTokens, or a function that returns either"
    text = rf"^Retrier: tokens: got {tokens!r}; accepted: {accepted}$"
    refusal = refusal_of(tokens, int)
    with pytest.raises(refusal, match=text):
        Retrier(tokens=tokens)
    with pytest.raises(refusal, match=text):
        Retrier(tokens=lambda: tokens, pacer=cast("Any", FourMethods())).call(lambda: 1)


def test_a_decorator_above_staticmethod_is_refused() -> None:
    with pytest.raises(TypeError, match="below @staticmethod or @classmethod"):
        Retrier()(cast("Any", staticmethod(len)))


def test_a_multiplier_of_one_never_reaches_the_cap() -> None:
    assert RetryPolicy(multiplier=1, jitter=NoJitter()).delay(10**400, 0.0) == 0.5


@pytest.mark.parametrize("make", [AdditiveJitter, DecorrelatedJitter])
def test_a_number_beyond_floats_is_refused(make: Any) -> None:  # noqa: ANN401 - one class or the other
    with pytest.raises(ValueError, match="accepted: a finite number"):
        make(10**400)


def test_the_class_of_a_jitter_is_no_jitter() -> None:
    with pytest.raises(TypeError, match="jitter: got <class"):
        RetryPolicy(jitter=cast("Any", FullJitter))


class Wild:
    """A jitter of a caller's own that does not keep to the cap."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def delay(self, backoff: object, u: float, previous: float | None = None) -> float:
        return self.seconds

    def bounds(self, backoff: object) -> tuple[float, float]:
        return 0.0, self.seconds


@pytest.mark.parametrize(("drawn", "kept"), [(500.0, 20.0), (-3.0, 0.0), (7.0, 7.0)])
def test_no_jitter_breaks_the_cap(drawn: float, kept: float) -> None:
    assert RetryPolicy(jitter=Wild(drawn)).delay(0, 0.5) == kept


def test_faults_are_read_in_any_case() -> None:
    assert RetryPolicy(retry_on="Throttling, READ_TIMEOUT=1").retries_of(Fault.READ_TIMEOUT) == 1


def test_a_validation_message_that_mentions_inference_profiles_is_not_fatal() -> None:
    quoted = bedrock_error("ValidationException", 400, "'the inference profile of the study' is not valid")
    assert classify(quoted) is Fault.VALIDATION
    wrong = bedrock_error(
        "ValidationException",
        400,
        "Invocation of model ID x with on-demand throughput isn't supported. Retry your request with the ID or ARN of "
        "an inference profile that contains this model.",
    )
    assert classify(wrong) is Fault.NOT_FOUND


def test_an_expired_login_ends_the_run() -> None:
    exceptions = pytest.importorskip("botocore.exceptions")
    if not hasattr(exceptions, "LoginRefreshRequired"):
        pytest.skip("this botocore has no login")
    assert classify(exceptions.LoginRefreshRequired()) is Fault.CREDENTIALS
