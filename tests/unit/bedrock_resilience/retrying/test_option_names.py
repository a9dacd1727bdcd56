"""Names of options that are wrong where they are passed, and what the errors say to write instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bedrock_resilience import BoundedExecutor, Retrier, RetryPolicy, retry
from bedrock_resilience.retrying import _option_names, _policy

if TYPE_CHECKING:
    from collections.abc import Callable


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
        ({"stop": "5 times"}, "got stop='5 times'; accepted: max_retries=2"),
        (
            {"wait": 1, "stop": 2},
            "got stop=2, wait=1; accepted: max_retries=2, base_delay=0.5, multiplier=2.0, max_delay=20.0",
        ),
    ],
)
def test_a_policy_says_what_to_write_for_the_name_of_another_library(
    make: Callable[..., object], given: dict[str, Any], text: str
) -> None:
    with pytest.raises(TypeError) as refused:
        make(**given)
    assert str(refused.value) == f"RetryPolicy: {text}"


@pytest.mark.parametrize("make", [retry, Retrier, Retrier().replace])
def test_a_retrier_names_the_field_of_the_policy(make: Callable[..., object]) -> None:
    with pytest.raises(TypeError) as refused:
        make(max_attempts=3, base_delay=1.0)
    fields = "RetryPolicy(base_delay=1.0, max_retries=2)"
    assert str(refused.value) == (
        "Retrier: got base_delay=1.0, max_attempts=3; accepted: the policy with it, such as "
        f"retry({fields}) or Retrier({fields}), because max_attempts counts the first attempt, too"
    )


def test_an_executor_names_the_field_of_the_policy() -> None:
    make: Any = BoundedExecutor
    with pytest.raises(TypeError) as refused:
        make(4, max_retries=5)
    assert str(refused.value) == (
        "BoundedExecutor: got max_retries=5; accepted: the policy with it, such as "
        "BoundedExecutor(policy=RetryPolicy(max_retries=5))"
    )


def test_any_other_name_is_not_explained() -> None:
    make: Any = RetryPolicy
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        make(colour="red")


def test_both_modules_have_the_same_names() -> None:
    assert _policy.OTHER_NAMES == _option_names.OTHER_NAMES
