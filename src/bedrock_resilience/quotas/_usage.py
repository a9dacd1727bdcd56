"""Spending: what requests reserve of a token quota, and what comes of it.

Bedrock takes a request's input and its `max_tokens` off the quota when it starts, and corrects that when it ends, by
the rules of `bedrock_resilience.quotas`. Where the call turns out to have cost less, the difference was reserved in
vain: as long as the call lasted, nobody could use it. A `TokenUsage` tells how much that was, and which `max_tokens`
would do.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience.quotas._tokens import reserved_tokens, settled_tokens

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from bedrock_resilience.quotas._tokens import Usage

_ENOUGH: Final = 20
"""Answers before `max_tokens` is advised: of n answers alike, the next one is the longest yet once in n + 1 times."""

_MARGIN: Final = 1.25
"""Over the longest answer so far. A `max_tokens` that is too low costs a whole answer, one too high only quota."""

_STEP: Final = 50
"""Advised numbers are round."""


@dataclass(frozen=True, slots=True)
class RequestTokens:
    """What one request may use, as far as can be told before it is sent.

    A pacer reserves it; with the usage of the answer, the report settles it.

    Args:
        input_tokens: All its input tokens, as estimated.
        max_tokens: Its `max_tokens`; None where it names none, so that the model's maximum is reserved.
        burndown: Tokens of quota that an output token costs, see `burndown_rate`. The default
            is that of Claude 3.7 to 4.7.

    Raises:
        ValueError: A number lies outside its range; the message names it.
    """

    input_tokens: int
    max_tokens: int | None = None
    burndown: float = 5.0

    def __post_init__(self) -> None:
        _check_count("input_tokens", self.input_tokens, 0)
        if self.max_tokens is not None:
            _check_count("max_tokens", self.max_tokens, 1)
        if not 0 < self.burndown < math.inf:
            raise ValueError(f"RequestTokens.burndown: got {self.burndown!r}; accepted: a finite number > 0")

    @property
    def reserved(self) -> int:
        """What Bedrock takes off the quota when the request starts."""
        return reserved_tokens(self.input_tokens, self.max_tokens)

    def settled(self, usage: Usage | None) -> TokenUsage:
        """The account of one such request, which has ended; None: what it used is not known.

        What it reserved is told by the input tokens of the usage, which are counted, not estimated.

        >>> from bedrock_resilience.quotas._tokens import Usage
        >>> RequestTokens(2_900, 1_000, burndown=1).settled(Usage(3_000, 600)).unused
        400.0
        """
        if usage is None:
            return TokenUsage(unknown=1)
        allowed = reserved_tokens(0, self.max_tokens)
        reserved = reserved_tokens(usage.total_input_tokens, self.max_tokens)
        settled = float(settled_tokens(usage, self.burndown))
        return TokenUsage(
            answers=1,
            input_tokens=usage.total_input_tokens,
            output_tokens=usage.output_tokens,
            reserved=reserved,
            settled=settled,
            unused=max(0.0, reserved - settled),
            max_tokens=allowed,
            largest_output=usage.output_tokens,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenUsage:
    """What requests reserved of a token quota, and what they cost in the end. Two of them add up to one.

    A request that was refused, or never arrived, has reserved nothing, and is not in it.

    Attributes:
        answers: Requests whose usage is known. All numbers below are those of these.
        unknown: Requests that may have reserved tokens, and that nobody knows the usage of: timed out, cut off,
            answered with an error of the server, or by something without a `usage`.
        input_tokens: Tokens that the model read, those of a cache included.
        output_tokens: Tokens that it wrote.
        reserved: Tokens taken off the quota when the requests started: input + `max_tokens` of each.
        settled: Tokens that they cost in the end: input + cache writes + output x burndown of each.
        unused: What was reserved beyond that, request by request. One that cost more than it reserved makes up for no
            other.
        max_tokens: The largest `max_tokens` of a request.
        largest_output: Output tokens of the longest answer.
    """

    answers: int = 0
    unknown: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    reserved: int = 0
    settled: float = 0.0
    unused: float = 0.0
    max_tokens: int = 0
    largest_output: int = 0

    def __add__(self, other: TokenUsage) -> TokenUsage:
        """Both together."""
        return TokenUsage(
            answers=self.answers + other.answers,
            unknown=self.unknown + other.unknown,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            reserved=self.reserved + other.reserved,
            settled=self.settled + other.settled,
            unused=self.unused + other.unused,
            max_tokens=max(self.max_tokens, other.max_tokens),
            largest_output=max(self.largest_output, other.largest_output),
        )

    @property
    def unused_share(self) -> float:
        """What was reserved in vain, of all that was reserved, 0 to 1."""
        return self.unused / self.reserved if self.reserved else 0.0

    @property
    def advised_max_tokens(self) -> int | None:
        """A lower `max_tokens` that would do; None where there is none, or too few answers to tell.

        A quarter more than the longest answer. But no less than what the answers cost on the average beyond their
        input: on a model with a burndown, a reservation under that frees nothing, because a call needs as much in the
        end.
        """
        if self.answers < _ENOUGH or not self.unused:
            return None
        cost = (self.settled - self.input_tokens) / self.answers
        advised = _STEP * math.ceil(max(_MARGIN * self.largest_output, cost, 1) / _STEP)
        return advised if advised < self.max_tokens else None

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Self:
        """The account that `to_dict` told of, but for the rounding.

        Raises:
            ValueError: A number is missing, or cannot be; the message names each.
        """
        numbers: dict[str, Any] = {
            name: told.get("over_reserved" if name == "unused" else name) for name in cls.__slots__
        }
        wrong = [f"{name}: got {value!r}" for name, value in numbers.items() if not _is_number(value)]
        if wrong:
            raise ValueError(f"tokens: {', '.join(wrong)}; accepted: finite numbers >= 0")
        return cls(**numbers)

    def to_dict(self) -> dict[str, int | float | None]:
        """The account for JSON."""
        return {
            "answers": self.answers,
            "unknown": self.unknown,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "largest_output": self.largest_output,
            "max_tokens": self.max_tokens,
            "advised_max_tokens": self.advised_max_tokens,
            "reserved": self.reserved,
            "settled": round(self.settled, 1),
            "over_reserved": round(self.unused, 1),
            "unused_share": round(self.unused_share, 4),
        }


def _check_count(name: str, given: object, least: int) -> None:
    if not isinstance(given, int) or isinstance(given, bool) or given < least:
        raise ValueError(f"RequestTokens.{name}: got {given!r}; accepted: a whole number >= {least}")


def _is_number(given: object) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool) and 0 <= given <= sys.float_info.max
