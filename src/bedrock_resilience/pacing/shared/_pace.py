"""``SharedPace``: the state that instances share, as a value and as JSON."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

_RECOVERY_SECONDS: Final = 240.0
"""Time in which the pace grows from nothing to all of the quota: flat at first, then ever faster, as CUBIC does (RFC
9438), so that a wrong quota is probed rarely and one that is right again is used soon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceShare:
    """The part of the shared state about one instance. Instants are seconds of the shared clock.

    Attributes:
        sequence: The number of its last update that the state contains. An instance whose write was lost or answered
            with an error finds here whether it took effect.
        at: When that update was made.
        used: What it has booked, in seconds of the quota, counted from the least that a waiting instance has booked.
        waits_until: Until when it counts as an instance with waiting requests.
    """

    sequence: int = 0
    at: float = 0.0
    used: float = 0.0
    waits_until: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedPace:
    """The state that the instances share. Instants are seconds of the shared clock; 0 is long ago.

    Attributes:
        revision: Raised by 1 with every change, so that of two changes of the same state only one is made. 0: nothing
            is stored yet.
        at: When it was changed last.
        requests_next_free_at: The end of what is booked of the requests.
        tokens_next_free_at: The end of what is booked of the tokens a minute.
        day_next_free_at: The end of what is booked of the tokens a day.
        granted: Requests booked so far, without those whose refusal lowered the pace.
        factor: The pace over the quota, at ``cut_at``; 1 unless something was refused.
        cut_at: When the pace was lowered last.
        granted_at_cut: ``granted`` at that time.
        instances: The instances that took part in the last minutes, by their id.
        limits: How the limits of a quota that was given were used and refused, as JSON; see ``BookedLimit``.
        learned: What was learned of a quota that was not given, as JSON; empty if nothing was.
    """

    revision: int = 0
    at: float = 0.0
    requests_next_free_at: float = 0.0
    tokens_next_free_at: float = 0.0
    day_next_free_at: float = 0.0
    granted: float = 0.0
    factor: float = 1.0
    cut_at: float = 0.0
    granted_at_cut: float = 0.0
    instances: Mapping[str, InstanceShare] = field(default_factory=dict[str, InstanceShare])
    limits: Mapping[str, Any] = field(default_factory=dict[str, Any])
    learned: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def factor_at(self, now: float) -> float:
        """Return the pace over the quota, at this instant."""
        return min(1.0, self.factor + (max(0.0, now - self.cut_at) / _RECOVERY_SECONDS) ** 3)


NUMBERS: Final = tuple(
    each.name
    for each in dataclasses.fields(SharedPace)
    if each.name not in {"revision", "instances", "limits", "learned"}
)
"""The fields that are floats."""


def to_json(pace: SharedPace) -> dict[str, Any]:
    """Return a pace as JSON types, without what has its default."""
    return {
        "revision": pace.revision,
        **{name: getattr(pace, name) for name in NUMBERS},
        **details_to_json(pace),
    }


def details_to_json(pace: SharedPace) -> dict[str, Any]:
    """Return the fields that are not numbers, as JSON types."""
    instances = {name: dataclasses.asdict(share) for name, share in pace.instances.items()}
    return {"instances": instances, "limits": dict(pace.limits), "learned": dict(pace.learned)}


def from_json(value: object) -> SharedPace:
    """Return the pace that ``to_json`` described. Fields of other versions are ignored.

    Raises:
        ValueError: It is not the description of a pace.
    """
    try:
        fields = cast("Mapping[str, Any]", value)
        numbers: dict[str, Any] = {name: float(fields[name]) for name in NUMBERS}
        return SharedPace(revision=int(fields["revision"]), **numbers, **details_from_json(fields))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(repr(error)) from error


def details_from_json(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of ``SharedPace`` that ``details_to_json`` described."""
    instances = {
        str(name): InstanceShare(
            sequence=int(share["sequence"]),
            at=float(share["at"]),
            used=float(share["used"]),
            waits_until=float(share["waits_until"]),
        )
        for name, share in fields.get("instances", {}).items()
    }
    limits, learned = dict(fields.get("limits", {})), dict(fields.get("learned", {}))
    return {"instances": instances, "limits": limits, "learned": learned}
