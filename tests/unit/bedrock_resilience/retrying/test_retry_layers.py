"""Two retry layers, one inside the other: a warning for each run of an executor, else one for each process."""

from __future__ import annotations

import contextvars
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from botocore.exceptions import ClientError

from bedrock_resilience import BoundedExecutor, NoJitter, Retrier, RetriesExhaustedError, RetryPolicy, retry
from bedrock_resilience.clock import SYSTEM_CLOCK
from bedrock_resilience.integrations._protection import ProtectedCall, Protection
from bedrock_resilience.retrying import _retry_layers
from bedrock_resilience.retrying._retry_layers import warn_if_nested
from bedrock_resilience.testing import FakeClock, instant_retries, scripted, throttling_error, throttling_errors

if TYPE_CHECKING:
    from collections.abc import Callable

POLICY = RetryPolicy(jitter=NoJitter())
TEXT = (
    "Two retry layers: a protected client sends up to 4 requests for one call, and the executor around it makes up "
    "to 3 attempts, so that one item sends up to 12 requests. Pass policy=RetryPolicy(max_retries=0) to the executor, "
    "or unprotect the client."
)
LATE = (
    "Two retry layers: a call that failed after 4 attempts is retried by the policy around it, with up to 3 attempts, "
    "so that one call sends up to 12 requests. Let one layer retry: pass policy=RetryPolicy(max_retries=0) to the "
    "outer one, or remove the inner one (unprotect a client)."
)
BOTOCORE = (
    "Two retry layers: botocore had sent a request 5 times when it raised the error, and the policy around it makes up "
    "to 3 attempts, so that one call sends up to 15 requests. Make the client with bedrock_runtime_client(), or with "
    "Config(retries={'total_max_attempts': 1, 'mode': 'standard'}) (of aiobotocore: AioConfig)."
)


@pytest.fixture(autouse=True)
def new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """No warning was logged before."""
    monkeypatch.setattr(_retry_layers, "_warned", set[str]())


def caller(policy: RetryPolicy = POLICY) -> Callable[[object], None]:
    """A function of an item that calls a protected client."""
    protection = Protection(
        policy=policy, pacer=None, budget=None, deadline=None, listeners=(), clock=SYSTEM_CLOCK, rng=None
    )

    def call(_item: object) -> None:
        protected = ProtectedCall(protection, {"modelId": "m"})
        protected.admit()
        protected.succeeded({})

    return call


def executor(policy: RetryPolicy = POLICY.replace(max_retries=2)) -> BoundedExecutor:  # noqa: B008 - a frozen value
    return BoundedExecutor(2, policy=policy, clock=FakeClock())


def test_an_executor_that_retries_warns_once_a_run(caplog: pytest.LogCaptureFixture) -> None:
    runs = executor()
    runs.run(caller(), range(6))
    assert [(record.name, record.levelname) for record in caplog.records] == [("bedrock_resilience", "WARNING")]
    assert caplog.messages == [TEXT]
    list(runs.stream(caller(), range(6)))
    assert caplog.messages == [TEXT] * 2


async def test_so_does_an_awaited_run(caplog: pytest.LogCaptureFixture) -> None:
    call = caller()

    async def awaited(item: object) -> None:
        call(item)

    await executor().arun(awaited, range(6))
    assert caplog.messages == [TEXT]
    call("after the run")
    assert caplog.messages == [TEXT]


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        (RetryPolicy(max_retries=0), POLICY),
        (POLICY, RetryPolicy(max_retries=0)),
        (RetryPolicy(retry_on="none"), POLICY),
        (RetryPolicy(retry_on="read_timeout"), POLICY),
        (RetryPolicy(retry_on="throttling=0,tokens_per_day=0,read_timeout"), POLICY),
    ],
)
def test_layers_that_retry_no_fault_twice_are_no_problem(
    outer: RetryPolicy, inner: RetryPolicy, caplog: pytest.LogCaptureFixture
) -> None:
    executor(outer).run(caller(inner), range(3))
    assert caplog.messages == []


def test_an_executor_without_retries_in_one_with_them_hides_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def inner(_item: object) -> None:
        executor(RetryPolicy(max_retries=0)).run(caller(), [1])

    executor().run(inner, [1])
    assert caplog.messages == [TEXT]


def test_an_executor_outside_of_a_protected_call_is_the_only_layer_that_is_stated(
    caplog: pytest.LogCaptureFixture,
) -> None:
    contextvars.Context().run(warn_if_nested, POLICY)
    assert caplog.messages == []


INNER = Retrier(POLICY, clock=FakeClock())
OUTER = POLICY.replace(max_retries=2)


def throttled() -> str:
    """A call with retries of its own that do not help."""
    return str(INNER.call(scripted(*throttling_errors(4))))


class TestACallThatHasRetriedIsRetried:
    def by_a_policy(self) -> None:
        with instant_retries():
            OUTER.call(throttled)

    def by_a_decorator(self) -> None:
        retry(OUTER, clock=FakeClock())(throttled)()

    def by_a_loop(self) -> None:
        for attempt in Retrier(OUTER, clock=FakeClock()):
            with attempt:
                throttled()

    def by_an_executor(self) -> None:
        report = BoundedExecutor(1, policy=OUTER, clock=FakeClock()).run(lambda _item: throttled(), [1])
        report.raise_for_failures()

    @pytest.mark.parametrize("outer", [by_a_policy, by_a_decorator, by_a_loop, by_an_executor])
    def test_one_warning_a_process(self, outer: Callable[[object], None], caplog: pytest.LogCaptureFixture) -> None:
        for _ in range(2):
            with pytest.raises((ClientError, ExceptionGroup)):
                outer(self)
        assert caplog.record_tuples == [("bedrock_resilience", 30, LATE)]

    async def test_also_of_awaited_calls(self, caplog: pytest.LogCaptureFixture) -> None:
        async def call() -> str:
            return throttled()

        with pytest.raises(ClientError):
            await Retrier(OUTER, clock=FakeClock()).acall(call)
        assert caplog.messages == [LATE]

    def test_also_through_the_error_that_wraps_the_last_one(self, caplog: pytest.LogCaptureFixture) -> None:
        inner = INNER.replace(raise_exhausted=True)
        outer = Retrier(OUTER, clock=FakeClock(), raise_exhausted=True)
        with pytest.raises(RetriesExhaustedError, match=r"after 3 attempts, with 4 inside the last one, and 1\.50 s"):
            outer.call(lambda: inner.call(scripted(*throttling_errors(4))))
        assert caplog.messages == [LATE]

    @pytest.mark.parametrize(("wrappers", "messages"), [(9, [LATE]), (10, [])])
    def test_also_through_errors_that_wrap_it_as_far_as_real_chains_go(
        self, wrappers: int, messages: list[str], caplog: pytest.LogCaptureFixture
    ) -> None:
        def call() -> None:
            try:
                throttled()
            except ClientError as error:
                wrapped: Exception = error
                for _ in range(wrappers):
                    wrapper = RuntimeError("the call failed")
                    wrapper.__cause__ = wrapped
                    wrapped = wrapper
                raise wrapped  # noqa: B904 - the cause is set

        with pytest.raises(RuntimeError):
            Retrier(OUTER, clock=FakeClock()).call(call)
        assert caplog.messages == messages

    def test_the_notes_tell_the_layers_apart(self) -> None:
        with pytest.raises(ClientError) as raised:
            Retrier(POLICY, clock=FakeClock()).call(throttled)
        inner, outer = raised.value.__notes__
        assert inner == "bedrock_resilience: gave up after 4 attempts and 3.50 s of waiting: retries exhausted"
        assert outer == (
            "bedrock_resilience: gave up after 4 attempts, with 4 inside the last one, and 3.50 s of waiting: "
            "retries exhausted"
        )

    def test_the_first_warning_comes_before_the_first_request_of_a_second_attempt(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        answers = scripted(*throttling_errors(4), "answer")
        assert Retrier(OUTER, clock=FakeClock()).call(INNER.call, answers) == "answer"
        assert caplog.messages == [LATE]

    @pytest.mark.parametrize(
        ("inner", "outer"),
        [
            (RetryPolicy(max_retries=0), OUTER),
            (POLICY, RetryPolicy(max_retries=0)),
            (POLICY, RetryPolicy(retry_on="read_timeout")),
        ],
    )
    def test_one_layer_that_does_not_retry_is_no_problem(
        self, inner: RetryPolicy, outer: RetryPolicy, caplog: pytest.LogCaptureFixture
    ) -> None:
        call = INNER.replace(policy=inner).call
        with pytest.raises(ClientError):
            Retrier(outer, clock=FakeClock()).call(lambda: call(scripted(*throttling_errors(4))))
        assert caplog.messages == []

    def test_one_error_object_for_every_call_tells_nothing(self, caplog: pytest.LogCaptureFixture) -> None:
        mock = Mock(side_effect=throttling_error())
        report = BoundedExecutor(2, policy=POLICY, clock=FakeClock()).run(mock, range(6))
        assert len(report.failed) == 6
        assert getattr(report.failed[0].error, "__notes__", None) == [
            "bedrock_resilience: gave up after 4 attempts and 3.50 s of waiting: retries exhausted"
        ]
        assert caplog.messages == []

    def test_an_executor_with_a_warning_has_no_second_one(self, caplog: pytest.LogCaptureFixture) -> None:
        protect_once = caller()

        def call(item: object) -> str:
            protect_once(item)
            return throttled()

        executor().run(call, [1])
        assert caplog.messages == [TEXT]

    def test_an_exception_that_takes_no_attributes_is_raised_as_it_is(self, caplog: pytest.LogCaptureFixture) -> None:
        class ThrottlingException(Exception):  # noqa: N818 - named after its code
            def __setattr__(self, name: str, value: object) -> None:
                raise AttributeError(name)

        def call() -> None:
            raise ThrottlingException

        with pytest.raises(ThrottlingException):
            Retrier(OUTER, clock=FakeClock()).call(INNER.call, call)
        assert caplog.messages == []


class TestAClientOfBotocoreThatHasRetried:
    def fail(self, retries: Any = 4) -> None:  # noqa: ANN401 - whatever a response has there
        error: Any = throttling_error()
        error.response["ResponseMetadata"]["RetryAttempts"] = retries
        raise error

    def test_a_call_that_is_not_retried_again_has_a_plain_note(self) -> None:
        with pytest.raises(ClientError) as raised:
            Retrier(RetryPolicy(max_retries=0), clock=FakeClock()).call(self.fail)
        assert raised.value.__notes__ == [
            "bedrock_resilience: gave up after 1 attempt and 0.00 s of waiting: retries exhausted"
        ]

    def test_two_attempts_inside_are_named(self) -> None:
        inner = Retrier(RetryPolicy(max_retries=1), clock=FakeClock())
        with pytest.raises(ClientError) as raised:
            Retrier(OUTER, clock=FakeClock()).call(inner.call, scripted(*throttling_errors(6)))
        assert "with 2 inside the last one" in raised.value.__notes__[-1]

    def test_one_retry_makes_a_layer(self) -> None:
        with pytest.raises(ClientError) as raised:
            Retrier(OUTER, clock=FakeClock()).call(self.fail, 1)
        assert "with 2 inside the last one" in raised.value.__notes__[0]

    def test_one_warning_a_process(self, caplog: pytest.LogCaptureFixture) -> None:
        for _ in range(2):
            with pytest.raises(ClientError) as raised:
                Retrier(OUTER, clock=FakeClock()).call(self.fail)
            (note,) = raised.value.__notes__
            assert note == (
                "bedrock_resilience: gave up after 3 attempts, with 5 inside the last one, and 1.50 s of waiting: "
                "retries exhausted"
            )
        assert caplog.record_tuples == [("bedrock_resilience", 30, BOTOCORE)]

    @pytest.mark.parametrize("retries", [0, None, "4", True])
    def test_a_client_that_has_not_is_no_problem(self, retries: object, caplog: pytest.LogCaptureFixture) -> None:
        with pytest.raises(ClientError):
            Retrier(OUTER, clock=FakeClock()).call(self.fail, retries)
        assert caplog.messages == []
