"""``TokenCosts``: what requests cost of the tokens of a quota, in a pacer that has one bucket for them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from bedrock_resilience.quotas import settled_tokens

if TYPE_CHECKING:
    from bedrock_resilience.quotas import Quota, Usage

_INITIAL_RATIO: Final = 1.5
"""Expected cost of a call over its reservation before any call was answered: 3,000 tokens in and 600 of 1,000 out at a
burndown of 5 reserve 4,000 and cost 6,000.
"""
_DECAY: Final = 0.01
"""Share by which that ratio moves down with each call that cost less."""


_DEFAULT_BURNDOWN: Final = 5.0
"""The burndown of a request whose model is not known: that of Claude 3.7 to 4.7."""


class TokenCosts:
    """What a request costs of a quota, as expected before it is sent and as counted after it. Not thread-safe.

    The two quotas of ``bedrock-mantle`` become one. A request takes of each as many seconds as the quota needs to
    refill what it uses; it is counted with the longer of the two, so that neither quota is exceeded.

    Args:
        quota: The quota of the pacer.
        burndown: Tokens of quota that an output token costs on ``bedrock-runtime``; None: as each request says, and 5
            where it says nothing.

    Attributes:
        quota: The quota with all tokens of a minute in ``tokens_per_minute``.
        ratio: The expected cost of a request over its reservation: what calls turned out to cost, at least 1.
    """

    __slots__ = ("_burndown", "_most", "_output_weight", "_warned", "quota", "ratio")

    def __init__(self, quota: Quota, burndown: float | None) -> None:
        self._burndown = burndown
        self._output_weight = 0.0
        self._warned = quota.tokens_per_minute is None and quota.tokens_per_day is None  # there is nothing to warn of
        self._most = min(quota.tokens_per_minute or math.inf, quota.tokens_per_day or math.inf)
        self.quota: Quota = quota
        self.ratio: float = max(1.0, min(_INITIAL_RATIO, _DEFAULT_BURNDOWN if burndown is None else burndown))
        if quota.endpoint == "bedrock-mantle":
            from bedrock_resilience.quotas import Quota  # noqa: PLC0415 - a pacer that learns needs no Quota

            given, output = quota.input_tokens_per_minute, quota.output_tokens_per_minute
            tokens = given or output
            self._burndown = 1.0
            self._output_weight = 1.0 if output is None or tokens is None else tokens / output
            self.quota = Quota(tokens_per_minute=tokens)
            self._warned = False  # pragma: no mutate - as good as None
            # Output beyond its quota cuts responses short, which is worse than a wait: a request may be all output.
            self.ratio = max(1.0, self._output_weight)

    def expected(self, tokens: int, burndown: float | None = None) -> float:
        """Return the tokens that a request with this reservation is expected to cost.

        The first request without a reservation is logged as a WARNING: the quota of tokens isn't kept. So is the first
        one that reserves more than the whole quota: it is never admitted.

        Args:
            tokens: Its reservation.
            burndown: That of its model; None: not known.
        """
        if not tokens and not self._warned:
            self._warned = True  # every further call would say the same
            _warn_of_missing_tokens()
        if tokens > self._most:
            _warn_of_too_many_tokens(tokens, self.quota)
            self._most = math.inf  # it is logged once
        ratio = self.ratio
        if burndown is not None and self._burndown is None:
            # Every token of a request counts at most so many times, whatever requests of other models cost.
            ratio = min(ratio, max(1.0, burndown))
        return tokens * ratio

    def of(self, usage: Usage, burndown: float | None = None) -> float:
        """Return the tokens that an answered request cost; ``burndown`` is that of its model, None: not known."""
        if self._burndown is not None:
            burndown = self._burndown
        elif burndown is None:
            burndown = _DEFAULT_BURNDOWN
        return max(settled_tokens(usage, burndown), self._output_weight * usage.output_tokens)

    def learn(self, cost: float, reserved: int) -> None:
        """Correct the expectation by an answered request."""
        if reserved > 0:
            needed = max(1.0, cost / reserved)
            self.ratio = max(needed, self.ratio + _DECAY * (needed - self.ratio))


def _warn_of_too_many_tokens(tokens: int, quota: Quota) -> None:
    import logging  # noqa: PLC0415 - only such a call needs it

    minute, day = quota.tokens_per_minute, quota.tokens_per_day
    limit = f"{minute:,.0f} tokens a minute" if minute is not None and tokens > minute else f"{day:,.0f} tokens a day"
    logging.getLogger("bedrock_resilience").warning(
        "A request reserves %s tokens (input + max_tokens), and the quota of the pacer has %s. Bedrock throttles it "
        "however long it waits, unless the quota of the account is larger. Lower max_tokens, or shorten the input.",
        f"{tokens:,}",
        limit,
    )


def _warn_of_missing_tokens() -> None:
    import logging  # noqa: PLC0415 - only a call without tokens needs it

    logging.getLogger("bedrock_resilience").warning(
        "A pacer with a quota of tokens reserves 0 tokens for a request, so this quota is not kept. Pass tokens= to "
        "the retrier or the executor: the tokens of a request (input + max_tokens), or a function that returns them, "
        "such as quotas.request_tokens."
    )
