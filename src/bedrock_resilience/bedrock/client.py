"""The client factory, and the inspection of clients made elsewhere: one retry layer, a pool that fits, explicit timeouts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience.clock import SYSTEM_CLOCK
from bedrock_resilience.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from bedrock_resilience.clock import Clock
    from bedrock_resilience.deadline import Deadline
    from bedrock_resilience.policy import RetryPolicy

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


class ClientMisconfigured(ValueError):  # noqa: N818 - it is what was found
    """A client that would retry below the retry policy, starve its workers, or outlive the deadline."""

    fault = Fault.CONFIGURATION


def bedrock_runtime_client(
    region_name: str | None = None,
    *,
    workers: int = 4,
    read_timeout: float = DEFAULT_READ_TIMEOUT,
    connect_timeout: float = DEFAULT_CONNECT_TIMEOUT,
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
        config: Further options of ``botocore.config.Config``, and of ``Session.client`` such as ``endpoint_url``.

    Raises:
        ClientMisconfigured: ``retries`` among the options, or a pool smaller than the workers.
        ValueError: ``workers`` or a timeout out of range.
    """
    _check_arguments(workers, read_timeout, connect_timeout)
    if "retries" in config:
        raise ClientMisconfigured(
            f"retries: got {config['retries']!r}; accepted: nothing, the retry policy is the one retry layer"
        )
    # 10 is botocore's default; a larger pool costs nothing until it is used.
    pool = config.setdefault("max_pool_connections", max(10, workers))
    if pool < workers:
        raise ClientMisconfigured(f"max_pool_connections: got {pool!r}; accepted: at least the {workers} workers")

    import boto3.session  # noqa: PLC0415 - the extra [aws], needed by nothing else
    from botocore.config import Config  # noqa: PLC0415

    arguments = {name: config.pop(name) for name in _CLIENT_ARGUMENTS & config.keys()}
    config.setdefault("tcp_keepalive", True)  # NAT gateways drop connections that are silent for 350 s
    settings = Config(
        retries={"mode": "standard", "total_max_attempts": 1},
        read_timeout=read_timeout,
        connect_timeout=connect_timeout,
        **config,
    )
    # A session of its own: boto3's default session may not be used by several threads at once.
    session = boto3.session.Session(region_name=region_name)
    return session.client("bedrock-runtime", config=settings, **arguments)


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
        ClientMisconfigured: Names every problem, with the numbers.
        ValueError: ``allow`` names something else.
    """
    unknown = set(allow) - set(_CHECKS)
    if unknown:
        raise ValueError(f"allow: got {sorted(unknown)}; accepted: {', '.join(map(repr, _CHECKS))}")
    config = getattr(getattr(client, "meta", None), "config", None)
    if config is None:
        return
    seconds = None if deadline is None else deadline.remaining(clock.monotonic())
    found = [text for check, text in _problems(config, policy, workers, seconds) if check not in allow]
    if found:
        raise ClientMisconfigured("; and ".join(found))


def attempts_of(client: object) -> int:
    """How often botocore itself would send one request of this client; 1 where it does not retry."""
    return _attempts(getattr(getattr(client, "meta", None), "config", None))


def _attempts(config: object) -> int:
    retries = getattr(config, "retries", None)
    if not isinstance(retries, dict):
        return 1
    total = retries.get("total_max_attempts")
    if total is None and "max_attempts" in retries:
        total = retries["max_attempts"] + 1
    return int(total) if total is not None else _DEFAULT_ATTEMPTS.get(retries.get("mode", "legacy"), 1)


def _problems(config: object, policy: RetryPolicy, workers: int, seconds: float | None) -> Iterator[tuple[str, str]]:
    inner, outer = _attempts(config), 1 + policy.max_retries
    if inner > 1:
        yield (
            "retries",
            f"two retry layers: botocore would send each request up to {inner} times, times {outer} attempts of the "
            f"policy makes {inner * outer}; make the client with bedrock_runtime_client(), or with "
            "Config(retries={'total_max_attempts': 1, 'mode': 'standard'})",
        )
    pool = getattr(config, "max_pool_connections", None)
    if isinstance(pool, int) and pool < workers:
        yield "pool", f"a pool of {pool} connections for {workers} workers; accepted: at least as many"
    timeout = getattr(config, "read_timeout", None)
    if seconds is None or not isinstance(timeout, (int, float)):
        return
    # Only a read timeout that is sent again can add up; under the others one attempt must fit.
    timeouts = inner * (1 + policy.retries_of(Fault.READ_TIMEOUT))
    if timeouts * timeout > seconds:
        yield (
            "timeouts",
            f"{timeouts} attempts of {timeout:g} s read timeout need {timeouts * timeout:g} s, and the deadline leaves "
            f"{seconds:.1f} s; accepted: a read timeout up to {seconds / timeouts:.1f} s",
        )


def _check_arguments(workers: object, read_timeout: object, connect_timeout: object) -> None:
    if not isinstance(workers, int) or isinstance(workers, bool) or workers < 1:
        raise ValueError(f"workers: got {workers!r}; accepted: a whole number >= 1")
    for name, given in (("read_timeout", read_timeout), ("connect_timeout", connect_timeout)):
        if not isinstance(given, (int, float)) or isinstance(given, bool) or not 0 < given < float("inf"):
            raise ValueError(f"{name}: got {given!r}; accepted: seconds > 0")
