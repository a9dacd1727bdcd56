"""``SimulatedBedrock``: the service as a quota and a latency, in virtual time."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final, NamedTuple

from bedrock_resilience._fault import Fault
from bedrock_resilience.quotas import Limit, QuotaLedger, RequestTokens, Usage, burndown_rate, max_output_tokens

if TYPE_CHECKING:
    import random

    from bedrock_resilience.clock import Clock
    from bedrock_resilience.simulation._scenario import Scenario

MODEL: Final = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"


class RefusedError(Exception):
    """The simulated service refused a request, with the message of Bedrock, or cut its response short.

    ``classify`` reads the reason from ``fault``; ``limit`` is the quota that refused it, if one did; ``body`` is the
    response that was cut short.
    """

    def __init__(self, fault: Fault, limit: Limit | None = None, body: object = None) -> None:
        super().__init__(fault.value if limit is None else _MESSAGES[limit])
        self.fault = fault
        self.limit = limit
        self.body = body


_MESSAGES: Final = {
    Limit.REQUESTS_PER_MINUTE: "Too many requests, please wait before trying again.",
    Limit.TOKENS_PER_MINUTE: "Too many tokens, please wait before trying again.",
    Limit.TOKENS_PER_DAY: "Too many tokens per day, please wait before trying again.",
    Limit.INPUT_TOKENS_PER_MINUTE: "Too many tokens, please wait before trying again.",
}


class SimulatedRequest(NamedTuple):
    """One request that arrived at the service.

    Attributes:
        at: Time of its arrival, in seconds.
        instance: The number of its sender, from 0.
        refused: Why it was refused; None if it was admitted.
        pace: Requests per minute that the sender's pacer allowed at that time; None for pacers without a rate.
    """

    at: float
    instance: int
    refused: Fault | None
    pace: float | None


class SimulatedItem(NamedTuple):
    """An item, of which only the size matters.

    Attributes:
        number: Its index among the items of its instance, from 0.
        tokens: The tokens of its request; None if only requests are counted.
    """

    number: int
    tokens: RequestTokens | None


class SimulatedBedrock:
    """Admits requests by the production ``QuotaLedger`` and answers them after the scenario's latency."""

    def __init__(self, scenario: Scenario, clock: Clock, rng: random.Random) -> None:
        self._scenario = scenario
        self._clock = clock
        self._rng = rng
        reading = scenario.quota_reading
        seed = 0 if reading.tenants is None else rng.getrandbits(32)
        self.ledger: QuotaLedger = QuotaLedger(scenario.quota, reading=reading, start=0.0, seed=seed)
        self.requests: list[SimulatedRequest] = []
        self.settled: float = 0.0
        """Tokens of quota that the answered requests took."""

    def items(self, rng: random.Random) -> list[SimulatedItem]:
        """The items of one instance."""
        return [self._item(index, rng) for index in range(self._scenario.items)]

    async def answer(self, instance: int, item: SimulatedItem, pace: float | None) -> dict[str, dict[str, int]]:
        """Answer one request, or refuse it.

        Raises:
            RefusedError: The quota is used up, or the service is overloaded; or a quota of output tokens was used up
                and has cut the response short.
        """
        await self._clock.asleep(self._scenario.network * self._rng.random())
        now = self._clock.monotonic()
        refused = self._overloaded(now)
        admission = None
        if refused is None:
            admission = self.ledger.admit(now, MODEL, item.tokens.reserved if item.tokens else 0)
            refused = None if admission.admitted else Fault.THROTTLING
        self.requests.append(SimulatedRequest(now, instance, refused, pace))
        if admission is None or refused is not None:
            await self._clock.asleep(self._scenario.refusal)
            raise RefusedError(refused or Fault.OVERLOADED, admission.throttled_by if admission else None)
        await self._clock.asleep(self._scenario.draw_latency(self._rng))
        tokens = self._scenario.tokens
        usage = Usage(item.tokens.input_tokens, tokens.output) if item.tokens and tokens else Usage(0, 0)
        generated = self.ledger.generate(admission, self._clock.monotonic(), usage.output_tokens)
        incomplete = generated < usage.output_tokens
        usage = dataclasses.replace(usage, output_tokens=generated)
        self.settled += self.ledger.settle(admission, self._clock.monotonic(), usage)
        counts = {"inputTokens": usage.input_tokens, "outputTokens": usage.output_tokens}
        if incomplete:
            raise RefusedError(Fault.INCOMPLETE_RESPONSE, body={"usage": counts, "stop_reason": "max_tokens"})
        return {"usage": counts}

    async def change_quotas(self) -> None:
        """Apply the scenario's later quotas, each at its time."""
        for change in self._scenario.changes:
            await self._clock.asleep(change.at - self._clock.monotonic())
            self.ledger.change(change.quota, self._clock.monotonic())

    def _item(self, index: int, rng: random.Random) -> SimulatedItem:
        tokens = self._scenario.tokens
        if tokens is None:
            return SimulatedItem(index, None)
        given = rng.randint(tokens.least, tokens.most)
        maximum = max_output_tokens(MODEL)
        endpoint = self._scenario.quota.endpoint
        return SimulatedItem(index, RequestTokens(given, tokens.max_tokens, burndown_rate(MODEL), maximum, endpoint))

    def _overloaded(self, now: float) -> Fault | None:
        spans = self._scenario.overloads
        return Fault.SERVICE_UNAVAILABLE if any(start <= now < end for start, end in spans) else None
