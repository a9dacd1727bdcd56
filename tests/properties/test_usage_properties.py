"""Token usages add up in any order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bedrock_resilience.quotas import RequestTokens, TokenUsage, Usage

COUNTS = st.integers(0, 10_000)
USAGES = st.builds(
    Usage, COUNTS, st.integers(0, 1_000), cache_write_input_tokens=COUNTS, cache_read_input_tokens=COUNTS
)
REQUESTS = st.builds(RequestTokens, COUNTS, st.integers(1, 5_000) | st.none(), st.sampled_from([1.0, 5.0, 15.0]))


@given(st.lists(st.tuples(REQUESTS, USAGES | st.none())))
def test_the_sum_is_the_same_in_any_order(ends: list[tuple[RequestTokens, Usage | None]]) -> None:
    usages = [request.settled(usage) for request, usage in ends]
    total = sum(usages, TokenUsage())
    assert total == sum(reversed(usages), TokenUsage())
    assert total.answers + total.unknown == len(ends)
    assert max(0, total.reserved - total.settled) <= total.unused <= total.reserved
    assert 0 <= total.unused_share <= 1


@given(REQUESTS, st.lists(st.builds(Usage, COUNTS, st.integers(0, 1_000)), min_size=20, max_size=40))
def test_an_advised_max_tokens_would_have_cut_no_answer_and_reserved_less(
    request: RequestTokens, usages: list[Usage]
) -> None:
    before = sum((request.settled(usage) for usage in usages), TokenUsage())
    advised = before.advised_max_tokens
    if advised is not None:
        lower = RequestTokens(0, advised, request.burndown)
        after = sum((lower.settled(usage) for usage in usages), TokenUsage())
        assert advised >= before.largest_output
        assert after.settled == before.settled
        assert (after.reserved, after.unused) < (before.reserved, before.unused)
