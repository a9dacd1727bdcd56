"""Sweeps: trials that vary fields, such as ``workers=2,4,6,8``."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience.pacing import AdaptivePacer, MemoryPaceStore, QuotaPacer, SharedPacer
from bedrock_resilience.retrying._jitter import parse_jitter
from bedrock_resilience.simulation._scenario import Tokens
from bedrock_resilience.simulation._service import MODEL
from bedrock_resilience.simulation._stores import SimulatedStore, StoreBoundPacer
from bedrock_resilience.simulation._trials import Trial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from bedrock_resilience.pacing import Pacer
    from bedrock_resilience.quotas import Quota
    from bedrock_resilience.simulation._driver import PacerFactory
    from bedrock_resilience.simulation._scenario import Scenario

PACERS: Final = ("none", "adaptive", "quota", "shared", "auto")
"""The names of the pacers on the command line."""

_SCENARIO_FIELDS: Final[Mapping[str, Callable[[str], object]]] = {
    "instances": int,
    "workers": int,
    "items": int,
    "offset": float,
    "latency": float,
    "reading": str,
}
_QUOTA_FIELDS: Final[Mapping[str, Callable[[str], object]]] = {"rpm": float, "burst": float, "tpm": float}
_QUOTA_NAMES: Final = {"rpm": "requests_per_minute", "burst": "burst", "tpm": "tokens_per_minute"}
_TOKEN_FIELDS: Final[Mapping[str, Callable[[str], object]]] = {"max_tokens": int}
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
_SHORT_NAMES: Final = {"retries": "max_retries"}
FIELDS: Final = (*_SCENARIO_FIELDS, *_QUOTA_FIELDS, *_TOKEN_FIELDS, *_POLICY_FIELDS, "pacer")
"""The fields that can be varied."""
_EPOCH: Final = 1_000.0  # the wall clock is not 0 when a simulation starts


def make_pacer(name: str, scenario: Scenario) -> PacerFactory | None:
    """The factory of a pacer by its name: ``none``, ``adaptive``, ``quota``, ``shared``, or ``auto``.

    ``quota`` uses the configured quota: an equal share for each instance, with a phase of its own. ``shared`` uses it,
    too, and keeps one rate for all instances in a store in memory, a new one for each simulation, which behaves as
    ``scenario.store`` says. ``auto`` uses no configured quota: several instances learn it together through such a
    store, and a single one learns it by itself. Call the factories once for each instance, in order.

    Raises:
        ValueError: Another name.
    """
    if name == "none":
        return None
    if name == "adaptive":
        return AdaptivePacer
    if name == "quota":
        return _shares(scenario)
    if name == "auto" and scenario.instances == 1:
        return _local_learner
    if name in {"shared", "auto"}:
        return _one_store(scenario, None if name == "auto" else scenario.quota)
    raise ValueError(f"pacer: got {name!r}; accepted: {', '.join(PACERS)}")


def _shares(scenario: Scenario) -> PacerFactory:
    numbers = itertools.cycle(range(scenario.instances))

    def make() -> QuotaPacer:
        return QuotaPacer(scenario.quota, 1 / scenario.instances, next(numbers) / scenario.instances)

    make.__name__ = QuotaPacer.__name__  # its name in the report
    return make


def _local_learner() -> Pacer:
    return AdaptivePacer()


_local_learner.__name__ = "auto"  # its name in the report


def _one_store(scenario: Scenario, quota: Quota | None) -> PacerFactory:
    conditions = scenario.store
    numbers = itertools.cycle(range(scenario.instances))
    store = MemoryPaceStore()

    def make() -> StoreBoundPacer:
        nonlocal store
        number = next(numbers)
        if number == 0:
            store = MemoryPaceStore()
        view = SimulatedStore(store, conditions)
        ahead = _EPOCH + number * conditions.skew
        pacer = SharedPacer(view, MODEL, quota, instance=str(number), shared_time=lambda now: ahead + now)
        return StoreBoundPacer(pacer, view)

    make.__name__ = SharedPacer.__name__ if quota else "auto"  # its name in the report
    return make


def parse_sweep(text: str) -> tuple[str, list[str]]:
    """The field and the values of ``workers=2,4,6,8``; ``retries`` is short for ``max_retries``.

    Raises:
        ValueError: No such field, or no values.
    """
    field, equals, values = (part.strip() for part in text.partition("="))
    field = _SHORT_NAMES.get(field, field.replace("-", "_"))
    found = [value.strip() for value in values.split(",") if value.strip()]
    if not equals or field not in FIELDS or not found:
        raise ValueError(f"sweep: got {text!r}; accepted: <field>=<value>,<value>,... with one of {', '.join(FIELDS)}")
    return field, found


def parse_sweeps(texts: Iterable[str]) -> dict[str, list[str]]:
    """The axes of several sweeps, for ``sweep``.

    Raises:
        ValueError: A text is no sweep, or two are over the same field.
    """
    axes: dict[str, list[str]] = {}
    for text in texts:
        field, values = parse_sweep(text)
        if field in axes:
            raise ValueError(f"sweep: got {field} twice; accepted: {field}={','.join([*axes[field], *values])}")
        axes[field] = values
    return axes


def sweep(base: Trial, axes: Mapping[str, Sequence[str]], *, pacer: str = "none") -> list[Trial]:
    """A trial for each combination of values.

    Args:
        base: The trial that is varied.
        axes: Field to values, as ``parse_sweeps`` returns them.
        pacer: The name of the pacer if the sweep is not over pacers.

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
    quota: Any = {_QUOTA_NAMES[field]: value for field, value in _read(chosen, _QUOTA_FIELDS).items()}
    tokens: Any = _read(chosen, _TOKEN_FIELDS)
    if quota:
        scenario = scenario.replace(quota=dataclasses.replace(scenario.quota, **quota))
    if tokens or scenario.quota.tokens_per_minute is not None:
        scenario = scenario.replace(tokens=dataclasses.replace(scenario.tokens or Tokens(), **tokens))
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
