"""The environment of the Lambda, read once into one frozen value.

Every variable is checked, and all faults are reported at once: the first invocation shows an operator every variable
that is wrong. An empty variable counts as not set, because CloudFormation leaves unused ones empty.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from bedrock_resilience import RetryPolicy
from bedrock_resilience.bedrock import DEFAULT_READ_TIMEOUT
from vectora_normalize.contract import ErrorType, RunRefusedError, show

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bedrock_resilience.quotas import Quota

Number = TypeVar("Number", int, float)
Default = TypeVar("Default")

DEFAULT_MODEL_ID: Final = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
"""The contract's model. Legacy since 8 October 2026; calls fail from 8 April 2027: set its successor in
BEDROCK_MODEL_ID.
"""

DEFAULT_REGION: Final = "eu-west-3"
"""The Region in which the function is deployed."""

_LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
# The other names of two of them in Python's logging and in Lambda's own settings.
_LEVEL_ALIASES = {"WARN": "WARNING", "FATAL": "CRITICAL"}
_BUCKET = re.compile(r"[A-Za-z0-9._-]{1,255}|arn:\S+")  # as botocore accepts it
_TABLE = re.compile(r"[A-Za-z0-9._-]{3,255}|arn:\S+")
_MODEL_ID = re.compile(r"\S+")
_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d+")
_MAX_WORKERS = 64  # an eighth of Lambda's threads, writer threads included, and far above any known quota
_MAX_RETRIES = 20
_MAX_BASE_DELAY_SECONDS = 60.0  # quotas are quotas of a minute
_MAX_QUOTA = 1e9
_POLICY_NUMBERS = ("BEDROCK_MAX_RETRIES", "BEDROCK_BASE_DELAY", "BEDROCK_MULTIPLIER", "BEDROCK_MAX_DELAY")
_POLICY_NAMES = (*_POLICY_NUMBERS, "BEDROCK_JITTER", "BEDROCK_RETRY_ON")
_QUOTA_NAMES = ("BEDROCK_REQUESTS_PER_MINUTE", "BEDROCK_TOKENS_PER_MINUTE")
_MAX_READ_TIMEOUT = 900.0  # seconds: the longest run of a Lambda
_URL = re.compile(r"https?://\S+")
_MAX_RECEIVES = 1000  # the limit of a queue's redrive policy


class Pacing(StrEnum):
    """How requests are spread over time before any is throttled.

    Attributes:
        AUTO: One pace for all instances over the data bucket, of the quota that is given, or of one that they learn.
        SHARED: The same over a DynamoDB table.
        QUOTA: Each instance paces itself by the quota that is given.
        ADAPTIVE: Each instance learns a pace of its own.
        NONE: No pacing.
    """

    AUTO = "auto"
    SHARED = "shared"
    QUOTA = "quota"
    ADAPTIVE = "adaptive"
    NONE = "none"


class Mode(StrEnum):
    """The part that normalizes the items of a run: this function, or workers."""

    DIRECT = "direct"
    QUEUE = "queue"


class OnConcurrentRun(StrEnum):
    """What a run does when another run of the same client is in progress."""

    JOIN = "join"
    WAIT = "wait"
    REFUSE = "refuse"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration of the function.

    Args:
        config_bucket: Bucket of client configurations, catalog and scopes.
        data_bucket: Bucket to which items and run reports are written.
        env: Name of the environment, such as ``dev``.
        project_name: Name of the project, for the run report.
        model_id: Bedrock model or inference profile.
        region: Region of Bedrock.
        policy: How a call to Bedrock is retried.
        max_workers: Calls to Bedrock in flight at once.
        quota: The known quota of Bedrock; None: it is not known.
        pacing: How requests are spread over time.
        pace_table: The DynamoDB table of ``Pacing.SHARED``.
        read_timeout: Seconds to wait for a response of Bedrock.
        log_level: Lowest level that is logged.
        allow_private_sources: Whether sources may have private and loopback addresses: for tests and local runs.
        pubmed_api_key_param: Name of the SSM parameter with the PubMed key; accepted for callers that set it.
        on_concurrent_run: What a run does when another one of the client is in progress.
        mode: Whether items are normalized here, or sent to workers.
        queue_url: The queue to which items are sent.
        dead_letter_queue_url: The queue to which a worker sends what cannot be normalized.
        max_receives: How often an item may be delivered to a worker before it is sent there.
    """

    config_bucket: str
    data_bucket: str
    env: str = "dev"
    project_name: str = "vectora-inbox"
    model_id: str = DEFAULT_MODEL_ID
    region: str = DEFAULT_REGION
    policy: RetryPolicy = msgspec.field(default_factory=RetryPolicy)
    max_workers: int = 4
    quota: Quota | None = None
    pacing: Pacing = Pacing.AUTO
    pace_table: str | None = None
    read_timeout: float = DEFAULT_READ_TIMEOUT
    log_level: str = "INFO"
    allow_private_sources: bool = False
    pubmed_api_key_param: str | None = None
    on_concurrent_run: OnConcurrentRun = OnConcurrentRun.JOIN
    mode: Mode = Mode.DIRECT
    queue_url: str | None = None
    dead_letter_queue_url: str | None = None
    max_receives: int = 5

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Settings:
        """Return the settings of an environment such as ``os.environ``.

        Raises:
            RunRefusedError: INVALID_CONFIGURATION, with every fault: the variable, its value, what is accepted.
        """
        reader = _EnvReader(environ)
        settings = cls(
            config_bucket=reader.bucket("CONFIG_BUCKET", "the name of the bucket with the configurations"),
            data_bucket=reader.bucket("DATA_BUCKET", "the name of the bucket that items are written to"),
            env=reader.text("ENV", "dev"),
            project_name=reader.text("PROJECT_NAME", "vectora-inbox"),
            model_id=reader.matching("BEDROCK_MODEL_ID", DEFAULT_MODEL_ID, _MODEL_ID, "a model id without spaces"),
            region=reader.region(),
            policy=reader.policy(),
            max_workers=reader.number("MAX_BEDROCK_WORKERS", 4, least=1, most=_MAX_WORKERS),
            quota=reader.quota(),
            pacing=reader.pacing(),
            pace_table=reader.table(),
            read_timeout=reader.number("BEDROCK_READ_TIMEOUT", DEFAULT_READ_TIMEOUT, least=1, most=_MAX_READ_TIMEOUT),
            log_level=reader.choice("LOG_LEVEL", "INFO", _LOG_LEVELS, fold=_level),
            allow_private_sources=reader.choice("ALLOW_PRIVATE_SOURCES", "false", ("false", "true")) == "true",
            pubmed_api_key_param=reader.text("PUBMED_API_KEY_PARAM", "") or None,
            on_concurrent_run=OnConcurrentRun(reader.choice("ON_CONCURRENT_RUN", "join", tuple(OnConcurrentRun))),
            mode=reader.mode(),
            queue_url=reader.url("QUEUE_URL"),
            dead_letter_queue_url=reader.url("DEAD_LETTER_QUEUE_URL"),
            max_receives=reader.number("MAX_RECEIVES", 5, least=1, most=_MAX_RECEIVES),
        )
        if reader.faults:
            raise RunRefusedError(ErrorType.INVALID_CONFIGURATION, *reader.faults)
        return settings


def _level(text: str) -> str:
    level = text.upper()
    return _LEVEL_ALIASES.get(level, level)


def _is_plain(text: str) -> bool:
    """Whether a number is written as operators write it; Python also reads ``1_0`` and digits of other scripts."""
    return text.isascii() and "_" not in text


class _EnvReader:
    """Reads variables one by one and collects their faults; a wrong variable is read as its default."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.faults: list[str] = []

    def text(self, name: str, default: str) -> str:
        return self._environ.get(name, "").strip() or default

    def bucket(self, name: str, accepted: str) -> str:
        value = self.text(name, "")
        if not value:
            self.faults.append(f"{name}: missing; required: {accepted}")
        elif not _BUCKET.fullmatch(value):
            self._refuse(name, accepted, "")
        return value

    def matching(self, name: str, default: str, pattern: re.Pattern[str], accepted: str) -> str:
        value = self.text(name, default)
        return value if pattern.fullmatch(value) else self._refuse(name, accepted, default)

    def choice(self, name: str, default: str, accepted: tuple[str, ...], fold: Callable[[str], str] = str.lower) -> str:
        value = fold(self.text(name, default))
        return value if value in accepted else self._refuse(name, " or ".join(accepted), default)

    def number(self, name: str, default: Number, *, least: float, most: float) -> Number:
        """Return the numeric value of the variable, of the default's type."""
        text = self.text(name, "")
        if not text:
            return default
        try:
            value = type(default)(text)
        except ValueError:
            value = None
        if not _is_plain(text):
            value = None
        if value is not None and least <= value <= most:  # nan is in no range
            return value
        kind = "whole number" if isinstance(default, int) else "number"
        return self._refuse(name, f"a {kind} from {least:g} to {most:g}", default)

    def region(self) -> str:
        name = "BEDROCK_REGION" if self.text("BEDROCK_REGION", "") else "AWS_REGION"
        return self.matching(name, DEFAULT_REGION, _REGION, f"a region such as {DEFAULT_REGION}")

    def policy(self) -> RetryPolicy:
        """The policy of ``RetryPolicy.from_env``, within the limits of a Lambda."""
        valid: dict[str, str] = {}
        for name in _POLICY_NAMES:
            text = self.text(name, "")
            try:
                policy = RetryPolicy.from_env({name: text})
            except ValueError as error:
                self.faults.append(str(error))
                continue
            if policy.max_retries > _MAX_RETRIES:
                self._refuse(name, f"a whole number from 0 to {_MAX_RETRIES}", None)
            elif policy.base_delay > _MAX_BASE_DELAY_SECONDS:
                self._refuse(name, f"a number from 0 to {_MAX_BASE_DELAY_SECONDS:g}", None)
            elif name in _POLICY_NUMBERS and not _is_plain(text):
                self._refuse(name, "a number in ASCII digits", None)
            else:
                valid[name] = text
        return RetryPolicy.from_env(valid)

    def quota(self) -> Quota | None:
        requests, tokens = (self.number(name, 0.0, least=1, most=_MAX_QUOTA) or None for name in _QUOTA_NAMES)
        if not (requests or tokens):
            return None
        from bedrock_resilience.quotas import Quota  # noqa: PLC0415 - most functions are given none

        return Quota(requests_per_minute=requests, tokens_per_minute=tokens)

    def pacing(self) -> Pacing:
        pacing = Pacing(self.choice("BEDROCK_PACING", "auto", tuple(Pacing)))
        if pacing is Pacing.QUOTA and not any(self.text(name, "") for name in _QUOTA_NAMES):
            self.faults.append(f"BEDROCK_PACING: got 'quota' without a quota; required: {' or '.join(_QUOTA_NAMES)}")
        if pacing is Pacing.SHARED and not self.text("BEDROCK_PACE_TABLE", ""):
            self.faults.append(
                "BEDROCK_PACE_TABLE: missing; required: the DynamoDB table, beside BEDROCK_PACING=shared"
            )
        return pacing

    def table(self) -> str | None:
        accepted = "the name or ARN of a DynamoDB table"
        given = self.text("BEDROCK_PACE_TABLE", "")
        return self.matching("BEDROCK_PACE_TABLE", "", _TABLE, accepted) or None if given else None

    def mode(self) -> Mode:
        mode = Mode(self.choice("MODE", "direct", tuple(Mode)))
        if mode is Mode.QUEUE and not self.text("QUEUE_URL", ""):
            self.faults.append("QUEUE_URL: missing; required: the URL of the workers' queue, beside MODE=queue")
        return mode

    def url(self, name: str) -> str | None:
        return self.matching(name, "", _URL, "the URL of a queue") or None if self.text(name, "") else None

    def _refuse(self, name: str, accepted: str, default: Default) -> Default:
        self.faults.append(f"{name}: got {show(self.text(name, ''))}; accepted: {accepted}")
        return default
