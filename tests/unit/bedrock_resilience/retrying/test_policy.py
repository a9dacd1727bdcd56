"""RetryPolicy: frozen data, and arithmetic."""

from __future__ import annotations

import math
import pickle
import random
import re
import sys
from collections.abc import Mapping
from dataclasses import FrozenInstanceError
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

import pytest

import bedrock_resilience
from bedrock_resilience import (
    TRANSIENT,
    AdditiveJitter,
    DecorrelatedJitter,
    EqualJitter,
    Fault,
    FullJitter,
    NoJitter,
    RetryPolicy,
)
from bedrock_resilience.errors import DeadlineExceededError, NotAwaitableError
from bedrock_resilience.retrying._deadline import Deadline
from bedrock_resilience.retrying._policy import FaultLimits
from bedrock_resilience.testing import (
    FakeClock,
    ascripted,
    scripted,
    throttling_error,
    throttling_errors,
    validation_error,
)
from support.approx import approx
from support.refusals import refusal_of

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = {name: getattr(bedrock_resilience, name) for name in ("RetryPolicy", "Fault", "AdditiveJitter", "FullJitter")}


class TestDefaults:
    """The retry wrapper of the ingest-normalize contract."""

    def test_every_field(self) -> None:
        policy = RetryPolicy()
        assert policy.max_retries == 3
        assert policy.base_delay == 0.5
        assert policy.multiplier == 2.0
        assert policy.max_delay == 20.0
        assert policy.jitter == AdditiveJitter(0.1)
        assert policy.retry_on == frozenset({Fault.THROTTLING})

    def test_the_schedule_is_the_contracts(self) -> None:
        policy = RetryPolicy()
        assert [policy.bounds(retry) for retry in range(3)] == [(0.5, 0.6), (1.0, 1.1), (2.0, 2.1)]
        assert [policy.delay(retry, 0.0) for retry in range(3)] == [0.5, 1.0, 2.0]
        assert [policy.delay(retry, 0.5) for retry in range(3)] == [0.55, 1.05, approx(2.05)]

    def test_fields_may_be_given_by_position(self) -> None:
        assert RetryPolicy(5, 1, 3, 30, FullJitter(), "transient") == RetryPolicy(
            max_retries=5, base_delay=1.0, multiplier=3.0, max_delay=30.0, jitter=FullJitter(), retry_on="transient"
        )


class TestValue:
    def test_whole_numbers_are_stored_as_floats(self) -> None:
        policy = RetryPolicy(base_delay=1, multiplier=2, max_delay=20)
        assert [type(policy.base_delay), type(policy.multiplier), type(policy.max_delay)] == [float, float, float]
        assert policy == RetryPolicy(base_delay=1.0)
        assert hash(policy) == hash(RetryPolicy(base_delay=1.0))

    def test_a_hash_tells_the_faults_of_policies_apart(self) -> None:
        policies = [RetryPolicy(retry_on={Fault.THROTTLING: limit}) for limit in range(1, 20)]
        assert len({hash(policy) for policy in policies}) > 1

    def test_policies_with_the_same_faults_are_equal(self) -> None:
        assert RetryPolicy(retry_on=[Fault.THROTTLING]) == RetryPolicy(retry_on="throttling") == RetryPolicy()
        assert RetryPolicy(retry_on={Fault.THROTTLING: None}) == RetryPolicy()
        assert RetryPolicy(retry_on=TRANSIENT) == RetryPolicy(retry_on="transient")
        assert RetryPolicy(retry_on=MappingProxyType({Fault.THROTTLING: 1})) == RetryPolicy(
            retry_on={Fault.THROTTLING: 1}
        )
        assert RetryPolicy(retry_on=()) == RetryPolicy(retry_on="none")

    def test_attributes_cannot_be_set(self) -> None:
        with pytest.raises(FrozenInstanceError):
            RetryPolicy().max_retries = 5  # type: ignore[misc]  # that is the point
        limits = {Fault.THROTTLING: 1}
        policy = RetryPolicy(retry_on=limits)
        limits[Fault.MODEL_ERROR] = 5
        assert policy.retries_of(Fault.MODEL_ERROR) == 0

    def test_replace_changes_a_copy(self) -> None:
        policy = RetryPolicy(retry_on="transient")
        assert policy.replace(max_retries=5).retries_of(Fault.THROTTLING) == 5
        assert policy.replace(base_delay=1.0) == RetryPolicy(base_delay=1.0, retry_on="transient")
        assert policy == RetryPolicy(retry_on="transient")

    @pytest.mark.parametrize(
        ("policy", "fields", "retry_on"),
        [
            (
                RetryPolicy(),
                "3, base_delay=0.5, multiplier=2.0, max_delay=20.0, jitter=AdditiveJitter(spread=0.1)",
                "frozenset({Fault.THROTTLING})",
            ),
            (
                RetryPolicy(1, 2, 3, 4, FullJitter(), {Fault.READ_TIMEOUT: 1, Fault.THROTTLING: None}),
                "1, base_delay=2.0, multiplier=3.0, max_delay=4.0, jitter=FullJitter()",
                "{Fault.THROTTLING: None, Fault.READ_TIMEOUT: 1}",
            ),
            (
                RetryPolicy(retry_on={Fault.MODEL_ERROR, Fault.THROTTLING}, jitter=FullJitter()),
                "3, base_delay=0.5, multiplier=2.0, max_delay=20.0, jitter=FullJitter()",
                "frozenset({Fault.THROTTLING, Fault.MODEL_ERROR})",
            ),
            (
                RetryPolicy(0, 0, 1, 0, FullJitter(), ()),
                "0, base_delay=0.0, multiplier=1.0, max_delay=0.0, jitter=FullJitter()",
                "frozenset()",
            ),
        ],
    )
    def test_the_repr_shows_every_field_and_makes_it_again(
        self, policy: RetryPolicy, fields: str, retry_on: str
    ) -> None:
        assert repr(policy) == f"RetryPolicy(max_retries={fields}, retry_on={retry_on}, max_retry_after=900.0)"
        assert eval(repr(policy), NAMES) == policy  # noqa: S307 - our own repr

    def test_the_repr_has_the_faults_in_the_order_of_their_definition(self) -> None:
        # So many that a set has them in this order by no chance.
        faults = [fault for fault in Fault if fault is not Fault.CANCELLED]
        listed = ", ".join(map(repr, faults))
        assert f"retry_on=frozenset({{{listed}}})" in repr(RetryPolicy(retry_on=faults))

    def test_a_policy_survives_pickling(self) -> None:
        policy = RetryPolicy(retry_on="transient")
        assert pickle.loads(pickle.dumps(policy)) == policy  # noqa: S301 - our own bytes


KINDS = "NoJitter, AdditiveJitter, FullJitter, EqualJitter, DecorrelatedJitter"
ACCEPTED = {
    "max_retries": "a whole number >= 0",
    "base_delay": "a finite number of seconds from 0 to 3,600",
    "max_delay": "a finite number of seconds from 0 to 3,600",
    "max_retry_after": "a finite number of seconds from 0 to 3,600",
    "multiplier": "a finite number >= 1",
    "jitter": f"one of {KINDS}, or an object with their two methods",
}


class OnlyDelay:
    def delay(self) -> None: ...

    def __repr__(self) -> str:
        return "OnlyDelay()"


class OnlyBounds:
    def bounds(self) -> None: ...

    def __repr__(self) -> str:
        return "OnlyBounds()"


class TestRefusals:
    @pytest.mark.parametrize(
        ("field", "given"),
        [
            *(("max_retries", given) for given in (-1, 2.0, True, "3", None)),
            *(("base_delay", given) for given in (-0.1, 3600.1, math.inf, math.nan, True, "0.5", None)),
            *(("max_delay", given) for given in (-0.1, 3600.1, math.inf, math.nan, True, "20", None)),
            *(("max_retry_after", given) for given in (-0.1, 3600.1, math.inf, math.nan, True, "900", None)),
            *(("multiplier", given) for given in (0.999, -2, math.inf, math.nan, True, "2", None)),
            *(("jitter", given) for given in (None, 0.1, "full", OnlyDelay(), OnlyBounds())),
        ],
    )
    def test_an_invalid_field_is_refused_with_what_is_accepted(self, field: str, given: object) -> None:
        kinds = {"max_retries": (int,), "jitter": ()}.get(field, (int, float))
        with pytest.raises(refusal_of(given, *kinds)) as refused:
            RetryPolicy(**{field: given})  # type: ignore[arg-type]  # that is the point
        assert str(refused.value) == f"RetryPolicy: {field}: got {given!r}; accepted: {ACCEPTED[field]}"

    @pytest.mark.parametrize(
        ("field", "given"),
        [
            ("max_retries", 0),
            ("base_delay", 0),
            ("base_delay", 3600),
            ("max_delay", 0),
            ("max_delay", 3600),
            ("max_retry_after", 0),
            ("max_retry_after", 3600),
            ("multiplier", 1),
            ("multiplier", sys.float_info.max),
        ],
    )
    def test_the_ends_of_each_range_are_accepted(self, field: str, given: float) -> None:
        assert getattr(RetryPolicy(**{field: given}), field) == given  # type: ignore[arg-type]  # whatever it is called

    def test_all_invalid_fields_are_refused_at_once(self) -> None:
        with pytest.raises(TypeError) as refused:  # one type is wrong
            RetryPolicy(-1, -1, 0, -1, None, "all")  # type: ignore[arg-type]  # that is the point
        text = str(refused.value)
        assert text.startswith("RetryPolicy: max_retries: got -1; accepted: a whole number >= 0; base_delay: got -1;")
        assert text.count("got ") == 6
        with pytest.raises(ValueError, match=r"max_retries: .*max_delay: "):
            RetryPolicy(max_retries=-1, max_delay=-1)

    @pytest.mark.parametrize("given", [Fault.THROTTLING, 5, None])
    def test_an_invalid_retry_on_is_refused(self, given: object) -> None:
        with pytest.raises(TypeError) as refused:
            RetryPolicy(retry_on=given)  # type: ignore[arg-type]  # that is the point
        assert str(refused.value) == (
            f"RetryPolicy: retry_on: got {given!r}; accepted: faults, a mapping from fault to a number of retries, "
            "'throttling', 'transient', 'none', or a text such as 'throttling,read_timeout=1'"
        )

    def test_an_exception_class_in_place_of_a_fault_is_refused_with_the_way_to_retry_it(self) -> None:
        with pytest.raises(TypeError, match=r"'throttling,read_timeout=1'; for exceptions, classify= of a Retrier$"):
            RetryPolicy(retry_on=ConnectionError)  # type: ignore[arg-type]  # that is the point

    @pytest.mark.parametrize(
        ("given", "odd"),
        [
            (["throttling"], "throttling"),
            ({"throttling": 1}, "throttling"),
            ((Fault.THROTTLING, 429), 429),
            ((ConnectionError,), ConnectionError),
        ],
    )
    def test_retry_on_with_a_member_that_is_no_fault_is_refused(self, given: object, odd: object) -> None:
        with pytest.raises(TypeError) as refused:
            RetryPolicy(retry_on=given)  # type: ignore[arg-type]  # that is the point
        assert str(refused.value) == (
            f"RetryPolicy: retry_on: got {odd!r}; accepted: members of Fault, or one text with their names, such as "
            "'throttling,read_timeout=1'; for exceptions, classify= of a Retrier"
        )

    @pytest.mark.parametrize("given", [[Fault.CANCELLED], {Fault.CANCELLED: 1}])
    def test_a_cancellation_is_never_retried(self, given: object) -> None:
        with pytest.raises(ValueError) as refused:  # noqa: PT011 - the whole text is compared
            RetryPolicy(retry_on=given)  # type: ignore[arg-type]  # that is the point
        assert str(refused.value) == (
            "RetryPolicy: retry_on: got Fault.CANCELLED; "
            "accepted: any other fault, because a cancellation is not retried"
        )

    @pytest.mark.parametrize("limit", [-1, 1.0, True, "1"])
    def test_an_invalid_limit_is_refused(self, limit: object) -> None:
        with pytest.raises(refusal_of(limit, int)) as refused:
            RetryPolicy(retry_on={Fault.MODEL_ERROR: None, Fault.READ_TIMEOUT: limit})
        assert str(refused.value) == (
            f"RetryPolicy: retry_on[Fault.READ_TIMEOUT]: got {limit!r}; accepted: a whole number >= 0, or None"
        )


class TestRetriesOf:
    def test_a_fault_may_use_all_retries_unless_it_has_a_limit(self) -> None:
        policy = RetryPolicy(
            max_retries=3, retry_on={Fault.THROTTLING: None, Fault.READ_TIMEOUT: 1, Fault.MODEL_ERROR: 9}
        )
        assert policy.retries_of(Fault.THROTTLING) == 3
        assert policy.retries_of(Fault.READ_TIMEOUT) == 1
        assert policy.retries_of(Fault.MODEL_ERROR) == 3
        assert policy.retries_of(Fault.VALIDATION) == 0

    def test_of_a_plain_set(self) -> None:
        assert RetryPolicy(max_retries=2).retries_of(Fault.THROTTLING) == 2
        assert RetryPolicy(max_retries=2).retries_of(Fault.READ_TIMEOUT) == 0

    def test_billed_faults_are_retried_once_at_most(self) -> None:
        policy = RetryPolicy(max_retries=5, retry_on="transient")
        assert policy.retries_of(Fault.READ_TIMEOUT) == 1
        assert policy.retries_of(Fault.MODEL_TIMEOUT) == 1
        assert policy.retries_of(Fault.OVERLOADED) == 5
        assert policy.retries_of(Fault.TOKENS_PER_DAY) == 0


class TestFaultLimits:
    LIMITS = FaultLimits({Fault.READ_TIMEOUT: 1, Fault.THROTTLING: None})

    def test_it_is_read_like_a_mapping(self) -> None:
        assert list(self.LIMITS) == [Fault.THROTTLING, Fault.READ_TIMEOUT]
        assert list(self.LIMITS.items()) == [(Fault.THROTTLING, None), (Fault.READ_TIMEOUT, 1)]
        assert self.LIMITS.get(Fault.READ_TIMEOUT) == 1
        assert isinstance(self.LIMITS, Mapping)
        assert len(self.LIMITS) == 2
        assert self.LIMITS[Fault.READ_TIMEOUT] == 1
        assert Fault.THROTTLING in self.LIMITS
        assert Fault.MODEL_ERROR not in self.LIMITS
        assert dict(self.LIMITS) == {Fault.THROTTLING: None, Fault.READ_TIMEOUT: 1}
        with pytest.raises(KeyError):
            self.LIMITS[Fault.MODEL_ERROR]

    def test_it_is_equal_to_any_mapping_of_the_same(self) -> None:
        assert dict(cast("FaultLimits", RetryPolicy(retry_on={Fault.READ_TIMEOUT: 1}).retry_on)) == {
            Fault.READ_TIMEOUT: 1
        }
        assert self.LIMITS != {Fault.READ_TIMEOUT: 1}
        assert cast("object", [Fault.READ_TIMEOUT]) != self.LIMITS

    def test_equal_ones_are_one_key(self) -> None:
        assert {self.LIMITS, FaultLimits(dict(self.LIMITS))} == {self.LIMITS}

    def test_a_policy_keeps_it(self) -> None:
        policy = RetryPolicy(retry_on=self.LIMITS)
        assert policy.retry_on == self.LIMITS
        assert policy.replace(max_retries=1).retry_on == self.LIMITS

    def test_the_order_given_does_not_matter(self) -> None:
        assert FaultLimits(dict(reversed(list(self.LIMITS.items())))) == self.LIMITS
        assert repr(self.LIMITS) == "{Fault.THROTTLING: None, Fault.READ_TIMEOUT: 1}"


class TestRetryAfter:
    def test_the_servers_wait_gets_jitter_on_top(self) -> None:
        policy = RetryPolicy()
        assert policy.wait_after_hint(60.0, 0.0) == 60.0
        assert policy.wait_after_hint(60.0, 0.5) == 63.0
        assert policy.wait_after_hint(0.0, 0.5) == 0.05  # at least up to a tenth of a second

    def test_the_servers_wait_has_a_limit(self) -> None:
        assert RetryPolicy().wait_after_hint(86_400.0, 0.0) == 900.0
        assert RetryPolicy(max_retry_after=5).wait_after_hint(60.0, 1.0) == 5.5
        assert RetryPolicy(max_retry_after=0).wait_after_hint(60.0, 0.0) == 0.0


class TestSchedule:
    def test_without_jitter_it_doubles_up_to_the_cap(self) -> None:
        policy = RetryPolicy(max_retries=8, jitter=NoJitter())
        assert list(policy.delays()) == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 20.0, 20.0]

    def test_it_is_as_long_as_there_are_retries(self) -> None:
        assert list(RetryPolicy(max_retries=0).delays()) == []
        assert len(list(RetryPolicy(max_retries=7).delays())) == 7

    def test_the_same_seed_gives_the_same_schedule(self) -> None:
        policy = RetryPolicy(max_retries=5, jitter=FullJitter())
        first = list(policy.delays(random.Random(1)))
        assert first == list(policy.delays(random.Random(1)))
        assert first != list(policy.delays(random.Random(2)))

    def test_decorrelated_delays_depend_on_the_previous_delay(self) -> None:
        policy = RetryPolicy(max_retries=3, jitter=DecorrelatedJitter())
        draws = random.Random(7)
        expected = [policy.delay(0, draws.random(), None)]
        expected.append(policy.delay(1, draws.random(), expected[0]))
        expected.append(policy.delay(2, draws.random(), expected[1]))
        assert list(policy.delays(random.Random(7))) == expected

    def test_the_previous_delay_is_passed_to_the_jitter(self) -> None:
        policy = RetryPolicy(jitter=DecorrelatedJitter())
        assert policy.delay(1, 0.5) == 0.5 + 0.5 * (3 * 0.5 - 0.5)
        assert policy.delay(1, 0.5, 1.0) == 0.5 + 0.5 * (3 * 1.0 - 0.5)

    def test_the_five_thousandth_retry_waits_for_the_cap(self) -> None:
        assert RetryPolicy(jitter=NoJitter()).delay(5_000, 0.5) == 20.0
        assert RetryPolicy(jitter=EqualJitter()).bounds(5_000) == (10.0, 20.0)

    @pytest.mark.parametrize("u", [-0.001, 1.001, math.nan])
    def test_a_random_number_out_of_range_is_refused(self, u: float) -> None:
        with pytest.raises(ValueError) as refused:  # noqa: PT011 - the whole text is compared
            RetryPolicy().delay(0, u)
        assert str(refused.value) == f"RetryPolicy.delay: u: got {u!r}; accepted: a number in [0, 1)"

    def test_both_ends_of_the_range_lead_to_the_bounds(self) -> None:
        policy = RetryPolicy(jitter=EqualJitter())
        assert (policy.delay(1, 0), policy.delay(1, 1)) == policy.bounds(1)

    @pytest.mark.parametrize("ask", [partial(RetryPolicy().delay, u=0.5), RetryPolicy().bounds])
    def test_a_negative_retry_is_refused(self, ask: Callable[[int], object]) -> None:
        with pytest.raises(ValueError) as refused:  # noqa: PT011 - the whole text is compared
            ask(-1)
        assert str(refused.value) == "RetryPolicy: retry: got -1; accepted: a whole number >= 0, the first retry is 0"


ENVIRONMENTS = [
    (
        RetryPolicy(),
        {
            "BEDROCK_MAX_RETRIES": "3",
            "BEDROCK_BASE_DELAY": "0.5",
            "BEDROCK_MULTIPLIER": "2.0",
            "BEDROCK_MAX_DELAY": "20.0",
            "BEDROCK_JITTER": "additive:0.1",
            "BEDROCK_RETRY_ON": "throttling",
            "BEDROCK_MAX_RETRY_AFTER": "900.0",
        },
    ),
    (
        RetryPolicy(5, 1.0, 1.5, 60, DecorrelatedJitter(), {Fault.THROTTLING: None, Fault.READ_TIMEOUT: 1}, 30),
        {
            "BEDROCK_MAX_RETRIES": "5",
            "BEDROCK_BASE_DELAY": "1.0",
            "BEDROCK_MULTIPLIER": "1.5",
            "BEDROCK_MAX_DELAY": "60.0",
            "BEDROCK_JITTER": "decorrelated:3.0",
            "BEDROCK_RETRY_ON": "throttling,read_timeout=1",
            "BEDROCK_MAX_RETRY_AFTER": "30.0",
        },
    ),
]


class TestEnvironment:
    @pytest.mark.parametrize(("policy", "environ"), ENVIRONMENTS)
    def test_a_policy_and_its_variables(self, policy: RetryPolicy, environ: dict[str, str]) -> None:
        assert policy.to_env() == environ
        assert RetryPolicy.from_env(environ) == policy

    def test_what_is_not_set_or_empty_has_its_default(self) -> None:
        assert RetryPolicy.from_env({}) == RetryPolicy()
        assert RetryPolicy.from_env({"BEDROCK_MAX_RETRIES": " ", "BEDROCK_BASE_DELAY": " 1.0 "}) == RetryPolicy(
            base_delay=1.0
        )

    def test_the_process_own_environment_is_the_default(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("BEDROCK_MAX_RETRIES", "5")
        monkeypatch.setenv("OTHER_MAX_RETRIES", "6")
        assert RetryPolicy.from_env().max_retries == 5
        assert RetryPolicy.from_env(prefix="OTHER_").max_retries == 6
        assert RetryPolicy().to_env(prefix="OTHER_")["OTHER_MAX_RETRIES"] == "3"

    @pytest.mark.parametrize(
        ("text", "retry_on"),
        [
            ("none", ()),
            ("THROTTLING", {Fault.THROTTLING}),
            (" transient ", TRANSIENT),
            ("throttling, overloaded", {Fault.THROTTLING, Fault.OVERLOADED}),
            ("throttling,,overloaded,", {Fault.THROTTLING, Fault.OVERLOADED}),
            ("read_timeout = 2", {Fault.READ_TIMEOUT: 2}),
            ("read_timeout=0", {Fault.READ_TIMEOUT: 0}),
            (",", ()),
        ],
    )
    def test_faults_as_text(self, text: str, retry_on: object) -> None:
        assert RetryPolicy.from_env({"BEDROCK_RETRY_ON": text}) == RetryPolicy(retry_on=retry_on)  # type: ignore[arg-type]

    def test_no_fault_is_written_as_none(self) -> None:
        assert RetryPolicy(retry_on=()).to_env()["BEDROCK_RETRY_ON"] == "none"

    def test_faults_are_written_in_the_order_of_their_definition(self) -> None:
        policy = RetryPolicy(retry_on={Fault.MODEL_ERROR, Fault.THROTTLING})
        assert policy.to_env()["BEDROCK_RETRY_ON"] == "throttling,model_error"

    @pytest.mark.parametrize("part", ["all", "cancelled", "read_timeout=", "read_timeout=one", "read_timeout=-1", "=1"])
    def test_an_unknown_fault_is_refused(self, part: str) -> None:
        with pytest.raises(ValueError) as refused:  # noqa: PT011 - the whole text is compared
            RetryPolicy(retry_on=f"throttling, {part}")
        names = ", ".join(fault.value for fault in Fault if fault is not Fault.CANCELLED)
        assert str(refused.value) == (
            f"RetryPolicy: retry_on: got {part!r}; accepted: none, throttling, transient, or a comma-separated list of "
            f"{names}, each with '=<retries>' if it has a limit of its own"
        )

    def test_every_variable_that_cannot_be_read_is_named(self) -> None:
        with pytest.raises(ValueError) as refused:  # noqa: PT011 - the whole text is compared
            RetryPolicy.from_env(
                {
                    "BEDROCK_MAX_RETRIES": "many",
                    "BEDROCK_BASE_DELAY": "soon",
                    "BEDROCK_MULTIPLIER": "0.5",
                    "BEDROCK_JITTER": "x",
                }
            )
        problems = re.split("; (?=BEDROCK_)", str(refused.value))
        assert problems[0] == (
            "BEDROCK_MAX_RETRIES='many': RetryPolicy: max_retries: got 'many'; accepted: a whole number >= 0"
        )
        assert problems[1] == (
            "BEDROCK_BASE_DELAY='soon': RetryPolicy: base_delay: got 'soon'; "
            "accepted: a finite number of seconds from 0 to 3,600"
        )
        assert (
            problems[2] == "BEDROCK_MULTIPLIER='0.5': RetryPolicy: multiplier: got 0.5; accepted: a finite number >= 1"
        )
        assert problems[3].startswith("BEDROCK_JITTER='x': jitter: got 'x'; accepted: none, additive")
        assert len(problems) == 4

    def test_a_variable_of_a_common_wrong_name_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        environ = {"BEDROCK_MAX_RETRY": "9", "BEDROCK_MAX_ATTEMPTS": "4", "BEDROCK_RETRIES": "", "BEDROCK_MODEL": "m"}
        assert RetryPolicy.from_env(environ) == RetryPolicy()
        assert caplog.record_tuples == [
            (
                "bedrock_resilience",
                30,
                f"BEDROCK_{name} is not read: set BEDROCK_MAX_RETRIES, the retries after the first attempt",
            )
            for name in ("MAX_ATTEMPTS", "MAX_RETRY")
        ]

    def test_a_custom_jitter_cannot_be_written(self) -> None:
        class Mine(FullJitter):
            __slots__ = ()

        with pytest.raises(ValueError, match=r"^jitter: got .*Mine\(\)"):
            RetryPolicy(jitter=Mine()).to_env()


class TestCall:
    """The simplest use. The tests of ``Retrier`` show what the driver does with it."""

    def test_arguments_and_result_are_passed_through(self) -> None:
        fn = scripted("answer")
        assert RetryPolicy().call(fn, 1, fn=2) == "answer"  # also an argument that is called fn
        assert fn.arguments == [((1,), {"fn": 2})]

    def test_a_throttled_call_is_retried_under_the_policy(self, instant_retries: FakeClock) -> None:
        fn = scripted(*throttling_errors(2), "answer")
        assert RetryPolicy(jitter=NoJitter()).call(fn) == "answer"
        assert (fn.calls, instant_retries.sleeps) == (3, [0.5, 1.0])

    def test_what_is_not_retried_is_raised_as_it_is(self, instant_retries: FakeClock) -> None:
        error = validation_error()
        with pytest.raises(type(error)) as raised:
            RetryPolicy().call(scripted(error))
        assert raised.value is error
        assert error.__context__ is None
        assert instant_retries.sleeps == []

    def test_an_enclosing_deadline_is_obeyed_from_the_first_attempt(self) -> None:
        fn = scripted("answer")
        with Deadline.after(-1).apply(), pytest.raises(DeadlineExceededError):
            RetryPolicy().call(fn)
        assert fn.calls == 0

    def test_an_enclosing_deadline_is_obeyed_by_the_retries(self, instant_retries: FakeClock) -> None:
        fn = scripted(*throttling_errors(2), "answer")
        with Deadline.after(1.0).apply(), pytest.raises(type(throttling_error())) as raised:
            RetryPolicy(jitter=NoJitter()).call(fn)
        assert fn.calls == 2
        assert instant_retries.sleeps == [0.5]
        assert raised.value.__notes__ == [
            "bedrock_resilience: gave up after 2 attempts and 0.50 s of waiting: deadline"
        ]

    def test_an_attempt_that_outlives_the_enclosing_deadline_is_counted(self, instant_retries: FakeClock) -> None:
        def slow() -> None:
            instant_retries.advance(5.0)
            raise throttling_error()

        with Deadline.after(1.0).apply(), pytest.raises(type(throttling_error())) as raised:
            RetryPolicy().call(slow)
        assert raised.value.__notes__ == ["bedrock_resilience: gave up after 1 attempt and 0.00 s of waiting: deadline"]

    def test_a_response_in_place_of_the_function_is_refused(self, instant_retries: FakeClock) -> None:
        answer: Any = {"output": "answer"}
        with pytest.raises(TypeError) as refused:
            RetryPolicy().call(answer)
        assert str(refused.value) == f"Retrier.call: fn: {NOT_CALLABLE}"
        assert refused.value.__suppress_context__
        assert instant_retries.sleeps == []


class TestAcall:
    async def test_arguments_and_result_are_passed_through(self) -> None:
        fn = ascripted("answer")
        assert await RetryPolicy().acall(fn, 1, fn=2) == "answer"
        assert fn.arguments == [((1,), {"fn": 2})]

    async def test_a_throttled_call_is_retried_under_the_policy(self, instant_retries: FakeClock) -> None:
        fn = ascripted(*throttling_errors(2), "answer")
        assert await RetryPolicy(jitter=NoJitter()).acall(fn) == "answer"
        assert (fn.calls, instant_retries.sleeps) == (3, [0.5, 1.0])

    async def test_a_plain_function_is_refused_before_it_is_called(self) -> None:
        fn = scripted("answer")
        with pytest.raises(NotAwaitableError, match=r"^RetryPolicy.acall: fn: .*; use RetryPolicy.call, or pass"):
            await RetryPolicy().acall(fn)
        assert fn.calls == 0

    async def test_a_response_in_place_of_the_function_is_refused(self) -> None:
        answer: Any = {"output": "answer"}
        with pytest.raises(TypeError) as refused:
            await RetryPolicy().acall(answer)
        assert str(refused.value) == f"RetryPolicy.acall: fn: {NOT_CALLABLE}"


NOT_CALLABLE = (
    "got a value of type dict, which cannot be called; accepted: a function, then its arguments, such as "
    "(client.converse, **request)"
)


def test_the_predefined_sets_are_read_only_mappings() -> None:
    assert isinstance(TRANSIENT, Mapping)
    with pytest.raises(TypeError):
        TRANSIENT[Fault.VALIDATION] = 1  # type: ignore[index]  # that is the point
