"""Gives one object a method of its own: a new subclass of its class takes the place of its class."""

from __future__ import annotations

from typing import Any


def with_base(cls: type, base: type) -> type:
    """Return a subclass of a class that has this base before it, under the same name.

    The base must not have ``__slots__``: an object may only change between classes of the same layout.
    """
    body = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__}
    return type(cls.__name__, (base, cls), body)


def add_base(target: Any, base: type) -> None:  # noqa: ANN401 - of any class
    """Give an object a class with this base before its own, unless it has it already."""
    if not isinstance(target, base):
        target.__class__ = with_base(target.__class__, base)


def remove_base(target: Any, base: type) -> None:  # noqa: ANN401 - of any class
    """Undo ``add_base``. If the class was changed again since, it stays, and behaves as without the base."""
    bases = target.__class__.__bases__
    if bases[0] is base:
        target.__class__ = bases[1]
