"""RetryBudget: a share of the attempts, and a reserve."""

from __future__ import annotations

import math
import threading

import pytest

from bedrock_resilience.retrying._budget import RetryBudget
from support.refusals import refusal_of


def spend(budget: RetryBudget) -> int:
    """Withdraw until nothing more is granted."""
    granted = 0
    while budget.try_withdraw():
        granted += 1
    return granted


def test_the_reserve_is_available_from_the_start() -> None:
    budget = RetryBudget(share=0.5, reserve=3)
    assert budget.available == 3
    assert spend(budget) == 3
    assert (budget.retries, budget.available) == (3, 0)


def test_attempts_earn_their_share() -> None:
    budget = RetryBudget(share=0.25, reserve=0)
    granted: list[bool] = []
    for _ in range(8):
        budget.deposit()
        granted.append(budget.try_withdraw())
    assert granted == [False, False, False, True, False, False, False, True]
    assert (budget.attempts, budget.retries) == (8, 2)


def test_available_is_what_would_be_granted() -> None:
    budget = RetryBudget(share=0.2, reserve=1)
    for _ in range(12):
        budget.deposit()
    assert budget.available == 3
    assert spend(budget) == 3


def test_without_share_and_reserve_nothing_is_granted() -> None:
    budget = RetryBudget(share=0.0, reserve=0)
    budget.deposit()
    assert not budget.try_withdraw()
    assert budget.available == 0
    assert budget.retries == 0


def test_the_defaults_let_a_batch_add_a_fifth_and_ten() -> None:
    budget = RetryBudget()
    assert (budget.share, budget.reserve) == (0.2, 10)
    for _ in range(100):
        budget.deposit()
    assert spend(budget) == 30


def test_a_reserve_that_is_no_whole_number_never_grants_more_than_it_holds() -> None:
    budget = RetryBudget(share=0.0, reserve=1.5)
    assert budget.available == 1
    assert spend(budget) == 1
    assert budget.available == 0


def test_its_repr_shows_its_counts() -> None:
    budget = RetryBudget(0.5, 1)
    budget.deposit()
    budget.try_withdraw()
    assert repr(budget) == "RetryBudget(share=0.5, reserve=1, attempts=1, retries=1)"


@pytest.mark.parametrize("given", [-0.1, math.inf, math.nan, True, "1", None])
@pytest.mark.parametrize("field", ["share", "reserve"])
def test_an_invalid_field_is_refused(field: str, given: object) -> None:
    with pytest.raises(refusal_of(given, int, float)) as refused:
        RetryBudget(**{field: given})  # type: ignore[arg-type]  # that is the point
    assert str(refused.value) == f"RetryBudget: {field}: got {given!r}; accepted: a finite number >= 0"


def test_threads_together_are_never_granted_more_than_available() -> None:
    budget = RetryBudget(share=0.5, reserve=10)
    granted: list[int] = []

    def work() -> None:
        mine = 0
        for _ in range(500):
            budget.deposit()
            mine += budget.try_withdraw()
        granted.append(mine)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert budget.attempts == 2_000
    assert sum(granted) == budget.retries
    assert sum(granted) + spend(budget) == 10 + 1_000
