"""Protection: the parts of a protected target, as a value; and ProtectedCall, one call of such a target.

An integration has hooks and no function that it could call again, so it cannot use the drivers of ``Retrier``. A
``ProtectedCall`` carries out the same steps of ``CallState`` between the hooks::

    call = ProtectedCall(protection, request)
    call.admit()                        waits until the first request may be sent, or raises
    while True:
        send the request, then          call.succeeded(response): the end
                             or         call.retry(error): waits, then True: send again; False: the error is final
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from bedrock_resilience._checks import Problem, refuse
from bedrock_resilience.quotas import TokenEstimator, request_tokens, usage_from
from bedrock_resilience.retrying._attempts import Sleep, Stop
from bedrock_resilience.retrying._driver import (
    CallSettings,
    add_summary,
    begin,
    cancel,
    emit_step,
    final_error,
    opened,
    random_number,
    start,
    succeed,
)
from bedrock_resilience.retrying._retrier import check_parts, made_pacer
from bedrock_resilience.retrying._retry_layers import warn_if_nested

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping

    from bedrock_resilience.clock import Clock
    from bedrock_resilience.pacing import Pacer
    from bedrock_resilience.quotas import RequestTokens
    from bedrock_resilience.retrying import Deadline, Listener, RetryBudget, RetryPolicy
    from bedrock_resilience.retrying._attempts import Attempt, CallState
    from bedrock_resilience.retrying._events import CallInfo

LOCK = threading.RLock()
"""Guards what targets are protected: two threads may protect one target, or two that share a session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """What ``protect`` was given. Two are equal if all their parts are.

    Attributes:
        policy: Which faults are retried, how often, and after which delays.
        pacer: Asked before every request; None: no pacing.
        budget: Limits the retries of all calls that share it.
        deadline: No request starts that cannot finish before it.
        timeout: Seconds from the start of each call after which no request starts; None: no limit.
        listeners: Called with each event.
        clock: The source of time and of sleeps.
        rng: The source of jitter; None: the system's.
        learns: Whether the pacer was made for ``"auto"``.
        mantle_pacer: Made with it, for the requests to ``bedrock-mantle``: the two endpoints are separate allocations.
            None: ``pacer`` paces them, too.
        settings: The same, as the calls need it.
        estimator: Estimates the input tokens of requests for the pacer, and learns from the responses.
    """

    policy: RetryPolicy
    pacer: Pacer | None
    budget: RetryBudget | None
    deadline: Deadline | None
    timeout: float | None = None
    listeners: tuple[Listener, ...]
    clock: Clock = field(repr=False)
    rng: random.Random | None = field(repr=False)
    learns: bool = field(default=False, repr=False, compare=False)
    mantle_pacer: Pacer | None = field(default=None, repr=False, compare=False)
    settings: CallSettings = field(init=False, repr=False, compare=False)
    estimator: TokenEstimator = field(init=False, repr=False, compare=False, default_factory=TokenEstimator)
    _of_mantle: Protection | None = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        settings = CallSettings(
            self.policy,
            clock=self.clock,
            rng=self.rng,
            deadline=self.deadline,
            timeout=self.timeout,
            budget=self.budget,
            pacer=self.pacer,
            listeners=self.listeners,
            tokens=0 if self.pacer is None and not self.listeners else self._tokens,
        )
        object.__setattr__(self, "settings", settings)
        if self.mantle_pacer is not None:
            object.__setattr__(self, "_of_mantle", replace(self, pacer=self.mantle_pacer, mantle_pacer=None))

    @classmethod
    def checked(
        cls,
        owner: str,
        *,
        listeners: Iterable[Listener],
        problem: Problem | None = None,
        **parts: Any,  # noqa: ANN401 - each part has its own type, checked here
    ) -> Self:
        """Return the protection with these parts, or refuse them in the name of ``owner``, together with ``problem``.

        Raises:
            TypeError: A part has the wrong type; or what the problem is.
            ValueError: ``timeout`` is not positive.
        """
        given = tuple(listeners) if isinstance(listeners, Iterable) else listeners  # a generator is read once only
        refuse(owner, problem, *check_parts(listeners=given, **parts))
        pacer = parts.pop("pacer")
        learns = pacer == "auto"
        of_mantle = None
        if learns:
            from bedrock_resilience.pacing import AdaptivePacer  # noqa: PLC0415 - a client without a pacer does not load it

            of_mantle = AdaptivePacer(burndown=1.0)
        return cls(listeners=given, pacer=made_pacer(pacer), learns=learns, mantle_pacer=of_mantle, **parts)

    @property
    def of_mantle(self) -> Protection:
        """The protection of requests to ``bedrock-mantle``."""
        return self if self._of_mantle is None else self._of_mantle

    def _tokens(self, request: Mapping[str, Any]) -> RequestTokens:
        tokens = request_tokens(request, self.estimator)
        return replace(tokens, endpoint=request["endpoint"]) if "endpoint" in request else tokens


class ProtectedCall:
    """One call of a protected target.

    Exactly one of ``succeeded``, ``interrupted``, ``cancelled`` or a ``False`` of ``retry`` ends it.

    Args:
        protection: The protection of the target.
        request: The parameters of the request, with its ``modelId``: the pacer reserves the tokens that they name.
        info: The operation, the model and the Region, for the events. Only listeners need it.

    Attributes:
        open: True until the call has ended.
    """

    __slots__ = ("_protection", "_request", "_settings", "_state", "open")

    def __init__(self, protection: Protection, request: Mapping[str, Any], info: CallInfo | None = None) -> None:
        self._protection = protection
        self._settings = protection.settings
        self._request = request
        warn_if_nested(protection.policy)
        self._state: CallState = begin(self._settings, (request,), {}, info)
        self.open: bool = True

    @property
    def attempts(self) -> int:
        """Requests sent so far."""
        return self._state.attempts

    def admit(self) -> None:
        """Wait until the first request may be sent.

        Raises:
            DeadlineExceededError: The deadline, or the timeout, allows no request.
        """
        if self._stopped(self._wait(self._first_step())):
            raise self.final_error()

    async def aadmit(self) -> None:
        """Wait as ``admit`` does, without blocking the event loop."""
        if self._stopped(await self._await(self._first_step())):
            raise self.final_error()

    def retry(self, error: Exception) -> bool:
        """Wait after a request that failed, and tell whether to send it again; if not, the call has ended."""
        return not self._stopped(self._wait(self._step_after(error)))

    async def aretry(self, error: Exception) -> bool:
        """Decide and wait as ``retry`` does, without blocking the event loop."""
        return not self._stopped(await self._await(self._step_after(error)))

    def final_error(self) -> Exception:
        """Return the exception to raise after the call has ended without success: the last one, with a note."""
        return final_error(self._settings, self._state)

    def ended_by(self, error: BaseException, last: object = None) -> None:
        """End the call, if it is still open, for the exception that the target raises, and add the note to it.

        Args:
            error: The exception.
            last: The part of the response with the usage, such as the last event of a stream, if there is one.
        """
        if self.open and self.attempts:
            if not isinstance(error, Exception):
                self.cancelled(error)
                return
            self.interrupted(error, last)
        self.open = False
        if self.attempts and isinstance(error, Exception):
            self._state.error = None  # its traceback refers to the frame of this call
            add_summary(error, self._state)

    def succeeded(self, response: object) -> None:
        """End the call as a success; the ``usage`` of the response settles the pacer."""
        self.open = False
        succeed(self._settings, self._state, response)
        self._learn(response)

    def opened(self) -> None:
        """Report that the first content of a stream was received. The call ends with the stream."""
        opened(self._settings, self._state)

    def interrupted(self, error: BaseException, last: object = None) -> None:
        """End the call as a failure that cannot be retried, because a part of the response was delivered.

        Args:
            error: What interrupted it.
            last: The part with the usage, such as the last event of a stream, if there is one.
        """
        self.open = False
        emit_step(self._settings, self._state, self._state.interrupted(error, self._now(), last))
        self._learn(last)

    def cancelled(self, error: BaseException) -> None:
        """End the call from outside, as by a ``KeyboardInterrupt``."""
        self.open = False
        cancel(self._settings, self._state, error)

    def _now(self) -> float:
        return self._settings.clock.monotonic()

    def _first_step(self) -> Attempt | Sleep | Stop:
        return start(self._settings, self._state)

    def _step_after(self, error: Exception) -> Sleep | Stop:
        step = self._state.failed(error, self._now(), random_number(self._settings))
        return emit_step(self._settings, self._state, step)

    def _wait(self, step: Attempt | Sleep | Stop) -> Attempt | Stop:
        try:
            while isinstance(step, Sleep):
                self._settings.clock.sleep(step.seconds)
                step = emit_step(self._settings, self._state, self._state.slept(self._now()))
        except BaseException as error:
            self.cancelled(error)
            raise
        return step

    async def _await(self, step: Attempt | Sleep | Stop) -> Attempt | Stop:
        try:
            while isinstance(step, Sleep):
                await self._settings.clock.asleep(step.seconds)
                step = emit_step(self._settings, self._state, self._state.slept(self._now()))
        except BaseException as error:
            self.cancelled(error)
            raise
        return step

    def _stopped(self, step: Attempt | Stop) -> bool:
        self.open = not isinstance(step, Stop)
        return not self.open

    def _learn(self, response: object) -> None:
        if self._settings.pacer is not None:
            usage = usage_from(response)
            if usage is not None:
                self._protection.estimator.learn(self._request, usage)
