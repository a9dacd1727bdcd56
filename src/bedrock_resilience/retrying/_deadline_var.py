"""The deadline of the enclosing call, for each thread and task.

It stands apart from ``deadline``, on the lowest floor, so that a call need not load that module to see that there is
none.
"""

from __future__ import annotations

from contextvars import ContextVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

enclosing: ContextVar[Any] = ContextVar("bedrock_resilience_deadline", default=None)  # a Deadline, or None
