"""Quotas of Bedrock as data.

AWS does not document the shape of Bedrock's "per minute" (fixed window, sliding window or token bucket). By default,
this package enforces it as token buckets, which EC2 and API Gateway document for theirs. ``QuotaReading`` has the
others.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeVar

from bedrock_resilience._checks import explain_names, number, refuse, wrong_value
from bedrock_resilience.clock import SYSTEM_CLOCK
from bedrock_resilience.quotas._quota_limit import MANTLE
from bedrock_resilience.quotas._tokens import settled_tokens

if TYPE_CHECKING:
    from bedrock_resilience._checks import Problem
    from bedrock_resilience.clock import Clock
    from bedrock_resilience.quotas._service_quotas import ServiceQuotas
    from bedrock_resilience.quotas._tokens import Usage

_RUNTIME_FIELDS: Final = ("requests_per_minute", "tokens_per_minute", "tokens_per_day", "burst")
_MANTLE_FIELDS: Final = ("input_tokens_per_minute", "output_tokens_per_minute")

_Q = TypeVar("_Q", bound="Quota")


class _FromServiceQuotas:
    """The source of a quota, beside its fields. Comparison and JSON leave it out."""

    __slots__ = ("_source",)

    @property
    def source(self) -> ServiceQuotas | None:
        """The quotas of Service Quotas that the numbers are; None for numbers that were given."""
        return getattr(self, "_source", None)


@explain_names
@dataclass(frozen=True, slots=True)
class Quota(_FromServiceQuotas):
    """The requests and tokens that an account may send to one model in one Region; None means not limited.

    The two endpoints of Bedrock count differently, and separately (AWS, "Quotas for the bedrock-runtime endpoint" and
    "Quotas for the bedrock-mantle endpoint"). A quota is that of one endpoint: ``bedrock-runtime`` has requests, and
    tokens of input and output together; ``bedrock-mantle`` has the two last fields only, see ``mantle``.

    Args:
        requests_per_minute: Requests admitted a minute in the long run.
        tokens_per_minute: Tokens a minute, input and output together, as ``reserved_tokens`` and ``settled_tokens``
            count them. All tokens of a minute may be used at once, because a new account's 4,000 a minute must admit a
            call that reserves 4,000.
        tokens_per_day: The same over a day.
        burst: Requests that may be sent at once after a pause: the size of the bucket that ``requests_per_minute``
            refills. None: a tenth of a minute's requests, at least 1. The real size is not documented. A pacer that
            assumes too small a bucket only starts a few seconds slower; one that assumes too large a bucket is
            throttled.
        input_tokens_per_minute: On ``bedrock-mantle``, what requests may reserve a minute: their input and
            ``max_tokens``, of which the unused part is refunded at the end.
        output_tokens_per_minute: On ``bedrock-mantle``, tokens that may be generated a minute. If they are used up,
            generation stops.

    Raises:
        TypeError: A value is not a number.
        ValueError: A value is not positive and finite, or ``burst`` is given without ``requests_per_minute``, or is
            below 1, or fields of both endpoints are given. Both name every such field.
    """

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    tokens_per_day: float | None = None
    burst: float | None = None
    input_tokens_per_minute: float | None = None
    output_tokens_per_minute: float | None = None

    def __post_init__(self) -> None:
        burst = number("burst", self.burst, least=1, optional=True)  # a smaller bucket admits nothing
        if burst is None and self.burst is not None and self.requests_per_minute is None:
            burst = wrong_value("burst", self.burst, "None without requests_per_minute")
        refuse(
            "Quota",
            number("requests_per_minute", self.requests_per_minute, above=0, optional=True),
            number("tokens_per_minute", self.tokens_per_minute, above=0, optional=True),
            number("tokens_per_day", self.tokens_per_day, above=0, optional=True),
            burst,
            number("input_tokens_per_minute", self.input_tokens_per_minute, above=0, optional=True),
            number("output_tokens_per_minute", self.output_tokens_per_minute, above=0, optional=True),
            *(self._of_the_other_endpoint() if self.endpoint == MANTLE else ()),
        )

    def _of_the_other_endpoint(self) -> list[Problem]:
        given = {name: getattr(self, name) for name in _RUNTIME_FIELDS}
        accepted = "None beside a quota of bedrock-mantle, which counts input and output tokens apart"
        return [wrong_value(name, value, accepted) for name, value in given.items() if value is not None]

    @classmethod
    def mantle(
        cls, *, input_tokens_per_minute: float | None = None, output_tokens_per_minute: float | None = None
    ) -> Self:
        """Return a quota of the ``bedrock-mantle`` endpoint, which limits no requests.

        When a request starts, its input and ``max_tokens`` are deducted from the first quota, and it is throttled if
        they do not fit. Output tokens are deducted from the second as they are generated, and generation stops if
        it is used up. At the end, the unused part of ``max_tokens`` is refunded, and what was read from a cache does
        not count. The default of Claude Opus 4.7 is 20,000,000 and 4,000,000 (AWS, "Quotas for the bedrock-mantle
        endpoint").

        >>> Quota.mantle(input_tokens_per_minute=20_000_000, output_tokens_per_minute=4_000_000).endpoint
        'bedrock-mantle'
        """
        return cls(input_tokens_per_minute=input_tokens_per_minute, output_tokens_per_minute=output_tokens_per_minute)

    @classmethod
    def from_service_quotas(
        cls,
        model_id: str,
        *,
        session: Any = None,  # noqa: ANN401 - a boto3 session
        region_name: str | None = None,
        endpoint: Literal["bedrock-runtime", "bedrock-mantle"] = "bedrock-runtime",
        max_age: float = 3_600.0,  # an increase of a quota takes hours or days
        clock: Clock = SYSTEM_CLOCK,
    ) -> Self:
        """Read the quota that an account has for a model from AWS Service Quotas. Needs the extra ``[aws]``.

        The id determines the quota. A model id has the quota of one Region ("On-demand ..."). An id that begins with
        ``eu.``, ``us.``, ``jp.`` or another geography has the quota of all cross-Region profiles. An id that begins
        with ``global.`` has that of the global profile. Newer models have no quota of requests. The daily quota is that
        of the model or, if it has none, that of all models of the account together. A quota without an applied value
        has AWS's default. ``source`` states for each number which quota it is.

        The first call reads some 15 pages, and as many of the defaults if a number is missing, which takes a few
        seconds. Later calls of the process use the same answers, for any model of the Region. The call blocks: in an
        event loop, use ``asyncio.to_thread``. The role requires ``servicequotas:ListServiceQuotas``,
        ``servicequotas:ListAWSDefaultServiceQuotas`` and ``servicequotas:GetServiceQuota``; for the ARN of an
        application inference profile also ``bedrock:GetInferenceProfile``, of a prompt ``bedrock:GetPrompt``, and of a
        deployment of a custom model ``bedrock:GetCustomModelDeployment`` and ``bedrock:GetCustomModel``.

        Args:
            model_id: A model id, a profile id, or the ARN of either or of those above.
            session: The boto3 session of the account; None: a new one. One thread at a time may use it.
            region_name: The Region that the requests are sent to; None: that of the ARN, or of the session.
            endpoint: The endpoint that serves the requests: each has quotas of its own.
            max_age: Seconds for which an earlier answer is used again; a failure for 300 seconds at most. 0: always ask
                AWS.
            clock: The clock of the age.

        Raises:
            QuotaUnavailableError: The permission, the network or a quota for the model is missing, or the value is 0.
                Its text is one line. Continue with a pacer that learns the quota.
            TypeError: ``model_id`` is no string, or ``max_age`` is not a number.
            ValueError: ``model_id`` is empty, ``max_age`` is negative, or there is no such ``endpoint``.
            ModuleNotFoundError: boto3 is not installed.
        """
        from bedrock_resilience.quotas._service_quotas import read_service_quotas  # noqa: PLC0415 - imported on use

        source = read_service_quotas(
            model_id, session=session, region_name=region_name, endpoint=endpoint, max_age=max_age, clock=clock
        )
        return _read_from(source, cls(**{quota.field: quota.value for quota in source.quotas}))

    @property
    def endpoint(self) -> Literal["bedrock-runtime", "bedrock-mantle"]:
        """The endpoint whose quota it is."""
        mantle = self.input_tokens_per_minute is not None or self.output_tokens_per_minute is not None
        return MANTLE if mantle else "bedrock-runtime"

    @property
    def unlimited(self) -> bool:
        """Whether nothing is limited."""
        return all(getattr(self, name) is None for name in (*_RUNTIME_FIELDS, *_MANTLE_FIELDS))

    def tokens_charged(self, usage: Usage, burndown: float = 1.0) -> float:
        """Return the tokens of quota that an answered request costs, once it has ended.

        Args:
            usage: What the request used.
            burndown: Tokens of quota that an output token costs on ``bedrock-runtime``; ``bedrock-mantle`` counts it
                once.

        >>> from bedrock_resilience.quotas import Usage
        >>> usage = Usage(input_tokens=3_000, output_tokens=600, cache_read_input_tokens=500)
        >>> Quota(tokens_per_minute=200_000).tokens_charged(usage, burndown=5)
        6000
        >>> Quota.mantle(input_tokens_per_minute=200_000).tokens_charged(usage, burndown=5)
        3600.0
        """
        return settled_tokens(usage, 1.0 if self.endpoint == MANTLE else burndown)

    @property
    def request_burst(self) -> float:
        """Requests that may be sent at once: ``burst``, or its default; infinite without a request quota."""
        if self.requests_per_minute is None:
            return math.inf
        return max(1.0, self.requests_per_minute / 10) if self.burst is None else self.burst

    def share(self, fraction: float) -> Self:
        """Return this quota times ``fraction``, for one of several callers. The burst stays at 1 at least.

        Raises:
            TypeError: ``fraction`` is not a number.
            ValueError: Not 0 < fraction <= 1.

        >>> Quota(requests_per_minute=60, burst=6).share(1 / 3) == Quota(requests_per_minute=20, burst=2)
        True
        """
        refuse("Quota.share", number("fraction", fraction, above=0, most=1))
        given = {name: getattr(self, name) for name in (*_RUNTIME_FIELDS, *_MANTLE_FIELDS)}
        scaled = {name: value * fraction for name, value in given.items() if value is not None}
        if self.burst is not None:
            scaled["burst"] = max(1.0, scaled["burst"])
        return self.replace(**scaled)

    def replace(self, **changes: float | None) -> Self:
        """Return a copy with these fields changed, validated again."""
        fields: dict[str, Any] = changes
        return _read_from(self.source, dataclasses.replace(self, **fields))


def _read_from(source: ServiceQuotas | None, quota: _Q) -> _Q:
    object.__setattr__(quota, "_source", source)
    return quota
