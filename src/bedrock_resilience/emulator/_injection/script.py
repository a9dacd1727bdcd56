"""Which requests go wrong: scripted ones, in order, and a random share of the others."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Final

from bedrock_resilience.emulator._protocol.jsonvalues import is_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bedrock_resilience.emulator._http.routes import Operation
    from bedrock_resilience.emulator._injection.fault_injection import FaultInjection


@dataclass(frozen=True, slots=True)
class Target:
    """What a script looks at to decide whether a rule is for this request."""

    operation: Operation
    model_id: str
    text: str


@dataclass(slots=True)
class Rule:
    """A fault and the requests it is for.

    Attributes:
        fault: what goes wrong.
        left: how many requests it still waits for; None for ever.
        operation: only requests of this operation.
        model: only requests whose model id contains this.
        containing: only requests whose body contains this text.
    """

    fault: FaultInjection
    left: int | None = 1
    operation: Operation | None = None
    model: str | None = None
    containing: str | None = None

    def fits(self, target: Target) -> bool:
        """Whether the rule is for this request."""
        return (
            (target.operation.streams or not self.fault.streams_only)
            and self.operation in {None, target.operation}
            and (self.model or "") in target.model_id
            and (self.containing or "") in target.text
        )


class FaultScript:
    """Rules, tried in the order in which they were added, then chance. Thread-safe.

    Args:
        seed: of the random numbers; the same requests in the same order meet the same faults.
    """

    def __init__(self, seed: int = 0) -> None:
        self._seed: Final = seed
        self._rng = Random(seed)  # noqa: S311 - faults to be reproduced, nothing secret
        self._rules: list[Rule] = []
        self._rate = 0.0
        self._faults: tuple[FaultInjection, ...] = ()
        self._lock = threading.Lock()

    @property
    def pending(self) -> int:
        """Requests that rules with a number still wait for."""
        with self._lock:
            return sum(rule.left or 0 for rule in self._rules)

    def add(self, rule: Rule) -> None:
        """Script one more rule.

        Raises:
            ValueError: a rule for fewer than one request.
        """
        if rule.left is not None and rule.left < 1:
            raise ValueError(f"n: got {rule.left!r}; accepted: an integer >= 1, or None for every request from now on")
        with self._lock:
            self._rules.append(rule)

    def randomly(self, rate: float, faults: Sequence[FaultInjection]) -> None:
        """Let a share of the requests, chosen by chance, meet one of these faults, each as likely as the others.

        Raises:
            ValueError: a rate outside 0 to 1, or no fault for a rate above 0.
        """
        if not is_number(rate) or not 0 <= rate <= 1:
            raise ValueError(f"rate: got {rate!r}; accepted: 0 to 1")
        if rate and not faults:
            raise ValueError("errors: got none; accepted: at least one")
        with self._lock:
            self._rate, self._faults = rate, tuple(faults)

    def take(self, target: Target) -> FaultInjection | None:
        """The fault this request meets, if any."""
        with self._lock:
            for rule in self._rules:
                if rule.fits(target):
                    if rule.left is not None:
                        rule.left -= 1
                    if rule.left == 0:
                        self._rules.remove(rule)
                    return rule.fault
            return self._by_chance(target)

    def _by_chance(self, target: Target) -> FaultInjection | None:
        if not self._rate or self._rng.random() >= self._rate:
            return None
        possible = [fault for fault in self._faults if target.operation.streams or not fault.streams_only]
        return possible[int(self._rng.random() * len(possible))] if possible else None

    def clear(self) -> None:
        """Forget all rules and chances, and start the random numbers anew."""
        with self._lock:
            self._rules.clear()
            self._rate, self._faults = 0.0, ()
            self._rng.seed(self._seed)
