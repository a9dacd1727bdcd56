"""Readings: the ways in which a service may enforce a quota "per minute".

AWS does not say how Bedrock enforces one. A ``QuotaReading`` is one possible answer, as data. ``QuotaLedger``, the
emulator, the simulator and the benchmarks enforce a quota under any of them. Each has a name, such as ``fixed`` or
``sliding+refusals-count``.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, cast, get_args

from bedrock_resilience._checks import Problem, instance, number, refusal, refuse, wrong_type, wrong_value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Window = Literal["bucket", "refill", "fixed", "sliding"]
_WINDOWS: Final[tuple[str, ...]] = get_args(Window)
_MINUTE: Final = 60.0
_STEP_FIELDS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherTenants:
    """Other callers of the same quota, which use a share of it that varies as a sine.

    Their requests arrive at random times. One that does not fit is refused and is not sent again.

    Args:
        share: The mean share of the quota that they request.
        swing: The share differs from the mean by so much at most.
        period: Seconds from one peak to the next.

    Raises:
        TypeError: A field is not a number.
        ValueError: ``share`` is not from 0 to 1, ``swing`` exceeds ``share``, or ``period`` is not positive.
    """

    share: float = 0.3
    swing: float = 0.2
    period: float = 240.0

    def __post_init__(self) -> None:
        share = number("share", self.share, least=0, most=1)
        swing = number("swing", self.swing, least=0)
        if share is None and swing is None and self.swing > self.share:
            swing = wrong_value("swing", self.swing, f"no more than share ({self.share})")
        refuse("OtherTenants", share, swing, number("period", self.period, above=0, unit="seconds"))

    def share_at(self, seconds: float) -> float:
        """Return the share that they ask for, so many seconds after the start."""
        return self.share + self.swing * math.sin(2 * math.pi * seconds / self.period)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaReading:
    """How a service enforces quotas "per minute", of requests and of tokens alike. Quotas per day are not concerned.

    Args:
        window: ``bucket``: a token bucket that is refilled evenly. ``refill``: a bucket to which a minute's quota is
            added at once, each minute. ``fixed``: a minute's quota in each of the minutes of a clock. ``sliding``: a
            minute's quota in any 60 seconds.
        burst: With ``bucket``: requests that may be sent at once; None: as the quota says.
        token_burst: With ``bucket``: tokens that may be used at once; None: a minute's. A request that reserves more is
            never admitted.
        phase: With ``refill`` and ``fixed``: seconds from the start to the first new minute, 0 to 60.
        refusals_count: Whether a refused request counts as an admitted one does. What refusals cost together never
            exceeds a minute's quota, so that a sender that stops for two minutes is always admitted again.
        schedule: Steps (seconds since the start, factor), in order: from each step on, the quota is multiplied with its
            factor.
        tenants: Other callers of the same quota; None: there are none.

    Raises:
        TypeError: A field has the wrong type.
        ValueError: A field is out of range, or does not apply to the window.
    """

    window: Window = "bucket"
    burst: float | None = None
    token_burst: float | None = None
    phase: float = 0.0
    refusals_count: bool = False
    schedule: tuple[tuple[float, float], ...] = ()
    tenants: OtherTenants | None = None

    def __post_init__(self) -> None:
        known = self.window in _WINDOWS
        bursts = {
            name: number(name, getattr(self, name), least=1, optional=True)
            or self._misplaced(name, None, self.window == "bucket" or not known)
            for name in ("burst", "token_burst")
        }
        refuse(
            "QuotaReading",
            None if known else wrong_value("window", self.window, ", ".join(_WINDOWS)),
            *bursts.values(),
            number("phase", self.phase, least=0, most=_MINUTE, unit="seconds")
            or self._misplaced("phase", 0, self.window in {"refill", "fixed"} or not known),
            instance("refusals_count", self.refusals_count, bool, "True or False"),
            _schedule_problem(self.schedule),
            instance("tenants", self.tenants, OtherTenants, "OtherTenants, or None", optional=True),
        )
        object.__setattr__(self, "schedule", tuple(self.schedule))

    def _misplaced(self, name: str, default: object, applies: bool) -> Problem | None:  # noqa: FBT001 - one private caller
        given = getattr(self, name)
        return None if applies or given == default else wrong_value(name, given, f"{default} with {self.window}")

    def factor_at(self, seconds: float) -> float:
        """Return the factor of the schedule, so many seconds after the start; 1 before its first step."""
        return next((factor for at, factor in reversed(self.schedule) if at <= seconds), 1.0)

    def replace(self, **changes: object) -> QuotaReading:
        """Return a copy with these fields changed, validated again."""
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]  # its constructor checks them

    def __str__(self) -> str:
        """Its name, as ``quota_reading`` takes it; fields that no name can express are left out."""
        parts = [self.window + (f":{self._parameter:g}" if self._parameter else "")]
        if self.refusals_count:
            parts.append("refusals-count")
        if self.schedule:
            parts.append("halved" if self.schedule == _HALVED else "schedule")
        if self.tenants is not None:
            parts.append("other-tenants" + ("" if self.tenants == OtherTenants() else f":{self.tenants.share:g}"))
        return "+".join(parts)

    @property
    def _parameter(self) -> float:
        return (self.burst or 0.0) if self.window == "bucket" else self.phase


def _schedule_problem(given: object) -> Problem | None:
    accepted = "steps (seconds, factor), in order, with seconds >= 0 and factors > 0"
    try:
        steps = [tuple(step) for step in cast("tuple[tuple[float, float], ...]", given)]
    except TypeError:
        return wrong_type("schedule", given, accepted)
    if any(len(step) != _STEP_FIELDS for step in steps):
        return wrong_value("schedule", given, accepted)
    for at, factor in steps:
        problem = number("schedule", at, least=0) or number("schedule", factor, above=0)
        if problem is not None:
            return problem
    in_order = all(before[0] < after[0] for before, after in itertools.pairwise(steps))
    return None if in_order else wrong_value("schedule", given, accepted)


_HALVED: Final = ((60.0, 0.5), (180.0, 1.0))

READINGS: Final[Mapping[str, QuotaReading]] = MappingProxyType(
    {
        "bucket": QuotaReading(),
        "bucket-of-1": QuotaReading(burst=1.0),
        "refill": QuotaReading(window="refill"),
        "fixed": QuotaReading(window="fixed"),
        "sliding": QuotaReading(window="sliding"),
        "refusals-count": QuotaReading(refusals_count=True),
        "halved": QuotaReading(schedule=_HALVED),
        "other-tenants": QuotaReading(tenants=OtherTenants()),
    }
)
"""The readings that have a name. The last three change one thing each, and combine with the others."""

_NAMES: Final = ", ".join(READINGS)

_PARAMETERS: Final[Mapping[str, Callable[[float], dict[str, object]]]] = {
    "bucket": lambda value: {"burst": value},
    "refill": lambda value: {"phase": value},
    "fixed": lambda value: {"phase": value},
    "other-tenants": lambda value: {"tenants": OtherTenants(share=value, swing=min(value, OtherTenants().swing))},
}


def quota_reading(given: QuotaReading | str) -> QuotaReading:
    """Return the reading of this name.

    A number after a colon sets the burst of ``bucket``, the phase of ``refill`` and ``fixed`` (seconds) or the share of
    ``other-tenants``. A plus sign joins a window with ``refusals-count``, ``halved`` and ``other-tenants``.

    >>> quota_reading("fixed:30+refusals-count").phase
    30.0

    Raises:
        TypeError: Neither a name nor a ``QuotaReading``.
        ValueError: No such name, or a number that it does not take.
    """
    accepted = f"a QuotaReading, or {_NAMES}, joined by +"
    refuse("quota_reading", instance("reading", given, (QuotaReading, str), accepted))
    if isinstance(given, QuotaReading):
        return given
    changes: dict[str, object] = {}
    for part in given.split("+"):
        found = _fields(given, part.strip())
        if changes.keys() & found.keys():
            raise refusal("quota_reading", wrong_value("reading", given, f"{_NAMES}, each once, and one window"))
        changes.update(found)
    return QuotaReading(**changes)  # type: ignore[arg-type]  # its constructor checks them


def _fields(given: str, part: str) -> dict[str, object]:
    name, colon, text = part.partition(":")
    reading = READINGS.get(name)
    problem = refusal("quota_reading", wrong_value("reading", given, f"{_NAMES}, joined by +"))
    if reading is None or (colon and name not in _PARAMETERS):
        raise problem
    changed = {
        field.name: value
        for field in dataclasses.fields(QuotaReading)
        if (value := getattr(reading, field.name)) != field.default or (field.name == "window" and name in _WINDOWS)
    }
    if colon:
        try:
            changed |= _PARAMETERS[name](float(text))
        except ValueError:
            raise problem from None
    return changed
