"""``BedrockEmulator``: start it, point clients at it, read its counts and log, inject faults."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience._checks import Problem, function, instance, refuse, whole_number, wrong_type, wrong_value
from bedrock_resilience.clock import SYSTEM_CLOCK
from bedrock_resilience.emulator._control import PREFIX, control_reply
from bedrock_resilience.emulator._generation.extractor import extract
from bedrock_resilience.emulator._http.routes import MANTLE_PREFIX, Operation, is_for_mantle
from bedrock_resilience.emulator._http.server import PendingReply, Server
from bedrock_resilience.emulator._http.tls import LocalCertificate
from bedrock_resilience.emulator._injection.error_faults import make_fault
from bedrock_resilience.emulator._injection.script import FaultScript, Rule
from bedrock_resilience.emulator._latency import distribution
from bedrock_resilience.emulator._operations.service import Service
from bedrock_resilience.emulator._protocol.jsonvalues import as_object
from bedrock_resilience.emulator._request_log import RequestLog
from bedrock_resilience.quotas import Quota, QuotaLedger, quota_reading

if TYPE_CHECKING:
    from collections import Counter
    from types import TracebackType
    from typing import Self

    from bedrock_resilience.clock import Clock
    from bedrock_resilience.emulator._http.server import Request
    from bedrock_resilience.emulator._injection.injected_fault import InjectedFault
    from bedrock_resilience.emulator._latency import Latency
    from bedrock_resilience.emulator._protocol.generation import Responder
    from bedrock_resilience.emulator._request_log import LogEntry
    from bedrock_resilience.quotas import QuotaReading

DEFAULT_LOG_SIZE: Final = 10_000
_MAX_PORT: Final = 65_535
# The variables in which AWS SDKs, httpx, and Node.js look for further certificate authorities.
_TRUST_VARIABLES: Final = ("AWS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")


class BedrockEmulator:
    """A Bedrock Runtime on this machine, for an unmodified AWS SDK.

    Use it as a context manager, or call ``start`` and ``stop``. It accepts any Region and any credentials.

    Args:
        quota: A quota that each model has for itself, or a mapping from model id to quota; None limits nothing.
        latency: Seconds that a response takes, or a distribution: ``Constant``, ``Uniform``, ``LogNormal``, or any
            function of a ``random.Random``.
        reading: How quotas per minute are enforced: a ``QuotaReading``, or its name, such as ``fixed``. Its times count
            from the first request.
        port: The port to listen on; 0 for a free one.
        host: The address to listen on.
        responder: Generates the responses; by default ``extract``, which is deterministic and not a language model.
        models: The model ids that exist; None for any id, also one that no model has. Without them a model that the
            service calls through an inference profile only is refused by its own id.
        profiles: Application inference profiles and prompts: ARN to the model or cross-Region profile behind it, whose
            quota, limits and form they have.
        burndown: Model family to the quota tokens that an output token costs; goes before ``BURNDOWN_RATES``.
        clock: The time of quotas and latencies.
        seed: Seed of random faults, latencies and request ids.
        log_size: How many of the latest requests ``log`` keeps.
        mantle_quota: The quota of the ``bedrock-mantle`` endpoint: ``Quota.mantle(...)``, or a mapping from model id to
            one. Its requests are those below ``mantle_url``, those of OpenAI's APIs at ``/v1``, and those whose host
            begins with ``bedrock-mantle.``. None: the endpoint has no allocation of its own, and shares ``quota``.
        tls: Whether to serve HTTPS, with a certificate made on the spot that ``ca_bundle`` vouches for. Needs the extra
            ``tls``.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: A latency, a port, a rate or a size is out of range.
        OSError: The port is in use (raised by ``start``).
    """

    def __init__(  # noqa: PLR0913 - all but two by name, and each has a default
        self,
        quota: Quota | Mapping[str, Quota] | None = None,
        latency: Latency = 0.0,
        *,
        reading: QuotaReading | str = "bucket",
        port: int = 0,
        host: str = "127.0.0.1",
        responder: Responder = extract,
        models: Collection[str] | None = None,
        profiles: Mapping[str, str] | None = None,
        burndown: Mapping[str, float] | None = None,
        clock: Clock = SYSTEM_CLOCK,
        seed: int = 0,
        log_size: int = DEFAULT_LOG_SIZE,
        mantle_quota: Quota | Mapping[str, Quota] | None = None,
        tls: bool = False,
    ) -> None:
        refuse(
            "BedrockEmulator",
            _quota_problem(quota),
            _quota_problem(mantle_quota, "mantle_quota"),
            whole_number("port", port, least=0, most=_MAX_PORT),
            whole_number("log_size", log_size, least=0, most=sys.maxsize),
            wrong_type("models", models, "a collection of model ids, or None for any id")
            if models is not None and (isinstance(models, str) or not isinstance(models, Collection))
            else None,
            instance("profiles", profiles, Mapping, "a mapping from ARN to model id", optional=True),
            instance("tls", tls, bool, "True or False"),
            function("responder", responder, "a function from a Conversation to a Generation"),
        )
        self._clock = clock
        self._host, self._port = host, port
        self._quota = quota
        self._latency = latency
        self._request_log = RequestLog(log_size)
        self._script = FaultScript(seed)
        self._ledger = QuotaLedger(quota, burndown=burndown, reading=reading, seed=seed)
        self._mantle_quota = mantle_quota
        self._mantle_ledger = QuotaLedger(mantle_quota, burndown=burndown, reading=reading, seed=seed)
        self._service = Service(
            ledger=self._ledger,
            mantle_ledger=None if mantle_quota is None else self._mantle_ledger,
            script=self._script,
            request_log=self._request_log,
            responder=responder,
            latency=distribution(latency),
            clock=clock,
            models=models,
            profiles=profiles,
            seed=seed,
        )
        self._tls = tls
        self._certificate: LocalCertificate | None = None
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
        """Start to listen; a second call changes nothing.

        Raises:
            OSError: The port is in use.
            ImportError: TLS is requested, and the extra ``tls`` is not installed.
        """
        if self._server is None:
            certificate = LocalCertificate(self._host) if self._tls else None
            context = None if certificate is None else certificate.context
            try:
                self._server = Server(self._application, self._clock, self._host, self._port, tls=context)
            except OSError:
                if certificate is not None:
                    certificate.close()
                raise
            self._certificate = certificate
        return self

    def _application(self, request: Request, arrived: float) -> PendingReply:
        if request.target.startswith(PREFIX):
            return PendingReply(control_reply(self, request), arrived)
        mantle = is_for_mantle(request.target, request.headers.get("host", ""))
        if request.target.startswith(f"{MANTLE_PREFIX}/"):
            request = dataclasses.replace(request, target=request.target.removeprefix(MANTLE_PREFIX))
        return self._service(request, arrived, mantle=mantle)

    def stop(self) -> None:
        """Close all connections and end all threads, without waiting for responses in flight. Counts and log stay."""
        if self._server is not None:
            self._server.stop()
            self._server = None
        if self._certificate is not None:
            self._certificate.close()
            self._certificate = None

    @property
    def endpoint_url(self) -> str:
        """The address for a client's ``endpoint_url``, or for ``AWS_ENDPOINT_URL_BEDROCK_RUNTIME``.

        Raises:
            RuntimeError: The emulator is not running.
        """
        if self._server is None:
            raise RuntimeError("the emulator is not running: use `with BedrockEmulator() as emulator:`, or start()")
        host, port = self._server.address
        scheme = "https" if self._tls else "http"
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    @property
    def mantle_url(self) -> str:
        """The address of the ``bedrock-mantle`` endpoint.

        OpenAI's SDK takes it with ``/v1`` at its end, that of Anthropic with ``/anthropic``.

        Raises:
            RuntimeError: The emulator is not running.
        """
        return f"{self.endpoint_url}{MANTLE_PREFIX}"

    @property
    def ca_bundle(self) -> str | None:
        """The file of the authority that signed the certificate, for a client's ``verify``; None without TLS."""
        return None if self._certificate is None else str(self._certificate.ca_bundle)

    def client_env(self, region: str = "eu-west-3") -> dict[str, str]:
        """Environment variables that point any AWS SDK at the emulator, with invented credentials."""
        trust = {} if self.ca_bundle is None else dict.fromkeys(_TRUST_VARIABLES, self.ca_bundle)
        return {
            **trust,
            "AWS_ENDPOINT_URL_BEDROCK": self.endpoint_url,
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": "emulator",
            "AWS_SECRET_ACCESS_KEY": "emulator",
            "AWS_DEFAULT_REGION": region,
            "AWS_REGION": region,
        }

    def client(self, region_name: str = "eu-west-3", **options: Any) -> Any:  # noqa: ANN401 - as bedrock_runtime_client
        """Make a boto3 client of this emulator with ``bedrock_runtime_client``, with invented credentials.

        It needs no credentials, profile or variable of the machine, and sends one request for each call.
        Requires the extra ``[aws]``.

        Args:
            region_name: The Region; the emulator accepts any.
            options: As for ``bedrock_runtime_client``: ``workers``, ``policy``, ``pacer``, ``read_timeout``, ...

        Raises:
            RuntimeError: The emulator is not running.
            ModuleNotFoundError: boto3 is not installed.
        """
        from bedrock_resilience.bedrock import bedrock_runtime_client  # noqa: PLC0415 - the emulator starts without it

        address: dict[str, Any] = {
            "endpoint_url": self.endpoint_url,
            "verify": self.ca_bundle,
            "aws_access_key_id": "emulator",
            "aws_secret_access_key": "emulator",
            "signature_version": "v4",  # otherwise AWS_BEARER_TOKEN_BEDROCK demands TLS
        }
        return bedrock_runtime_client(region_name, **{**address, **options})

    @property
    def quota(self) -> Quota | Mapping[str, Quota] | None:
        """The quota. A new one may be set at any time; it starts unused.

        Raises:
            TypeError: The new value is not a quota.
        """
        return self._quota

    @quota.setter
    def quota(self, quota: Quota | Mapping[str, Quota] | None) -> None:
        refuse("BedrockEmulator", _quota_problem(quota))
        self._quota = quota
        self._ledger.change(quota)

    @property
    def mantle_quota(self) -> Quota | Mapping[str, Quota] | None:
        """The quota of the ``bedrock-mantle`` endpoint. A new one may be set at any time; it starts unused.

        Raises:
            TypeError: The new value is not a quota.
        """
        return self._mantle_quota

    @mantle_quota.setter
    def mantle_quota(self, quota: Quota | Mapping[str, Quota] | None) -> None:
        refuse("BedrockEmulator", _quota_problem(quota, "mantle_quota"))
        self._mantle_quota = quota
        self._mantle_ledger.change(quota)
        self._service.mantle_ledger = self._ledger if quota is None else self._mantle_ledger

    @property
    def reading(self) -> QuotaReading:
        """How quotas per minute are enforced. A new one, or its name, may be set at any time; it starts unused.

        Raises:
            TypeError: The new value is neither a reading nor a name.
            ValueError: No reading has this name.
        """
        return self._ledger.reading

    @reading.setter
    def reading(self, reading: QuotaReading | str) -> None:
        self._ledger.change(self._quota, reading=quota_reading(reading))
        self._mantle_ledger.change(self._mantle_quota, reading=quota_reading(reading))

    @property
    def latency(self) -> Latency:
        """Seconds that a response takes, or their distribution. May be set at any time, for the next request."""
        return self._latency

    @latency.setter
    def latency(self, latency: Latency) -> None:
        self._service.latency = distribution(latency)
        self._latency = latency

    @property
    def requests(self) -> int:
        """Requests that arrived, whatever their response."""
        return self._request_log.requests

    @property
    def throttles(self) -> int:
        """Requests that were refused for their rate, by a quota or by a fault."""
        return self._request_log.throttles

    @property
    def answered(self) -> int:
        """Requests that got a complete response without an error."""
        return self._request_log.answered

    @property
    def in_flight(self) -> int:
        """Requests whose response has not been sent yet."""
        return self._request_log.in_flight

    @property
    def errors(self) -> Counter[str]:
        """Error code (or status, for a response without a code) to the number of responses with it."""
        return self._request_log.errors

    @property
    def invocation_ids(self) -> frozenset[str]:
        """The distinct ``amz-sdk-invocation-id`` headers: calls of SDKs, each with all its attempts."""
        return frozenset(self._request_log.invocations)

    @property
    def requests_by_invocation(self) -> Counter[str]:
        """``amz-sdk-invocation-id`` to the number of requests with it; more than one: the SDK itself retried."""
        return self._request_log.invocations

    @property
    def model_ids(self) -> frozenset[str]:
        """The model ids in the requests, as they were sent."""
        return frozenset(self._request_log.models)

    @property
    def log(self) -> tuple[LogEntry, ...]:
        """The latest requests and their responses, oldest first."""
        return self._request_log.entries

    @property
    def faults_pending(self) -> int:
        """Requests that are still to meet a scripted fault, without faults for all requests."""
        return self._script.pending

    def fail_next(
        self,
        n: int | None = 1,
        error: str | int | InjectedFault = "ThrottlingException",
        *,
        operation: str | None = None,
        model: str | None = None,
        containing: str | None = None,
        **details: object,
    ) -> None:
        """Inject a fault into the next ``n`` requests. Faults apply in the order in which they were scripted.

        Args:
            n: How many requests; None for every one until ``clear_faults``.
            error: An error code (``ThrottlingException``), an HTTP status for an error without a code (429, 502, 529),
                any other name of ``FAULT_NAMES`` (``hang``, ``truncated-body``, ``tokens-per-day``, ...), or an
                ``InjectedFault``.
            operation: Only requests of this operation, such as ``ConverseStream``.
            model: Only requests whose model id contains this.
            containing: Only requests whose body contains this text.
            details: Fields of the fault: ``status``, ``message``, ``headers``, ``retry_after``, ``seconds``, ...

        Raises:
            TypeError: An argument or a field of the fault has the wrong type.
            ValueError: A name or a value is not accepted.
        """
        refuse(
            "fail_next",
            whole_number("n", n, least=1, optional=True),
            instance("operation", operation, str, "a string, or None for any", optional=True),
            instance("model", model, str, "a string, or None for any", optional=True),
            instance("containing", containing, str, "a string, or None for any", optional=True),
        )
        rule = Rule(make_fault(error, **details), n, _operation(operation), model, containing)
        self._script.add(rule)

    def fail_randomly(self, rate: float, *errors: str | int | InjectedFault) -> None:
        """Inject faults into a random share of all requests, chosen by the emulator's seed; ``0`` ends it.

        Args:
            rate: The share, 0 to 1.
            errors: The faults, each as likely as the others, as for ``fail_next``; ``ThrottlingException`` by default.

        Raises:
            TypeError: The rate is not a number.
            ValueError: The rate is not from 0 to 1, or an error is unknown.
        """
        self._script.set_random(rate, [make_fault(error) for error in errors or ("ThrottlingException",)])

    def clear_faults(self) -> None:
        """Remove all scripted and random faults."""
        self._script.clear()

    def reset(self) -> None:
        """Reset counts, log, faults, cached prompts and the use of quotas. Latency and quota stay as set."""
        self._script.clear()
        self._service.cache.clear()
        self._request_log.clear()
        self._ledger.change(self._quota)
        self._mantle_ledger.change(self._mantle_quota)


def _quota_problem(given: object, name: str = "quota") -> Problem | None:
    by_model = as_object(given)
    quotas: list[object] = [given] if by_model is None else list(by_model.values())
    if given is None or all(isinstance(quota, Quota) for quota in quotas):
        return None
    return wrong_type(name, given, "a Quota, a mapping from model id to Quota, or None")


def _operation(name: str | None) -> Operation | None:
    names = [operation.value for operation in Operation]
    if name is not None and name not in names:
        refuse("fail_next", wrong_value("operation", name, ", ".join(names)))
    return None if name is None else Operation(name)
