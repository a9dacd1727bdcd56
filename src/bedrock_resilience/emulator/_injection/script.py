"""Which requests meet a fault: scripted ones, in order, and a random share of the others."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Final

from bedrock_resilience._checks import number, refuse, wrong_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bedrock_resilience.emulator._http.routes import Operation
    from bedrock_resilience.emulator._injection.injected_fault import InjectedFault


@dataclass(frozen=True, slots=True)
class FaultTarget:
    """What rules are compared with: one request."""

    operation: Operation
    model_id: str
    text: str
    streams: bool


@dataclass(slots=True)
class Rule:
    """A fault and the requests that have it.

    Attributes:
        fault: The fault of these requests.
        remaining: How many more requests have it; None for all.
        operation: Only requests of this operation.
        model: Only requests whose model id contains this.
        containing: Only requests whose body contains this text.
    """

    fault: InjectedFault
    remaining: int | None = 1
    operation: Operation | None = None
    model: str | None = None
    containing: str | None = None

    def matches(self, target: FaultTarget) -> bool:
        """Whether the request meets the fault."""
        return (
            (target.streams or not self.fault.streams_only)
            and self.operation in {None, target.operation}
            and (self.model or "") in target.model_id
            and (self.containing or "") in target.text
        )


class FaultScript:
    """Rules, tried in the order in which they were added, then random faults. Thread-safe.

    Args:
        seed: Seed of the random numbers; the same requests in the same order meet the same faults.
    """

    def __init__(self, seed: int = 0) -> None:
        self._seed: Final = seed
        self._rng = Random(seed)  # noqa: S311 - faults that can be reproduced, nothing secret
        self._rules: list[Rule] = []
        self._rate = 0.0
        self._faults: tuple[InjectedFault, ...] = ()
        self._lock = threading.Lock()

    @property
    def pending(self) -> int:
        """Requests that are still to meet a scripted fault, without rules for all requests."""
        with self._lock:
            return sum(rule.remaining or 0 for rule in self._rules)

    def add(self, rule: Rule) -> None:
        """Add a rule."""
        with self._lock:
            self._rules.append(rule)

    def set_random(self, rate: float, faults: Sequence[InjectedFault]) -> None:
        """Let a random share of the requests meet one of these faults, each as likely as the others.

        Raises:
            TypeError: The rate is not a number.
            ValueError: The rate is not from 0 to 1, or there is no fault for a rate above 0.
        """
        refuse(
            "fail_randomly",
            number("rate", rate, least=0.0, most=1.0),
            wrong_value("errors", (), "at least one") if rate and not faults else None,
        )
        with self._lock:
            self._rate, self._faults = rate, tuple(faults)

    def next_fault(self, target: FaultTarget) -> InjectedFault | None:
        """The fault that this request meets, if any."""
        with self._lock:
            for rule in self._rules:
                if rule.matches(target):
                    if rule.remaining is not None:
                        rule.remaining -= 1
                    if rule.remaining == 0:
                        self._rules.remove(rule)
                    return rule.fault
            return self._random_fault(target)

    def _random_fault(self, target: FaultTarget) -> InjectedFault | None:
        if not self._rate or self._rng.random() >= self._rate:
            return None
        possible = [fault for fault in self._faults if target.streams or not fault.streams_only]
        return possible[int(self._rng.random() * len(possible))] if possible else None

    def clear(self) -> None:
        """Remove all rules and random faults, and restart the random numbers."""
        with self._lock:
            self._rules.clear()
            self._rate, self._faults = 0.0, ()
            self._rng.seed(self._seed)
