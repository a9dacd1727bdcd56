"""The exception that an argument check must raise for a wrong value."""

from __future__ import annotations


def refusal_of(given: object, *kinds: type) -> type[TypeError | ValueError]:
    """A ``TypeError`` for a value of another type than ``kinds`` or a bool, a ``ValueError`` for one of them."""
    return ValueError if isinstance(given, kinds) and not isinstance(given, bool) else TypeError
