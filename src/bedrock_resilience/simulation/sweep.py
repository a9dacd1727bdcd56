"""Sweeps: from ``workers=2,4,6,8`` to the trials that a table compares."""

from __future__ import annotations

import functools
import itertools
from typing import TYPE_CHECKING, Final

from bedrock_resilience.jitter import parse_jitter
from bedrock_resilience.pacing import AdaptivePacer, QuotaPacer
from bedrock_resilience.simulation.trials import Trial

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bedrock_resilience.simulation.driver import PacerFactory
    from bedrock_resilience.simulation.scenario import Scenario

PACERS: Final = ("none", "adaptive", "quota")
"""The pacers by their names on the command line."""

_SCENARIO_FIELDS: Final[Mapping[str, Callable[[str], object]]] = {
    "instances": int,
    "workers": int,
    "items": int,
    "offset": float,
    "latency": float,
}
_POLICY_FIELDS: Final[Mapping[str, Callable[[str], object]]] = {
    "max_retries": int,
    "base_delay": float,
    "multiplier": float,
    "max_delay": float,
    "jitter": parse_jitter,
    "retry_on": str,
}
_ACCEPTED: Final[Mapping[Callable[[str], object], str]] = {
    int: "a whole number",
    float: "a number",
    parse_jitter: "a jitter, such as full or additive:0.1",
}
_SHORT: Final = {"retries": "max_retries"}
FIELDS: Final = (*_SCENARIO_FIELDS, *_POLICY_FIELDS, "pacer")
"""What can be swept over."""


def make_pacer(name: str, scenario: Scenario) -> PacerFactory | None:
    """The factory of a pacer by its name: ``none``, ``adaptive``, or ``quota``, told its share of the quota.

    Raises:
        ValueError: Another name.
    """
    if name == "none":
        return None
    if name == "adaptive":
        return AdaptivePacer
    if name == "quota":
        return functools.partial(QuotaPacer, scenario.quota, 1 / scenario.instances)
    raise ValueError(f"pacer: got {name!r}; accepted: {', '.join(PACERS)}")


def parse_sweep(text: str) -> tuple[str, list[str]]:
    """The field and the values of ``workers=2,4,6,8``; ``retries`` is short for ``max_retries``.

    Raises:
        ValueError: No such field, or no values.
    """
    field, equals, values = (part.strip() for part in text.partition("="))
    field = _SHORT.get(field, field.replace("-", "_"))
    found = [value.strip() for value in values.split(",") if value.strip()]
    if not equals or field not in FIELDS or not found:
        raise ValueError(f"sweep: got {text!r}; accepted: <field>=<value>,<value>,... with one of {', '.join(FIELDS)}")
    return field, found


def sweep(base: Trial, axes: Mapping[str, Sequence[str]], *, pacer: str = "none") -> list[Trial]:
    """A trial for each combination of values.

    Args:
        base: What is varied.
        axes: Field to values, as ``parse_sweep`` gives them.
        pacer: The name of the pacer where the sweep is not over pacers.

    Raises:
        ValueError: A value that its field does not accept; the message names both.
    """
    trials: list[Trial] = []
    for values in itertools.product(*axes.values()):
        chosen = dict(zip(axes, values, strict=True))
        trials.append(_vary(base, chosen, chosen.get("pacer", pacer)))
    return trials


def _vary(base: Trial, chosen: Mapping[str, str], pacer: str) -> Trial:
    scenario = base.scenario.replace(**_read(chosen, _SCENARIO_FIELDS))
    policy = base.policy.replace(**_read(chosen, _POLICY_FIELDS))
    name = " ".join(f"{field}={value}" for field, value in chosen.items()) or base.name
    return Trial(name=name, scenario=scenario, policy=policy, pacer=make_pacer(pacer, scenario))


def _read(chosen: Mapping[str, str], fields: Mapping[str, Callable[[str], object]]) -> dict[str, object]:
    return {field: _read_one(field, value, fields[field]) for field, value in chosen.items() if field in fields}


def _read_one(field: str, value: str, read: Callable[[str], object]) -> object:
    try:
        return read(value)
    except ValueError:
        raise ValueError(f"sweep: {field}: got {value!r}; accepted: {_ACCEPTED[read]}") from None
