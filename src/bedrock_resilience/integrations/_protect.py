"""protect and unprotect: find the module for a target, which attaches or detaches the protection."""

from __future__ import annotations

import importlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, cast

from bedrock_resilience._checks import Problem, explain_names, refuse
from bedrock_resilience.clock import SYSTEM_CLOCK
from bedrock_resilience.integrations._protection import LOCK, Protection
from bedrock_resilience.retrying._policy import RetryPolicy
from bedrock_resilience.retrying._retry_after import attribute

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable
    from typing import TypeVar

    from bedrock_resilience.clock import Clock
    from bedrock_resilience.pacing import Pacer
    from bedrock_resilience.retrying import Deadline, Listener, RetryBudget

    T = TypeVar("T")


class _Integration(Protocol):
    """The functions of each module for one kind of targets. They are called under the lock."""

    def attach(self, target: object, protection: Protection) -> None:
        """Protect a target, in place of the protection that it has."""
        ...

    def detach(self, target: object) -> None:
        """Undo ``attach``; a target that is not protected stays as it is."""
        ...

    def attached(self, target: object) -> Protection | None:
        """Return the protection of a target."""
        ...


# The module of each kind of targets, by the class (module, name) that a target is an instance of.
_MODULES: Final = {
    ("aioboto3.session", "Session"): "_aiobotocore",
    ("aiobotocore.client", "AioBaseClient"): "_aiobotocore",
    ("aiobotocore.session", "AioSession"): "_aiobotocore",
    ("anthropic._base_client", "AsyncAPIClient"): "_sdks",
    ("anthropic._base_client", "SyncAPIClient"): "_sdks",
    ("boto3.session", "Session"): "_botocore",
    ("botocore.client", "BaseClient"): "_botocore",
    ("botocore.session", "Session"): "_botocore",
    ("httpx", "AsyncClient"): "_httpx",
    ("httpx", "Client"): "_httpx",
    ("httpx2", "AsyncClient"): "_httpx",
    ("httpx2", "Client"): "_httpx",
    ("openai._base_client", "AsyncAPIClient"): "_sdks",
    ("openai._base_client", "SyncAPIClient"): "_sdks",
}
_MAX_SHOWN: Final = 100  # characters
_ACCEPTED: Final = (
    "a session or a client of boto3, botocore or aiobotocore, or a client of httpx, httpx2, anthropic or openai"
)


@explain_names
def protect(  # noqa: PLR0913 - the parts of a protection, all by name
    target: T,
    *,
    policy: RetryPolicy = RetryPolicy(),  # noqa: B008 - a frozen value
    pacer: Pacer | Literal["auto"] | None = None,
    budget: RetryBudget | None = None,
    deadline: Deadline | None = None,
    timeout: float | None = None,
    listeners: Iterable[Listener] = (),
    clock: Clock = SYSTEM_CLOCK,
    rng: random.Random | None = None,
) -> T:
    """Put a policy into a client or a session, so that code which calls Bedrock through it needs no change.

    Threads may share the target. To protect it again with equal arguments changes nothing; other arguments replace the
    first ones.

    Args:
        target: A session or a client of boto3, botocore, aioboto3 or aiobotocore. With a session, every
            ``bedrock-runtime`` client that any code makes from it later is protected. Or a client of httpx or httpx2,
            synchronous or not, whose requests to Bedrock are protected. Or a client of the SDKs of Anthropic and OpenAI
            for Bedrock.
        policy: Which faults are retried, how often, and after which delays.
        pacer: Asked before every request, and informed of the result of each. ``"auto"``: a new ``AdaptivePacer``,
            which finds the quota by itself; a target that was protected with ``"auto"`` before keeps its own. Requests
            to ``bedrock-mantle``, which is another allocation, have a second one.
        budget: Limits the retries of all calls that share it.
        deadline: No request starts that cannot finish before it, and no sleep ends after it. ``Deadline.current()``
            applies as well. It is one instant for all calls; ``timeout`` counts from the start of each call.
        timeout: Seconds from the start of each call after which no request starts and no wait ends. It is a deadline
            that every call gets anew; with others, the earliest counts. A request that was sent is not interrupted, nor
            is a stream that has begun: the read timeout of the client bounds it.
        listeners: Called with each event of ``bedrock_resilience.retrying``.
        clock: The source of time and of sleeps.
        rng: The source of jitter; pass a seeded ``random.Random`` for delays that can be repeated.

    Returns:
        The target itself.

    Raises:
        TypeError: The target is of no known kind, or another argument has the wrong type.
        ValueError: The target is a client of an SDK that does not call Bedrock, or ``timeout`` is not positive.
    """
    return protect_for(
        "protect",
        target,
        policy=policy,
        pacer=pacer,
        budget=budget,
        deadline=deadline,
        timeout=timeout,
        listeners=listeners,
        clock=clock,
        rng=rng,
    )


def protect_for(owner: str, target: T, **parts: Any) -> T:  # noqa: ANN401 - each part has its own type, checked here
    """Protect a target with all parts of a protection; errors are in the name of ``owner``, which the caller used."""
    protection = Protection.checked(owner, **parts, problem=_problem(target))
    integration = _integration(owner, target)
    with LOCK:
        attached = integration.attached(target)
        if protection.learns and attached is not None and attached.learns:
            # It keeps what it has learned.
            protection = replace(protection, pacer=attached.pacer, mantle_pacer=attached.mantle_pacer)
        if attached != protection:
            integration.attach(target, protection)
    return target


def unprotect(target: T) -> T:
    """Undo ``protect``. A target that is not protected stays as it is.

    Returns:
        The target itself.

    Raises:
        TypeError: The target is of no known kind.
    """
    integration = _integration("unprotect", target)
    with LOCK:
        integration.detach(target)
    return target


def protection_of(target: object) -> Protection | None:
    """Return the protection of a target, or None if it has none or is of no known kind."""
    module = _module_of(target)
    return None if module is None else _load(module).attached(target)


def _integration(owner: str, target: object) -> _Integration:
    module = _module_of(target)
    if module is None:
        refuse(owner, _problem(target))
    return _load(cast("str", module))


def _problem(target: object) -> Problem | None:
    if _module_of(target) is not None:
        return None
    shown = repr(target)
    if len(shown) > _MAX_SHOWN:  # a chat model of a framework shows all its settings
        shown = f"{shown[:_MAX_SHOWN]}..."
    of_a_framework = _module_of(attribute(target, "client")) is not None
    accepted = f"its attribute client, or {_ACCEPTED}" if of_a_framework else _ACCEPTED
    return Problem(TypeError, f"target: got {shown}; accepted: {accepted}")


def _module_of(target: object) -> str | None:
    found = (_MODULES.get((cls.__module__, cls.__name__)) for cls in type(target).__mro__)
    return next((module for module in found if module is not None), None)


def _load(module: str) -> _Integration:
    return cast("_Integration", importlib.import_module(f"bedrock_resilience.integrations.{module}"))
