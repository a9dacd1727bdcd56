"""Names of options that a function does not have, and what the errors say to write instead."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

import pytest
import tenacity

from bedrock_resilience import (
    BedrockRuntime,
    BoundedExecutor,
    Quota,
    Retrier,
    RetryPolicy,
    _option_names,
    bedrock_runtime_client,
    protect,
    retry,
)
from bedrock_resilience._checks import explain_names
from bedrock_resilience.bedrock import AsyncBedrockRuntime
from bedrock_resilience.retrying._driver import CallSettings

if TYPE_CHECKING:
    from collections.abc import Callable


def refused(make: Callable[..., object], *args: object, **kwargs: object) -> str:
    """The text of the error."""
    with pytest.raises(TypeError) as error:
        make(*args, **kwargs)
    return str(error.value)


@pytest.mark.parametrize("make", [RetryPolicy, RetryPolicy().replace])
@pytest.mark.parametrize(
    ("given", "text"),
    [
        (
            {"max_attempts": 3},
            "got max_attempts=3; accepted: max_retries=2, because max_attempts counts the first attempt, too",
        ),
        ({"attempts": 1}, "got attempts=1; accepted: max_retries=0, because attempts counts the first attempt, too"),
        (
            {"max_tries": None},
            "got max_tries=None; accepted: max_retries=2, because max_tries counts the first attempt, too",
        ),
        ({"retries": 3}, "got retries=3; accepted: max_retries=3"),
        ({"stop": "5 times"}, "got stop='5 times'; accepted: max_retries=2"),
        (
            {"wait": 1, "stop": 2},
            "got stop=2, wait=1; accepted: max_retries=2, base_delay=0.5, multiplier=2.0, max_delay=20.0",
        ),
        ({"max_retrys": 4}, "got max_retrys=4; accepted: max_retries=4"),
        (
            {"colour": "red"},
            (
                "got colour='red'; accepted: only max_retries, base_delay, multiplier, max_delay, jitter, retry_on, "
                "max_retry_after"
            ),
        ),
        ({"pacer": "auto"}, "got pacer='auto'; accepted: Retrier(policy, pacer='auto')"),
        (
            {"wait_initial": 1.0, "wait_max": 9.0, "wait_jitter": 2.0, "wait_exp_base": 3},
            (
                "got wait_exp_base=3, wait_initial=1.0, wait_jitter=2.0, wait_max=9.0; accepted: multiplier=3, "
                "base_delay=1.0, jitter=AdditiveJitter(2.0), max_delay=9.0"
            ),
        ),
    ],
)
def test_a_policy_says_what_to_write(make: Callable[..., object], given: dict[str, Any], text: str) -> None:
    assert refused(make, **given) == f"RetryPolicy: {text}"


@pytest.mark.parametrize("make", [retry, Retrier, Retrier().replace])
def test_a_retrier_names_the_field_of_the_policy(make: Callable[..., object]) -> None:
    fields = "RetryPolicy(base_delay=1.0, max_retries=2)"
    assert refused(make, max_attempts=3, base_delay=1.0) == (
        "Retrier: got base_delay=1.0, max_attempts=3; accepted: the policy with it, such as "
        f"retry({fields}) or Retrier({fields}), because max_attempts counts the first attempt, too"
    )


def _log(state: object) -> None:
    del state


STOP: Any = tenacity.stop_after_attempt(5)
STOP_LATER: Any = tenacity.stop_after_delay(60)
RETRY_IF: Any = tenacity.retry_if_exception_type(OSError)


@pytest.mark.parametrize(
    ("given", "accepted"),
    [
        (
            {"stop": STOP},
            "the policy with it, such as retry(RetryPolicy(max_retries=4)) or Retrier(RetryPolicy(max_retries=4))",
        ),
        ({"stop": STOP_LATER}, "timeout=60.0"),
        ({"reraise": True}, "raise_exhausted=False"),
        ({"reraise": False}, "raise_exhausted=True"),
        ({"before_sleep": _log}, "listeners=[LoggingListener()]; each is called with one event"),
        ({"before": 1}, "before_attempt=1; it is called with one AttemptStarting"),
        ({"retry_error_callback": 1}, "fallback=1; it is called with the last exception"),
        ({"retry_error_cls": OSError}, "raise_exhausted=True"),
        (
            {"retry": RETRY_IF},
            (
                "the policy with it, such as retry(RetryPolicy(retry_on='transient')) or "
                "Retrier(RetryPolicy(retry_on='transient')); classify= of a retrier is for exceptions of your own"
            ),
        ),
        ({"listener": 1}, "listeners=1"),
    ],
)
def test_the_options_of_tenacity_are_translated(given: dict[str, Any], accepted: str) -> None:
    ((name, value),) = given.items()
    assert refused(retry, **given) == f"Retrier: got {name}={value!r}; accepted: {accepted}"


@pytest.mark.parametrize(
    ("make", "given", "text"),
    [
        (BoundedExecutor, {"max_retries": 5}, "got max_retries=5; accepted: policy=RetryPolicy(max_retries=5)"),
        (BoundedExecutor, {"concurrency": 4}, "got concurrency=4; accepted: max_workers=4"),
        (
            BoundedExecutor,
            {"timeout": 30},
            (
                "got timeout=30; accepted: deadline=Deadline.after(30) for the run, or Retrier(timeout=30) around "
                "the function of an item"
            ),
        ),
        (
            BoundedExecutor,
            {"raise_exhausted": True},
            (
                "got raise_exhausted=True; accepted: Retrier(policy, raise_exhausted=True) around the function of each "
                "item"
            ),
        ),
        (BedrockRuntime, {"policy": "p"}, "got policy='p'; accepted: retrier=Retrier('p')"),
        (BedrockRuntime, {"pacer": "auto"}, "got pacer='auto'; accepted: retrier=Retrier(pacer='auto')"),
        (
            AsyncBedrockRuntime,
            {"max_retries": 1},
            "got max_retries=1; accepted: retrier=Retrier(RetryPolicy(max_retries=1))",
        ),
        (Quota, {"rpm": 50}, "got rpm=50; accepted: requests_per_minute=50"),
        (Quota, {"tokens_per_min": 50}, "got tokens_per_min=50; accepted: tokens_per_minute=50"),
        (
            protect,
            {"max_retries": 3, "fallback": 1},
            (
                "got max_retries=3, fallback=1; accepted: policy=RetryPolicy(max_retries=3), "
                "Retrier(policy, fallback=1) around a client without protection"
            ),
        ),
        (
            bedrock_runtime_client,
            {"region": "us-east-2", "max_attempts": 4},
            (
                "got max_attempts=4, region='us-east-2'; accepted: region_name='us-east-2', "
                "policy=RetryPolicy(max_retries=3), because max_attempts counts the first attempt, too"
            ),
        ),
        (
            bedrock_runtime_client,
            {"timeout": 9},
            (
                "got timeout=9; accepted: read_timeout=9 for each request, or Retrier(timeout=9) for a call with its "
                "retries"
            ),
        ),
    ],
)
def test_each_function_says_where_an_option_belongs(
    make: Callable[..., object], given: dict[str, Any], text: str
) -> None:
    assert refused(make, **given) == f"{make.__name__}: {text}"


def test_an_option_of_botocore_is_passed_on() -> None:
    bedrock_runtime_client("eu-west-3", user_agent_extra="me").close()
    assert refused(bedrock_runtime_client, "eu-west-3", colour="red") == (
        "bedrock_runtime_client: Got unexpected keyword argument 'colour'; accepted besides its own: options of "
        "botocore.config.Config and of Session.client"
    )


def test_an_argument_that_needs_its_name() -> None:
    assert refused(protect, "client", RetryPolicy) == (
        f"protect: got {RetryPolicy!r} without a name; accepted: policy=, pacer=, budget=, deadline=, timeout=, "
        "listeners=, clock=, rng="
    )


def test_too_many_arguments_where_none_needs_its_name() -> None:
    assert "takes from 1 to 8 positional arguments but 9 were given" in refused(RetryPolicy, *range(8))


@pytest.mark.parametrize("made", [RetryPolicy, Retrier, BoundedExecutor, BedrockRuntime, Quota, protect])
def test_the_signature_is_kept(made: Callable[..., object]) -> None:
    assert "kwargs" not in inspect.signature(made).parameters


def test_the_names_are_those_of_the_policy_and_of_a_retrier() -> None:
    assert RetryPolicy.__match_args__[: len(_option_names.FIELDS)] == _option_names.FIELDS
    assert {"policy", *_option_names.OPTIONS} == set(CallSettings.__slots__)


def test_the_options_of_a_decorated_constructor() -> None:
    def logged(init: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(init)
        def wrapper(*args: object, **kwargs: object) -> None:
            init(*args, **kwargs)

        return wrapper

    @explain_names
    class Client:
        @logged
        def __init__(self, *, region: str) -> None:
            self.region: str = region

    assert Client(region="eu-west-3").region == "eu-west-3"
    options: dict[str, Any] = {"regio": "eu-west-3"}
    with pytest.raises(TypeError, match=r"^Client: got regio='eu-west-3'; accepted: region"):
        Client(**options)
