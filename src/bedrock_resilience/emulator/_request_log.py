"""The requests that arrived: counts, and a log of the latest."""

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
    from bedrock_resilience.emulator._injection.injected_fault import InjectedFault
    from bedrock_resilience.quotas import Usage

INVOCATION_ID: Final = "amz-sdk-invocation-id"


@dataclass(slots=True, eq=False)
class LogEntry:
    """One request and its response.

    Attributes:
        serial: Its number, counted from 1.
        at: When it arrived, in seconds of the emulator's clock.
        target: The path as it was sent.
        headers: Its headers, names in lower case.
        body: Its body.
        operation: The operation; None if there is no such operation.
        model_id: The model; empty if the request names none.
        status: The HTTP status of the response; None until there is one, and if none was sent.
        error: The code of the error that the client sees (inside a stream too), or the status as text; None
            without one.
        fault: The scripted or random fault it met.
        usage: The tokens it used.
        finished_at: When its response was ready to be sent, in seconds of the emulator's clock; None until then.
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
    fault: InjectedFault | None = None
    usage: Usage | None = None
    finished_at: float | None = None

    @property
    def invocation_id(self) -> str | None:
        """The id of the SDK's call; all attempts of one call have the same."""
        return self.headers.get(INVOCATION_ID)

    @property
    def attempt(self) -> str | None:
        """What the SDK says about its attempt, such as ``attempt=1; max=1``."""
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
        """Whether it got a complete response that is not an error."""
        complete = self.fault is None or self.fault.harmless
        return self.finished_at is not None and self.status == HTTPStatus.OK and self.error is None and complete

    @property
    def throttled(self) -> bool:
        """Whether it was refused for its rate. A ``ModelNotReadyException`` is a 429, but is not about the rate."""
        return self.error in {"ThrottlingException", "429"}


class RequestLog:
    """Counts all requests and keeps the latest. Thread-safe.

    Args:
        size: How many requests the log keeps.
    """

    def __init__(self, size: int) -> None:
        self._lock = threading.Lock()
        self._entries: deque[LogEntry] = deque(maxlen=size)
        self._requests = 0
        self._in_flight: set[LogEntry] = set()
        self._answered = 0
        self._throttles = 0
        self._errors: Counter[str] = Counter()
        self._invocations: Counter[str] = Counter()
        self._models: Counter[str] = Counter()

    def arrived(self, at: float, target: str, headers: Mapping[str, str], body: bytes) -> LogEntry:
        """Count a request and open its entry."""
        with self._lock:
            self._requests += 1
            entry = LogEntry(self._requests, at, target, headers, body)
            self._entries.append(entry)
            self._in_flight.add(entry)
            if entry.invocation_id is not None:
                self._invocations[entry.invocation_id] += 1
            return entry

    def routed(self, entry: LogEntry, operation: Operation, model_id: str) -> None:
        """Record the operation and the model of a request."""
        with self._lock:
            entry.operation, entry.model_id = operation, model_id
            self._models[model_id] += 1

    def finished(self, entry: LogEntry, at: float) -> None:
        """Close an entry: its response is about to be sent."""
        with self._lock:
            if entry not in self._in_flight:  # it is closed already, or the log was cleared
                return
            self._in_flight.remove(entry)
            entry.finished_at = at
            self._throttles += entry.throttled
            self._answered += entry.answered
            if entry.error is not None:
                self._errors[entry.error] += 1

    def clear(self) -> None:
        """Clear counts and log; requests in flight are not counted any more."""
        with self._lock:
            self._entries.clear()
            self._in_flight.clear()
            self._requests = self._answered = self._throttles = 0
            for counter in (self._errors, self._invocations, self._models):
                counter.clear()

    @property
    def entries(self) -> tuple[LogEntry, ...]:
        """The latest requests, oldest first."""
        with self._lock:
            return tuple(self._entries)

    @property
    def requests(self) -> int:
        """Requests that arrived."""
        return self._requests

    @property
    def answered(self) -> int:
        """Requests that got a complete response without an error."""
        return self._answered

    @property
    def throttles(self) -> int:
        """Requests refused for their rate, by a quota or by a fault."""
        return self._throttles

    @property
    def in_flight(self) -> int:
        """Requests whose response has not been sent yet."""
        return len(self._in_flight)

    @property
    def errors(self) -> Counter[str]:
        """Error code (or status, for a response without a code) to the number of responses with it."""
        with self._lock:
            return self._errors.copy()

    @property
    def invocations(self) -> Counter[str]:
        """``amz-sdk-invocation-id`` to the number of requests with it."""
        with self._lock:
            return self._invocations.copy()

    @property
    def models(self) -> Counter[str]:
        """Model id to the number of requests for it."""
        with self._lock:
            return self._models.copy()
