"""What requests reserve of a token quota, what they cost, and what was unused."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import sys
from typing import Any, cast

import pytest

from bedrock_resilience.quotas import MODEL_MAX_TOKENS, RequestTokens, TokenUsage, Usage

REQUEST = RequestTokens(700, 1_000)


def usage_of(answers: int, output: int, *, max_tokens: int = 1_000, burndown: float = 1.0) -> TokenUsage:
    one = RequestTokens(0, max_tokens, burndown).settled(Usage(300, output))
    return sum([one] * (answers - 1), one)


class TestRequestTokens:
    def test_it_reserves_its_input_and_max_tokens(self) -> None:
        assert RequestTokens(700, 1_000).reserved == 1_700
        assert RequestTokens(0, 1).reserved == 1

    def test_without_max_tokens_the_models_maximum_is_reserved(self) -> None:
        assert RequestTokens(700).reserved == 700 + MODEL_MAX_TOKENS
        result = RequestTokens(700).settled(Usage(700, 100))
        assert (result.reserved, result.max_tokens) == (700 + MODEL_MAX_TOKENS, MODEL_MAX_TOKENS)

    def test_the_default_burndown_is_that_of_claude(self) -> None:
        assert RequestTokens(700, 1_000).burndown == 5.0
        assert REQUEST.settled(Usage(700, 100)).settled == 700 + 5 * 100
        assert RequestTokens(700, 1_000, burndown=1).settled(Usage(700, 100)).settled == 800

    def test_the_reservation_is_counted_with_the_actual_input(self) -> None:
        result = REQUEST.settled(Usage(650, 100, cache_write_input_tokens=30, cache_read_input_tokens=400))
        assert result == TokenUsage(
            answers=1,
            input_tokens=1_080,
            output_tokens=100,
            reserved=2_080,
            settled=650 + 30 + 500,
            unused=900,
            max_tokens=1_000,
            largest_output=100,
        )

    def test_a_call_that_cost_more_than_it_reserved_has_nothing_unused(self) -> None:
        result = RequestTokens(3_000, 1_000).settled(Usage(3_000, 600))
        assert (result.reserved, result.settled, result.unused) == (4_000, 6_000, 0.0)

    def test_bedrock_mantle_counts_output_once(self) -> None:
        settled = RequestTokens(10, 1_000, endpoint="bedrock-mantle").settled(Usage(3_000, 600))
        assert (settled.reserved, settled.settled, settled.unused) == (4_000, 3_600, 400)

    @pytest.mark.parametrize(
        ("response", "cut_short"),
        [
            ({"stop_reason": "max_tokens"}, True),
            ({"type": "message_delta", "delta": {"stop_reason": "max_tokens"}}, True),
            ({"choices": [{"finish_reason": "length"}]}, True),
            ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, True),
            (
                {"type": "response.incomplete", "response": {"incomplete_details": {"reason": "max_output_tokens"}}},
                True,
            ),
            ({"stop_reason": "end_turn"}, False),
            ({"choices": [{"finish_reason": "stop"}]}, False),
            ({"choices": []}, False),
            ({"choices": ["length"]}, False),
            ({"incomplete_details": None}, False),
            ({"stop_reason": ["max_tokens"]}, False),
            ("max_tokens", False),
        ],
    )
    def test_a_response_was_cut_short_where_it_stopped_for_its_length_before_max_tokens(
        self, response: object, *, cut_short: bool
    ) -> None:
        request = RequestTokens(10, 100, endpoint="bedrock-mantle")
        assert request.cut_short(Usage(10, 99), response) == cut_short
        assert not request.cut_short(Usage(10, 100), response)
        assert not request.cut_short(None, response)
        assert not RequestTokens(10, 100).cut_short(Usage(10, 99), response)
        unlimited = RequestTokens(10, model_max_tokens=64_000, endpoint="bedrock-mantle")
        assert unlimited.cut_short(Usage(10, 100), response) == cut_short

    def test_without_a_usage_the_request_is_unknown(self) -> None:
        assert REQUEST.settled(None) == TokenUsage(unknown=1)

    @pytest.mark.parametrize(
        ("fields", "text"),
        [
            ({"input_tokens": -1}, "input_tokens: got -1; accepted: a whole number >= 0"),
            ({"max_tokens": 0}, "max_tokens: got 0; accepted: a whole number >= 1, or None"),
            ({"burndown": 0}, "burndown: got 0; accepted: a finite number > 0"),
            ({"burndown": math.inf}, "burndown: got inf; accepted: a finite number > 0"),
            ({"burndown": math.nan}, "burndown: got nan; accepted: a finite number > 0"),
            ({"model_max_tokens": -1}, "model_max_tokens: got -1; accepted: a whole number >= 0"),
            ({"endpoint": "mantle"}, "endpoint: got 'mantle'; accepted: bedrock-runtime or bedrock-mantle"),
        ],
    )
    def test_a_value_out_of_range_is_refused_by_name(self, fields: dict[str, Any], text: str) -> None:
        with pytest.raises(ValueError, match=f"^{re.escape('RequestTokens: ' + text)}$"):
            RequestTokens(**cast("dict[str, Any]", {"input_tokens": 0, **fields}))

    @pytest.mark.parametrize(
        ("fields", "text"),
        [
            ({"input_tokens": None}, "input_tokens: got None; accepted: a whole number >= 0"),
            ({"input_tokens": True}, "input_tokens: got True; accepted: a whole number >= 0"),
            ({"input_tokens": 7.0}, "input_tokens: got 7.0; accepted: a whole number >= 0"),
            ({"max_tokens": "1000"}, "max_tokens: got '1000'; accepted: a whole number >= 1, or None"),
            ({"model_max_tokens": None}, "model_max_tokens: got None; accepted: a whole number >= 0"),
            ({"burndown": "5"}, "burndown: got '5'; accepted: a finite number > 0"),
        ],
    )
    def test_a_wrong_type_is_refused_by_name(self, fields: dict[str, Any], text: str) -> None:
        with pytest.raises(TypeError, match=f"^{re.escape('RequestTokens: ' + text)}$"):
            RequestTokens(**cast("dict[str, Any]", {"input_tokens": 0, **fields}))


class TestTokenUsage:
    def test_a_new_usage_is_empty(self) -> None:
        assert set(dataclasses.astuple(TokenUsage())) == {0}
        assert TokenUsage().unused_share == 0.0

    def test_two_add_up(self) -> None:
        first = REQUEST.settled(Usage(700, 100))
        second = RequestTokens(0, 400).settled(Usage(50, 90, 20, 10))
        assert first + second + REQUEST.settled(None) == TokenUsage(
            answers=2,
            unknown=1,
            input_tokens=780,
            output_tokens=190,
            reserved=1_700 + 480,
            settled=1_200 + 520,
            unused=500,
            max_tokens=1_000,
            largest_output=100,
        )

    def test_a_request_that_cost_more_does_not_offset_another(self) -> None:
        both = REQUEST.settled(Usage(700, 100)) + REQUEST.settled(Usage(700, 400))
        assert (both.reserved, both.settled, both.unused) == (3_400, 3_900, 500)

    def test_the_share_is_of_what_was_reserved(self) -> None:
        assert REQUEST.settled(Usage(700, 100)).unused_share == 500 / 1_700

    def test_it_is_written_as_json(self) -> None:
        result = (usage_of(25, 100, burndown=3.333) + REQUEST.settled(None)).to_dict()
        assert json.loads(json.dumps(result)) == result
        assert result == {
            "answers": 25,
            "unknown": 1,
            "input_tokens": 7_500,
            "output_tokens": 2_500,
            "largest_output": 100,
            "max_tokens": 1_000,
            "advised_max_tokens": 350,
            "reserved": 32_500,
            "settled": 15_832.5,
            "over_reserved": 16_667.5,
            "unused_share": 0.5128,
        }
        assert TokenUsage(settled=0.26, unused=0.14).to_dict()["settled"] == 0.3
        assert TokenUsage(settled=0.26, unused=0.14).to_dict()["over_reserved"] == 0.1

    def test_its_json_is_read_again(self) -> None:
        result = usage_of(25, 100) + REQUEST.settled(None)
        assert TokenUsage.from_dict(json.loads(json.dumps(result.to_dict()))) == result
        assert TokenUsage.from_dict({**result.to_dict(), "settled": sys.float_info.max}).settled == sys.float_info.max

    @pytest.mark.parametrize("wrong", [None, "7", True, -1, math.inf, math.nan, 10**400])
    def test_a_wrong_number_is_refused_by_name(self, wrong: object) -> None:
        result = {**TokenUsage().to_dict(), "over_reserved": wrong, "answers": wrong}
        expected = f"tokens: answers: got {wrong!r}, unused: got {wrong!r}; accepted: finite numbers >= 0"
        with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
            TokenUsage.from_dict(result)


class TestAdvice:
    def test_a_quarter_more_than_the_longest_response_is_advised(self) -> None:
        assert usage_of(20, 200).advised_max_tokens == 250
        assert (usage_of(20, 200) + usage_of(1, 400)).advised_max_tokens == 500

    def test_it_is_a_round_number_and_never_below_the_longest_response(self) -> None:
        assert usage_of(20, 201).advised_max_tokens == 300
        assert usage_of(20, 1).advised_max_tokens == usage_of(20, 0).advised_max_tokens == 50

    def test_no_less_than_what_a_call_costs_in_the_end(self) -> None:
        # 150 tokens of output cost 750 at a burndown of 5: a reservation of 200 would free nothing.
        assert usage_of(20, 150, burndown=5).advised_max_tokens == 750
        assert usage_of(20, 151, burndown=5).advised_max_tokens == 800

    def test_a_few_responses_give_no_advice(self) -> None:
        assert usage_of(19, 200).advised_max_tokens is None
        assert (usage_of(19, 200) + REQUEST.settled(None)).advised_max_tokens is None

    def test_without_unused_tokens_there_is_nothing_to_lower(self) -> None:
        assert usage_of(20, 300, burndown=5).advised_max_tokens is None

    def test_a_number_that_is_no_lower_is_not_advised(self) -> None:
        assert usage_of(20, 800).advised_max_tokens is None
        assert usage_of(20, 760).advised_max_tokens == 950
        assert usage_of(20, 1_000).advised_max_tokens is None  # cut at max_tokens, some of them

    def test_a_request_without_max_tokens_gets_an_advice(self) -> None:
        one = RequestTokens(300, None).settled(Usage(300, 200))
        assert sum([one] * 19, one).advised_max_tokens == 1_000
