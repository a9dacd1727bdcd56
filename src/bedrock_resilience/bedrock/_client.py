"""The client factory, and the check of clients made elsewhere: one retry layer, a large enough pool, timeouts."""

from __future__ import annotations

import importlib
import math
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from bedrock_resilience._checks import Problem, explain_names, number, refuse, whole_number, wrong_type, wrong_value
from bedrock_resilience._errors import ClientConfigurationError
from bedrock_resilience._fault import Fault
from bedrock_resilience.clock import SYSTEM_CLOCK
from bedrock_resilience.retrying._retry_layers import BOTOCORE_REMEDY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bedrock_resilience.clock import Clock
    from bedrock_resilience.pacing import Pacer
    from bedrock_resilience.retrying import Listener, RetryBudget
    from bedrock_resilience.retrying._deadline import Deadline
    from bedrock_resilience.retrying._policy import RetryPolicy

# Converse sends nothing until the generation is complete, so the read timeout, in seconds, bounds a whole generation.
# 1,000 tokens take about 20 s. botocore's default of 60 s can cut a slow generation, which is billed all the same.
DEFAULT_READ_TIMEOUT: Final = 120.0
"""Seconds that a client waits for the next byte of a response."""

DEFAULT_CONNECT_TIMEOUT: Final = 5.0
"""Seconds that a client waits for a connection."""

# The attempts of a retry mode if a client sets no number. botocore's default mode is "legacy" before 1.44, then
# "standard".
_DEFAULT_ATTEMPTS: Final = {"legacy": 5, "standard": 3, "adaptive": 3}

# The arguments of Session.client(); every other option belongs to botocore's Config.
_CLIENT_ARGUMENTS: Final = frozenset(
    {
        "api_version",
        "aws_access_key_id",
        "aws_account_id",
        "aws_secret_access_key",
        "aws_session_token",
        "endpoint_url",
        "use_ssl",
        "verify",
    }
)
_CHECKS: Final = ("retries", "pool", "timeouts")
_DEFAULT_POOL_CONNECTIONS: Final = 10  # botocore's


@explain_names
def bedrock_runtime_client(  # noqa: PLR0913 - the options of the client and of its protection, all by name
    region_name: str | None = None,
    *,
    workers: int = 4,
    read_timeout: float = DEFAULT_READ_TIMEOUT,
    connect_timeout: float = DEFAULT_CONNECT_TIMEOUT,
    session: Any = None,  # noqa: ANN401 - a session of boto3 or botocore
    policy: RetryPolicy | None = None,
    pacer: Pacer | Literal["auto"] | None = None,
    budget: RetryBudget | None = None,
    deadline: Deadline | None = None,
    listeners: Iterable[Listener] = (),
    **config: Any,  # noqa: ANN401 - the options of botocore's Config
) -> Any:  # noqa: ANN401 - boto3 makes the client's class at run time
    """Make a boto3 ``bedrock-runtime`` client for use under a retry policy, or one that carries the policy itself.

    botocore's own retries are off, whatever ``AWS_RETRY_MODE``, ``AWS_MAX_ATTEMPTS`` or a profile sets. A second retry
    layer multiplies the attempts and hides them: 4 x 5 = 20 requests for one item, with read timeouts billed again. The
    connection pool has one connection for each worker. Requires the extra ``[aws]``.

    Args:
        region_name: The region; None: the one that boto3 finds.
        workers: Threads that use the client at the same time.
        read_timeout: Seconds without a byte before the call fails; for Converse, the longest generation.
        connect_timeout: Seconds to open a connection.
        session: The session of boto3 or of botocore to make the client with, for example with a profile or an assumed
            role; None: a new one. One thread at a time may use a session; many threads may use the client.
        policy: Protects the client with this policy; see ``protect``. Call a client that is not protected through a
            ``Retrier``, a ``BoundedExecutor`` or a ``BedrockRuntime``; use a protected one like any other client.
        pacer: As for ``protect``. Each of these four options protects the client, without a ``policy`` under the
            default one.
        budget: As for ``protect``.
        deadline: As for ``protect``.
        listeners: As for ``protect``.
        config: Further options of ``botocore.config.Config``, and of ``Session.client`` such as ``endpoint_url``.

    Raises:
        TypeError: ``workers``, a timeout, the session or a part of the protection has the wrong type.
        ValueError: ``workers`` or a timeout is out of range.
        ClientConfigurationError: ``retries`` or ``config`` is among the options, or the pool is smaller than the
            number of workers.
        ModuleNotFoundError: boto3 is not installed.
    """
    refuse(
        "bedrock_runtime_client",
        whole_number("workers", workers, least=1),
        number("read_timeout", read_timeout, above=0, unit="seconds"),
        number("connect_timeout", connect_timeout, above=0, unit="seconds"),
        _session_problem(session),
    )
    _check_config(config, workers)
    config.setdefault("max_pool_connections", max(_DEFAULT_POOL_CONNECTIONS, workers))
    config.setdefault("tcp_keepalive", True)  # NAT gateways drop connections that are idle for 350 s
    arguments = {name: config.pop(name) for name in _CLIENT_ARGUMENTS & config.keys()}
    try:
        settings = _import("botocore.config").Config(
            retries={"mode": "standard", "total_max_attempts": 1},
            read_timeout=read_timeout,
            connect_timeout=connect_timeout,
            **config,
        )
    except TypeError as error:  # it names the option alone
        accepted = "options of botocore.config.Config and of Session.client"
        raise TypeError(f"bedrock_runtime_client: {error}; accepted besides its own: {accepted}") from error
    if session is None:  # several threads must not share boto3's default session
        session = _import("boto3.session").Session()
    make = getattr(session, "client", None) or session.create_client  # so botocore's sessions name it
    client = make("bedrock-runtime", region_name=region_name, config=settings, **arguments)
    if all(part is None for part in (policy, pacer, budget, deadline)) and listeners == ():
        return client
    from bedrock_resilience.integrations._protect import protect_for  # noqa: PLC0415 - a Lambda with a retrier protects no client
    from bedrock_resilience.retrying._policy import RetryPolicy  # noqa: PLC0415 - as above

    return protect_for(
        "bedrock_runtime_client",
        client,
        policy=RetryPolicy() if policy is None else policy,
        pacer=pacer,
        budget=budget,
        deadline=deadline,
        timeout=None,
        listeners=listeners,
        clock=SYSTEM_CLOCK,
        rng=None,
    )


def check_client(
    client: object,
    *,
    policy: RetryPolicy,
    workers: int = 1,
    deadline: Deadline | None = None,
    clock: Clock = SYSTEM_CLOCK,
    allow: Collection[str] = (),
) -> None:
    """Refuse a client whose configuration works against the policy.

    A client without ``meta.config``, such as one made for tests, passes.

    Args:
        client: A boto3 client made elsewhere.
        policy: The retry policy of its calls.
        workers: Threads that use it at the same time.
        deadline: The deadline of the run; None: there is none.
        clock: The clock of the deadline.
        allow: The checks to skip, of ``"retries"``, ``"pool"`` and ``"timeouts"``.

    Raises:
        ClientConfigurationError: Lists every problem, with the numbers.
        TypeError: ``workers`` or ``allow`` has the wrong type.
        ValueError: ``workers`` is out of range, or ``allow`` names another check.
    """
    allow = {allow} if isinstance(allow, str) else allow
    refuse("check_client", whole_number("workers", workers, least=1), _unknown_checks(allow))
    config = getattr(getattr(client, "meta", None), "config", None)
    if config is None:
        return
    from bedrock_resilience.integrations import protection_of  # noqa: PLC0415 - as above

    seconds = None if deadline is None else deadline.remaining(clock.monotonic())
    protection = protection_of(client)
    inner = None if protection is None else protection.policy
    found = [text for check, text in _problems(config, inner, policy, workers, seconds) if check not in allow]
    if found:
        raise ClientConfigurationError("; and ".join(found))


def sdk_attempts(config: object) -> int:
    """How many times botocore sends one request at most under a client's configuration; 1 if it does not retry."""
    given: object = getattr(config, "retries", None)
    if not isinstance(given, Mapping):
        return 1
    retries = cast("Mapping[str, Any]", given)
    total = retries.get("total_max_attempts")
    if total is None and "max_attempts" in retries:
        total = retries["max_attempts"] + 1
    return int(total) if total is not None else _DEFAULT_ATTEMPTS.get(retries.get("mode", "legacy"), 1)


def _problems(
    config: object, inner: RetryPolicy | None, policy: RetryPolicy, workers: int, seconds: float | None
) -> Iterator[tuple[str, str]]:
    """Yield each check that fails, with the text; ``inner`` is the policy of a protected client."""
    attempts, outer = sdk_attempts(config) if inner is None else 1 + inner.max_retries, 1 + policy.max_retries
    if attempts > 1 and (inner is None or outer > 1):
        who, remedy = _PROTECTED if inner is not None else _AIOBOTOCORE if _is_aio(config) else _BOTOCORE
        text = (
            f"two retry layers: {who} would send each request up to {attempts} times, times {outer} attempts of the "
            f"policy makes {attempts * outer}; {remedy}"
        )
        yield "retries", text
    pool = getattr(config, "max_pool_connections", None)
    if isinstance(pool, int) and pool < workers:
        yield "pool", f"a pool of {pool} connections for {workers} workers; accepted: at least as many"
    if seconds is not None:
        timeouts = attempts if inner is None else 1 + inner.retries_of(Fault.READ_TIMEOUT)
        yield from _timeout_problems(config, timeouts, policy, seconds)


# The part that retries inside, and the remedy.
_BOTOCORE: Final = ("botocore", BOTOCORE_REMEDY)
_AIOBOTOCORE: Final = (
    "aiobotocore",
    "make the client with AioConfig(retries={'total_max_attempts': 1, 'mode': 'standard'})",
)
_PROTECTED: Final = (
    "the protection of the client",
    "retry in one place: send once here, with Retrier(RetryPolicy(max_retries=0)), or unprotect(client)",
)


def _is_aio(config: object) -> bool:
    return type(config).__module__.startswith("aiobotocore.")


def _timeout_problems(config: object, inner: int, policy: RetryPolicy, seconds: float) -> Iterator[tuple[str, str]]:
    # Only read timeouts that are retried add up; every other failure ends earlier.
    attempts = inner * (1 + policy.retries_of(Fault.READ_TIMEOUT))
    # Rounded down: a timeout that is refused must not look like one that is accepted.
    left, most = (math.floor(10 * value) / 10 for value in (seconds, seconds / attempts))
    accepted = f"the deadline leaves {left:.1f} s; accepted: a read timeout up to {most:.1f} s"
    timeout = getattr(config, "read_timeout", 0)
    if timeout is None:
        yield "timeouts", f"no read timeout at all, and {accepted}"
    elif isinstance(timeout, (int, float)) and attempts * timeout > seconds:
        yield "timeouts", f"{attempts} x {timeout:g} s of read timeout make {attempts * timeout:g} s, and {accepted}"


def _session_problem(session: object) -> Problem | None:
    packages = {cls.__module__.partition(".")[0] for cls in type(session).__mro__}
    if packages.isdisjoint({"aiobotocore", "aioboto3"}):
        return None
    accepted = "a session of boto3 or botocore, or None; protect(session) is for one of aiobotocore or aioboto3"
    return wrong_type("session", session, accepted)


def _check_config(config: Mapping[str, Any], workers: int) -> None:
    problems: list[str] = []
    if "retries" in config:
        problems.append(
            f"retries: got {config['retries']!r}; accepted: nothing, the retry policy is the one retry layer"
        )
    if "config" in config:
        problems.append("config: got a Config; accepted: its options, each as an argument of its own")
    pool = whole_number("max_pool_connections", config.get("max_pool_connections", workers), least=workers)
    if pool is not None:
        problems.append(f"{pool.text}, one for each worker")
    if problems:
        raise ClientConfigurationError(f"bedrock_runtime_client: {'; '.join(problems)}")


def _unknown_checks(allow: object) -> Problem | None:
    accepted = ", ".join(map(repr, _CHECKS))
    if not isinstance(allow, Collection):
        return wrong_type("allow", allow, f"a collection of {accepted}")
    unknown = sorted(map(str, set(cast("Collection[object]", allow)) - set(_CHECKS)))
    return wrong_value("allow", unknown, accepted) if unknown else None


def _import(module: str) -> Any:  # noqa: ANN401 - a module
    """Import a module of boto3 or botocore; with a session given, boto3 is not needed."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"making a client needs boto3 ({error}): pip install 'bedrock-resilience[aws]'", name=error.name
        ) from error
