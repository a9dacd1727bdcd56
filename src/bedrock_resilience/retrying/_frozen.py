"""Frozen: the base of the values that the retry core is made of.

``dataclasses`` would say the same in fewer lines, but importing it costs about half of what importing tenacity costs
(it pulls in ``inspect``, ``re`` and ``typing``), and Lambda charges for imports at every cold start. So the few values
that stand on the import path of ``RetryPolicy`` share this base instead.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn, Self


class Frozen:
    """A value: its fields are set once, compared by value, shown by ``repr`` and changed by ``replace``.

    A subclass names its fields in ``__match_args__`` and sets them in ``__init__`` through ``_set``.
    """

    __slots__ = ()

    def _set(self, **fields: object) -> None:
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is frozen: use .replace({name}=...) to get a changed copy")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is frozen: its field {name!r} cannot be deleted")

    def _values(self) -> dict[str, object]:
        fields: tuple[str, ...] = getattr(self, "__match_args__", ())
        return {name: getattr(self, name) for name in fields}

    def replace(self, **changes: Any) -> Self:  # noqa: ANN401 - each field has its own type, checked by __init__
        """A copy with some fields changed.

        Raises:
            TypeError: a name that is no field.
            ValueError: a value that the field does not accept.
        """
        return type(self)(**{**self._values(), **changes})

    __replace__ = replace  # copy.replace(), Python 3.13

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash((type(self), *self._values().values()))

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self._values().items())
        return f"{type(self).__name__}({shown})"

    def __reduce__(self) -> tuple[Callable[..., Self], tuple[type[Self], dict[str, object]]]:
        return _rebuild, (type(self), self._values())  # type: ignore[return-value]  # _rebuild is generic in the class


def _rebuild(cls: Callable[..., Frozen], fields: dict[str, object]) -> Frozen:
    return cls(**fields)
