"""What can go wrong, seen from the service: a step between making a reply and sending it."""

from __future__ import annotations

import abc
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from bedrock_resilience.emulator._http.replies import Reply

MakeReply: TypeAlias = Callable[[], Reply]


@dataclass(frozen=True, slots=True)
class FaultInjection(abc.ABC):
    """Something that goes wrong with one request; every kind is a frozen value.

    Attributes:
        streams_only: whether it can only happen to an event stream; other requests are then left alone.
        harmless: whether the client gets its whole answer nevertheless.
    """

    streams_only: ClassVar[bool] = False
    harmless: ClassVar[bool] = False

    @property
    def error_code(self) -> str | None:
        """The error code, or the status as text, that the client gets to see; None if it sees neither."""
        return None

    @abc.abstractmethod
    def apply(self, answer: MakeReply) -> Reply:
        """The reply in place of that which `answer` makes.

        Errors never call it, so that nothing is generated and no quota spent. Damage calls it: what is lost on its way
        has run and is paid for.
        """
