"""The client factory, and the inspection of clients made elsewhere: one retry layer, a pool that fits, timeouts."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeGuard, cast

from bedrock_resilience._errors import ClientConfigurationError
from bedrock_resilience._fault import Fault
from bedrock_resilience.clock import SYSTEM_CLOCK

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from bedrock_resilience.clock import Clock
    from bedrock_resilience.retrying._deadline import Deadline
    from bedrock_resilience.retrying._policy import RetryPolicy

# Converse sends nothing until the whole answer is there, so the read timeout bounds a whole generation. 1,000 tokens
# take about 20 s; botocore's default of 60 s can hit a slow one, and a timed-out generation is billed all the same.
DEFAULT_READ_TIMEOUT: Final = 120.0
DEFAULT_CONNECT_TIMEOUT: Final = 5.0

# What boto3 does where a client says nothing: legacy was the default before botocore 1.44, standard is since.
_DEFAULT_ATTEMPTS: Final = {"legacy": 5, "standard": 3, "adaptive": 3}

# Arguments of Session.client(); everything else is an option of botocore's Config.
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


def bedrock_runtime_client(
    region_name: str | None = None,
    *,
    workers: int = 4,
    read_timeout: float = DEFAULT_READ_TIMEOUT,
    connect_timeout: float = DEFAULT_CONNECT_TIMEOUT,
    session: Any = None,  # noqa: ANN401 - a boto3 session
    **config: Any,  # noqa: ANN401 - the options of botocore's Config
) -> Any:  # noqa: ANN401 - boto3 makes the client's class when it is asked for
    """A boto3 ``bedrock-runtime`` client for use under a retry policy.

    botocore's own retries are off, whatever ``AWS_RETRY_MODE``, ``AWS_MAX_ATTEMPTS`` or a profile say: a second layer
    multiplies the attempts and hides them (4 x 5 = 20 requests for one item, read timeouts billed again and again).
    The connection pool holds a connection for each worker. Needs the extra ``[aws]``.

    Args:
        region_name: The region; None: as boto3 finds it.
        workers: Threads that will use the client at the same time.
        read_timeout: Seconds without a byte before the call fails; for Converse, the longest generation.
        connect_timeout: Seconds to open a connection.
        session: The boto3 session to make it with, for a profile or an assumed role; None: a session of its own. A
            session may be used by one thread at a time, the client by many.
        config: Further options of ``botocore.config.Config``, and of ``Session.client`` such as ``endpoint_url``.

    Raises:
        ClientConfigurationError: ``retries`` or ``config`` among the options, or a pool smaller than the workers.
        ValueError: ``workers`` or a timeout out of range.
        ModuleNotFoundError: boto3 is not installed.
    """
    _check_arguments(workers, read_timeout, connect_timeout)
    _check_config(config)
    # 10 is botocore's default; a larger pool costs nothing until it is used.
    pool = config.setdefault("max_pool_connections", max(10, workers))
    if not _is_whole(pool) or pool < workers:
        raise ClientConfigurationError(f"max_pool_connections: got {pool!r}; accepted: at least the {workers} workers")

    new_config = _imported("botocore.config").Config
    arguments = {name: config.pop(name) for name in _CLIENT_ARGUMENTS & config.keys()}
    config.setdefault("tcp_keepalive", True)  # NAT gateways drop connections that are silent for 350 s
    settings = new_config(
        retries={"mode": "standard", "total_max_attempts": 1},
        read_timeout=read_timeout,
        connect_timeout=connect_timeout,
        **config,
    )
    if session is None:  # boto3's default session may not be used by several threads at once
        session = _imported("boto3.session").Session()
    return session.client("bedrock-runtime", region_name=region_name, config=settings, **arguments)


def check_client(
    client: object,
    *,
    policy: RetryPolicy,
    workers: int = 1,
    deadline: Deadline | None = None,
    clock: Clock = SYSTEM_CLOCK,
    allow: Collection[str] = (),
) -> None:
    """Refuse a client that works against the policy. A client without ``meta.config`` (a test's) passes.

    Args:
        client: A boto3 client made elsewhere.
        policy: The policy its calls are put under.
        workers: Threads that use it at the same time.
        deadline: The deadline of the run, if there is one.
        clock: The clock of the deadline.
        allow: Which of ``"retries"``, ``"pool"`` and ``"timeouts"`` not to check.

    Raises:
        ClientConfigurationError: Names every problem, with the numbers.
        ValueError: ``allow`` names something else.
    """
    allow = {allow} if isinstance(allow, str) else allow
    unknown = set(allow) - set(_CHECKS)
    if unknown:
        raise ValueError(f"allow: got {sorted(unknown)}; accepted: {', '.join(map(repr, _CHECKS))}")
    config = getattr(getattr(client, "meta", None), "config", None)
    if config is None:
        return
    seconds = None if deadline is None else deadline.remaining(clock.monotonic())
    found = [text for check, text in _problems(config, policy, workers, seconds) if check not in allow]
    if found:
        raise ClientConfigurationError("; and ".join(found))


def attempts_of(client: object) -> int:
    """How often botocore itself would send one request of this client; 1 where it does not retry."""
    return _attempts(getattr(getattr(client, "meta", None), "config", None))


def _attempts(config: object) -> int:
    given: object = getattr(config, "retries", None)
    if not isinstance(given, Mapping):
        return 1
    retries = cast("Mapping[str, Any]", given)
    total = retries.get("total_max_attempts")
    if total is None and "max_attempts" in retries:
        total = retries["max_attempts"] + 1
    return int(total) if total is not None else _DEFAULT_ATTEMPTS.get(retries.get("mode", "legacy"), 1)


def _problems(config: object, policy: RetryPolicy, workers: int, seconds: float | None) -> Iterator[tuple[str, str]]:
    inner, outer = _attempts(config), 1 + policy.max_retries
    if inner > 1:
        text = (
            f"two retry layers: botocore would send each request up to {inner} times, times {outer} attempts of the "
            f"policy makes {inner * outer}; make the client with bedrock_runtime_client(), or with "
            "Config(retries={'total_max_attempts': 1, 'mode': 'standard'})"
        )
        yield "retries", text
    pool = getattr(config, "max_pool_connections", None)
    if isinstance(pool, int) and pool < workers:
        yield "pool", f"a pool of {pool} connections for {workers} workers; accepted: at least as many"
    if seconds is not None:
        yield from _problems_of_time(config, inner, policy, seconds)


def _problems_of_time(config: object, inner: int, policy: RetryPolicy, seconds: float) -> Iterator[tuple[str, str]]:
    # Only a read timeout that is sent again can add up; whatever else fails, fails earlier.
    attempts = inner * (1 + policy.retries_of(Fault.READ_TIMEOUT))
    accepted = f"the deadline leaves {seconds:.1f} s; accepted: a read timeout up to {seconds / attempts:.1f} s"
    timeout = getattr(config, "read_timeout", 0)
    if timeout is None:
        yield "timeouts", f"no read timeout at all, and {accepted}"
    elif isinstance(timeout, (int, float)) and attempts * timeout > seconds:
        yield "timeouts", f"{attempts} x {timeout:g} s of read timeout make {attempts * timeout:g} s, and {accepted}"


def _check_arguments(workers: object, read_timeout: object, connect_timeout: object) -> None:
    if not _is_whole(workers) or workers < 1:
        raise ValueError(f"workers: got {workers!r}; accepted: a whole number >= 1")
    for name, given in (("read_timeout", read_timeout), ("connect_timeout", connect_timeout)):
        if not isinstance(given, (int, float)) or isinstance(given, bool) or not 0 < given < float("inf"):
            raise ValueError(f"{name}: got {given!r}; accepted: seconds > 0")


def _check_config(config: Mapping[str, Any]) -> None:
    if "retries" in config:
        raise ClientConfigurationError(
            f"retries: got {config['retries']!r}; accepted: nothing, the retry policy is the one retry layer"
        )
    if "config" in config:
        raise ClientConfigurationError("config: got a Config; accepted: its options, each as an argument of its own")


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _imported(module: str) -> Any:  # noqa: ANN401 - a module
    """A module of boto3 or botocore; only making a client needs one, and with a session given, boto3 is not needed."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"making a client needs boto3 ({error}): pip install 'bedrock-resilience[aws]'", name=error.name
        ) from error
