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

from bedrock_resilience.emulator._http.error_shapes import shaped_error
from bedrock_resilience.emulator._http.replies import Reply
from bedrock_resilience.emulator._http.routes import MANTLE_OPERATIONS, parse_route
from bedrock_resilience.emulator._http.server import PendingReply
from bedrock_resilience.emulator._injection.error_faults import ErrorResponse
from bedrock_resilience.emulator._injection.script import FaultTarget
from bedrock_resilience.emulator._operations.limits import limited
from bedrock_resilience.emulator._operations.operations import (
    GenerationRequest,
    VectorRequest,
    build_reply,
    parse_request,
    vector_reply,
)
from bedrock_resilience.emulator._operations.prompt_cache import PromptCache
from bedrock_resilience.emulator._protocol.errors import THROTTLE_MESSAGES, ServiceError, invalid
from bedrock_resilience.emulator._protocol.generation import CompletedGeneration
from bedrock_resilience.emulator._protocol.models import MODELS
from bedrock_resilience.quotas import QuotaAdmission, Usage, max_output_tokens, model_name, reserved_tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from bedrock_resilience.clock import Clock
    from bedrock_resilience.emulator._http.routes import Route
    from bedrock_resilience.emulator._http.server import Request
    from bedrock_resilience.emulator._injection.injected_fault import InjectedFault
    from bedrock_resilience.emulator._injection.script import FaultScript
    from bedrock_resilience.emulator._protocol.generation import Responder
    from bedrock_resilience.emulator._request_log import LogEntry, RequestLog
    from bedrock_resilience.quotas import QuotaLedger

# The share of a stream's latency that passes before its first event; the rest is spread between its events.
_FIRST_EVENT_SHARE: Final = 0.2

_logger: Final = logging.getLogger("bedrock_resilience.emulator")


class Service:
    """Makes the replies. Thread-safe; all its dependencies are arguments.

    Args:
        ledger: Admits or throttles requests.
        mantle_ledger: The same for those to ``bedrock-mantle``; None: they have no ledger of their own.
        script: Says which requests meet a fault.
        request_log: Records all requests.
        responder: Generates the responses.
        latency: Draws the seconds of one response.
        clock: The time.
        models: The model ids that exist; None for any id.
        profiles: Application inference profiles and prompts: ARN to the model or profile behind it.
        seed: Seed of the request ids and latencies.
    """

    def __init__(  # noqa: PLR0913 - all by name
        self,
        *,
        ledger: QuotaLedger,
        script: FaultScript,
        request_log: RequestLog,
        responder: Responder,
        latency: Callable[[Random], float],
        clock: Clock,
        models: Collection[str] | None = None,
        profiles: Mapping[str, str] | None = None,
        seed: int = 0,
        mantle_ledger: QuotaLedger | None = None,
    ) -> None:
        self.profiles: Final = dict(profiles or {})
        self.ledger = ledger
        self.mantle_ledger: QuotaLedger = ledger if mantle_ledger is None else mantle_ledger
        self.script = script
        self.request_log = request_log
        self.latency = latency
        self.cache: PromptCache = PromptCache()
        self._responder = responder
        self._clock = clock
        self._models = None if models is None else frozenset(models)
        self._rng = Random(seed)  # noqa: S311 - ids and latencies that can be reproduced, nothing secret
        self._lock = threading.Lock()

    def __call__(self, request: Request, arrived: float, *, mantle: bool = False) -> PendingReply:
        """The reply to a request to ``bedrock-runtime``, or to ``bedrock-mantle``."""
        entry = self.request_log.arrived(arrived, request.target, request.headers, request.body)
        with self._lock:
            request_id = str(uuid.UUID(int=self._rng.getrandbits(128), version=4))
        call = _ServiceCall(self, entry, request, request_id, mantle=mantle)
        reply = call.reply()
        headers = {"x-amzn-RequestId": request_id, "x-emulated-by": "bedrock-resilience", **reply.headers}
        return PendingReply(dataclasses.replace(reply, headers=headers), arrived, call.done, call.lost)

    def now(self) -> float:
        """Seconds of the clock."""
        return self._clock.monotonic()

    def draw_seconds(self, arrived: float) -> float:
        """Seconds from the arrival of a request to its response: the latency, or what generation took if longer."""
        with self._lock:
            latency = max(0.0, self.latency(self._rng))
        return max(latency, self.now() - arrived)

    def admit(self, ledger: QuotaLedger, request: GenerationRequest | VectorRequest) -> QuotaAdmission:
        """Debit the quotas of a model.

        Raises:
            ServiceError: ``ThrottlingException`` if one of them does not allow the request.
        """
        if isinstance(request, VectorRequest):
            tokens = request.response.input_tokens
        else:
            most = max_output_tokens(request.model_id)
            conversation = request.conversation
            tokens = reserved_tokens(conversation.input_tokens, conversation.max_tokens, model_max_tokens=most)
        admission = ledger.admit(self.now(), request.model_id, tokens)
        if admission.throttled_by is not None:
            raise ServiceError("ThrottlingException", THROTTLE_MESSAGES[admission.throttled_by])
        return admission

    def generate(
        self, request: GenerationRequest, allowed_tokens: Callable[[int], int], arrived: float, request_id: str
    ) -> CompletedGeneration:
        """Generate a response within the limits of the request, and of a quota of output tokens."""
        conversation = request.conversation
        generation = limited(self._responder(conversation), conversation)
        # Counted at once, though the service counts while it generates: within the latency little is refilled.
        produced = generation.output_tokens or 0
        allowed = allowed_tokens(produced)
        if allowed < produced:
            # AWS, "Quotas for the bedrock-mantle endpoint": "a finish reason indicating the cutoff"; it does not say
            # which. The one for too few max_tokens is what a client must handle in any case.
            shorter = dataclasses.replace(generation, output_tokens=None)
            generation = limited(shorter, dataclasses.replace(conversation, max_tokens=allowed))
        total = conversation.input_tokens if generation.input_tokens is None else generation.input_tokens
        read, written = self.cache.use(self.now(), request.model_id, conversation.cache_prefixes)
        usage = Usage(max(0, total - read - written), generation.output_tokens or 0, written, read)
        seconds = self.draw_seconds(arrived)
        return CompletedGeneration(generation, usage, request_id, model_name(request.model_id), seconds)

    def check_model(self, model_id: str) -> None:
        """Refuse a model that is not among ``models``, and one that must be called through a profile.

        Raises:
            ServiceError: ``ValidationException``, in the words of the service.
        """
        if self._models is not None and model_id not in self._models:
            raise invalid("The provided model identifier is invalid.")
        model = MODELS.get(model_name(model_id))
        if model is not None and model.profile_only and self._models is None:
            # Quoted for example in https://github.com/terricain/aioboto3/issues/352, with this apostrophe.
            raise invalid(
                f"Invocation of model ID {model_name(model_id)} with on-demand throughput isn\u2019t supported. Retry "
                "your request with the ID or ARN of an inference profile that contains this model."
            )


class _ServiceCall:
    """The processing of one request."""

    def __init__(
        self, service: Service, entry: LogEntry, request: Request, request_id: str, *, mantle: bool = False
    ) -> None:
        self._service = service
        self._entry = entry
        self._request = request
        self._request_id = request_id
        self._mantle = mantle
        self._ledger = service.mantle_ledger if mantle else service.ledger
        self._admission: QuotaAdmission | None = None

    def reply(self) -> Reply:
        """The reply, as changed by the fault that the request may meet."""
        try:
            return self._reply()
        except ServiceError as error:
            return self._refusal(error)
        except Exception as error:
            # A responder or a fault of the user's, or a mistake in here: the client sees what it would see of AWS.
            _logger.exception("%s failed", self._request.target)
            return self._refusal(ServiceError("InternalServerException", f"{type(error).__name__}: {error}"))

    def done(self) -> None:
        """Settle the quota and close the log's entry; calling it again changes nothing."""
        now = self._service.now()
        if self._admission is not None:
            self._ledger.settle(self._admission, now, self._entry.usage)
        self._service.request_log.finished(self._entry, now)

    def lost(self) -> None:
        """Record that the client has left and sees neither a response nor an error. What was generated is billed."""
        self._entry.status, self._entry.error = None, None

    def _reply(self) -> Reply:
        route = parse_route(self._request.method, self._request.target, self._request.body)
        if self._mantle and route.operation not in MANTLE_OPERATIONS:
            raise ServiceError("UnknownOperationException", f"{route.operation.value} is not served by bedrock-mantle.")
        self._service.request_log.routed(self._entry, route.operation, route.model_id)
        text = self._request.body.decode("utf-8", "replace")
        fault = self._service.script.next_fault(FaultTarget(route.operation, route.model_id, text, route.streams))
        if fault is None:
            return self._reply_without_fault(route)
        if isinstance(fault, ErrorResponse):
            reply = self._shaped(fault.error, delay=fault.delay)
        else:
            reply = fault.apply(functools.partial(self._reply_without_fault, route))
        self._record_fault(fault, reply)
        return reply

    def _reply_without_fault(self, route: Route) -> Reply:
        try:
            return self._operate(parse_request(route, self._request.body, self._service.profiles))
        except ServiceError as error:
            return self._refusal(error)

    def _operate(self, request: GenerationRequest | VectorRequest | Reply) -> Reply:
        if isinstance(request, Reply):
            self._entry.status = request.status
            return request
        self._service.check_model(self._entry.model_id)
        self._admission = admission = self._service.admit(self._ledger, request)
        if isinstance(request, VectorRequest):
            usage = Usage(request.response.input_tokens, 0)
            seconds = self._service.draw_seconds(self._entry.at)
            reply = vector_reply(request, usage, round(seconds * 1000))
        else:
            completed = self._service.generate(
                request,
                lambda tokens: self._ledger.generate(admission, self._service.now(), tokens),
                self._entry.at,
                self._request_id,
            )
            usage, seconds = completed.usage, completed.seconds
            reply = build_reply(request, completed)
        self._entry.usage, self._entry.status = usage, reply.status
        if reply.length is not None:
            return dataclasses.replace(reply, delay=seconds)
        first = seconds * _FIRST_EVENT_SHARE
        pause = (seconds - first) / (len(reply.frames) - 1)
        return dataclasses.replace(reply, delay=first, pause=pause)

    def _refusal(self, error: ServiceError) -> Reply:
        self._entry.status = error.status
        self._entry.error = error.code or str(error.status)
        return self._shaped(error)

    def _shaped(self, error: ServiceError, *, delay: float = 0.0) -> Reply:
        return shaped_error(error, self._request.target, self._request_id, delay=delay)

    def _record_fault(self, fault: InjectedFault, reply: Reply) -> None:
        """Record what the client sees of a fault."""
        entry = self._entry
        entry.fault = fault
        if not reply.head:
            entry.status, entry.error = None, None
        elif fault.error_code is not None:
            entry.status, entry.error = reply.status, fault.error_code
        elif entry.status != reply.status:
            failed = reply.status >= HTTPStatus.BAD_REQUEST
            entry.status, entry.error = reply.status, str(reply.status) if failed else None
