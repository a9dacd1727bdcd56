"""Reserved and used tokens: what requests reserve of a token quota, and what they cost when they end.

Bedrock deducts a request's input and its ``max_tokens`` from the quota when it starts, and corrects that when it ends.
If the call cost less, the difference was unused: as long as the call lasted, no other request could use it. A
``TokenUsage`` counts how much that was, and advises a ``max_tokens`` that suffices.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from bedrock_resilience._checks import number, refuse, whole_number, wrong_value
from bedrock_resilience.quotas._models import MODEL_MAX_TOKENS
from bedrock_resilience.quotas._tokens import reserved_tokens, settled_tokens, stopped_for_length

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from bedrock_resilience.quotas._tokens import Usage

_MANTLE: Final = "bedrock-mantle"
_ENDPOINTS: Final = ("bedrock-runtime", _MANTLE)

_MIN_SAMPLES: Final = 20
"""Responses before a ``max_tokens`` is advised. After n similar ones, the probability that the next is the longest is 1
/ (n + 1).
"""

_MARGIN: Final = 1.25
"""Factor over the longest response so far. A ``max_tokens`` that is too low truncates a response; one that is too high
only costs quota.
"""

_STEP_TOKENS: Final = 50
"""Advised numbers are multiples of this."""


@dataclass(frozen=True, slots=True)
class RequestTokens:
    """What one request may use, as known before it is sent.

    A pacer reserves it, and the report settles it with the usage of the response.

    Args:
        input_tokens: All its input tokens, as estimated.
        max_tokens: Its ``max_tokens``; None if it has none, so that the model's maximum is reserved.
        burndown: Tokens of quota that an output token costs, see ``burndown_rate``. The default
            is that of Claude 3.7 to 4.7.
        model_max_tokens: The model's maximum, see ``max_output_tokens``; 0 for a model without output tokens.
        endpoint: The endpoint that it is sent to. ``bedrock-mantle`` counts output once, whatever the burndown, and
            cuts a response short where a quota of output is used up.

    Raises:
        TypeError: A field is not a number.
        ValueError: A number is out of range, or there is no such endpoint. Both name every such field.
    """

    input_tokens: int
    max_tokens: int | None = None
    burndown: float = 5.0
    model_max_tokens: int = MODEL_MAX_TOKENS
    endpoint: Literal["bedrock-runtime", "bedrock-mantle"] = "bedrock-runtime"

    def __post_init__(self) -> None:
        refuse(
            "RequestTokens",
            whole_number("input_tokens", self.input_tokens, least=0),
            whole_number("max_tokens", self.max_tokens, least=1, optional=True),
            number("burndown", self.burndown, above=0),
            whole_number("model_max_tokens", self.model_max_tokens, least=0),
            None if self.endpoint in _ENDPOINTS else wrong_value("endpoint", self.endpoint, " or ".join(_ENDPOINTS)),
        )

    @property
    def reserved(self) -> int:
        """What Bedrock deducts from the quota when the request starts."""
        return self._reserved(self.input_tokens)

    def settled(self, usage: Usage | None) -> TokenUsage:
        """Return the token usage of one such request that has ended; None: what it used is not known.

        The reservation is computed from the input tokens of the usage, which are counted, not estimated.

        >>> from bedrock_resilience.quotas import Usage
        >>> RequestTokens(2_900, 1_000, burndown=1).settled(Usage(3_000, 600)).unused
        400.0
        """
        if usage is None:
            return TokenUsage(unknown=1)
        reserved = self._reserved(usage.total_input_tokens)
        settled = float(settled_tokens(usage, 1.0 if self.endpoint == _MANTLE else self.burndown))
        return TokenUsage(
            answers=1,
            input_tokens=usage.total_input_tokens,
            output_tokens=usage.output_tokens,
            reserved=reserved,
            settled=settled,
            unused=max(0.0, reserved - settled),
            max_tokens=self._reserved(0),
            largest_output=usage.output_tokens,
        )

    def cut_short(self, usage: Usage | None, response: object) -> bool:
        """Return whether a quota of output tokens was used up before the response was complete.

        The response then stopped for its length, and before its ``max_tokens``. AWS does not say which stop reason it
        has; those of too few ``max_tokens`` count.

        >>> from bedrock_resilience.quotas import Usage
        >>> request = RequestTokens(100, 1_000, endpoint="bedrock-mantle")
        >>> request.cut_short(Usage(100, 340), {"stop_reason": "max_tokens"})
        True
        """
        if self.endpoint != _MANTLE or usage is None or usage.output_tokens >= self._reserved(0):
            return False
        return stopped_for_length(response)

    def _reserved(self, input_tokens: int) -> int:
        return reserved_tokens(input_tokens, self.max_tokens, model_max_tokens=self.model_max_tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenUsage:
    """What requests reserved of a token quota, and what they cost in the end. Two of them can be added.

    A request that was refused, or never arrived, has reserved nothing, and is not included.

    Attributes:
        answers: Requests whose usage is known. All numbers below are about these.
        unknown: Requests that may have reserved tokens, and whose usage is not known: timed out, cut off, answered with
            a server error, or with a response without ``usage``.
        input_tokens: Tokens that the model read, those of a cache included.
        output_tokens: Tokens that it wrote.
        reserved: Tokens deducted from the quota when the requests started: input + ``max_tokens`` of each.
        settled: Tokens that they cost in the end: input + cache writes + output x burndown of each.
        unused: What was reserved beyond that, request by request. One that cost more than it reserved does not offset
            another.
        max_tokens: The largest ``max_tokens`` of a request.
        largest_output: Output tokens of the longest response.
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
        """Return the sum of both."""
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
        """The unused share of all that was reserved, 0 to 1."""
        return self.unused / self.reserved if self.reserved else 0.0

    @property
    def advised_max_tokens(self) -> int | None:
        """A lower ``max_tokens`` that suffices; None if there is none, or if there are too few responses.

        A quarter more than the longest response, but no less than what the responses cost on average beyond their
        input: on a model with a burndown, a lower reservation frees nothing, because the call costs as much when it
            ends.
        """
        if self.answers < _MIN_SAMPLES or not self.unused:
            return None
        cost = (self.settled - self.input_tokens) / self.answers
        advised = _STEP_TOKENS * math.ceil(max(_MARGIN * self.largest_output, cost, 1) / _STEP_TOKENS)
        return advised if advised < self.max_tokens else None

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Self:
        """Return the token usage that ``to_dict`` wrote, except for the rounding.

        Raises:
            ValueError: A number is missing or wrong; the message names each.
        """
        numbers: dict[str, Any] = {
            name: fields.get("over_reserved" if name == "unused" else name) for name in cls.__slots__
        }
        wrong = [f"{name}: got {value!r}" for name, value in numbers.items() if not _is_number(value)]
        if wrong:
            raise ValueError(f"tokens: {', '.join(wrong)}; accepted: finite numbers >= 0")
        return cls(**numbers)

    def to_dict(self) -> dict[str, int | float | None]:
        """Return the token usage for JSON."""
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


def _is_number(given: object) -> bool:
    return number("", given, least=0) is None  # pragma: no mutate - nobody reads the name
