"""The handle on a running emulator: start it, point clients at it, look at what it has seen, make things go wrong."""

from __future__ import annotations

import sys
from collections.abc import Collection
from typing import TYPE_CHECKING, Final

from bedrock_resilience.clock import SYSTEM_CLOCK
from bedrock_resilience.emulator._control import PREFIX, control
from bedrock_resilience.emulator._generation.extractor import extract
from bedrock_resilience.emulator._http.routes import Operation
from bedrock_resilience.emulator._http.server import Delivery, Server
from bedrock_resilience.emulator._injection.error_faults import fault
from bedrock_resilience.emulator._injection.script import FaultScript, Rule
from bedrock_resilience.emulator._latency import distribution
from bedrock_resilience.emulator._operations.service import Service
from bedrock_resilience.emulator._protocol.jsonvalues import as_object, is_integer
from bedrock_resilience.emulator._request_log import RequestLog
from bedrock_resilience.quotas import Quota, QuotaLedger

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

    from bedrock_resilience.clock import Clock
    from bedrock_resilience.emulator._generation.generation import Answerer
    from bedrock_resilience.emulator._http.http_parser import Request
    from bedrock_resilience.emulator._injection.fault_injection import FaultInjection
    from bedrock_resilience.emulator._latency import Latency
    from bedrock_resilience.emulator._request_log import Exchange

LOG_SIZE: Final = 10_000
_HIGHEST_PORT: Final = 65_535


class BedrockEmulator:
    """A Bedrock Runtime on this machine, for an unmodified AWS SDK.

    Use it as a context manager, or call `start` and `stop`. Any Region and any credentials are accepted.

    Args:
        quota: one quota for each model, or model id -> quota; None limits nothing.
        latency: seconds an answer takes, or a distribution (see `bedrock_resilience.emulator._latency`).
        port: the port to listen on; 0 takes a free one.
        host: the address to listen on.
        answerer: what generates; by default a deterministic extractor that is no language model.
        models: the model ids there are; None for every well-formed one.
        burndown: family -> tokens of quota an output token costs, before `BURNDOWN_RATES`.
        clock: the time of quotas and latencies.
        seed: of random faults, latencies and request ids.
        log_size: how many of the latest requests `log` keeps.

    Raises:
        TypeError: an argument of another type. It and the next name the argument, what was given and what is accepted.
        ValueError: a latency, a port, a rate or a size outside its range.
        OSError: the port is taken (by `start`).
    """

    def __init__(  # noqa: PLR0913 - all but two are by keyword, and each has a default
        self,
        quota: Quota | Mapping[str, Quota] | None = None,
        latency: Latency = 0.0,
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        answerer: Answerer = extract,
        models: Collection[str] | None = None,
        burndown: Mapping[str, float] | None = None,
        clock: Clock = SYSTEM_CLOCK,
        seed: int = 0,
        log_size: int = LOG_SIZE,
    ) -> None:
        _check_quota(quota)
        _check_integer("port", port, _HIGHEST_PORT, f"an integer from 0 (a free one) to {_HIGHEST_PORT}")
        _check_integer("log_size", log_size, sys.maxsize, "an integer >= 0")
        _check_collection("models", models, "a collection of model ids, or None for every well-formed one")
        if not callable(answerer):
            raise TypeError(f"answerer: got {answerer!r}; accepted: a function from a Conversation to a Generation")
        self._clock = clock
        self._host, self._port = host, port
        self._quota = quota
        self._latency = latency
        self._journal = RequestLog(log_size)
        self._script = FaultScript(seed)
        self._ledger = QuotaLedger(quota, burndown=burndown)
        self._service = Service(
            ledger=self._ledger,
            script=self._script,
            journal=self._journal,
            answerer=answerer,
            latency=distribution(latency),
            clock=clock,
            models=models,
            seed=seed,
        )
        self._server: Server | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        where = "stopped" if self._server is None else self.endpoint_url
        return f"<BedrockEmulator {where}: {self.requests} requests, {self.throttles} throttles>"

    def start(self) -> Self:
        """Begin to listen; a second call changes nothing."""
        if self._server is None:
            self._server = Server(self._application, self._clock, self._host, self._port)
        return self

    def _application(self, request: Request, arrived: float) -> Delivery:
        if request.target.startswith(PREFIX):
            return Delivery(control(self, request), arrived)
        return self._service(request, arrived)

    def stop(self) -> None:
        """Close all connections and end all threads, without waiting for answers in flight. Counts and log stay."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    @property
    def endpoint_url(self) -> str:
        """What a client takes as `endpoint_url`, or as AWS_ENDPOINT_URL_BEDROCK_RUNTIME.

        Raises:
            RuntimeError: the emulator has not been started.
        """
        if self._server is None:
            raise RuntimeError("the emulator is not running: use `with BedrockEmulator() as emulator:`, or start()")
        host, port = self._server.address
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def client_env(self, region: str = "eu-west-3") -> dict[str, str]:
        """Environment variables that point any AWS SDK at the emulator, with made-up credentials."""
        return {
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": "emulator",
            "AWS_SECRET_ACCESS_KEY": "emulator",
            "AWS_DEFAULT_REGION": region,
            "AWS_REGION": region,
        }

    @property
    def quota(self) -> Quota | Mapping[str, Quota] | None:
        """The quota in force. A new one may be set at any time; it starts unused.

        Raises:
            TypeError: what is set is no quota.
        """
        return self._quota

    @quota.setter
    def quota(self, quota: Quota | Mapping[str, Quota] | None) -> None:
        _check_quota(quota)
        self._quota = quota
        self._ledger.change(quota)

    @property
    def latency(self) -> Latency:
        """Seconds an answer takes, or their distribution. May be set at any time; it holds for the next request."""
        return self._latency

    @latency.setter
    def latency(self, latency: Latency) -> None:
        self._service.latency = distribution(latency)
        self._latency = latency

    @property
    def requests(self) -> int:
        """Requests that arrived, whatever became of them."""
        return self._journal.requests

    @property
    def throttles(self) -> int:
        """Requests that were refused for their rate: by a quota, or by a fault that says so."""
        return self._journal.throttles

    @property
    def answered(self) -> int:
        """Requests that got a whole answer without an error."""
        return self._journal.answered

    @property
    def in_flight(self) -> int:
        """Requests that wait for their answer now."""
        return self._journal.in_flight

    @property
    def errors(self) -> Counter[str]:
        """Code of an error (or status, for an answer without one) -> how often it was answered."""
        return self._journal.errors

    @property
    def invocation_ids(self) -> frozenset[str]:
        """The distinct `amz-sdk-invocation-id`s: calls of SDKs, however often each was sent."""
        return frozenset(self._journal.invocations)

    @property
    def requests_by_invocation(self) -> Counter[str]:
        """`amz-sdk-invocation-id` -> requests with it; more than one means that an SDK has retried by itself."""
        return self._journal.invocations

    @property
    def model_ids(self) -> frozenset[str]:
        """The model ids that were asked, as they were sent."""
        return frozenset(self._journal.models)

    @property
    def log(self) -> tuple[Exchange, ...]:
        """The latest requests and what became of them, oldest first."""
        return self._journal.log

    @property
    def faults_pending(self) -> int:
        """Requests that scripted faults still wait for."""
        return self._script.pending

    def fail_next(
        self,
        n: int | None = 1,
        error: str | int | FaultInjection = "ThrottlingException",
        *,
        operation: str | None = None,
        model: str | None = None,
        containing: str | None = None,
        **details: object,
    ) -> None:
        """Let the next `n` requests go wrong. Scripts are met in the order in which they were made.

        Args:
            n: how many; None for every one until `clear_faults`.
            error: an error code (`ThrottlingException`), an HTTP status for an error without a code (429, 502, 529),
                a name of damage (`cut-body`, `hang`, `connection-reset`, `stream-exception`, ...), `tokens-per-day`, or
                a fault of `bedrock_resilience.emulator._injection.error_faults`.
            operation: only requests of this operation, such as `ConverseStream`.
            model: only requests whose model id contains this.
            containing: only requests whose body contains this text.
            details: fields of the fault: `status`, `message`, `headers`, `retry_after`, `seconds`, `after`, ...

        Raises:
            TypeError: a number of requests that is none, or a model or a text that is none.
            ValueError: a name or a value that is not accepted.
        """
        if n is not None and not is_integer(n):
            raise TypeError(f"n: got {n!r}; accepted: an integer >= 1, or None for every request from now on")
        for name, given in (("model", model), ("containing", containing)):
            _check_text(name, given)
        rule = Rule(fault(error, **details), n, _operation(operation), model, containing)
        self._script.add(rule)

    def fail_randomly(self, rate: float, *errors: str | int | FaultInjection) -> None:
        """Let a share of all requests go wrong, chosen by the emulator's seed; `0` ends it.

        Args:
            rate: the share, 0 to 1.
            errors: what goes wrong, each as likely as the others; as for `fail_next`. ThrottlingException by default.

        Raises:
            ValueError: a rate outside 0 to 1, or an unknown error.
        """
        self._script.randomly(rate, [fault(error) for error in errors or ("ThrottlingException",)])

    def clear_faults(self) -> None:
        """Forget all scripted and random faults."""
        self._script.clear()

    def reset(self) -> None:
        """Forget counts, log, faults and cached prompts, and fill up the quotas. Latency and quota stay as set."""
        self._script.clear()
        self._service.cache.clear()
        self._journal.clear()
        self._ledger.change(self._quota)


def _check_quota(given: object) -> None:
    by_model = as_object(given)
    quotas: list[object] = [given] if by_model is None else list(by_model.values())
    if given is not None and not all(isinstance(quota, Quota) for quota in quotas):
        raise TypeError(f"quota: got {given!r}; accepted: a Quota, a mapping from model id to Quota, or None")


def _check_integer(name: str, given: object, most: int, accepted: str) -> None:
    problem = f"{name}: got {given!r}; accepted: {accepted}"
    if isinstance(given, bool) or not isinstance(given, int):
        raise TypeError(problem)
    if not 0 <= given <= most:
        raise ValueError(problem)


def _check_collection(name: str, given: object, accepted: str) -> None:
    if given is not None and (isinstance(given, str) or not isinstance(given, Collection)):
        raise TypeError(f"{name}: got {given!r}; accepted: {accepted}")


def _check_text(name: str, given: object) -> None:
    if given is not None and not isinstance(given, str):
        raise TypeError(f"{name}: got {given!r}; accepted: a text, or None for any")


def _operation(name: str | None) -> Operation | None:
    if name is None:
        return None
    try:
        return Operation(name)
    except ValueError:
        accepted = ", ".join(operation.value for operation in Operation)
        raise ValueError(f"operation: got {name!r}; accepted: {accepted}") from None
