"""Bedrock Runtime without a socket: a request in, a reply out, with quotas and faults in between."""

from __future__ import annotations

import dataclasses
import functools
import logging
import threading
import uuid
from http import HTTPStatus
from random import Random
from typing import TYPE_CHECKING, Final

from bedrock_resilience.emulator._generation.generation import limited
from bedrock_resilience.emulator._http.replies import Reply, failure
from bedrock_resilience.emulator._http.routes import route
from bedrock_resilience.emulator._http.server import Delivery
from bedrock_resilience.emulator._injection.script import Target
from bedrock_resilience.emulator._operations.caching import PromptCache
from bedrock_resilience.emulator._operations.operations import Asked, Done, ask, reply_of
from bedrock_resilience.emulator._protocol.errors import THROTTLE_MESSAGES, ServiceError
from bedrock_resilience.quotas import QuotaAdmission, Usage, reserved_tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from bedrock_resilience.clock import Clock
    from bedrock_resilience.emulator._generation.generation import Answerer
    from bedrock_resilience.emulator._http.http_parser import Request
    from bedrock_resilience.emulator._http.routes import Route
    from bedrock_resilience.emulator._injection.fault_injection import FaultInjection
    from bedrock_resilience.emulator._injection.script import FaultScript
    from bedrock_resilience.emulator._request_log import Exchange, RequestLog
    from bedrock_resilience.quotas import QuotaLedger

# The share of a stream's latency that passes before its first event; the rest lies between its events.
_FIRST_EVENT: Final = 0.2

_logger: Final = logging.getLogger("bedrock_resilience.emulator")


class Service:
    """Answers requests. Thread-safe; everything it touches is handed in.

    Args:
        ledger: admits requests or refuses them.
        script: lets some go wrong.
        journal: remembers all.
        answerer: generates.
        latency: draws the seconds of one answer.
        clock: the time.
        models: the model ids there are; None for every well-formed one.
        seed: of the request ids and latencies.
    """

    def __init__(
        self,
        *,
        ledger: QuotaLedger,
        script: FaultScript,
        journal: RequestLog,
        answerer: Answerer,
        latency: Callable[[Random], float],
        clock: Clock,
        models: Collection[str] | None = None,
        seed: int = 0,
    ) -> None:
        self.ledger = ledger
        self.script = script
        self.journal = journal
        self.latency = latency
        self.cache: PromptCache = PromptCache()
        self._answerer = answerer
        self._clock = clock
        self._models = None if models is None else frozenset(models)
        self._rng = Random(seed)  # noqa: S311 - ids and latencies to be reproduced, nothing secret
        self._lock = threading.Lock()

    def __call__(self, request: Request, arrived: float) -> Delivery:
        """The reply to a request."""
        exchange = self.journal.arrived(arrived, request.target, request.headers, request.body)
        with self._lock:
            request_id = str(uuid.UUID(int=self._rng.getrandbits(128), version=4))
        call = _Call(self, exchange, request, request_id)
        reply = call.reply()
        headers = {"x-amzn-RequestId": request_id, "x-emulated-by": "bedrock-resilience", **reply.headers}
        return Delivery(dataclasses.replace(reply, headers=headers), arrived, call.done, call.lost)

    def now(self) -> float:
        """Seconds of the clock."""
        return self._clock.monotonic()

    def draw_latency(self) -> float:
        """Seconds the next answer takes."""
        with self._lock:
            return max(0.0, self.latency(self._rng))

    def admit(self, asked: Asked) -> QuotaAdmission:
        """Debit the quotas of a model.

        Raises:
            ServiceError: ThrottlingException if one of them does not allow the request.
        """
        tokens = reserved_tokens(asked.conversation.input_tokens, asked.conversation.max_tokens)
        admission = self.ledger.admit(self.now(), asked.model_id, tokens)
        if admission.throttled_by is not None:
            raise ServiceError("ThrottlingException", THROTTLE_MESSAGES[admission.throttled_by])
        return admission

    def generate(self, asked: Asked, arrived: float, request_id: str) -> Done:
        """Generate an answer within the limits of the request."""
        conversation = asked.conversation
        generation = limited(self._answerer(conversation), conversation)
        given = conversation.input_tokens if generation.input_tokens is None else generation.input_tokens
        read, written = self.cache.use(self.now(), asked.model_id, conversation.prefixes)
        usage = Usage(max(0, given - read - written), generation.output_tokens or 0, written, read)
        seconds = max(self.draw_latency(), self.now() - arrived)
        return Done(generation, usage, request_id, seconds)

    def check_model(self, model_id: str) -> None:
        """Refuse a model that this emulator was told it does not have.

        Raises:
            ServiceError: ValidationException, in the words of the service.
        """
        if self._models is not None and model_id not in self._models:
            raise ServiceError("ValidationException", "The provided model identifier is invalid.")


class _Call:
    """One request on its way through the service."""

    def __init__(self, service: Service, exchange: Exchange, request: Request, request_id: str) -> None:
        self._service = service
        self._exchange = exchange
        self._request = request
        self._request_id = request_id
        self._admission: QuotaAdmission | None = None

    def reply(self) -> Reply:
        """The reply, as the fault that the request may meet leaves it."""
        try:
            return self._reply()
        except ServiceError as error:
            return self._refused(error)
        except Exception as error:
            # An answerer or a fault of the user's, or a mistake in here: the client is told, as it would be by AWS.
            _logger.exception("%s failed", self._request.target)
            return self._refused(ServiceError("InternalServerException", f"{type(error).__name__}: {error}"))

    def done(self) -> None:
        """Settle the quota and close the entry in the journal; more than once does no harm."""
        now = self._service.now()
        if self._admission is not None:
            self._service.ledger.settle(self._admission, now, self._exchange.usage)
        self._service.journal.finished(self._exchange, now)

    def lost(self) -> None:
        """Note that the client has left: it sees neither an answer nor an error. What was generated is paid for."""
        self._exchange.status, self._exchange.error = None, None

    def _reply(self) -> Reply:
        asked = route(self._request.method, self._request.target)
        self._service.journal.routed(self._exchange, asked.operation, asked.model_id)
        text = self._request.body.decode("utf-8", "replace")
        fault = self._service.script.take(Target(asked.operation, asked.model_id, text))
        if fault is None:
            return self._answer(asked)
        reply = fault.apply(functools.partial(self._answer, asked))
        self._note(fault, reply)
        return reply

    def _answer(self, asked: Route) -> Reply:
        """The undisturbed reply."""
        try:
            return self._operate(ask(asked, self._request.body))
        except ServiceError as error:
            return self._refused(error)

    def _operate(self, asked: Asked | Reply) -> Reply:
        if isinstance(asked, Reply):
            self._exchange.status = asked.status
            return asked
        self._service.check_model(asked.model_id)
        self._admission = self._service.admit(asked)
        done = self._service.generate(asked, self._exchange.at, self._request_id)
        reply = reply_of(asked, done)
        self._exchange.usage, self._exchange.status = done.usage, reply.status
        if reply.length is not None:
            return dataclasses.replace(reply, delay=done.seconds)
        first = done.seconds * _FIRST_EVENT
        pause = (done.seconds - first) / (len(reply.frames) - 1)
        return dataclasses.replace(reply, delay=first, pause=pause)

    def _refused(self, error: ServiceError) -> Reply:
        self._exchange.status = error.status
        self._exchange.error = error.code or str(error.status)
        return failure(error)

    def _note(self, fault: FaultInjection, reply: Reply) -> None:
        """Write down what the client gets to see of a fault."""
        exchange = self._exchange
        exchange.fault = fault
        if not reply.head:
            exchange.status, exchange.error = None, None
        elif fault.error_code is not None:
            exchange.status, exchange.error = reply.status, fault.error_code
        elif exchange.status != reply.status:
            failed = reply.status >= HTTPStatus.BAD_REQUEST
            exchange.status, exchange.error = reply.status, str(reply.status) if failed else None
