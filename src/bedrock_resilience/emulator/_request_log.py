"""What the emulator has seen: counts, and a log of the latest requests."""

from __future__ import annotations

import threading
from collections import Counter, deque
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience.emulator._protocol.jsonvalues import as_object, decode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bedrock_resilience.emulator._http.routes import Operation
    from bedrock_resilience.emulator._injection.fault_injection import FaultInjection
    from bedrock_resilience.quotas import Usage

INVOCATION_ID: Final = "amz-sdk-invocation-id"


@dataclass(slots=True, eq=False)
class Exchange:
    """One request and what became of it.

    Attributes:
        serial: its number, counted from 1.
        at: when it arrived, in seconds of the emulator's clock.
        target: the path as it was sent.
        headers: its headers, names in small letters.
        body: its body.
        operation: what it asked for; None if that is no operation.
        model_id: the model it asked; empty if none.
        status: the HTTP status of the answer; None until there is one, and if none was sent.
        error: the code of the error that the client sees (inside a stream too), or the status as text; None
            without one.
        fault: the scripted or random fault it met.
        usage: the tokens it used.
        finished_at: when the answer was ready to be sent, in seconds of the emulator's clock; None until then.
    """

    serial: int
    at: float
    target: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    operation: Operation | None = None
    model_id: str = ""
    status: int | None = None
    error: str | None = None
    fault: FaultInjection | None = None
    usage: Usage | None = None
    finished_at: float | None = None

    @property
    def invocation_id(self) -> str | None:
        """What tells the calls of an SDK apart; all its attempts of one call have the same."""
        return self.headers.get(INVOCATION_ID)

    @property
    def attempt(self) -> str | None:
        """What the SDK says about its attempt, such as `attempt=1; max=1`."""
        return self.headers.get("amz-sdk-request")

    @property
    def json(self) -> Mapping[str, Any] | None:
        """The body, if it is a JSON object."""
        try:
            return as_object(decode(self.body))
        except ValueError:
            return None

    @property
    def answered(self) -> bool:
        """Whether it got a whole answer that is no error."""
        whole = self.fault is None or self.fault.harmless
        return self.finished_at is not None and self.status == HTTPStatus.OK and self.error is None and whole

    @property
    def throttled(self) -> bool:
        """Whether it was refused for its rate. ModelNotReadyException is a 429, but no statement about the rate."""
        return self.error in {"ThrottlingException", "429"}


class RequestLog:
    """Counts all requests and keeps the latest. Thread-safe.

    Args:
        size: how many requests the log keeps.
    """

    def __init__(self, size: int) -> None:
        self._lock = threading.Lock()
        self._log: deque[Exchange] = deque(maxlen=size)
        self._arrived = 0
        self._open: set[Exchange] = set()
        self._answered = 0
        self._throttles = 0
        self._errors: Counter[str] = Counter()
        self._invocations: Counter[str] = Counter()
        self._models: Counter[str] = Counter()

    def arrived(self, at: float, target: str, headers: Mapping[str, str], body: bytes) -> Exchange:
        """Count a request and open its entry."""
        with self._lock:
            self._arrived += 1
            exchange = Exchange(self._arrived, at, target, headers, body)
            self._log.append(exchange)
            self._open.add(exchange)
            if exchange.invocation_id is not None:
                self._invocations[exchange.invocation_id] += 1
            return exchange

    def routed(self, exchange: Exchange, operation: Operation, model_id: str) -> None:
        """Note what a request asks for."""
        with self._lock:
            exchange.operation, exchange.model_id = operation, model_id
            self._models[model_id] += 1

    def finished(self, exchange: Exchange, at: float) -> None:
        """Close an entry: its answer is about to be sent."""
        with self._lock:
            if exchange not in self._open:  # closed before, or forgotten meanwhile
                return
            self._open.remove(exchange)
            exchange.finished_at = at
            self._throttles += exchange.throttled
            self._answered += exchange.answered
            if exchange.error is not None:
                self._errors[exchange.error] += 1

    def clear(self) -> None:
        """Forget everything; requests in flight are not counted any more."""
        with self._lock:
            self._log.clear()
            self._open.clear()
            self._arrived = self._answered = self._throttles = 0
            for counter in (self._errors, self._invocations, self._models):
                counter.clear()

    @property
    def log(self) -> tuple[Exchange, ...]:
        """The latest requests, oldest first."""
        with self._lock:
            return tuple(self._log)

    @property
    def requests(self) -> int:
        """Requests that arrived."""
        return self._arrived

    @property
    def answered(self) -> int:
        """Requests with a whole answer that is no error."""
        return self._answered

    @property
    def throttles(self) -> int:
        """Requests refused because of their rate, by a quota or by a fault."""
        return self._throttles

    @property
    def in_flight(self) -> int:
        """Requests that wait for their answer."""
        return len(self._open)

    @property
    def errors(self) -> Counter[str]:
        """Error code (or status, for an answer without one) -> how often."""
        with self._lock:
            return self._errors.copy()

    @property
    def invocations(self) -> Counter[str]:
        """`amz-sdk-invocation-id` -> how many requests had it."""
        with self._lock:
            return self._invocations.copy()

    @property
    def models(self) -> Counter[str]:
        """Model id -> how many requests asked it."""
        with self._lock:
            return self._models.copy()
