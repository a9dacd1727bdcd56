"""A fault on the service's side: a step between making a reply and sending it."""

from __future__ import annotations

import abc
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from bedrock_resilience.emulator._http.replies import Reply

MakeReply: TypeAlias = Callable[[], Reply]


@dataclass(frozen=True, slots=True)
class InjectedFault(abc.ABC):
    """A fault of one request; every kind is a frozen value.

    Attributes:
        streams_only: Whether it can only affect an event stream; other requests then pass unaffected.
        harmless: Whether the client gets its complete response nevertheless.
    """

    streams_only: ClassVar[bool] = False
    harmless: ClassVar[bool] = False

    @property
    def error_code(self) -> str | None:
        """The error code, or the status as text, that the client sees; None if it sees neither."""
        return None

    @abc.abstractmethod
    def apply(self, make_reply: MakeReply) -> Reply:
        """The reply to send in place of the one that ``make_reply`` makes.

        Errors never call it, so that nothing is generated and no quota is used. Faults of the response call it: a
        response that is lost on its way has been generated and is billed.
        """
