"""JSON Schema validation, reduced to the one question that tests ask."""

from __future__ import annotations

from typing import Any, Protocol, cast

import jsonschema


class _Validator(Protocol):
    """The part of a jsonschema validator that is used here; its stubs leave an overload untyped."""

    def is_valid(self, instance: object, /) -> bool: ...


def conforms(instance: object, schema: dict[str, Any]) -> bool:
    """Whether ``instance`` is valid under ``schema`` (draft 2020-12)."""
    return cast("_Validator", jsonschema.Draft202012Validator(schema)).is_valid(instance)
